//! What a board is told and what it asks for: the words between the rules and their shell.

use super::grant::Terms;
use super::outbox::Written;
use super::record::Record;
use super::{Life, Outcome};
use crate::counters::Counters;
use crate::id::{Bind, Chain, Item, JournalEpoch, Nonce, Rseq, VendId};
use crate::lock::{Lock, LockState};
use crate::money::Amount;
use crate::notice::{Code as NoticeCode, Notice};
use crate::time::Timestamp;
use core::fmt;
use core::time::Duration;

/// The time limits of protocol section 6.2 and the bounds of section 7, each a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long a light code may wait for its phone.
    pub code_max: Duration,
    /// How many failed Link 1 end a light code.
    pub code_failures_max: u8,
    /// How old a HELLO may be when its GRANT comes, and how long AGAIN is awaited.
    pub answer_max: Duration,
    /// How much longer a phone may stay for each part of a package that was missing.
    pub part_more: Duration,
    /// How many AGAIN one link may say without a vend.
    pub agains_max: u8,
    /// How long a grant may lie unused.
    pub idle_max: Duration,
    /// How long a grant may live in all, whatever its own terms say.
    pub grant_max: Duration,
    /// How long a lost phone may come back.
    pub resume_max: Duration,
    /// How long the machine may be silent with an INTENT open before the phone is freed.
    pub vend_max: Duration,
    /// How long the machine may take to end its session once the CLOSE is synced.
    pub session_end_max: Duration,
    /// How many unacknowledged receipts the journal holds.
    pub receipts_max: usize,
    /// How many of those are kept free for results and CLOSEs.
    pub receipts_reserve: usize,
    /// How many acknowledged receipts are kept for a server that lost state.
    pub acked_kept_max: usize,
    /// How many receipts go with a HELLO.
    pub greeting_receipts_max: usize,
    /// How many receipts go in one further envelope (an envelope's items are at most 2,000 bytes).
    pub batch_receipts_max: usize,
    /// How often the counters are written while no session ends: flash wears out.
    pub counters_every: Duration,
    /// How many rows of counters leave room for receipts beside a HELLO; with more of them, the
    /// receipts follow in envelopes of their own.
    pub greeting_rows_max: usize,
    /// How many notices the journal holds.
    pub notices_max: usize,
    /// How often one kind of notice is written; in between it is counted.
    pub notice_every: Duration,
    /// How many notices go in one envelope.
    pub batch_notices_max: usize,
}

impl Limits {
    /// The protocol's own figures.
    pub const PROTOCOL: Self = Self {
        code_max: Duration::from_secs(45),
        code_failures_max: 3,
        answer_max: Duration::from_secs(30),
        // A chunk takes 72 values of the smallest MTU, each of them 100 ms at most, and a sync.
        part_more: Duration::from_secs(10),
        agains_max: 3,
        idle_max: Duration::from_secs(60),
        grant_max: Duration::from_secs(300),
        resume_max: Duration::from_secs(20),
        vend_max: Duration::from_secs(120),
        session_end_max: Duration::from_secs(30),
        receipts_max: 16_384,
        receipts_reserve: 64,
        acked_kept_max: 1_024,
        greeting_receipts_max: 4,
        batch_receipts_max: 24,
        counters_every: Duration::from_secs(600),
        greeting_rows_max: 80,
        notices_max: 256,
        notice_every: Duration::from_secs(600),
        batch_notices_max: 40,
    };

    /// Beyond so many unacknowledged receipts those go that a light grant has covered.
    pub const fn unacked_kept_max(&self) -> usize {
        let spare = self.receipts_reserve.saturating_mul(2);
        self.receipts_max.saturating_sub(spare)
    }
}

/// Whether the machine's session may hold several vends, as the reader announced it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sessions {
    /// One vend; the board asks for the session's end after each.
    OneVend,
    /// As many as the machine likes.
    ManyVends,
}

/// The secret of one light code; it is never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code([u8; 10]);

impl Code {
    /// Takes the secret as decoded.
    pub const fn from_bytes(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// The secret.
    pub const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// Sixteen fresh random bytes, for the nonce or the resume secret that an input may call for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fresh([u8; 16]);

impl Fresh {
    /// Takes random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fresh(..)")
    }
}

/// Which secret opens the radio's door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// A light code, for whoever showed it.
    Code(Code),
    /// The secret that only the lost phone was given.
    Resume(Fresh),
}

/// One request to write; its write is reported by the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub(super) u64);

