//! A day before one machine: a customer every two minutes, by phone, by the board's own road or by
//! light alone; strangers, cash, a road that falls, a technician with a package. Between the second
//! hour and the last, neither the memory of the board nor its journal grows.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a day looks at what it is about"
)]

mod board;
mod server;

use board::{Guard, Place};

const HOURS: u64 = 24;
/// By then everything is there once: what is kept of acknowledged receipts, codes, a package.
const SETTLED: u64 = 2;
/// What hours may differ by: queues are as long as the moment wants them.
const SLACK: i64 = 16 * 1024;

/// What a day comes to: live bytes and journal length after each hour.
#[derive(Debug)]
struct Day {
    live: Vec<i64>,
    journal: Vec<u64>,
}

fn live_through(guard: Guard) -> Day {
    let directory = tempfile::tempdir().expect("a directory");
    let mut place = Place::new(directory.path(), guard);
    let mut day = Day {
        live: vec![0],
        journal: vec![place.journal_len()],
    };
    for hour in 1..=HOURS {
        let heap = allocation_counter::measure(|| place.hour(hour));
        let before = day.live.last().copied().unwrap_or(0);
        day.live.push(before + heap.bytes_current);
        day.journal.push(place.journal_len());
    }
    println!("{:?}", place.tally());
    println!("{day:?}");
    place.is_right();
    day
}

/// How much more is there at the end of the day than after its second hour, at any hour between.
fn growth(day: &Day) -> i64 {
    let settled = usize::try_from(SETTLED).expect("small");
    let most = day.live[settled..].iter().max().copied().unwrap_or(0);
    most - day.live[settled]
}

#[test]
fn a_day_of_customers_leaves_no_more_memory_and_no_longer_a_journal_than_two_hours() {
    let day = live_through(Guard::Kept);
    assert!(growth(&day) < SLACK, "{} bytes more", growth(&day));
    let settled = usize::try_from(SETTLED).expect("small");
    let longest = |hours: &[u64]| hours.iter().max().copied().unwrap_or(0);
    let (early, late) = (
        longest(&day.journal[..=settled]),
        longest(&day.journal[settled..]),
    );
    assert!(
        late <= early + board::SLACK_LEN_MAX,
        "{early} bytes of journal, then {late}"
    );
}

#[test]
fn a_board_that_keeps_what_it_has_noticed_is_found_out() {
    let day = live_through(Guard::Off);
    assert!(growth(&day) > SLACK, "{} bytes more", growth(&day));
}
