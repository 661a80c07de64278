//! A machine's own audit (EVA-DTS): what it counted, what it charges, what happened to it.

use super::machine;
use crate::api::{Asker, At, at, does};
use crate::database::dts::{self, Given};
use crate::database::staff_log;
use crate::gateway::{Gateway, now};
use crate::problem::{Kind, Problem};
use crate::request::{Body, Clerk, Staff, named, nothing};
use crate::text::money;
use actix_web::{HttpResponse, web};
use gettone_core::id::{Item, MachineId};
use gettone_core::machine::Machine;
use gettone_core::money::{Amount, Currency};
use gettone_mdb::dts::{Dts, Sold, Whole};
use gettone_mdb::item::Coding;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// An audit file of a machine.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAudit {
    /// The whole file, as the machine gave it.
    words: String,
}

/// What a machine says of itself. Amounts are null where the machine does not tell them, or counts in
/// other decimals than its currency has.
#[derive(Serialize, ToSchema)]
struct ShownAudit {
    machine: u32,
    /// When it was brought.
    at_ms: u64,
    by: String,
    /// `yes`; `cut` when its end is missing; `miscounted` when its own count of lines is wrong.
    whole: &'static str,
    serial: Option<String>,
    currency: &'static str,
    sold: ShownSold,
    sold_for_cash: ShownSold,
    sold_by_first_cashless: ShownSold,
    sold_by_second_cashless: ShownSold,
    cash: ShownExpected,
    products: Vec<SeenProduct>,
    /// How many products cost something else than is wanted.
    drifts: usize,
    events: Vec<SeenEvent>,
    power_cuts: Option<u64>,
}

/// What was sold.
#[derive(Serialize, ToSchema)]
struct ShownSold {
    /// Since the machine was made.
    value: Option<String>,
    vends: Option<u64>,
    /// Since the interval was reset.
    interval_value: Option<String>,
    interval_vends: Option<u64>,
}

/// What the cash box should hold, by both who may know.
#[derive(Serialize, ToSchema)]
struct ShownExpected {
    /// By the machine's own counters.
    by_machine: Option<String>,
    /// The fields of EVA-DTS that it comes from.
    source: Option<&'static str>,
    /// By what was reported since the last count.
    by_ledger: String,
}

/// A product as the machine has it.
#[derive(Serialize, ToSchema)]
struct SeenProduct {
    /// Its name on the machine (PA101).
    id: String,
    /// The item of the catalogue, when the name is its number or its key, such as B1 for 201.
    item: Option<u16>,
    /// What the machine charges.
    seen: Option<String>,
    /// What the catalogue wants.
    wanted: Option<String>,
    /// Whether the two differ.
    drifted: bool,
    sold: ShownSold,
}

/// Something that happened at the machine.
#[derive(Serialize, ToSchema)]
struct SeenEvent {
    id: String,
    /// As the machine writes it, YYMMDD.
    date: String,
    /// As the machine writes it, HHMM or HHMMSS.
    time: String,
    interval_times: Option<u64>,
    times: Option<u64>,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/machines/{machine}/dts")
            .get(
                show,
                does("Shows a machine's newest audit (EVA-DTS)", Asker::Staff)
                    .answers::<ShownAudit>(200),
            )
            .put(
                bring,
                does("Brings an audit file (EVA-DTS) of a machine", Asker::Clerk)
                    .takes::<NewAudit>(json!({
                        "words": "DXS*GTN0000001*VA*V0/6*1\r\nID1*42\r\nDXE*1*1\r\n"
                    }))
                    .answers::<ShownAudit>(200),
            ),
    ]
}

async fn show(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let machine = machine::own(&gateway, id, staff.operator).await?;
    let given = gateway
        .database()
        .read(move |connection| dts::newest(connection, id))
        .await?;
    let given = given.ok_or_else(|| nothing("audit of the machine"))?;
    Ok(HttpResponse::Ok().json(shown(id, &machine, &given)?))
}