impl Ticket {
    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// One question of the machine; a verdict names it, so that a late one cannot answer the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ask(u32);

impl Ask {
    /// Names a question by its number since the start.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How far an approval had come when the machine was reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Approval {
    /// No approval, or none that the machine had taken.
    NotDelivered,
    /// The machine had acknowledged it.
    Delivered {
        /// The INTENT it belongs to.
        rseq: Rseq,
        /// From that acknowledgement to the reset.
        after: Duration,
    },
}

/// What the machine did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// It enabled the reader.
    Enabled,
    /// It disabled the reader.
    Disabled,
    /// It was reset, or reset the bus.
    Reset(Approval),
    /// It took the session that was offered.
    SessionBegan,
    /// It did not take the session that was offered.
    SessionRefused(NoSession),
    /// It wants to vend.
    Asked {
        /// The question's number.
        ask: Ask,
        /// The machine's own price, in minor units.
        price: u32,
        /// The selection.
        item: Item,
    },
    /// It wants to take something back, for money of its operator's.
    ReturnAsked {
        /// The question's number.
        ask: Ask,
        /// What it is worth, in minor units.
        value: u32,
        /// What it is.
        item: Item,
    },
    /// It delivered a part of what was approved, and the rest is not charged.
    Partly {
        /// The INTENT it belongs to.
        rseq: Rseq,
        /// What is charged, in minor units.
        charged: u32,
        /// From the approval to this result.
        after: Duration,
    },
    /// It will not make what the customer chose beforehand.
    FavouriteRefused,
    /// Its question, of any kind, is over before an approval was given for it: taken back, or
    /// denied for slowness.
    Cancelled {
        /// The question.
        ask: Ask,
    },
    /// This approval will never reach it.
    ApprovalRefused {
        /// The INTENT the approval belongs to.
        rseq: Rseq,
    },
    /// It delivered, or took back what it had asked to.
    Succeeded {
        /// The INTENT it belongs to.
        rseq: Rseq,
        /// From the approval to this result.
        after: Duration,
    },
    /// It did not deliver, or did not take back.
    Failed {
        /// The INTENT it belongs to.
        rseq: Rseq,
        /// From the approval to this result.
        after: Duration,
    },
    /// It wants to end the session, and waits until it may.
    SessionCompleted,
    /// It asks how much cash may be put in.
    RevalueLimitAsked {
        /// The question's number.
        ask: Ask,
    },
    /// It wants to take cash in for the customer.
    RevalueAsked {
        /// The question's number.
        ask: Ask,
        /// The cash, in minor units.
        amount: u32,
    },
    /// It has acknowledged our approval of its cash-in, which makes it irrevocable.
    RevalueTaken {
        /// The INTENT it belongs to.
        rseq: Rseq,
    },
    /// Its cash-in is over before it had acknowledged our approval.
    RevalueOver {
        /// The INTENT it belongs to.
        rseq: Rseq,
    },
    /// It sold for cash, which is its own business; it is counted.
    CashSold {
        /// The selection.
        item: Item,
        /// The price, in minor units.
        price: u32,
    },
}

/// Why a machine has no session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoSession {
    /// It takes no customers.
    NotEnabled,
    /// It has one already, that will still have to end.
    Busy,
    /// It was called off before the machine heard of it.
    CalledOff,
}

/// What the server said, out of one envelope that was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It has recorded receipts.
    Ack {
        /// The journal they belong to.
        epoch: JournalEpoch,
        /// Up to which.
        upto: Rseq,
        /// The chain there.
        chain: Chain,
    },
    /// It tells the time.
    Time {
        /// The time.
        utc: Timestamp,
        /// The HELLO it answers.
        nonce: Nonce,
    },
    /// It has held money.
    Grant(Terms),
    /// It refuses.
    Refuse {
        /// The HELLO it answers.
        nonce: Nonce,
        /// Why.
        reason: Refusal,
    },
    /// It lost receipts that it had acknowledged.
    Resend {
        /// The HELLO it answers.
        nonce: Nonce,
        /// The journal they belong to.
        epoch: JournalEpoch,
        /// From which.
        from: Rseq,
    },
    /// The operator locks or opens the machine.
    Lock(Lock),
    /// It has recorded notices.
    NoticesAcked {
        /// The journal they belong to.
        epoch: JournalEpoch,
        /// Up to which.
        upto: u64,
    },
}

/// Why the server grants nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Not enough money.
    Funds,
    /// An older HELLO than the newest.
    Stale,
    /// Receipts are still on their way: drain, then ask again.
    Pending,
    /// The machine is not ready to sell.
    MachineOff,
    /// The customer or the reader is blocked.
    Blocked,
    /// The reader is not known.
    Reader,
}

