//! Who this reader is: its key, and the count of its starts beside it (protocol section 3).

use crate::keys;
use gettone_channel::{ClaimCode, PublicKey, ReaderId, TokenKey, claim_code};
use gettone_relay::KeyRing;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;
/// Beside the reader's own key.
const TOKEN_KEY: &str = "token-key";
/// A start counter has at most this many digits.
const COUNTER_LEN_MAX: u64 = 16;
/// Who may not read the key: everybody but its owner.
const OTHERS: u32 = 0o077;
/// What a board forgets when it is reset, the key first: without it the rest is worth nothing.
const FORGOTTEN: [&str; 10] = [
    "keys",
    "keys-since",
    "key",
    "token-key",
    "boot",
    "servers",
    "enrolment.toml",
    "result",
    "journal",
    "journal.unreadable",
];

/// A reader's identity, and the lock that keeps its state directory to one process.
#[derive(Debug)]
pub struct Identity {
    ring: KeyRing,
    place: PathBuf,
    _lock: File,
}

impl Identity {
    /// Opens the identity in the directory `place`, made on first use.
    ///
    /// # Errors
    /// When another process has it, or part of it is lost.
    pub fn open(place: &Path) -> Result<Self, IdentityFault> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(place)
            .map_err(write_fault(place))?;
        // What another account makes here, the service cannot read: say so before it is made.
        let owner = fs::metadata(place).map_err(read_fault(place))?.uid();
        if owner != rustix::process::geteuid().as_raw() {
            return Err(IdentityFault::NotOwner {
                place: place.to_owned(),
                owner,
            });
        }
        let lock = lock(place)?;
        let ring = match keys::load(place)? {
            Some(ring) => ring,
            None => {
                make(place)?;
                keys::load(place)?.ok_or_else(|| IdentityFault::Damaged {
                    path: place.join("key"),
                })?
            }
        };
        Ok(Self {
            ring,
            place: place.to_owned(),
            _lock: lock,
        })
    }

    /// The reader of the directory `place`, if there is one; nothing is made or locked.
    ///
    /// # Errors
    /// When the key cannot be read, or others can read it too.
    pub(crate) fn look(place: &Path) -> Result<Option<ReaderId>, IdentityFault> {
        Ok(keys::load(place)?.map(|ring| ring.reader()))
    }

    /// Makes next keys, on flash before anybody hears of them; gives their number, or none while a
    /// change is under way already.
    ///
    /// # Errors
    /// When they cannot be made or kept.
    pub fn change_keys(&mut self) -> Result<Option<u16>, IdentityFault> {
        let Some(ring) = keys::change(&self.ring)? else {
            return Ok(None);
        };
        keys::keep(&self.place, &ring)?;
        let epoch = ring.update().map(|update| update.key_epoch);
        self.ring = ring;
        Ok(epoch)
    }

    /// Forgets everything: key, counter, journal, enrolment. This reader is gone for ever.
    ///
    /// # Errors
    /// When something cannot be removed; it is safe to try again.
    pub(crate) fn erase(self) -> Result<(), IdentityFault> {
        for name in FORGOTTEN {
            let path = self.place.join(name);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                Err(fault) => return Err(write_fault(&path)(fault)),
            }
        }
        let care = self.place.join("care");
        match fs::remove_dir_all(&care) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                return Err(write_fault(&care)(fault));
            }
            Ok(()) | Err(_) => {}
        }
        File::open(&self.place)
            .and_then(|place| place.sync_all())
            .map_err(write_fault(&self.place))
    }

    /// The keys.
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The public key in use.
    pub fn public(&self) -> PublicKey {
        self.ring.key().public()
    }

    /// The reader's name.
    pub const fn reader_id(&self) -> ReaderId {
        self.ring.reader()
    }

    /// What an installer types to claim this reader.
    pub fn claim(&self) -> ClaimCode {
        claim_code(&self.public())
    }

    /// The keys for whoever seals with them, and the directory's lock for whoever stays.
    pub fn split(self) -> (KeyRing, Tenancy) {
        (self.ring, Tenancy { _lock: self._lock })
    }

    /// Counts this start, on flash before it is used.
    ///
    /// # Errors
    /// When the counter is lost, which counts as a lost key: the reader has to be enrolled again.
    pub fn count_start(&self) -> Result<u32, IdentityFault> {
        let path = self.place.join("boot");
        let text = read(&path, COUNTER_LEN_MAX)?;
        let damaged = || IdentityFault::Damaged { path: path.clone() };
        let text = core::str::from_utf8(&text).map_err(|_| damaged())?;
        let starts: u32 = text.trim_end().parse().map_err(|_| damaged())?;
        let starts = starts.checked_add(1).ok_or_else(damaged)?;
        replace(&self.place, "boot", format!("{starts}\n").as_bytes())?;
        Ok(starts)
    }
}

/// What keeps a state directory to one process, for as long as it is held.
#[derive(Debug)]
pub struct Tenancy {
    _lock: File,
}

/// The key of the codes on show, beside the reader's own, made on first use.
pub(crate) fn keep_token_key(place: &Path) -> Result<TokenKey, IdentityFault> {
    if let Some(key) = load_bytes(place, TOKEN_KEY)? {
        return Ok(TokenKey::from_bytes(*key));
    }
    let mut key = Zeroizing::new([0; KEY_LEN]);
    getrandom::fill(key.as_mut_slice()).map_err(IdentityFault::Random)?;
    replace(place, TOKEN_KEY, key.as_slice())?;
    Ok(TokenKey::from_bytes(*key))
}

