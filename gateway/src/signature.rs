//! Who signs what it posts: a secret that is shared with somebody else's server.

use crate::bounds::{SECRET_LEN_LEAST, SIGNATURE_WINDOW};
use crate::text::unhex;
use core::fmt;
use gettone_core::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header that carries a signature: `t=SECONDS,v1=HEX`.
pub(crate) const SIGNATURE: &str = "gettone-signature";

/// A secret that two servers share.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(Zeroizing<Vec<u8>>);

/// Nobody who has the secret sent this, or not just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unsigned;

impl SharedSecret {
    /// Takes a secret; none when it is too short to be one.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= SECRET_LEN_LEAST).then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    /// Checks that the header signs the time and these bytes, and that the time is about now.
    ///
    /// # Errors
    /// `Unsigned`, whatever is wrong.
    pub(crate) fn check(
        &self,
        header: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Unsigned> {
        let (time, tag) = header
            .and_then(|header| header.trim().split_once(','))
            .ok_or(Unsigned)?;
        let time = time.trim().strip_prefix("t=").ok_or(Unsigned)?;
        let tag = tag.trim().strip_prefix("v1=").and_then(unhex::<32>);
        let tag = tag.ok_or(Unsigned)?;
        let mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("HMAC takes keys of any length")
            .chain_update(time)
            .chain_update(b".")
            .chain_update(body);
        mac.verify((&tag).into()).map_err(|_| Unsigned)?;
        let seconds: u64 = time.parse().map_err(|_| Unsigned)?;
        let away = (now.as_millis() / 1_000).abs_diff(seconds);
        if away > SIGNATURE_WINDOW.as_secs() {
            return Err(Unsigned);
        }
        Ok(())
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"id\":\"1\"}";
    const SECONDS: u64 = 1_800_000_000;
    // printf '1800000000.{"id":"1"}' | openssl dgst -sha256 -hmac 'sixteen or more bytes'
    const TAG: &str = "dd693ba0910418b420056694c546355133f48779568c7793c3943a83d7009882";

    fn check(header: &str, body: &[u8], seconds: u64) -> Result<(), Unsigned> {
        let secret = SharedSecret::new(b"sixteen or more bytes").expect("long enough");
        secret.check(Some(header), body, Timestamp::from_millis(seconds * 1_000))
    }

    #[test]
    fn what_is_signed_just_now_is_taken() {
        let header = format!("t={SECONDS},v1={TAG}");
        assert_eq!(check(&header, BODY, SECONDS), Ok(()));
        assert_eq!(check(&header, BODY, SECONDS + 300), Ok(()));
        assert_eq!(check(&header, BODY, SECONDS - 300), Ok(()));
        let spaced = format!(" t={SECONDS}, v1={}", TAG.to_uppercase());
        assert_eq!(check(&spaced, BODY, SECONDS), Ok(()));
    }

    #[test]
    fn nothing_else_is() {
        let header = format!("t={SECONDS},v1={TAG}");
        assert_eq!(check(&header, b"{\"id\":\"2\"}", SECONDS), Err(Unsigned));
        assert_eq!(check(&header, BODY, SECONDS + 301), Err(Unsigned), "old");
        assert_eq!(check(&header, BODY, SECONDS - 301), Err(Unsigned), "early");
        let other_time = format!("t={},v1={TAG}", SECONDS + 1);
        for wrong in [
            "",
            ",",
            "t=,v1=",
            TAG,
            &other_time,
            &header[..header.len() - 1],
            &format!("{header}0"),
            &format!("t={SECONDS},v0={TAG}"),
            &format!("t=99999999999999999999999,v1={TAG}"),
        ] {
            assert_eq!(check(wrong, BODY, SECONDS), Err(Unsigned), "{wrong:?}");
        }
        let secret = SharedSecret::new(b"another secret than that").expect("long enough");
        let now = Timestamp::from_millis(SECONDS * 1_000);
        assert_eq!(secret.check(Some(&header), BODY, now), Err(Unsigned));
        assert_eq!(secret.check(None, BODY, now), Err(Unsigned));
        assert_eq!(SharedSecret::new(b"short"), None);
        assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
    }
}
