//! Payments by card: e-money at once, before the issuer has it; and what is charged back.

use super::transfer_named;
use super::wallet::opened;
use crate::api::{Asker, At, at, does};
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Platform, named};
use crate::text::{amount, money};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::{TransferId, WalletId};
use gettone_core::money::{Amount, Currency};
use gettone_core::wallet::Balance;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A payment that the card's issuer has promised.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCardPayment {
    /// With its currency's decimals.
    amount: String,
}

/// A payment that goes back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewChargeback {
    /// The payment's name: that of a card payment, or of a top-up.
    payment: String,
    /// How much of it.
    amount: String,
}

/// A payment, and what the wallet shows after it.
#[derive(Serialize, ToSchema)]
struct ShownPayment {
    wallet: u64,
    /// The payment's name.
    payment: String,
    currency: &'static str,
    /// E-money, held or not.
    emoney: String,
    /// What the customer owes.
    owed: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/wallets/{wallet}/card-payments").post(
            pay,
            does(
                "Adds e-money that was paid by card and has not come in yet",
                Asker::Platform,
            )
            .keyed()
            .takes::<NewCardPayment>(json!({"amount": "5.00"}))
            .answers::<ShownPayment>(201),
        ),
        at("/v1/wallets/{wallet}/card-payments/{payment}/settle").post(
            settle,
            does("Books that a payment by card has come in", Asker::Platform)
                .answers::<ShownPayment>(200),
        ),
        at("/v1/wallets/{wallet}/chargebacks").post(
            charge_back,
            does(
                "Takes back what was paid in and charged back; what is gone is owed",
                Asker::Platform,
            )
            .keyed()
            .takes::<NewChargeback>(json!({
                "payment": "05050505050505050505050505050505", "amount": "5.00",
            }))
            .answers::<ShownPayment>(201),
        ),
    ]
}

async fn pay(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<String>,
    keyed: Keyed<NewCardPayment>,
) -> Result<HttpResponse, Problem> {
    let wallet = WalletId::new(named("wallet", &path)?);
    let pay = async |new: NewCardPayment, key| {
        let (currency, amount) = figures(&gateway, wallet, &new.amount).await?;
        let moved = gateway.engine().top_up_by_card(wallet, key, amount).await;
        let moved = moved.map_err(|failed| {
            failure::told(failed, |refusal| failure::wallet(refusal, currency))
        })?;
        let shown = ShownPayment::of((wallet, key), &moved.balance);
        Ok((StatusCode::CREATED, shown))
    };
    keyed.once(&gateway, "platform", pay).await
}

async fn settle(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<(String, String)>,
) -> Result<web::Json<ShownPayment>, Problem> {
    let wallet = WalletId::new(named("wallet", &path.0)?);
    let key = transfer_named("payment", &path.1)?;
    let currency = opened(&gateway, wallet).await?;
    let moved = gateway.engine().settle_card(wallet, key).await;
    let moved = moved
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    Ok(web::Json(ShownPayment::of((wallet, key), &moved.balance)))
}

async fn charge_back(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<String>,
    keyed: Keyed<NewChargeback>,
) -> Result<HttpResponse, Problem> {
    let wallet = WalletId::new(named("wallet", &path)?);
    let charge_back = async |new: NewChargeback, key| {
        let payment = transfer_named("payment", &new.payment)?;
        let (currency, amount) = figures(&gateway, wallet, &new.amount).await?;
        let moved = gateway
            .engine()
            .charge_back(wallet, key, (payment, amount))
            .await
            .map_err(|failed| {
                failure::told(failed, |refusal| failure::wallet(refusal, currency))
            })?;
        let shown = ShownPayment::of((wallet, payment), &moved.balance);
        Ok((StatusCode::CREATED, shown))
    };
    keyed.once(&gateway, "platform", charge_back).await
}

async fn figures(
    gateway: &Gateway,
    wallet: WalletId,
    text: &str,
) -> Result<(Currency, Amount), Problem> {
    let currency = opened(gateway, wallet).await?;
    Ok((currency, amount("amount", text, currency)?))
}

impl ShownPayment {
    fn of((wallet, payment): (WalletId, TransferId), balance: &Balance) -> Self {
        Self {
            wallet: wallet.number(),
            payment: payment.to_string(),
            currency: balance.currency.code(),
            emoney: money(balance.emoney, balance.currency),
            owed: money(balance.owed, balance.currency),
        }
    }
}
