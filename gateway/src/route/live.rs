//! What happens now, as server-sent events (HTML standard, section 9.2). Who comes back says what
//! it saw last, and goes on from there.

use crate::api::{Asker, At, at, does};
use crate::bounds::{
    HAPPENINGS_AT_ONCE, HEARTBEAT, RECENT_MAX, STREAM_LIFE, STREAM_RETRY_MS, STREAM_TICK,
};
use crate::gateway::{Gateway, Listener};
use crate::happening::{self, Happening, Place};
use crate::problem::{Kind, Problem};
use crate::request::Staff;
use crate::stream::{Gone, Mouth, chunks};
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::{HttpRequest, HttpResponse, rt, web};
use gettone_core::id::OperatorId;
use serde::Deserialize;
use std::time::Instant;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies that would gather the stream into pieces are told not to.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    recent: Option<usize>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/live").get(
            live,
            does(
                "Streams what happens: sale, session, machine, reader, alarm, refund, cash, money",
                Asker::Staff,
            )
            .query(
                "recent",
                "integer",
                "How many events from before come first, at most 100; a Last-Event-ID header goes \
             before it.",
            )
            .answers_with(200, "text/event-stream"),
        ),
    ]
}

async fn live(
    gateway: web::Data<Gateway>,
    staff: Staff,
    request: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, Problem> {
    let operator = staff.operator;
    let listener = gateway.clone().into_inner().listen(operator)?;
    let seen = request
        .headers()
        .get(LAST_EVENT_ID)
        .filter(|id| !id.is_empty())
        .map(|id| {
            let id = id.to_str().ok().and_then(Place::parse);
            id.ok_or_else(|| Kind::Malformed.because("last-event-id: no event has such an id"))
        })
        .transpose()?;
    let recent = query.recent.unwrap_or(0).min(RECENT_MAX);
    let (from, has_gap) = gateway
        .database()
        .read(move |connection| match seen {
            Some(place) => Ok((place, happening::has_gap(connection, place)?)),
            None => Ok((happening::begin(connection, operator, recent)?, false)),
        })
        .await?;
    let (mouth, body) = chunks();
    rt::spawn(async move {
        // Who has gone needs no answer; its next stream goes on where this one ended.
        let _ = stream(gateway, listener, (operator, from), has_gap, mouth).await;
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .body(body))
}

/// Says everything after a place, until its client or the gateway goes, or its life is over: then
/// its client comes again, and is asked again who it is.
async fn stream(
    gateway: web::Data<Gateway>,
    _listener: Listener,
    from: (OperatorId, Place),
    has_gap: bool,
    mouth: Mouth,
) -> Result<(), Gone> {
    let (operator, mut place) = from;
    let mut folded = gateway.database().folded();
    let begun = Instant::now();
    let mut said = begun;
    mouth.say(format!("retry: {STREAM_RETRY_MS}\n\n")).await?;
    if has_gap {
        mouth.say("event: gap\ndata: {}\n\n").await?;
    }
    while begun.elapsed() < STREAM_LIFE && !gateway.is_stopping() {
        folded.borrow_and_update();
        let read = gateway
            .database()
            .read(move |connection| {
                happening::after(connection, operator, place, HAPPENINGS_AT_ONCE)
            })
            .await;
        let next = match read {
            Ok(next) => next,
            Err(fault) => {
                tracing::warn!(%fault, "a stream broke off");
                mouth.cut().await;
                return Err(Gone);
            }
        };
        if let Some(last) = next.last() {
            place = last.place;
            mouth.say(written(&next)).await?;
            said = Instant::now();
            continue;
        }
        if said.elapsed() >= HEARTBEAT {
            mouth.say(": here\n\n").await?;
            said = Instant::now();
        }
        if mouth.is_unheard() {
            return Err(Gone);
        }
        if let Ok(Err(_)) = rt::time::timeout(STREAM_TICK, folded.changed()).await {
            // Nothing is folded any more.
            return Ok(());
        }
    }
    Ok(())
}

fn written(events: &[Happening]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        let Happening { place, name, body } = event;
        text.push_str(&format!("id: {place}\nevent: {name}\ndata: {body}\n\n"));
        text
    })
}
