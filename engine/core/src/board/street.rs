//! What the board's tests share: a board, a flash, and a short way to write down what it asks for.

use super::state::Unguarded;
use super::{
    Board, Code, Fresh, Input, Life, Limits, Note, Output, Record, Replay, Sessions, Stamp, Start,
    Ticket, Written,
};
use crate::id::{Chain, JournalEpoch, Order};
use crate::money::Currency;
use crate::time::Timestamp;
use core::time::Duration;

/// The journal epoch of every test.
pub(super) const EPOCH: JournalEpoch = JournalEpoch::from_bytes([9; 8]);
/// The code of every phone.
pub(super) const CODE: Code = Code::from_bytes([5; 10]);

/// A hash that is good enough to tell receipts apart (64-bit FNV-1a of their fields as text).
pub(super) fn chain_of(written: &Written) -> Chain {
    let mut body = *written;
    body.receipt.chain = Chain::from_bytes([0; 8]);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in format!("{body:?}").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    Chain::from_bytes(hash.to_be_bytes())
}

/// What a board writes, and what of it would survive.
#[derive(Clone, Default, Debug)]
pub(super) struct Flash {
    pub(super) records: Vec<Record>,
    /// So many of them are synced.
    pub(super) synced: usize,
    pub(super) tickets: Vec<Ticket>,
}

impl Flash {
    pub(super) fn write(&mut self, ticket: Ticket, record: Record) {
        self.records.push(record);
        self.tickets.push(ticket);
    }

    /// Syncs the oldest record that is not.
    pub(super) fn sync(&mut self) -> Option<Ticket> {
        if self.tickets.is_empty() {
            return None;
        }
        self.synced += 1;
        Some(self.tickets.remove(0))
    }

    /// A power cut that leaves `kept` records, then a start: the board's past and its last boot.
    pub(super) fn start(&mut self, kept: usize, boot: u32, unguarded: Unguarded) -> Board {
        self.start_with(kept, boot, (unguarded, Sessions::ManyVends))
    }

    /// The same, with a machine that was told about sessions otherwise.
    pub(super) fn start_with(
        &mut self,
        kept: usize,
        boot: u32,
        told: (Unguarded, Sessions),
    ) -> Board {
        let (unguarded, sessions) = told;
        self.records.truncate(kept.max(self.synced));
        self.tickets.clear();
        let mut replay = Replay::new(EPOCH, Chain::from_bytes([1; 8]));
        for record in &self.records {
            replay.take(record).expect("a board writes in order");
        }
        let stamp = Stamp {
            order: Order { boot, uptime_ms: 0 },
            utc: Timestamp::default(),
        };
        if let Some(written) = replay.repair(None, stamp, chain_of) {
            let record = Record::Receipt(written);
            replay.take(&record).expect("it follows");
            self.records.push(record);
        }
        self.synced = self.records.len();
        let mut board = Board::new(Start {
            boot,
            past: replay.finish().expect("no INTENT is open"),
            limits: Limits {
                receipts_max: 400,
                ..Limits::PROTOCOL
            },
            sessions,
            currency: Currency::EUR,
            chain_of,
        });
        board.unguarded = unguarded;
        board
    }
}

/// Tells the board one thing and gives what it asks for; its records go to the flash.
pub(super) fn tell(
    board: &mut Board,
    flash: &mut Flash,
    now: Duration,
    input: Input,
) -> Vec<Output> {
    board.handle(now, input);
    let mut outputs = Vec::new();
    while let Some(output) = board.poll() {
        if let Output::Journal(ticket, record) = &output {
            flash.write(*ticket, *record);
        }
        outputs.push(output);
    }
    outputs
}

/// A journal that has begun, and has nothing else in it.
pub(super) fn begun(first: Chain) -> Replay {
    let mut replay = Replay::new(EPOCH, first);
    let stamp = Stamp {
        order: Order {
            boot: 1,
            uptime_ms: 0,
        },
        utc: Timestamp::default(),
    };
    let written = replay.repair(None, stamp, chain_of).expect("it is empty");
    replay.take(&Record::Receipt(written)).expect("it follows");
    replay
}

/// Random bytes that differ each time.
pub(super) fn fresh(number: u64) -> Fresh {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Fresh::from_bytes(bytes)
}

