//! E-money that an operator gives a customer out of what it earned: spendable everywhere.

use super::credit::{self, note_in_log};
use crate::api::{Asker, At, at, does};
use crate::bounds::WORDS_LEN_MAX;
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Clerk, Staff};
use crate::text::{amount, currency, money, words};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::TransferId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// E-money to give, to a customer by number or by address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPromotion {
    /// The customer's number.
    customer: Option<u64>,
    /// The customer's e-mail address or telephone number.
    address: Option<String>,
    amount: String,
    /// By its three letters.
    currency: String,
    /// For the log.
    #[serde(default)]
    note: String,
}

/// What was given, and has arrived.
#[derive(Serialize, ToSchema)]
struct Promoted {
    /// Its name.
    transfer: String,
    customer: u64,
    amount: String,
    currency: &'static str,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/promotions").post(
            promote,
            does(
                "Gives a customer e-money out of what you earned",
                Asker::Clerk,
            )
            .keyed()
            .takes::<NewPromotion>(json!({
                "customer": 1_234_567_890, "amount": "1.00", "currency": "EUR", "note": "welcome",
            }))
            .answers::<Promoted>(201),
        ),
    ]
}

async fn promote(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    keyed: Keyed<NewPromotion>,
) -> Result<HttpResponse, Problem> {
    let give = async |new: NewPromotion, key| give(&gateway, &staff, new, key).await;
    keyed.once(&gateway, &staff.principal(), give).await
}

async fn give(
    gateway: &Gateway,
    staff: &Staff,
    new: NewPromotion,
    key: TransferId,
) -> Result<(StatusCode, Promoted), Problem> {
    let currency = currency("currency", &new.currency)?;
    let amount = amount("amount", &new.amount, currency)?;
    let note = words("note", &new.note, WORDS_LEN_MAX)?;
    let who = credit::who(new.customer, new.address.as_deref())?;
    let (customer, wallet) = credit::find(gateway, who, currency).await?;
    let operator = staff.operator;
    gateway
        .engine()
        .promote(operator, key, (wallet, amount))
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::transfer(refusal, currency)))?;
    let promoted = Promoted {
        transfer: key.to_string(),
        customer: customer.number(),
        amount: money(amount, currency),
        currency: currency.code(),
    };
    let subject = format!("customer {}", customer.number());
    let line = staff.did("promotion.give", subject).changed(
        json!(null),
        json!({"amount": promoted.amount, "currency": promoted.currency, "note": note}),
    );
    note_in_log(gateway, operator, line).await;
    Ok((StatusCode::CREATED, promoted))
}
