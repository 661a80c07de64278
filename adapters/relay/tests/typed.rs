//! Codes that are typed: what a guess is worth, and what finds a reader and a server that disagree.

use core::time::Duration;
use gettone_channel::TokenKey;
use gettone_core::time::Timestamp;
use gettone_core::token::{
    RESYNC_WINDOW, STEP_EVERY, TYPED_WINDOW, resynced, step_at, typed_steps,
};
use gettone_relay::TYPED_DIGITS;

fn key() -> TokenKey {
    TokenKey::from_bytes([0x42; 32])
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

/// One in so many.
fn one_in(hits: u64, codes: u64) -> u64 {
    codes / hits
}

#[test]
fn a_guess_is_worth_what_this_table_says() {
    let steps = |last_used| typed_steps(last_used, at(0)).count() as u64;
    // Nothing was used for long, the widest case; something just was, the narrowest.
    assert_eq!(steps(0), TYPED_WINDOW + 1);
    assert_eq!(steps(step_at(at(0))), 2);
    let codes = 10_u64.pow(u32::from(TYPED_DIGITS));
    let table = [
        ("one try, seven digits", one_in(steps(0), codes), 2_500_000),
        (
            "one try, five letters",
            one_in(steps(0), 32_u64.pow(5)),
            8_388_608,
        ),
        (
            "two codes in a row",
            one_in(RESYNC_WINDOW, codes * codes),
            24_414_062_500,
        ),
        // Five tries in 15 minutes for an account, twenty in an hour for a machine.
        (
            "an account, all day",
            one_in(steps(0) * 5 * 4 * 24, codes),
            5_208,
        ),
        (
            "a machine, all day",
            one_in(steps(0) * 20 * 24, codes),
            5_208,
        ),
    ];
    for (what, found, said) in table {
        assert_eq!(found, said, "{what}");
    }
}

#[test]
fn guesses_hit_as_often_as_the_table_says_by_the_codes_themselves() {
    // Three digits, so that all guesses can be made: each step has one code, some share it.
    let mut hits = 0_u64;
    let rounds = 2_000_u64;
    for round in 0..rounds {
        let window = typed_steps(0, at(round * 3_600));
        let mut live: Vec<u32> = window.map(|step| key().typed(step, 3)).collect();
        live.sort_unstable();
        live.dedup();
        hits += live.len() as u64;
    }
    let expected = rounds * (TYPED_WINDOW + 1);
    assert!(
        hits <= expected && hits > expected - expected / 100,
        "{hits} of {expected}"
    );
}

#[test]
fn a_typed_code_is_taken_while_it_is_on_show_and_a_little_longer_and_never_twice() {
    let every = STEP_EVERY.as_secs();
    let shown = step_at(at(0));
    let taken = |last_used, late: u64| typed_steps(last_used, at(late)).contains(&shown);
    assert!(taken(0, 0) && taken(0, every) && taken(0, 2 * every));
    assert!(!taken(0, 3 * every), "too old");
    assert!(!taken(shown, 0), "used");
    // A reader whose clock is a step ahead, or two behind.
    assert!(typed_steps(0, at(0)).contains(&(shown + 1)));
    assert!(typed_steps(0, at(0)).contains(&(shown - 2)));
    assert!(!typed_steps(0, at(0)).contains(&(shown + 2)));
}

#[test]
fn two_codes_in_a_row_find_a_reader_that_counted_on_without_the_time() {
    let typed = |step| key().typed(step, TYPED_DIGITS);
    let last_used = 58_000_000;
    for drift in [1, 2, 100, RESYNC_WINDOW - 1] {
        let step = last_used + drift;
        let codes = [typed(step), typed(step + 1)];
        assert_eq!(resynced(last_used, typed, codes), Some(step + 1));
    }
    let far = last_used + RESYNC_WINDOW + 1;
    assert_eq!(
        resynced(last_used, typed, [typed(far), typed(far + 1)]),
        None
    );
    let before = [typed(last_used), typed(last_used + 1)];
    assert_eq!(
        resynced(last_used, typed, before),
        None,
        "the first was used"
    );
    let apart = [typed(last_used + 5), typed(last_used + 7)];
    assert_eq!(resynced(last_used, typed, apart), None, "not in a row");
    assert_eq!(resynced(u64::MAX, typed, apart), None);
    assert!(
        Duration::from_secs(RESYNC_WINDOW * STEP_EVERY.as_secs()) > Duration::from_secs(86_400)
    );
}
