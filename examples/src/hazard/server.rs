//! The server breaks.

use super::claims::Held;
use super::stage::{AFTER_ONE, PURSE, Stage};
use super::{Hazard, Pace};
use crate::fault::StreetFault;
use crate::server::SEGMENT_BYTES;
use gettone::{Clock, Engine, Settings};
use gettone_store::{File, FileSettings};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Longer than a hold lives without news, in milliseconds.
const LONG_MS: u64 = 73 * 3_600 * 1_000;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "server-crash",
        fault: "the server's process is killed after it has held money and nobody has heard of it, and again after it \
                has recorded a receipt",
        bears: "nobody: each step was done once, or is done by the next relay",
        pace: Pace::Quick,
        play: server_crash,
    },
    Hazard {
        name: "server-restored",
        fault: "the server is put back from a copy that is older than its last receipts",
        bears: "nobody: the reader still has them, and is asked for them",
        pace: Pace::Quick,
        play: server_restored,
    },
    Hazard {
        name: "receipt-late",
        fault: "a receipt comes when its hold was let go for want of news; nobody waits 72 hours here, so the engine is \
                run on the server's journal once with a clock that is 73 hours ahead",
        bears: "the operator, if the money is gone until it is paid; here it is still there",
        pace: Pace::Quick,
        play: receipt_late,
    },
];

fn server_crash(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let unheard = visit.carry(&hello)?;
    stage.same("the HELLO", unheard.outcome(), "granted")?;
    stage.crash_server()?;
    stage.expect(&ann, PURSE, Held::Something)?;
    let again = visit.carry(&hello)?;
    stage.same("the HELLO, once more", again.outcome(), "granted")?;
    let vend = |told: &crate::phone::Carried| told.results[0]["vend"].to_string();
    stage.same("its grant", &vend(&again), &vend(&unheard))?;
    stage.bring(&mut visit, &again.envelopes)?;
    stage.granted(&mut visit)?;
    stage.select(crate::machine::Ending::Dispensed)?;
    let receipt = stage.letter(&mut visit)?;
    visit.carry(&receipt)?;
    stage.crash_server()?;
    let again = visit.carry(&receipt)?;
    stage.same("the receipt, once more", again.outcome(), "recorded")?;
    stage.bring(&mut visit, &again.envelopes)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn server_restored(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    let copy = stage.dir().join("copy");
    stage.say("server", "is copied");
    stage.server.rest()?;
    copy_all(&stage.server.state(), &copy)?;
    stage.start_server()?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.say("server", "loses its disk, and is put back from the copy");
    stage.server.crash();
    let state = stage.server.state();
    fs::remove_dir_all(&state).map_err(|fault| StreetFault::file(&state, fault))?;
    copy_all(&copy, &state)?;
    stage.start_server()?;
    stage.expect(&ann, PURSE, Held::Something)?;
    let mut visit = stage.meet(&bob)?;
    let hello = stage.letter(&mut visit)?;
    let told = visit.carry(&hello)?;
    stage.same("the HELLO", told.outcome(), "resend")?;
    stage.bring(&mut visit, &told.envelopes)?;
    let receipts = stage.letter(&mut visit)?;
    let told = visit.carry(&receipts)?;
    stage.bring(&mut visit, &told.envelopes)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.say("bob", "asks once more with the same HELLO");
    let told = visit.carry(&hello)?;
    stage.bring(&mut visit, &told.envelopes)?;
    stage.granted(&mut visit)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)
}

fn receipt_late(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    stage.buy_unheard(&mut visit)?;
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.server.rest()?;
    let journal = stage.server.state().join("journal");
    stage.wait_for(three_days_on(&journal))?;
    stage.say("server", "has had no news for 73 hours, and lets go");
    stage.start_server()?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

/// Runs the engine on a journal as if it were later.
async fn three_days_on(journal: &Path) -> Result<(), StreetFault> {
    let broken = |_| StreetFault::Unexpected("an engine that does not run on the journal");
    let store = FileSettings {
        segment_bytes: SEGMENT_BYTES,
        ..FileSettings::default()
    };
    let store = File::open(journal, store).map_err(|_| broken(()))?;
    let later = Clock::System.now().as_millis() + LONG_MS;
    let settings = Settings {
        clock: Clock::Set(Arc::new(AtomicU64::new(later))),
        ..Settings::default()
    };
    let engine =
        Engine::start(Box::new(store), settings, &mut |_, _| {}).map_err(|_| broken(()))?;
    engine.release_overdue().await.map_err(|_| broken(()))?;
    engine.shutdown().await.map_err(|_| broken(()))
}

/// Copies a folder with all that is in it.
pub(super) fn copy_all(from: &Path, to: &Path) -> Result<(), StreetFault> {
    fs::create_dir_all(to).map_err(|fault| StreetFault::file(to, fault))?;
    let entries = fs::read_dir(from).map_err(|fault| StreetFault::file(from, fault))?;
    for entry in entries {
        let path = entry
            .map_err(|fault| StreetFault::file(from, fault))?
            .path();
        let name = path.file_name().unwrap_or_default();
        let target = to.join(name);
        if path.is_dir() {
            copy_all(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(|fault| StreetFault::file(&path, fault))?;
        }
    }
    Ok(())
}
