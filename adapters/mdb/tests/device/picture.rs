//! The whole life of the device in one table: every state against everything that can happen in it.

use std::fmt::Write;

use gettone_mdb::cashless::{Answers, Completion, Config, State};
use gettone_mdb::{Level, Options};

use crate::stage::{IN_SESSION, Stage};

/// How each row is reached: a session first, or only what stands here.
const ROWS: [(&str, &[&str]); 10] = [
    ("Inactive", &["vmc poll", "vmc ack"]),
    (
        "Disabled",
        &["vmc poll", "vmc ack", "vmc setup", "vmc ack", "vmc prices"],
    ),
    ("Enabled", ENABLED),
    ("Offered", OFFERED),
    ("Idle", &IN_SESSION),
    ("Asked", ASKED),
    ("Approved", APPROVED),
    ("Heard", HEARD),
    ("Denied", DENIED),
    ("Complete", COMPLETE),
];

const ENABLED: &[&str] = &[
    "vmc poll",
    "vmc ack",
    "vmc setup",
    "vmc ack",
    "vmc prices",
    "vmc enable",
];
/// The session was sent, its ACK is missing.
const OFFERED: &[&str] = &[
    "vmc poll",
    "vmc ack",
    "vmc setup",
    "vmc ack",
    "vmc prices",
    "vmc enable",
    "host begin 1200",
    "vmc poll",
];
const ASKED: &[&str] = &["session", "vmc request 120 23"];
/// The approval was sent, its ACK is missing.
const APPROVED: &[&str] = &[
    "session",
    "vmc request 120 23",
    "host approve 120 tag 7",
    "vmc poll",
];
const HEARD: &[&str] = &[
    "session",
    "vmc request 120 23",
    "host approve 120 tag 7",
    "vmc poll",
    "vmc ack",
];
const DENIED: &[&str] = &["session", "vmc request 120 23", "host deny", "vmc poll"];

/// The host has still to let the session end.
const COMPLETE: &[&str] = &["session", "vmc complete"];

const COLUMNS: [&str; 20] = [
    "vmc reset",
    "vmc setup",
    "vmc prices",
    "vmc id",
    "vmc poll",
    "vmc ack",
    "vmc enable",
    "vmc disable",
    "vmc stop",
    "vmc request 120 23",
    "vmc request 80 5",
    "vmc cancel",
    "vmc success 23",
    "vmc failure",
    "vmc complete",
    "host begin 500",
    "host cancel",
    "host end",
    "host approve 120 tag 9",
    "host deny",
];

/// What level 2 adds: cash for the account.
const CASH_ROWS: [(&str, &[&str]); 8] = [
    ("Enabled", ENABLED),
    ("Idle", &IN_SESSION),
    ("Limit", LIMIT),
    ("Asked", ASKED),
    ("Cash", CASH),
    ("Granted", GRANTED),
    ("Declined", DECLINED),
    ("Complete", COMPLETE),
];

const LIMIT: &[&str] = &["session", "vmc limit"];
const CASH: &[&str] = &["session", "vmc revalue 500"];
/// The approval was sent, its ACK is missing.
const GRANTED: &[&str] = &["session", "vmc revalue 500", "host take", "vmc poll"];
const DECLINED: &[&str] = &["session", "vmc revalue 500", "host decline", "vmc poll"];

const CASH_COLUMNS: [&str; 22] = [
    "vmc reset",
    "vmc setup",
    "vmc poll",
    "vmc ack",
    "vmc enable",
    "vmc disable",
    "vmc stop",
    "vmc request 120 23",
    "vmc cancel",
    "vmc success 23",
    "vmc failure",
    "vmc complete",
    "vmc sale 80 5",
    "vmc limit",
    "vmc revalue 500",
    "vmc revalue 200",
    "host begin 500",
    "host cancel",
    "host end",
    "host limit 700",
    "host take",
    "host decline",
];

fn reached(steps: &[&str], level: Level) -> Stage {
    let complete = match steps {
        COMPLETE => Completion::Host,
        _ => Completion::Immediate,
    };
    let mut stage = Stage::new(Config {
        answers: Answers {
            complete,
            ..Answers::default()
        },
        level,
        ..Config::default()
    });
    for step in steps {
        match *step {
            "session" => IN_SESSION.iter().for_each(|it| drop(stage.play(it))),
            other => drop(stage.play(other)),
        }
    }
    stage
}

