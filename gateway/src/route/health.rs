//! Whether it lives, whether it can be used, and what it is.

use crate::api::{Asker, At, at, does};
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use actix_web::{Responder, web};
use gettone_channel::ENVELOPE_VERSION;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether it lives, or can be used.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `live` or `ready`.
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

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/health/live").get(
            live,
            does("Tells that the program runs", Asker::Anyone).answers::<Health>(200),
        ),
        at("/health/ready").get(
            ready,
            does("Tells whether it takes work", Asker::Anyone).answers::<Health>(200),
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

async fn ready(gateway: web::Data<Gateway>) -> Result<web::Json<Health>, Problem> {
    if gateway.is_stopping() {
        return Err(Kind::Stopping.because("it takes no more work"));
    }
    if gateway.engine().stopped().is_some() {
        return Err(Kind::Unknown.because("the engine has stopped; restart the gateway"));
    }
    Ok(web::Json(Health { status: "ready" }))
}

async fn version() -> impl Responder {
    web::Json(Version {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        envelope: ENVELOPE_VERSION,
    })
}
