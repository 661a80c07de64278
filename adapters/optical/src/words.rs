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
