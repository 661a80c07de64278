//! Link messages in values of the radio: u16 `last:1 | index:15`, then data (protocol section 4).

use crate::bounds::{
    ATT_HEADER, LINK_MESSAGE_MAX as MESSAGE_MAX, MTU_MAX, MTU_MIN, SEGMENT_HEADER, SEGMENTS_MAX,
    VALUE_MAX,
};

const LAST: u16 = 0x8000;

/// An MTU that both sides have agreed on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mtu(u16);

impl Mtu {
    /// Takes what a phone offers, down to what we use ourselves.
    ///
    /// # Errors
    /// `MtuTooSmall` under [`MTU_MIN`].
    pub fn new(offered: u16) -> Result<Self, SegmentFault> {
        if offered < MTU_MIN {
            return Err(SegmentFault::MtuTooSmall { offered });
        }
        Ok(Self(offered.min(MTU_MAX)))
    }

    /// The MTU.
    pub const fn bytes(self) -> u16 {
        self.0
    }

    /// The most that one value may hold.
    pub fn value_max(self) -> usize {
        usize::from(self.0.saturating_sub(ATT_HEADER)).min(VALUE_MAX)
    }
}

/// Cuts a message into values for `mtu`.
///
/// # Errors
/// `TooLong` above [`MESSAGE_MAX`], `Empty` for no message at all.
pub fn segments(message: &[u8], mtu: Mtu) -> Result<Vec<Vec<u8>>, SegmentFault> {
    if message.is_empty() {
        return Err(SegmentFault::Empty);
    }
    if message.len() > MESSAGE_MAX {
        return Err(SegmentFault::TooLong);
    }
    let chunks = message.chunks(mtu.value_max() - SEGMENT_HEADER);
    let count = chunks.len();
    let values = (0_u16..).zip(chunks).map(|(index, chunk)| {
        let is_last = usize::from(index) + 1 == count;
        let header = if is_last { index | LAST } else { index };
        let mut value = Vec::with_capacity(SEGMENT_HEADER + chunk.len());
        value.extend_from_slice(&header.to_be_bytes());
        value.extend_from_slice(chunk);
        value
    });
    Ok(values.collect())
}

/// Puts values together again.
#[derive(Clone, Default, Debug)]
pub struct Assembler {
    message: Vec<u8>,
    next: u16,
    last_value: Vec<u8>,
}

impl Assembler {
    /// An assembler for one direction of one link.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next value; gives the message that it completes.
    ///
    /// # Errors
    /// Any fault closes the link: nothing after it can be trusted to fit.
    pub fn push(&mut self, value: &[u8]) -> Result<Option<Vec<u8>>, SegmentFault> {
        if value.len() > VALUE_MAX {
            return Err(SegmentFault::TooLong);
        }
        let [high, low, data @ ..] = value else {
            return Err(SegmentFault::Empty);
        };
        // A radio may deliver one value twice; messages are sealed, so no two are ever alike.
        if value == self.last_value.as_slice() {
            return Ok(None);
        }
        if data.is_empty() {
            return Err(SegmentFault::Empty);
        }
        let header = u16::from_be_bytes([*high, *low]);
        let index = header & !LAST;
        if index != self.next || usize::from(index) >= SEGMENTS_MAX {
            return Err(SegmentFault::Gap {
                expected: self.next,
                found: index,
            });
        }
        if self.message.len() + data.len() > MESSAGE_MAX {
            return Err(SegmentFault::TooLong);
        }
        self.message.extend_from_slice(data);
        self.last_value.clear();
        self.last_value.extend_from_slice(value);
        if header & LAST == 0 {
            self.next = index.saturating_add(1);
            return Ok(None);
        }
        self.next = 0;
        Ok(Some(core::mem::take(&mut self.message)))
    }
}

/// Why a value or a message cannot go over the link.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SegmentFault {
    /// The phone offers too small an MTU.
    #[error("an MTU of {offered} is under {MTU_MIN}")]
    MtuTooSmall {
        /// What it offers.
        offered: u16,
    },
    /// A message or a segment without data.
    #[error("a segment carries nothing")]
    Empty,
    /// A value or a message is longer than it may be.
    #[error("a message is longer than {MESSAGE_MAX} bytes, or a value longer than {VALUE_MAX}")]
    TooLong,
    /// A segment is missing.
    #[error("segment {found} came instead of {expected}")]
    Gap {
        /// The index that had to come.
        expected: u16,
        /// The index that came.
        found: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_message_comes_out_as_it_went_in(
            message in proptest::collection::vec(any::<u8>(), 1..=MESSAGE_MAX),
            offered in MTU_MIN..=u16::MAX,
        ) {
            let mtu = Mtu::new(offered).expect("in range");
            let values = segments(&message, mtu).expect("in range");
            prop_assert!(values.len() <= SEGMENTS_MAX);
            let mut assembler = Assembler::new();
            let (last, first) = values.split_last().expect("at least one");
            for value in first {
                prop_assert!(value.len() <= mtu.value_max());
                prop_assert_eq!(assembler.push(value), Ok(None));
            }
            prop_assert_eq!(assembler.push(last), Ok(Some(message)));
        }

        #[test]
        fn no_values_of_a_stranger_break_the_assembler_or_its_bound(
            values in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..=600), 0..100),
            tame in any::<bool>(),
        ) {
            let mut assembler = Assembler::new();
            for (index, mut value) in (0_u16..).zip(values) {
                if tame && value.len() > 2 {
                    value[..2].copy_from_slice(&index.to_be_bytes());
                }
                if let Ok(Some(message)) = assembler.push(&value) {
                    prop_assert!(message.len() <= MESSAGE_MAX);
                }
                prop_assert!(assembler.message.len() <= MESSAGE_MAX);
            }
        }
    }

    #[test]
    fn a_value_that_comes_twice_counts_once() {
        let mtu = Mtu::new(64).expect("allowed");
        let message: Vec<u8> = (0..200).collect();
        let mut assembler = Assembler::new();
        let mut whole = None;
        for value in segments(&message, mtu).expect("short") {
            whole = whole.or(assembler.push(&value).expect("in order"));
            assert_eq!(assembler.push(&value), Ok(None));
        }
        assert_eq!(whole, Some(message));
    }

    #[test]
    fn a_missing_value_is_noticed() {
        let mtu = Mtu::new(64).expect("allowed");
        let values = segments(&[1; 200], mtu).expect("short");
        let mut assembler = Assembler::new();
        assert_eq!(assembler.push(&values[0]), Ok(None));
        assert_eq!(
            assembler.push(&values[2]),
            Err(SegmentFault::Gap {
                expected: 1,
                found: 2
            })
        );
    }

    #[test]
    fn a_longest_message_takes_seventy_values_at_the_smallest_mtu() {
        let mtu = Mtu::new(MTU_MIN).expect("allowed");
        assert_eq!(
            segments(&[1; MESSAGE_MAX], mtu).expect("allowed").len(),
            SEGMENTS_MAX
        );
        assert_eq!(
            segments(&[1; MESSAGE_MAX + 1], mtu),
            Err(SegmentFault::TooLong)
        );
        assert_eq!(
            Mtu::new(MTU_MIN - 1),
            Err(SegmentFault::MtuTooSmall { offered: 63 })
        );
    }
}
