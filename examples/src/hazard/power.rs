//! The reader's power, its process, its flash.

use super::claims::Held;
use super::server::copy_all;
use super::stage::{AFTER_ONE, PURSE, Stage};
use super::{Hazard, Pace};
use crate::fault::StreetFault;
use crate::machine::{Ending, Seen};
use crate::server::Key;
use gettone_mdb::vmc::Operator;
use std::fs;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "cut-before-intent",
        fault: "power is cut when the machine shows the credit and nothing was chosen",
        bears: "nobody: no approval was given, and nothing was vended",
        pace: Pace::Quick,
        play: cut_before_intent,
    },
    Hazard {
        name: "cut-before-approval",
        fault: "power is cut as soon as the choice is on flash; a street cannot cut between that and the approval, \
                which may or may not have left",
        bears: "nobody: it is let go for the customer, once in 90 days",
        pace: Pace::Quick,
        play: cut_before_approval,
    },
    Hazard {
        name: "cut-in-vend",
        fault: "power is cut while the motors run",
        bears: "the operator, one price: nobody saw what came of it",
        pace: Pace::Quick,
        play: cut_in_vend,
    },
    Hazard {
        name: "plug-pulled",
        fault: "a customer pulls the plug while the motors run, and does it again",
        bears: "the operator, one price; the second time it waits for a person's decision",
        pace: Pace::Slow,
        play: plug_pulled,
    },
    Hazard {
        name: "reader-crash",
        fault: "the reader's process is killed after a result, then before one; power stays",
        bears: "nobody, for the result is found; the operator, one price, for the other",
        pace: Pace::Quick,
        play: reader_crash,
    },
    Hazard {
        name: "cut-after-result",
        fault: "power is cut when the result is on flash and no phone has it",
        bears: "nobody: it is in the outbox",
        pace: Pace::Quick,
        play: cut_after_result,
    },
    Hazard {
        name: "journal-lost",
        fault: "the reader's journal is gone, with a sale that the server has not heard of",
        bears: "the operator, at most what its open grants hold",
        pace: Pace::Quick,
        play: journal_lost,
    },
    Hazard {
        name: "journal-put-back",
        fault: "an older copy of the reader's journal is put back, or the reader is copied",
        bears: "nobody: the reader contradicts itself and gets no grants until its operator has looked",
        pace: Pace::Quick,
        play: journal_put_back,
    },
];

fn cut_before_intent(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let visit = stage.arrive(&ann)?;
    stage.cut_power()?;
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn cut_before_approval(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    stage.choose(&mut visit)?;
    stage.cut_power()?;
    visit.vanish();
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

/// The motors run, and power goes.
fn cut_off(stage: &Stage, ann: &crate::phone::Phone<'_>) -> Result<(), StreetFault> {
    let visit = stage.arrive(ann)?;
    stage.select(Ending::Awaited)?;
    stage.see("the motors", |seen| seen == Seen::Approved)?;
    stage.cut_power()?;
    visit.vanish();
    Ok(())
}

fn cut_in_vend(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    cut_off(stage, &ann)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn plug_pulled(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    cut_off(stage, &ann)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    cut_off(stage, &ann)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Exactly("1.20"))?;
    stage.case("unknown")
}

fn reader_crash(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let visit = stage.arrive(&ann)?;
    stage.select(Ending::Dispensed)?;
    stage.see("the result", |seen| seen == Seen::Reported)?;
    stage.crash_reader();
    visit.vanish();
    restart(stage)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    let visit = stage.arrive(&ann)?;
    stage.select(Ending::Awaited)?;
    stage.see("the motors", |seen| seen == Seen::Approved)?;
    stage.crash_reader();
    visit.vanish();
    stage.operate(Operator::Dispensed)?;
    restart(stage)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

/// A machine gives a reader up that has no answer, and looks for it anew; here it does so at once.
fn restart(stage: &Stage) -> Result<(), StreetFault> {
    stage.operate(Operator::Restart)?;
    stage.start_reader()
}

fn cut_after_result(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    stage.buy_unheard(&mut visit)?;
    visit.vanish();
    stage.cut_power()?;
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn journal_lost(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    stage.buy_unheard(&mut visit)?;
    visit.vanish();
    stage.stop_reader()?;
    let journal = stage.reader_state().join("journal");
    fs::remove_file(&journal).map_err(|fault| StreetFault::file(&journal, fault))?;
    stage.say("reader", "has lost its journal, and begins another");
    stage.start_reader()?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    let mut visit = stage.arrive(&bob)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)
}

fn journal_put_back(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    stage.stop_reader()?;
    let (state, copy) = (stage.reader_state(), stage.dir().join("copy"));
    copy_all(&state, &copy)?;
    stage.start_reader()?;
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.stop_reader()?;
    let (journal, older) = (state.join("journal"), copy.join("journal"));
    fs::copy(&older, &journal).map_err(|fault| StreetFault::file(&older, fault))?;
    stage.say("reader", "has an older copy of its journal");
    stage.start_reader()?;
    let mut visit = stage.meet(&bob)?;
    let hello = stage.letter(&mut visit)?;
    let told = visit.carry(&hello)?;
    stage.same("the HELLO", told.reason(), "reader")?;
    visit.vanish();
    let reader = stage.reader()?;
    stage.same(
        "the reader",
        reader["state"].as_str().unwrap_or_default(),
        "quarantined",
    )?;
    let readers = stage.server.get(Key::Operator, "/v1/readers")?;
    stage.say(
        "operator",
        format_args!("is told of {}", readers["lines"][0]["contradiction"]),
    );
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.expect(&bob, PURSE, Held::Nothing)
}
