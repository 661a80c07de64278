//! A reader's own keys: those in use, and beside them the next ones or the one before (protocol
//! section 10).

use core::fmt;
use core::str::FromStr;
use gettone_channel as channel;
use gettone_channel::{KeyCheck, PublicKey, ReaderId, StaticKey, TokenKey};
use zeroize::Zeroizing;

/// How many keys a reader's envelopes may be sealed to at one time.
pub const KEYS_MAX: usize = 2;

/// The keys of one reader. A change of them is a new ring, which counts once it is on flash; as
/// text it is one small file, so that no power cut leaves half of it.
///
/// ```text
/// reader 0123456789abcdef
/// epoch 1
/// key HEX
/// token HEX          where the reader shows codes
/// next HEX HEX|-     announced, with the next key of the codes
/// old HEX            the key before; never beside a next one
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRing {
    reader: ReaderId,
    epoch: u16,
    key: Key,
    token: Option<TokenKey>,
    beside: Beside,
}

/// What there is beside the keys in use.
#[derive(Clone, PartialEq, Eq)]
enum Beside {
    Nothing,
    Next { key: Key, token: Option<TokenKey> },
    Old(Key),
}

/// A private key that can be told from another one.
#[derive(Clone)]
struct Key(StaticKey);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.public() == other.0.public()
    }
}

impl Eq for Key {}

impl KeyRing {
    /// The ring of a reader that has never changed its keys.
    pub fn enrolled(key: StaticKey, token: Option<TokenKey>) -> Self {
        Self::named(channel::reader_id(&key.public()), key, token)
    }

    /// The same under the name of an enrolment.
    pub(crate) fn named(reader: ReaderId, key: StaticKey, token: Option<TokenKey>) -> Self {
        Self {
            reader,
            epoch: 0,
            key: Key(key),
            token,
            beside: Beside::Nothing,
        }
    }

    /// The reader's name: it stays when the key changes.
    pub const fn reader(&self) -> ReaderId {
        self.reader
    }

    /// How often the keys have changed.
    pub const fn epoch(&self) -> u16 {
        self.epoch
    }

    /// The key in use.
    pub const fn key(&self) -> &StaticKey {
        &self.key.0
    }

    /// The key of the codes on show, when it is kept here.
    pub const fn token(&self) -> Option<&TokenKey> {
        self.token.as_ref()
    }

    /// The ring with a key of codes that it did not have.
    #[must_use]
    pub fn with_token(self, token: TokenKey) -> Self {
        Self {
            token: Some(token),
            ..self
        }
    }

    /// Whether a change is under way: announced, or not yet told of to its end.
    pub const fn is_changing(&self) -> bool {
        !matches!(self.beside, Beside::Nothing)
    }

    /// Whether the key beside the one in use is the one before.
    pub(crate) const fn was_changed(&self) -> bool {
        matches!(self.beside, Beside::Old(_))
    }

    /// The key beside the one in use, to which the server may still seal.
    pub(crate) const fn other(&self) -> Option<&StaticKey> {
        match &self.beside {
            Beside::Nothing => None,
            Beside::Next { key, .. } | Beside::Old(key) => Some(&key.0),
        }
    }

    /// The ring with these as its next keys, made of fresh random bytes; none while a change is
    /// under way. A reader that shows codes changes both.
    pub fn begun(&self, key: StaticKey, token: Option<TokenKey>) -> Option<Self> {
        let has_room = !self.is_changing() && self.epoch < u16::MAX;
        has_room.then(|| Self {
            beside: Beside::Next {
                key: Key(key),
                token,
            },
            ..self.clone()
        })
    }

    /// Whether it is that one with next keys beside those in use.
    pub(crate) fn follows(&self, before: &Self) -> bool {
        let Beside::Next { key, token } = &self.beside else {
            return false;
        };
        before.begun(key.0.clone(), token.clone()).as_ref() == Some(self)
    }

