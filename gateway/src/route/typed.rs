//! Codes that are typed: no radio at all, for machines whose board has a road of its own (protocol
//! section 9.2).

use super::relay::Told;
use crate::api::{Asker, At, at, does};
use crate::failure;
use crate::gateway::{Gateway, now};
use crate::key::{self, EPOCH_FIRST};
use crate::problem::{Kind, Problem};
use crate::rekey::{self, Addressee};
use crate::relay::Reason;
use crate::request::{Body, Customer};
use crate::road::{Allowance, Call, Uncalled};
use crate::token::{Digits, step_of};
use actix_web::{HttpResponse, rt, web};
use gettone_channel as channel;
use gettone_channel::{CallId, TokenKey};
use gettone_core::id::{MachineId, ReaderId};
use gettone_core::money::Currency;
use gettone_core::reader::Reader;
use gettone_relay::{key_out, token_key_out};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;
use utoipa::ToSchema;

/// What somebody typed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Typed {
    /// The machine's number.
    machine: u32,
    /// The seven digits on its display.
    code: String,
    /// The seven digits that came after them, where the first alone were not taken.
    #[serde(default)]
    next: Option<String>,
}

/// A machine whose codes can be typed.
pub(super) struct Place {
    reader: ReaderId,
    at: Addressee,
    tokens: TokenKey,
    last_used: u64,
    pub(super) currency: Currency,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/token/typed").post(
            typed,
            does(
                "Buys with the digits on a machine's display; answers when the machine has a credit",
                Asker::Customer,
            )
            .takes::<Typed>(json!({"machine": 17, "code": "0000000"}))
            .answers::<Told>(200),
        ),
    ]
}

async fn typed(
    gateway: web::Data<Gateway>,
    customer: Customer,
    Body(typed): Body<Typed>,
) -> Result<HttpResponse, Problem> {
    let digits: Digits = typed.code.parse().map_err(|_| no_digits("code"))?;
    let next = typed.next.as_deref().map(str::parse::<Digits>);
    let next = next.transpose().map_err(|_| no_digits("next"))?;
    let machine = MachineId::new(typed.machine);
    let told = match look(&gateway, &customer, machine, (digits, next)).await? {
        Looked::Answered(told) => *told,
        Looked::Wrong => Told {
            machine: Some(typed.machine),
            outcome: "rejected",
            ..Told::default()
        },
        Looked::Right(found) => take(&gateway, &found, (customer, None)).await?,
    };
    Ok(HttpResponse::Ok().json(told))
}

/// What became of looking at digits.
pub(super) enum Looked {
    /// They are the ones on the display.
    Right(Box<Found>),
    /// They were, a moment ago.
    Answered(Box<Told>),
    /// They are not.
    Wrong,
}

/// The digits on a machine's display, as somebody typed them.
pub(super) struct Found {
    pub(super) place: Place,
    machine: MachineId,
    digits: Digits,
    step: u64,
}

/// Looks whether these digits are on the machine's display.
///
/// # Errors
/// `TooMany` for who has to wait after wrong ones; what else keeps from looking.
pub(super) async fn look(
    gateway: &Gateway,
    customer: &Customer,
    machine: MachineId,
    typed: (Digits, Option<Digits>),
) -> Result<Looked, Problem> {
    let who = customer.principal();
    let (digits, _) = typed;
    let place = find(gateway, machine).await?;
    let answered = place.as_ref().and_then(|place| {
        let roads = gateway.roads();
        roads.kept(place.reader, &who, digits.number(), now())
    });
    if let Some(told) = answered {
        return Ok(Looked::Answered(Box::new(told)));
    }
    gateway.begin_typed(&who, machine)?;
    let found = place.and_then(|place| {
        let step = step_of(&place.tokens, place.last_used, typed, now())?;
        Some(Found {
            place,
            machine,
            digits,
            step,
        })
    });
    Ok(match found {
        Some(found) => {
            gateway.forgive_typed(&who, machine);
            Looked::Right(Box::new(found))
        }
        None => Looked::Wrong,
    })
}

/// Calls the reader for these digits. The answer is kept for a while: who lost it and asks again has
/// not typed a used code.
pub(super) async fn take(
    gateway: &Gateway,
    found: &Found,
    (customer, allowance): (Customer, Option<Allowance>),
) -> Result<Told, Problem> {
    let who = customer.principal();
    let place = &found.place;
    let told = call(gateway, place, (customer, allowance), found.step).await?;
    let told = Told {
        machine: Some(found.machine.number()),
        reader_id: Some(place.reader.to_string()),
        ..told
    };
    if told.outcome == "granted" {
        let typed = (who, found.digits.number());
        let roads = gateway.roads();
        roads.keep(place.reader, typed, now(), told.clone());
    }
    Ok(told)
}

fn no_digits(field: &str) -> Problem {
    Kind::Malformed.because(format!("{field}: write the seven digits on the display"))
}

/// Calls the reader, and waits for its HELLO and what becomes of it.
async fn call(
    gateway: &Gateway,
    place: &Place,
    (customer, allowance): (Customer, Option<Allowance>),
    step: u64,
) -> Result<Told, Problem> {
    if customer.wallet_in(place.currency).is_none() {
        return Ok(refused(Reason::Currency));
    }
    let id = key::random().map(CallId::from_bytes).map_err(|fault| {
        tracing::error!(%fault, "nobody can be called");
        Kind::Internal.because("nobody can be called")
    })?;
    let (told, awaited) = oneshot::channel();
    let call = Call {
        id,
        customer,
        step,
        allowance,
        told,
    };
    let (mut session, _waiting) = match gateway.roads().call(place.reader, call) {
        Ok(called) => called,
        Err(Uncalled::Away) => return Ok(refused(Reason::Away)),
        Err(Uncalled::Taken) => return Ok(refused(Reason::Taken)),
    };
    let item = channel::Item::Call(id);
    let sealed = rekey::seal_for(gateway, &place.at, &[item])?;
    let answered = rt::time::timeout(gateway.call_wait(), async {
        session.binary(sealed).await.ok()?;
        awaited.await.ok()
    });
    Ok(match answered.await {
        Ok(Some(told)) => told,
        // It has gone, or somebody is at the machine.
        Ok(None) | Err(_) => Told {
            outcome: "lapsed",
            ..Told::default()
        },
    })
}

fn refused(reason: Reason) -> Told {
    Told {
        outcome: "refused",
        reason: Some(reason.name()),
        ..Told::default()
    }
}

/// The reader of a machine, when its codes can be typed.
async fn find(gateway: &Gateway, machine: MachineId) -> Result<Option<Place>, Problem> {
    let engine = gateway.engine();
    let state = engine.machine(machine).await.map_err(failure::unread)?;
    let Some(id) = state.into_inner().and_then(|state| state.reader()) else {
        return Ok(None);
    };
    let reader = engine.reader(id).await.map_err(failure::unread)?;
    Ok(reader
        .into_inner()
        .as_deref()
        .and_then(|reader| place(id, reader)))
}

fn place(id: ReaderId, reader: &Reader) -> Option<Place> {
    Some(Place {
        reader: id,
        at: Addressee {
            reader: id,
            key: key_out(reader.key()?),
            server_epoch: reader.server_epoch().max(EPOCH_FIRST),
        },
        tokens: token_key_out(&reader.token_key()?),
        last_used: reader.last_step(),
        currency: reader.currency()?,
    })
}
