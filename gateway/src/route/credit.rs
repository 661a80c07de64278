//! Credit that an operator gives a customer: spendable at its own machines only.

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
use gettone_core::wallet::Command;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// What was given.
#[derive(Serialize, ToSchema)]
struct Credited {
    customer: u64,
    amount: String,
    currency: &'static str,
}

pub(super) fn routes() -> Vec<At> {
    vec![at("/v1/credits").post(
        credit,
        does(
            "Gives a customer credit that is spendable at your machines only",
            Asker::Clerk,
        )
        .keyed()
        .takes::<ForCustomer>(json!({
            "customer": 1_234_567_890, "amount": "5.00", "currency": "EUR", "note": "for the jam",
        }))
        .answers::<Credited>(201),
    )]
}

async fn credit(
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
) -> Result<(StatusCode, Credited), Problem> {
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
        .wallet_command(
            wallet,
            Command::Give {
                key,
                operator,
                amount,
            },
        )
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    meant.note_in_log(gateway, staff, "credit.give").await;
    let credited = Credited {
        customer: meant.customer.number(),
        amount: money(amount, currency),
        currency: currency.code(),
    };
    Ok((StatusCode::CREATED, credited))
}