    /// What announces the next key, while there is one that nobody has confirmed.
    pub fn update(&self) -> Option<channel::KeyUpdate> {
        let Beside::Next { key, .. } = &self.beside else {
            return None;
        };
        Some(channel::KeyUpdate {
            new_r_pub: key.0.public(),
            key_epoch: self.epoch.saturating_add(1),
        })
    }

    /// What announces the next keys in a HELLO, behind its own items; empty where there are none.
    pub(crate) fn announcement(&self, step: u64) -> Vec<channel::Item> {
        let token = match &self.beside {
            Beside::Next { token, .. } => token.clone(),
            Beside::Nothing | Beside::Old(_) => None,
        };
        let token = token.map(|k_tok| {
            let told = channel::TokenKeyUpdate { k_tok, step };
            channel::Item::TokenKey(told)
        });
        let update = self.update().map(channel::Item::KeyUpdate);
        update.into_iter().chain(token).collect()
    }

    /// The ring once the server has confirmed the next keys: they are in use, and the key before
    /// still opens what was sealed meanwhile. None where this confirms another key.
    pub fn confirmed(&self, told: &channel::KeyAck) -> Option<Self> {
        let Beside::Next { key, token } = &self.beside else {
            return None;
        };
        let epoch = self.epoch.checked_add(1)?;
        let is_ours = told.key_epoch == epoch && told.key == KeyCheck::of(&key.0.public());
        is_ours.then(|| Self {
            reader: self.reader,
            epoch,
            key: key.clone(),
            token: token.clone().or_else(|| self.token.clone()),
            beside: Beside::Old(self.key.clone()),
        })
    }

    /// The ring once the server has sealed to the keys in use; none where nothing goes.
    pub fn settled(&self) -> Option<Self> {
        matches!(self.beside, Beside::Old(_)).then(|| Self {
            beside: Beside::Nothing,
            ..self.clone()
        })
    }

    /// Its text, to be kept where nobody else can read it.
    pub fn to_text(&self) -> Zeroizing<String> {
        // It never grows, so that no copy of a key stays behind.
        let mut text = Zeroizing::new(String::with_capacity(TEXT_LEN_MAX));
        text.push_str("reader ");
        put_hex(&mut text, self.reader.as_bytes());
        text.push_str("\nepoch ");
        text.push_str(&self.epoch.to_string());
        text.push_str("\nkey ");
        put_hex(&mut text, self.key.0.to_bytes().as_slice());
        if let Some(token) = &self.token {
            text.push_str("\ntoken ");
            put_hex(&mut text, token.to_bytes().as_slice());
        }
        match &self.beside {
            Beside::Nothing => {}
            Beside::Next { key, token } => {
                text.push_str("\nnext ");
                put_hex(&mut text, key.0.to_bytes().as_slice());
                text.push(' ');
                match token {
                    Some(token) => put_hex(&mut text, token.to_bytes().as_slice()),
                    None => text.push('-'),
                }
            }
            Beside::Old(key) => {
                text.push_str("\nold ");
                put_hex(&mut text, key.0.to_bytes().as_slice());
            }
        }
        text.push('\n');
        text
    }
}

/// The longest text of a ring, in bytes.
pub const TEXT_LEN_MAX: usize = 512;

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({}, epoch {})", self.reader, self.epoch)
    }
}

/// Text that is no ring of keys.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("this is no ring of keys")]
pub struct KeyRingFault;

impl FromStr for KeyRing {
    type Err = KeyRingFault;

