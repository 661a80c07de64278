//! Where a reader keeps its own keys once they have changed: one file, put in place as a whole.

use crate::identity::{IdentityFault, load_bytes, read, read_closed, replace};
use gettone_channel::{StaticKey, TokenKey};
use gettone_core::time::Timestamp;
use gettone_relay::{KEYRING_LEN_MAX, KeyRing};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

const NAME: &str = "keys";
/// Since when the keys in use are known to be: their number, and the time of day in ms.
const SINCE: &str = "keys-since";
const SINCE_LEN_MAX: u64 = 64;
/// The key of an enrolment, and the one of the codes on show: what there is before any change.
const FIRST: &str = "key";
const FIRST_TOKEN: &str = "token-key";

/// The keys in the directory `place`, if there are any.
///
/// # Errors
/// When they cannot be read, or others can read them too.
pub(crate) fn load(place: &Path) -> Result<Option<KeyRing>, IdentityFault> {
    let token = load_bytes(place, FIRST_TOKEN)?.map(|key| TokenKey::from_bytes(*key));
    let path = place.join(NAME);
    let Some(bytes) = read_closed(&path, KEYRING_LEN_MAX)? else {
        let key = load_bytes(place, FIRST)?.map(|key| StaticKey::from_bytes(*key));
        return Ok(key.map(|key| KeyRing::enrolled(key, token)));
    };
    let text = core::str::from_utf8(&bytes).ok();
    let ring: Option<KeyRing> = text.and_then(|text| text.parse().ok());
    let ring = ring.ok_or(IdentityFault::Damaged { path })?;
    Ok(Some(match (ring.token(), token) {
        (None, Some(token)) => ring.with_token(token),
        (Some(_), _) | (None, None) => ring,
    }))
}

/// Puts the keys on flash, and lets those of the enrolment go.
///
/// # Errors
/// When they cannot be written: the keys are as before.
pub(crate) fn keep(place: &Path, ring: &KeyRing) -> Result<(), IdentityFault> {
    replace(place, NAME, ring.to_text().as_bytes())?;
    // The ring counts from here on. What cannot be removed is removed with the next change.
    let names: &[&str] = match ring.token() {
        Some(_) => &[FIRST, FIRST_TOKEN],
        None => &[FIRST],
    };
    for name in names {
        match fs::remove_file(place.join(name)) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%fault, name, "a key of before cannot be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
    if let Err(fault) = File::open(place).and_then(|place| place.sync_all()) {
        tracing::warn!(%fault, "the state directory cannot be synced");
    }
    Ok(())
}

/// The ring with fresh next keys, to be announced from the next HELLO on; none while a change is
/// under way.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn change(ring: &KeyRing) -> Result<Option<KeyRing>, IdentityFault> {
    let token = match ring.token() {
        Some(_) => Some(TokenKey::from_bytes(*random()?)),
        None => None,
    };
    Ok(ring.begun(StaticKey::from_bytes(*random()?), token))
}

/// Whether the keys in use are older than this. Their age counts from the first time of day that they
/// saw; a clock that was ahead begins it anew.
///
/// # Errors
/// When it cannot be kept since when they are in use.
pub(crate) fn are_old(
    place: &Path,
    ring: &KeyRing,
    now: Timestamp,
    age_max: Duration,
) -> Result<bool, IdentityFault> {
    let now = now.as_millis();
    let kept = read(&place.join(SINCE), SINCE_LEN_MAX).unwrap_or_default();
    let since = core::str::from_utf8(&kept)
        .ok()
        .and_then(|text| text.strip_suffix('\n')?.split_once(' '))
        .filter(|(epoch, _)| epoch.parse() == Ok(ring.epoch()))
        .and_then(|(_, since)| since.parse::<u64>().ok())
        .filter(|since| *since <= now);
    let Some(since) = since else {
        let text = format!("{} {now}\n", ring.epoch());
        return replace(place, SINCE, text.as_bytes()).map(|()| false);
    };
    Ok(u128::from(now - since) >= age_max.as_millis())
}

