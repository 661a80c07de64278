//! Sales, for their operator.

use super::Paging;
use crate::api::{Asker, At, at, does};
use crate::gateway::Gateway;
use crate::history::{self, Sale};
use crate::problem::Problem;
use crate::request::Staff;
use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

/// An operator's sales.
#[derive(Serialize, ToSchema)]
struct Sales {
    /// The newest first.
    sales: Vec<Sale>,
    /// Whether none is missing because the projection fell behind; a restart mends it.
    complete: bool,
    /// The cursor of the next page; null when this is the last one.
    next: Option<u64>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/sales").get(
            list,
            does("Lists sales, the newest first", Asker::Staff)
                .paged()
                .answers::<Sales>(200),
        ),
    ]
}

async fn list(
    gateway: web::Data<Gateway>,
    staff: Staff,
    paging: web::Query<Paging>,
) -> Result<web::Json<Sales>, Problem> {
    let page = gateway
        .database()
        .read(move |connection| {
            history::sales(connection, staff.operator, paging.cursor, paging.len())
        })
        .await?;
    Ok(web::Json(Sales {
        sales: page.lines,
        complete: gateway.is_complete(),
        next: page.next,
    }))
}
