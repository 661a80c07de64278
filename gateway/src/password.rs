//! Staff passwords: Argon2id, on threads of their own because it is slow on purpose.

use crate::bounds::{PASSWORD_LEN_LEAST, PASSWORD_LEN_MAX, PASSWORDS_WAITING_MAX};
use crate::key::{self, KeyFault};
use crate::text::{hex, unhex};
use crate::worker::{Undone, Workers};
use argon2::{Algorithm, Argon2, Params, Version};
use std::io;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// KiB, passes, lanes: 19 MiB and two passes, as OWASP's password storage advice has it.
const COST: (u32, u32, u32) = (19 * 1_024, 2, 1);
const SALT_LEN: usize = 16;
const DIGEST_LEN: usize = 32;

/// A password as it was typed; it is never shown.
#[derive(Clone)]
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    /// Takes one that is tried; none when nothing so long was ever taken.
    pub(crate) fn tried(text: String) -> Option<Self> {
        let text = Zeroizing::new(text);
        (text.len() <= PASSWORD_LEN_MAX).then_some(Self(text))
    }

    /// Takes one that is chosen; none when it is too short or too long.
    pub(crate) fn chosen(text: String) -> Option<Self> {
        let is_long = text.chars().count() >= PASSWORD_LEN_LEAST;
        Self::tried(text).filter(|_| is_long)
    }
}

/// Where passwords are hashed: one at a time, so that sign-ins never take more than 19 MiB.
#[derive(Debug)]
pub(crate) struct Passwords {
    workers: Workers<()>,
}

impl Passwords {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says when it has no more threads.
    pub(crate) fn start() -> io::Result<Self> {
        let workers = Workers::start("gettone-password", [()], PASSWORDS_WAITING_MAX)?;
        Ok(Self { workers })
    }

    /// Hashes a password that was chosen.
    ///
    /// # Errors
    /// `Undone` when too many wait.
    pub(crate) async fn hash(&self, password: Password) -> Result<Option<String>, Undone> {
        self.workers.run(move |()| hash(&password).ok()).await
    }

    /// Whether a password is the right one. Without a hash it takes as long, and is wrong.
    ///
    /// # Errors
    /// `Undone` when too many wait.
    pub(crate) async fn check(
        &self,
        password: Password,
        hash: Option<String>,
    ) -> Result<bool, Undone> {
        self.workers
            .run(move |()| match hash {
                Some(hash) => is_right(&password, &hash),
                None => digest(&password, &[0; SALT_LEN], COST).is_none(),
            })
            .await
    }
}

/// Hashes a password, with a fresh salt.
///
/// # Errors
/// `KeyFault::Random` when the system has no random bytes.
pub(crate) fn hash(password: &Password) -> Result<String, KeyFault> {
    let salt = key::random::<SALT_LEN>()?;
    let digest = digest(password, &salt, COST).unwrap_or_default();
    let (memory, passes, lanes) = COST;
    Ok(format!(
        "argon2id,{memory},{passes},{lanes},{},{}",
        hex(&salt),
        hex(&digest)
    ))
}

fn is_right(password: &Password, hash: &str) -> bool {
    parse(hash).is_some_and(|(cost, salt, right)| {
        digest(password, &salt, cost).is_some_and(|digest| digest.ct_eq(&right).into())
    })
}

/// Its cost, its salt, and the digest that the right password gives.
type Parsed = ((u32, u32, u32), [u8; SALT_LEN], [u8; DIGEST_LEN]);

fn parse(hash: &str) -> Option<Parsed> {
    let mut fields = hash.strip_prefix("argon2id,")?.split(',');
    let mut number = || fields.next()?.parse().ok();
    let cost = (number()?, number()?, number()?);
    let salt = unhex(fields.next()?)?;
    let digest = unhex(fields.next()?)?;
    fields.next().is_none().then_some((cost, salt, digest))
}

fn digest(
    password: &Password,
    salt: &[u8; SALT_LEN],
    cost: (u32, u32, u32),
) -> Option<[u8; DIGEST_LEN]> {
    let (memory, passes, lanes) = cost;
    let params = Params::new(memory, passes, lanes, Some(DIGEST_LEN)).ok()?;
    let mut digest = [0; DIGEST_LEN];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.0.as_bytes(), salt, &mut digest)
        .ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::tried(text.to_owned()).expect("short")
    }

    #[test]
    fn only_the_same_password_is_right_and_no_two_hashes_are_alike() {
        let right = password("correct horse");
        let hashes = [(); 2].map(|()| hash(&right).expect("random bytes"));
        assert_ne!(hashes[0], hashes[1]);
        assert!(is_right(&right, &hashes[0]));
        assert!(is_right(&right, &hashes[1]));
        assert!(!is_right(&password("correct horsE"), &hashes[0]));
        assert!(!is_right(&password(""), &hashes[0]));
    }

    #[test]
    fn a_hash_that_makes_no_sense_is_nobodys() {
        let right = password("correct horse");
        let hash = hash(&right).expect("random bytes");
        for damaged in [
            "",
            "argon2id",
            &hash[1..],
            &hash[..hash.len() - 1],
            &format!("{hash},"),
        ] {
            assert!(!is_right(&right, damaged), "{damaged:?}");
        }
    }

    #[test]
    fn a_password_too_short_or_too_long_is_not_taken() {
        assert!(Password::chosen("a".repeat(PASSWORD_LEN_LEAST - 1)).is_none());
        assert!(Password::chosen("è".repeat(PASSWORD_LEN_LEAST)).is_some());
        assert!(Password::tried("a".repeat(PASSWORD_LEN_MAX + 1)).is_none());
    }
}
