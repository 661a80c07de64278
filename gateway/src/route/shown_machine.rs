//! A machine as its operator sees it: what it is, what it was heard to do, and what rang.

use crate::bounds::{LIVE_MAX, QUIET_MAX};
use crate::database::place::{self, Place};
use crate::fleet::{self, Alarm};
use crate::gateway::{Gateway, now};
use crate::problem::Problem;
use crate::request::nothing;
use crate::text::money;
use core::time::Duration;
use gettone_core::id::{Item, MachineId};
use gettone_core::lock::LockState;
use gettone_core::machine::{Delivery, Life, LockOrder, Machine, Product};
use gettone_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A machine.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownMachine {
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

/// How much of a machine is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Detail {
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

/// The machine with all that is known of it.
pub(super) async fn shown(
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
