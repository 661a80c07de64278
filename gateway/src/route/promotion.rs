//! E-money that an operator gives a customer out of what it earned: spendable everywhere.

use super::clerk::{ForCustomer, Meant};
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
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

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
            .takes::<ForCustomer>(json!({
                "customer": 1_234_567_890, "amount": "1.00", "currency": "EUR", "note": "welcome",
            }))
            .answers::<Promoted>(201),
        ),
    ]
}

async fn promote(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    keyed: Keyed<ForCustomer>,
) -> Result<HttpResponse, Problem> {
    let give = async |written: ForCustomer, key| give(&gateway, &staff, written, key).await;
    keyed.once(&gateway, &staff.principal(), give).await
}

async fn give(
    gateway: &Gateway,
    staff: &Staff,
    written: ForCustomer,
    key: TransferId,
) -> Result<(StatusCode, Promoted), Problem> {
    let meant = Meant::of(gateway, &written).await?;
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
