//! Light that is no payload: nothing is accepted, and the reader can say what is wrong.

mod ideal;

use gettone_optical::sim::{Channel, Random, Tier};
use gettone_optical::{Decoder, Kind, Payload, Progress, RefreshRate, Rgb, Sample, encode};

/// Time a reader watches each light, in microseconds.
const WATCHED_US: u64 = 5_000_000;

fn loop_of_one() -> Vec<Rgb> {
    encode(&Payload::new(Kind::Pairing, *b"0123456789"))
}

/// Watches frames through a drawn channel; returns how many payloads were accepted, and the last verdict.
fn watch(seed: u64, frames: &[Rgb]) -> (usize, Progress) {
    let samples = Channel::new(seed, Tier::Nominal, RefreshRate::HZ_60).play(frames);
    let mut begin_us = None;
    verdict(
        samples
            .take_while(|sample| sample.t_us - *begin_us.get_or_insert(sample.t_us) < WATCHED_US),
    )
}

fn verdict(samples: impl IntoIterator<Item = Sample>) -> (usize, Progress) {
    let mut decoder = Decoder::new();
    let accepted = samples
        .into_iter()
        .filter(|sample| decoder.push(*sample).is_some())
        .count();
    (accepted, decoder.progress())
}

fn corner(random: &mut Random) -> Rgb {
    let mut code = || if random.chance(0.5) { 255 } else { 0 };
    Rgb {
        r: code(),
        g: code(),
        b: code(),
    }
}

#[test]
fn the_watch_accepts_a_real_code() {
    // Otherwise the refusals below would prove nothing.
    assert!(watch(1, &loop_of_one()).0 >= 2);
}

#[test]
fn room_light_is_nothing() {
    for seed in 0..20 {
        assert_eq!(watch(seed, &[]), (0, Progress::Nothing), "seed {seed}");
    }
}

#[test]
fn a_lit_screen_that_stands_still_is_nothing() {
    for seed in 0..20 {
        let (accepted, progress) = watch(
            seed,
            &[Rgb {
                r: 255,
                g: 255,
                b: 255,
            }],
        );
        assert_eq!(accepted, 0, "seed {seed}");
        // The hand may sway: then something changes.
        assert!(
            !matches!(progress, Progress::Locked { .. }),
            "seed {seed}: {progress:?}"
        );
    }
}

#[test]
fn no_video_is_accepted() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut picture = corner(&mut random);
        let frames: Vec<Rgb> = (0..600)
            .map(|_| {
                match seed % 3 {
                    // Cuts, every half second or so.
                    0 if random.chance(0.03) => picture = corner(&mut random),
                    // Slow changes of any colour.
                    1 => {
                        let mut drift = |code: u8| {
                            (i16::from(code) + random.around(20.0) as i16).clamp(0, 255) as u8
                        };
                        picture = Rgb {
                            r: drift(picture.r),
                            g: drift(picture.g),
                            b: drift(picture.b),
                        };
                    }
                    // Corner colours at the speed of the code.
                    2 => picture = corner(&mut random),
                    _ => {}
                }
                picture
            })
            .collect();
        assert_eq!(watch(seed, &frames).0, 0, "seed {seed}");
    }
}

#[test]
fn colours_with_preambles_but_without_a_word_are_not_accepted() {
    let preamble: Vec<Rgb> = loop_of_one()[..6].to_vec();
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut frames = Vec::new();
        for _ in 0..4 {
            frames.extend(&preamble);
            for _ in 0..73 {
                let mut next = corner(&mut random);
                while frames.last() == Some(&next) {
                    next = corner(&mut random);
                }
                frames.push(next);
            }
        }
        assert_eq!(watch(seed, &frames).0, 0, "seed {seed}");
    }
}

#[test]
fn a_loop_cut_short_is_not_accepted() {
    let whole = loop_of_one();
    // Six bytes may be missing: the code word has eight to spare, two of which are kept to refuse.
    for kept in [20, 40, 55] {
        for seed in 0..10 {
            assert_eq!(
                watch(seed, &whole[..kept]).0,
                0,
                "{kept} symbols, seed {seed}"
            );
        }
    }
}

#[test]
fn noise_and_wild_clocks_are_survived_and_not_accepted() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut t_us = random.bits();
        let samples: Vec<Sample> = (0..4_000)
            .map(|_| {
                t_us = match random.below(200) {
                    0 => random.bits(),
                    1 => t_us.wrapping_sub(random.bits() >> 44),
                    2 => t_us.wrapping_add(random.bits() >> 44),
                    _ => t_us.wrapping_add(1 + random.bits() % (2 + (seed * 150) % 7_000)),
                };
                let mut count = || (random.bits() >> (48 + seed % 12)) as u16;
                Sample {
                    t_us,
                    r: count(),
                    g: count(),
                    b: count(),
                    c: count(),
                }
            })
            .collect();
        assert_eq!(verdict(samples).0, 0, "seed {seed}");
    }
}

#[test]
fn each_trouble_has_its_own_word() {
    let frames = loop_of_one();
    let bright = ideal::BRIGHT;
    let said = |levels| {
        verdict(ideal::samples(&frames, 0, 900_000, levels))
            .1
            .to_string()
    };
    let dim = ideal::Levels { own: 5.0, ..bright };
    let clipped = ideal::Levels {
        black: 1_000.0,
        ..bright
    };
    assert_eq!(said(dim), "too dark");
    assert_eq!(said(clipped), "saturated");
    assert_eq!(said(bright), "incomplete");

    // One conversion lasts 24 ms and is read eight times.
    let slow = ideal::samples(&frames, 0, 2_000_000, bright)
        .chunks(8)
        .flat_map(|chunk| {
            chunk.iter().map(|sample| Sample {
                t_us: sample.t_us,
                ..chunk[0]
            })
        })
        .collect::<Vec<_>>();
    assert_eq!(verdict(slow), (0, Progress::SensorTooSlow));
    let rare = ideal::samples(&frames, 0, 4_000_000, bright)
        .into_iter()
        .step_by(8);
    assert_eq!(verdict(rare), (0, Progress::SensorTooSlow));
    assert_eq!(verdict([]), (0, Progress::Nothing));
}

#[test]
fn a_light_that_turns_from_row_to_row_flickers() {
    let flicker = (0..600_u64).map(|row| {
        let count = if row % 2 == 0 { 40 } else { 400 };
        Sample {
            t_us: row * 3_000,
            r: count,
            g: count,
            b: count,
            c: 0,
        }
    });
    // A slow step makes it a change of more than its noise.
    let steps = flicker.map(|sample| Sample {
        r: sample.r
            + if sample.t_us / 300_000 % 2 == 0 {
                0
            } else {
                9_000
            },
        ..sample
    });
    assert_eq!(verdict(steps).1, Progress::Flicker);
}

#[test]
fn a_code_that_is_lost_asks_to_hold_still_and_then_is_forgotten() {
    let mut decoder = Decoder::new();
    let mut samples = ideal::samples(&loop_of_one(), 0, 900_000, ideal::BRIGHT);
    let dark = ideal::samples(&[Rgb { r: 0, g: 0, b: 0 }], 0, 5_000_000, ideal::BRIGHT);
    let end_us = 900_000;
    samples.extend(dark.into_iter().map(|sample| Sample {
        t_us: sample.t_us + end_us,
        ..sample
    }));
    let mut asked = false;
    for sample in samples {
        assert_eq!(decoder.push(sample), None);
        asked |= decoder.progress() == Progress::HoldStill;
    }
    assert!(asked);
    assert_eq!(decoder.progress(), Progress::Nothing);
}
