//! What lies beside a board's journal: its keys, the server's, and the package that it fetches.

use crate::dice::Dice;
use crate::programs::Programs;
use crate::release::configuration;
use crate::street::Guards;
use crate::tray::Tray;
use gettone_channel::{PIECE_LEN_MAX, PackageKind, Part, Piece, StaticKey, TokenKey};
use gettone_relay::{CareOrder, CareStart, Input, KeyRing, Servers};
use std::collections::{BTreeMap, VecDeque};

/// What is being written, and not synced yet.
#[derive(Debug)]
enum Writing {
    Ring(KeyRing),
    Servers(Servers),
}

/// What outlives a power cut.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) ring: KeyRing,
    pub(crate) servers: Servers,
    /// The number of the configuration in place, and what it says.
    pub(crate) configuration: u32,
    pub(crate) content: Vec<u8>,
    /// Whether an older one ever took the place of a newer one.
    pub(crate) went_down: bool,
    pub(crate) programs: Programs,
    tray: Tray,
    /// Pieces as they came, where nobody looks at them.
    unseen: BTreeMap<u32, Vec<u8>>,
    writing: VecDeque<Writing>,
}

impl Shelf {
    pub(crate) fn new(ring: KeyRing, servers: Servers, guards: Guards) -> Self {
        Self {
            ring,
            servers,
            configuration: 0,
            content: Vec::new(),
            went_down: false,
            programs: Programs::new(guards),
            tray: Tray::default(),
            unseen: BTreeMap::new(),
            writing: VecDeque::new(),
        }
    }

    pub(crate) fn write_ring(&mut self, ring: KeyRing) {
        self.writing.push_back(Writing::Ring(ring));
    }

    pub(crate) fn write_servers(&mut self, servers: Servers) {
        self.writing.push_back(Writing::Servers(servers));
    }

    /// What was written is synced, or could not be; gives what the board is told.
    pub(crate) fn sync(&mut self, dice: &mut Dice) -> Option<Input> {
        let writing = self.writing.pop_front()?;
        let is_lost = dice.is_in(1, 8);
        Some(match (writing, is_lost) {
            (Writing::Ring(_), true) => Input::KeysLost,
            (Writing::Servers(_), true) => Input::ServersLost,
            (Writing::Ring(ring), false) => {
                self.ring = ring;
                Input::KeysKept
            }
            (Writing::Servers(servers), false) => {
                self.servers = servers;
                Input::ServersKept
            }
        })
    }

    /// Power is cut: of what was being written, any beginning is there. Some starts begin a change
    /// of the reader's own keys.
    pub(crate) fn cut(&mut self, dice: &mut Dice) {
        self.tray.cut(dice);
        self.programs.cut(dice);
        for writing in core::mem::take(&mut self.writing) {
            match (writing, dice.is_in(1, 2)) {
                (Writing::Ring(ring), true) => self.ring = ring,
                (Writing::Servers(servers), true) => self.servers = servers,
                (_, false) => break,
            }
        }
        if dice.is_in(1, 2) {
            let token = TokenKey::from_bytes(dice.bytes());
            let begun = self
                .ring
                .begun(StaticKey::from_bytes(dice.bytes()), Some(token));
            self.ring = begun.unwrap_or_else(|| self.ring.clone());
        }
    }

    /// What a board knows of its packages when it starts.
    pub(crate) fn start(&self) -> CareStart {
        CareStart {
            configuration: self.configuration,
            floor: 0,
            fetch: self.tray.fetch(),
            firmware: Some(self.programs.start()),
        }
    }

    /// What a board keeps that looks at nothing.
    pub(crate) fn keep_unseen(&mut self, piece: &Piece) {
        let is_text = configuration(piece.version).is_some();
        if is_text && piece.part == Part::Content {
            self.unseen.insert(piece.index, piece.bytes.clone());
        }
    }

    /// Does what the board wants to be done with a package.
    pub(crate) fn care(&mut self, order: CareOrder) -> Option<Input> {
        if order.kind() == PackageKind::Firmware {
            self.programs.care(order);
            return None;
        }
        match order {
            CareOrder::Begin(told) => self.tray.begin(told),
            CareOrder::Keep(_, part) => self.tray.keep(part),
            CareOrder::Install(told) => {
                let Some(content) = self.tray.read(&told) else {
                    return Some(Input::NotInstalled(told.kind()));
                };
                self.went_down |= told.number() <= self.configuration;
                self.configuration = told.number();
                self.content = content;
                for (index, bytes) in core::mem::take(&mut self.unseen) {
                    let at = usize::try_from(index).expect("few") * PIECE_LEN_MAX;
                    let place = self.content.get_mut(at..at + bytes.len());
                    place
                        .into_iter()
                        .for_each(|kept| kept.copy_from_slice(&bytes));
                }
                self.tray.forget();
                return Some(Input::Installed(told.kind(), told.number()));
            }
        }
        None
    }
}