fn random() -> Result<Zeroizing<[u8; 32]>, IdentityFault> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(IdentityFault::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use gettone_channel::{KeyAck, KeyCheck, KeyUpdate};

    /// What confirms the next keys of `ring`.
    fn ack(ring: &KeyRing) -> KeyAck {
        let KeyUpdate {
            new_r_pub,
            key_epoch,
        } = ring.update().expect("announced");
        KeyAck {
            key_epoch,
            key: KeyCheck::of(&new_r_pub),
        }
    }

    /// Every ring of one change of keys, the enrolment's first.
    fn rings(first: &KeyRing) -> [KeyRing; 4] {
        let begun = change(first).expect("random").expect("nothing else");
        let changed = begun.confirmed(&ack(&begun)).expect("its own");
        let settled = changed.settled().expect("an old one");
        [first.clone(), begun, changed, settled]
    }

    fn made(place: &Path) -> KeyRing {
        drop(Identity::open(place).expect("made"));
        replace(place, FIRST_TOKEN, &[7; 32]).expect("room");
        load(place).expect("readable").expect("made")
    }

    #[test]
    fn a_change_of_keys_is_kept_step_by_step_and_the_reader_keeps_its_name() {
        let place = tempfile::tempdir().expect("a directory");
        let place = place.path();
        for ring in &rings(&made(place))[1..] {
            keep(place, ring).expect("room");
            let identity = Identity::open(place).expect("found");
            assert_eq!(identity.ring(), ring);
            assert_eq!(identity.reader_id(), ring.reader());
        }
        for name in [FIRST, FIRST_TOKEN] {
            assert!(!place.join(name).exists(), "{name} is of no use any more");
        }
    }

    /// A file is written beside the one before, synced, and then takes its name: what a cut leaves is
    /// the one before with any part of the new one beside it, or the new one with what was to be removed.
    #[test]
    fn a_power_cut_anywhere_in_a_change_leaves_the_keys_before_or_after_it() {
        let home = tempfile::tempdir().expect("a directory");
        let first = home.path().join("first");
        let rings = rings(&made(&first));
        let mut cuts = 0;
        for pair in rings.windows(2) {
            let [before, after] = pair else {
                panic!("two by two");
            };
            let text = after.to_text();
            for len in 0..=text.len() {
                let place = home.path().join(format!("cut-{cuts}"));
                cuts += 1;
                fs::create_dir(&place).expect("room");
                for name in [FIRST, FIRST_TOKEN, "boot"] {
                    fs::copy(first.join(name), place.join(name)).expect("room");
                }
                if before.is_changing() {
                    keep(&place, before).expect("room");
                }
                fs::write(place.join("keys.new"), &text[..len]).expect("room");
                let identity = Identity::open(&place).expect("found");
                assert_eq!(identity.ring(), before, "cut at {len}");
                drop(identity);
                // The cut that comes after the new name, before the old files go.
                if len == text.len() {
                    fs::rename(place.join("keys.new"), place.join(NAME)).expect("renamed");
                    fs::copy(first.join(FIRST), place.join(FIRST)).expect("room");
                    use std::os::unix::fs::PermissionsExt;
                    let closed = fs::Permissions::from_mode(0o600);
                    fs::set_permissions(place.join(NAME), closed).expect("ours");
                    assert_eq!(Identity::open(&place).expect("found").ring(), after);
                }
            }
        }
        assert!(cuts > 300, "{cuts} cuts");
    }

    #[test]
    fn keys_are_old_a_year_after_the_first_time_of_day_that_they_saw() {
        const DAY: u64 = 86_400_000;
        let place = tempfile::tempdir().expect("a directory");
        let place = place.path();
        let first = made(place);
        let year = Duration::from_millis(365 * DAY);
        let old = |ring: &KeyRing, day: u64| {
            let now = Timestamp::from_millis(20_000 * DAY + day * DAY);
            are_old(place, ring, now, year).expect("room")
        };
        assert!(!old(&first, 900), "a clock that is ahead");
        for (day, is) in [
            (0, false),
            (1, false),
            (364, false),
            (365, true),
            (400, true),
        ] {
            assert_eq!(old(&first, day), is, "day {day}");
        }
        // Other keys are young, and what is damaged counts from today.
        let [_, begun, changed, _] = rings(&first);
        assert!(old(&begun, 400), "the change has only begun");
        assert!(!old(&changed, 400) && !old(&changed, 764) && old(&changed, 765));
        for damage in [&b""[..], b"1", b"1 x\n", &[0xff; 80]] {
            fs::write(place.join(SINCE), damage).expect("room");
            assert!(!old(&changed, 2_000));
            assert!(old(&changed, 2_365));
        }
    }

    /// The control: were the file written in place, a cut would lose the reader.
    #[test]
    fn a_file_of_keys_that_is_cut_short_is_noticed_and_never_replaced_by_a_new_identity() {
        let place = tempfile::tempdir().expect("a directory");
        let place = place.path();
        let [_, begun, ..] = rings(&made(place));
        keep(place, &begun).expect("room");
        let text = fs::read(place.join(NAME)).expect("there");
        fs::write(place.join(NAME), &text[..40]).expect("room");
        assert!(matches!(
            Identity::open(place),
            Err(IdentityFault::Damaged { .. })
        ));
    }
}
