//! Sales, for their operator: page by page, what they come to, and as a file.

use super::limited;
use crate::api::{Asker, At, Operation, at, does};
use crate::bounds::{CSV_LINES_AT_ONCE, CSV_LINES_MAX};
use crate::csv::{self, Cell};
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::Staff;
use crate::sales::{self, Filter, Sale, Total, Wanted};
use crate::stream::{Mouth, chunks};
use crate::text::utc;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpResponse, rt, web};
use gettone_core::id::{MachineId, OperatorId};
use gettone_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which sales are wanted.
#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct Query {
    machine: Option<u32>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    kind: Option<Wanted>,
    limit: Option<usize>,
    cursor: Option<u64>,
}

/// An operator's sales.
#[derive(Serialize, ToSchema)]
struct Sales {
    /// The newest first.
    lines: Vec<Sale>,
    /// Whether none is missing because the projection cannot follow the journal for the moment.
    complete: bool,
    /// The cursor of the next page; null when this is the last one.
    next: Option<u64>,
}

/// What sales come to, in each currency.
#[derive(Serialize, ToSchema)]
struct Totals {
    /// One for each currency.
    lines: Vec<Total>,
}

impl Query {
    fn filter(self, operator: OperatorId) -> Filter {
        Filter {
            operator,
            machine: self.machine.map(MachineId::new),
            from: self.from_ms.map(Timestamp::from_millis),
            to: self.to_ms.map(Timestamp::from_millis),
            wanted: self.kind,
        }
    }
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/sales").get(
            list,
            filtered(does("Lists sales, the newest first", Asker::Staff))
                .paged()
                .answers::<Sales>(200),
        ),
        at("/v1/sales/totals").get(
            totals,
            filtered(does("Tells what sales come to", Asker::Staff)).answers::<Totals>(200),
        ),
        at("/v1/sales.csv").get(
            file,
            filtered(does("Sends sales as a file for spreadsheets", Asker::Staff))
                .answers_with(200, "text/csv"),
        ),
    ]
}

fn filtered(operation: Operation) -> Operation {
    operation
        .query("machine", "integer", "Only of this machine.")
        .query("from_ms", "integer", "Sold at this time or later.")
        .query("to_ms", "integer", "Sold before this time.")
        .query("kind", "string", "One of sale, cash, refund, test, review.")
}

async fn list(
    gateway: web::Data<Gateway>,
    staff: Staff,
    query: web::Query<Query>,
) -> Result<web::Json<Sales>, Problem> {
    let page = gateway
        .database()
        .read(move |connection| {
            let filter = query.filter(staff.operator);
            sales::list(connection, &filter, query.cursor, limited(query.limit))
        })
        .await?;
    Ok(web::Json(Sales {
        lines: page.lines,
        complete: gateway.is_complete(),
        next: page.next,
    }))
}

async fn totals(
    gateway: web::Data<Gateway>,
    staff: Staff,
    query: web::Query<Query>,
) -> Result<web::Json<Totals>, Problem> {
    let lines = gateway
        .database()
        .read(move |connection| sales::totals(connection, &query.filter(staff.operator)))
        .await?;
    Ok(web::Json(Totals { lines }))
}

async fn file(gateway: web::Data<Gateway>, staff: Staff, query: web::Query<Query>) -> HttpResponse {
    let (mouth, body) = chunks();
    rt::spawn(write(gateway, query.filter(staff.operator), mouth));
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"sales.csv\""))
        .body(body)
}

/// Writes the file while it is read; when the database fails the connection breaks off, so that
/// nobody takes half a file for the whole.
async fn write(gateway: web::Data<Gateway>, filter: Filter, mouth: Mouth) {
    let mut text = String::new();
    csv::line(&mut text, HEAD.map(Cell::Ours));
    let mut before = None;
    let mut written = 0;
    loop {
        let page = gateway
            .database()
            .read(move |connection| sales::list(connection, &filter, before, CSV_LINES_AT_ONCE))
            .await;
        let page = match page {
            Ok(page) => page,
            Err(fault) => {
                tracing::error!(%fault, "a file of sales broke off");
                return mouth.cut().await;
            }
        };
        written += page.lines.len();
        for sale in &page.lines {
            add(&mut text, sale);
        }
        if mouth.say(core::mem::take(&mut text)).await.is_err() {
            return;
        }
        before = page.next;
        if before.is_none() {
            return;
        }
        if written >= CSV_LINES_MAX {
            tracing::warn!(CSV_LINES_MAX, "a file of sales is too long; it broke off");
            return mouth.cut().await;
        }
    }
}

const HEAD: [&str; 20] = [
    "sold_utc",
    "booked_utc",
    "kind",
    "machine",
    "machine_name",
    "item",
    "product",
    "count",
    "amount",
    "currency",
    "from_closed",
    "owed",
    "fee",
    "test",
    "review",
    "vend",
    "rseq",
    "sold_at_ms",
    "at_ms",
    "doubted",
];

fn add(out: &mut String, sale: &Sale) {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let word = |is: bool| if is { "yes" } else { "no" };
    let (sold, booked) = (
        sale.sold_at_ms.map(utc).unwrap_or_default(),
        utc(sale.at_ms),
    );
    let machine = number(sale.machine.map(u64::from));
    let item = number(sale.item.map(u64::from));
    let (count, rseq) = (sale.count.to_string(), number(sale.rseq));
    let (sold_at_ms, at_ms) = (number(sale.sold_at_ms), sale.at_ms.to_string());
    csv::line(
        out,
        [
            Cell::Ours(&sold),
            Cell::Ours(&booked),
            Cell::Ours(&sale.kind),
            Cell::Ours(&machine),
            Cell::Theirs(sale.machine_name.as_deref().unwrap_or_default()),
            Cell::Ours(&item),
            Cell::Theirs(sale.product.as_deref().unwrap_or_default()),
            Cell::Ours(&count),
            Cell::Ours(&sale.amount),
            Cell::Ours(&sale.currency),
            Cell::Ours(&sale.from_closed),
            Cell::Ours(&sale.owed),
            Cell::Ours(&sale.fee),
            Cell::Ours(word(sale.test)),
            Cell::Ours(word(sale.review)),
            Cell::Ours(sale.vend.as_deref().unwrap_or_default()),
            Cell::Ours(&rseq),
            Cell::Ours(&sold_at_ms),
            Cell::Ours(&at_ms),
            Cell::Ours(word(sale.doubted)),
        ],
    );
}
