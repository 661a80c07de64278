//! The server, as readers' envelopes meet it behind HTTP: the real engine on a tape, and what the
//! gateway does with an envelope or a code before and after it asks the engine.

use crate::dice::Dice;
use crate::letters::Roads;
use crate::street::Guards;
use core::time::Duration;
use gettone::core::id::{MachineId, OperatorId, ReaderId, ReaderKey, TransferId, VendId, WalletId};
use gettone::core::machine::{self, Policy};
use gettone::core::money::{Amount, Currency};
use gettone::core::reader::{Ask, Command, Reader, Standing};
use gettone::core::time::Timestamp;
use gettone::{Clock, Engine, Failure, Settings};
use gettone_channel::{
    self as channel, Bind, CapClass, LightGrant, LightPlace, Slip, StaticKey, TokenKey, TokenLink,
};
use gettone_relay::{
    Asked, Outcome, reader_in, scan_in, token_key_out, token_nonce, vend_of, within_light,
};
use gettone_store::{Kept, Memory, Tape};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;

/// The epoch of the key that every reader is installed with.
pub(crate) const EPOCH: u16 = 1;
/// Keys of the server in one life.
const KEYS_MAX: usize = 6;
/// What everybody has to begin with, in minor units.
pub(crate) const PURSE: i64 = 2_000;
const OPERATOR: OperatorId = OperatorId::new(1);
/// 2026, in milliseconds since 1970.
const NOW: u64 = 1_790_000_000_000;
/// Nothing here is let go for want of news: what clocks do must change nothing.
const HOLD_MAX: Duration = Duration::from_secs(200 * 365 * 86_400);

/// The server had crashed: nobody hears an answer.
#[derive(Debug)]
pub(crate) struct Down;

pub(crate) struct Desk {
    pub(crate) tape: Tape,
    engine: Option<Engine>,
    /// Its keys, from the first epoch on.
    pub(crate) keys: Vec<StaticKey>,
    pub(crate) active: u16,
    clock: Arc<AtomicU64>,
    runtime: Runtime,
    pub(crate) sealed: u64,
    pub(crate) guards: Guards,
    pub(crate) roads: Roads,
    /// Grants that answered a call.
    pub(crate) called: u64,
    /// The numbers of the configuration and of the program that every reader is to have.
    pub(crate) configuration: u32,
    pub(crate) firmware: u32,
    /// Who is behind each hold that was asked for, and how often each receipt came.
    pub(crate) came_with: BTreeMap<VendId, WalletId>,
    pub(crate) came_again: BTreeMap<(VendId, u64), u64>,
    /// Over which link each HELLO was made, by the name of its grant.
    pub(crate) heard: Vec<(VendId, Bind)>,
    /// HELLOs in the order that they came, for a server that goes by that.
    pub(crate) come: u64,
    pub(crate) crashes: u64,
}

