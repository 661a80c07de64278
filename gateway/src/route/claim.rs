//! "Charged, but nothing fell": what customers say about a vend. Whether money goes back is decided
//! by the operator.

use crate::api::{Asker, At, at, does};
use crate::bounds::WORDS_LEN_MAX;
use crate::database::refund;
use crate::fold;
use crate::gateway::{Gateway, now};
use crate::happening::{self, Subject};
use crate::problem::Problem;
use crate::receipts::{self, Claim};
use crate::request::{Body, Customer, nothing};
use crate::text::{some_words, unhex};
use actix_web::{HttpResponse, web};
use gettone_core::id::{Rseq, VendId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// What a customer says about a vend.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewClaim {
    /// The hold, as the receipt names it.
    vend: String,
    /// The number, as the receipt names it.
    rseq: u64,
    /// What happened.
    words: String,
}

/// A claim, and what became of it.
#[derive(Serialize, ToSchema)]
struct ShownClaim {
    vend: String,
    rseq: u64,
    #[serde(flatten)]
    claim: Claim,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/app/claims").post(
            claim,
            does(
                "Says that something was charged and did not come; once for each vend",
                Asker::Customer,
            )
            .takes::<NewClaim>(json!({
                "vend": "05050505050505050505050505050505", "rseq": 1, "words": "Nothing fell.",
            }))
            .answers::<ShownClaim>(201),
        ),
    ]
}

async fn claim(
    gateway: web::Data<Gateway>,
    customer: Customer,
    Body(new): Body<NewClaim>,
) -> Result<HttpResponse, Problem> {
    let vend = unhex(&new.vend)
        .map(VendId::from_bytes)
        .ok_or_else(|| nothing("vend"))?;
    let rseq = Rseq::new(new.rseq);
    let words = some_words("words", &new.words, WORDS_LEN_MAX)?;
    let wallets = customer.wallets();
    let claim = gateway
        .database()
        .write(move |transaction| {
            let Some(charged) = receipts::charged(transaction, &wallets, vend, rseq)? else {
                return Ok(None);
            };
            let case = charged.case("claim");
            if refund::open(transaction, &case, &words)? == refund::Opened::New {
                let body = json!({"state": "open", "kind": case.kind, "vend": vend.to_string()});
                let body = fold::placed(transaction, now(), Some(case.machine), body)?;
                happening::tell_aside(transaction, case.operator, (Subject::Refund, &body))?;
            }
            refund::claim(transaction, vend, rseq)
        })
        .await?
        .ok_or_else(|| nothing("vend of yours that was charged"))?;
    gateway.database().nudge();
    Ok(HttpResponse::Created().json(ShownClaim {
        vend: vend.to_string(),
        rseq: rseq.number(),
        claim,
    }))
}
