//! One deterministic world for the real engine: its hosts, its journal, its recovery and its relay
//! chains, run by a scheduler that a seed decides for, on a disk that fails and under clients that
//! never stop asking.
//!
//! `GETTONE_SEEDS=FROM..TO` and `GETTONE_STEPS=N` choose what is lived through, `GETTONE_TAPE_ONLY=1`
//! leaves real files out of it; a seed that fails is printed with the command that lives through it
//! again, and `GETTONE_TRACE=1` prints its journal.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::large_enum_variant,
    reason = "a world looks at the commands and events that it uses; there are few of them at a time"
)]

mod ask;
mod board;
mod chance;
mod client;
mod life;
mod medium;
mod rules;
mod testimony;
pub(crate) mod trip;
mod witness;
mod world;

use core::ops::Range;
use medium::{Guard, Guards};
use rules::{Faults, Kept, Rules, Tally};
use std::env;
use world::play;

const SEEDS: Range<u64> = 0..1_000;
const STEPS: u64 = 500;
/// One seed in so many keeps its journal in real files.
const IN_FILES_EVERY: u64 = 20;
const CUTS: u64 = 100_000;
const CUTS_AGAIN: u64 = 20_000;
const SHORT_LIFE: u64 = 60;
/// Records between two cuts of a life that is cut again and again, at most.
const EVERY_MAX: u64 = 4;
const LONG_LIFE: u64 = 2_000;
/// Seeds among which a world has to find out what is missing.
const FEW: u64 = 200;
/// The same for what rarely counts.
const MANY: u64 = 5_000;

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is not a number")),
    )
}

fn seeds() -> Range<u64> {
    let Ok(value) = env::var("GETTONE_SEEDS") else {
        return SEEDS;
    };
    let range = value
        .split_once("..")
        .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.unwrap_or_else(|| panic!("GETTONE_SEEDS={value} is not FROM..TO"))
}

/// Whether no seed keeps its journal in real files, which takes a hundred times as long.
fn is_on_tape_only() -> bool {
    env::var("GETTONE_TAPE_ONLY").is_ok_and(|value| value == "1")
}

fn steps() -> u64 {
    number("GETTONE_STEPS").unwrap_or(STEPS)
}

fn rules_of(seed: u64) -> Rules {
    let kept = if seed % IN_FILES_EVERY == IN_FILES_EVERY - 1 && !is_on_tape_only() {
        Kept::InFiles
    } else {
        Kept::OnTape
    };
    Rules {
        kept,
        ..Rules::sound(steps())
    }
}

#[test]
fn nothing_is_lost_doubled_or_invented_whatever_happens() {
    let mut all = Tally::default();
    for seed in seeds() {
        match play(seed, rules_of(seed)) {
            Ok(tally) => {
                all.lives += tally.lives;
                all.cuts += tally.cuts;
                all.records += tally.records;
                all.answers += tally.answers;
                all.again += tally.again;
                all.snapshots += tally.snapshots;
                all.loads += tally.loads;
                all.rebuilds += tally.rebuilds;
            }
            Err(words) => panic!(
                "seed {seed}: {words}\nagain: GETTONE_SEEDS={seed}..{} GETTONE_STEPS={}{} \
                 cargo test -p gettone --release --lib sim::nothing_is_lost",
                seed + 1,
                steps(),
                if is_on_tape_only() {
                    " GETTONE_TAPE_ONLY=1"
                } else {
                    ""
                }
            ),
        }
    }
    println!("{:?}: {all:?}", seeds());
}

#[test]
fn a_cut_at_any_record_of_any_life_is_survived() {
    let wanted = number("GETTONE_CUTS").unwrap_or(CUTS);
    let (mut cuts, mut lives, mut seed) = (0, 0, seeds().start);
    while cuts < wanted {
        for frame in 1.. {
            let rules = Rules {
                faults: Faults::cut_at(frame),
                ..Rules::sound(SHORT_LIFE)
            };
            let tally = play(seed, rules).unwrap_or_else(|words| {
                panic!(
                    "seed {seed}, cut at record {frame}: {words}\nagain: GETTONE_SEEDS={seed}..{} \
                     GETTONE_CUTS=1 cargo test -p gettone --release --lib sim::a_cut_at_any",
                    seed + 1
                )
            });
            if tally.cuts == 0 {
                break;
            }
            cuts += tally.cuts;
        }
        lives += 1;
        seed += 1;
    }
    println!("{cuts} cuts in {lives} lives");
}

