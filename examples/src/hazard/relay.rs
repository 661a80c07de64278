//! Phones and the air between lose, keep back, repeat and forge.

use super::claims::Held;
use super::stage::{AFTER_ONE, PURSE, Stage};
use super::{Hazard, Pace};
use crate::chance;
use crate::fault::StreetFault;
use crate::machine::Seen;
use gettone_channel::{CHUNK_LEN, PIECE_LEN_MAX, Part};

/// How often a reader asks for what is spoilt each time, before the phone is gone.
const SPOILT_MAX: u32 = 3;
/// Pieces of a chunk.
const HALVES: u16 = (CHUNK_LEN / PIECE_LEN_MAX) as u16;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "answer-lost",
        fault: "the server's answer to a HELLO is lost on its way to the phone",
        bears: "the customer waits for the next HELLO; then the money is free",
        pace: Pace::Quick,
        play: answer_lost,
    },
    Hazard {
        name: "grant-late",
        fault: "a GRANT is brought on a later link, and once more after it was used",
        bears: "nobody: its nonce is gone",
        pace: Pace::Quick,
        play: grant_late,
    },
    Hazard {
        name: "hello-withheld",
        fault: "a phone keeps a HELLO back and delivers it after a newer one",
        bears: "nobody: it is stale, fences nothing and grants nothing",
        pace: Pace::Quick,
        play: hello_withheld,
    },
    Hazard {
        name: "receipts-first",
        fault: "receipts reach the server before a HELLO that is older than they are",
        bears: "nobody: they were written after it, and there is no alarm",
        pace: Pace::Quick,
        play: receipts_first,
    },
    Hazard {
        name: "phone-dies",
        fault: "the phone dies before it asks the server",
        bears: "nobody: nothing is held",
        pace: Pace::Quick,
        play: phone_dies,
    },
    Hazard {
        name: "phone-gone",
        fault: "the phone is gone in the middle of a vend",
        bears: "nobody: the vend ends properly, and anybody's phone brings its receipt",
        pace: Pace::Quick,
        play: phone_gone,
    },
    Hazard {
        name: "forgery",
        fault: "a phone changes a bit of each envelope, and speaks on the link without its key",
        bears: "nobody: none of it opens",
        pace: Pace::Quick,
        play: forgery,
    },
    Hazard {
        name: "receipts-dropped",
        fault: "a phone buys and drops the receipts",
        bears: "its own customer's money stays held until any other phone comes by",
        pace: Pace::Quick,
        play: receipts_dropped,
    },
    Hazard {
        name: "package-spoilt",
        fault: "a phone changes a byte of the configuration that it brings",
        bears: "nobody: that chunk is not kept, and asked for until an honest phone brings it",
        pace: Pace::Quick,
        play: package_spoilt,
    },
];

fn answer_lost(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let lost = visit.carry(&hello)?;
    stage.same("the HELLO", lost.outcome(), "granted")?;
    stage.say("air", "loses the answer");
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn grant_late(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let late = visit.carry(&hello)?.envelopes;
    visit.vanish();
    let mut visit = stage.meet(&bob)?;
    let newer = stage.letter(&mut visit)?;
    stage.say("bob", "brings ann's old grant first");
    stage.bring(&mut visit, &late)?;
    let used = visit.carry(&newer)?.envelopes;
    stage.bring(&mut visit, &used)?;
    stage.granted(&mut visit)?;
    stage.say("bob", "brings both grants again");
    stage.bring(&mut visit, &late)?;
    stage.bring(&mut visit, &used)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)
}

fn hello_withheld(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.meet(&ann)?;
    let kept = stage.letter(&mut visit)?;
    let h = visit.handshake();
    visit.vanish();
    let mut visit = stage.arrive(&bob)?;
    stage.say("ann", "brings the HELLO that was kept back");
    let told = ann.carry(&kept, Some(&h))?;
    stage.same("the old HELLO", told.reason(), "stale")?;
    stage.expect(&bob, PURSE, Held::Something)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, PURSE, Held::Nothing)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)
}

