//! The gateway's two secrets, each in its own file that nobody else may read.

use crate::bounds::SERVER_KEYS_MAX;
use crate::credential::{Seals, Tokens};
use crate::text::{hex, unhex};
use gettone_channel::StaticKey;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file of the server's X25519 keys, in the state directory: `EPOCH HEX` a line, oldest first,
/// with ` *` at the one in use where there are several.
pub(crate) const SERVER_KEY_FILE: &str = "server.key";
/// The file of the customers' token key, in the state directory: 32 bytes.
pub(crate) const APP_KEY_FILE: &str = "app.key";

/// The first server key epoch.
pub(crate) const EPOCH_FIRST: u16 = 1;
const FILE_LEN_MAX: u64 = 1_024;

/// The server's key in its epoch.
#[derive(Clone, Debug)]
pub(crate) struct ServerKey {
    /// Which of the server's keys it is.
    pub epoch: u16,
    /// The key.
    pub key: StaticKey,
}

/// The server's keys, oldest first: those of before that some reader may still seal to, the one in
/// use, and perhaps the next (protocol section 10).
#[derive(Clone, Debug)]
pub(crate) struct ServerKeys {
    keys: Vec<ServerKey>,
    active: u16,
}

impl ServerKeys {
    /// The key that readers are to seal to.
    pub(crate) fn active(&self) -> &ServerKey {
        self.of(self.active)
            .expect("the epoch in use is one of the keys'")
    }

    /// The key of `epoch`, as long as it is kept.
    pub(crate) fn of(&self, epoch: u16) -> Option<&ServerKey> {
        self.keys.iter().find(|server| server.epoch == epoch)
    }

    /// All that are kept, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ServerKey> {
        self.keys.iter()
    }

    /// What a reader that has come as far as `epoch` has to be told: one step at a time, since it
    /// holds two keys.
    pub(crate) fn told_at(&self, epoch: u16) -> Option<gettone_channel::ServerKey> {
        let next = self.of(epoch.checked_add(1)?)?;
        Some(gettone_channel::ServerKey {
            epoch: next.epoch,
            s_pub: next.key.public(),
            activate: next.epoch <= self.active,
        })
    }

    fn newest(&self) -> u16 {
        self.keys.last().map_or(self.active, |server| server.epoch)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SERVER_KEYS_MAX * 80));
        for server in &self.keys {
            let digits = Zeroizing::new(hex(server.key.to_bytes().as_slice()));
            // A single key is written as it always was.
            let is_marked = self.keys.len() > 1 && server.epoch == self.active;
            let mark = if is_marked { " *" } else { "" };
            text.push_str(&format!("{} ", server.epoch));
            text.push_str(&digits);
            text.push_str(mark);
            text.push('\n');
        }
        text
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let mut keys: Vec<ServerKey> = Vec::new();
        let mut active = None;
        for line in text.split('\n') {
            let (line, is_marked) = match line.strip_suffix(" *") {
                Some(line) => (line, true),
                None => (line, false),
            };
            let (epoch, key) = line.split_once(' ')?;
            let epoch: u16 = epoch.parse().ok()?;
            let follows = keys.last().is_none_or(|before| before.epoch < epoch);
            if !follows || keys.len() >= SERVER_KEYS_MAX || (is_marked && active.is_some()) {
                return None;
            }
            active = active.or(is_marked.then_some(epoch));
            keys.push(ServerKey {
                epoch,
                key: StaticKey::from_bytes(unhex(key)?),
            });
        }
        let active = match &keys[..] {
            [only] => only.epoch,
            _ => active?,
        };
        Some(Self { keys, active })
    }
}

/// Why a secret cannot be used.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum KeyFault {
    /// The file cannot be read or made.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{path} may be read by others (mode {mode:03o}); run: chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not such a key.
    #[error("{path} is not a key file; restore it from a copy")]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// There is a next key already.
    #[error("key {epoch} is announced already; activate it first: gettone-gateway key activate")]
    Announced {
        /// Its epoch.
        epoch: u16,
    },
    /// There is no next key.
    #[error("there is no key to activate; announce one first: gettone-gateway key next")]
    NoNext,
    /// Too many keys.
    #[error("{SERVER_KEYS_MAX} keys are kept already; let old ones go: gettone-gateway key retire")]
    TooMany,
}

