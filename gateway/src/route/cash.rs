//! A machine's cash box: what it should hold, and what was counted.

use super::machine;
use crate::api::{Asker, At, at, does};
use crate::bounds::CASH_COUNTS_SHOWN_MAX;
use crate::database::staff_log;
use crate::failure;
use crate::fleet::{self, CashCounted};
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Clerk, Staff, named, nothing};
use crate::text::{figure, money};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::{MachineId, TransferId};
use gettone_core::machine::Machine;
use gettone_core::money::Currency;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// What was counted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCount {
    /// Notes and coins together.
    counted: String,
}

/// A machine's cash box.
#[derive(Serialize, ToSchema)]
struct ShownCash {
    /// What it should hold: cash sales, and cash put in, since the last count.
    expected: String,
    currency: &'static str,
    /// Since when, in milliseconds since 1970; null before the first count.
    since_ms: Option<u64>,
    /// What was counted, the newest first.
    counts: Vec<ShownCount>,
}

/// One count.
#[derive(Serialize, ToSchema)]
struct ShownCount {
    at_ms: u64,
    expected: String,
    counted: String,
    /// What was there too much, or, below zero, too little.
    difference: String,
    /// Who counted.
    by: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/machines/{machine}/cash").get(
            show,
            does("Shows a machine's cash box and its counts", Asker::Staff)
                .answers::<ShownCash>(200),
        ),
        at("/v1/machines/{machine}/cash-counts").post(
            count,
            does(
                "Books that a cash box was emptied and counted",
                Asker::Clerk,
            )
            .keyed()
            .takes::<NewCount>(json!({"counted": "12.30"}))
            .answers::<ShownCash>(201),
        ),
    ]
}

async fn show(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let machine = machine::own(&gateway, id, staff.operator).await?;
    Ok(HttpResponse::Ok().json(shown(&gateway, id, &machine).await?))
}

async fn count(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    path: web::Path<String>,
    keyed: Keyed<NewCount>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    machine::own(&gateway, id, staff.operator).await?;
    let count = async |new: NewCount, key| book(&gateway, &staff, (id, key), new).await;
    keyed.once(&gateway, &staff.principal(), count).await
}

async fn book(
    gateway: &Gateway,
    staff: &Staff,
    of: (MachineId, TransferId),
    new: NewCount,
) -> Result<(StatusCode, ShownCash), Problem> {
    let (id, key) = of;
    let operator = staff.operator;
    let machine = machine::own(gateway, id, operator).await?;
    let currency = machine.currency().ok_or_else(|| nothing("machine"))?;
    let counted = figure("counted", &new.counted, currency)?;
    let who = staff.who.to_string();
    // Who counts is noted first, so that the projection of the count finds the name.
    gateway
        .database()
        .write(move |transaction| fleet::note_counter(transaction, operator, key, &who))
        .await?;
    gateway
        .engine()
        .count_cash(id, key, counted)
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?;
    let line = staff
        .did("cash.count", format_args!("machine {id}"))
        .changed(
            json!({"expected": money(machine.cash_expected(), currency)}),
            json!({"counted": money(counted, currency), "currency": currency.code()}),
        );
    let logged = gateway
        .database()
        .write(move |transaction| staff_log::add(transaction, operator, &line))
        .await;
    if let Err(fault) = logged {
        tracing::error!(%fault, "a count is missing in the staff log");
    }
    let machine = machine::own(gateway, id, operator).await?;
    Ok((StatusCode::CREATED, shown(gateway, id, &machine).await?))
}

async fn shown(gateway: &Gateway, id: MachineId, machine: &Machine) -> Result<ShownCash, Problem> {
    let currency = machine.currency().ok_or_else(|| nothing("machine"))?;
    let counts = gateway
        .database()
        .read(move |connection| fleet::cash_counts(connection, id, CASH_COUNTS_SHOWN_MAX))
        .await?;
    Ok(ShownCash {
        expected: money(machine.cash_expected(), currency),
        currency: currency.code(),
        since_ms: machine.cash_counted().map(|count| count.at.as_millis()),
        counts: counts
            .iter()
            .map(|count| ShownCount::of(count, currency))
            .collect(),
    })
}

impl ShownCount {
    fn of(count: &CashCounted, currency: Currency) -> Self {
        Self {
            at_ms: count.at.as_millis(),
            expected: money(count.expected, currency),
            counted: money(count.counted, currency),
            difference: money(count.counted - count.expected, currency),
            by: count.by.clone(),
        }
    }
}
