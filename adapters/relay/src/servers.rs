//! The server's keys as a reader holds them: the one it seals to, and the next (protocol sections
//! 5.2 and 10).

use core::fmt;
use core::str::FromStr;
use gettone_channel::{PublicKey, ServerKey};

/// How many keys of the server a reader holds.
pub const SERVERS_MAX: usize = 2;

/// One key of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Server {
    /// Its epoch.
    pub epoch: u16,
    /// The key.
    pub key: PublicKey,
}

/// One or two keys, one of them in use. Its text has `* EPOCH KEY` or `- EPOCH KEY` a line, oldest
/// first, with the star at the one in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Servers {
    keys: Vec<Server>,
    active: u16,
}

impl Servers {
    /// Takes the keys that an installer wrote: the oldest is in use. None without a key, with too
    /// many, or with one epoch twice.
    pub fn installed(keys: &[Server]) -> Option<Self> {
        let mut keys = keys.to_vec();
        keys.sort_by_key(|server| server.epoch);
        let is_row = keys.windows(2).all(|pair| pair[0].epoch < pair[1].epoch);
        let active = keys.first().map(|server| server.epoch)?;
        (is_row && keys.len() <= SERVERS_MAX).then_some(Self { keys, active })
    }

    /// The key that the reader seals to.
    pub fn active(&self) -> &Server {
        self.of(self.active)
            .expect("the epoch in use is one of the keys'")
    }

    /// The key of `epoch`, if it is one of them.
    pub fn of(&self, epoch: u16) -> Option<&Server> {
        self.keys.iter().find(|server| server.epoch == epoch)
    }

    /// The newest epoch.
    pub fn newest(&self) -> u16 {
        self.keys.last().map_or(self.active, |server| server.epoch)
    }

    /// The keys once the server has said this; none where that changes nothing or may not be taken.
    pub fn after(&self, told: &ServerKey) -> Option<Self> {
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
        while changed.keys.len() > SERVERS_MAX {
            // The key in use is never dropped for one that is not: the server activates first.
            if changed.keys.first()?.epoch == changed.active {
                return None;
            }
            changed.keys.remove(0);
        }
        Some(changed)
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for server in &self.keys {
            let mark = if server.epoch == self.active {
                '*'
            } else {
                '-'
            };
            writeln!(f, "{mark} {} {}", server.epoch, server.key)?;
        }
        Ok(())
    }
}

/// Text that is not a list of the server's keys.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("this is no list of server keys")]
pub struct ServersFault;

impl FromStr for Servers {
    type Err = ServersFault;

    fn from_str(text: &str) -> Result<Self, ServersFault> {
        let mut keys: Vec<Server> = Vec::new();
        let mut active = None;
        for line in text.lines() {
            let mut words = line.split(' ');
            let mut word = || words.next().ok_or(ServersFault);
            let mark = word()?;
            let epoch: u16 = word()?.parse().map_err(|_| ServersFault)?;
            let key: PublicKey = word()?.parse().map_err(|_| ServersFault)?;
            let is_later = keys.last().is_none_or(|before| before.epoch < epoch);
            if !is_later || keys.len() >= SERVERS_MAX || words.next().is_some() {
                return Err(ServersFault);
            }
            match (mark, active) {
                ("*", None) => active = Some(epoch),
                ("-", _) => {}
                _ => return Err(ServersFault),
            }
            keys.push(Server { epoch, key });
        }
        let active = active.ok_or(ServersFault)?;
        Ok(Self { keys, active })
    }
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

    fn installed() -> Servers {
        let first = Server {
            epoch: 1,
            key: key(1),
        };
        Servers::installed(&[first]).expect("one key")
    }

    #[test]
    fn a_next_key_is_used_once_it_is_activated_and_its_text_says_so() {
        let servers = installed().after(&told(2, 2, false)).expect("the next");
        assert_eq!(servers.active().epoch, 1);
        assert_eq!(servers.after(&told(2, 9, true)), None, "another key");
        let servers = servers.after(&told(2, 2, true)).expect("activated");
        assert_eq!(servers.after(&told(2, 2, true)), None, "a replay");
        let again: Servers = servers.to_string().parse().expect("its own text");
        assert_eq!(again, servers);
        assert_eq!(again.active().key, key(2));
        assert!(again.of(1).is_some(), "the old one still opens");
    }

    #[test]
    fn no_key_goes_back_or_jumps_ahead_or_drops_the_one_in_use() {
        let servers = installed();
        for (epoch, activate) in [(0, true), (1, true), (3, true), (u16::MAX, true)] {
            assert_eq!(servers.after(&told(epoch, 7, activate)), None, "{epoch}");
        }
        let servers = servers.after(&told(2, 2, false)).expect("the next");
        assert_eq!(servers.after(&told(3, 3, false)), None);
        assert_eq!(servers.active().epoch, 1);
    }

    #[test]
    fn text_with_no_star_two_stars_or_too_many_keys_is_no_list() {
        let line = |mark: char, epoch: u16| format!("{mark} {epoch} {}\n", key(1));
        for text in [
            String::new(),
            line('-', 1),
            line('*', 1) + &line('*', 2),
            line('*', 2) + &line('-', 1),
            line('*', 1) + &line('-', 2) + &line('-', 3),
            "* 1 00\n".to_owned(),
            line('*', 1).replace('\n', " x\n"),
        ] {
            assert_eq!(text.parse::<Servers>(), Err(ServersFault), "{text}");
        }
    }
}
