//! Blocks of bytes with their checksum, and the frames of words they become.

use core::fmt;
use core::ops::Deref;

use crate::bounds::BLOCK_MAX;
use crate::money::{Units, Width};
use crate::word::{Mode, Word};

/// Adds bytes and drops the carry; the mode bit does not count. [MDB 2.2]
#[must_use]
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// The bytes of one block, without their checksum.
#[derive(Clone, Copy)]
pub struct Block {
    bytes: [u8; BLOCK_MAX - 1],
    len: usize,
}

impl Block {
    /// A block of nothing.
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; BLOCK_MAX - 1],
        len: 0,
    };

    /// These bytes, unless they are more than a block holds.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut block = Self::EMPTY;
        bytes.iter().try_for_each(|byte| block.push(*byte))?;
        Some(block)
    }

    /// Appends bytes that the caller knows to fit.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte)
                .expect("every printed message is shorter than a block");
        }
    }

    /// Appends an amount.
    pub(crate) fn put_units(&mut self, units: Units, width: Width) {
        match width {
            Width::Narrow => self.put(&units.narrow()),
            Width::Wide => self.put(&units.wide()),
        }
    }

    /// Appends a byte unless the block is full.
    pub(crate) fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.len)? = byte;
        self.len = self.len.checked_add(1)?;
        Some(())
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X?}", &**self)
    }
}

/// Words that leave together, without a gap: a whole block, or a lone ACK, NAK or RET.
#[derive(Clone, Copy)]
pub struct Frame {
    words: [Word; BLOCK_MAX],
    len: usize,
}

impl Frame {
    /// Room for words still to come.
    pub(crate) const EMPTY: Self = Self {
        words: [Word::new(Mode::Data, 0); BLOCK_MAX],
        len: 0,
    };

    /// A block of the controller: the mode bit on its first word, the checksum last.
    #[must_use]
    pub fn from_controller(block: &Block) -> Self {
        Self::marked(block, 0)
    }

    /// A block of a peripheral: the mode bit on its checksum.
    #[must_use]
    pub fn from_peripheral(block: &Block) -> Self {
        Self::marked(block, block.len())
    }

    /// A single word.
    #[must_use]
    pub fn lone(word: Word) -> Self {
        let mut frame = Self::EMPTY;
        frame.put(word);
        frame
    }

    /// These words, unless they are more than a block holds.
    #[must_use]
    pub fn of(words: &[Word]) -> Option<Self> {
        let mut frame = Self::EMPTY;
        words.iter().try_for_each(|word| frame.push(*word))?;
        Some(frame)
    }

    /// Appends a word unless the frame is full.
    pub(crate) fn push(&mut self, word: Word) -> Option<()> {
        *self.words.get_mut(self.len)? = word;
        self.len = self.len.checked_add(1)?;
        Some(())
    }

    fn marked(block: &Block, marked: usize) -> Self {
        let mut frame = Self::EMPTY;
        let sum = checksum(block);
        for (at, byte) in block.iter().chain([&sum]).enumerate() {
            let mode = if at == marked {
                Mode::Address
            } else {
                Mode::Data
            };
            frame.put(Word::new(mode, *byte));
        }
        frame
    }

    fn put(&mut self, word: Word) {
        self.push(word)
            .expect("a block and its checksum fill a frame at most");
    }
}

impl Deref for Frame {
    type Target = [Word];

    fn deref(&self) -> &[Word] {
        self.words.get(..self.len).unwrap_or_default()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Frame {}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.iter().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            write!(f, "{gap}{word}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
