//! Credit that an operator gives a customer: spendable at its own machines only.

use crate::address::Address;
use crate::api::{Asker, At, at, does};
use crate::bounds::WORDS_LEN_MAX;
use crate::database::person::{self, CustomerNumber};
use crate::database::staff_log;
use crate::failure;
use crate::gateway::Gateway;
use crate::once::Keyed;
use crate::problem::{Kind, Problem};
use crate::request::{Clerk, Staff, nothing};
use crate::text::{amount, currency, money, words};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use gettone_core::id::{OperatorId, TransferId, WalletId};
use gettone_core::money::Currency;
use gettone_core::wallet::Command;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A credit to give, to a customer by number or by address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCredit {
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
        .takes::<NewCredit>(json!({
            "customer": 1_234_567_890, "amount": "5.00", "currency": "EUR", "note": "for the jam",
        }))
        .answers::<Credited>(201),
    )]
}

async fn credit(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    keyed: Keyed<NewCredit>,
) -> Result<HttpResponse, Problem> {
    let give = async |new: NewCredit, key| give(&gateway, &staff, new, key).await;
    keyed.once(&gateway, &staff.principal(), give).await
}

async fn give(
    gateway: &Gateway,
    staff: &Staff,
    new: NewCredit,
    key: TransferId,
) -> Result<(StatusCode, Credited), Problem> {
    let currency = currency("currency", &new.currency)?;
    let amount = amount("amount", &new.amount, currency)?;
    let note = words("note", &new.note, WORDS_LEN_MAX)?;
    let who = who(new.customer, new.address.as_deref())?;
    let (customer, wallet) = find(gateway, who, currency).await?;
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
    let given = money(amount, currency);
    let line = staff
        .did(
            "credit.give",
            format_args!("customer {}", customer.number()),
        )
        .changed(
            json!(null),
            json!({"amount": given, "currency": currency.code(), "note": note}),
        );
    note_in_log(gateway, operator, line).await;
    let credited = Credited {
        customer: customer.number(),
        amount: given,
        currency: currency.code(),
    };
    Ok((StatusCode::CREATED, credited))
}

/// Adds a line to the staff log about money that has moved; a missing line is no reason to say that
/// it has not.
pub(super) async fn note_in_log(gateway: &Gateway, operator: OperatorId, line: staff_log::Line) {
    let logged = gateway
        .database()
        .write(move |transaction| staff_log::add(transaction, operator, &line))
        .await;
    if let Err(fault) = logged {
        tracing::error!(%fault, "money has moved, and the staff log lacks the line");
    }
}

/// By what a customer is named: either a number or an address.
///
/// # Errors
/// `Malformed` when it is neither, or both.
pub(super) fn who(customer: Option<u64>, address: Option<&str>) -> Result<Who, Problem> {
    match (customer, address) {
        (Some(number), None) => Ok(Who::Number(CustomerNumber::new(number))),
        (None, Some(address)) => Ok(Who::Address(Address::parse(address)?)),
        (Some(_), Some(_)) | (None, None) => {
            Err(Kind::Malformed.because("write either customer or address"))
        }
    }
}

/// By what a customer is named.
pub(super) enum Who {
    Number(CustomerNumber),
    Address(Address),
}

/// The customer, and its wallet in a currency.
pub(super) async fn find(
    gateway: &Gateway,
    who: Who,
    currency: Currency,
) -> Result<(CustomerNumber, WalletId), Problem> {
    let by_address = match &who {
        Who::Number(_) => None,
        Who::Address(address) => Some(gateway.seals().address(address.as_str())),
    };
    let found = gateway
        .database()
        .read(move |connection| {
            let number = match (who, by_address) {
                (Who::Number(number), _) => {
                    person::find(connection, number)?.map(|person| person.number)
                }
                (Who::Address(_), Some(digest)) => person::find_by_address(connection, &digest)?,
                (Who::Address(_), None) => None,
            };
            number
                .map(|number| Ok((number, person::wallets(connection, number)?)))
                .transpose()
        })
        .await?;
    let (customer, wallets) = found.ok_or_else(|| nothing("customer"))?;
    wallets
        .into_iter()
        .find(|(other, _)| *other == currency)
        .map(|(_, wallet)| (customer, wallet))
        .ok_or_else(|| {
            Kind::Conflict.because(format!(
                "the customer has no wallet in {} yet; they open it in the app",
                currency.code()
            ))
        })
}
