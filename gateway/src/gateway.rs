//! What every route stands on: the engine, the secrets, who may ask, and the database.

use crate::attempts::Attempts;
use crate::bounds::{
    EMAIL_TRY_REFILL, LIMITED_MAX, LISTENER_PATIENCE, LISTENERS_MAX, LISTENERS_OF_OPERATOR_MAX,
    TEST_LIFE, TESTS_MAX, TRIES_OF_CLIENT, TRIES_OF_EMAIL, TRY_REFILL, TYPED_WINDOW_OF_ACCOUNT,
    TYPED_WINDOW_OF_MACHINE,
};
use crate::care::Packages;
use crate::config::{Config, OperatorEntry};
use crate::courier::Courier;
use crate::credential::{Bearer, KeyDigest, Sealed, Seals, Tokens};
use crate::database::Database;
use crate::diagnostics::Questions;
use crate::key::{self, KeyFault, ServerKey, ServerKeys};
use crate::limiter::{Limiter, Wait};
use crate::pairs::Pairs;
use crate::password::Passwords;
use crate::problem::{Kind, Problem};
use crate::reported::Reported;
use crate::road::Roads;
use crate::route::Told;
use crate::sms::SmsEntry;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use gettone::Engine;
use gettone_channel::Ephemeral;
use gettone_core::grant::Purpose;
use gettone_core::id::{MachineId, Nonce, OperatorId, WalletId};
use gettone_core::time::Timestamp;
use gettone_store::Backlog;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The server, without its HTTP.
pub(crate) struct Gateway {
    engine: Engine,
    database: Database,
    operators: Vec<OperatorEntry>,
    platform: Option<KeyDigest>,
    tokens: Tokens,
    seals: Seals,
    servers: ServerKeys,
    pairs: Pairs,
    packages: Packages,
    reported: Reported,
    questions: Questions,
    sequence: AtomicU64,
    passwords: Passwords,
    courier: Option<Courier>,
    sms: Option<SmsEntry>,
    clients: Mutex<Limiter<IpAddr>>,
    emails: Mutex<Limiter<Sealed>>,
    proxies: Vec<IpAddr>,
    under_way: Mutex<HashSet<[u8; 32]>>,
    listeners: Mutex<HashMap<OperatorId, usize>>,
    tests: Mutex<HashMap<(MachineId, WalletId), Test>>,
    roads: Roads<Told>,
    typists: Mutex<Attempts<String>>,
    typed_at: Mutex<Attempts<MachineId>>,
    call_wait: Duration,
    ownership: Ownership,
    behind: AtomicBool,
    backlog: Option<Backlog>,
    stopping: AtomicBool,
    body_timeout: Duration,
}

/// Whether it is looked at whose a thing is. A test that keeps operators apart has to fail when it
/// is not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Ownership {
    /// It is.
    #[default]
    Checked,
    /// It is not: everybody's things are everybody's.
    #[cfg(test)]
    Ignored,
}

/// Why the parts do not come together.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum OpenFault {
    /// A secret cannot be used.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// There are no threads left.
    #[error("no thread: {0}")]
    Thread(#[from] io::Error),
}

impl Gateway {
    /// Puts the parts together; keys are loaded from the configuration's state directory.
    ///
    /// # Errors
    /// `OpenFault` when a secret can be neither read nor made, or a thread does not start.
    pub(crate) fn open(
        config: &Config,
        engine: Engine,
        database: Database,
    ) -> Result<Self, OpenFault> {
        let (tokens, seals) = key::app_secrets(&config.state)?;
        let servers = key::server_keys(&config.state)?;
        Ok(Self {
            engine,
            database,
            operators: config.operators.clone(),
            platform: config.platform,
            tokens,
            seals,
            pairs: Pairs::of(&servers.active().key)?,
            servers,
            packages: Packages::default(),
            reported: Reported::default(),
            questions: Questions::default(),
            // It counts up over restarts too, as long as the clock does; nothing rests on it.
            sequence: AtomicU64::new(now().as_millis()),
            passwords: Passwords::start()?,
            courier: config.courier.clone().map(Courier::start).transpose()?,
            sms: config.sms.clone(),
            clients: Mutex::new(Limiter::new(TRIES_OF_CLIENT, TRY_REFILL, LIMITED_MAX)),
            emails: Mutex::new(Limiter::new(TRIES_OF_EMAIL, EMAIL_TRY_REFILL, LIMITED_MAX)),
            proxies: config.proxies.clone(),
            under_way: Mutex::new(HashSet::new()),
            listeners: Mutex::new(HashMap::new()),
            tests: Mutex::new(HashMap::new()),
            roads: Roads::default(),
            typists: Mutex::new(Attempts::new(
                config.limits.typed_failures_of_account,
                TYPED_WINDOW_OF_ACCOUNT,
                LIMITED_MAX,
            )),
            typed_at: Mutex::new(Attempts::new(
                config.limits.typed_failures_of_machine,
                TYPED_WINDOW_OF_MACHINE,
                LIMITED_MAX,
            )),
            call_wait: Duration::from_secs(config.limits.call_wait_s),
            ownership: config.ownership,
            behind: AtomicBool::new(false),
            backlog: None,
            stopping: AtomicBool::new(false),
            body_timeout: config.limits.body_timeout(),
        })
    }

