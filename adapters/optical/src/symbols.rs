//! Bytes to colour changes: three changes, digits of base seven, carry one byte.

use crate::payload::CHECKED_BYTES;

/// Parity bytes of the Reed-Solomon code.
pub(crate) const PARITY_BYTES: usize = 8;
/// Bytes of a code word.
pub(crate) const WORD_BYTES: usize = CHECKED_BYTES + PARITY_BYTES;
/// Colour changes that carry one byte: 7^3 = 343 values.
pub(crate) const SYMBOLS_PER_BYTE: usize = 3;
/// Data symbols of one loop.
pub(crate) const DATA_SYMBOLS: usize = WORD_BYTES * SYMBOLS_PER_BYTE;

/// A code word as it is on air.
pub(crate) type Word = [u8; WORD_BYTES];

/// Returns the changes, each 1 to 7, highest digit of each byte first.
pub(crate) fn changes(word: &Word) -> impl Iterator<Item = u8> + '_ {
    word.iter()
        .flat_map(|byte| [byte / 49 + 1, byte / 7 % 7 + 1, byte % 7 + 1])
}

/// Returns the byte that three changes carry; none when one is 0 or their value is above 255.
pub(crate) fn byte(changes: [u8; SYMBOLS_PER_BYTE]) -> Option<u8> {
    let mut value = 0_u16;
    for change in changes {
        value = value * 7 + u16::from(change.checked_sub(1)?).min(6);
    }
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_its_three_changes() {
        let mut word = [0; WORD_BYTES];
        for value in 0..=255 {
            word[0] = value;
            let mut carried = changes(&word);
            let three = [(); 3].map(|()| carried.next().expect("three changes per byte"));
            assert!(three.iter().all(|change| (1..=7).contains(change)));
            assert_eq!(byte(three), Some(value));
        }
    }

    #[test]
    fn three_changes_that_carry_no_byte_are_told() {
        assert_eq!(byte([0, 1, 1]), None);
        assert_eq!(byte([7, 7, 7]), None);
        assert_eq!(byte([6, 2, 4]), Some(255));
        assert_eq!(byte([6, 2, 5]), None);
    }
}
