//! What operators have at the issuer, and how it is paid out. The platform is one of them: it has
//! the fees, and the number 0.

use super::clerk::note_in_log;
use super::{Lines, transfer_named};
use crate::api::{Asker, At, at, does};
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Clerk, Owner, Platform, named, nothing};
use crate::text::{amount, currency, money};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone::{Durable, Failure, OperatorRefusal, Payout};
use gettone_core::id::{OperatorId, TransferId};
use gettone_core::money::{Amount, Currency};
use gettone_core::operator::{Event, What};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Money to move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMovement {
    /// With its currency's decimals.
    amount: String,
    /// By its three letters.
    currency: String,
}

/// What an operator has in one currency.
#[derive(Serialize, ToSchema)]
struct ShownPurse {
    currency: &'static str,
    /// What may be paid out; below zero when customers got back more than was left.
    available: String,
    /// What has left and is neither settled nor back.
    under_way: String,
    /// What is due to the issuer for payments that were charged back; only the platform owes such.
    due: String,
}

/// A payout that the issuer has not settled.
#[derive(Serialize, ToSchema)]
struct ShownPayout {
    /// Its name.
    payout: String,
    operator: u32,
    operator_name: String,
    amount: String,
    currency: &'static str,
    /// Since when, in milliseconds since 1970.
    at_ms: u64,
}

/// Money that has moved.
#[derive(Serialize, ToSchema)]
struct Movement {
    /// Its name.
    transfer: String,
    operator: u32,
    amount: String,
    currency: &'static str,
}

/// How a payout ended.
#[derive(Serialize, ToSchema)]
struct Ended {
    /// Its name.
    payout: String,
    operator: u32,
    /// `settled` or `failed`.
    state: &'static str,
}

pub(super) fn routes() -> Vec<At> {
    let movement = || json!({"amount": "5.00", "currency": "EUR"});
    vec![
        at("/v1/balance").get(
            balance,
            does("Shows what you have at the issuer", Asker::Clerk).lists::<ShownPurse>(),
        ),
        at("/v1/payouts")
            .get(
                under_way,
                does("Lists your payouts that are under way", Asker::Clerk).lists::<ShownPayout>(),
            )
            .post(
                order,
                does("Orders a payout to your bank account", Asker::Owner)
                    .keyed()
                    .takes::<NewMovement>(movement())
                    .answers::<Movement>(201),
            ),
        at("/v1/platform/payouts")
            .get(
                all_under_way,
                does(
                    "Lists the payouts of all operators that are under way",
                    Asker::Platform,
                )
                .lists::<ShownPayout>(),
            )
            .post(
                order_own,
                does("Orders a payout of the platform's fees", Asker::Platform)
                    .keyed()
                    .takes::<NewMovement>(movement())
                    .answers::<Movement>(201),
            ),
        at("/v1/platform/covers").post(
            cover,
            does(
                "Pays the issuer what was charged back and is gone",
                Asker::Platform,
            )
            .keyed()
            .takes::<NewMovement>(movement())
            .answers::<Movement>(201),
        ),
        at("/v1/operators/{operator}/balance").get(
            balance_of,
            does(
                "Shows what an operator has at the issuer; 0 is the platform",
                Asker::Platform,
            )
            .lists::<ShownPurse>(),
        ),
        at("/v1/operators/{operator}/deposits").post(
            deposit,
            does(
                "Adds money that the issuer has received for an operator",
                Asker::Platform,
            )
            .keyed()
            .takes::<NewMovement>(movement())
            .answers::<Movement>(201),
        ),
        at("/v1/operators/{operator}/charges").post(
            charge,
            does("Has an operator pay the platform", Asker::Platform)
                .keyed()
                .takes::<NewMovement>(movement())
                .answers::<Movement>(201),
        ),
        at("/v1/operators/{operator}/payouts/{payout}/settle").post(
            settle,
            does(
                "Books that a payout is at the operator's bank",
                Asker::Platform,
            )
            .answers::<Ended>(200),
        ),
        at("/v1/operators/{operator}/payouts/{payout}/fail").post(
            fail,
            does(
                "Books that a payout came back: the operator has it again",
                Asker::Platform,
            )
            .answers::<Ended>(200),
        ),
    ]
}

