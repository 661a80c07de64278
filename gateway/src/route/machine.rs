//! Machines and what they sell, for their operator.

use super::{Lines, Paging};
use crate::api::{Asker, At, at, does};
use crate::bounds::{LIVE_MAX, NAME_LEN_MAX, QUIET_MAX};
use crate::database::place::{self, Place};
use crate::database::staff_log;
use crate::failure;
use crate::fleet::{self, Alarm};
use crate::gateway::{Gateway, now};
use crate::problem::Problem;
use crate::request::{Body, Staff, Technician, named, nothing};
use crate::text::{amount, currency, money, some_words, words};
use actix_web::{HttpResponse, web};
use core::time::Duration;
use gettone_core::id::{Item, MachineId, OperatorId};
use gettone_core::lock::LockState;
use gettone_core::machine::{
    Command, Delivery, Life, LockOrder, Machine, NAME_MAX, Policy, Product,
};
use gettone_core::money::Amount;
use gettone_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A machine to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMachine {
    /// Its number.
    machine: u32,
    /// By its three letters.
    currency: String,
    /// The most that is held for one customer.
    cap: String,
    /// The most vends of one customer in a row.
    vends_max: u8,
    /// The platform's share, in hundredths of a percent.
    fee_basis_points: u16,
    /// The most cash that one visit may take in for the customer's closed wallet; none when it is
    /// left out.
    #[serde(default)]
    revalue_max: String,
    /// What it is called.
    #[serde(default)]
    name: String,
    /// Where it stands.
    #[serde(default)]
    place: String,
}

/// A product to list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProduct {
    /// The selection.
    item: u16,
    /// What it is called.
    name: String,
    /// What it costs.
    price: String,
}

/// A product's name and price, for a selection that stands in the path.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Priced {
    /// What it is called.
    name: String,
    /// What it costs.
    price: String,
}

/// What to call a machine, and where it stands; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// What it is called.
    name: Option<String>,
    /// Where it stands.
    place: Option<String>,
}

/// A machine.
#[derive(Serialize, ToSchema)]
struct ShownMachine {
    machine: u32,
    /// What it is called.
    name: String,
    /// Where it stands.
    place: String,
    operator: u32,
    /// Where its life stands: `idle`, `served` or `locked`.
    life: String,
    currency: &'static str,
    cap: String,
    vends_max: u8,
    fee_basis_points: u16,
    reader: Option<String>,
    /// `live` when it was heard within 24 hours, `quiet` within 7 days, `silent` otherwise; `locked`
    /// or `no-reader` when it is. A board without a modem is heard when a phone passes.
    state: &'static str,
    /// When its reader was heard last.
    last_seen_ms: Option<u64>,
    /// What the machine's bus did then: `inactive`, `disabled`, `enabled`, `session_idle`, `vend`,
    /// `revalue` or `negative_vend`.
    mdb_state: Option<&'static str>,
    lock: ShownLock,
    /// What its cash box should hold.
    cash_expected: String,
    /// The most cash that one visit may take in for the customer's closed wallet.
    revalue_max: String,
    /// What rang within 7 days, the newest first.
    alarms: Vec<Alarm>,
    /// What it sells; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    products: Option<Vec<ShownProduct>>,
}

/// Whether a machine takes customers.
#[derive(Serialize, ToSchema)]
struct ShownLock {
    /// `locked` or `open`.
    wanted: &'static str,
    /// How far the order has come to its reader: `none`, `queued`, `carried` or `applied`.
    state: &'static str,
}

