//! How readers are, for their technicians: asked for here, answered by way of anybody's phone.

use super::reader;
use crate::api::{Asker, At, at, does};
use crate::database::diagnostics;
use crate::gateway::{Gateway, now};
use crate::problem::Problem;
use crate::request::Technician;
use actix_web::{HttpResponse, web};
use gettone_core::id::ReaderId;
use serde::Serialize;
use utoipa::ToSchema;

/// A reader's report on itself.
#[derive(Serialize, ToSchema, Default)]
struct ShownReport {
    /// When it was asked for last, in milliseconds since 1970; null when never.
    asked_at: Option<u64>,
    /// When the newest one was whole.
    taken_at: Option<u64>,
    /// That report: lines of `name value`.
    report: Option<String>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/readers/{reader}/diagnostics")
            .get(
                show,
                does(
                    "Gives the newest report of a reader on how it is",
                    Asker::Technician,
                )
                .answers::<ShownReport>(200),
            )
            .post(
                ask,
                does(
                    "Asks a reader how it is: it hears of it with the answer to its next HELLO",
                    Asker::Technician,
                )
                .answers::<ShownReport>(202),
            ),
    ]
}

async fn show(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader::reader_id(&path)?;
    reader::own(&gateway, id, staff.operator).await?;
    Ok(HttpResponse::Ok().json(shown(&gateway, id).await?))
}

async fn ask(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = reader::reader_id(&path)?;
    reader::own(&gateway, id, staff.operator).await?;
    let number = gateway
        .database()
        .write(move |transaction| diagnostics::ask(transaction, id, now()))
        .await?;
    gateway.questions().note(id, number);
    reader::note(&gateway, &staff, "reader.diagnose", id).await?;
    Ok(HttpResponse::Accepted().json(shown(&gateway, id).await?))
}

async fn shown(gateway: &Gateway, id: ReaderId) -> Result<ShownReport, Problem> {
    let found = gateway
        .database()
        .read(move |connection| diagnostics::find(connection, id))
        .await?;
    Ok(found.map_or_else(ShownReport::default, |found| {
        let (taken_at, report) = found.taken.unzip();
        ShownReport {
            asked_at: Some(found.asked.as_millis()),
            taken_at: taken_at.map(|at| at.as_millis()),
            report,
        }
    }))
}