#[test]
fn cuts_again_and_again_through_any_life_are_survived() {
    let wanted = number("GETTONE_CUTS").unwrap_or(CUTS_AGAIN);
    let (mut cuts, mut lives, mut seed) = (0, 0, seeds().start);
    while cuts < wanted {
        for (every, first) in
            (1..=EVERY_MAX).flat_map(|every| (1..=every).map(move |first| (every, first)))
        {
            let rules = Rules {
                faults: Faults::Cuts { first, every },
                ..Rules::sound(steps())
            };
            let tally = play(seed, rules).unwrap_or_else(|words| {
                panic!(
                    "seed {seed}, cuts at record {first} and every {every}: {words}\n\
                     again: GETTONE_SEEDS={seed}..{} GETTONE_CUTS=1 GETTONE_STEPS={} \
                     cargo test -p gettone --release --lib sim::cuts_again",
                    seed + 1,
                    steps()
                )
            });
            cuts += tally.cuts;
            lives += 1;
        }
        seed += 1;
    }
    println!(
        "{cuts} cuts in {lives} lives of {} seeds",
        seed - seeds().start
    );
}

#[test]
fn the_same_seed_writes_the_same_journal() {
    let played: Vec<Tally> = (0..40)
        .map(|seed| play(seed, Rules::sound(STEPS)).expect("nothing is wrong"))
        .collect();
    for (seed, before) in (0..).zip(&played) {
        let again = play(seed, Rules::sound(STEPS)).expect("nothing is wrong");
        assert_eq!(again, *before, "seed {seed}");
    }
    let journals: std::collections::BTreeSet<u64> =
        played.iter().map(|tally| tally.journal).collect();
    assert_eq!(journals.len(), played.len(), "and others write others");
}

/// How many of a few hundred seeds find out that something is missing.
fn found_out(rules: Rules, because: &str) -> usize {
    let found: Vec<String> = (0..FEW)
        .filter_map(|seed| play(seed, rules).err())
        .collect();
    let rightly = found.iter().filter(|words| words.contains(because)).count();
    println!(
        "{} of {FEW}, {rightly} because of '{because}'; {:?}",
        found.len(),
        found.first()
    );
    rightly
}

/// Whether any of many seeds finds out that something is missing which rarely counts.
fn is_ever_found_out(rules: Rules, because: &str) -> bool {
    let found = (0..MANY).find_map(|seed| {
        let words = play(seed, rules).err()?;
        words.contains(because).then_some((seed, words))
    });
    println!("the first of {MANY}: {found:?}");
    found.is_some()
}

#[test]
fn the_world_finds_out_a_store_that_does_not_sync() {
    let rules = Rules {
        guards: Guards {
            sync: Guard::Off,
            ..Guards::ALL
        },
        ..Rules::sound(LONG_LIFE)
    };
    assert!(found_out(rules, "lost") > 0);
}

#[test]
fn the_world_finds_out_a_store_without_a_fence() {
    let rules = Rules {
        guards: Guards {
            fence: Guard::Off,
            ..Guards::ALL
        },
        ..Rules::sound(LONG_LIFE)
    };
    assert!(found_out(rules, "lost") > 0);
}

#[test]
fn the_world_finds_out_a_shard_that_goes_on_after_a_panic() {
    let rules = Rules {
        rebuild: Guard::Off,
        ..Rules::sound(LONG_LIFE)
    };
    assert!(found_out(rules, "lost") > 0);
}

#[test]
fn the_world_finds_out_transfers_that_nobody_takes_up() {
    let rules = Rules {
        take_up: Guard::Off,
        ..Rules::sound(LONG_LIFE)
    };
    assert!(is_ever_found_out(rules, "under way for ever"));
}

#[test]
fn the_world_finds_out_a_shelf_that_forgets() {
    let rules = Rules {
        guards: Guards {
            shelf: Guard::Off,
            ..Guards::ALL
        },
        ..Rules::sound(LONG_LIFE)
    };
    assert!(found_out(rules, "doubled") > 0);
}

#[test]
fn the_world_finds_out_a_snapshot_that_says_it_reaches_further() {
    let rules = Rules {
        guards: Guards {
            cuts: Guard::Off,
            ..Guards::ALL
        },
        ..Rules::sound(LONG_LIFE)
    };
    assert!(found_out(rules, "by the journal") > 0);
}

#[test]
fn the_world_finds_out_retries_under_new_names() {
    let rules = Rules {
        dedup: Guard::Off,
        ..Rules::sound(LONG_LIFE)
    };
    assert!(found_out(rules, "doubled") > 0);
}

#[test]
fn the_world_finds_out_a_board_that_its_own_hello_does_not_fence() {
    let rules = Rules {
        board_fence: Guard::Off,
        ..Rules::sound(LONG_LIFE)
    };
    assert!(is_ever_found_out(rules, "lost"));
}
