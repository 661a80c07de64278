//! What customers owe: they repay it, or an operator gives it up.

use super::clerk::{ForCustomer, Meant};
use super::person::ShownWallet;
use crate::api::{Asker, At, at, does};
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::Problem;
use crate::request::{Clerk, Customer, Staff, nothing};
use crate::text::{currency, money};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::TransferId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// From which wallet is repaid.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRepayment {
    /// By the three letters of its currency.
    currency: String,
}

/// What was given up.
#[derive(Serialize, ToSchema)]
struct WrittenOff {
    customer: u64,
    amount: String,
    currency: &'static str,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/repayments").post(
            repay,
            does(
                "Repays what one owes with the wallet's e-money, as far as it goes",
                Asker::Customer,
            )
            .keyed()
            .takes::<NewRepayment>(json!({"currency": "EUR"}))
            .answers::<ShownWallet>(201),
        ),
        at("/v1/write-offs").post(
            write_off,
            does("Gives up what a customer owes you", Asker::Clerk)
                .keyed()
                .takes::<ForCustomer>(json!({
                    "customer": 1_234_567_890, "amount": "0.80", "currency": "EUR",
                }))
                .answers::<WrittenOff>(201),
        ),
    ]
}

async fn repay(
    gateway: web::Data<Gateway>,
    customer: Customer,
    keyed: Keyed<NewRepayment>,
) -> Result<HttpResponse, Problem> {
    let repay = async |new: NewRepayment, key| {
        let currency = currency("currency", &new.currency)?;
        let wallet = customer
            .wallet_in(currency)
            .ok_or_else(|| nothing("wallet of yours in that currency"))?;
        let moved = gateway
            .engine()
            .repay(wallet, key)
            .await
            .map_err(|failed| {
                failure::told(failed, |refusal| failure::wallet(refusal, currency))
            })?;
        let shown = ShownWallet::of(&gateway, wallet, &moved.balance);
        Ok((StatusCode::CREATED, shown))
    };
    keyed.once(&gateway, &customer.principal(), repay).await
}

async fn write_off(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    keyed: Keyed<ForCustomer>,
) -> Result<HttpResponse, Problem> {
    let give_up = async |written: ForCustomer, key| give_up(&gateway, &staff, written, key).await;
    keyed.once(&gateway, &staff.principal(), give_up).await
}

async fn give_up(
    gateway: &Gateway,
    staff: &Staff,
    written: ForCustomer,
    key: TransferId,
) -> Result<(StatusCode, WrittenOff), Problem> {
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
        .write_off(wallet, key, (operator, amount))
        .await
        .map_err(|failed| failure::told(failed, |refusal| failure::wallet(refusal, currency)))?;
    let given_up = WrittenOff {
        customer: meant.customer.number(),
        amount: money(amount, currency),
        currency: currency.code(),
    };
    meant.note_in_log(gateway, staff, "debt.write_off").await;
    Ok((StatusCode::CREATED, given_up))
}
