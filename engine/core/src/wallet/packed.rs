//! A queue of small things, each in as few bytes as it takes: every wallet keeps some for every sale
//! it ever paid, and all of them go into every snapshot.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use rkyv::{Archive, Deserialize, Serialize};

/// What can be packed, and comes out as it went in.
pub(crate) trait Pack: Sized {
    /// Appends it to `out`.
    fn pack(&self, out: &mut Vec<u8>);

    /// Takes one from the front of `bytes`; none when they are no such thing.
    fn unpack(bytes: &mut Unpacking<'_>) -> Option<Self>;
}

/// Appends a number: seven bits a byte, the lowest first (LEB128).
pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    let mut rest = number;
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// Appends a number that may be negative: small ones of either sign are short.
pub(crate) fn put_signed(number: i64, out: &mut Vec<u8>) {
    put((number << 1 ^ number >> 63).cast_unsigned(), out);
}

/// Bytes that are being read from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpacking<'a>(pub(crate) &'a [u8]);

impl Unpacking<'_> {
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.take()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let folded = self.number()?;
        Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

/// Packed things in their order.
#[derive(Archive, Serialize, Deserialize, Clone)]
pub(super) struct Packed<T> {
    bytes: Vec<u8>,
    /// What stands before it was taken out.
    begin: u32,
    len: u32,
    of: PhantomData<T>,
}

impl<T> Default for Packed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        // Equal things have equal bytes.
        (self.len, self.kept()) == (other.len, other.kept())
    }
}

impl<T> Eq for Packed<T> {}

impl<T: Pack + fmt::Debug> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> Packed<T> {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            begin: 0,
            len: 0,
            of: PhantomData,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    fn kept(&self) -> &[u8] {
        self.bytes.get(self.begin as usize..).unwrap_or_default()
    }

    /// Reads a little of where the next one will go.
    pub(super) fn look(&self) -> usize {
        self.bytes.last().map_or(0, |byte| usize::from(*byte))
    }
}

impl<T: Pack> Packed<T> {
    /// Adds one behind the others; gives how many bytes it takes.
    pub(super) fn push(&mut self, thing: &T) -> usize {
        let before = self.bytes.len();
        let room = self.bytes.capacity() - before;
        if room < ROOM_LEAST {
            // A quarter more: there are very many of these queues.
            self.bytes.reserve_exact(ROOM_LEAST.max(before / 4));
        }
        thing.pack(&mut self.bytes);
        self.len += 1;
        self.bytes.len() - before
    }

    /// The bytes from the first one on.
    pub(super) fn first(&self) -> Unpacking<'_> {
        Unpacking(self.kept())
    }

    /// Takes the first one out.
    pub(super) fn pop(&mut self) -> Option<T> {
        let mut rest = self.first();
        let before = rest.0.len();
        let first = T::unpack(&mut rest)?;
        let len = before - rest.0.len();
        self.drop_first(len);
        Some(first)
    }

    /// Takes the first one out, which takes so many bytes.
    pub(super) fn drop_first(&mut self, len: usize) {
        let begin = (self.begin as usize + len).min(self.bytes.len());
        if begin > self.bytes.len() / 4 {
            self.bytes.drain(..begin);
            self.begin = 0;
        } else {
            // A quarter of what one vector can hold in a wallet is far less than this.
            self.begin = u32::try_from(begin).unwrap_or(u32::MAX);
        }
        self.len = self.len.saturating_sub(1);
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        let mut rest = Unpacking(self.kept());
        (0..self.len).map_while(move |_| T::unpack(&mut rest))
    }

    /// The one that lies so many bytes before the end, and takes so many.
    pub(super) fn behind(&self, place: Place) -> Option<T> {
        let bytes = self.bytes.get(self.range(place)?)?;
        T::unpack(&mut Unpacking(bytes))
    }

    /// Puts another in its place; gives how many bytes that one takes.
    pub(super) fn replace(&mut self, place: Place, thing: &T) -> Option<usize> {
        let range = self.range(place)?;
        let mut packed = Vec::new();
        thing.pack(&mut packed);
        let len = packed.len();
        self.bytes.splice(range, packed);
        Some(len)
    }

    fn range(&self, place: Place) -> Option<Range<usize>> {
        let end = self.bytes.len().checked_sub(place.before_end)?;
        Some(end.checked_sub(place.len)?..end)
    }

    /// Whether all of it can be read.
    pub(super) fn is_whole(&self) -> bool {
        let mut rest = Unpacking(self.kept());
        self.begin as usize <= self.bytes.len()
            && (0..self.len).all(|_| T::unpack(&mut rest).is_some())
            && rest.0.is_empty()
    }
}

