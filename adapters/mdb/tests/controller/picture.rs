//! The whole life of the controller in one table: every place against everything that can happen there.

use std::fmt::Write;

use gettone_mdb::vmc::{Completes, Config, State};
use gettone_mdb::{Level, Options};

use crate::stage::{READY, READY_OF_THREE, READY_OF_TWO, Stage};

const START: &[&str] = &["operator on"];
const RESET: &[&str] = &["operator on", "reader ack"];
const SETUP: &[&str] = &["operator on", "reader ack", "reader JUST RESET"];
const IDENTIFY: &[&str] = &[
    "operator on",
    "reader ack",
    "reader JUST RESET",
    "reader config",
    "reader ack",
];
const ASK: &[&str] = &["session", "operator select 120 23", "reader ack"];
const CANCEL: &[&str] = &["session", "operator select 120 23", "operator cash"];
const DISPENSE: &[&str] = &["session", "operator select 120 23", "reader approved 120"];
const REPORT: &[&str] = &[
    "session",
    "operator select 120 23",
    "reader approved 120",
    "operator dispensed",
];
const COMPLETE: &[&str] = &["session", "operator return"];
const DISABLED: &[&str] = &["session", "reader end", "operator disable", "reader ack"];

const ROWS: [(&str, &[&str]); 13] = [
    ("Off", &[]),
    ("Reset", START),
    ("Await", RESET),
    ("Setup", SETUP),
    ("Identify", IDENTIFY),
    ("Enabled", &["session", "reader end"]),
    ("Disabled", DISABLED),
    ("Session", &["session"]),
    ("Ask", ASK),
    ("Cancel", CANCEL),
    ("Dispense", DISPENSE),
    ("Report", REPORT),
    ("Complete", COMPLETE),
];

const COLUMNS: [&str; 22] = [
    "reader ack",
    "reader JUST RESET",
    "reader config",
    "reader id",
    "reader begin 500",
    "reader cancel",
    "reader approved 90",
    "reader denied",
    "reader end",
    "reader cancelled",
    "reader out of sequence",
    "reader malfunction",
    "operator on",
    "operator restart",
    "operator select 80 5",
    "operator dispensed",
    "operator jammed",
    "operator return",
    "operator cash",
    "operator disable",
    "operator enable",
    "operator off",
];

/// What level 2 adds.
const CASH_ROWS: [(&str, &[&str]); 6] = [
    ("Enabled", &["two", "reader end"]),
    ("Session", &["two"]),
    ("Limit", &["two", "operator limit", "reader ack"]),
    ("Revalue", &["two", "operator revalue 500", "reader ack"]),
    ("Sale", &["two", "operator sell 80 5"]),
    ("Between", &["two", "reader end", "operator sell 80 5"]),
];

const CASH_COLUMNS: [&str; 17] = [
    "reader ack",
    "reader JUST RESET",
    "reader begin media",
    "reader cancel",
    "reader approved 90",
    "reader denied",
    "reader end",
    "reader cash taken",
    "reader cash denied",
    "reader limit 700",
    "reader out of place",
    "operator select 80 5",
    "operator revalue 200",
    "operator limit",
    "operator sell 90 6",
    "operator return",
    "operator off",
];

/// What level 3 adds, with options that leave VEND REQUEST as it is.
const THREE: Options = Options::NEGATIVE_VEND
    .with(Options::DATA_ENTRY)
    .with(Options::ALWAYS_IDLE)
    .with(Options::REMOTE_VEND)
    .with(Options::COUPON)
    .with(Options::ASK_BEGIN_SESSION);

/// Offer: the options are being switched on. Wished: the reader wants a selection, outside a session and in one.
/// Alone: asked without a session. Bring, Taking: something is brought back. Telling: something is told.
const THREE_ROWS: [(&str, &[&str]); 9] = [
    (
        "Offer",
        &[
            "operator on",
            "reader ack",
            "reader JUST RESET",
            "reader config three",
            "reader ack",
            "reader offer",
        ],
    ),
    ("Enabled", &["three", "reader end"]),
    ("Wished", &["three", "reader end", "reader wish 11"]),
    (
        "Alone",
        &["three", "reader end", "operator select 80 5", "reader ack"],
    ),
    ("Session", &["three"]),
    ("Wanted", &["three", "reader wish 11"]),
    ("Bring", &["three", "operator bring 25 9", "reader ack"]),
    (
        "Taking",
        &["three", "operator bring 25 9", "reader approved 25"],
    ),
    (
        "Telling",
        &["three", "reader wish 11", "operator refuse 11"],
    ),
];

