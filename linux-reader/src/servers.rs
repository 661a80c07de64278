//! Where a reader keeps the server's keys.

use crate::identity::{IdentityFault, read, replace};
use gettone_relay::{Server, Servers};
use std::path::Path;

const NAME: &str = "servers";
/// Two lines of at most five digits, a key and a mark.
const LEN_MAX: u64 = 256;

/// The keys that were synced last in the directory `place`, or the installer's if those are newer.
///
/// # Errors
/// When they cannot be read; none where there is none.
pub(crate) fn open(place: &Path, installed: &[Server]) -> Result<Option<Servers>, IdentityFault> {
    let path = place.join(NAME);
    let installed = Servers::installed(installed);
    if !path.try_exists().unwrap_or(false) {
        return Ok(installed);
    }
    let text = String::from_utf8(read(&path, LEN_MAX)?).ok();
    let stored: Option<Servers> = text.and_then(|text| text.parse().ok());
    let stored = stored.ok_or(IdentityFault::Damaged { path })?;
    let newer = installed.filter(|installed| installed.newest() > stored.newest());
    Ok(Some(newer.unwrap_or(stored)))
}

/// Puts the keys on flash.
///
/// # Errors
/// When they cannot be written: the keys are as before.
pub(crate) fn keep(place: &Path, servers: &Servers) -> Result<(), IdentityFault> {
    replace(place, NAME, servers.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_channel::{PublicKey, ServerKey};

    fn server(epoch: u16) -> Server {
        let byte = u8::try_from(epoch).expect("small");
        Server {
            epoch,
            key: PublicKey::from_bytes([byte; 32]),
        }
    }

    #[test]
    fn kept_keys_survive_a_start_and_yield_only_to_a_newer_installation() {
        let place = tempfile::tempdir().expect("a directory");
        let open = |epoch| open(place.path(), &[server(epoch)]).expect("readable");
        let first = open(1).expect("installed");
        let told = ServerKey {
            epoch: 2,
            s_pub: server(2).key,
            activate: true,
        };
        let second = first.after(&told).expect("the next");
        keep(place.path(), &second).expect("room");
        assert_eq!(open(1), Some(second));
        assert_eq!(open(3), Servers::installed(&[server(3)]));
    }

    #[test]
    fn a_damaged_list_is_no_ground_to_go_back() {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(place.path().join(NAME), "* 1 nonsense\n").expect("room");
        assert!(open(place.path(), &[server(1)]).is_err());
    }
}
