//! The one suite, `25519` `AESGCM` `SHA256`, as snow wants it served.
//!
//! snow's own resolver draws from the operating system and takes an all-zero X25519 result as a key;
//! this one hands out the caller's bytes, once, and refuses the zeros.

use core::cell::Cell;

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use sha2::{Digest, Sha256};
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::bounds::{KEY_LEN, TAG_LEN};
use crate::key::Ephemeral;
use crate::pair::{Pair, agree};

/// Between phone and reader, over BLE: the link.
pub(crate) const LINK: &str = "Noise_NNpsk0_25519_AESGCM_SHA256";
/// Between reader and server, through the phone: the envelope.
pub(crate) const ENVELOPE: &str = "Noise_K_25519_AESGCM_SHA256";

/// Why a Noise message was not made or not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An X25519 result was all zeros.
    WeakKey,
    /// The message does not open.
    Refused,
    /// The nonces of this link are used up.
    Exhausted,
}

impl From<snow::Error> for Broken {
    fn from(error: snow::Error) -> Self {
        use snow::Error as E;
        use snow::error::StateProblem;
        match error {
            E::Dh => Broken::WeakKey,
            E::State(StateProblem::Exhausted) => Broken::Exhausted,
            E::Decrypt | E::Input => Broken::Refused,
            // Not reached with the two fixed patterns; refusing is right for whatever snow adds.
            E::Pattern(_) | E::Init(_) | E::Prereq(_) | E::State(_) | E::Rng | _ => Broken::Refused,
        }
    }
}

/// Starts a handshake of keys that live as long as it does.
pub(crate) fn builder<'b>(pattern: &str, ephemeral: Option<Ephemeral>) -> snow::Builder<'b> {
    served(pattern, Suite::of(ephemeral))
}

/// Starts a message between static keys that know each other; a side that only reads brings no
/// ephemeral.
pub(crate) fn between<'b>(pair: &'b Pair, ephemeral: Option<Ephemeral>) -> snow::Builder<'b> {
    let suite = Suite {
        pair: Some(pair.clone()),
        ..Suite::of(ephemeral)
    };
    served(ENVELOPE, suite)
        .local_private_key(pair.own().secret().as_bytes())
        .and_then(|builder| builder.remote_public_key(pair.peer().as_bytes()))
        .expect("each is set once")
}

fn served<'b>(pattern: &str, suite: Suite) -> snow::Builder<'b> {
    let params: NoiseParams = pattern.parse().expect("both patterns are Noise names");
    snow::Builder::with_resolver(params, Box::new(suite))
}

/// Serves one handshake.
pub(crate) struct Suite {
    ephemeral: Cell<Option<Ephemeral>>,
    pair: Option<Pair>,
}

impl Suite {
    pub(crate) fn of(ephemeral: Option<Ephemeral>) -> Self {
        Suite {
            ephemeral: Cell::new(ephemeral),
            pair: None,
        }
    }
}

impl CryptoResolver for Suite {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Handout(self.ephemeral.take())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519::unset(self.pair.clone()))),
            DHChoice::Curve448 => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        match choice {
            HashChoice::SHA256 => Some(Box::new(Sha(Sha256::new()))),
            HashChoice::SHA512 | HashChoice::Blake2s | HashChoice::Blake2b => None,
        }
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::AESGCM => Some(Box::new(AesGcm(None))),
            CipherChoice::ChaChaPoly => None,
        }
    }
}

/// Hands out the caller's bytes to the first who asks, and nothing to anyone else.
struct Handout(Option<Ephemeral>);

impl Random for Handout {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let ephemeral = self.0.take().ok_or(snow::Error::Rng)?;
        let dest: &mut [u8; KEY_LEN] = dest.try_into().map_err(|_| snow::Error::Rng)?;
        *dest = *ephemeral.bytes();
        Ok(())
    }
}

struct X25519 {
    secret: StaticSecret,
    public: [u8; KEY_LEN],
    /// Whose key this is, where it is the static one; what was computed for it is not computed again.
    pair: Option<Pair>,
}

impl X25519 {
    fn new(secret: [u8; KEY_LEN]) -> Self {
        let secret = StaticSecret::from(secret);
        let public = PublicKey::from(&secret).to_bytes();
        X25519 {
            secret,
            public,
            pair: None,
        }
    }

    /// A place for a key; snow reads none before it has set or generated one.
    fn unset(pair: Option<Pair>) -> Self {
        let secret = StaticSecret::from([0; KEY_LEN]);
        X25519 {
            secret,
            public: [0; KEY_LEN],
            pair,
        }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY_LEN
    }

    fn priv_len(&self) -> usize {
        KEY_LEN
    }

    fn set(&mut self, privkey: &[u8]) {
        match &self.pair {
            // The one key that is set on such a message is its own.
            Some(pair) => {
                debug_assert_eq!(privkey, pair.own().secret().as_bytes());
                self.secret = pair.own().secret().clone();
                self.public = *pair.own().public().as_bytes();
            }
            None => *self = X25519::new(privkey.try_into().expect("StaticKey holds 32 bytes")),
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        rng.try_fill_bytes(secret.as_mut_slice())?;
        *self = X25519::new(*secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        // snow passes a buffer as long as the longest curve it knows.
        let peer = *pubkey.first_chunk::<KEY_LEN>().ok_or(snow::Error::Dh)?;
        let out = out.first_chunk_mut::<KEY_LEN>().ok_or(snow::Error::Dh)?;
        *out = match &self.pair {
            Some(pair) if *pair.peer().as_bytes() == peer => *pair.shared(),
            Some(_) | None => *agree(&self.secret, peer).ok_or(snow::Error::Dh)?,
        };
        Ok(())
    }
}

/// AES-256-GCM with Noise's nonce: four zero bytes, then the counter, big-endian.
struct AesGcm(Option<Aes256Gcm>);

impl AesGcm {
    fn keyed(&self) -> &Aes256Gcm {
        self.0
            .as_ref()
            .expect("snow sets a key before it uses the cipher")
    }
}

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; KEY_LEN]) {
        self.0 = Some(Aes256Gcm::new(key.into()));
    }

    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let (body, rest) = out.split_at_mut(plaintext.len());
        body.copy_from_slice(plaintext);
        let tag = self
            .keyed()
            .encrypt_inout_detached(&iv(nonce).into(), authtext, body.into())
            .expect("a Noise message is shorter than 64 KiB");
        rest[..TAG_LEN].copy_from_slice(&tag);
        plaintext.len() + TAG_LEN
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, snow::Error> {
        let (body, tag) = ciphertext
            .split_last_chunk::<TAG_LEN>()
            .ok_or(snow::Error::Decrypt)?;
        let out = out.get_mut(..body.len()).ok_or(snow::Error::Decrypt)?;
        out.copy_from_slice(body);
        self.keyed()
            .decrypt_inout_detached(&iv(nonce).into(), authtext, out.into(), tag.into())
            .map_err(|_| snow::Error::Decrypt)?;
        Ok(body.len())
    }
}

fn iv(nonce: u64) -> [u8; 12] {
    let mut iv = [0; 12];
    iv[4..].copy_from_slice(&nonce.to_be_bytes());
    iv
}

struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(&self.0.finalize_reset());
    }
}
