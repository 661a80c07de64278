//! Test vends: a technician tries a machine, and the operator's promotions pay.

use super::{clerk, machine, wallet};
use crate::api::{Asker, At, at, does};
use crate::database::person::CustomerNumber;
use crate::database::staff_log;
use crate::gateway::{Gateway, now};
use crate::problem::{Kind, Problem};
use crate::request::{Body, Technician, named, nothing};
use actix_web::{HttpResponse, web};
use gettone_core::id::MachineId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Who tries the machine: a customer, or one of your own wallets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTest {
    /// The customer's number.
    customer: Option<u64>,
    /// The number of a wallet that you opened yourself.
    wallet: Option<u64>,
}

/// A test that may begin.
#[derive(Serialize, ToSchema)]
struct Allowed {
    machine: u32,
    /// Until when it has to begin, in milliseconds since 1970.
    until_ms: u64,
}

pub(super) fn routes() -> Vec<At> {
    vec![at("/v1/machines/{machine}/test-vends").post(
        allow,
        does(
            "Makes a customer's next visit to a machine, within 10 minutes, a test that you pay",
            Asker::Technician,
        )
        .takes::<NewTest>(json!({"customer": 1_234_567_890}))
        .answers::<Allowed>(201),
    )]
}

async fn allow(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<NewTest>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let operator = staff.operator;
    let currency = machine::own(&gateway, id, operator)
        .await?
        .currency()
        .ok_or_else(|| nothing("machine"))?;
    let wallet = match (new.customer, new.wallet) {
        (Some(number), None) => {
            let who = clerk::Who::Number(CustomerNumber::new(number));
            clerk::find(&gateway, who, currency).await?.1
        }
        (None, Some(number)) => wallet::owned(operator, number).ok_or_else(|| nothing("wallet"))?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(Kind::Malformed.because("write either customer or wallet"));
        }
    };
    let until = gateway.allow_test(id, wallet, now())?;
    let line = staff.did("machine.test", format_args!("machine {id}"));
    gateway
        .database()
        .write(move |transaction| staff_log::add(transaction, operator, &line))
        .await?;
    Ok(HttpResponse::Created().json(Allowed {
        machine: id.number(),
        until_ms: until.as_millis(),
    }))
}