/// A product and its price.
#[derive(Serialize, ToSchema)]
struct ShownProduct {
    item: u16,
    name: String,
    price: String,
}

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/machines")
            .get(
                all,
                does("Lists machines by number", Asker::Staff)
                    .paged()
                    .lists::<ShownMachine>(),
            )
            .post(
                register,
                does("Registers a machine", Asker::Technician)
                    .takes::<NewMachine>(json!({
                        "machine": 3, "currency": "EUR", "cap": "5.00", "vends_max": 3,
                        "fee_basis_points": 100, "name": "Hall, left", "place": "Via Roma 1",
                    }))
                    .answers::<ShownMachine>(201),
            ),
        at("/v1/machines/{machine}")
            .get(
                show,
                does("Shows a machine and what it sells", Asker::Staff)
                    .answers::<ShownMachine>(200),
            )
            .patch(
                rename,
                does("Names a machine and its place", Asker::Technician)
                    .takes::<Named>(json!({"name": "Hall, right", "place": "Via Roma 1"}))
                    .answers::<ShownMachine>(200),
            ),
        at("/v1/machines/{machine}/products").post(
            list,
            does(
                "Lists a product, or changes its name and price",
                Asker::Technician,
            )
            .takes::<NewProduct>(json!({"item": 11, "name": "Espresso", "price": "0.80"}))
            .answers::<ShownMachine>(201),
        ),
        at("/v1/machines/{machine}/products/{item}")
            .put(
                price,
                does(
                    "Lists a product, or changes its name and price",
                    Asker::Technician,
                )
                .takes::<Priced>(json!({"name": "Espresso", "price": "0.90"}))
                .answers::<ShownMachine>(200),
            )
            .delete(
                delist,
                does("Takes a product off the list", Asker::Technician)
                    .answers::<ShownMachine>(200),
            ),
        at("/v1/machines/{machine}/lock").post(
            lock,
            does("Takes no new customers at a machine", Asker::Technician)
                .answers::<ShownMachine>(200),
        ),
        at("/v1/machines/{machine}/unlock").post(
            unlock,
            does("Takes customers at a machine again", Asker::Technician)
                .answers::<ShownMachine>(200),
        ),
    ]
}

async fn all(
    gateway: web::Data<Gateway>,
    staff: Staff,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = gateway
        .database()
        .read(move |connection| {
            fleet::machines(connection, staff.operator, paging.cursor, paging.len())
        })
        .await?;
    let mut lines = Vec::with_capacity(page.lines.len());
    for id in page.lines {
        // Only machines that were registered are listed, and none is ever registered otherwise.
        if let Ok(machine) = own(&gateway, id, staff.operator).await {
            lines.push(shown(&gateway, id, &machine, Detail::Brief).await?);
        }
    }
    Ok(HttpResponse::Ok().json(Lines {
        lines,
        next: page.next,
    }))
}

async fn register(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    Body(new): Body<NewMachine>,
) -> Result<HttpResponse, Problem> {
    let operator = staff.operator;
    let id = MachineId::new(new.machine);
    let place = Place {
        name: words("name", &new.name, NAME_LEN_MAX)?,
        place: words("place", &new.place, NAME_LEN_MAX)?,
    };
    let currency = currency("currency", &new.currency)?;
    let policy = Policy {
        cap: amount("cap", &new.cap, currency)?,
        vends_max: new.vends_max,
        fee_basis_points: new.fee_basis_points,
        revalue_max: match new.revalue_max.as_str() {
            "" => Amount::ZERO,
            most => amount("revalue_max", most, currency)?,
        },
    };
    let command = Command::Register {
        operator,
        currency,
        policy,
    };
    gateway
        .engine()
        .machine_command(id, command)
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?;
    let machine = own(&gateway, id, operator).await?;
    let line = staff.did("machine.register", format_args!("machine {id}"));
    gateway
        .database()
        .write(move |transaction| {
            // The same again without a name does not take the name away.
            if place != Place::default() {
                place::note(transaction, operator, id, &place)?;
            }
            staff_log::add(transaction, operator, &line)
        })
        .await?;
    Ok(HttpResponse::Created().json(shown(&gateway, id, &machine, Detail::Full).await?))
}

async fn rename(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<Named>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let operator = staff.operator;
    let machine = own(&gateway, id, operator).await?;
    let read = |field, text: Option<String>| {
        text.map(|text| words(field, &text, NAME_LEN_MAX))
            .transpose()
    };
    let (name, place) = (read("name", new.name)?, read("place", new.place)?);
    let line = staff.did("machine.name", format_args!("machine {id}"));
    gateway
        .database()
        .write(move |transaction| {
            let before = place::find(transaction, id)?.unwrap_or_default();
            let after = Place {
                name: name.unwrap_or_else(|| before.name.clone()),
                place: place.unwrap_or_else(|| before.place.clone()),
            };
            place::note(transaction, operator, id, &after)?;
            let told = |place: &Place| json!({"name": place.name, "place": place.place});
            staff_log::add(
                transaction,
                operator,
                &line.changed(told(&before), told(&after)),
            )
        })
        .await?;
    Ok(HttpResponse::Ok().json(shown(&gateway, id, &machine, Detail::Full).await?))
}

async fn list(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
    Body(new): Body<NewProduct>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let priced = Priced {
        name: new.name,
        price: new.price,
    };
    let machine = put(&gateway, &staff, (id, Item::new(new.item)), priced).await?;
    Ok(HttpResponse::Created().json(machine))
}