const THREE_COLUMNS: [&str; 24] = [
    "reader ack",
    "reader JUST RESET",
    "reader begin media",
    "reader cancel",
    "reader approved 25",
    "reader denied",
    "reader end",
    "reader out of place",
    "reader wish 11",
    "reader coupon",
    "reader keys",
    "reader no keys",
    "reader time",
    "operator select 80 11",
    "operator select 80 5",
    "operator bring 30 8",
    "operator refuse 11",
    "operator type",
    "operator dispensed",
    "operator jammed",
    "operator return",
    "operator cash",
    "operator restart",
    "operator off",
];

fn reached(steps: &[&str]) -> Stage {
    let is_three = |it: &&str| ["three", "reader offer"].contains(it);
    let three = steps.iter().any(is_three);
    let mut stage = Stage::new(Config {
        completes: Completes::OnRequest,
        level: if three { Level::Three } else { Level::Two },
        options: if three { THREE } else { Options::NONE },
        ..Config::default()
    });
    for step in steps {
        match *step {
            "three" => READY_OF_THREE.iter().for_each(|it| drop(stage.play(it))),
            "two" => READY_OF_TWO.iter().for_each(|it| drop(stage.play(it))),
            "session" => READY.iter().for_each(|it| drop(stage.play(it))),
            other => drop(stage.play(other)),
        }
    }
    stage
}

fn name(state: State) -> &'static str {
    match state {
        State::Off => "Off",
        State::Starting => "Starting",
        State::Disabled => "Disabled",
        State::Enabled => "Enabled",
        State::Session => "Session",
        State::Busy => "Busy",
    }
}

/// Where each step leads, a dot staying; and what the controller would say next, where that changed.
fn steps(rows: &[(&str, &[&str])], columns: &[&str]) -> String {
    let mut picture = format!("{:22}", "step");
    for (row, _) in rows {
        write!(picture, " {row:8}").expect("a string takes all");
    }
    for column in columns {
        write!(picture, "\n{column:22}").expect("a string takes all");
        for (_, steps) in rows {
            let mut stage = reached(steps);
            let before = stage.controller.state();
            let asleep = before == State::Off && column.starts_with("reader");
            let told = if asleep {
                String::new()
            } else {
                stage.play(column)
            };
            let after = stage.controller.state();
            let cell = match told.split("restarting(").nth(1) {
                _ if asleep => "-",
                Some(_) => "Restart",
                None if after != before => name(after),
                None if told.contains("no ") => "no",
                None => ".",
            };
            write!(picture, " {cell:8}").expect("a string takes all");
        }
    }
    tidy(&picture)
}

/// What the controller says next after each step, unless it goes on as before.
fn next(rows: &[(&str, &[&str])], columns: &[&str]) -> String {
    let mut picture = String::new();
    for (row, steps) in rows {
        let as_before = reached(steps).play("silence");
        writeln!(picture, "{row} {as_before}").expect("a string takes all");
        for column in columns {
            let mut stage = reached(steps);
            stage.play(column);
            if stage.controller.state() == State::Off {
                continue;
            }
            let next = stage.play("silence");
            if next != as_before {
                writeln!(picture, "  {column:22} {next}").expect("a string takes all");
            }
        }
    }
    tidy(&picture)
}

