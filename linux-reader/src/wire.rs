//! Between the board's rules and the wire: the same facts in the words of two packages that never
//! meet elsewhere.

use gettone_channel as channel;
use gettone_core::board::{
    Answer, Greeting, LastResult, Life, Note, Refusal, Room, Terms, Written,
};
use gettone_core::id::{Bind, Chain, Item, JournalEpoch, Nonce, Order, Rseq, VendId};
use gettone_core::money::{Amount, Currency};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::time::Timestamp;
use std::time::Duration;

/// The chain at a written receipt: the hash of its body as it travels.
pub fn chain_of(written: &Written) -> Chain {
    Chain::from_bytes(*channel::Chain::of(&receipt_out(written)).as_bytes())
}

/// The chain before the first receipt of `epoch`.
pub(crate) fn first_chain(epoch: JournalEpoch) -> Chain {
    let epoch = channel::JournalEpoch::from_bytes(*epoch.as_bytes());
    Chain::from_bytes(*channel::Chain::first(epoch).as_bytes())
}

/// A written receipt as it travels.
pub(crate) fn receipt_out(written: &Written) -> channel::Receipt {
    let receipt = &written.receipt;
    channel::Receipt {
        rseq: receipt.rseq.number(),
        kind: kind_out(receipt.kind),
        grant: channel::VendId::from_bytes(*receipt.grant.as_bytes()),
        item: receipt.item.number(),
        amount: minor_out(receipt.amount),
        boot: receipt.order.boot,
        mono_ms: receipt.order.uptime_ms,
        utc_est: channel::Utc::from_unix_ms(written.utc.as_millis()),
        flags: channel::ReceiptFlags::from_bits(receipt.flags.to_wire()),
        ms: receipt.after_ms,
        prev: channel::Chain::from_bytes(*receipt.prev.as_bytes()),
    }
}

/// A receipt as the journal holds it, back in the board's words.
pub(crate) fn receipt_in(receipt: &channel::Receipt) -> Written {
    let mut written = Written {
        receipt: Receipt {
            rseq: Rseq::new(receipt.rseq),
            kind: kind_in(receipt.kind),
            grant: VendId::from_bytes(*receipt.grant.as_bytes()),
            item: Item::new(receipt.item),
            amount: Amount::from_minor(i64::from(receipt.amount)),
            order: Order {
                boot: receipt.boot,
                uptime_ms: receipt.mono_ms,
            },
            flags: Flags::from_wire(receipt.flags.bits()),
            after_ms: receipt.ms,
            prev: Chain::from_bytes(*receipt.prev.as_bytes()),
            chain: Chain::from_bytes([0; 8]),
        },
        utc: Timestamp::from_millis(receipt.utc_est.map_or(0, channel::Utc::unix_ms)),
    };
    written.receipt.chain = chain_of(&written);
    written
}

/// What the reader says of itself and its machine in every HELLO.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderFacts {
    pub(crate) boot: u32,
    pub(crate) epoch: JournalEpoch,
    pub(crate) firmware: u32,
    pub(crate) currency: Currency,
    pub(crate) scale: u8,
    pub(crate) mdb_state: channel::MdbState,
    pub(crate) price_max: u32,
    pub(crate) vmc_level: u8,
    pub(crate) vmc_id: channel::VmcId,
}

/// The items of a HELLO and the receipts that go with it.
pub(crate) fn greeting_out(greeting: &Greeting, of: &ReaderFacts) -> Vec<channel::Item> {
    let uptime_ms = u64::try_from(greeting.uptime.as_millis()).unwrap_or(u64::MAX);
    let (utc, error) = greeting
        .wall
        .map_or((0, Duration::ZERO), |(utc, error)| (utc.as_millis(), error));
    let hello = channel::Hello {
        journal_epoch: channel::JournalEpoch::from_bytes(*of.epoch.as_bytes()),
        boot: of.boot,
        nonce: channel::Nonce::from_bytes(*greeting.nonce.as_bytes()),
        bind: channel::Bind::from_bytes(*greeting.bind.as_bytes()),
        rseq_oldest: greeting.oldest.number(),
        rseq_newest: greeting.newest.number(),
        acked: greeting.acked.number(),
        chain: channel::Chain::from_bytes(*greeting.chain.as_bytes()),
        uptime_ms,
        utc_est: channel::Utc::from_unix_ms(utc),
        utc_err_s: u32::try_from(error.as_secs().saturating_add(1)).unwrap_or(u32::MAX),
        cfg: 0,
        fw: of.firmware,
        mdb_state: of.mdb_state,
        flags: match greeting.journal {
            Room::Left => channel::HelloFlags::NONE,
            Room::Full => channel::HelloFlags::JOURNAL_FULL,
        },
        currency: of.currency.numeric(),
        exponent: of.currency.exponent(),
        scale: of.scale,
        max_price: of.price_max,
        vmc_level: of.vmc_level,
        vmc_id: of.vmc_id,
        step: 0,
    };
    let receipts = greeting.receipts.iter().map(receipt_out);
    core::iter::once(channel::Item::Hello(hello))
        .chain(receipts.map(channel::Item::Receipt))
        .collect()
}

