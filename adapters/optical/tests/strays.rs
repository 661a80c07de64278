//! Nothing is read that nobody showed. The long campaign is the example of the same name.

#[path = "strays/mod.rs"]
mod lights;

use lights::{STRAYS, is_misread};

/// Seeds of each light.
const SEEDS: u64 = 20;

fn none_of(stray: &str) {
    let place = STRAYS
        .iter()
        .position(|name| *name == stray)
        .expect("a stray light of the list");
    let misread: Vec<u64> = (0..SEEDS).filter(|seed| is_misread(place, *seed)).collect();
    assert_eq!(misread, [0_u64; 0], "{stray}");
}

#[test]
fn nothing_is_read_in_the_sun() {
    none_of("sun");
}

#[test]
fn nothing_is_read_under_neon() {
    none_of("neon");
}

#[test]
fn nothing_is_read_in_another_phones_video() {
    none_of("another video");
}

#[test]
fn nothing_else_is_read_of_a_code_that_is_lifted_off() {
    none_of("a code that is lifted off");
}

#[test]
fn two_phones_at_once_are_read_as_one_of_them_or_not_at_all() {
    none_of("two phones at once");
}

#[test]
fn no_other_stray_light_is_read() {
    for stray in STRAYS {
        none_of(stray);
    }
}
