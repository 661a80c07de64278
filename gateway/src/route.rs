//! The routes, and nothing that they rest on.

mod api_key;
mod app;
mod card;
mod cash;
mod claim;
mod clerk;
mod credit;
mod debt;
mod diagnostics;
mod dispute;
mod docs;
mod dts;
mod favourite;
mod firmware;
mod health;
mod limit;
mod live;
mod machine;
mod payout;
mod person;
mod product;
mod promotion;
mod reader;
mod reader_config;
mod reader_package;
mod refund;
mod relay;
mod road;
mod sale;
mod set_aside;
mod shown_machine;
mod sign_in;
mod sms;
mod sms_consent;
mod sms_words;
mod staff;
mod test_vend;
mod token;
mod transfer;
mod typed;
mod wallet;

pub(crate) use relay::Told;

use crate::api::At;
use crate::bounds::{BODY_LEN_MAX, LIST_LEN, LIST_LEN_MAX};
use crate::list::Page;
use crate::problem::{Kind, Problem};
use crate::request::nothing;
use crate::text::unhex;
use actix_web::web;
use gettone_core::id::TransferId;
use serde::{Deserialize, Serialize};

/// Every route with what there is to say about it.
pub(crate) fn table() -> Vec<At> {
    [
        health::routes(),
        docs::routes(),
        machine::routes(),
        product::routes(),
        cash::routes(),
        dts::routes(),
        test_vend::routes(),
        reader::routes(),
        reader_config::routes(),
        set_aside::routes(),
        reader_package::routes(),
        firmware::routes(),
        diagnostics::routes(),
        wallet::routes(),
        limit::routes(),
        card::routes(),
        dispute::routes(),
        debt::routes(),
        promotion::routes(),
        payout::routes(),
        sale::routes(),
        live::routes(),
        refund::routes(),
        credit::routes(),
        staff::routes(),
        api_key::routes(),
        sign_in::routes(),
        person::routes(),
        app::routes(),
        favourite::routes(),
        claim::routes(),
        transfer::routes(),
        relay::routes(),
        token::routes(),
        typed::routes(),
        sms::routes(),
        sms_consent::routes(),
        road::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Adds every route; what is none of them gets a problem too.
pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(BODY_LEN_MAX))
        .app_data(
            web::QueryConfig::default()
                .error_handler(|fault, _| Kind::Malformed.because(fault).into()),
        );
    for at in table() {
        at.serve(app);
    }
    app.configure(crate::page::pages)
        .default_service(web::to(nowhere));
}

/// Which part of a list is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paging {
    limit: Option<usize>,
    cursor: Option<u64>,
}

impl Paging {
    fn len(&self) -> usize {
        limited(self.limit)
    }
}

/// How many lines are given, when so many are wanted.
fn limited(limit: Option<usize>) -> usize {
    limit.unwrap_or(LIST_LEN).min(LIST_LEN_MAX)
}

/// A part of a list.
#[derive(Serialize)]
struct Lines<T> {
    /// The lines.
    lines: Vec<T>,
    /// The cursor of the next page; null when this is the last one.
    next: Option<u64>,
}

impl<T> From<Page<T>> for Lines<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            lines: page.lines,
            next: page.next,
        }
    }
}

impl<T> From<Vec<T>> for Lines<T> {
    fn from(lines: Vec<T>) -> Self {
        Self { lines, next: None }
    }
}

/// Reads the name of something that moved money out of the path.
fn transfer_named(what: &str, text: &str) -> Result<TransferId, Problem> {
    unhex(text)
        .map(TransferId::from_bytes)
        .ok_or_else(|| nothing(what))
}

async fn nowhere() -> Result<&'static str, Problem> {
    Err(Kind::NotFound.because("there is no such route"))
}
