//! What the customer's app shows: the wallet and its receipts.

use super::Limit;
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::{Customer, nothing};
use crate::text::money;
use actix_web::{HttpResponse, Responder, web};
use serde::Serialize;
use serde_json::json;

#[derive(Serialize)]
struct ShownWallet {
    wallet: u64,
    currency: &'static str,
    emoney: String,
    closed: Vec<ShownClosed>,
    pending: String,
    owed: String,
}

#[derive(Serialize)]
struct ShownClosed {
    operator: u32,
    amount: String,
}

pub(super) async fn wallet(
    gateway: web::Data<Gateway>,
    Customer(wallet): Customer,
) -> Result<HttpResponse, Problem> {
    let balance = gateway
        .engine()
        .balance(wallet)
        .await
        .map_err(failure::unread)?
        .into_inner()
        .ok_or_else(|| nothing("wallet"))?;
    let shown = |amount| money(amount, balance.currency);
    Ok(HttpResponse::Ok().json(ShownWallet {
        wallet: wallet.number(),
        currency: balance.currency.code(),
        emoney: shown(balance.emoney),
        closed: balance
            .closed
            .iter()
            .map(|(operator, amount)| ShownClosed {
                operator: operator.number(),
                amount: shown(*amount),
            })
            .collect(),
        pending: shown(balance.pending),
        owed: shown(balance.owed),
    }))
}

pub(super) async fn receipts(
    gateway: web::Data<Gateway>,
    Customer(wallet): Customer,
    limit: web::Query<Limit>,
) -> impl Responder {
    let page = gateway.look_back(|history| history.receipts(wallet, limit.len()));
    web::Json(json!({"receipts": page.lines, "complete": page.complete}))
}
