//! Nothing is read that nobody showed. The long campaign is `gettone-benches light strays`.

use gettone_optical::sim::Stray;

/// Seeds of each light.
const SEEDS: u64 = 20;

fn none_of(stray: Stray) {
    let misread: Vec<u64> = (0..SEEDS).filter(|seed| stray.is_misread(*seed)).collect();
    assert_eq!(misread, [0_u64; 0], "{stray}");
}

#[test]
fn nothing_is_read_in_the_sun() {
    none_of(Stray::Sun);
}

#[test]
fn nothing_is_read_under_neon() {
    none_of(Stray::Neon);
}

#[test]
fn nothing_is_read_in_another_phones_video() {
    none_of(Stray::Video);
}

#[test]
fn nothing_else_is_read_of_a_code_that_is_lifted_off() {
    none_of(Stray::LiftedOff);
}

#[test]
fn two_phones_at_once_are_read_as_one_of_them_or_not_at_all() {
    none_of(Stray::TwoPhones);
}

#[test]
fn no_other_stray_light_is_read() {
    for stray in Stray::ALL {
        none_of(stray);
    }
}
