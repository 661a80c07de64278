//! E-money that an operator gives a customer out of what it earned: spendable everywhere.

use super::credit::{Meant, Written};
use crate::api::{Asker, At, at, does};
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Clerk, Staff};
use crate::text::money;
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
    let meant = Meant::of(
        gateway,
        Written {
            customer: new.customer,
            address: new.address.as_deref(),
            amount: &new.amount,
            currency: &new.currency,
            note: &new.note,
        },
    )
    .await?;
    let Meant {
        wallet,
        amount,
        currency,
        ..
    } = meant;
    let operator = staff.operator;
    gateway
        .engine()
        .promote(operator, key, (wallet, amount))
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::transfer(refusal, currency)))?;
    let promoted = Promoted {
        transfer: key.to_string(),
        customer: meant.customer.number(),
        amount: money(amount, currency),
        currency: currency.code(),
    };
    meant.note_in_log(gateway, staff, "promotion.give").await;
    Ok((StatusCode::CREATED, promoted))
}
