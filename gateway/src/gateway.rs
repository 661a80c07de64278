//! What every route stands on: the engine, the secrets, who may ask, and what people look back on.

use crate::config::{Config, OperatorEntry};
use crate::credential::{Bearer, KeyDigest, Tokens};
use crate::history::History;
use crate::key::{self, KeyFault, ServerKey};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use gettone::Engine;
use gettone_channel::{Ephemeral, PublicKey, StaticKey};
use gettone_core::id::WalletId;
use gettone_core::time::Timestamp;
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// The server, without its HTTP.
pub(crate) struct Gateway {
    engine: Engine,
    operators: Vec<OperatorEntry>,
    platform: Option<KeyDigest>,
    tokens: Tokens,
    server: ServerKey,
    decoy: PublicKey,
    sequence: AtomicU64,
    history: RwLock<History>,
    stopping: AtomicBool,
    body_timeout: Duration,
}

impl Gateway {
    /// Puts the parts together; keys are loaded from the configuration's state directory.
    ///
    /// # Errors
    /// `KeyFault` when a secret can be neither read nor made.
    pub(crate) fn open(
        config: &Config,
        engine: Engine,
        history: History,
    ) -> Result<Self, KeyFault> {
        Ok(Self {
            engine,
            operators: config.operators.clone(),
            platform: config.platform,
            tokens: key::tokens(&config.state)?,
            server: key::server_key(&config.state)?,
            decoy: StaticKey::from_bytes(key::random()?).public(),
            // It counts up over restarts too, as long as the clock does; nothing rests on it.
            sequence: AtomicU64::new(now().as_millis()),
            history: RwLock::new(history),
            stopping: AtomicBool::new(false),
            body_timeout: config.limits.body_timeout(),
        })
    }

    /// The engine.
    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The server's key.
    pub(crate) const fn server(&self) -> &ServerKey {
        &self.server
    }

    /// A key of nobody, so that an envelope of an unknown reader costs as much as any other.
    pub(crate) const fn decoy(&self) -> &PublicKey {
        &self.decoy
    }

    /// The next number for an envelope's header.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// Bytes for one Noise message.
    ///
    /// # Errors
    /// `KeyFault::Random` when the system has none.
    pub(crate) fn ephemeral(&self) -> Result<Ephemeral, KeyFault> {
        key::random().map(Ephemeral::from_bytes)
    }

    /// The operator with this credential.
    pub(crate) fn operator(&self, bearer: &Bearer<'_>) -> Option<&OperatorEntry> {
        bearer.find(self.operators.iter().map(|entry| (&entry.key, entry)))
    }

    /// Whether this is the platform's credential.
    pub(crate) fn is_platform(&self, bearer: &Bearer<'_>) -> bool {
        bearer
            .find(self.platform.iter().map(|key| (key, ())))
            .is_some()
    }

    /// The customer with this credential.
    pub(crate) fn customer(&self, bearer: &Bearer<'_>) -> Option<WalletId> {
        self.tokens.check(bearer)
    }

    /// The token of a wallet.
    pub(crate) fn token(&self, wallet: WalletId) -> String {
        self.tokens.mint(wallet)
    }

    /// Reads what people look back on.
    pub(crate) fn look_back<T>(&self, read: impl FnOnce(&History) -> T) -> T {
        // A panic while folding leaves lines missing at worst, and no decision reads them.
        read(&self.history.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds to what people look back on.
    pub(crate) fn fold(&self, write: impl FnOnce(&mut History)) {
        write(&mut self.history.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Says from now on that the gateway is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it has been told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// How long a client has for the body of a request.
    pub(crate) const fn body_timeout(&self) -> Duration {
        self.body_timeout
    }
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    // A clock before 1970 has not been set yet: then it is 1970.
    Timestamp::from_millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }),
    )
}