/// The 32 bytes of a key of its own file.
pub(crate) fn load_bytes(
    place: &Path,
    name: &str,
) -> Result<Option<Zeroizing<[u8; KEY_LEN]>>, IdentityFault> {
    let path = place.join(name);
    let Some(bytes) = read_closed(&path, KEY_LEN)? else {
        return Ok(None);
    };
    match <[u8; KEY_LEN]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Some(Zeroizing::new(key))),
        Err(_) => Err(IdentityFault::Damaged { path }),
    }
}

/// What a file holds that nobody but its owner may be able to read, if there is one.
pub(crate) fn read_closed(
    path: &Path,
    len_max: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityFault> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(read_fault(path)(fault)),
    };
    let found = file.metadata().map_err(read_fault(path))?;
    if found.mode() & OTHERS != 0 {
        return Err(IdentityFault::Exposed {
            path: path.to_owned(),
            mode: found.mode() & 0o777,
        });
    }
    let damaged = || IdentityFault::Damaged {
        path: path.to_owned(),
    };
    let len = usize::try_from(found.len()).map_err(|_| damaged())?;
    if len > len_max {
        return Err(damaged());
    }
    // It never grows, so that no copy of a key stays behind.
    let mut bytes = Zeroizing::new(vec![0; len]);
    file.read_exact(bytes.as_mut_slice())
        .map_err(read_fault(path))?;
    Ok(Some(bytes))
}

/// The key comes last: an identity is there when its key is.
fn make(place: &Path) -> Result<(), IdentityFault> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    getrandom::fill(key.as_mut_slice()).map_err(IdentityFault::Random)?;
    replace(place, "boot", b"0\n")?;
    replace(place, "key", key.as_slice())
}

fn lock(place: &Path) -> Result<File, IdentityFault> {
    let path = place.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(write_fault(&path))?;
    file.try_lock().map_err(|_| IdentityFault::InUse {
        place: place.to_owned(),
    })?;
    Ok(file)
}

pub(crate) fn read(path: &Path, len_max: u64) -> Result<Vec<u8>, IdentityFault> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(len_max).read_to_end(&mut bytes))
        .map_err(read_fault(path))?;
    Ok(bytes)
}

/// Puts a small file in place of the one before, on flash, or leaves the one before.
pub(crate) fn replace(place: &Path, name: &str, bytes: &[u8]) -> Result<(), IdentityFault> {
    let path = place.join(name);
    let new = place.join(format!("{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(place)?.sync_all()
    };
    write().map_err(write_fault(&path))
}

fn read_fault(path: &Path) -> impl FnOnce(io::Error) -> IdentityFault {
    let path = path.to_owned();
    |source| IdentityFault::Read { path, source }
}

fn write_fault(path: &Path) -> impl FnOnce(io::Error) -> IdentityFault {
    let path = path.to_owned();
    |source| IdentityFault::Write { path, source }
}

/// Why a reader has no identity.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum IdentityFault {
    /// Another process works in the same directory.
    #[error("another process uses {place}")]
    InUse {
        /// The state directory.
        place: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {path}; a reader whose key or start counter is lost is enrolled again")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory belongs to another account.
    #[error(
        "{place} belongs to user {owner}; run this as that user: sudo -u '#{owner}' gettone-reader ..."
    )]
    NotOwner {
        /// The state directory.
        place: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others than the reader's own account may read the key.
    #[error(
        "{path} has mode {mode:03o}, so others can read it: chmod 600 it, or reset this reader if they did"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file does not hold what it should.
    #[error("{path} is damaged; a reader whose key or start counter is lost is enrolled again")]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_stays_who_it_is_and_counts_its_starts() {
        let place = tempfile::tempdir().expect("a directory");
        let first = Identity::open(place.path()).expect("made");
        let (public, claim) = (first.public(), first.claim());
        assert_eq!(first.count_start().expect("counted"), 1);
        assert_eq!(first.count_start().expect("counted"), 2);
        assert!(matches!(
            Identity::open(place.path()),
            Err(IdentityFault::InUse { .. })
        ));
        drop(first);
        let again = Identity::open(place.path()).expect("found");
        assert_eq!((again.public(), again.claim()), (public, claim));
        assert_eq!(again.count_start().expect("counted"), 3);
    }

    #[test]
    fn a_lost_start_counter_counts_as_a_lost_key() {
        let place = tempfile::tempdir().expect("a directory");
        let reader = Identity::open(place.path()).expect("made");
        fs::remove_file(place.path().join("boot")).expect("there");
        assert!(reader.count_start().is_err());
    }

    #[test]
    fn nobody_else_may_read_the_key() {
        use std::os::unix::fs::MetadataExt;
        let place = tempfile::tempdir().expect("a directory");
        let _reader = Identity::open(place.path()).expect("made");
        let mode = fs::metadata(place.path().join("key"))
            .expect("there")
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().expect("a directory");
        drop(Identity::open(place.path()).expect("made"));
        let key = place.path().join("key");
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("ours");
            let refused = Identity::open(place.path());
            assert!(
                matches!(refused, Err(IdentityFault::Exposed { .. })),
                "{mode:o}"
            );
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("ours");
        assert!(Identity::open(place.path()).is_ok());
    }

    #[test]
    fn a_reset_reader_is_another_one() {
        let place = tempfile::tempdir().expect("a directory");
        let reader = Identity::open(place.path()).expect("made");
        let before = reader.public();
        reader.erase().expect("erased");
        assert_eq!(Identity::look(place.path()).expect("readable"), None);
        let after = Identity::open(place.path()).expect("made").public();
        assert_ne!(before, after);
    }
}
