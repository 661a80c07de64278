//! X25519 keys. A static key is used in Noise and nowhere else.

use core::fmt;
use std::sync::Arc;

use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::id::id;

id! {
    /// An X25519 public key, as it travels.
    PublicKey[32]
}

/// An X25519 private key that lives longer than one message; erased when the last clone is dropped.
///
/// A clone is the same key in the same place: the key itself is in memory once.
#[derive(Clone)]
pub struct StaticKey {
    secret: Arc<StaticSecret>,
    public: PublicKey,
}

impl StaticKey {
    /// Takes 32 random bytes as the private key.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let secret = StaticSecret::from(bytes);
        let public = PublicKey::from_bytes(x25519_dalek::PublicKey::from(&secret).to_bytes());
        StaticKey {
            secret: Arc::new(secret),
            public,
        }
    }

    /// Returns the private key, to be stored.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn secret(&self) -> &StaticSecret {
        &self.secret
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticKey({})", self.public)
    }
}

/// 32 random bytes for one Noise message; no message takes them twice.
pub struct Ephemeral(Zeroizing<[u8; 32]>);

impl Ephemeral {
    /// Takes 32 bytes that must be fresh from a cryptographic random source.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Ephemeral(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ephemeral(..)")
    }
}