fn tidy(picture: &str) -> String {
    let lines = picture.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

#[rustfmt::skip]
const STEPS: &str = "\
step                   Off      Reset    Await    Setup    Identify Enabled  Disabled Session  Ask      Cancel   Dispense Report   Complete
reader ack             -        .        .        .        .        .        .        .        .        .        .        Session  .
reader JUST RESET      -        .        .        .        Restart  Restart  Restart  Restart  Restart  Restart  .        Restart  Restart
reader config          -        .        .        .        .        .        .        .        .        .        .        Session  .
reader id              -        .        .        .        .        .        .        .        .        .        .        Session  .
reader begin 500       -        .        .        .        .        Session  .        .        .        .        .        Session  .
reader cancel          -        .        .        .        .        Busy     .        Busy     .        .        .        .        .
reader approved 90     -        .        .        .        .        .        .        Busy     .        .        .        Session  .
reader denied          -        .        .        .        .        .        .        .        Session  Session  .        Session  .
reader end             -        .        .        .        .        .        .        Enabled  .        .        .        Session  Enabled
reader cancelled       -        .        .        .        .        .        .        .        .        .        .        Session  .
reader out of sequence -        .        .        Restart  Restart  Restart  Restart  Restart  Restart  Restart  .        Restart  Restart
reader malfunction     -        .        .        .        .        .        .        .        .        .        .        Session  .
operator on            Restart  .        .        .        .        .        .        .        .        .        .        .        .
operator restart       Restart  Restart  Restart  Restart  Restart  Restart  Restart  Restart  Restart  Restart  Restart  Restart  Restart
operator select 80 5   no       no       no       no       no       no       no       Busy     no       no       no       no       no
operator dispensed     .        .        .        .        .        .        .        .        .        .        .        .        .
operator jammed        .        .        .        .        .        .        .        .        .        .        .        .        .
operator return        .        .        .        .        .        .        .        Busy     .        .        .        .        .
operator cash          .        .        .        .        .        .        .        .        .        .        .        .        .
operator disable       .        .        .        .        .        Busy     .        .        .        .        .        .        .
operator enable        .        .        .        .        .        .        Starting .        .        .        .        .        .
operator off           .        Off      Off      Off      Off      Off      Off      Off      Off      Off      Off      Off      Off
";

const NEXT: &str = "\
Reset [RESET]
  reader ack             [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader config          [POLL]
  reader id              [POLL]
  reader begin 500       [POLL]
  reader cancel          [POLL]
  reader approved 90     [POLL]
  reader denied          [POLL]
  reader end             [POLL]
  reader cancelled       [POLL]
  reader out of sequence [POLL]
  reader malfunction     [POLL]
Await [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  operator restart       [RESET]
Setup [SETUP level 2 display 16x2]
  reader ack             [POLL]
  reader JUST RESET      [POLL]
  reader config          [SETUP PRICES max unknown min unknown]
  reader id              [POLL]
  reader begin 500       [POLL]
  reader cancel          [POLL]
  reader approved 90     [POLL]
  reader denied          [POLL]
  reader end             [POLL]
  reader cancelled       [POLL]
  reader out of sequence [RESET]
  reader malfunction     [POLL]
  operator restart       [RESET]
Identify [REQUEST ID GTN vmc 000000000001 01.00]
  reader ack             [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader config          [POLL]
  reader id              [READER ENABLE]
  reader begin 500       [POLL]
  reader cancel          [POLL]
  reader approved 90     [POLL]
  reader denied          [POLL]
  reader end             [POLL]
  reader cancelled       [POLL]
  reader out of sequence [RESET]
  reader malfunction     [POLL]
  operator restart       [RESET]
Enabled [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader cancel          [SESSION COMPLETE]
  reader out of sequence [RESET]
  operator restart       [RESET]
  operator disable       [READER DISABLE]
Disabled [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader out of sequence [RESET]
  operator restart       [RESET]
  operator enable        [READER ENABLE]
Session [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader cancel          [SESSION COMPLETE]
  reader approved 90     [VEND FAILURE]
  reader out of sequence [RESET]
  operator restart       [RESET]
  operator select 80 5   [VEND REQUEST 0.80 item 5]
  operator return        [SESSION COMPLETE]
Ask [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader out of sequence [RESET]
  operator restart       [RESET]
  operator return        [VEND CANCEL]
  operator cash          [VEND CANCEL]
Cancel [VEND CANCEL]
  reader ack             [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader config          [POLL]
  reader id              [POLL]
  reader begin 500       [POLL]
  reader cancel          [POLL]
  reader approved 90     [VEND FAILURE]
  reader denied          [POLL]
  reader end             [POLL]
  reader cancelled       [POLL]
  reader out of sequence [RESET]
  reader malfunction     [POLL]
  operator restart       [RESET]
Dispense [POLL]
  operator restart       [RESET]
  operator dispensed     [VEND SUCCESS item 23]
  operator jammed        [VEND FAILURE]
Report [VEND SUCCESS item 23]
  reader ack             [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader config          [POLL]
  reader id              [POLL]
  reader begin 500       [POLL]
  reader cancel          [SESSION COMPLETE]
  reader approved 90     [POLL]
  reader denied          [POLL]
  reader end             [POLL]
  reader cancelled       [POLL]
  reader out of sequence [RESET]
  reader malfunction     [POLL]
  operator restart       [RESET]
Complete [SESSION COMPLETE]
  reader ack             [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader config          [POLL]
  reader id              [POLL]
  reader begin 500       [POLL]
  reader cancel          [POLL]
  reader approved 90     [POLL]
  reader denied          [POLL]
  reader end             [POLL]
  reader cancelled       [POLL]
  reader out of sequence [RESET]
  reader malfunction     [POLL]
  operator restart       [RESET]
";

/// Limit and Revalue: acknowledged, the answer to come. Sale and Between: a cash sale still to be acknowledged, in a
/// session and between two.
#[rustfmt::skip]
const CASH_STEPS: &str = "\
step                   Enabled  Session  Limit    Revalue  Sale     Between
reader ack             .        .        .        .        Session  Enabled
reader JUST RESET      Restart  Restart  Restart  Restart  Restart  Restart
reader begin media     Session  .        .        .        Session  Session
reader cancel          Busy     Busy     .        .        .        .
reader approved 90     .        Busy     .        .        Session  Enabled
reader denied          .        .        .        .        Session  Enabled
reader end             .        Enabled  .        .        Enabled  Enabled
reader cash taken      .        .        .        Session  Session  Enabled
reader cash denied     .        .        Session  Session  Session  Enabled
reader limit 700       .        .        Session  .        Session  Enabled
reader out of place    Restart  Restart  Restart  Restart  Restart  Restart
operator select 80 5   no       Busy     no       no       no       no
operator revalue 200   no       Busy     no       no       no       no
operator limit         no       Busy     no       no       no       no
operator sell 90 6     Busy     Busy     no       no       no       no
operator return        .        Busy     .        .        .        .
operator off           Off      Off      Off      Off      Off      Off
";

const CASH_NEXT: &str = "\
Enabled [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader cancel          [SESSION COMPLETE]
  reader out of place    [RESET]
  operator sell 90 6     [CASH SALE 0.90 item 6]
Session [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader cancel          [SESSION COMPLETE]
  reader approved 90     [VEND FAILURE]
  reader out of place    [RESET]
  operator select 80 5   [VEND REQUEST 0.80 item 5]
  operator revalue 200   [REVALUE REQUEST 2.00]
  operator limit         [REVALUE LIMIT REQUEST]
  operator sell 90 6     [CASH SALE 0.90 item 6]
  operator return        [SESSION COMPLETE]
Limit [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader out of place    [RESET]
Revalue [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader out of place    [RESET]
Sale [CASH SALE 0.80 item 5]
  reader ack             [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader begin media     [POLL]
  reader cancel          [SESSION COMPLETE]
  reader approved 90     [POLL]
  reader denied          [POLL]
  reader end             [POLL]
  reader cash taken      [POLL]
  reader cash denied     [POLL]
  reader limit 700       [POLL]
  reader out of place    [RESET]
Between [CASH SALE 0.80 item 5]
  reader ack             [POLL]
  reader JUST RESET      [SETUP level 2 display 16x2]
  reader begin media     [POLL]
  reader cancel          [SESSION COMPLETE]
  reader approved 90     [POLL]
  reader denied          [POLL]
  reader end             [POLL]
  reader cash taken      [POLL]
  reader cash denied     [POLL]
  reader limit 700       [POLL]
  reader out of place    [RESET]
";

#[test]
fn cash_meets_everything_that_can_happen() {
    let steps = steps(&CASH_ROWS, &CASH_COLUMNS);
    let next = next(&CASH_ROWS, &CASH_COLUMNS);
    let whole = steps == CASH_STEPS && next == CASH_NEXT;
    assert!(whole, "\n{steps}\n{next}");
}

#[test]
fn every_place_meets_everything_that_can_happen() {
    let (steps, next) = (steps(&ROWS, &COLUMNS), next(&ROWS[1..], &COLUMNS));
    assert!(steps == STEPS, "\n{steps}");
    assert!(next == NEXT, "\n{next}");
}

#[test]
fn level_3_meets_everything_that_can_happen() {
    let steps = steps(&THREE_ROWS, &THREE_COLUMNS);
    let next = next(&THREE_ROWS, &THREE_COLUMNS);
    let picture = format!("{steps}\n{next}");
    assert!(picture == include_str!("picture_three.txt"), "\n{picture}");
}