impl Desk {
    pub(crate) fn new(guards: Guards) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let mut desk = Self {
            tape: Tape::default(),
            engine: None,
            keys: vec![StaticKey::from_bytes([4; 32])],
            active: EPOCH,
            clock: Arc::new(AtomicU64::new(NOW)),
            runtime,
            sealed: 0,
            guards,
            roads: Roads::default(),
            called: 0,
            configuration: 0,
            firmware: 0,
            came_with: BTreeMap::new(),
            came_again: BTreeMap::new(),
            heard: Vec::new(),
            come: 0,
            crashes: 0,
        };
        desk.start();
        desk
    }

    fn start(&mut self) {
        let store = Memory::reopen(&self.tape).expect("nobody else has the tape");
        let settings = Settings {
            shards: NonZeroUsize::new(1),
            clock: Clock::Set(self.clock.clone()),
            deadline: Duration::from_secs(120),
            hold_max: HOLD_MAX,
            snapshot_every: None,
            ..Settings::default()
        };
        let engine = Engine::start(Box::new(store), settings, &mut |_, _| {});
        self.engine = Some(engine.expect("its own journal can be read"));
    }

    /// Ends well.
    pub(crate) fn close(mut self) {
        let engine = self.engine.take().expect("it runs");
        // A crash that was to come has not come.
        let _ = self.runtime.block_on(engine.shutdown());
    }

    /// The key that every reader is installed with.
    pub(crate) fn public(&self) -> channel::PublicKey {
        self.keys[0].public()
    }

    /// Its key of this epoch.
    pub(crate) fn key_of(&self, epoch: u16) -> Option<&StaticKey> {
        self.keys.get(usize::from(epoch.checked_sub(EPOCH)?))
    }

    /// The next step of a change of its keys: another is announced, or the one that was goes into use.
    pub(crate) fn change_keys(&mut self, dice: &mut Dice) {
        if self.key_of(self.active + 1).is_some() {
            self.active += 1;
        } else if self.keys.len() < KEYS_MAX {
            self.keys.push(StaticKey::from_bytes(dice.bytes()));
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::Relaxed))
    }

    /// The clock jumps, forwards or back.
    pub(crate) fn set_clock(&mut self, dice: &mut Dice) {
        const TEN_YEARS: u64 = 10 * 365 * 86_400 * 1_000;
        let jump = dice.below(2 * TEN_YEARS);
        self.clock.store(NOW + jump - TEN_YEARS, Ordering::Relaxed);
    }

    /// The clock jumps by so many milliseconds.
    pub(crate) fn jump(&mut self, millis: i64) {
        let now = self.clock.load(Ordering::Relaxed);
        self.clock
            .store(now.saturating_add_signed(millis), Ordering::Relaxed);
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    /// It will be killed at one of the next records.
    pub(crate) fn kill_soon(&mut self, dice: &mut Dice) {
        let kept = match dice.below(2) {
            0 => Kept::Nothing,
            _ => Kept::Everything,
        };
        self.tape.fail_frame(1 + dice.below(6), kept);
    }

    pub(crate) fn open_wallet(&mut self, wallet: WalletId) {
        let engine = self.engine().clone();
        self.runtime.block_on(async {
            let opened = engine.open_wallet(wallet, Currency::EUR).await;
            opened.expect("opens");
            let mut name = [0; 16];
            name[..8].copy_from_slice(&wallet.number().to_be_bytes());
            let given = engine.top_up(
                wallet,
                TransferId::from_bytes(name),
                Amount::from_minor(PURSE),
            );
            given.await.expect("takes the money");
        });
    }

    pub(crate) fn enrol(&mut self, key: &StaticKey, number: u32) {
        let engine = self.engine().clone();
        let reader = reader_in(channel::reader_id(&key.public()));
        let machine = MachineId::new(number);
        let enrol = Command::Enrol {
            key: ReaderKey::from_bytes(*key.public().as_bytes()),
            machine,
            operator: OPERATOR,
            currency: Currency::EUR,
        };
        let register = machine::Command::Register {
            operator: OPERATOR,
            currency: Currency::EUR,
            policy: Policy {
                cap: Amount::from_minor(300),
                vends_max: 2,
                fee_basis_points: 150,
                revalue_max: Amount::from_minor(1_000),
            },
        };
        self.runtime.block_on(async {
            engine.reader_command(reader, enrol).await.expect("enrols");
            for command in [register, machine::Command::Claim { reader }] {
                engine
                    .machine_command(machine, command)
                    .await
                    .expect("the machine takes it");
            }
        });
    }

    /// What an envelope says, to whoever has the server's key.
    pub(crate) fn peek(
        &self,
        envelope: &[u8],
        reader: &StaticKey,
    ) -> Result<Vec<channel::Item>, channel::EnvelopeFault> {
        let epoch = channel::header(envelope)?.server_epoch;
        let own = self.key_of(epoch).unwrap_or(&self.keys[0]);
        channel::open(envelope, own, &reader.public()).map(|(_, items)| items)
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it runs")
    }

    /// Whether the wallets' money is as it should be: in all of them together.
    pub(crate) fn money(&mut self, wallets: &[WalletId]) -> i64 {
        let engine = self.engine().clone();
        self.runtime.block_on(async {
            let mut sum = 0;
            for wallet in wallets {
                let balance = engine.balance(*wallet).await.expect("answers");
                let balance = balance.into_inner().expect("it is open");
                let closed = balance.closed.iter().map(|purse| purse.1);
                sum += (balance.emoney + closed.sum::<Amount>()).minor();
            }
            sum
        })
    }

    pub(crate) fn told<T, R>(&mut self, outcome: Result<T, Failure<R>>) -> Result<Option<T>, Down> {
        match outcome {
            Ok(told) => Ok(Some(told)),
            Err(Failure::Refused(_)) => Ok(None),
            Err(Failure::Stopped) => {
                let engine = self.engine.take().expect("it ran");
                let _ = self.runtime.block_on(engine.shutdown());
                self.crashes += 1;
                self.start();
                Err(Down)
            }
            Err(_) => panic!("an engine that nobody else asks is never busy"),
        }
    }

    pub(crate) fn reader(&mut self, id: ReaderId) -> Result<Option<Reader>, Down> {
        let engine = self.engine().clone();
        let read = self.runtime.block_on(engine.reader(id));
        let read = self.told(read)?;
        Ok(read.and_then(|read| read.into_inner().map(|reader| *reader)))
    }

    pub(crate) fn machine(&mut self, id: MachineId) -> Result<machine::Machine, Down> {
        let engine = self.engine().clone();
        let read = self.runtime.block_on(engine.machine(id));
        let read = self.told(read)?;
        Ok(read
            .and_then(|read| read.into_inner())
            .map(|machine| *machine)
            .unwrap_or_default())
    }

    /// Waits for what the engine says.
    pub(crate) fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    pub(crate) fn command(&mut self, id: ReaderId, command: Command) -> Result<(), Down> {
        let engine = self.engine().clone();
        let done = self.runtime.block_on(engine.reader_command(id, command));
        self.told(done).map(drop)
    }

    /// Takes the news of a code that was scanned by somebody who buys nothing.
    pub(crate) fn bring(&mut self, code: &TokenLink) -> Result<(), Down> {
        let id = reader_in(code.reader);
        let reader = self.reader(id)?;
        let Some((_, slip)) = reader.and_then(|reader| opened(&reader, code)) else {
            return Ok(());
        };
        self.scan(id, scan_in(code, &slip, None), None).map(drop)
    }

    /// The light that buys at the reader whose code this is, and the name of the grant.
    pub(crate) fn light(
        &mut self,
        code: &TokenLink,
        wallet: WalletId,
    ) -> Result<Option<[u8; 10]>, Down> {
        let id = reader_in(code.reader);
        let Some(reader) = self.reader(id)? else {
            return Ok(None);
        };
        let (Some((key, slip)), Some(number)) = (opened(&reader, code), reader.machine()) else {
            return Ok(None);
        };
        self.scan(id, scan_in(code, &slip, None), None)?;
        let machine = self.machine(number)?;
        if machine.reader() != Some(id) {
            return Ok(None);
        }
        let Some(terms) = machine
            .terms(number)
            .ok()
            .and_then(|(terms, _)| within_light(terms))
        else {
            return Ok(None);
        };
        let nonce = token_nonce(&code.token);
        let ask = Ask {
            nonce,
            vend: vend_of(id, nonce),
            wallet,
            terms,
        };
        let scanned = self.scan(id, scan_in(code, &slip, Some(ask)), Some(wallet))?;
        let Outcome::Granted(granted) = Outcome::of(scanned, Asked::Yes) else {
            return Ok(None);
        };
        let held = u32::try_from(granted.held.minor()).expect("small");
        let Some(class) = CapClass::within(held, granted.vends_max) else {
            return Ok(None);
        };
        let place = LightPlace {
            boot: slip.order.boot,
            step: code.step,
            slip: code.slip.digest(),
        };
        Ok(Some(LightGrant::seal(&key, class, &place).to_bytes()))
    }

    fn scan(
        &mut self,
        id: ReaderId,
        scan: gettone::core::reader::Scan,
        wallet: Option<WalletId>,
    ) -> Result<Option<Standing>, Down> {
        let engine = self.engine().clone();
        let scanned = self.runtime.block_on(engine.scan(id, scan, wallet));
        let scanned = self.told(scanned)?;
        Ok(scanned.and_then(|scanned| scanned.into_inner().standing))
    }
}

/// Reads a code under the key of its reader, or under the next one: a reader that changes its keys
/// may show codes of it before it is heard again.
fn opened(reader: &Reader, code: &TokenLink) -> Option<(TokenKey, Slip)> {
    let next = reader.next_keys().and_then(|next| next.token);
    let keys = reader.token_key().into_iter().chain(next);
    let mut opened = keys.filter_map(|key| {
        let key = token_key_out(&key);
        Some((key.clone(), code.open(&key).ok()?))
    });
    opened.next()
}

/// The name of the grant that a code can get.
pub(crate) fn vend_of_code(code: &TokenLink) -> VendId {
    vend_of(reader_in(code.reader), token_nonce(&code.token))
}
