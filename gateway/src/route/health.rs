//! Whether it lives, whether it can be used, and what it is.

use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use actix_web::{HttpResponse, Responder, web};
use gettone_channel::ENVELOPE_VERSION;
use serde_json::json;

pub(super) async fn live() -> impl Responder {
    web::Json(json!({"status": "live"}))
}

pub(super) async fn ready(gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    if gateway.is_stopping() {
        return Err(Kind::Stopping.because("it takes no more work"));
    }
    if gateway.engine().stopped().is_some() {
        return Err(Kind::Unknown.because("the engine has stopped; restart the gateway"));
    }
    Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
}

pub(super) async fn version() -> impl Responder {
    web::Json(json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "envelope": ENVELOPE_VERSION,
    }))
}