/// The items of an envelope that carries receipts and no HELLO.
pub(crate) fn receipts_out(receipts: &[Written], epoch: JournalEpoch) -> Vec<channel::Item> {
    let epoch = channel::JournalEpoch::from_bytes(*epoch.as_bytes());
    let receipts = receipts.iter().map(receipt_out);
    core::iter::once(channel::Item::Epoch(epoch))
        .chain(receipts.map(channel::Item::Receipt))
        .collect()
}

/// What the board has to hear of one item; none for the items of later roads.
pub(crate) fn answer_in(item: &channel::Item) -> Option<Answer> {
    use channel::Item as Wire;
    Some(match item {
        Wire::Grant(grant) => Answer::Grant(Terms {
            grant: VendId::from_bytes(*grant.grant.as_bytes()),
            nonce: Nonce::from_bytes(*grant.nonce.as_bytes()),
            bind: Bind::from_bytes(*grant.bind.as_bytes()),
            currency: Currency::from_numeric(grant.currency).ok()?,
            exponent: grant.exponent,
            spend_max: grant.max_spend,
            vends_max: grant.max_vends,
            balance: grant.show_balance,
            ttl: Duration::from_secs(u64::from(grant.ttl_s)),
        }),
        Wire::Ack(ack) => Answer::Ack {
            epoch: JournalEpoch::from_bytes(*ack.journal_epoch.as_bytes()),
            upto: Rseq::new(ack.upto),
            chain: Chain::from_bytes(*ack.chain.as_bytes()),
        },
        Wire::Time(time) => Answer::Time {
            utc: Timestamp::from_millis(time.utc?.unix_ms()),
            nonce: Nonce::from_bytes(*time.nonce.as_bytes()),
        },
        Wire::Refuse { nonce, reason } => Answer::Refuse {
            nonce: Nonce::from_bytes(*nonce.as_bytes()),
            reason: refusal_in(*reason),
        },
        Wire::Resend(resend) => Answer::Resend {
            nonce: Nonce::from_bytes(*resend.nonce.as_bytes()),
            epoch: JournalEpoch::from_bytes(*resend.journal_epoch.as_bytes()),
            from: Rseq::new(resend.from),
        },
        Wire::Hello(_)
        | Wire::Receipt(_)
        | Wire::KeyUpdate(_)
        | Wire::Epoch(_)
        | Wire::TokenKey(_)
        | Wire::Counters(_)
        | Wire::Audit(_)
        | Wire::Config(_)
        | Wire::ServerKey(_)
        | Wire::Lock(_)
        | Wire::Call(_)
        | Wire::KeyAck(_)
        | Wire::AuditAck(_) => return None,
    })
}

/// What the phone shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling {
    pub(crate) life: Life,
    pub(crate) remaining: Amount,
    pub(crate) last: LastResult,
    pub(crate) note: Note,
}

/// A STATUS, with a line for a screen that has only text.
pub(crate) fn status_out(
    telling: &Telling,
    currency: Currency,
    resume: Option<channel::ResumeSecret>,
) -> channel::Status {
    let short_by = match telling.note {
        Note::Short(short_by) => short_by,
        Note::None
        | Note::NoVendLeft
        | Note::NoGrant
        | Note::Refused(_)
        | Note::TimedOut
        | Note::Left
        | Note::Reset
        | Note::Returned
        | Note::Spent
        | Note::Silent
        | Note::JournalFull
        | Note::JournalFailed => 0,
    };
    channel::Status {
        state: state_out(telling.life),
        remaining: minor_out(telling.remaining),
        last: last_out(telling.last),
        reason: reason_out(telling.note),
        short_by,
        line: line(telling, currency),
        resume,
    }
}

fn line(telling: &Telling, currency: Currency) -> String {
    let money = |minor: i64| Amount::from_minor(minor).to_decimal(currency).to_string();
    match (telling.note, telling.last, telling.life) {
        (Note::Short(by), ..) => format!("{} short", money(i64::from(by))),
        (Note::NoVendLeft, ..) => "no purchase left".to_owned(),
        (Note::NoGrant, ..) => "please start again".to_owned(),
        (Note::Refused(refusal), ..) => refusal_line(refusal).to_owned(),
        (Note::JournalFull | Note::JournalFailed, ..) => "out of service".to_owned(),
        (Note::Silent, ..) => "the machine does not answer".to_owned(),
        (_, _, Life::Vending) => "please wait".to_owned(),
        (_, LastResult::Vended, _) => "thank you".to_owned(),
        (_, LastResult::Failed, _) => "not delivered, not charged".to_owned(),
        (Note::Reset, ..) => "the machine was restarted".to_owned(),
        (Note::TimedOut, ..) => "time is over".to_owned(),
        (_, _, Life::Granted) => {
            format!("choose, up to {}", money(telling.remaining.minor()))
        }
        _ => String::new(),
    }
}

