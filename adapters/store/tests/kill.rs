//! A process that writes through the file store is killed again and again, at any moment.

use gettone_core::port::{Frames, Key, Kind, Seq, Store};
use gettone_store::{File, FileSettings, Upkeep};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const KILLS: u64 = 30;
const PLACE: &str = "GETTONE_KILLED_STORE";
const CHILD: &str = "a_writer_that_waits_to_be_killed";
const BATCH: u64 = 5;
const WALLETS: u64 = 20;

fn settings(upkeep: Upkeep) -> FileSettings {
    FileSettings {
        segment_bytes: 64 * 1024,
        upkeep,
        ..FileSettings::default()
    }
}

fn payload(seq: u64) -> Vec<u8> {
    (0..300 + seq * 37 % 900)
        .map(|at| (at * 7 + seq) as u8)
        .collect()
}

/// Tells on its output what is durable, and never stops.
#[test]
#[ignore = "the test that kills it starts it"]
fn a_writer_that_waits_to_be_killed() {
    let Some(place) = std::env::var_os(PLACE) else {
        return;
    };
    let mut store =
        File::open(Path::new(&place), settings(Upkeep::Beside)).expect("the last one is dead");
    let shelf = store.shelf().expect("it has one");
    let mut out = std::io::stdout();
    for round in 1.. {
        let first = store.next();
        let mut frames = Frames::default();
        for seq in first.number()..first.number() + BATCH {
            frames.push(&payload(seq));
        }
        store.append(first, &frames).expect("appends");
        let durable = store.next().number() - 1;
        writeln!(out, "\ndurable {durable}").expect("somebody reads");
        if round % 8 == 0 {
            let mut next = shelf.begin().expect("nobody else writes one");
            for number in 0..WALLETS {
                next.put(Key::new(Kind::Wallet, number), &payload(durable + number))
                    .expect("room");
            }
            next.finish(&[(0, store.next())]).expect("finishes");
            writeln!(out, "\nshelved {durable}").expect("somebody reads");
        }
    }
}

#[derive(Default)]
struct Told {
    durable: u64,
    shelved: u64,
}

/// Starts a writer, reads so many of its lines, and kills it; then what else it had told.
fn write_and_kill(place: &Path, lines_max: u64, told: &mut Told) {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut heard = 0;
    // Lines of the test's own frame are none of its; the last one may be cut short.
    while let Some(Ok(line)) = lines.next() {
        let mut words = line.split(' ');
        let (what, number) = (words.next(), words.next());
        let number = number.and_then(|number| number.parse::<u64>().ok());
        match (what, number) {
            (Some("durable"), Some(number)) => told.durable = told.durable.max(number),
            (Some("shelved"), Some(number)) => told.shelved = told.shelved.max(number),
            _ => continue,
        }
        heard += 1;
        if heard == lines_max {
            child.kill().expect("it lives");
        }
    }
    child.wait().expect("it is dead");
    assert!(heard >= lines_max, "it died by itself after {heard} lines");
}

/// How many frames there are; each one is what was written at its place.
fn replayed(store: &mut File) -> u64 {
    let mut count = 0;
    let next = store.replay(Seq::FIRST, &mut |seq, found| {
        count += 1;
        assert_eq!(seq, Seq::new(count));
        assert!(found == payload(count), "frame {count} is another");
        Ok(())
    });
    assert_eq!(next.expect("replays"), Seq::new(count + 1));
    count
}

#[test]
fn thirty_kills_lose_nothing_that_was_told_and_invent_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut told = Told::default();
    for kill in 0..KILLS {
        let lines_max = 1 + kill * kill * 7 % 61;
        write_and_kill(dir.path(), lines_max, &mut told);
        let mut store = File::open(dir.path(), settings(Upkeep::ByHand)).expect("it is free");
        let count = replayed(&mut store);
        assert!(
            count >= told.durable,
            "kill {kill}: {count} of {}",
            told.durable
        );
        assert!(
            count <= told.durable + BATCH,
            "kill {kill}: {count} frames, {} told",
            told.durable
        );
        assert_eq!(
            count % BATCH,
            0,
            "kill {kill}: a batch is whole or not there"
        );
        let shelf = store.shelf().expect("it has one");
        let cuts = shelf.cuts().expect("it is whole");
        let shelved = cuts.first().map_or(0, |(_, cut)| cut.number() - 1);
        assert!(shelved >= told.shelved && shelved <= count, "kill {kill}");
        for number in 0..WALLETS {
            let found = shelf.load(Key::new(Kind::Wallet, number)).expect("whole");
            let expected = (shelved > 0).then(|| payload(shelved + number));
            assert!(found == expected, "kill {kill}: wallet {number}");
        }
        // What was whole and not told is told by now.
        (told.durable, told.shelved) = (count, shelved);
    }
    assert!(told.durable > 1_000 && told.shelved > 500);
    let mut store = File::open(dir.path(), settings(Upkeep::ByHand)).expect("it is free");
    store.tend().expect("archives what is left");
    assert_eq!(replayed(&mut store), told.durable, "out of the archive");
}
