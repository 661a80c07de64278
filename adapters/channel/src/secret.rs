//! Secrets that two parties share out of band, and what is derived from them.

use core::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::id::Eid;
use crate::wire::{Bad, Field, Wire};

/// The out-of-band secret `L` of one link attempt.
pub struct Secret(Shared);

enum Shared {
    Light(Zeroizing<[u8; 10]>),
    Token(Zeroizing<[u8; 16]>),
}

impl Secret {
    /// Takes the secret of a light code, fresh from the phone.
    pub fn light(bytes: [u8; 10]) -> Self {
        Secret(Shared::Light(Zeroizing::new(bytes)))
    }

    /// Takes the token on show at a reader, `T_n`.
    pub fn token(bytes: [u8; 16]) -> Self {
        Secret(Shared::Token(Zeroizing::new(bytes)))
    }

    /// Derives what the reader advertises.
    pub fn eid(&self) -> Eid {
        Eid::from_bytes(*derive(self.bytes(), b"gettone eid v1"))
    }

    /// Derives the link's pre-shared key.
    pub fn psk(&self) -> Psk {
        Psk(derive(self.bytes(), b"gettone psk v1"))
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Shared::Light(bytes) => bytes.as_slice(),
            Shared::Token(bytes) => bytes.as_slice(),
        }
    }
}

/// The secret `r` with which one phone, and no other, resumes its session.
#[derive(Clone)]
pub struct ResumeSecret(Zeroizing<[u8; 16]>);

impl ResumeSecret {
    /// Takes 16 bytes that must be fresh from a cryptographic random source.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        ResumeSecret(Zeroizing::new(bytes))
    }

    /// Derives what the reader advertises while it waits for this phone.
    pub fn eid(&self) -> Eid {
        Eid::from_bytes(*derive(self.0.as_slice(), b"gettone eid re v1"))
    }

    /// Derives the pre-shared key of the resumed link.
    pub fn psk(&self) -> Psk {
        Psk(derive(self.0.as_slice(), b"gettone psk re v1"))
    }
}

/// The pre-shared key of one link.
pub struct Psk(Zeroizing<[u8; 32]>);

impl Psk {
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// `K_tok`, from which a reader and the server derive the tokens.
#[derive(Clone)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

impl TokenKey {
    /// Takes 32 bytes that must be fresh from a cryptographic random source.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        TokenKey(Zeroizing::new(bytes))
    }

    /// Returns the bytes, to be stored or to key an HMAC.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }
}

macro_rules! closed {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
closed!(Secret, ResumeSecret, Psk, TokenKey);

/// Secrets that travel as a field compare in constant time.
macro_rules! carried {
    ($($name:ident[$len:literal]),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.as_slice().ct_eq(other.0.as_slice()).into()
            }
        }
        impl Eq for $name {}

        impl Field for $name {
            const LEN: usize = $len;
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0.as_slice());
            }
            fn take(from: &mut Wire<'_>) -> Result<Self, Bad> {
                from.array().map($name::from_bytes)
            }
        }
    )*};
}
carried!(ResumeSecret[16], TokenKey[32]);

/// Derives `N` bytes by HKDF-SHA256 with an empty salt.
pub(crate) fn derive<const N: usize>(secret: &[u8], label: &[u8]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(None, secret)
        .expand(label, out.as_mut_slice())
        .expect("HKDF-SHA256 yields up to 8,160 bytes");
    out
}
