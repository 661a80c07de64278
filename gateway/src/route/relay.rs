//! The relay: envelopes of readers come in through anybody, answers go back the same way
//! (protocol sections 6.1 and 6.3).

mod authentic;
mod by_road;
mod taken;

pub(super) use by_road::{ByRoad, by_road};

use crate::api::{Asker, At, at, does};
use crate::bounds::ENVELOPES_MAX;
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::request::{Anyone, Body, Customer};
use crate::text::unhex;
use actix_web::{HttpResponse, web};
use authentic::open;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_channel::Bind;
use gettone_core::id::WalletId;
use gettone_core::money::{Amount, Currency};
use serde::{Deserialize, Serialize};
use serde_json::json;
use taken::take;
use utoipa::ToSchema;

/// Envelopes of readers, as somebody carries them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Carried {
    /// Each in base64.
    envelopes: Vec<String>,
    /// The handshake hash of the link they came over, in hexadecimal digits.
    #[serde(default)]
    h: Option<String>,
}

/// What the readers are answered, and what the carrier is told.
#[derive(Serialize, ToSchema, Default)]
struct Answers {
    /// Each in base64.
    envelopes: Vec<String>,
    /// One for each envelope, in the order they came.
    results: Vec<Told>,
}

/// What the app is told about one envelope, in the order they came.
#[derive(Serialize, ToSchema, Clone, Default, Debug)]
pub(crate) struct Told {
    pub(super) reader_id: Option<String>,
    pub(super) machine: Option<u32>,
    pub(super) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    /// The hold that pays: the receipts of what is bought with it name it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vends_max: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) balance: Option<String>,
    /// The item that the machine is asked to make at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) favourite: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) short_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<&'static str>,
    pub(super) receipts: usize,
    pub(super) recorded: u64,
}

/// Who carries the envelopes, and over which link they came.
struct Carrier {
    account: Option<Customer>,
    link: Option<Bind>,
    way: Way,
    /// The most that may be held, whatever the machine allows.
    cap: Option<Amount>,
}

/// What is at the other end of the reader's link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A phone, which the reader notices when it has gone.
    Phone,
    /// Nothing but the server's call.
    Call,
}

impl Carrier {
    /// The wallet to pay from at a machine of this currency.
    fn wallet(&self, currency: Currency) -> Option<WalletId> {
        self.account
            .as_ref()
            .and_then(|customer| customer.wallet_in(currency))
    }
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/relay").post(
            relay,
            does(
                "Carries envelopes of readers to and fro",
                Asker::AnyoneOrCustomer,
            )
            .takes::<Carried>(json!({"envelopes": []}))
            .answers::<Answers>(200),
        ),
    ]
}

async fn relay(
    gateway: web::Data<Gateway>,
    Anyone(account): Anyone,
    Body(carried): Body<Carried>,
) -> Result<HttpResponse, Problem> {
    if carried.envelopes.len() > ENVELOPES_MAX {
        return Err(Kind::Malformed
            .because(format!("envelopes: at most {ENVELOPES_MAX} in one relay"))
            .with("limit", ENVELOPES_MAX));
    }
    let link = carried
        .h
        .map(|text| {
            unhex(&text).map(Bind::from_bytes).ok_or_else(|| {
                Kind::Malformed
                    .because("h: write the 64 hexadecimal digits of the link's handshake hash")
            })
        })
        .transpose()?;
    let carrier = Carrier {
        account,
        link,
        way: Way::Phone,
        cap: None,
    };
    let mut answers = Answers::default();
    for text in &carried.envelopes {
        one(&gateway, text, &carrier, &mut answers).await?;
    }
    Ok(HttpResponse::Ok().json(answers))
}

async fn one(
    gateway: &Gateway,
    text: &str,
    carrier: &Carrier,
    answers: &mut Answers,
) -> Result<(), Problem> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let Some(authentic) = open(gateway, &bytes).await? else {
        answers.results.push(Told {
            outcome: "rejected",
            ..Told::default()
        });
        return Ok(());
    };
    let taken = take(gateway, &authentic, carrier).await?;
    let sealed = taken.sealed.iter();
    answers
        .envelopes
        .extend(sealed.map(|sealed| STANDARD.encode(sealed)));
    answers.results.push(taken.told);
    Ok(())
}
