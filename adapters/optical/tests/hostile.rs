//! Nothing that comes from outside breaks the decoder: files of samples, and streams of them, cut, flipped and made up.

use gettone_optical::csv::{Samples, read_frames, write_frames, write_samples};
use gettone_optical::sim::{Channel, Random, Tier};
use gettone_optical::{Decoder, Kind, Payload, RefreshRate, Rgb, Sample, Trial, encode, ladder_at};

fn sent() -> Payload {
    Payload::new(Kind::Pairing, *b"ten bytes!")
}

/// What the files are made from: a real one, its head alone, and rows at the ends of every range.
fn corpus() -> Vec<Vec<u8>> {
    let rows: Vec<Sample> = Channel::new(1, Tier::Hard, RefreshRate::HZ_60)
        .play(&encode(&sent()))
        .take(600)
        .collect();
    let ends = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX].map(|t_us| Sample {
        t_us,
        r: u16::MAX,
        g: 0,
        b: u16::MAX,
        c: u16::MAX,
    });
    let mut files = vec![b"t_us,r,g,b,c\n".to_vec(), Vec::new()];
    for rows in [rows.clone(), ends.to_vec()] {
        let mut file = Vec::new();
        write_samples(&mut file, rows).expect("memory takes it");
        files.push(file);
    }
    let mut frames = Vec::new();
    write_frames(&mut frames, &ladder_at(&sent(), RefreshRate::HZ_60)).expect("memory takes it");
    files.push(frames);
    files
}

fn mutated(random: &mut Random, files: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = files[random.below(files.len())].clone();
    for _ in 0..1 + random.below(12) {
        let place = random.below(bytes.len());
        match random.below(6) {
            _ if bytes.is_empty() => bytes.push(random.bits() as u8),
            0 => bytes[place] ^= 1 << random.below(8),
            1 => bytes[place] = b"0123456789,\n\r-+ ."[random.below(17)],
            2 => bytes.insert(place, random.bits() as u8),
            3 => drop(bytes.remove(place)),
            4 => bytes.truncate(place),
            _ => {
                // A piece of another file, in the middle of a line.
                let other = &files[random.below(files.len())];
                let from = random.below(other.len());
                let to = (from + random.below(40)).min(other.len());
                bytes.splice(place..place, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

/// Seeds 0 to 999.
#[test]
fn no_file_breaks_the_decoder_and_only_the_payload_in_it_is_read() {
    let files = corpus();
    let (mut whole, mut faults) = (0, 0);
    for seed in 0..1_000 {
        let mut random = Random::new(seed);
        let bytes = mutated(&mut random, &files);
        let _ = read_frames(bytes.as_slice());
        let Ok(samples) = Samples::new(bytes.as_slice()) else {
            faults += 1;
            continue;
        };
        let mut decoder = Decoder::new();
        for sample in samples {
            let Ok(sample) = sample else {
                faults += 1;
                break;
            };
            if let Some(decoded) = decoder.push(sample) {
                assert_eq!(decoded.payload, sent(), "seed {seed}");
                whole += 1;
            }
        }
    }
    // Both happen, or the files were too good or too bad to prove anything.
    assert!(
        whole >= 10 && faults >= 100,
        "{whole} whole, {faults} faults"
    );
}

/// Seeds 0 to 29: rows of a real code that are lost, repeated, swapped, clipped, flipped, and whose clock jumps.
#[test]
fn no_stream_breaks_the_decoder_and_only_the_payload_in_it_is_read() {
    let mut whole = 0;
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let share = random.within((0.0, 0.05));
        let mut rows: Vec<Sample> = Channel::new(seed, Tier::Hard, RefreshRate::HZ_60)
            .play(&encode(&sent()))
            .take(2_000)
            .collect();
        for place in 0..rows.len() {
            if !random.chance(share) {
                continue;
            }
            let other = random.below(rows.len());
            let row = &mut rows[place];
            match random.below(7) {
                0 => row.t_us = random.bits(),
                1 => row.t_us = row.t_us.saturating_add(random.bits() >> 40),
                2 => row.r = u16::MAX,
                3 => row.g ^= 1 << random.below(16),
                4 => row.b = 0,
                5 => [row.r, row.g, row.b] = [0; 3],
                _ => rows.swap(place, other),
            }
        }
        let (mut decoder, mut trial) = (Decoder::new(), Trial::new());
        for row in rows {
            if let Some(decoded) = decoder.push(row) {
                assert_eq!(decoded.payload, sent(), "seed {seed}");
                whole += 1;
            }
            trial.handle(row.t_us, &decoder);
        }
    }
    assert!(whole >= 5, "{whole}");
}

#[test]
fn an_empty_list_of_frames_is_a_black_screen() {
    let black = [Rgb { r: 0, g: 0, b: 0 }];
    let first = |frames: &[Rgb]| {
        Channel::new(3, Tier::Nominal, RefreshRate::HZ_60)
            .play(frames)
            .take(50)
            .collect::<Vec<Sample>>()
    };
    assert_eq!(first(&[]), first(&black));
}
