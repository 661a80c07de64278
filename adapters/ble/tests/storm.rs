//! Values lost, repeated, swapped, cut and flipped on their way: what comes out was sent, or is
//! nothing. Every run is named by its seed.

use gettone_ble::{Assembler, MESSAGE_MAX, Mtu, SegmentFault, segments};

/// SplitMix64: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("small");
        usize::try_from(self.bits() % end).expect("below a usize")
    }

    fn message(&mut self) -> Vec<u8> {
        let len = 1 + self.below(MESSAGE_MAX);
        // Sealed messages are never alike; neither are these.
        (0..len).map(|_| self.bits().to_le_bytes()[0]).collect()
    }
}

/// What may happen to a list of values once, without any byte of them changing.
///
/// Twice is too much for segments: two losses may join two messages. The seal finds that out.
fn disturb(dice: &mut Dice, values: &mut Vec<Vec<u8>>) {
    let place = dice.below(values.len());
    match dice.below(3) {
        0 => {
            values.remove(place);
        }
        1 => values.insert(place, values[place].clone()),
        _ => {
            let next = (place + 1).min(values.len() - 1);
            values.swap(place, next);
        }
    }
}

#[test]
fn no_loss_repetition_or_swap_makes_a_message_that_was_not_sent() {
    let (mut whole, mut refused) = (0, 0);
    for seed in 1..=2_000 {
        let mut dice = Dice(seed);
        let mtu = Mtu::new(64 + u16::try_from(dice.below(454)).expect("small")).expect("allowed");
        let sent: Vec<Vec<u8>> = (0..3).map(|_| dice.message()).collect();
        let mut values: Vec<Vec<u8>> = sent
            .iter()
            .flat_map(|message| segments(message, mtu).expect("short"))
            .collect();
        disturb(&mut dice, &mut values);
        let mut assembler = Assembler::new();
        for value in &values {
            match assembler.push(value) {
                Ok(Some(message)) => {
                    whole += 1;
                    assert!(sent.contains(&message), "seed {seed}");
                }
                Ok(None) => {}
                // The link is closed here.
                Err(SegmentFault::Gap { .. }) => {
                    refused += 1;
                    break;
                }
                Err(fault) => panic!("seed {seed}: {fault}"),
            }
        }
    }
    assert!(
        whole > 2_000 && refused > 500,
        "{whole} whole, {refused} refused"
    );
}

#[test]
fn no_flipped_cut_or_invented_value_breaks_the_assembler_or_its_bound() {
    for seed in 1..=2_000 {
        let mut dice = Dice(seed);
        let mtu = Mtu::new(64 + u16::try_from(dice.below(454)).expect("small")).expect("allowed");
        let mut assembler = Assembler::new();
        for _ in 0..4 {
            for mut value in segments(&dice.message(), mtu).expect("short") {
                let place = dice.below(value.len());
                match dice.below(12) {
                    0 => value[place] ^= 1 << dice.below(8),
                    1 => value.truncate(place),
                    2 => value = vec![value[0]; dice.below(700)],
                    _ => {}
                }
                if let Ok(Some(message)) = assembler.push(&value) {
                    assert!(
                        !message.is_empty() && message.len() <= MESSAGE_MAX,
                        "seed {seed}"
                    );
                }
            }
        }
    }
}
