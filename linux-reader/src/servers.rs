//! The server's keys: the one the reader seals to, and the next (protocol sections 5.2 and 10).

use crate::config::Server;
use crate::identity::{IdentityFault, read, replace};
use gettone_channel::{PublicKey, ServerKey};
use std::path::{Path, PathBuf};

const NAME: &str = "servers";
/// Two lines of at most five digits, a key and a mark.
const LEN_MAX: u64 = 256;
const KEPT_MAX: usize = 2;

/// The server's keys as this reader holds them.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    place: PathBuf,
    /// Oldest first, at most two.
    keys: Vec<Server>,
    active: u16,
}

impl Servers {
    /// The keys that were synced last, or the installer's if those are newer.
    ///
    /// # Errors
    /// When they cannot be read, or there is none.
    pub(crate) fn open(place: &Path, installed: &[Server]) -> Result<Option<Self>, IdentityFault> {
        let path = place.join(NAME);
        let stored = if path.try_exists().unwrap_or(false) {
            let text = String::from_utf8(read(&path, LEN_MAX)?).ok();
            let stored = text.as_deref().and_then(parse);
            Some(stored.ok_or(IdentityFault::Damaged { path })?)
        } else {
            None
        };
        let newest = |keys: &[Server]| keys.last().map(|server| server.epoch);
        let (keys, active) = match stored {
            Some((keys, active)) if newest(&keys) >= newest(installed) => (keys, active),
            Some(_) | None => match installed.first() {
                Some(first) => (installed.to_vec(), first.epoch),
                None => return Ok(None),
            },
        };
        Ok(Some(Self {
            place: place.to_owned(),
            keys,
            active,
        }))
    }

    /// The key that the reader seals to.
    pub(crate) fn active(&self) -> Option<&Server> {
        self.of(self.active)
    }

    /// The key of `epoch`, if it is one of the two.
    pub(crate) fn of(&self, epoch: u16) -> Option<&Server> {
        self.keys.iter().find(|server| server.epoch == epoch)
    }

    /// Takes what the server says of its keys; says whether anything changed. It is on flash then.
    ///
    /// # Errors
    /// When it cannot be written: the keys are as before.
    pub(crate) fn take(&mut self, told: &ServerKey) -> Result<bool, IdentityFault> {
        let Some(changed) = self.after(told) else {
            return Ok(false);
        };
        replace(&self.place, NAME, print(&changed).as_bytes())?;
        *self = changed;
        Ok(true)
    }

    fn after(&self, told: &ServerKey) -> Option<Self> {
        let newest = self.keys.last()?;
        let mut changed = self.clone();
        if told.epoch == newest.epoch {
            let is_news = told.activate && told.s_pub == newest.key && self.active != told.epoch;
            changed.active = told.epoch;
            return is_news.then_some(changed);
        }
        if told.epoch != newest.epoch.checked_add(1)? {
            return None;
        }
        changed.keys.push(Server {
            epoch: told.epoch,
            key: told.s_pub,
        });
        if told.activate {
            changed.active = told.epoch;
        }
        while changed.keys.len() > KEPT_MAX {
            // The key in use is never dropped for one that is not: the server activates first.
            if changed.keys.first()?.epoch == changed.active {
                return None;
            }
            changed.keys.remove(0);
        }
        Some(changed)
    }
}

/// `EPOCH KEY` a line; the active one is marked by a star.
fn print(servers: &Servers) -> String {
    let line = |server: &Server| {
        let mark = if server.epoch == servers.active {
            "*"
        } else {
            "-"
        };
        format!("{mark} {} {}\n", server.epoch, server.key)
    };
    servers.keys.iter().map(line).collect()
}

fn parse(text: &str) -> Option<(Vec<Server>, u16)> {
    let mut keys: Vec<Server> = Vec::new();
    let mut active = None;
    for line in text.lines() {
        let mut words = line.split(' ');
        let (mark, epoch, key) = (words.next()?, words.next()?, words.next()?);
        let (epoch, key): (u16, PublicKey) = (epoch.parse().ok()?, key.parse().ok()?);
        let is_later = keys.last().is_none_or(|before| before.epoch < epoch);
        if !is_later || keys.len() >= KEPT_MAX || words.next().is_some() {
            return None;
        }
        if mark == "*" {
            active = Some(epoch);
        }
        keys.push(Server { epoch, key });
    }
    Some((keys, active?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PublicKey {
        PublicKey::from_bytes([byte; 32])
    }

    fn told(epoch: u16, byte: u8, activate: bool) -> ServerKey {
        ServerKey {
            epoch,
            s_pub: key(byte),
            activate,
        }
    }

    fn installed() -> [Server; 1] {
        [Server {
            epoch: 1,
            key: key(1),
        }]
    }

    #[test]
    fn a_next_key_is_used_once_it_is_activated_and_survives_a_start() {
        let place = tempfile::tempdir().expect("a directory");
        let open = || {
            Servers::open(place.path(), &installed())
                .expect("readable")
                .expect("installed")
        };
        let mut servers = open();
        assert!(servers.take(&told(2, 2, false)).expect("room"));
        assert_eq!(servers.active().map(|server| server.epoch), Some(1));
        assert!(
            !servers.take(&told(2, 9, true)).expect("room"),
            "another key"
        );
        assert!(servers.take(&told(2, 2, true)).expect("room"));
        assert!(!servers.take(&told(2, 2, true)).expect("room"), "a replay");
        let servers = open();
        assert_eq!(servers.active().map(|server| server.key), Some(key(2)));
        assert!(servers.of(1).is_some(), "the old one still opens");
    }

    #[test]
    fn no_key_goes_back_or_jumps_ahead_or_drops_the_one_in_use() {
        let place = tempfile::tempdir().expect("a directory");
        let mut servers = Servers::open(place.path(), &installed())
            .expect("readable")
            .expect("installed");
        for (epoch, activate) in [(0, true), (1, true), (3, true), (u16::MAX, true)] {
            assert!(!servers.take(&told(epoch, 7, activate)).expect("room"));
        }
        assert!(servers.take(&told(2, 2, false)).expect("room"));
        assert!(!servers.take(&told(3, 3, false)).expect("room"));
        assert_eq!(servers.active().map(|server| server.epoch), Some(1));
    }
}
