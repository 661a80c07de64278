//! Money from one customer to another.

use super::clerk::{self, Who};
use crate::api::{Asker, At, at, does};
use crate::database::person::CustomerNumber;
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Customer, nothing};
use crate::text::{amount, currency, money};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::TransferId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Money to send.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPayment {
    /// The number of the customer who gets it.
    customer: u64,
    /// With its currency's decimals.
    amount: String,
    /// By its three letters; both have a wallet in it.
    currency: String,
}

/// Money that was sent, and has arrived.
#[derive(Serialize, ToSchema)]
struct Sent {
    /// Its name.
    transfer: String,
    /// The number of the customer who got it.
    customer: u64,
    amount: String,
    currency: &'static str,
    /// What e-money the sender has left, held or not.
    emoney: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/transfers").post(
            transfer,
            does(
                "Sends e-money to another customer; it arrives, or comes back",
                Asker::Customer,
            )
            .keyed()
            .takes::<NewPayment>(json!({
                "customer": 1_234_567_890, "amount": "2.00", "currency": "EUR",
            }))
            .answers::<Sent>(201),
        ),
    ]
}

async fn transfer(
    gateway: web::Data<Gateway>,
    customer: Customer,
    keyed: Keyed<NewPayment>,
) -> Result<HttpResponse, Problem> {
    let send = async |new: NewPayment, key| send(&gateway, &customer, new, key).await;
    keyed.once(&gateway, &customer.principal(), send).await
}

async fn send(
    gateway: &Gateway,
    customer: &Customer,
    new: NewPayment,
    key: TransferId,
) -> Result<(StatusCode, Sent), Problem> {
    let currency = currency("currency", &new.currency)?;
    let amount = amount("amount", &new.amount, currency)?;
    let from = customer
        .wallet_in(currency)
        .ok_or_else(|| nothing("wallet of yours in that currency"))?;
    let receiver = Who::Number(CustomerNumber::new(new.customer));
    let (receiver, to) = clerk::find(gateway, receiver, currency).await?;
    let moved = gateway
        .engine()
        .transfer(key, (from, to), amount)
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::transfer(refusal, currency)))?;
    let sent = Sent {
        transfer: key.to_string(),
        customer: receiver.number(),
        amount: money(amount, currency),
        currency: currency.code(),
        emoney: money(moved.balance.emoney, currency),
    };
    Ok((StatusCode::CREATED, sent))
}