const fn refusal_line(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Funds => "not enough money",
        Refusal::Stale => "please try again",
        Refusal::Pending => "one moment",
        Refusal::MachineOff => "the machine is not ready",
        Refusal::Blocked => "blocked",
        Refusal::Reader => "out of service",
    }
}

const fn refusal_in(reason: channel::RefuseReason) -> Refusal {
    match reason {
        channel::RefuseReason::Funds => Refusal::Funds,
        channel::RefuseReason::Stale => Refusal::Stale,
        channel::RefuseReason::Pending => Refusal::Pending,
        channel::RefuseReason::MachineOff => Refusal::MachineOff,
        channel::RefuseReason::Blocked => Refusal::Blocked,
        channel::RefuseReason::Reader => Refusal::Reader,
    }
}

const fn state_out(life: Life) -> channel::BoardState {
    match life {
        Life::Idle => channel::BoardState::Idle,
        Life::Advertising => channel::BoardState::Advertising,
        Life::Linked => channel::BoardState::Linked,
        Life::Granted => channel::BoardState::Granted,
        Life::Vending => channel::BoardState::Vending,
        Life::Waiting => channel::BoardState::Waiting,
        Life::Closing => channel::BoardState::Closing,
    }
}

const fn last_out(last: LastResult) -> channel::LastResult {
    match last {
        LastResult::None => channel::LastResult::None,
        LastResult::Vended => channel::LastResult::Vended,
        LastResult::Failed => channel::LastResult::Failed,
        LastResult::Denied => channel::LastResult::Denied,
        LastResult::Unknown => channel::LastResult::Unknown,
    }
}

const fn reason_out(note: Note) -> channel::StatusReason {
    use channel::StatusReason as Reason;
    match note {
        Note::None | Note::Spent | Note::Silent => Reason::None,
        Note::Short(_) => Reason::AboveCap,
        Note::NoVendLeft => Reason::NoVendsLeft,
        Note::Refused(Refusal::Funds) => Reason::Funds,
        Note::Refused(Refusal::Stale) => Reason::Stale,
        Note::Refused(Refusal::Pending) => Reason::Pending,
        Note::Refused(Refusal::MachineOff) => Reason::MachineOff,
        Note::Refused(Refusal::Blocked) => Reason::Blocked,
        Note::Refused(Refusal::Reader) => Reason::Reader,
        Note::NoGrant | Note::TimedOut => Reason::Expired,
        Note::Left | Note::Returned => Reason::Left,
        Note::Reset => Reason::Reset,
        Note::JournalFull | Note::JournalFailed => Reason::JournalFull,
    }
}

const fn kind_out(kind: ReceiptKind) -> channel::ReceiptKind {
    match kind {
        ReceiptKind::VendOk => channel::ReceiptKind::VendOk,
        ReceiptKind::VendFail => channel::ReceiptKind::VendFail,
        ReceiptKind::VendUnknown => channel::ReceiptKind::VendUnknown,
        ReceiptKind::RevalueOk => channel::ReceiptKind::RevalueOk,
        ReceiptKind::RevalueUnknown => channel::ReceiptKind::RevalueUnknown,
        ReceiptKind::Close => channel::ReceiptKind::Close,
        ReceiptKind::EpochStart => channel::ReceiptKind::EpochStart,
        ReceiptKind::LightGrantUsed => channel::ReceiptKind::LightGrantUsed,
        ReceiptKind::RevalueFail => channel::ReceiptKind::RevalueFail,
        ReceiptKind::NegativeVend => channel::ReceiptKind::NegativeVend,
    }
}

const fn kind_in(kind: channel::ReceiptKind) -> ReceiptKind {
    match kind {
        channel::ReceiptKind::VendOk => ReceiptKind::VendOk,
        channel::ReceiptKind::VendFail => ReceiptKind::VendFail,
        channel::ReceiptKind::VendUnknown => ReceiptKind::VendUnknown,
        channel::ReceiptKind::RevalueOk => ReceiptKind::RevalueOk,
        channel::ReceiptKind::RevalueUnknown => ReceiptKind::RevalueUnknown,
        channel::ReceiptKind::Close => ReceiptKind::Close,
        channel::ReceiptKind::EpochStart => ReceiptKind::EpochStart,
        channel::ReceiptKind::LightGrantUsed => ReceiptKind::LightGrantUsed,
        channel::ReceiptKind::RevalueFail => ReceiptKind::RevalueFail,
        channel::ReceiptKind::NegativeVend => ReceiptKind::NegativeVend,
    }
}

/// Amounts on the wire are u32; the board never makes one outside.
fn minor_out(amount: Amount) -> u32 {
    let top = i64::from(u32::MAX);
    u32::try_from(amount.minor().clamp(0, top)).unwrap_or(u32::MAX)
}
