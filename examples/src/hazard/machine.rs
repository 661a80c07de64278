//! The machine resets, is stuck, is silent, is another one; and its cash.

use super::claims::Held;
use super::stage::{AFTER_ONE, PURSE, Stage};
use super::{Hazard, Pace};
use crate::fault::StreetFault;
use crate::machine::{self, Ending, Seen};
use gettone_channel::{BoardState, LastResult};
use gettone_mdb::vmc::Operator;
use serde_json::json;
use std::thread;
use std::time::Duration;

/// A reset so long after the approval is no objection to it.
const UNDOUBTED: Duration = Duration::from_millis(1_300);
/// What a note is worth, in minor units.
const NOTE: u32 = 500;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "machine-resets",
        fault: "the machine resets its reader while the motors run: after a second, then at once",
        bears: "the customer, until a person has looked at the quick one",
        pace: Pace::Quick,
        play: machine_resets,
    },
    Hazard {
        name: "vend-fails",
        fault: "the machine cannot deliver, and says so",
        bears: "nobody: nothing is charged",
        pace: Pace::Quick,
        play: vend_fails,
    },
    Hazard {
        name: "machine-silent",
        fault: "the machine says nothing of how its vend ends",
        bears: "the customer waits: the phone is free, the hold stays",
        pace: Pace::Quick,
        play: machine_silent,
    },
    Hazard {
        name: "product-stuck",
        fault: "the machine says that it has delivered, and the product is stuck",
        bears: "the customer, until the claim is decided",
        pace: Pace::Quick,
        play: product_stuck,
    },
    Hazard {
        name: "price-changed",
        fault: "the machine asks for another price than the catalogue says",
        bears: "nobody: the machine's price counts, inside what is held, and the receipt shows it",
        pace: Pace::Quick,
        play: price_changed,
    },
    Hazard {
        name: "board-moved",
        fault: "the board stands in another machine",
        bears: "the operator looks: another controller is told with its next HELLO",
        pace: Pace::Quick,
        play: board_moved,
    },
    Hazard {
        name: "cash-reset",
        fault: "the machine resets while it asks whether cash may go on the account",
        bears: "nobody: the machine gives the cash back, or keeps it as its own credit",
        pace: Pace::Quick,
        play: cash_reset,
    },
    Hazard {
        name: "cash-cut",
        fault: "power is cut while cash goes on the account, wherever in it the cut falls",
        bears: "the operator, up to one note",
        pace: Pace::Quick,
        play: cash_cut,
    },
];

fn machine_resets(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    for (motors, left) in [(UNDOUBTED, AFTER_ONE), (Duration::ZERO, "2.60")] {
        let visit = stage.arrive(&ann)?;
        stage.select(Ending::Awaited)?;
        stage.see("the motors", |seen| seen == Seen::Approved)?;
        thread::sleep(motors);
        stage.operate(Operator::Restart)?;
        stage.see("the reader to be enabled", |seen| seen == Seen::Ready)?;
        visit.vanish();
        stage.pass_by(&bob)?;
        stage.expect(&ann, left, Held::Nothing)?;
    }
    stage.case("doubtful_reset")
}

fn vend_fails(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.arrive(&ann)?;
    stage.select(Ending::Jammed)?;
    stage.until(&mut visit, "the failure", |status| {
        status.last == LastResult::Failed
    })?;
    stage.leave(visit)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn machine_silent(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    stage.select(Ending::Awaited)?;
    stage.until(&mut visit, "the phone to be let go", |status| {
        status.state == BoardState::Waiting
    })?;
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.operate(Operator::Dispensed)?;
    stage.see("the session's end", |seen| seen == Seen::SessionEnded)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn product_stuck(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.say("ann", "claims that nothing came");
    let receipt = stage.receipt(&ann)?;
    let claim = json!({
        "vend": receipt["vend"], "rseq": receipt["rseq"], "words": "It is stuck behind the glass.",
    });
    ann.post("/v1/app/claims", &claim)?;
    stage.case("claim")?;
    stage.refund()?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn price_changed(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.arrive(&ann)?;
    stage
        .machine()?
        .select(super::stage::ESPRESSO, 150, Ending::Dispensed)?;
    stage.until(&mut visit, "the product", |status| {
        status.last == LastResult::Vended
    })?;
    stage.leave(visit)?;
    stage.expect(&ann, "3.50", Held::Nothing)
}

fn board_moved(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    stage.pass_by(&ann)?;
    let before = stage.reader()?["controller"].to_string();
    stage.stop_reader()?;
    let mut config = machine::config(machine::Pace::Hurried);
    config.identity.serial = *b"000000004711";
    stage.replace_machine(config)?;
    stage.start_reader()?;
    stage.pass_by(&ann)?;
    let after = stage.reader()?["controller"].to_string();
    stage.say(
        "operator",
        format_args!("is told of another controller: {before}, then {after}"),
    );
    if before == after {
        return Err(StreetFault::Unexpected(
            "another machine that nobody noticed",
        ));
    }
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn cash_reset(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let visit = stage.arrive(&ann)?;
    stage.operate(Operator::Revalue { amount: NOTE })?;
    stage.operate(Operator::Restart)?;
    stage.see("the reader to be enabled", |seen| seen == Seen::Ready)?;
    visit.vanish();
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    stage.closed(&ann, &["0.00"])
}

fn cash_cut(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let visit = stage.arrive(&ann)?;
    stage.operate(Operator::Revalue { amount: NOTE })?;
    stage.cut_power()?;
    visit.vanish();
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    stage.closed(&ann, &["0.00", "5.00"])
}