    /// Looks after what waits beside the journal, when there is such a thing.
    #[must_use]
    pub(crate) fn with_backlog(mut self, backlog: Option<Backlog>) -> Self {
        self.backlog = backlog;
        self
    }

    /// What waits beside the journal, when there is such a thing.
    pub(crate) const fn backlog(&self) -> Option<&Backlog> {
        self.backlog.as_ref()
    }

    /// The engine.
    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The database.
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// The server's key in use.
    pub(crate) fn server(&self) -> &ServerKey {
        self.servers.active()
    }

    /// All of the server's keys.
    pub(crate) const fn servers(&self) -> &ServerKeys {
        &self.servers
    }

    /// What those keys share with the readers'.
    pub(crate) const fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// What readers are to have.
    pub(crate) const fn packages(&self) -> &Packages {
        &self.packages
    }

    /// What readers run with, as far as they have said so.
    pub(crate) const fn reported(&self) -> &Reported {
        &self.reported
    }

    /// What readers are asked.
    pub(crate) const fn questions(&self) -> &Questions {
        &self.questions
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

    /// The operator whose configured credential this is.
    pub(crate) fn operator(&self, bearer: &Bearer<'_>) -> Option<&OperatorEntry> {
        bearer.find(self.operators.iter().map(|entry| (&entry.key, entry)))
    }

    /// What an operator is called; nothing when it is configured no more.
    pub(crate) fn operator_name(&self, operator: OperatorId) -> Option<&str> {
        self.operators
            .iter()
            .find(|entry| entry.id == operator)
            .map(|entry| entry.name.as_str())
    }

    /// Whether `operator` may see and change what belongs to `owner`. Every route that names a
    /// thing asks here.
    pub(crate) fn owns(&self, operator: OperatorId, owner: Option<OperatorId>) -> bool {
        match self.ownership {
            Ownership::Checked => owner == Some(operator),
            #[cfg(test)]
            Ownership::Ignored => owner.is_some(),
        }
    }

    /// Whether this is the platform's credential.
    pub(crate) fn is_platform(&self, bearer: &Bearer<'_>) -> bool {
        bearer
            .find(self.platform.iter().map(|key| (key, ())))
            .is_some()
    }

    /// The wallet with this token.
    pub(crate) fn wallet(&self, bearer: &Bearer<'_>) -> Option<WalletId> {
        self.tokens.check(bearer)
    }

    /// The token of a wallet.
    pub(crate) fn token(&self, wallet: WalletId) -> String {
        self.tokens.mint(wallet)
    }

    /// What seals addresses and codes.
    pub(crate) const fn seals(&self) -> &Seals {
        &self.seals
    }

    /// Where passwords are hashed.
    pub(crate) const fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// What carries codes, when there is one.
    pub(crate) const fn courier(&self) -> Option<&Courier> {
        self.courier.as_ref()
    }

    /// How SMS pay, where they do.
    pub(crate) const fn sms(&self) -> Option<&SmsEntry> {
        self.sms.as_ref()
    }

    /// Proxies that are believed when they say whom a request comes from.
    pub(crate) fn proxies(&self) -> &[IpAddr] {
        &self.proxies
    }

    /// Counts a client's try to sign in, or to be sent a code.
    ///
    /// # Errors
    /// `TooMany` when there were too many.
    pub(crate) fn count_client(&self, client: IpAddr) -> Result<(), Problem> {
        count(&self.clients, client)
    }

    /// Counts a try to sign in with an e-mail address, known or not.
    ///
    /// # Errors
    /// `TooMany` when there were too many.
    pub(crate) fn count_email(&self, email: &str) -> Result<(), Problem> {
        count(&self.emails, self.seals.address(email))
    }

    /// Takes a request with an idempotency key up, unless the same one is under way.
    pub(crate) fn take_up(&self, slot: [u8; 32]) -> Option<UnderWay<'_>> {
        let is_new = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(slot);
        // Made only when it is new: dropping one takes the slot away.
        is_new.then(|| UnderWay {
            gateway: self,
            slot,
        })
    }

