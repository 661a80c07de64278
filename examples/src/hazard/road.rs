//! A board with a road of its own beside the phones, and a change of its keys: whichever road fails,
//! the other one does.

use super::claims::Held;
use super::stage::{AFTER_ONE, PURSE, Stage};
use super::wire::Wire;
use super::{Hazard, Pace};
use crate::fault::StreetFault;
use crate::machine::{Ending, Seen};
use crate::phone::Phone;
use crate::process::run;
use gettone_channel::{TokenKey, TokenLink};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "road-cut",
        fault: "the reader's own road is cut in the middle of a session",
        bears: "nobody: the session goes on, and the road brings its receipts when it is back",
        pace: Pace::Quick,
        play: road_cut,
    },
    Hazard {
        name: "roads-both",
        fault: "a phone and the reader's own road bring the same receipts at once",
        bears: "nobody: each counts once",
        pace: Pace::Quick,
        play: roads_both,
    },
    Hazard {
        name: "phone-dies-road-brings",
        fault: "the phone dies with the receipts of what it bought",
        bears: "nobody: the reader's own road brings them",
        pace: Pace::Quick,
        play: road_brings,
    },
    Hazard {
        name: "keys-lost",
        fault: "the reader changes its keys, and each message of the change is lost once",
        bears: "nobody: the keys before go on until the next ones were used",
        pace: Pace::Quick,
        play: keys_lost,
    },
];

/// Digits of a code that is typed.
const DIGITS: u8 = 7;
/// A step of a reader that knows the time is above this; one that does not counts from 1.
const TIMED_FROM: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Gives the reader a road of its own, which somebody can cut.
fn with_road(stage: &Stage) -> Result<Wire, StreetFault> {
    let wire = Wire::lay(stage.server.url())?;
    stage.stop_reader()?;
    let file = stage.dir().join("reader.d").join("60-road.toml");
    let settings = format!("[road]\nurl = \"ws://127.0.0.1:{}\"\n", wire.port());
    fs::write(&file, settings).map_err(|fault| StreetFault::file(&file, fault))?;
    stage.start_reader()?;
    stage.say("reader", "has a road of its own");
    Ok(wire)
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, StreetFault> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(found) = look() {
            return Ok(found);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(StreetFault::Silence {
        what: what.to_owned(),
        seconds: PATIENCE.as_secs(),
    })
}

/// The digits that stand for the code on show, once the reader knows the time.
fn digits(stage: &Stage) -> Result<String, StreetFault> {
    let file = stage.reader_state().join("token-key");
    wait_for("digits on the sign", || {
        let key = TokenKey::from_bytes(fs::read(&file).ok()?.try_into().ok()?);
        let link: TokenLink = stage.code().ok()?.parse().ok()?;
        let is_timed = link.step > TIMED_FROM;
        is_timed.then(|| format!("{:07}", key.typed(link.step, DIGITS)))
    })
}

/// Types the digits on the sign, and has a credit on the machine's display.
fn type_in(stage: &Stage, phone: &Phone<'_>) -> Result<(), StreetFault> {
    let digits = digits(stage)?;
    phone.say(format_args!("types {digits}"));
    let typed = json!({"machine": 1, "code": digits});
    let told = phone.post("/v1/app/token/typed", &typed)?;
    let outcome = told["outcome"].as_str().unwrap_or_default();
    stage.same("the digits", outcome, "granted")?;
    stage.see("the credit", Seen::is_credit)
}

fn road_cut(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let wire = with_road(stage)?;
    type_in(stage, &ann)?;
    wire.cut();
    stage.say("air", "cuts the road");
    let before = wire.taken();
    stage.select(Ending::Dispensed)?;
    stage.see("the product", |seen| seen == Seen::Dispensed)?;
    stage.expect(&ann, PURSE, Held::Something)?;
    wire.mend();
    wait_for("the road to come again", || {
        (wire.taken() > before).then_some(())
    })?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn roads_both(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let wire = with_road(stage)?;
    // The reader knows the time: its road stands.
    digits(stage)?;
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    type_in(stage, &bob)?;
    stage.select(Ending::Dispensed)?;
    stage.see("the product", |seen| seen == Seen::Dispensed)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)?;
    stage.say("ann", "passes by and brings what the road has brought");
    stage.pass_by(&ann)?;
    wire.cut();
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)
}

fn road_brings(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let wire = with_road(stage)?;
    digits(stage)?;
    wire.cut();
    let mut visit = stage.arrive(&ann)?;
    stage.buy_unheard(&mut visit)?;
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Something)?;
    wire.mend();
    stage.say("air", "mends the road");
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn keys_lost(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    stage.pass_by(&ann)?;
    stage.stop_reader()?;
    let config = stage.dir().join("reader.toml");
    let args = [
        "key".as_ref(),
        "rotate".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ];
    let (said, has_begun) = run("reader", &args)?;
    if !has_begun {
        return Err(StreetFault::Process {
            name: "reader",
            what: said,
        });
    }
    stage.start_reader()?;
    stage.say("reader", "has next keys");
    // Its announcement is lost, then the answer with what confirms it, then the confirmation alone.
    let mut visit = stage.meet(&ann)?;
    let old = stage.letter(&mut visit)?;
    visit.vanish();
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let lost = visit.carry(&hello)?;
    stage.same("answers", &lost.envelopes.len().to_string(), "2")?;
    visit.vanish();
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let told = visit.carry(&hello)?;
    stage.bring(&mut visit, &told.envelopes[..1])?;
    stage.granted(&mut visit)?;
    stage.leave(visit)?;
    // The confirmation comes; the first HELLO under the next key is lost, and its answer.
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let told = visit.carry(&hello)?;
    stage.bring(&mut visit, &told.envelopes)?;
    stage.granted(&mut visit)?;
    stage.leave(visit)?;
    let mut visit = stage.meet(&ann)?;
    let _hello = stage.letter(&mut visit)?;
    visit.vanish();
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let _lost = visit.carry(&hello)?;
    visit.vanish();
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    let told = ann.carry(&old, None)?;
    stage.same("the key before", told.outcome(), "rejected")
}