fn receipts_first(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.meet(&ann)?;
    let older = stage.letter(&mut visit)?;
    visit.vanish();
    let mut visit = stage.arrive(&bob)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)?;
    let told = ann.carry(&older, None)?;
    stage.same("the older HELLO", told.outcome(), "recorded")?;
    let reader = stage.reader()?;
    stage.same("the alarm", &reader["contradiction"].to_string(), "null")?;
    stage.pass_by(&ann)?;
    stage.expect(&ann, PURSE, Held::Nothing)
}

fn phone_dies(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.meet(&ann)?;
    let _unsent = stage.letter(&mut visit)?;
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Nothing)?;
    let mut visit = stage.arrive(&bob)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&bob, AFTER_ONE, Held::Nothing)
}

fn phone_gone(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    stage.choose(&mut visit)?;
    visit.vanish();
    stage.see("the motors", |seen| seen == Seen::Approved)?;
    stage.operate(gettone_mdb::vmc::Operator::Dispensed)?;
    stage.see("the session's end", |seen| seen == Seen::SessionEnded)?;
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn forgery(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, eve) = (stage.person("ann", 1)?, stage.person("eve", 3)?);
    let mut visit = stage.meet(&ann)?;
    let hello = stage.letter(&mut visit)?;
    let h = visit.handshake();
    for at in (0..hello.len()).step_by(29) {
        let mut forged = hello.clone();
        forged[at] ^= 1 << (at % 8);
        let told = eve.carry(&forged, Some(&h))?;
        stage.same("a forged HELLO", told.outcome(), "rejected")?;
    }
    let answer = visit.carry(&hello)?.envelopes;
    for envelope in &answer {
        let mut forged = envelope.clone();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        stage.bring(&mut visit, &[forged])?;
    }
    stage.bring(&mut visit, &answer)?;
    stage.granted(&mut visit)?;
    stage.buy(&mut visit)?;
    stage.leave(visit)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)?;
    stage.say("eve", "speaks on a link without its key");
    let mut visit = stage.meet(&eve)?;
    let _hello = stage.letter(&mut visit)?;
    let noise: [u8; 64] = chance::bytes()?;
    stage.wait_for(visit.send_raw(&noise))?;
    visit.vanish();
    stage.expect(&eve, PURSE, Held::Nothing)?;
    stage.pass_by(&ann)
}

fn receipts_dropped(stage: &Stage) -> Result<(), StreetFault> {
    let (ann, bob) = (stage.person("ann", 1)?, stage.person("bob", 2)?);
    let mut visit = stage.arrive(&ann)?;
    stage.buy_unheard(&mut visit)?;
    stage.say("ann", "drops every receipt");
    visit.vanish();
    stage.expect(&ann, PURSE, Held::Something)?;
    stage.pass_by(&bob)?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

fn package_spoilt(stage: &Stage) -> Result<(), StreetFault> {
    let ann = stage.person("ann", 1)?;
    let mut visit = stage.arrive(&ann)?;
    stage.buy_unheard(&mut visit)?;
    visit.vanish();
    stage.configure(&configuration())?;
    let eve = stage.technician("eve", |content| content[0] ^= 1)?;
    let mut visit = stage.meet(&eve)?;
    // The first turn has all chunks in it; from then on the reader asks for the spoilt one alone.
    let mut again = 0;
    while again < SPOILT_MAX {
        let want = stage.wait_for(visit.wanted("a word for more pieces"))?;
        again += u32::from(want.part == Part::Content && want.first == 0 && want.count == HALVES);
    }
    stage.say(
        "reader",
        format_args!("has asked {again} times for the chunk that eve spoils"),
    );
    visit.vanish();
    let done = stage.errand()?;
    stage.same("turns of pieces", &done.turns.to_string(), "1")?;
    stage.stop_reader()?;
    stage.start_reader()?;
    stage.pass_by(&ann)?;
    let runs = stage.reader()?["configuration"].to_string();
    stage.same("the configuration that runs", &runs, "1")?;
    stage.expect(&ann, AFTER_ONE, Held::Nothing)
}

/// Of three chunks, so that an honest part of it is kept.
fn configuration() -> String {
    format!("language = \"it\"\n# {}\n", "x".repeat(2 * CHUNK_LEN))
}
