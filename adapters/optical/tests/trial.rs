//! Nobody is kept waiting: every light is read, or refused with its reason in time.

use gettone_optical::sim::{App, Cell, Channel, End, Eye, Play, Stray, Tier, World};
use gettone_optical::{
    Decoder, Palette, Progress, RefreshRate, Rgb, SIGNAL_MAX_US, Signal, TRIAL_MAX_US, Trial,
    Verdict,
};

/// Seeds 0 to 9, on both channels: what no code has to survive.
#[test]
fn a_tortured_light_is_read_or_refused_with_a_reason_within_ten_seconds() {
    for world in [World::Channel, World::Stranger] {
        let cell = Cell {
            world,
            app: None,
            play: Play::Ladder,
            ..Cell::usual(Tier::Torture)
        };
        let mut refused = 0;
        for seed in 0..10 {
            let run = cell.read(&cell.samples(seed), &Cell::payload(seed));
            match (run.end, run.refused) {
                (End::Read { .. } | End::Late { .. }, _) => {}
                (End::Failed, Some((spent_us, reason))) => {
                    refused += 1;
                    let most_us = match run.signal {
                        Signal::None => SIGNAL_MAX_US,
                        Signal::Seen => TRIAL_MAX_US,
                    };
                    assert!(
                        spent_us <= most_us,
                        "seed {seed}: {reason} after {spent_us} us"
                    );
                }
                (end, refused) => panic!("{world:?} seed {seed}: {end:?}, {refused:?}"),
            }
        }
        assert!(
            refused >= 3,
            "{refused}: a light that all are read of proves nothing"
        );
    }
}

/// Seeds 0 to 9: rooms, and screens that show nothing.
#[test]
fn where_no_signal_is_nothing_is_said_within_two_seconds() {
    for seed in 0..10 {
        for frames in [
            &[][..],
            &[Rgb {
                r: 255,
                g: 255,
                b: 255,
            }],
        ] {
            let samples = Channel::new(seed, Tier::Nominal, RefreshRate::HZ_60).play(frames);
            let (mut decoder, mut trial) = (Decoder::new(), Trial::new());
            let mut begin_us = None;
            let said = samples
                .take_while(|sample| {
                    sample.t_us - *begin_us.get_or_insert(sample.t_us) <= SIGNAL_MAX_US
                })
                .find_map(|sample| {
                    assert_eq!(decoder.push(sample), None);
                    trial.handle(sample.t_us, &decoder)
                });
            assert_eq!(
                said,
                Some(Verdict::Refused(Progress::Nothing)),
                "seed {seed}"
            );
        }
    }
}

/// Seeds 0 to 19. The control: a verdict that came too early would stand here.
#[test]
fn a_good_phone_is_never_refused() {
    for palette in Palette::ALL {
        let cell = Cell {
            palette,
            swing: Some(400.0),
            ..Cell::usual(Tier::Nominal)
        };
        for seed in 0..20 {
            let run = cell.read(&cell.samples(seed), &Cell::payload(seed));
            assert!(
                matches!(run.end, End::Read { .. }),
                "{palette:?} seed {seed}: {run:?}"
            );
            assert_eq!(run.refused, None, "{palette:?} seed {seed}");
        }
    }
}

/// Seeds 0 to 4: a conversion of 24 ms under a display of 60 Hz.
#[test]
fn a_slow_sensor_is_served_by_the_ladder_or_says_why_not() {
    let cell = Cell {
        eye: Eye::SlowChip,
        play: Play::Ladder,
        ..Cell::usual(Tier::Nominal)
    };
    for seed in 0..5 {
        let run = cell.read(&cell.samples(seed), &Cell::payload(seed));
        match run.end {
            End::Read { .. } | End::Late { .. } => {}
            End::Failed => assert!(run.refused.is_some(), "seed {seed}"),
            End::Wrong => panic!("seed {seed}"),
        }
    }
}

/// Seeds 0 to 4 of a phone that goes by its clock: it loses pictures, and the ladder gives them again.
#[test]
fn a_phone_that_skips_pictures_is_read_on_the_ladder() {
    let cell = Cell {
        app: Some(App::Clock),
        play: Play::Ladder,
        ..Cell::usual(Tier::Nominal)
    };
    for seed in 0..5 {
        let run = cell.read(&cell.samples(seed), &Cell::payload(seed));
        assert!(matches!(run.end, End::Read { .. }), "seed {seed}: {run:?}");
    }
}

#[test]
fn every_stray_light_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<String> =
        Stray::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), Stray::ALL.len());
}
