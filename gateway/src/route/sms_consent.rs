//! Whether a customer pays by SMS, and up to what.

use super::Lines;
use super::sms::unserved;
use crate::api::{Asker, At, at, does};
use crate::database::person;
use crate::database::sms::{self, Caps, Consent};
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::request::{Body, Customer, nothing};
use crate::sms::SmsCaps;
use crate::text::{amount, currency, money};
use actix_web::web;
use gettone_core::money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Whether SMS from the customer's number pay, in place of what was said before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConsent {
    /// From which wallet, by the three letters of its currency.
    currency: String,
    /// Whether they do.
    is_on: bool,
    /// The most at once, with decimals; as much as there may be when it is left out.
    vend_max: Option<String>,
    /// The most in a day.
    day_max: Option<String>,
}

/// Whether SMS from the customer's number pay, and up to what.
#[derive(Serialize, ToSchema)]
struct ShownConsent {
    currency: &'static str,
    is_on: bool,
    /// Whether a word was once sent back from the number; before that nothing is paid.
    is_confirmed: bool,
    /// The most at once without being asked.
    vend_max: String,
    /// The most in a day.
    day_max: String,
    /// The most that `vend_max` may be, and that is paid at once when the customer confirms it.
    vend_most: String,
    /// The most that `day_max` may be.
    day_most: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/me/sms")
            .get(
                own,
                does(
                    "Shows whether SMS from the customer's number pay; nothing where they cannot",
                    Asker::Customer,
                )
                .lists::<ShownConsent>(),
            )
            .put(
                agree,
                does(
                    "Lets SMS from the customer's number pay, or not any more",
                    Asker::Customer,
                )
                .takes::<NewConsent>(
                    json!({"currency": "EUR", "is_on": true, "vend_max": "2.00", "day_max": "6.00"}),
                )
                .answers::<ShownConsent>(200),
            ),
    ]
}

async fn own(
    gateway: web::Data<Gateway>,
    customer: Customer,
) -> Result<web::Json<Lines<ShownConsent>>, Problem> {
    let consents = match has_number(&gateway, &customer).await? {
        true => consents(&gateway, &customer).await?,
        false => Vec::new(),
    };
    Ok(web::Json(consents.into()))
}

async fn agree(
    gateway: web::Data<Gateway>,
    customer: Customer,
    Body(new): Body<NewConsent>,
) -> Result<web::Json<ShownConsent>, Problem> {
    let number = customer.person()?;
    let entry = gateway.sms().ok_or_else(unserved)?;
    let currency = currency("currency", &new.currency)?;
    if !has_number(&gateway, &customer).await? {
        return Err(Kind::Refused
            .because("who signs in with a telephone number can pay by SMS from that number"));
    }
    let most = entry
        .caps_in(currency)
        .filter(|_| customer.wallet_in(currency).is_some())
        .ok_or_else(|| nothing("wallet of yours that pays by SMS in that currency"))?;
    let caps = Caps {
        vend_max: within("vend_max", new.vend_max, (most.vend_max, currency))?,
        day_max: within("day_max", new.day_max, (most.day_max, currency))?,
    };
    let is_on = new.is_on;
    gateway
        .database()
        .write(move |transaction| {
            if is_on {
                sms::agree(transaction, number, currency, caps)
            } else {
                sms::disagree(transaction, number, currency)
            }
        })
        .await?;
    consents(&gateway, &customer)
        .await?
        .into_iter()
        .find(|shown| shown.currency == currency.code())
        .map(web::Json)
        .ok_or_else(|| nothing("wallet"))
}

/// Reads a bound of the customer's own, which is at most `most`.
fn within(
    field: &str,
    text: Option<String>,
    (most, currency): (Amount, Currency),
) -> Result<Amount, Problem> {
    let Some(text) = text else {
        return Ok(most);
    };
    let wanted = amount(field, &text, currency)?;
    if wanted > most {
        let most = money(most, currency);
        return Err(Kind::Refused
            .because(format!("{field}: at most {most} {currency}"))
            .with("most", most));
    }
    Ok(wanted)
}

async fn has_number(gateway: &Gateway, customer: &Customer) -> Result<bool, Problem> {
    let Ok(number) = customer.person() else {
        return Ok(false);
    };
    let person = gateway
        .database()
        .read(move |connection| person::find(connection, number))
        .await?;
    Ok(person.is_some_and(|person| person.address.starts_with('+')))
}

async fn consents(gateway: &Gateway, customer: &Customer) -> Result<Vec<ShownConsent>, Problem> {
    let (Some(entry), Customer::Person(number, wallets)) = (gateway.sms(), customer) else {
        return Ok(Vec::new());
    };
    let number = *number;
    let agreed = gateway
        .database()
        .read(move |connection| sms::all(connection, number))
        .await?;
    let shown = wallets.iter().filter_map(|(currency, _)| {
        let consent = agreed.iter().find(|consent| consent.currency == *currency);
        Some(ShownConsent::of(entry.caps_in(*currency)?, consent))
    });
    Ok(shown.collect())
}

impl ShownConsent {
    fn of(most: SmsCaps, consent: Option<&Consent>) -> Self {
        let shown = |amount| money(amount, most.currency);
        let caps = consent.map(|consent| consent.caps);
        let vend = caps.map_or(most.vend_max, |caps| caps.vend_max.min(most.vend_max));
        let day = caps.map_or(most.day_max, |caps| caps.day_max.min(most.day_max));
        Self {
            currency: most.currency.code(),
            is_on: consent.is_some(),
            is_confirmed: consent.is_some_and(|consent| consent.is_confirmed),
            vend_max: shown(vend),
            day_max: shown(day),
            vend_most: shown(most.vend_max),
            day_most: shown(most.day_max),
        }
    }
}