/// Loads the server's keys, and makes the first one on first use.
///
/// # Errors
/// `KeyFault` when they can be neither read nor made.
pub(crate) fn server_keys(state: &Path) -> Result<ServerKeys, KeyFault> {
    let path = state.join(SERVER_KEY_FILE);
    let bytes = load_or_make(&path, || {
        let key = Zeroizing::new(random::<32>()?);
        let line = format!("{EPOCH_FIRST} {}\n", hex(key.as_slice()));
        Ok(Zeroizing::new(line.into_bytes()))
    })?;
    ServerKeys::parse(&bytes).ok_or(KeyFault::Damaged { path })
}

/// Makes the next key: from the next start readers are told of it, and seal to the one in use.
///
/// # Errors
/// `KeyFault` when there is one already, or it cannot be kept.
pub(crate) fn announce_next(state: &Path) -> Result<ServerKeys, KeyFault> {
    let mut servers = server_keys(state)?;
    if servers.newest() != servers.active {
        let epoch = servers.newest();
        return Err(KeyFault::Announced { epoch });
    }
    let epoch = servers.newest().checked_add(1).ok_or(KeyFault::TooMany)?;
    if servers.keys.len() >= SERVER_KEYS_MAX {
        return Err(KeyFault::TooMany);
    }
    servers.keys.push(ServerKey {
        epoch,
        key: StaticKey::from_bytes(random()?),
    });
    replace(state, &servers)?;
    Ok(servers)
}

/// Puts the next key in use: from the next start readers are told to seal to it.
///
/// # Errors
/// `KeyFault` when there is none, or the change cannot be kept.
pub(crate) fn activate_next(state: &Path) -> Result<ServerKeys, KeyFault> {
    let mut servers = server_keys(state)?;
    if servers.newest() == servers.active {
        return Err(KeyFault::NoNext);
    }
    servers.active = servers.newest();
    replace(state, &servers)?;
    Ok(servers)
}

/// Lets the keys below `epoch` go: no reader seals to them any more.
///
/// # Errors
/// `KeyFault` when the change cannot be kept.
pub(crate) fn retire_below(state: &Path, epoch: u16) -> Result<ServerKeys, KeyFault> {
    let mut servers = server_keys(state)?;
    let before = servers.keys.len();
    let active = servers.active;
    servers
        .keys
        .retain(|server| server.epoch >= epoch.min(active));
    if servers.keys.len() != before {
        replace(state, &servers)?;
    }
    Ok(servers)
}

/// Loads the key of everything about customers, and makes it on first use.
///
/// # Errors
/// `KeyFault` when it can be neither read nor made.
pub(crate) fn app_secrets(state: &Path) -> Result<(Tokens, Seals), KeyFault> {
    let path = state.join(APP_KEY_FILE);
    let bytes = load_or_make(&path, || Ok(Zeroizing::new(random::<32>()?.to_vec())))?;
    let key: &[u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| KeyFault::Damaged { path })?;
    Ok((Tokens::from_key(key), Seals::from_key(key)))
}

/// Gives bytes fresh from the system's cryptographic random source.
///
/// # Errors
/// `KeyFault::Random` when the system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyFault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyFault::Random)?;
    Ok(bytes)
}

/// Makes the state directory, closed to others, when there is none.
///
/// # Errors
/// `KeyFault::Io` when it cannot be made.
pub(crate) fn state_directory(state: &Path) -> Result<(), KeyFault> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(io("make", state))
}

fn load_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, KeyFault>,
) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    if let Some(bytes) = load(path)? {
        return Ok(bytes);
    }
    let bytes = make()?;
    store(path, &bytes)?;
    // Two processes may have made one at the same time; the file has the one that counts.
    load(path)?.ok_or(KeyFault::Damaged {
        path: path.to_owned(),
    })
}

fn load(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFault> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io("open", path)(source)),
    };
    let mode = file
        .metadata()
        .map_err(io("examine", path))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFault::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    file.take(FILE_LEN_MAX)
        .read_to_end(&mut bytes)
        .map_err(io("read", path))?;
    Ok(Some(bytes))
}

/// Writes a whole, synced file or none, and never over another one.
fn store(path: &Path, bytes: &[u8]) -> Result<(), KeyFault> {
    let state = path.parent().unwrap_or(Path::new("."));
    let draft = path.with_extension(format!("draft-{}", hex(&random::<8>()?)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(made) if made.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        })
        .and_then(|()| File::open(state)?.sync_all());
    let removed = fs::remove_file(&draft);
    written.and(removed).map_err(io("make", path))
}

