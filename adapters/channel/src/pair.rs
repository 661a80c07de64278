//! Two static keys that write to each other.

use core::fmt;
use std::sync::Arc;

use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::bounds::KEY_LEN;
use crate::key::{PublicKey, StaticKey};

/// One's own static key and a peer's, and the secret that the two share: half of what an envelope
/// costs, computed once for all envelopes of the two. Erased when the last clone is dropped.
#[derive(Clone)]
pub struct Pair {
    own: StaticKey,
    peer: PublicKey,
    shared: Arc<Zeroizing<[u8; KEY_LEN]>>,
}

impl Pair {
    /// Brings two keys together. None where the peer's is of low order, which makes a secret that
    /// everybody knows.
    pub fn of(own: &StaticKey, peer: &PublicKey) -> Option<Self> {
        let shared = agree(own.secret(), *peer.as_bytes())?;
        Some(Pair {
            own: own.clone(),
            peer: *peer,
            shared: Arc::new(shared),
        })
    }

    /// Returns whose envelopes this opens.
    pub fn peer(&self) -> &PublicKey {
        &self.peer
    }

    pub(crate) fn own(&self) -> &StaticKey {
        &self.own
    }

    pub(crate) fn shared(&self) -> &[u8; KEY_LEN] {
        &self.shared
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({}, {})", self.own.public(), self.peer)
    }
}

/// What X25519 of the two gives; none where it is all zeros.
pub(crate) fn agree(
    secret: &StaticSecret,
    peer: [u8; KEY_LEN],
) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let shared = secret.diffie_hellman(&peer.into());
    shared
        .was_contributory()
        .then(|| Zeroizing::new(shared.to_bytes()))
}