fn name(state: State) -> &'static str {
    match state {
        State::Inactive => "Inactive",
        State::Disabled => "Disabled",
        State::Enabled => "Enabled",
        State::SessionIdle => "Idle",
        State::Vend => "Vend",
        State::Revalue => "Revalue",
        State::NegativeVend => "Return",
    }
}

/// Where each step leads: a dot stays, `oos` is told out of sequence, `no` is refused to the host.
fn steps(rows: &[(&str, &[&str])], columns: &[&str], level: Level) -> String {
    steps_from(rows, columns, |steps| reached(steps, level))
}

fn steps_from(
    rows: &[(&str, &[&str])],
    columns: &[&str],
    reached: impl Fn(&[&str]) -> Stage,
) -> String {
    let mut picture = format!("{:22}", "step");
    for (row, _) in rows {
        write!(picture, " {row:8}").expect("a string takes all");
    }
    for column in columns {
        write!(picture, "\n{column:22}").expect("a string takes all");
        for (_, steps) in rows {
            let mut stage = reached(steps);
            let before = stage.device.state();
            let told = stage.play(column);
            let after = stage.device.state();
            let cell = if after != before {
                name(after)
            } else if told.starts_with("out of sequence") {
                "oos"
            } else if told.starts_with("refused") || told.starts_with("no ") {
                "no"
            } else {
                "."
            };
            write!(picture, " {cell:8}").expect("a string takes all");
        }
    }
    tidy(&picture)
}

/// What each step tells, unless it is only acknowledged or was out of sequence.
fn told(rows: &[(&str, &[&str])], columns: &[&str], level: Level) -> String {
    told_from(rows, columns, |steps| reached(steps, level))
}

fn told_from(
    rows: &[(&str, &[&str])],
    columns: &[&str],
    reached: impl Fn(&[&str]) -> Stage,
) -> String {
    let mut picture = String::new();
    for (row, steps) in rows {
        writeln!(picture, "{row}").expect("a string takes all");
        for column in columns {
            let told = reached(steps).play(column);
            if !["", "[ack]", "out of sequence [ack]"].contains(&told.as_str()) {
                writeln!(picture, "  {column:22} {told}").expect("a string takes all");
            }
        }
    }
    tidy(&picture)
}

