//! Phone to reader over simulated light. Every failing seed is named.

mod ideal;

use gettone_optical::sim::{App, Channel, Random, Tier};
use gettone_optical::{
    Decoded, Decoder, Kind, LOOP_SYMBOLS, Payload, Progress, RefreshRate, Sample, encode, encode_at,
};

fn payload(seed: u64) -> Payload {
    let mut random = Random::new(!seed);
    let kind = if random.chance(0.5) {
        Kind::Pairing
    } else {
        Kind::LightGrant
    };
    Payload::new(kind, [(); 10].map(|()| random.bits() as u8))
}

fn decode(samples: impl IntoIterator<Item = Sample>) -> Option<Decoded> {
    let mut decoder = Decoder::new();
    samples.into_iter().find_map(|sample| decoder.push(sample))
}

/// Runs of one kind of channel.
struct Runs {
    tier: Tier,
    app: App,
    rate: RefreshRate,
    seeds: std::ops::Range<u64>,
}

#[derive(Default)]
struct Outcome {
    times_us: Vec<u64>,
    failed: Vec<u64>,
    wrong: Vec<u64>,
}

impl Outcome {
    fn median_us(&self) -> u64 {
        self.times_us[self.times_us.len() / 2]
    }
}

impl Runs {
    /// Watches each phone for three loops.
    fn play(self) -> Outcome {
        let frames_per_loop = LOOP_SYMBOLS * self.rate.frames_per_symbol();
        let watched_us = 3 * frames_per_loop as u64 * 1_010_000 / u64::from(self.rate.hz());
        let mut outcome = Outcome::default();
        for seed in self.seeds {
            let payload = payload(seed);
            let mut samples = Channel::new(seed, self.tier, self.rate)
                .with_app(self.app)
                .play(&encode_at(&payload, self.rate))
                .peekable();
            let begin_us = samples.peek().map_or(0, |sample| sample.t_us);
            match decode(samples.take_while(|sample| sample.t_us - begin_us < watched_us)) {
                Some(decoded) if decoded.payload == payload => {
                    outcome.times_us.push(decoded.elapsed_us)
                }
                Some(_) => outcome.wrong.push(seed),
                None => outcome.failed.push(seed),
            }
        }
        outcome.times_us.sort_unstable();
        outcome
    }
}

#[test]
fn an_ideal_loop_is_read_within_a_loop_from_any_frame_on() {
    let sent = payload(1);
    let frames = encode(&sent);
    for frame in 0..frames.len() as u64 {
        let from_us = frame * ideal::FRAME_US + frame * 1_237 % ideal::FRAME_US;
        let samples = ideal::samples(&frames, from_us, 3_000_000, ideal::BRIGHT);
        let decoded = decode(samples).unwrap_or_else(|| panic!("nothing read from frame {frame}"));
        assert_eq!(decoded.payload, sent, "frame {frame}");
        let most_us = (LOOP_SYMBOLS as u64 + 8) * ideal::FRAME_US;
        assert!(decoded.elapsed_us <= most_us, "frame {frame}: {decoded:?}");
    }
}

#[test]
fn ninety_seven_of_a_hundred_good_phones_are_read_in_three_loops_and_none_wrongly() {
    let outcome = Runs {
        tier: Tier::Nominal,
        app: App::Counter,
        rate: RefreshRate::HZ_60,
        seeds: 0..100,
    }
    .play();
    assert_eq!(outcome.wrong, [0; 0]);
    assert!(
        outcome.failed.len() <= 3,
        "failed seeds {:?}",
        outcome.failed
    );
    assert!(
        outcome.median_us() < 1_350_000,
        "median {} us",
        outcome.median_us()
    );
}

#[test]
fn ninety_five_of_a_hundred_phones_that_skip_pictures_are_read_in_three_loops() {
    let outcome = Runs {
        tier: Tier::Nominal,
        app: App::Clock,
        rate: RefreshRate::HZ_60,
        seeds: 100..200,
    }
    .play();
    assert_eq!(outcome.wrong, [0; 0]);
    assert!(
        outcome.failed.len() <= 5,
        "failed seeds {:?}",
        outcome.failed
    );
}

#[test]
fn fast_displays_are_read_with_longer_symbols() {
    for hz in [90, 120] {
        let rate = RefreshRate::new(hz).expect("a common rate");
        let outcome = Runs {
            tier: Tier::Nominal,
            app: App::Counter,
            rate,
            seeds: 200..240,
        }
        .play();
        assert_eq!(outcome.wrong, [0; 0], "{hz} Hz");
        assert!(
            outcome.failed.len() <= 2,
            "{hz} Hz: failed seeds {:?}",
            outcome.failed
        );
    }
}

#[test]
fn bad_phones_are_read_or_refused_but_never_read_wrongly() {
    let outcome = Runs {
        tier: Tier::Hard,
        app: App::Counter,
        rate: RefreshRate::HZ_60,
        seeds: 0..100,
    }
    .play();
    assert_eq!(outcome.wrong, [0; 0]);
    assert!(
        outcome.failed.len() <= 20,
        "failed seeds {:?}",
        outcome.failed
    );
}

#[test]
fn every_step_of_the_ladder_is_read_by_itself() {
    let sent = payload(5);
    for frames_per_symbol in [2, 3, 4] {
        let frames: Vec<_> = encode(&sent)
            .into_iter()
            .flat_map(|frame| std::iter::repeat_n(frame, frames_per_symbol))
            .collect();
        let length_us = 2 * frames.len() as u64 * ideal::FRAME_US;
        let samples = ideal::samples(&frames, 777_777, length_us, ideal::BRIGHT);
        let decoded = decode(samples).map(|decoded| decoded.payload);
        assert_eq!(decoded, Some(sent), "{frames_per_symbol} frames per symbol");
    }
}

#[test]
fn a_second_phone_is_read_after_the_first() {
    let (first, second) = (payload(10), payload(11));
    let mut decoder = Decoder::new();
    let mut read = Vec::new();
    let mut end_us = 0;
    for (sent, pause_us) in [(first, 0), (second, 40_000)] {
        let mut samples = ideal::samples(&encode(&sent), 500_000, 2_000_000, ideal::BRIGHT);
        for sample in &mut samples {
            sample.t_us += end_us + pause_us;
        }
        end_us = samples.last().map_or(0, |sample| sample.t_us);
        read.extend(
            samples
                .into_iter()
                .filter_map(|sample| decoder.push(sample)),
        );
    }
    let payloads: Vec<_> = read.iter().map(|decoded| decoded.payload).collect();
    assert_eq!(payloads, [first, second]);
}

#[test]
fn the_share_of_the_word_that_is_known_grows() {
    let mut decoder = Decoder::new();
    let mut percents = Vec::new();
    for sample in ideal::samples(&encode(&payload(3)), 0, 1_000_000, ideal::BRIGHT) {
        assert_eq!(decoder.push(sample), None);
        if let Progress::Locked { percent } = decoder.progress() {
            percents.push(percent);
        }
    }
    assert!(percents.is_sorted(), "{percents:?}");
    assert!(percents.last() >= Some(&60), "{percents:?}");
}
