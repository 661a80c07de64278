//! What a clerk writes of an amount that a customer is given or let off, and whom it means.

use crate::address::Address;
use crate::bounds::WORDS_LEN_MAX;
use crate::database::person::{self, CustomerNumber};
use crate::database::staff_log;
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::request::{Staff, nothing};
use crate::text::{amount, currency, money, words};
use gettone_core::id::{OperatorId, WalletId};
use gettone_core::money::{Amount, Currency};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

/// An amount for a customer by number or by address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ForCustomer {
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

/// What is meant by it.
pub(super) struct Meant {
    pub(super) customer: CustomerNumber,
    pub(super) wallet: WalletId,
    pub(super) amount: Amount,
    pub(super) currency: Currency,
    note: String,
}

impl Meant {
    /// Reads what was written, and finds the customer's wallet in that currency.
    ///
    /// # Errors
    /// `Problem` when a field does not hold what it should, or there is no such customer or wallet.
    pub(super) async fn of(gateway: &Gateway, written: &ForCustomer) -> Result<Self, Problem> {
        let currency = currency("currency", &written.currency)?;
        let amount = amount("amount", &written.amount, currency)?;
        let note = words("note", &written.note, WORDS_LEN_MAX)?;
        let who = who(written.customer, written.address.as_deref())?;
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