/// What a board is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A light code was decoded.
    CodeSeen(Code),
    /// A phone has passed Link 1 through the open door.
    LinkUp {
        /// The link's handshake hash.
        bind: Bind,
        /// For the nonce of its HELLO, or its next resume secret.
        fresh: Fresh,
    },
    /// The server waits for a HELLO, or is to be brought one, over the board's own road.
    Called {
        /// What the HELLO answers.
        bind: Bind,
        /// For its nonce, and the resume secret that nobody is told.
        fresh: Fresh,
    },
    /// A Link 1 did not decrypt.
    LinkRefused,
    /// The link is gone, and the board had not dropped it.
    LinkDown,
    /// The link has taken the last receipts.
    LinkTook,
    /// The phone ends the session.
    Leave,
    /// The phone asks for another HELLO on its link.
    Again {
        /// For the nonce of that HELLO.
        fresh: Fresh,
    },
    /// The server's items of one envelope, judged by the nonce as it was when it arrived.
    Answered {
        /// In their order.
        answers: Vec<Answer>,
        /// For the resume secret that a GRANT calls for.
        fresh: Fresh,
    },
    /// The machine did something.
    Machine(Machine),
    /// A record is on flash.
    Synced(Ticket),
    /// The flash cannot be written.
    JournalFailed,
    /// A phone has passed Link 1 with the code of this step.
    TokenLinkUp {
        /// The step.
        step: u64,
        /// The link's handshake hash.
        bind: Bind,
        /// For the nonce of its HELLO.
        fresh: Fresh,
    },
    /// A light grant was decoded that the server made for this step of this start.
    LightGranted {
        /// The step.
        step: u64,
        /// What it allows.
        light: LightTerms,
        /// A secret that no phone is told.
        fresh: Fresh,
    },
    /// Something for the technician's log at the server.
    Fault {
        /// What it is about.
        code: NoticeCode,
        /// Details; their meaning goes with the code.
        data: [u8; 8],
    },
    /// The phone brought a part of a package that the server vouches for, and that was missing.
    Brought,
}

/// What a light grant allows (protocol section 9.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LightTerms {
    /// The hold's name.
    pub grant: VendId,
    /// The cap of all vends together, in minor units.
    pub spend_max: u32,
    /// How many good vends.
    pub vends_max: u8,
}

/// What goes on show beside the code of one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The step.
    pub step: u64,
    /// The step before it, while it is still taken.
    pub before: Option<u64>,
    /// Whether the server takes the digits of this step, by the time of day and by what it is known to
    /// know of the steps before.
    pub may_be_typed: bool,
    /// When it was made; no HELLO and no other code of this start shares it.
    pub uptime: Duration,
    /// The newest receipt on flash.
    pub newest: Rseq,
    /// The oldest receipts that nothing has covered.
    pub receipts: Vec<Written>,
}

/// Whether the key of the codes is still to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenNews {
    /// The server has it, or there is none.
    None,
    /// It goes with the HELLO, and the last step used.
    Key(u64),
}

/// What goes into a HELLO, as far as the board's own rules know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Greeting {
    /// What the answer must repeat.
    pub nonce: Nonce,
    /// The link it goes out on.
    pub bind: Bind,
    /// When; no two HELLOs of one boot share it.
    pub uptime: Duration,
    /// The oldest receipt still kept.
    pub oldest: Rseq,
    /// The newest receipt on flash.
    pub newest: Rseq,
    /// Up to which the server has acknowledged.
    pub acked: Rseq,
    /// The chain at the newest.
    pub chain: Chain,
    /// Whether the journal can take no new session.
    pub journal: Room,
    /// The time of day, if the server has told it.
    pub wall: Option<(Timestamp, Duration)>,
    /// A fresh result first, then the oldest unacknowledged.
    pub receipts: Vec<Written>,
    /// The counters on flash, when the server is not known to have them.
    pub counters: Option<Counters>,
    /// The last step used; 0 without token mode.
    pub step: u64,
    /// Whether the key of the codes goes with it.
    pub token: TokenNews,
}

/// Whether the journal has room for another session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// It has.
    Left,
    /// It has not: grants are ignored, draining goes on.
    Full,
}

/// How the last vend of this link ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastResult {
    /// There was none.
    None,
    /// Delivered.
    Vended,
    /// Not delivered.
    Failed,
    /// Denied.
    Denied,
    /// Nobody knows.
    Unknown,
    /// Cash was taken in.
    CashTaken,
}