fn tidy(picture: &str) -> String {
    let lines = picture.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// Offered, Approved and Denied: sent, its ACK missing. Heard: the approval acknowledged.
/// Complete: the host has still to let the session end; all others answer SESSION COMPLETE at once.
#[rustfmt::skip]
const STEPS: &str = "\
step                   Inactive Disabled Enabled  Offered  Idle     Asked    Approved Heard    Denied   Complete
vmc reset              .        Inactive Inactive Inactive Inactive Inactive Inactive Inactive Inactive Inactive
vmc setup              .        .        .        .        oos      oos      oos      oos      oos      oos
vmc prices             .        .        .        .        .        .        .        .        .        .
vmc id                 .        .        .        .        .        .        .        .        .        .
vmc poll               .        .        .        .        .        .        .        .        .        .
vmc ack                .        .        .        Idle     .        .        .        .        Idle     .
vmc enable             oos      Enabled  .        .        .        .        .        .        .        .
vmc disable            .        .        Disabled Disabled .        .        .        .        .        .
vmc stop               oos      .        .        .        .        .        .        .        .        .
vmc request 120 23     oos      oos      oos      Vend     Vend     .        .        .        .        oos
vmc request 80 5       oos      oos      oos      Vend     Vend     oos      oos      oos      .        oos
vmc cancel             oos      oos      oos      oos      .        .        .        oos      .        .
vmc success 23         oos      oos      oos      oos      oos      oos      Idle     Idle     oos      oos
vmc failure            oos      oos      oos      oos      oos      Idle     Idle     Idle     .        oos
vmc complete           oos      .        .        .        Enabled  oos      oos      oos      Enabled  .
host begin 500         no       no       .        no       no       no       no       no       no       no
host cancel            .        .        .        .        .        .        .        .        .        .
host end               .        .        .        .        .        .        .        .        .        Enabled
host approve 120 tag 9 no       no       no       no       no       .        no       no       no       no
host deny              .        .        .        .        .        .        .        .        .        .
";

const TOLD: &str = "\
Inactive
  vmc reset              reset [ack]
  vmc setup              configured [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
  vmc prices             prices Some(350) Some(5) [ack]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  host begin 500         no session NotEnabled
  host approve 120 tag 9 refused 9 NotOpen
Disabled
  vmc reset              reset [ack]
  vmc setup              [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc enable             enabled [ack]
  vmc stop               stopped [CANCELLED]
  vmc complete           [END SESSION]
  host begin 500         no session NotEnabled
  host approve 120 tag 9 refused 9 NotOpen
Enabled
  vmc reset              reset [ack]
  vmc setup              [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc disable            disabled [ack]
  vmc stop               stopped [CANCELLED]
  vmc complete           [END SESSION]
  host approve 120 tag 9 refused 9 NotOpen
Offered
  vmc reset              reset [ack]
  vmc setup              [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc poll               [BEGIN SESSION 12.00]
  vmc ack                session
  vmc disable            no session NotEnabled disabled [ack]
  vmc stop               stopped no session CalledOff [CANCELLED]
  vmc request 120 23     session asked #1 120 item 23 [ack]
  vmc request 80 5       session asked #1 80 item 5 [ack]
  vmc complete           session completed [END SESSION]
  host begin 500         no session Busy
  host approve 120 tag 9 refused 9 NotOpen
Idle
  vmc reset              reset [ack]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc request 120 23     asked #1 120 item 23 [ack]
  vmc request 80 5       asked #1 80 item 5 [ack]
  vmc complete           completed [END SESSION]
  host begin 500         no session Busy
  host approve 120 tag 9 refused 9 NotOpen
Asked
  vmc reset              reset [ack]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc cancel             withdrawn #1 [ack]
  vmc failure            withdrawn #1 [ack]
  host begin 500         no session Busy
Approved
  vmc reset              reset(undelivered 7) [ack]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc poll               [VEND APPROVED 1.20]
  vmc ack                approval delivered 7
  vmc cancel             withdrawn #1 [ack]
  vmc success 23         approval delivered 7 succeeded 7 item 23 [ack]
  vmc failure            approval delivered 7 failed 7 [ack]
  host begin 500         no session Busy
  host approve 120 tag 9 refused 9 NotOpen
Heard
  vmc reset              reset(delivered 7) [ack]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc success 23         succeeded 7 item 23 [ack]
  vmc failure            failed 7 [ack]
  host begin 500         no session Busy
  host approve 120 tag 9 refused 9 NotOpen
Denied
  vmc reset              reset [ack]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  vmc poll               [VEND DENIED]
  vmc ack                denial delivered #1
  vmc request 80 5       denial delivered #1 asked #2 80 item 5 [ack]
  vmc complete           denial delivered #1 completed [END SESSION]
  host begin 500         no session Busy
  host approve 120 tag 9 refused 9 NotOpen
Complete
  vmc reset              reset [ack]
  vmc id                 vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
  host begin 500         no session Busy
  host approve 120 tag 9 refused 9 NotOpen
";

/// Level 2. Limit and Cash: asked and open. Granted and Declined: answered, the ACK missing.
/// A command in Granted proves that the controller heard the approval: cash cannot be taken back like a selection.
#[rustfmt::skip]
const CASH_STEPS: &str = "\
step                   Enabled  Idle     Limit    Asked    Cash     Granted  Declined Complete
vmc reset              Inactive Inactive Inactive Inactive Inactive Inactive Inactive Inactive
vmc setup              .        oos      oos      oos      oos      oos      oos      oos
vmc poll               .        .        .        .        .        .        .        .
vmc ack                .        .        .        .        .        Idle     Idle     .
vmc enable             .        .        .        .        .        .        .        .
vmc disable            Disabled .        .        .        .        .        .        .
vmc stop               .        .        .        .        .        .        .        .
vmc request 120 23     oos      Vend     Vend     .        oos      Vend     Vend     oos
vmc cancel             oos      .        .        .        oos      oos      oos      .
vmc success 23         oos      oos      oos      oos      oos      oos      oos      oos
vmc failure            oos      oos      oos      Idle     oos      oos      oos      oos
vmc complete           .        Enabled  Enabled  oos      Enabled  Enabled  Enabled  .
vmc sale 80 5          .        .        .        .        .        .        .        .
vmc limit              oos      .        .        oos      oos      Idle     Idle     oos
vmc revalue 500        oos      Revalue  Revalue  oos      .        .        .        oos
vmc revalue 200        oos      Revalue  Revalue  oos      oos      .        .        oos
host begin 500         .        no       no       no       no       no       no       no
host cancel            .        .        .        .        .        .        .        .
host end               .        .        .        .        .        .        .        Enabled
host limit 700         .        .        .        .        .        .        .        .
host take              .        .        .        .        .        .        .        .
host decline           .        .        .        .        .        .        .        .
";

const CASH_TOLD: &str = "\
Enabled
  vmc reset              reset [ack]
  vmc setup              [READER CONFIG level 2 country 1978 scale 1 decimals 2 30 s options 0001]
  vmc disable            disabled [ack]
  vmc stop               stopped [CANCELLED]
  vmc complete           [END SESSION]
  vmc sale 80 5          cash sale 80 item 5 [ack]
Idle
  vmc reset              reset [ack]
  vmc request 120 23     asked #1 120 item 23 [ack]
  vmc complete           completed [END SESSION]
  vmc sale 80 5          cash sale 80 item 5 [ack]
  vmc limit              asked limit #1 [ack]
  vmc revalue 500        asked to take #1 500 [ack]
  vmc revalue 200        asked to take #1 200 [ack]
  host begin 500         no session Busy
Limit
  vmc reset              reset [ack]
  vmc request 120 23     asked #2 120 item 23 [ack]
  vmc complete           completed [END SESSION]
  vmc sale 80 5          cash sale 80 item 5 [ack]
  vmc revalue 500        asked to take #2 500 [ack]
  vmc revalue 200        asked to take #2 200 [ack]
  host begin 500         no session Busy
Asked
  vmc reset              reset [ack]
  vmc cancel             withdrawn #1 [ack]
  vmc failure            withdrawn #1 [ack]
  vmc sale 80 5          cash sale 80 item 5 [ack]
  host begin 500         no session Busy
Cash
  vmc reset              over #1 reset [ack]
  vmc complete           over #1 completed [END SESSION]
  vmc sale 80 5          cash sale 80 item 5 [ack]
  host begin 500         no session Busy
Granted
  vmc reset              over #1 reset [ack]
  vmc poll               [REVALUE APPROVED]
  vmc ack                taken #1
  vmc request 120 23     taken #1 asked #2 120 item 23 [ack]
  vmc complete           taken #1 completed [END SESSION]
  vmc sale 80 5          cash sale 80 item 5 [ack]
  vmc limit              taken #1 asked limit #2 [ack]
  vmc revalue 200        taken #1 asked to take #2 200 [ack]
  host begin 500         no session Busy
Declined
  vmc reset              reset [ack]
  vmc poll               [REVALUE DENIED]
  vmc request 120 23     asked #2 120 item 23 [ack]
  vmc complete           completed [END SESSION]
  vmc sale 80 5          cash sale 80 item 5 [ack]
  vmc limit              asked limit #2 [ack]
  vmc revalue 200        asked to take #2 200 [ack]
  host begin 500         no session Busy
Complete
  vmc reset              reset [ack]
  vmc sale 80 5          cash sale 80 item 5 [ack]
  host begin 500         no session Busy
";

#[test]
fn cash_for_the_account_meets_everything_that_can_happen() {
    let steps = steps(&CASH_ROWS, &CASH_COLUMNS, Level::Two);
    let told = told(&CASH_ROWS, &CASH_COLUMNS, Level::Two);
    let whole = steps == CASH_STEPS && told == CASH_TOLD;
    assert!(whole, "\n{steps}\n{told}");
}

#[test]
fn every_state_meets_everything_that_can_happen() {
    let steps = steps(&ROWS, &COLUMNS, Level::One);
    let told = told(&ROWS, &COLUMNS, Level::One);
    assert!(steps == STEPS, "\n{steps}");
    assert!(told == TOLD, "\n{told}");
}

/// What level 3 adds, with every option on that leaves VEND REQUEST as it is.
const THREE: Options = Options::FILE_TRANSPORT
    .with(Options::NEGATIVE_VEND)
    .with(Options::DATA_ENTRY)
    .with(Options::ALWAYS_IDLE)
    .with(Options::REMOTE_VEND)
    .with(Options::COUPON)
    .with(Options::ASK_BEGIN_SESSION);

/// Wished: the selection was sent, its ACK is missing. Wanted: the machine has it. Alone: asked without a session.
/// Return: something is brought back; Taking: that it may is acknowledged.
const THREE_ROWS: [(&str, &[&str]); 11] = [
    ("Enabled", &["three"]),
    ("Wished", &["three", "host wish 11 4 500", "vmc poll"]),
    (
        "Wanted",
        &["three", "host wish 11 4 500", "vmc poll", "vmc ack"],
    ),
    ("Alone", &["three", "vmc request 120 23"]),
    (
        "Offered",
        &["three", "vmc request 120 23", "host begin 500", "vmc poll"],
    ),
    (
        "Session",
        &["three", "host begin 500", "vmc poll", "vmc ack"],
    ),
    ("Return", &["three", "vmc return 25 9"]),
    (
        "Taking",
        &[
            "three",
            "vmc return 25 9",
            "host approve 25 tag 8",
            "vmc poll",
            "vmc ack",
        ],
    ),
    ("Keys", &["three", "host keys 4", "vmc poll", "vmc ack"]),
    (
        "Coupon",
        &["three", "host coupon 50 7", "vmc poll", "vmc ack"],
    ),
    ("File", &["three", "host file 1", "vmc poll", "vmc ack"]),
];

const THREE_COLUMNS: [&str; 35] = [
    "vmc reset",
    "vmc setup 3",
    "vmc id",
    "vmc options 32",
    "vmc options 128",
    "vmc poll",
    "vmc ack",
    "vmc enable",
    "vmc disable",
    "vmc stop",
    "vmc request 120 23",
    "vmc request 80 11",
    "vmc cancel",
    "vmc success 23",
    "vmc failure",
    "vmc complete",
    "vmc return 25 9",
    "vmc revalue 500",
    "vmc refuse 11 2",
    "vmc coupon 1 11 50",
    "vmc type 1234",
    "vmc untyped",
    "vmc file 1 3",
    "vmc time",
    "host begin 500",
    "host cancel",
    "host wish 12 0 300",
    "host unwish",
    "host coupon 70 8",
    "host keys 2",
    "host nokeys",
    "host file 1",
    "host approve 120 tag 9",
    "host deny",
    "time 31000",
];

/// A basket: the other form of a vend.
const BASKET: Options = Options::BASKET;

/// Asked: three items. Heard: the approval acknowledged. Parted: one of them fell.
const BASKET_ROWS: [(&str, &[&str]); 4] = [
    (
        "Session",
        &["three", "host begin 500", "vmc poll", "vmc ack"],
    ),
    (
        "Asked",
        &[
            "three",
            "host begin 500",
            "vmc poll",
            "vmc ack",
            "vmc basket 300 3 0",
        ],
    ),
    ("Heard", BASKET_HEARD),
    ("Parted", BASKET_PARTED),
];

const BASKET_HEARD: &[&str] = &[
    "three",
    "host begin 500",
    "vmc poll",
    "vmc ack",
    "vmc basket 300 3 0",
    "host approve 300 tag 7",
    "vmc poll",
    "vmc ack",
];
const BASKET_PARTED: &[&str] = &[
    "three",
    "host begin 500",
    "vmc poll",
    "vmc ack",
    "vmc basket 300 3 0",
    "host approve 300 tag 7",
    "vmc poll",
    "vmc ack",
    "vmc fell 5 100 2",
];

const BASKET_COLUMNS: [&str; 14] = [
    "vmc reset",
    "vmc poll",
    "vmc basket 300 3 0",
    "vmc basket 200 2 0",
    "vmc cancel",
    "vmc fell 5 100 2",
    "vmc fell 6 100 1",
    "vmc fell 6 100 0",
    "vmc fell 6 900 0",
    "vmc stuck 6 100 1",
    "vmc stuck 6 100 0",
    "vmc complete",
    "host approve 300 tag 9",
    "host deny",
];

fn of_three(options: Options) -> impl Fn(&[&str]) -> Stage {
    move |steps| {
        let mut stage = Stage::new(Config {
            level: Level::Three,
            options,
            ..Config::default()
        });
        let on = format!("vmc options {}", options.to_u32());
        for step in steps {
            let first = [
                "vmc poll",
                "vmc ack",
                "vmc setup 3",
                "vmc ack",
                "vmc prices",
                "vmc id",
                "vmc ack",
                &on,
                "vmc enable",
            ];
            match *step {
                "three" => first.iter().for_each(|it| drop(stage.play(it))),
                other => drop(stage.play(other)),
            }
        }
        stage
    }
}

#[test]
fn level_3_meets_everything_that_can_happen() {
    let steps = steps_from(&THREE_ROWS, &THREE_COLUMNS, of_three(THREE));
    let told = told_from(&THREE_ROWS, &THREE_COLUMNS, of_three(THREE));
    let picture = format!("{steps}\n{told}");
    assert!(picture == include_str!("picture_three.txt"), "\n{picture}");
}

#[test]
fn a_basket_meets_everything_that_can_happen() {
    let steps = steps_from(&BASKET_ROWS, &BASKET_COLUMNS, of_three(BASKET));
    let told = told_from(&BASKET_ROWS, &BASKET_COLUMNS, of_three(BASKET));
    let picture = format!("{steps}\n{told}");
    assert!(picture == include_str!("picture_basket.txt"), "\n{picture}");
}
