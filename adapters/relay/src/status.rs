//! What a board shows: to its phone as a STATUS, to whoever stands before it as a line.

use crate::receipt::minor_out;
use gettone_channel as channel;
use gettone_core::board::{LastResult, Life, Note, Refusal};
use gettone_core::money::{Amount, Currency};

/// Where a board stands, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Telling {
    /// The state to show.
    pub life: Life,
    /// What is left to spend.
    pub remaining: Amount,
    /// How the last vend ended.
    pub last: LastResult,
    /// Why.
    pub note: Note,
}

/// Puts a telling into one line of at most [`channel::LINE_LEN_MAX`] bytes; a longer one is cut.
pub type Line = fn(&Telling, Currency) -> String;

/// A STATUS, with a line for a screen that has only text.
pub fn status_out(
    telling: &Telling,
    currency: Currency,
    line: Line,
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
        | Note::JournalFailed
        | Note::CashRefused
        | Note::Locked
        | Note::NoFavourite => 0,
    };
    let mut line = line(telling, currency);
    while line.len() > channel::LINE_LEN_MAX {
        line.pop();
    }
    channel::Status {
        state: state_out(telling.life),
        remaining: minor_out(telling.remaining),
        last: last_out(telling.last),
        reason: reason_out(telling.note),
        short_by,
        line,
        resume,
    }
}

/// The line in English.
pub fn english(telling: &Telling, currency: Currency) -> String {
    let money = |minor: i64| Amount::from_minor(minor).to_decimal(currency).to_string();
    match (telling.note, telling.last, telling.life) {
        (Note::Short(by), ..) => format!("{} short", money(i64::from(by))),
        (Note::NoVendLeft, ..) => "no purchase left".to_owned(),
        (Note::NoGrant, ..) => "please start again".to_owned(),
        (Note::Refused(refusal), ..) => refusal_line(refusal).to_owned(),
        (Note::JournalFull | Note::JournalFailed | Note::Locked, ..) => "out of service".to_owned(),
        (Note::NoFavourite, ..) => "please choose at the machine".to_owned(),
        (Note::CashRefused, ..) => "no cash, please".to_owned(),
        (Note::Silent, ..) => "the machine does not answer".to_owned(),
        (_, _, Life::Vending) => "please wait".to_owned(),
        (_, LastResult::Vended | LastResult::CashTaken, _) => "thank you".to_owned(),
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
        LastResult::CashTaken => channel::LastResult::CashTaken,
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
        Note::CashRefused => Reason::AboveCap,
        Note::Locked => Reason::MachineOff,
        Note::NoFavourite => Reason::NoFavourite,
    }
}