    /// Lets a wallet's next visit to a machine be a test; tells until when. A restart forgets it:
    /// then the visit is an ordinary one.
    ///
    /// # Errors
    /// `Busy` when too many tests are about to begin.
    pub(crate) fn allow_test(
        &self,
        machine: MachineId,
        wallet: WalletId,
        now: Timestamp,
    ) -> Result<Timestamp, Problem> {
        let mut tests = self.tests.lock().unwrap_or_else(PoisonError::into_inner);
        tests.retain(|_, test| now < test.until);
        if tests.len() >= TESTS_MAX {
            return Err(Kind::Busy
                .because("too many tests are about to begin")
                .retry_after(LISTENER_PATIENCE));
        }
        let until = later(now, TEST_LIFE);
        let test = Test { until, hello: None };
        tests.insert((machine, wallet), test);
        Ok(until)
    }

    /// What a wallet's HELLO at a machine is for. A test is one visit; the same HELLO, sent again,
    /// is the same visit.
    pub(crate) fn purpose(
        &self,
        place: (MachineId, WalletId),
        hello: Nonce,
        now: Timestamp,
    ) -> Purpose {
        let mut tests = self.tests.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(test) = tests.get_mut(&place).filter(|test| now < test.until) else {
            return Purpose::Sale;
        };
        if *test.hello.get_or_insert(hello) == hello {
            Purpose::Test
        } else {
            Purpose::Sale
        }
    }

    /// The boards that are connected by roads of their own.
    pub(crate) const fn roads(&self) -> &Roads<Told> {
        &self.roads
    }

    /// How long a reader has to answer a call.
    pub(crate) const fn call_wait(&self) -> Duration {
        self.call_wait
    }

    /// Counts a code that somebody typed as wrong, until it is known to be right.
    ///
    /// # Errors
    /// `TooMany` when the account, or the machine, had too many that were.
    pub(crate) fn begin_typed(&self, who: &str, machine: MachineId) -> Result<(), Problem> {
        let now = now();
        let too_many = |Wait(wait): Wait| {
            let wait = Duration::from_secs(wait.as_millis().div_ceil(1_000) as u64);
            Kind::TooMany
                .because("too many wrong codes; wait, and try again")
                .with("wait_s", wait.as_secs())
                .retry_after(wait)
        };
        attempts(&self.typists)
            .begin(who.to_owned(), now)
            .map_err(too_many)?;
        attempts(&self.typed_at)
            .begin(machine, now)
            .map_err(|wait| {
                // Who is shut out by others was not wrong.
                attempts(&self.typists).forgive(who);
                too_many(wait)
            })
    }

    /// Notes that the code was right.
    pub(crate) fn forgive_typed(&self, who: &str, machine: MachineId) {
        attempts(&self.typists).forgive(who);
        attempts(&self.typed_at).forgive(&machine);
    }

    /// Counts somebody who listens to what happens at an operator's machines.
    ///
    /// # Errors
    /// `Busy` when there are too many.
    pub(crate) fn listen(self: Arc<Self>, operator: OperatorId) -> Result<Listener, Problem> {
        let mut listeners = self.listeners();
        let all: usize = listeners.values().sum();
        let own = listeners.entry(operator).or_default();
        if *own >= LISTENERS_OF_OPERATOR_MAX || all >= LISTENERS_MAX {
            return Err(Kind::Busy
                .because("too many pages listen already; close some")
                .retry_after(LISTENER_PATIENCE));
        }
        *own += 1;
        drop(listeners);
        Ok(Listener {
            gateway: self,
            operator,
        })
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<OperatorId, usize>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the projections do not follow the journal.
    pub(crate) fn fall_behind(&self) {
        self.behind.store(true, Ordering::Relaxed);
    }

    /// Notes that they follow it again.
    pub(crate) fn catch_up(&self) {
        self.behind.store(false, Ordering::Relaxed);
    }

    /// Whether the projections have everything, but for what is on its way.
    pub(crate) fn is_complete(&self) -> bool {
        !self.behind.load(Ordering::Relaxed)
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

/// A visit that is to be a test.
#[derive(Clone, Copy, Debug)]
struct Test {
    until: Timestamp,
    hello: Option<Nonce>,
}

/// Somebody who listens to what happens, until this is dropped.
pub(crate) struct Listener {
    gateway: Arc<Gateway>,
    operator: OperatorId,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.gateway.listeners();
        if let Some(own) = listeners.get_mut(&self.operator) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                listeners.remove(&self.operator);
            }
        }
    }
}

/// A request that is under way, until this is dropped.
pub(crate) struct UnderWay<'a> {
    gateway: &'a Gateway,
    slot: [u8; 32],
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.gateway
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.slot);
    }
}

fn attempts<K>(attempts: &Mutex<Attempts<K>>) -> MutexGuard<'_, Attempts<K>> {
    attempts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count<K: core::hash::Hash + Eq>(limiter: &Mutex<Limiter<K>>, key: K) -> Result<(), Problem> {
    limiter
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take(key, now())
        .map_err(|Wait(wait)| {
            Kind::TooMany
                .because("wait, and try again")
                .retry_after(wait)
        })
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

/// The time of day this much later.
pub(crate) fn later(now: Timestamp, life: Duration) -> Timestamp {
    let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_add(life))
}