/// Where one of them lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Bytes between its end and that of the last one.
    pub(super) before_end: usize,
    /// Bytes of it.
    pub(super) len: usize,
}

/// Room that is made at least: a plain sale, or what is known of a plain hold, needs less.
const ROOM_LEAST: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    impl Pack for i64 {
        fn pack(&self, out: &mut Vec<u8>) {
            put_signed(*self, out);
        }

        fn unpack(bytes: &mut Unpacking<'_>) -> Option<Self> {
            bytes.signed()
        }
    }

    #[test]
    fn a_number_comes_out_as_it_went_in_and_small_ones_are_short() {
        for (number, len) in [
            (0, 1),
            (-1, 1),
            (63, 1),
            (-64, 1),
            (64, 2),
            (1_200, 2),
            (i64::MAX, 10),
            (i64::MIN, 10),
        ] {
            let mut bytes = Vec::new();
            put_signed(number, &mut bytes);
            assert_eq!(bytes.len(), len, "{number}");
            let mut rest = Unpacking(&bytes);
            assert_eq!(rest.signed(), Some(number));
            assert!(rest.0.is_empty());
            for short in 0..bytes.len() {
                let cut = bytes.get(..short).unwrap_or_default();
                assert_eq!(Unpacking(cut).signed(), None, "{number} cut short");
            }
        }
        assert_eq!(Unpacking(&[0xff; 10]).number(), None, "more than 64 bits");
        assert_eq!(Unpacking(&[0x80; 11]).number(), None, "without an end");
    }

    #[test]
    fn what_is_taken_from_the_front_leaves_the_rest_as_it_was() {
        let mut packed = Packed::new();
        let mut known = std::collections::VecDeque::new();
        for number in 0..10_000_i64 {
            let number = number * number * (1 - 2 * (number & 1));
            packed.push(&number);
            known.push_back(number);
            if known.len() > 64 {
                assert_eq!(packed.pop(), known.pop_front());
            }
            assert_eq!(packed.first().signed(), known.front().copied());
            assert!(packed.is_whole());
        }
        assert!(packed.iter().eq(known.iter().copied()));
        let mut again = Packed::new();
        for number in &known {
            again.push(number);
        }
        assert_eq!(packed, again, "however they came");
        again.pop();
        assert_ne!(packed, again);
    }

    #[test]
    fn one_in_the_middle_can_be_read_and_changed() {
        let mut packed = Packed::new();
        let lens: Vec<usize> = [5, 700, -3]
            .iter()
            .map(|number| packed.push(number))
            .collect();
        let place = Place {
            before_end: lens[2],
            len: lens[1],
        };
        assert_eq!(packed.behind(place), Some(700));
        assert_eq!(packed.replace(place, &1_000_000), Some(3));
        assert!(packed.iter().eq([5, 1_000_000, -3]));
        let nowhere = Place {
            before_end: 100,
            len: 1,
        };
        assert_eq!(packed.behind(nowhere), None);
        assert_eq!(packed.replace(nowhere, &1), None);
    }

    #[test]
    fn bytes_that_are_nothing_are_told() {
        let mut packed = Packed::<i64>::new();
        packed.push(&5);
        for broken in [
            Packed {
                len: 2,
                ..packed.clone()
            },
            Packed {
                len: 0,
                ..packed.clone()
            },
            Packed {
                begin: 2,
                ..packed.clone()
            },
            Packed {
                bytes: vec![0x80],
                ..packed.clone()
            },
        ] {
            assert!(!broken.is_whole());
            assert!(broken.iter().count() <= 1);
        }
        assert!(packed.is_whole());
    }
}