async fn bring(
    gateway: web::Data<Gateway>,
    Clerk(staff): Clerk,
    path: web::Path<String>,
    Body(new): Body<NewAudit>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let operator = staff.operator;
    let machine = machine::own(&gateway, id, operator).await?;
    let given = Given {
        at: now(),
        who: staff.who.to_string(),
        words: new.words.into_bytes(),
    };
    let shown = shown(id, &machine, &given)?;
    let line = staff.did("machine.dts", format_args!("machine {id}"));
    gateway
        .database()
        .write(move |transaction| {
            dts::keep(transaction, id, &given)?;
            staff_log::add(transaction, operator, &line)
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn shown(id: MachineId, machine: &Machine, given: &Given) -> Result<ShownAudit, Problem> {
    let currency = machine.currency().ok_or_else(|| nothing("machine"))?;
    let audit = Dts::parse(&given.words)
        .map_err(|fault| Kind::Malformed.because(format!("words: no audit: {fault}")))?;
    let scale = Scale {
        currency,
        is_same: audit.decimals().is_none_or(|it| it == currency.exponent()),
    };
    let expected = audit.cash_expected();
    let products: Vec<_> = audit
        .products()
        .map(|product| {
            let item = item(product.id).filter(|item| machine.catalogue().contains_key(item));
            let wanted = item.and_then(|item| machine.catalogue().get(&item));
            let wanted = wanted.map(|wanted| money(wanted.price, currency));
            let seen = scale.shown(product.price);
            SeenProduct {
                id: text(product.id),
                item: item.map(Item::number),
                drifted: wanted.is_some() && seen.is_some() && wanted != seen,
                seen,
                wanted,
                sold: scale.sold(product.sold),
            }
        })
        .collect();
    Ok(ShownAudit {
        machine: id.number(),
        at_ms: given.at.as_millis(),
        by: given.who.clone(),
        whole: match audit.whole() {
            Whole::Yes => "yes",
            Whole::Cut => "cut",
            Whole::Miscounted { .. } => "miscounted",
        },
        serial: audit.serial().map(text),
        currency: currency.code(),
        sold: scale.sold(audit.sold()),
        sold_for_cash: scale.sold(audit.sold_for_cash()),
        sold_by_first_cashless: scale.sold(audit.sold_by_first_cashless()),
        sold_by_second_cashless: scale.sold(audit.sold_by_second_cashless()),
        cash: ShownExpected {
            by_machine: scale.shown(expected.map(|it| it.amount)),
            source: expected.map(|it| it.source.fields()),
            by_ledger: money(machine.cash_expected(), currency),
        },
        drifts: products.iter().filter(|product| product.drifted).count(),
        products,
        events: audit
            .events()
            .map(|event| SeenEvent {
                id: text(event.id),
                date: text(event.date),
                time: text(event.time),
                interval_times: event.interval_times,
                times: event.times,
            })
            .collect(),
        power_cuts: audit.power_cuts(),
    })
}

/// How the machine counts money.
#[derive(Clone, Copy)]
struct Scale {
    currency: Currency,
    /// Whether in the currency's own decimals; nothing is converted.
    is_same: bool,
}

impl Scale {
    fn shown(self, value: Option<u64>) -> Option<String> {
        let minor = i64::try_from(value.filter(|_| self.is_same)?).ok()?;
        Some(money(Amount::from_minor(minor), self.currency))
    }

    fn sold(self, sold: Sold) -> ShownSold {
        ShownSold {
            value: self.shown(sold.value),
            vends: sold.vends,
            interval_value: self.shown(sold.interval_value),
            interval_vends: sold.interval_vends,
        }
    }
}

/// The item that a product's name stands for: its number, or the key that is pressed.
fn item(id: &[u8]) -> Option<Item> {
    let text = core::str::from_utf8(id).ok()?.trim();
    let number = text.parse().ok().or_else(|| {
        let pair: [u8; 2] = text.as_bytes().try_into().ok()?;
        Coding::Ascii.shown(u16::from_be_bytes(pair))
    });
    number.map(Item::new)
}

/// What is no text of ASCII was refused before.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