/// Why a board says what it says; for people, it decides nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// Nothing to explain.
    None,
    /// The price is above what is left, by so much.
    Short(u32),
    /// No vend is left on this grant.
    NoVendLeft,
    /// No grant lives.
    NoGrant,
    /// The server refused.
    Refused(Refusal),
    /// A time limit has passed.
    TimedOut,
    /// The phone left.
    Left,
    /// The machine was reset.
    Reset,
    /// The customer ended the session at the machine.
    Returned,
    /// All of it is spent.
    Spent,
    /// The machine is silent.
    Silent,
    /// The journal takes no new session.
    JournalFull,
    /// The flash cannot be written.
    JournalFailed,
    /// So much cash may not be put in.
    CashRefused,
    /// The operator has taken the machine out of service.
    Locked,
    /// The machine does not make what was chosen beforehand; anything else may be chosen.
    NoFavourite,
}

/// What the board asks its shell to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open the radio's door for whoever knows this secret.
    Advertise(Door),
    /// Close the radio's door.
    Hush,
    /// Drop the link; no LinkDown is expected for it.
    DropLink,
    /// Seal and send a HELLO with its receipts.
    Greet(Greeting),
    /// Seal and send these receipts, then say LinkTook.
    SendReceipts(Vec<Written>),
    /// Seal and send these notices, then say LinkTook.
    SendNotices(Vec<Notice>),
    /// Tell the phone.
    Tell {
        /// The state to show.
        life: Life,
        /// What is left to spend.
        remaining: Amount,
        /// How the last vend ended.
        last: LastResult,
        /// Why.
        note: Note,
        /// The secret to come back with, when it is new.
        resume: Option<Fresh>,
    },
    /// Write this record, sync it, then say Synced with its ticket.
    Journal(Ticket, Record),
    /// Offer the machine a session.
    BeginSession {
        /// What the customer may spend, in minor units.
        funds: u32,
    },
    /// Ask the machine for a selection; it answers with a question like any other, or not at all.
    Select {
        /// The selection.
        item: Item,
        /// How it is to be made.
        options: u32,
        /// What the customer may spend, in minor units.
        funds: u32,
    },
    /// Ask the machine to end its session.
    CancelSession,
    /// Let the machine end the session that it has completed.
    EndSession,
    /// Let the machine vend.
    Approve {
        /// The question it answers.
        ask: Ask,
        /// The INTENT that is on flash for it.
        rseq: Rseq,
        /// The machine's own price, in minor units.
        amount: u32,
    },
    /// Do not let the machine vend.
    Deny {
        /// The question it answers.
        ask: Ask,
    },
    /// Let the machine take the cash in.
    ApproveRevalue {
        /// The question it answers.
        ask: Ask,
        /// The INTENT that is on flash for it.
        rseq: Rseq,
        /// The cash, in minor units.
        amount: u32,
    },
    /// Do not let the machine take the cash in.
    DenyRevalue {
        /// The question it answers.
        ask: Ask,
    },
    /// Tell the machine how much cash may be put in.
    TellRevalueLimit {
        /// The question it answers.
        ask: Ask,
        /// The most, in minor units.
        limit: u32,
    },
    /// Show whether the machine is in service; [`super::Board::lock`] says it at the start.
    Service(LockState),
    /// Something for the log.
    Report(Fault),
    /// Show this code, in place of the one before.
    Offer(Offer),
    /// Show no code.
    Withdraw,
}

/// What a board noticed and could not use.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The server acknowledged a receipt that this journal does not have.
    #[error("an ACK names receipt {upto}, which differs from the one in this journal")]
    ForeignAck {
        /// Up to which.
        upto: Rseq,
    },
    /// A GRANT fits no outstanding HELLO, or came too late.
    #[error("a GRANT fits no outstanding HELLO")]
    StrayGrant,
    /// A GRANT in money that the machine does not take.
    #[error("a GRANT is in another currency")]
    ForeignCurrency,
    /// A GRANT came although the journal had said that it was full.
    #[error("a GRANT came while the journal is full")]
    NoRoom,
    /// The machine reported a result for which no INTENT is open.
    #[error("the machine reported {outcome:?} for {rseq}, which is not open")]
    StrayResult {
        /// What it reported.
        outcome: Outcome,
        /// For which INTENT.
        rseq: Rseq,
    },
    /// A GRANT came although the machine is out of service.
    #[error("a GRANT came while the machine is locked")]
    OutOfService,
    /// A light grant came that is not taken now.
    #[error("a light grant for step {step} is not taken now")]
    StrayLightGrant {
        /// For which step.
        step: u64,
    },
    /// The server called for a HELLO while somebody is here.
    #[error("the server called while somebody is here")]
    StrayCall,
    /// The machine asked again while its first question was open.
    #[error("the machine asked to vend while an INTENT is open")]
    AskedTwice,
}
