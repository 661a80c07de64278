//! The keys of a reader's envelopes: its own, the one that it has announced, and how far it has
//! followed the server's (protocol section 10).

use super::state::Reader;
use super::{Event, Refusal};
use crate::id::{ReaderKey, TokenKey};
use rkyv::{Archive, Deserialize, Serialize};

/// The next keys of a reader, as it announces them under the one in use.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextKeys {
    /// Their number; the ones of its enrolment have number 0.
    pub epoch: u16,
    /// The key of its envelopes.
    pub key: ReaderKey,
    /// The key of the codes that it shows, when it shows some.
    pub token: Option<TokenKey>,
}

/// What has become of a reader's keys since its enrolment.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Keys {
    /// The number of the key in use.
    epoch: u16,
    /// The key in use; none while it is the one of the enrolment.
    key: Option<ReaderKey>,
    /// What it has announced and not used yet. There are never more than two.
    next: Option<NextKeys>,
    /// For this number it has announced one key and then another.
    disputed: Option<u16>,
    /// The newest of the server's key epochs under which an envelope of it came.
    server: u16,
}

impl Reader {
    /// The key that its envelopes open with, once it is enrolled.
    pub fn key(&self) -> Option<ReaderKey> {
        let changed = self.keys.as_ref().and_then(|keys| keys.key);
        changed.or(self.first_key())
    }

    /// How often its key has changed since its enrolment.
    pub fn key_epoch(&self) -> u16 {
        self.keys.as_ref().map_or(0, |keys| keys.epoch)
    }

    /// The keys that it has announced and not used yet.
    pub fn next_keys(&self) -> Option<NextKeys> {
        self.keys.as_ref().and_then(|keys| keys.next)
    }

    /// Whether these are the keys that it has announced last, used or not yet.
    pub fn has_keys(&self, told: &NextKeys) -> bool {
        let is_in_use = told.epoch == self.key_epoch() && Some(told.key) == self.key();
        is_in_use || self.next_keys() == Some(*told)
    }

    /// The number for which it has announced one key and then another.
    pub fn disputed_key(&self) -> Option<u16> {
        self.keys.as_ref().and_then(|keys| keys.disputed)
    }

    /// The newest of the server's key epochs under which an envelope of it came; 0 where nobody
    /// has noted one.
    pub fn server_epoch(&self) -> u16 {
        self.keys.as_ref().map_or(0, |keys| keys.server)
    }

    pub(super) fn announce(&self, told: &NextKeys) -> Result<Option<Event>, Refusal> {
        // The same again, and one that was held back until the key was in use, say nothing new.
        if self.has_keys(told) {
            return Ok(None);
        }
        if told.epoch <= self.key_epoch() || Some(told.key) == self.key() {
            return Err(Refusal::OldKey);
        }
        match self.next_keys() {
            Some(next) if told.epoch < next.epoch => Err(Refusal::OldKey),
            // Two keys with one number: one of the two is not the reader's.
            Some(next) if told.epoch == next.epoch => {
                if self.disputed_key() == Some(told.epoch) {
                    return Err(Refusal::OtherKey);
                }
                Ok(Some(Event::KeyDisputed { epoch: told.epoch }))
            }
            // A greater number takes the place of one that the reader has never used: it could not.
            Some(_) | None => Ok(Some(Event::KeyAnnounced(*told))),
        }
    }

    pub(super) fn switch(&self, epoch: u16) -> Option<Event> {
        self.next_keys()
            .filter(|next| next.epoch == epoch)
            .map(|_| Event::KeySwitched { epoch })
    }

    pub(super) fn follow(&self, server: u16) -> Option<Event> {
        (server > self.server_epoch()).then_some(Event::ServerFollowed { epoch: server })
    }

    pub(super) fn announced(&mut self, next: NextKeys) {
        self.keys_mut().next = Some(next);
    }

    pub(super) fn disputed(&mut self, epoch: u16) {
        self.keys_mut().disputed = Some(epoch);
    }

    pub(super) fn switched(&mut self) {
        let keys = self.keys_mut();
        let Some(next) = keys.next.take() else {
            return;
        };
        keys.epoch = next.epoch;
        keys.key = Some(next.key);
        if let Some(token) = next.token {
            self.tokens_changed(token);
        }
    }

    pub(super) fn followed(&mut self, server: u16) {
        let keys = self.keys_mut();
        keys.server = keys.server.max(server);
    }

    fn keys_mut(&mut self) -> &mut Keys {
        self.keys.get_or_insert_default()
    }
}