/// One output in a few words.
pub(super) fn brief(output: &Output) -> String {
    match output {
        Output::Advertise(super::Door::Code(_)) => "advertise".to_owned(),
        Output::Advertise(super::Door::Resume(_)) => "advertise for its phone".to_owned(),
        Output::Hush => "hush".to_owned(),
        Output::Offer(offer) => format!("show {} {}", offer.step, places(&offer.receipts)),
        Output::Withdraw => "show no code".to_owned(),
        Output::DropLink => "drop".to_owned(),
        Output::Greet(greeting) => {
            let counters = greeting.counters.as_ref();
            let counters = counters.map(|counters| format!(" counters {}", counters.seq));
            let counters = counters.unwrap_or_default();
            format!("hello {}{counters}", places(&greeting.receipts))
        }
        Output::SendReceipts(receipts) => format!("receipts {}", places(receipts)),
        Output::Tell {
            life,
            remaining,
            note,
            resume,
            ..
        } => {
            let note = match note {
                Note::None => String::new(),
                note => format!(" {note:?}"),
            };
            let resume = if resume.is_some() { " resume" } else { "" };
            let left = match life {
                Life::Granted | Life::Vending => format!(" {remaining}"),
                Life::Idle | Life::Advertising | Life::Linked | Life::Waiting | Life::Closing => {
                    String::new()
                }
            };
            format!("[{life:?}{left}{note}{resume}]")
        }
        Output::Journal(_, Record::Intent { rseq, price, .. }) => {
            format!("write INTENT {rseq} {price}")
        }
        Output::Journal(_, Record::Receipt(written)) => {
            let receipt = &written.receipt;
            let flags = match receipt.flags.to_wire() {
                0 => String::new(),
                flags => format!(" flags {flags}"),
            };
            format!(
                "write {:?} {} {}{flags}",
                receipt.kind, receipt.rseq, receipt.amount
            )
        }
        Output::Journal(_, Record::RevalueIntent { rseq, amount, .. }) => {
            format!("write INTENT_RV {rseq} {amount}")
        }
        Output::Journal(_, Record::ReturnIntent { rseq, value, .. }) => {
            format!("write INTENT_RT {rseq} {value}")
        }
        Output::Journal(_, Record::Acked(rseq)) => format!("write acked {rseq}"),
        Output::Journal(_, Record::Locked(lock)) => {
            format!("write {:?} {}", lock.state, lock.version)
        }
        Output::Journal(_, Record::Counted { row, .. }) => {
            format!("write {} x {} at {}", row.count, row.item, row.price)
        }
        Output::Journal(_, Record::Totals { cash_in, .. }) => format!("write cash {cash_in}"),
        Output::Journal(_, Record::Noticed(notice)) => format!(
            "write notice {} {} x {}",
            notice.aseq,
            notice.n,
            notice.code.name().unwrap_or("unknown")
        ),
        Output::Journal(_, Record::NoticesAcked(upto)) => format!("write notices acked {upto}"),
        Output::Journal(_, Record::StepsReserved(upto)) => format!("write steps {upto}"),
        Output::Journal(_, Record::TokensBegun) => "write codes begun".to_owned(),
        Output::Journal(_, Record::Covered(upto)) => format!("write covered {upto}"),
        Output::BeginSession { funds } => format!("begin {funds}"),
        Output::Select {
            item,
            options,
            funds,
        } => format!("select {item} as {options:x} for {funds}"),
        Output::CancelSession => "cancel session".to_owned(),
        Output::EndSession => "end session".to_owned(),
        Output::Approve { rseq, amount, .. } => format!("approve {rseq} {amount}"),
        Output::Deny { .. } => "deny".to_owned(),
        Output::ApproveRevalue { rseq, amount, .. } => format!("approve cash {rseq} {amount}"),
        Output::DenyRevalue { .. } => "deny cash".to_owned(),
        Output::TellRevalueLimit { limit, .. } => format!("limit {limit}"),
        Output::Service(state) => format!("service {state:?}"),
        Output::SendNotices(notices) => {
            let places = notices.iter().map(|notice| notice.aseq.to_string());
            format!("notices <{}>", places.collect::<Vec<_>>().join(" "))
        }
        Output::Report(fault) => format!("report {fault:?}"),
    }
}

fn places(receipts: &[Written]) -> String {
    let places = receipts
        .iter()
        .map(|written| written.receipt.rseq.to_string());
    format!("<{}>", places.collect::<Vec<_>>().join(" "))
}