    fn from_str(text: &str) -> Result<Self, KeyRingFault> {
        let mut lines = text
            .strip_suffix('\n')
            .ok_or(KeyRingFault)?
            .split('\n')
            .peekable();
        let mut line = |name: &str| {
            let words = lines.peek()?.strip_prefix(name)?.strip_prefix(' ')?;
            lines.next();
            Some(words)
        };
        let reader = line("reader").ok_or(KeyRingFault)?;
        let epoch = line("epoch").ok_or(KeyRingFault)?;
        let key = line("key").ok_or(KeyRingFault)?;
        let (token, next, old) = (line("token"), line("next"), line("old"));
        if lines.next().is_some() {
            return Err(KeyRingFault);
        }
        Ok(Self {
            reader: reader.parse().map_err(|_| KeyRingFault)?,
            epoch: epoch.parse().map_err(|_| KeyRingFault)?,
            key: key_of(key)?,
            token: token.map(token_of).transpose()?,
            beside: match (next, old) {
                (None, None) => Beside::Nothing,
                (Some(next), None) => {
                    let (key, token) = next.split_once(' ').ok_or(KeyRingFault)?;
                    Beside::Next {
                        key: key_of(key)?,
                        token: match token {
                            "-" => None,
                            token => Some(token_of(token)?),
                        },
                    }
                }
                (None, Some(old)) => Beside::Old(key_of(old)?),
                (Some(_), Some(_)) => return Err(KeyRingFault),
            },
        })
    }
}

fn key_of(hex: &str) -> Result<Key, KeyRingFault> {
    Ok(Key(StaticKey::from_bytes(*secret_of(hex)?)))
}

fn token_of(hex: &str) -> Result<TokenKey, KeyRingFault> {
    Ok(TokenKey::from_bytes(*secret_of(hex)?))
}

/// Names and keys have the same digits; what holds them for a moment is erased.
fn secret_of(hex: &str) -> Result<Zeroizing<[u8; 32]>, KeyRingFault> {
    let bytes: PublicKey = hex.parse().map_err(|_| KeyRingFault)?;
    Ok(Zeroizing::new(*bytes.as_bytes()))
}

fn put_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(digit.into(), 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> StaticKey {
        StaticKey::from_bytes([byte; 32])
    }

    fn token(byte: u8) -> TokenKey {
        TokenKey::from_bytes([byte; 32])
    }

    fn ack(epoch: u16, key: &StaticKey) -> channel::KeyAck {
        channel::KeyAck {
            key_epoch: epoch,
            key: KeyCheck::of(&key.public()),
        }
    }

    #[test]
    fn a_ring_keeps_its_name_through_a_change_and_is_read_as_it_was_written() {
        let first = KeyRing::enrolled(key(1), Some(token(11)));
        let begun = first.begun(key(2), Some(token(12))).expect("nothing else");
        assert_eq!(begun.begun(key(3), None), None, "one change at a time");
        assert_eq!(begun.confirmed(&ack(2, &key(2))), None, "another number");
        assert_eq!(begun.confirmed(&ack(1, &key(3))), None, "another key");
        let changed = begun.confirmed(&ack(1, &key(2))).expect("confirmed");
        assert_eq!(changed.confirmed(&ack(1, &key(2))), None, "a replay");
        assert_eq!(changed.begun(key(3), None), None, "not over");
        let over = changed.settled().expect("the old one goes");
        assert_eq!((over.epoch(), over.token()), (1, Some(&token(12))));
        for ring in [first, begun, changed, over] {
            assert_eq!(ring.reader(), channel::reader_id(&key(1).public()));
            let text = ring.to_text();
            assert!(text.len() <= TEXT_LEN_MAX);
            assert_eq!(text.parse(), Ok(ring));
        }
    }

    #[test]
    fn a_text_that_lacks_something_or_has_two_more_keys_is_no_ring() {
        let ring = KeyRing::enrolled(key(1), Some(token(11)));
        let ring = ring.begun(key(2), Some(token(12))).expect("nothing else");
        let text = ring.to_text();
        for len in (0..text.len()).filter(|len| !text[..*len].ends_with('\n')) {
            assert_eq!(text[..len].parse::<KeyRing>(), Err(KeyRingFault), "{len}");
        }
        let hex = "07".repeat(32);
        for more in [
            "\n".to_owned(),
            format!("old {hex}\n"),
            format!("key {hex}\n"),
        ] {
            let text = format!("{}{more}", text.as_str());
            assert_eq!(text.parse::<KeyRing>(), Err(KeyRingFault), "{more}");
        }
    }

    #[test]
    fn a_log_shows_no_key() {
        let ring = KeyRing::enrolled(key(0x5a), None);
        assert!(!format!("{ring:?}").contains("5a5a"), "{ring:?}");
    }
}