async fn price(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<(String, String)>,
    Body(new): Body<Priced>,
) -> Result<HttpResponse, Problem> {
    let (id, item) = selection(&path)?;
    let machine = put(&gateway, &staff, (id, item), new).await?;
    Ok(HttpResponse::Ok().json(machine))
}

async fn delist(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (id, item) = selection(&path)?;
    let machine = own(&gateway, id, staff.operator).await?;
    let before = machine.catalogue().get(&item);
    let before = before.map_or(json!(null), |product| told(product, &machine));
    let line = staff
        .did(
            "product.delist",
            format_args!("machine {id} item {}", item.number()),
        )
        .changed(before, json!(null));
    let machine = command(&gateway, &staff, id, (Command::Delist { item }, line)).await?;
    Ok(HttpResponse::Ok().json(machine))
}

/// A product as the log has it.
fn told(product: &Product, machine: &Machine) -> serde_json::Value {
    let price = machine
        .currency()
        .map(|currency| money(product.price, currency));
    json!({"name": product.name, "price": price})
}

fn selection(path: &(String, String)) -> Result<(MachineId, Item), Problem> {
    let (machine, item) = path;
    Ok((
        MachineId::new(named("machine", machine)?),
        Item::new(named("selection", item)?),
    ))
}

/// Lists a product in place of what was listed there.
async fn put(
    gateway: &Gateway,
    staff: &Staff,
    place: (MachineId, Item),
    new: Priced,
) -> Result<ShownMachine, Problem> {
    let (id, item) = place;
    let machine = own(gateway, id, staff.operator).await?;
    let currency = machine.currency().ok_or_else(|| nothing("machine"))?;
    let product = Product {
        name: some_words("name", &new.name, NAME_MAX)?,
        price: amount("price", &new.price, currency)?,
    };
    let line = staff
        .did(
            "product.list",
            format_args!("machine {id} item {}", item.number()),
        )
        .changed(
            machine
                .catalogue()
                .get(&item)
                .map_or(json!(null), |before| told(before, &machine)),
            told(&product, &machine),
        );
    command(gateway, staff, id, (Command::List { item, product }, line)).await
}

async fn lock(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    own(&gateway, id, staff.operator).await?;
    let line = staff.did("machine.lock", format_args!("machine {id}"));
    let machine = command(&gateway, &staff, id, (Command::Lock, line)).await?;
    Ok(HttpResponse::Ok().json(machine))
}

async fn unlock(
    gateway: web::Data<Gateway>,
    Technician(staff): Technician,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    own(&gateway, id, staff.operator).await?;
    let line = staff.did("machine.unlock", format_args!("machine {id}"));
    let machine = command(&gateway, &staff, id, (Command::Unlock, line)).await?;
    Ok(HttpResponse::Ok().json(machine))
}

/// Has an operator's machine do something, writes it into the log when it was new, and shows the
/// machine.
async fn command(
    gateway: &Gateway,
    staff: &Staff,
    id: MachineId,
    order: (Command, staff_log::Line),
) -> Result<ShownMachine, Problem> {
    let (command, line) = order;
    let done = gateway
        .engine()
        .machine_command(id, command)
        .await
        .map_err(|failure| failure::told(failure, failure::machine))?
        .into_inner();
    let operator = staff.operator;
    if done.is_some() {
        gateway
            .database()
            .write(move |transaction| staff_log::add(transaction, operator, &line))
            .await?;
    }
    let machine = own(gateway, id, operator).await?;
    shown(gateway, id, &machine, Detail::Full).await
}

async fn show(
    gateway: web::Data<Gateway>,
    staff: Staff,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = MachineId::new(named("machine", &path)?);
    let machine = own(&gateway, id, staff.operator).await?;
    Ok(HttpResponse::Ok().json(shown(&gateway, id, &machine, Detail::Full).await?))
}

/// The machine, when it is this operator's.
pub(super) async fn own(
    gateway: &Gateway,
    id: MachineId,
    operator: OperatorId,
) -> Result<Machine, Problem> {
    let machine = gateway
        .engine()
        .machine(id)
        .await
        .map_err(failure::unread)?
        .into_inner();
    machine
        .filter(|machine| gateway.owns(operator, machine.operator()))
        .map(|machine| *machine)
        .ok_or_else(|| nothing("machine"))
}

/// How much of a machine is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Detail {
    /// Without what it sells.
    Brief,
    /// All of it.
    Full,
}