async fn balance(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
) -> Result<web::Json<Lines<ShownPurse>>, Problem> {
    purses(&gateway, staff.operator).await
}

async fn balance_of(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<String>,
) -> Result<web::Json<Lines<ShownPurse>>, Problem> {
    purses(&gateway, known(&gateway, &path)?).await
}

async fn purses(
    gateway: &Gateway,
    operator: OperatorId,
) -> Result<web::Json<Lines<ShownPurse>>, Problem> {
    let seen = gateway
        .engine()
        .operator(operator)
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::operator(refusal, NO_FIGURES)))?
        .into_inner();
    let lines: Vec<ShownPurse> = seen
        .purses()
        .iter()
        .map(|purse| {
            let same = seen.underway().iter();
            let under_way: Amount = same
                .filter(|underway| underway.currency == purse.currency)
                .map(|underway| underway.amount)
                .sum();
            ShownPurse {
                currency: purse.currency.code(),
                available: money(purse.available, purse.currency),
                under_way: money(under_way, purse.currency),
                due: money(purse.due, purse.currency),
            }
        })
        .collect();
    Ok(web::Json(lines.into()))
}

/// Looking has no currency, and no refusal of it has figures in one.
const NO_FIGURES: Currency = Currency::EUR;

async fn under_way(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
) -> Result<web::Json<Lines<ShownPayout>>, Problem> {
    let seen = gateway
        .engine()
        .operator(staff.operator)
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::operator(refusal, NO_FIGURES)))?
        .into_inner();
    let payouts = seen.underway().iter();
    let lines: Vec<ShownPayout> = payouts
        .filter(|underway| underway.what == What::Payout)
        .map(|underway| Payout {
            operator: staff.operator,
            key: underway.key,
            currency: underway.currency,
            amount: underway.amount,
            at: underway.at,
        })
        .map(|payout| ShownPayout::of(&gateway, &payout))
        .collect();
    Ok(web::Json(lines.into()))
}

async fn all_under_way(
    gateway: web::Data<Gateway>,
    _: Platform,
) -> Result<web::Json<Lines<ShownPayout>>, Problem> {
    let payouts = gateway.engine().payouts().await.map_err(failure::unread)?;
    let lines: Vec<ShownPayout> = payouts
        .iter()
        .map(|payout| ShownPayout::of(&gateway, payout))
        .collect();
    Ok(web::Json(lines.into()))
}

async fn order(
    gateway: web::Data<Gateway>,
    Owner(staff): Owner,
    keyed: Keyed<NewMovement>,
) -> Result<HttpResponse, Problem> {
    let operator = staff.operator;
    let order = async |new: NewMovement, key| {
        let money = new.read()?;
        let done = gateway.engine().pay_out(operator, key, money).await;
        let moved = moved(done, (operator, key), money)?;
        let line = staff.did("payout.order", key).changed(
            json!(null),
            json!({"amount": moved.1.amount, "currency": moved.1.currency}),
        );
        note_in_log(&gateway, operator, line).await;
        Ok(moved)
    };
    keyed.once(&gateway, &staff.principal(), order).await
}

async fn order_own(
    gateway: web::Data<Gateway>,
    _: Platform,
    keyed: Keyed<NewMovement>,
) -> Result<HttpResponse, Problem> {
    let operator = OperatorId::PLATFORM;
    let order = async |new: NewMovement, key| {
        let money = new.read()?;
        let done = gateway.engine().pay_out(operator, key, money).await;
        moved(done, (operator, key), money)
    };
    keyed.once(&gateway, "platform", order).await
}

