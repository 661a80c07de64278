//! What there is to ask, for programs; the page for people reads the same.

use crate::api::{self, Asker, At, at, does};
use actix_web::{HttpResponse, Responder};

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/openapi.json").get(
            openapi,
            does("Describes every route, as OpenAPI 3.1", Asker::Anyone)
                .answers_with(200, "application/json"),
        ),
    ]
}

async fn openapi() -> impl Responder {
    HttpResponse::Ok().json(api::document(&super::table()))
}