/// Puts the keys in place of those of before, as a whole and synced, or leaves those of before.
fn replace(state: &Path, servers: &ServerKeys) -> Result<(), KeyFault> {
    let path = state.join(SERVER_KEY_FILE);
    let draft = path.with_extension(format!("draft-{}", hex(&random::<8>()?)));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(servers.to_text().as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| File::open(state)?.sync_all())
        .map_err(io("write", &path))
}

fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyFault + 'a {
    move |source| KeyFault::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_closed_to_others_and_found_again() {
        let state = tempfile::tempdir().expect("a directory");
        let made = server_keys(state.path()).expect("made");
        let found = server_keys(state.path()).expect("found");
        assert_eq!(made.active().key.public(), found.active().key.public());
        assert_eq!(found.active().epoch, EPOCH_FIRST);
        app_secrets(state.path()).expect("made");
        let mut files: Vec<_> = fs::read_dir(state.path())
            .expect("listed")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
                (entry.file_name().into_string().expect("a name"), mode)
            })
            .collect();
        files.sort();
        assert_eq!(
            files,
            [
                (APP_KEY_FILE.to_owned(), 0o600),
                (SERVER_KEY_FILE.to_owned(), 0o600)
            ]
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_the_cure() {
        let state = tempfile::tempdir().expect("a directory");
        server_keys(state.path()).expect("made");
        let path = state.path().join(SERVER_KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        let fault = server_keys(state.path()).expect_err("exposed").to_string();
        assert!(fault.contains("chmod 600"), "{fault}");
    }

    #[test]
    fn a_damaged_key_is_refused_and_left_alone() {
        let key = "7".repeat(64);
        let twice = format!("1 {key} *\n2 {key} *\n");
        let backwards = format!("2 {key} *\n1 {key}\n");
        let unmarked = format!("1 {key}\n2 {key}\n");
        let several = [&twice, &backwards, &unmarked].map(|text| text.as_bytes());
        let damaged = [&b""[..], b"1", b"1 zz\n", b"99999 00\n", &[0xff; 40]];
        for damage in damaged.into_iter().chain(several) {
            let state = tempfile::tempdir().expect("a directory");
            let path = state.path().join(SERVER_KEY_FILE);
            store(&path, damage).expect("stored");
            let fault = server_keys(state.path()).expect_err("damaged");
            assert!(matches!(fault, KeyFault::Damaged { .. }), "{fault}");
            assert_eq!(fs::read(&path).expect("read"), damage);
        }
    }

    #[test]
    fn keys_go_upwards_one_by_one_and_readers_are_told_of_each_step() {
        let state = tempfile::tempdir().expect("a directory");
        let state = state.path();
        let told = |servers: &ServerKeys, epoch| {
            let told = servers.told_at(epoch);
            told.map(|told| (told.epoch, told.activate))
        };
        let first = server_keys(state).expect("made");
        assert_eq!(told(&first, 1), None);
        assert!(matches!(activate_next(state), Err(KeyFault::NoNext)));
        announce_next(state).expect("made");
        let twice = announce_next(state);
        assert!(matches!(twice, Err(KeyFault::Announced { epoch: 2 })));
        let servers = server_keys(state).expect("found");
        assert_eq!(
            (servers.active().epoch, told(&servers, 1)),
            (1, Some((2, false)))
        );
        activate_next(state).expect("there");
        announce_next(state).expect("made");
        let servers = server_keys(state).expect("found");
        assert_eq!(servers.active().epoch, 2);
        assert_eq!(told(&servers, 1), Some((2, true)), "first things first");
        assert_eq!(told(&servers, 2), Some((3, false)));
        let old = servers.of(1).map(|server| server.key.public());
        assert_eq!(old, Some(first.active().key.public()), "it is kept");
        // Nothing that is in use goes, whatever is asked.
        let servers = retire_below(state, 9).expect("kept");
        let kept: Vec<u16> = servers.iter().map(|server| server.epoch).collect();
        assert_eq!(kept, [2, 3]);
        for _ in kept.len()..SERVER_KEYS_MAX {
            activate_next(state).expect("there");
            announce_next(state).expect("room");
        }
        activate_next(state).expect("there");
        assert!(matches!(announce_next(state), Err(KeyFault::TooMany)));
    }
}