async fn cover(
    gateway: web::Data<Gateway>,
    _: Platform,
    keyed: Keyed<NewMovement>,
) -> Result<HttpResponse, Problem> {
    let operator = OperatorId::PLATFORM;
    let cover = async |new: NewMovement, key| {
        let money = new.read()?;
        let done = gateway.engine().cover(operator, key, money).await;
        moved(done, (operator, key), money)
    };
    keyed.once(&gateway, "platform", cover).await
}

async fn deposit(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<String>,
    keyed: Keyed<NewMovement>,
) -> Result<HttpResponse, Problem> {
    let operator = known(&gateway, &path)?;
    let deposit = async |new: NewMovement, key| {
        let money = new.read()?;
        let done = gateway.engine().deposit(operator, key, money).await;
        moved(done, (operator, key), money)
    };
    keyed.once(&gateway, "platform", deposit).await
}

async fn charge(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<String>,
    keyed: Keyed<NewMovement>,
) -> Result<HttpResponse, Problem> {
    let operator = known(&gateway, &path)?;
    let charge = async |new: NewMovement, key| {
        let money = new.read()?;
        let done = gateway.engine().charge(operator, key, money).await;
        moved(done, (operator, key), money)
    };
    keyed.once(&gateway, "platform", charge).await
}

async fn settle(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<(String, String)>,
) -> Result<web::Json<Ended>, Problem> {
    let (operator, key) = of_path(&gateway, &path)?;
    let done = gateway.engine().settle_payout(operator, key).await;
    ended(done, (operator, key), "settled")
}

async fn fail(
    gateway: web::Data<Gateway>,
    _: Platform,
    path: web::Path<(String, String)>,
) -> Result<web::Json<Ended>, Problem> {
    let (operator, key) = of_path(&gateway, &path)?;
    let done = gateway.engine().fail_payout(operator, key).await;
    ended(done, (operator, key), "failed")
}

fn of_path(
    gateway: &Gateway,
    (operator, payout): &(String, String),
) -> Result<(OperatorId, TransferId), Problem> {
    Ok((known(gateway, operator)?, transfer_named("payout", payout)?))
}

/// An operator of the configuration, or the platform.
fn known(gateway: &Gateway, text: &str) -> Result<OperatorId, Problem> {
    let operator = OperatorId::new(named("operator", text)?);
    let is_known = operator == OperatorId::PLATFORM || gateway.operator_name(operator).is_some();
    is_known
        .then_some(operator)
        .ok_or_else(|| nothing("operator"))
}

fn moved(
    done: Result<Durable<Option<Event>>, Failure<OperatorRefusal>>,
    (operator, key): (OperatorId, TransferId),
    (currency, amount): (Currency, Amount),
) -> Result<(StatusCode, Movement), Problem> {
    done.map_err(|failed| failure::told(failed, |refusal| failure::operator(refusal, currency)))?;
    let movement = Movement {
        transfer: key.to_string(),
        operator: operator.number(),
        amount: money(amount, currency),
        currency: currency.code(),
    };
    Ok((StatusCode::CREATED, movement))
}

fn ended(
    done: Result<Durable<Option<Event>>, Failure<OperatorRefusal>>,
    (operator, key): (OperatorId, TransferId),
    state: &'static str,
) -> Result<web::Json<Ended>, Problem> {
    done.map_err(|failed| failure::told(failed, |refusal| failure::operator(refusal, NO_FIGURES)))?;
    Ok(web::Json(Ended {
        payout: key.to_string(),
        operator: operator.number(),
        state,
    }))
}

impl NewMovement {
    fn read(&self) -> Result<(Currency, Amount), Problem> {
        let currency = currency("currency", &self.currency)?;
        Ok((currency, amount("amount", &self.amount, currency)?))
    }
}

impl ShownPayout {
    fn of(gateway: &Gateway, payout: &Payout) -> Self {
        Self {
            payout: payout.key.to_string(),
            operator: payout.operator.number(),
            operator_name: gateway
                .operator_name(payout.operator)
                .unwrap_or_default()
                .to_owned(),
            amount: money(payout.amount, payout.currency),
            currency: payout.currency.code(),
            at_ms: payout.at.as_millis(),
        }
    }
}
