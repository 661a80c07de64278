//! The station's own keys: which of them opens what, and how they change.

use super::{Notice, Output, Station};
use crate::keyring::{KEYS_MAX, KeyRing};
use crate::servers::SERVERS_MAX;
use gettone_channel as channel;
use gettone_channel::{
    Direction, EnvelopeFault, Item, PLAINTEXT_LEN_MAX, Pair, PublicKey, StaticKey,
};
use gettone_core::board::{Greeting, Life, TokenNews};
use gettone_core::time::Timestamp;

/// The key that an envelope was sealed to, and what was inside.
pub(super) struct Opened {
    under: Under,
    items: Vec<Item>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    /// The key in use.
    Own,
    /// The next one, or the one before.
    Other,
}

impl Station {
    /// Has the station use these keys, and go on with the change that they are in.
    #[must_use]
    pub fn with_keys(mut self, ring: KeyRing) -> Self {
        self.ring = ring;
        self.pairs.clear();
        self
    }

    /// The reader's keys.
    pub const fn keys(&self) -> &KeyRing {
        &self.ring
    }

    /// The time of day of the last HELLO that knew it: what the age of keys is counted by.
    pub const fn dated(&self) -> Option<Timestamp> {
        self.dated
    }

    /// Begins a change of the keys in use: one at a time, and never beside a customer.
    pub(super) fn change_keys(&mut self, ring: KeyRing) {
        let is_free = self.board.life() == Life::Idle && self.coming_ring.is_none();
        if is_free && ring.follows(&self.ring) {
            self.keep_keys(ring);
        }
    }

    /// Announces the next keys with every HELLO, until they are confirmed. The server must know the
    /// present key of the codes first: TOKEN_KEY stands for one of the two.
    pub(super) fn announce_keys(&self, greeting: &Greeting, items: &mut Vec<Item>) {
        if matches!(greeting.token, TokenNews::Key(_)) {
            return;
        }
        let announcement = self.ring.announcement(greeting.step);
        let len = |items: &[Item]| items.iter().map(Item::encoded_len).sum::<usize>();
        // A HELLO with very long counters has no room: the next one is shorter.
        if len(items) + len(&announcement) <= PLAINTEXT_LEN_MAX {
            items.extend(announcement);
        }
    }

    /// Opens an envelope with the key in use or, while a change is under way, the other one.
    pub(super) fn open(&mut self, envelope: &[u8]) -> Result<Opened, Notice> {
        let header = channel::header(envelope).map_err(Notice::Envelope)?;
        let is_ours =
            header.direction == Direction::ToReader && header.reader_id == self.ring.reader();
        let server = self.servers.of(header.server_epoch).filter(|_| is_ours);
        let server = server.ok_or(Notice::Foreign)?.key;
        let own = (Under::Own, self.ring.key().clone());
        let other = self.ring.other().map(|key| (Under::Other, key.clone()));
        let mut refused = EnvelopeFault::Refused;
        for (under, key) in core::iter::once(own).chain(other) {
            let pair = self.pair(&key, &server).map_err(Notice::Envelope)?;
            match pair.open(envelope) {
                Ok((_, items)) => return Ok(Opened { under, items }),
                Err(fault) => refused = fault,
            }
        }
        Err(Notice::Envelope(refused))
    }

    /// Takes what an envelope says about its own keys; gives what is left to be heard.
    pub(super) fn without_key_ack(&mut self, opened: Opened) -> Option<Vec<Item>> {
        let Opened { under, items } = opened;
        if let [Item::KeyAck(told)] = &items[..] {
            // One change at a time; whoever confirms a key has sealed to it.
            let confirmed = self.ring.confirmed(told).filter(|_| under == Under::Other);
            if let (Some(ring), None) = (confirmed, &self.coming_ring) {
                self.keep_keys(ring);
            }
            return None;
        }
        match under {
            Under::Own => {
                // The server seals to this key: what it sealed to the one before has come or is lost.
                if let (Some(ring), None) = (self.ring.settled(), &self.coming_ring) {
                    self.keep_keys(ring);
                }
                Some(items)
            }
            Under::Other if self.ring.was_changed() => Some(items),
            // Nothing but its confirmation is sealed to a key that nobody has used.
            Under::Other => {
                self.note(Notice::Foreign);
                None
            }
        }
    }

    fn keep_keys(&mut self, ring: KeyRing) {
        self.coming_ring = Some(ring.clone());
        self.outputs.push_back(Output::KeepKeys(Box::new(ring)));
    }

    pub(super) fn keys_kept(&mut self) {
        let Some(ring) = self.coming_ring.take() else {
            return;
        };
        let has_changed = ring.epoch() != self.ring.epoch();
        self.ring = ring;
        let kept: Vec<PublicKey> = core::iter::once(self.ring.key())
            .chain(self.ring.other())
            .map(StaticKey::public)
            .collect();
        self.pairs.retain(|(own, _)| kept.contains(own));
        if has_changed {
            if let Some(token) = self.ring.token().cloned() {
                self.change_token_key(token);
            }
            let epoch = self.ring.epoch();
            self.note(Notice::Keys { epoch });
        }
    }

    /// What one of this board's keys and one of the server's share: on a small processor it is felt.
    pub(super) fn pair(
        &mut self,
        own: &StaticKey,
        server: &PublicKey,
    ) -> Result<&Pair, EnvelopeFault> {
        let public = own.public();
        let mut known = self.pairs.iter();
        let known = known.position(|(key, pair)| *key == public && pair.peer() == server);
        let at = match known {
            Some(at) => at,
            None => {
                let pair = Pair::of(own, server).ok_or(EnvelopeFault::WeakKey)?;
                if self.pairs.len() >= SERVERS_MAX * KEYS_MAX {
                    self.pairs.remove(0);
                }
                self.pairs.push((public, pair));
                self.pairs.len() - 1
            }
        };
        Ok(&self.pairs[at].1)
    }
}
