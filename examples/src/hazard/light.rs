//! Codes: filmed, shared, shown late, scanned twice; floods of light.

use super::claims::Held;
use super::stage::{AFTER_ONE, PURSE, Stage};
use super::{Hazard, Pace};
use crate::chance;
use crate::fault::StreetFault;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::net::UnixStream;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "code-filmed",
        fault: "somebody films a light code and plays it again",
        bears: "nobody: it opens another link at most, and no account goes with it",
        pace: Pace::Quick,
        play: code_filmed,
    },
    Hazard {
        name: "bystander-quicker",
        fault: "somebody films a light code and links before its phone does",
        bears: "a nuisance: who links pays from their own account",
        pace: Pace::Quick,
        play: bystander_quicker,
    },
    Hazard {
        name: "light-not-shown",
        fault: "a code is scanned, money is held for its light, and the light is never shown",
        bears: "the customer waits until a later HELLO",
        pace: Pace::Quick,
        play: light_not_shown,
    },
    Hazard {
        name: "code-scanned-twice",
        fault: "two people scan the same code",
        bears: "who is late scans again",
        pace: Pace::Quick,
        play: code_scanned_twice,
    },
    Hazard {
        name: "far-reader",
        fault: "light and radio are carried to a machine far away; nearest here: the app is told which machine it pays",
        bears: "the customer, up to what is held, until a claim is decided",
        pace: Pace::Quick,
        play: far_reader,
    },
    Hazard {
        name: "jamming",
        fault: "the light sensor is flooded with noise",
        bears: "nobody: no service as long as it lasts",
        pace: Pace::Quick,
        play: jamming,
    },
    Hazard {
        name: "reader-clock",
        fault: "the reader does not know the time; here it has just started, and no server has told it",
        bears: "nobody: it sells as ever",
        pace: Pace::Quick,
        play: reader_clock,
    },
];

fn code_filmed(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, eve) = (stage.person("ann", 1)?, stage.person("eve", 3)?);
    let code = chance::bytes()?;
    let mut visit = stage.meet_with(&ann, code)?;
    stage.granted(&mut visit)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.say("eve", "plays the code that she filmed");
    let mut visit = stage.meet_with(&eve, code)?;
    stage.granted(&mut visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.leave(visit)?;
    stage.expect(&eve, PURSE, Held::Nothing)
}

fn bystander_quicker(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, eve) = (stage.person("ann", 1)?, stage.person("eve", 3)?);
    let code = chance::bytes()?;
    let mut visit = stage.meet_with(&eve, code)?;
    let hello = stage.letter(&mut visit)?;
    stage.say(
        "eve",
        "passes the HELLO on to ann's phone, whose link is another",
    );
    let told = ann.carry(&hello, Some(&"5e".repeat(32)))?;
    stage.same("ann's claim", told.outcome(), "recorded")?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    let told = visit.carry(&hello)?;
    stage.bring(&mut visit, &told.envelopes)?;
    stage.granted(&mut visit)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&eve, AFTER_ONE, Held::Nothing)?;
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

/// Asks for the light that buys at the reader whose code this is.
fn light(phone: &crate::phone::Phone<'_>, code: &str) -> Result<Value, StreetFault> {
    let told = phone.post("/v1/app/token/light", &json!({"code": code}))?;
    phone.say(format_args!("the server says: {}", told["outcome"]));
    Ok(told)
}

fn light_not_shown(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    stage.pass_by(&bob)?;
    let code = stage.code()?;
    let told = light(&ann, &code)?;
    stage.same(
        "the code",
        told["outcome"].as_str().unwrap_or_default(),
        "granted",
    )?;
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.say("ann", "puts the phone away");
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn code_scanned_twice(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    stage.pass_by(&bob)?;
    let code = stage.code()?;
    light(&ann, &code)?;
    let told = light(&bob, &code)?;
    stage.same(
        "bob's scan",
        told["outcome"].as_str().unwrap_or_default(),
        "refused",
    )?;
    stage.expect(&bob, PURSE, Held::Nothing)?;
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn far_reader(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let told = visit.carry(&hello)?;
    stage.same("the machine", &told.results[0]["machine"].to_string(), "1")?;
    let shown = ann.ask("/v1/app/machines/1")?;
    stage.say(
        "ann",
        format_args!("reads that she pays at {}", shown["name"]),
    );
    stage.bring(&mut visit, &told.envelopes)?;
    stage.granted(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn jamming(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let light = &stage.places().light;
    let mut sensor = UnixStream::connect(light).map_err(|fault| StreetFault::file(light, fault))?;
    for at in 0_u32..4_000 {
        let [r, g, b, c] = chance::bytes::<4>()?;
        let line = format!("{},{r},{g},{b},{c}\n", at * 2_000);
        sensor
            .write_all(line.as_bytes())
            .map_err(|fault| StreetFault::file(light, fault))?;
    }
    drop(sensor);
    stage.say("air", "was full of coloured noise");
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn reader_clock(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.arrive(&ann)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}
