//! Whether it lives, whether it can be used, and what it is.

use crate::api::{Asker, At, at, does};
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use actix_web::{Responder, web};
use gettone_channel::ENVELOPE_VERSION;
use gettone_store::Backlog;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether it lives.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `live`.
    status: &'static str,
}

/// What it is.
#[derive(Serialize, ToSchema)]
struct Version {
    /// The program.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// The version of the envelopes it takes.
    envelope: u8,
}

/// Whether it can be used, and what needs somebody's eye meanwhile.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ready`.
    status: &'static str,
    /// Whether receipts and sales follow the journal; they catch up by themselves when they do not.
    complete: bool,
    /// How the work beside the journal goes: `done`, or `failing`, and then the log says why and
    /// the room on the disk will run out. Null where there is no such work.
    upkeep: Option<&'static str>,
    /// Full segments of the journal that are not archived yet; null where there are none.
    segments_waiting: Option<usize>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/health/live").get(
            live,
            does("Tells that the program runs", Asker::Anyone).answers::<Health>(200),
        ),
        at("/health/ready").get(
            ready,
            does("Tells whether it takes work", Asker::Anyone).answers::<Ready>(200),
        ),
        at("/version").get(
            version,
            does("Tells what it is", Asker::Anyone).answers::<Version>(200),
        ),
    ]
}

async fn live() -> impl Responder {
    web::Json(Health { status: "live" })
}

async fn ready(gateway: web::Data<Gateway>) -> Result<web::Json<Ready>, Problem> {
    if gateway.is_stopping() {
        return Err(Kind::Stopping.because("it takes no more work"));
    }
    if gateway.engine().stopped().is_some() {
        return Err(Kind::Unknown.because("the engine has stopped; restart the gateway"));
    }
    let backlog = gateway.backlog();
    Ok(web::Json(Ready {
        status: "ready",
        complete: gateway.is_complete(),
        upkeep: backlog.map(|backlog| match backlog.fault() {
            None => "done",
            Some(_) => "failing",
        }),
        segments_waiting: backlog.map(Backlog::segments),
    }))
}

async fn version() -> impl Responder {
    web::Json(Version {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        envelope: ENVELOPE_VERSION,
    })
}
