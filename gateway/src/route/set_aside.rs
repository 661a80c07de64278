//! What revoked readers told: for their operator to look at.

use super::reader;
use crate::api::{Asker, At, at, does};
use crate::database::set_aside::{self, SetAside};
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::request::Staff;
use crate::text::{decimal, hex};
use actix_web::web;
use gettone_channel::ReceiptKind;
use serde::Serialize;
use utoipa::ToSchema;

/// A receipt that had no effect.
#[derive(Serialize, ToSchema)]
struct ShownReceipt {
    /// The journal that it stands in.
    epoch: String,
    /// Its number there.
    rseq: u64,
    /// What it says happened, in the protocol's word.
    kind: &'static str,
    /// The hold that it names; null for none.
    vend: Option<String>,
    /// The selection.
    item: u16,
    /// In the currency of the reader's machine, with decimals.
    amount: String,
    currency: Option<&'static str>,
    /// The start of the reader in which it was written.
    boot: u32,
    /// When in that start, in milliseconds.
    uptime_ms: u64,
    /// When it came here, in milliseconds since 1970.
    came_at_ms: u64,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/readers/{reader}/receipts").get(
            list,
            does(
                "Lists what a revoked reader told: it had no effect, and waits for a person",
                Asker::Staff,
            )
            .lists::<ShownReceipt>(),
        ),
    ]
}

async fn list(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<web::Json<super::Lines<ShownReceipt>>, Problem> {
    let id = reader::reader_id(&path)?;
    let reader = reader::own(&gateway, id, staff.operator).await?;
    let currency = reader.currency().map(|currency| currency.code());
    let kept = gateway
        .database()
        .read(move |connection| set_aside::list(connection, id))
        .await?;
    let lines: Vec<_> = kept.iter().map(|one| shown(one, currency)).collect();
    Ok(web::Json(lines.into()))
}

fn shown(one: &SetAside, currency: Option<&'static str>) -> ShownReceipt {
    ShownReceipt {
        epoch: hex(&one.epoch),
        rseq: one.rseq,
        kind: ReceiptKind::from_code(one.kind).map_or("other", word),
        vend: (one.grant != [0; 16]).then(|| hex(&one.grant)),
        item: one.item,
        amount: decimal(i64::from(one.amount), currency.unwrap_or_default()),
        currency,
        boot: one.made.0,
        uptime_ms: one.made.1,
        came_at_ms: one.came.as_millis(),
    }
}

const fn word(kind: ReceiptKind) -> &'static str {
    match kind {
        ReceiptKind::VendOk => "vend_ok",
        ReceiptKind::VendFail => "vend_fail",
        ReceiptKind::VendUnknown => "vend_unknown",
        ReceiptKind::RevalueOk => "revalue_ok",
        ReceiptKind::RevalueUnknown => "revalue_unknown",
        ReceiptKind::Close => "close",
        ReceiptKind::EpochStart => "epoch_start",
        ReceiptKind::LightGrantUsed => "light_grant_used",
        ReceiptKind::RevalueFail => "revalue_fail",
        ReceiptKind::NegativeVend => "negative_vend",
    }
}
