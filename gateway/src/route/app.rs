//! What the customer's app shows: the wallet, its receipts, and what a machine sells.

use super::Paging;
use super::person::{ShownWallet, balance};
use crate::api::{Asker, At, at, does};
use crate::database::place;
use crate::failure;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::receipts::{self, Receipt};
use crate::request::{Customer, named, nothing};
use crate::text::{currency, money};
use actix_web::web;
use gettone_core::id::MachineId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which wallet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    currency: Option<String>,
}

/// A customer's receipts.
#[derive(Serialize, ToSchema)]
struct Receipts {
    /// The newest first.
    receipts: Vec<Receipt>,
    /// Whether none is missing because the projection cannot follow the journal for the moment.
    complete: bool,
    /// The cursor of the next page; null when this is the last one.
    next: Option<u64>,
}

/// A machine as its customers see it.
#[derive(Serialize, ToSchema)]
struct PublicMachine {
    machine: u32,
    /// What it is called.
    name: String,
    /// Where it stands.
    place: String,
    /// Who runs it.
    operator: PublicOperator,
    currency: &'static str,
    /// What it sells.
    products: Vec<PublicProduct>,
}

/// An operator as its customers see it.
#[derive(Serialize, ToSchema)]
struct PublicOperator {
    number: u32,
    name: String,
}

/// A product and its price.
#[derive(Serialize, ToSchema)]
struct PublicProduct {
    item: u16,
    name: String,
    price: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/wallet").get(
            wallet,
            does("Shows a wallet", Asker::Customer)
                .query(
                    "currency",
                    "string",
                    "Which wallet of who signed in; the first one when it is not said.",
                )
                .answers::<ShownWallet>(200),
        ),
        at("/v1/app/receipts").get(
            receipts,
            does("Lists receipts, the newest first", Asker::Customer)
                .paged()
                .answers::<Receipts>(200),
        ),
        at("/v1/app/machines/{machine}").get(
            machine,
            does("Shows a machine and what it sells", Asker::Anyone).answers::<PublicMachine>(200),
        ),
    ]
}

async fn wallet(
    gateway: web::Data<Gateway>,
    customer: Customer,
    which: web::Query<Which>,
) -> Result<web::Json<ShownWallet>, Problem> {
    let wallet = match &which.currency {
        Some(code) => customer.wallet_in(currency("currency", code)?),
        None => customer.wallets().first().copied(),
    };
    let wallet = wallet.ok_or_else(|| nothing("wallet"))?;
    let balance = balance(&gateway, wallet)
        .await?
        .ok_or_else(|| nothing("wallet"))?;
    Ok(web::Json(ShownWallet::of(&gateway, wallet, &balance)))
}

async fn receipts(
    gateway: web::Data<Gateway>,
    customer: Customer,
    paging: web::Query<Paging>,
) -> Result<web::Json<Receipts>, Problem> {
    let wallets = customer.wallets();
    let page = gateway
        .database()
        .read(move |connection| {
            receipts::receipts(connection, &wallets, paging.cursor, paging.len())
        })
        .await?;
    Ok(web::Json(Receipts {
        receipts: page
            .lines
            .into_iter()
            .map(|receipt| receipt.named(&gateway))
            .collect(),
        complete: gateway.is_complete(),
        next: page.next,
    }))
}

async fn machine(
    gateway: web::Data<Gateway>,
    path: web::Path<String>,
) -> Result<web::Json<PublicMachine>, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let machine = gateway
        .engine()
        .machine(id)
        .await
        .map_err(failure::unread)?
        .into_inner()
        .ok_or_else(|| nothing("machine"))?;
    let (Some(operator), Some(currency)) = (machine.operator(), machine.currency()) else {
        return Err(nothing("machine"));
    };
    let place = gateway
        .database()
        .read(move |connection| place::find(connection, id))
        .await?
        .unwrap_or_default();
    Ok(web::Json(PublicMachine {
        machine: id.number(),
        name: place.name,
        place: place.place,
        operator: PublicOperator {
            number: operator.number(),
            name: gateway
                .operator_name(operator)
                .unwrap_or_default()
                .to_owned(),
        },
        currency: currency.code(),
        products: machine
            .catalogue()
            .iter()
            .map(|(item, product)| PublicProduct {
                item: item.number(),
                name: product.name.clone(),
                price: money(product.price, currency),
            })
            .collect(),
    }))
}
