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
use gettone_core::money::{Amount, Currency};
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

/// What a clerk wrote of an amount that a customer is given or let off.
pub(super) struct Written<'a> {
    pub(super) customer: Option<u64>,
    pub(super) address: Option<&'a str>,
    pub(super) amount: &'a str,
    pub(super) currency: &'a str,
    pub(super) note: &'a str,
}

/// What is meant by it.
pub(super) struct Meant {
    pub(super) customer: CustomerNumber,
    pub(super) wallet: WalletId,
    pub(super) amount: Amount,
    pub(super) currency: Currency,
    note: String,
}

impl Meant {
    pub(super) async fn of(gateway: &Gateway, written: Written<'_>) -> Result<Self, Problem> {
        let currency = currency("currency", written.currency)?;
        let amount = amount("amount", written.amount, currency)?;
        let note = words("note", written.note, WORDS_LEN_MAX)?;
        let who = who(written.customer, written.address)?;
        let (customer, wallet) = find(gateway, who, currency).await?;
        Ok(Self {
            customer,
            wallet,
            amount,
            currency,
            note,
        })
    }

    /// Adds what was done with it to the log of the operator whom `staff` works for.
    pub(super) async fn note_in_log(&self, gateway: &Gateway, staff: &Staff, deed: &'static str) {
        let subject = format!("customer {}", self.customer.number());
        let line = staff.did(deed, subject).changed(
            json!(null),
            json!({
                "amount": money(self.amount, self.currency),
                "currency": self.currency.code(),
                "note": self.note,
            }),
        );
        note_in_log(gateway, staff.operator, line).await;
    }
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
fn who(customer: Option<u64>, address: Option<&str>) -> Result<Who, Problem> {
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
