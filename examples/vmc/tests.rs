//! The whole program against a reader of ours.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use gettone_mdb::cashless::{self, Cashless, Host};
use gettone_mdb::file::AUDIT_FILE;
use gettone_mdb::words::WordLink;
use gettone_mdb::{ItemOptions, Level, Options};

use crate::arguments::Arguments;
use crate::fault::VmcFault;
use crate::{LOOK_EVERY, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// A reader that says yes to everything, until the machine is gone.
fn be_a_reader(path: &Path, config: cashless::Config, events: &Sender<cashless::Event>) {
    let begun = Instant::now();
    let mut link = loop {
        match WordLink::open(path) {
            Ok(link) => break link,
            Err(fault) => assert!(begun.elapsed() < PATIENCE, "{fault}"),
        }
    };
    let mut device = Cashless::new(config).expect("a consistent configuration");
    while begun.elapsed() < PATIENCE {
        let input = match WordLink::read(&mut link, LOOK_EVERY) {
            Ok(Some(word)) => cashless::Input::Word(word),
            Ok(None) => cashless::Input::Tick,
            Err(_) => return,
        };
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            device.handle(begun.elapsed(), input);
            while let Some(output) = device.poll() {
                match output {
                    cashless::Output::Send(reply) => {
                        if WordLink::write(&mut link, &reply).is_err() {
                            return;
                        }
                    }
                    cashless::Output::Event(event) => {
                        let wish = wish(&event, config.options);
                        inputs.extend(wish.map(cashless::Input::Host));
                        if events.send(event).is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// What a reader that says yes is.
fn reader() -> cashless::Config {
    cashless::Config {
        ack_max: PATIENCE,
        cash_sales: true,
        ..cashless::Config::default()
    }
}

fn wish(event: &cashless::Event, options: Options) -> Option<Host> {
    // Files first, then customers.
    if *event == cashless::Event::Enabled && options.has(Options::FILE_TRANSPORT) {
        return Some(Host::AskFile { file: AUDIT_FILE });
    }
    if let cashless::Event::Enabled
    | cashless::Event::FileOver(_)
    | cashless::Event::SessionCompleted = event
    {
        return Some(Host::BeginSession { funds: 1_000 });
    }
    if let cashless::Event::SessionBegan = event {
        // Without remote vend this goes nowhere.
        return Some(Host::Select {
            item: 0x0040,
            options: ItemOptions::DEFAULT.sugar(1)?.cup(1)?,
            funds: 500,
        });
    }
    if let cashless::Event::RevalueAsked { request, .. } = event {
        return Some(Host::ApproveRevalue { request: *request });
    }
    let cashless::Event::VendRequested { request, price, .. } = event else {
        return None;
    };
    Some(Host::Approve {
        request: *request,
        amount: *price,
        tag: 7,
    })
}

/// Plays a script against a reader of ours; gives what the reader learned.
fn played(options: &[&str]) -> Result<Vec<cashless::Event>, VmcFault> {
    played_with(reader(), options)
}

/// The same against this reader.
fn played_with(
    reader: cashless::Config,
    options: &[&str],
) -> Result<Vec<cashless::Event>, VmcFault> {
    let place = tempfile::tempdir().expect("a directory");
    let link = place.path().join("mdb");
    let path = link.to_str().expect("text").to_owned();
    let all = ["vmc", "--link", &path, "--poll-ms", "5", "--motors-ms", "1"];
    let wish = Arguments::parse_from(all.into_iter().chain(options.iter().copied()));
    let (tell, told) = std::sync::mpsc::channel();
    let device = thread::spawn(move || be_a_reader(&link, reader, &tell));
    let ran = run(&wish);
    device.join().expect("no panic");
    ran.map(|()| told.iter().collect())
}

#[test]
fn a_script_of_cash_and_vend_is_played_to_its_end() {
    let events = played(&["--do", "coin 2.00; select 3; dispense; sell 4 0.80"]);
    let events = events.expect("a script that ends");
    let has = |wanted: fn(&cashless::Event) -> bool| events.iter().any(wanted);
    assert!(
        has(|it| matches!(it, cashless::Event::RevalueApprovalTaken { .. })),
        "{events:?}"
    );
    assert!(
        has(|it| *it == cashless::Event::VendSucceeded { tag: 7, item: 3 }),
        "{events:?}"
    );
    assert!(
        has(|it| *it == cashless::Event::CashSold { item: 4, price: 80 }),
        "{events:?}"
    );
}

#[test]
fn a_machine_that_resets_on_approvals_is_met_with_a_delivered_approval() {
    let options = ["--fault", "reset-on-approval", "--do", "select 3; ready"];
    let events = played(&options).expect("a script that ends");
    let delivered = cashless::Event::Reset {
        approval: cashless::ApprovalState::Delivered { tag: 7 },
    };
    assert!(events.contains(&delivered), "{events:?}");
}

#[test]
fn vends_go_well_over_a_bad_wire() {
    let faults = ["lost-words", "garbled-words", "duplicates"];
    let mut options = vec!["--one-in", "40", "--seed", "3"];
    for fault in faults {
        options.extend(["--fault", fault]);
    }
    options.extend(["--do", "select 1; end; select 2; end; select 3; end"]);
    let events = played(&options).expect("a script that ends");
    let sold = |it: &&cashless::Event| matches!(it, cashless::Event::VendSucceeded { .. });
    assert!(events.iter().filter(sold).count() >= 1, "{events:?}");
}

#[test]
fn a_favourite_reaches_the_machine_by_the_keys_of_its_selection() {
    let three = cashless::Config {
        level: Level::Three,
        options: Options::REMOTE_VEND,
        ..reader()
    };
    let options = ["--preset", "keypad", "--option", "remote-vend"];
    let prices = ["--prices", "40=1.20", "--do", "favourite; end"];
    let events = played_with(three, &[options, prices].concat()).expect("a script that ends");
    let asked = |it: &cashless::Event| {
        matches!(
            it,
            cashless::Event::VendRequested {
                price: 120,
                item: 0x0040,
                ..
            }
        )
    };
    assert!(events.iter().any(asked), "{events:?}");
    let sold = cashless::Event::VendSucceeded {
        tag: 7,
        item: 0x0040,
    };
    assert!(events.contains(&sold), "{events:?}");
}

#[test]
fn a_machine_gives_its_audit_to_a_reader_that_asks_and_without_one_it_denies() {
    let three = cashless::Config {
        level: Level::Three,
        options: Options::FILE_TRANSPORT,
        ..reader()
    };
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("audit");
    let words: Vec<u8> = (0..200).map(|at| b'A' + at % 26).collect();
    std::fs::write(&file, &words).expect("written");
    let path = file.to_str().expect("text");
    let events = played_with(three, &["--audit", path, "--do", "select 1; end"]);
    let events = events.expect("a script that ends");
    let mut given = Vec::new();
    for event in &events {
        if let cashless::Event::FilePiece { piece, .. } = event {
            given.extend_from_slice(piece);
        }
    }
    assert_eq!(given, words, "{events:?}");
    assert!(events.contains(&cashless::Event::FileOver(cashless::FileEnd::Whole)));

    let options = ["--option", "file-transport", "--do", "select 1; end"];
    let events = played_with(three, &options).expect("a script that ends");
    let denied = cashless::FileEnd::Denied { after_s: 0 };
    assert!(
        events.contains(&cashless::Event::FileOver(denied)),
        "{events:?}"
    );
}

#[test]
fn a_reset_in_every_state_is_survived_and_the_next_vend_goes_well() {
    for state in ["starting", "disabled", "enabled", "session", "busy"] {
        let steps = match state {
            "disabled" => "ready; restart-in disabled; disable; ready; select 2; end".to_owned(),
            state => format!("restart-in {state}; select 1; ready; select 2; end"),
        };
        let events = played(&["--do", &steps]).expect("a script that ends");
        let resets = |it: &&cashless::Event| matches!(it, cashless::Event::Reset { .. });
        // A machine that starts over before the reader has heard it says RESET once.
        let least = if state == "starting" { 1 } else { 2 };
        let resets = events.iter().filter(resets).count();
        assert!(resets >= least, "{state}: {events:?}");
        let sold = cashless::Event::VendSucceeded { tag: 7, item: 2 };
        assert!(events.contains(&sold), "{state}: {events:?}");
    }
}

#[test]
fn every_fault_of_the_wire_at_once_invents_no_vend() {
    let faults = "lost-words,garbled-words,duplicates,lost-acks,naks,bad-checksums,wrong-lengths,\
                  late-polls,missing-polls,chatter,random-words";
    let mut options = vec!["--one-in", "60", "--seed", "5"];
    for fault in faults.split(',') {
        options.extend(["--fault", fault]);
    }
    options.extend([
        "--do",
        "select 1; end; select 2; end; faults none; ready; select 3; end",
    ]);
    let events = played(&options).expect("a script that ends");
    let count =
        |wanted: fn(&cashless::Event) -> bool| events.iter().filter(|it| wanted(it)).count();
    let sold = count(|it| matches!(it, cashless::Event::VendSucceeded { .. }));
    let delivered = count(|it| matches!(it, cashless::Event::ApprovalDelivered { .. }));
    assert!(
        sold >= 1 && sold <= delivered,
        "{sold} of {delivered}: {events:?}"
    );
    let last = cashless::Event::VendSucceeded { tag: 7, item: 3 };
    assert!(events.contains(&last), "{events:?}");
}
