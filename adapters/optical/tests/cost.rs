//! What the decoder takes: a bounded state, and nothing from the heap once it runs.

use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{Decoder, Kind, Payload, RefreshRate, Sample, encode};

/// Most bytes of one decoder, on the heap and beside it.
const STATE_MAX: u64 = 64 * 1_024;

fn samples() -> Vec<Sample> {
    let frames = encode(&Payload::new(Kind::Pairing, *b"ten bytes!"));
    [Tier::Nominal, Tier::Hard]
        .into_iter()
        .flat_map(|tier| {
            Channel::new(5, tier, RefreshRate::HZ_60)
                .play(&frames)
                .take(3_000)
        })
        .collect()
}

#[test]
fn a_decoder_takes_less_than_64_kib() {
    let taken = allocation_counter::measure(|| drop(core::hint::black_box(Decoder::new())));
    let beside = size_of::<Decoder>() as u64;
    let state = taken.bytes_max + beside;
    println!("state: {state} bytes, {beside} of them beside the heap");
    assert!(state < STATE_MAX, "{state} bytes");
}

#[test]
fn no_sample_takes_anything_from_the_heap() {
    let samples = samples();
    let mut decoder = Decoder::new();
    let mut decoded = 0;
    let taken = allocation_counter::measure(|| {
        for sample in &samples {
            decoded += u32::from(decoder.push(*sample).is_some());
            core::hint::black_box(decoder.progress());
        }
    });
    assert!(
        decoded >= 4,
        "only {decoded} payloads: the walk saw too little"
    );
    assert_eq!(taken.count_total, 0);
    // The control: the counter counts.
    let control = allocation_counter::measure(|| drop(core::hint::black_box(vec![0_u8; 16])));
    assert_eq!(control.count_total, 1);
}
