//! The fields of a block, taken one after the other.

use crate::money::{Units, Width};
use crate::options::Layout;
use crate::reader::Country;

/// What is left of a block.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    layout: Layout,
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(rest: &'a [u8], layout: Layout) -> Self {
        Self { rest, layout }
    }

    pub(crate) const fn layout(&self) -> Layout {
        self.layout
    }

    /// So many bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.bytes().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    /// An amount, as wide as the layout has it.
    pub(crate) fn units(&mut self) -> Option<Units> {
        match self.layout.width() {
            Width::Narrow => self.number().map(Units::from_u16),
            Width::Wide => self.bytes().map(u32::from_be_bytes).map(Units::from_u32),
        }
    }

    pub(crate) fn country(&mut self) -> Option<Country> {
        self.number().map(Country::from_u16)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }
}
