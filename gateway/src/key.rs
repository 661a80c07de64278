//! The gateway's two secrets, each in its own file that nobody else may read.

use crate::credential::{Seals, Tokens};
use crate::text::{hex, unhex};
use gettone_channel::StaticKey;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file of the server's X25519 key, in the state directory: `EPOCH HEX`.
pub(crate) const SERVER_KEY_FILE: &str = "server.key";
/// The file of the customers' token key, in the state directory: 32 bytes.
pub(crate) const APP_KEY_FILE: &str = "app.key";

/// The first server key epoch.
pub(crate) const EPOCH_FIRST: u16 = 1;
const FILE_LEN_MAX: u64 = 256;

/// The server's key in its epoch.
#[derive(Debug)]
pub(crate) struct ServerKey {
    /// Which of the server's keys it is.
    pub epoch: u16,
    /// The key.
    pub key: StaticKey,
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
}

/// Loads the server's key, and makes it on first use.
///
/// # Errors
/// `KeyFault` when it can be neither read nor made.
pub(crate) fn server_key(state: &Path) -> Result<ServerKey, KeyFault> {
    let path = state.join(SERVER_KEY_FILE);
    let bytes = load_or_make(&path, || {
        let key = Zeroizing::new(random::<32>()?);
        let line = format!("{EPOCH_FIRST} {}\n", hex(key.as_slice()));
        Ok(Zeroizing::new(line.into_bytes()))
    })?;
    parse(&bytes).ok_or(KeyFault::Damaged { path })
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

fn parse(bytes: &[u8]) -> Option<ServerKey> {
    let line = core::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (epoch, key) = line.split_once(' ')?;
    Some(ServerKey {
        epoch: epoch.parse().ok()?,
        key: StaticKey::from_bytes(unhex(key)?),
    })
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
        let made = server_key(state.path()).expect("made");
        let found = server_key(state.path()).expect("found");
        assert_eq!(made.key.public(), found.key.public());
        assert_eq!(found.epoch, EPOCH_FIRST);
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
        server_key(state.path()).expect("made");
        let path = state.path().join(SERVER_KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        let fault = server_key(state.path()).expect_err("exposed").to_string();
        assert!(fault.contains("chmod 600"), "{fault}");
    }

    #[test]
    fn a_damaged_key_is_refused_and_left_alone() {
        for damage in [&b""[..], b"1", b"1 zz\n", b"99999 00\n", &[0xff; 40]] {
            let state = tempfile::tempdir().expect("a directory");
            let path = state.path().join(SERVER_KEY_FILE);
            store(&path, damage).expect("stored");
            let fault = server_key(state.path()).expect_err("damaged");
            assert!(matches!(fault, KeyFault::Damaged { .. }), "{fault}");
            assert_eq!(fs::read(&path).expect("read"), damage);
        }
    }
}
