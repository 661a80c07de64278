//! Sales, for their operator.

use super::Limit;
use crate::gateway::Gateway;
use crate::request::Operator;
use actix_web::{Responder, web};
use serde_json::json;

pub(super) async fn list(
    gateway: web::Data<Gateway>,
    Operator(operator): Operator,
    limit: web::Query<Limit>,
) -> impl Responder {
    let page = gateway.look_back(|history| history.sales(operator, limit.len()));
    web::Json(json!({"sales": page.lines, "complete": page.complete}))
}
