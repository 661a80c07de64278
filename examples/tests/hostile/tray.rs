//! A package on its way: what of it lies on a board's flash.

use crate::dice::Dice;
use gettone_channel::{Config, Manifest};
use gettone_relay::{Fetch, Keep};
use std::collections::BTreeMap;

/// What outlives a power cut of a package that is being fetched.
#[derive(Debug, Default)]
pub(crate) struct Tray {
    told: Option<Config>,
    manifest: Vec<u8>,
    chunks: BTreeMap<usize, Vec<u8>>,
    newest: Option<usize>,
}

impl Tray {
    pub(crate) fn begin(&mut self, told: Config) {
        *self = Self {
            told: Some(told),
            ..Self::default()
        };
    }

    pub(crate) fn keep(&mut self, part: Keep) {
        match part {
            Keep::Manifest(bytes) => self.manifest = bytes,
            Keep::Chunk { place, bytes } => {
                self.chunks.insert(place, bytes);
                self.newest = Some(place);
            }
        }
    }

    /// Power is cut: of the newest chunk some may be missing, or be what flash makes of it.
    pub(crate) fn cut(&mut self, dice: &mut Dice) {
        let newest = self.newest.take().filter(|_| dice.is_in(1, 3));
        let Some(chunk) = newest.and_then(|place| self.chunks.get_mut(&place)) else {
            return;
        };
        let at = dice.place(chunk.len());
        match dice.is_in(1, 2) {
            true => chunk.truncate(at),
            false => chunk[at..].fill(0xff),
        }
    }

    /// What a board goes on with.
    pub(crate) fn fetch(&self) -> Option<Fetch> {
        let chunk = |place| self.chunks.get(&place).cloned();
        Fetch::resumed(self.told?, &self.manifest, chunk)
    }

    /// All of it, where the manifest vouches for every chunk.
    pub(crate) fn read(&self, told: &Config) -> Option<Vec<u8>> {
        let manifest = Manifest::from_bytes(&self.manifest, told)?;
        let is_whole = self.chunks.len() == manifest.count()
            && self
                .chunks
                .iter()
                .all(|(place, chunk)| manifest.vouches_for(*place, chunk));
        is_whole.then(|| self.chunks.values().flatten().copied().collect())
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}