/// What the database knows of a machine.
struct Beside {
    place: Place,
    heard: Option<(Timestamp, Option<u8>)>,
    alarms: Vec<Alarm>,
}

async fn shown(
    gateway: &Gateway,
    id: MachineId,
    machine: &Machine,
    detail: Detail,
) -> Result<ShownMachine, Problem> {
    let (reader, now) = (machine.reader(), now());
    let beside = gateway
        .database()
        .read(move |connection| {
            Ok(Beside {
                place: place::find(connection, id)?.unwrap_or_default(),
                heard: match reader {
                    Some(reader) => fleet::last_seen(connection, reader)?,
                    None => None,
                },
                alarms: fleet::alarms(connection, id, now)?,
            })
        })
        .await?;
    with(id, machine, (beside, detail), now).ok_or_else(|| nothing("machine"))
}

fn with(
    id: MachineId,
    machine: &Machine,
    rest: (Beside, Detail),
    now: Timestamp,
) -> Option<ShownMachine> {
    let (operator, currency, policy) =
        (machine.operator()?, machine.currency()?, machine.policy()?);
    let (beside, detail) = rest;
    let last_seen = beside.heard.map(|(at, _)| at);
    let products = || {
        let shown = |(item, product): (&Item, &Product)| ShownProduct {
            item: item.number(),
            name: product.name.clone(),
            price: money(product.price, currency),
        };
        machine.catalogue().iter().map(shown).collect()
    };
    Some(ShownMachine {
        machine: id.number(),
        name: beside.place.name,
        place: beside.place.place,
        operator: operator.number(),
        life: format!("{:?}", machine.life()).to_lowercase(),
        currency: currency.code(),
        cap: money(policy.cap, currency),
        vends_max: policy.vends_max,
        fee_basis_points: policy.fee_basis_points,
        reader: machine.reader().map(|reader| reader.to_string()),
        state: state(machine.life(), last_seen, now),
        last_seen_ms: last_seen.map(Timestamp::as_millis),
        mdb_state: beside.heard.and_then(|(_, told)| bus_state(told?)),
        lock: lock_shown(machine.lock()),
        cash_expected: money(machine.cash_expected(), currency),
        revalue_max: money(policy.revalue_max, currency),
        alarms: beside.alarms,
        products: (detail == Detail::Full).then(products),
    })
}

fn lock_shown(order: LockOrder) -> ShownLock {
    ShownLock {
        wanted: match order.state {
            LockState::Locked => "locked",
            LockState::Open => "open",
        },
        state: match order.delivery {
            _ if order.version == 0 => "none",
            Delivery::Queued => "queued",
            Delivery::Carried => "carried",
            Delivery::Applied => "applied",
        },
    }
}

/// The name of an MDB state, by its number on the wire.
fn bus_state(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "inactive",
        2 => "disabled",
        3 => "enabled",
        4 => "session_idle",
        5 => "vend",
        6 => "revalue",
        7 => "negative_vend",
        _ => return None,
    })
}

/// A machine's state in one word.
fn state(life: Life, last_seen: Option<Timestamp>, now: Timestamp) -> &'static str {
    let heard_within = |most: Duration| {
        last_seen.is_some_and(|seen| {
            u128::from(now.as_millis().saturating_sub(seen.as_millis())) <= most.as_millis()
        })
    };
    match life {
        Life::Unknown | Life::Idle => "no-reader",
        Life::Locked => "locked",
        Life::Served if heard_within(LIVE_MAX) => "live",
        Life::Served if heard_within(QUIET_MAX) => "quiet",
        Life::Served => "silent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_live_for_a_day_quiet_for_a_week_and_then_silent() {
        let hours = |hours: u64| Timestamp::from_millis(hours * 3_600_000);
        let now = hours(1_000);
        for (ago, word) in [
            (0, "live"),
            (24, "live"),
            (25, "quiet"),
            (168, "quiet"),
            (169, "silent"),
        ] {
            assert_eq!(
                state(Life::Served, Some(hours(1_000 - ago)), now),
                word,
                "{ago} h"
            );
        }
        assert_eq!(state(Life::Served, None, now), "silent");
        assert_eq!(state(Life::Locked, Some(now), now), "locked");
        assert_eq!(state(Life::Idle, None, now), "no-reader");
        assert_eq!(
            state(Life::Served, Some(hours(1_001)), now),
            "live",
            "a clock that was set back"
        );
    }
}
