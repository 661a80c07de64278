//! Code words: Reed-Solomon (24,16) over GF(256), errors and erasures.

use fec::reed_solomon::{Decoder, Encoder, PRIMITIVE_POLYNOMIAL_8_4_3_2_0};

use crate::payload::CHECKED_BYTES;
use crate::symbols::{PARITY_BYTES, WORD_BYTES, Word};

/// Bytes of a word whose value is unknown, one bit per place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Erased(u32);

impl Erased {
    pub(crate) fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    pub(crate) const fn contains(self, place: usize) -> bool {
        self.0 >> place & 1 != 0
    }

    pub(crate) const fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

/// The encoder and the decoder with their tables.
pub(crate) struct Words {
    encoder: Encoder,
    decoder: Decoder,
}

impl Words {
    /// Builds the tables; encoding and repairing allocate nothing afterwards.
    pub(crate) fn new() -> Self {
        let (first_root, gap) = (0, 1);
        Self {
            encoder: Encoder::new(
                PRIMITIVE_POLYNOMIAL_8_4_3_2_0,
                first_root,
                gap,
                PARITY_BYTES,
            ),
            decoder: Decoder::new(
                PRIMITIVE_POLYNOMIAL_8_4_3_2_0,
                first_root,
                gap,
                PARITY_BYTES,
            ),
        }
    }

    /// Returns the bytes followed by their parity.
    pub(crate) fn encode(&mut self, bytes: &[u8; CHECKED_BYTES]) -> Word {
        let mut word = [0; WORD_BYTES];
        self.encoder
            .encode(bytes, &mut word)
            .expect("24 bytes hold 16 and their parity");
        word
    }

    /// Returns the bytes of the one code word within reach, if the repair spends at most `spent_max` parity bytes.
    ///
    /// An erasure costs one parity byte, an error two. What is left unspent keeps its power to refuse a false word.
    pub(crate) fn repair(
        &mut self,
        word: &Word,
        erased: Erased,
        spent_max: usize,
    ) -> Option<[u8; CHECKED_BYTES]> {
        let erasures = erased.count();
        if erasures > spent_max.min(PARITY_BYTES) {
            return None;
        }
        let mut places = [0; PARITY_BYTES];
        let mut known = 0;
        for place in (0..WORD_BYTES).filter(|place| erased.contains(*place)) {
            places[known] = u8::try_from(place).expect("a word has 24 places");
            known += 1;
        }
        let mut bytes = [0; CHECKED_BYTES];
        self.decoder
            .decode_with_erasures(word, &places[..known], &mut bytes)
            .ok()?;
        // The library may return a word it did not reach; only a code word near enough to what was seen counts.
        let repaired = self.encode(&bytes);
        let errors = (0..WORD_BYTES)
            .filter(|place| !erased.contains(*place) && repaired[*place] != word[*place])
            .count();
        (erasures + 2 * errors <= spent_max.min(PARITY_BYTES)).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    struct Drawn {
        bytes: [u8; CHECKED_BYTES],
        seen: Word,
        erased: Erased,
    }

    /// Draws a word of which some bytes are erased and some are wrong.
    fn draw(words: &mut Words, random: &mut Random, erasures: usize, errors: usize) -> Drawn {
        let bytes = [(); CHECKED_BYTES].map(|()| random.bits() as u8);
        let mut seen = words.encode(&bytes);
        let mut places: Vec<usize> = (0..WORD_BYTES).collect();
        for place in (1..WORD_BYTES).rev() {
            places.swap(place, random.below(place + 1));
        }
        let mut erased = Erased::default();
        for place in &places[..erasures] {
            erased.insert(*place);
            seen[*place] = random.bits() as u8;
        }
        for place in &places[erasures..erasures + errors] {
            seen[*place] ^= 1 + random.below(255) as u8;
        }
        Drawn {
            bytes,
            seen,
            erased,
        }
    }

    #[test]
    fn every_mix_of_errors_and_erasures_within_reach_is_repaired() {
        let mut words = Words::new();
        for seed in 0..2_000 {
            let mut random = Random::new(seed);
            for erasures in 0..=PARITY_BYTES {
                let errors = random.below((PARITY_BYTES - erasures) / 2 + 1);
                let drawn = draw(&mut words, &mut random, erasures, errors);
                let repaired = words.repair(&drawn.seen, drawn.erased, erasures + 2 * errors);
                assert_eq!(
                    repaired,
                    Some(drawn.bytes),
                    "seed {seed}: {erasures} + {errors}"
                );
            }
        }
    }

    #[test]
    fn a_repair_spends_no_more_than_it_may() {
        let mut words = Words::new();
        for seed in 0..2_000 {
            let mut random = Random::new(seed);
            let drawn = draw(&mut words, &mut random, 2, 2);
            assert_eq!(
                words.repair(&drawn.seen, drawn.erased, 5),
                None,
                "seed {seed}"
            );
            assert_eq!(
                words.repair(&drawn.seen, drawn.erased, 6),
                Some(drawn.bytes),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn parity_left_unspent_refuses_words_of_chance() {
        let mut words = Words::new();
        let mut taken = [0; 2];
        for seed in 0..20_000 {
            let mut random = Random::new(seed);
            let seen = [(); WORD_BYTES].map(|()| random.bits() as u8);
            let mut erased = Erased::default();
            while erased.count() < 4 {
                erased.insert(random.below(WORD_BYTES));
            }
            for (spent_max, taken) in [4, PARITY_BYTES].into_iter().zip(&mut taken) {
                *taken += usize::from(words.repair(&seen, erased, spent_max).is_some());
            }
        }
        assert_eq!(taken[0], 0);
        // The control: with all parity spent, chance alone makes words.
        assert!(taken[1] > 0, "{taken:?}");
    }

    #[test]
    fn no_word_makes_the_decoder_fail_otherwise_than_by_saying_so() {
        let mut words = Words::new();
        for seed in 0..20_000 {
            let mut random = Random::new(seed);
            let erasures = random.below(WORD_BYTES + 1);
            let errors = random.below(WORD_BYTES + 1 - erasures);
            let drawn = draw(&mut words, &mut random, erasures, errors);
            let spent_max = random.below(30);
            if let Some(bytes) = words.repair(&drawn.seen, drawn.erased, spent_max) {
                let word = words.encode(&bytes);
                let wrong = (0..WORD_BYTES)
                    .filter(|place| {
                        !drawn.erased.contains(*place) && word[*place] != drawn.seen[*place]
                    })
                    .count();
                let spent = drawn.erased.count() + 2 * wrong;
                assert!(
                    spent <= spent_max.min(PARITY_BYTES),
                    "seed {seed}: spent {spent}"
                );
            }
        }
    }
}
