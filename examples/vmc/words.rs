//! What the log says of an event.

use gettone_mdb::item::Coding;
use gettone_mdb::vmc::{Event, Restart, SelectionRefusal};

use crate::money::Money;

/// Who does something, for the log's second column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The reader, as the machine hears it.
    Reader,
    /// The machine and its motors.
    Machine,
    /// Something is broken on purpose.
    Fault,
}

impl Who {
    pub(crate) const fn column(self) -> &'static str {
        match self {
            Self::Reader => "reader ",
            Self::Machine => "machine",
            Self::Fault => "!      ",
        }
    }
}

/// What happened, as somebody at the machine would put it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "events grow, and a new one says its own name"
)]
pub(crate) fn told(event: &Event, money: &Money, coding: Coding) -> (Who, String) {
    let shown = |minor: u32| money.show(minor);
    let known = |minor: &Option<u32>| minor.map_or("an unknown amount".to_owned(), shown);
    let item = |bus: u16| coding.shown(bus).unwrap_or(bus);
    let said = match event {
        Event::Restarting(why) => return (Who::Machine, restart(*why).to_owned()),
        Event::SelectionRefused(why) => return (Who::Machine, refusal(*why)),
        Event::Ready => return (Who::Machine, "takes cashless customers".to_owned()),
        Event::Disabled => return (Who::Machine, "takes no cashless customers".to_owned()),
        Event::ApprovalDeclined { amount } => {
            let said = format!("gives back an approval of {}", known(amount));
            return (Who::Machine, said);
        }
        Event::OptionsEnabled(options) => {
            return (Who::Machine, format!("switches on: {options}"));
        }
        Event::ReaderFound(config) => format!("is a {config}"),
        Event::ReaderId(identity) => format!("calls itself {identity}"),
        Event::SessionBegan { funds } => format!("a customer is here with {}", known(funds)),
        Event::Dispense { amount, item: it } => {
            format!(
                "approves selection {} at {}; the motors run",
                item(*it),
                known(amount)
            )
        }
        Event::Denied { item: it } => format!("denies selection {}", item(*it)),
        Event::Cancelled => "lets the question be taken back".to_owned(),
        Event::Reported => "has the result".to_owned(),
        Event::RevalueLimit { limit: Some(limit) } => {
            format!("takes up to {} in cash", shown(*limit))
        }
        Event::RevalueLimit { limit: None } => "takes no cash".to_owned(),
        Event::RevalueTaken { amount } => format!("puts {} on the account", shown(*amount)),
        Event::RevalueRefused { amount } => {
            format!("does not want {}; it is given back", shown(*amount))
        }
        Event::CashSaleReported => "has heard of the cash sale".to_owned(),
        Event::CancelRequested => "wants the session to end".to_owned(),
        Event::SessionEnded => "ends the session".to_owned(),
        Event::ReaderOffers(options) => format!("offers: {options}"),
        Event::SelectionAsked {
            item: it,
            options,
            funds,
        } => format!(
            "wants selection {}, {options}, and pays up to {}",
            item(*it),
            known(funds)
        ),
        Event::TakeBack { amount, item: it } => {
            format!("credits {} for {}", known(amount), item(*it))
        }
        Event::KeysAsked { keys } => format!("wants {} keys", keys & 0x7F),
        Event::KeysOver => "wants no keys any more".to_owned(),
        Event::Told => "has heard it".to_owned(),
        Event::CouponShown(coupon) => format!("shows coupon {:08X}", coupon.id),
        Event::TimeAsked => "asks for the time".to_owned(),
        Event::File(transfer) => format!("says {transfer}"),
        Event::Display(text) => format!("shows |{text}|"),
        Event::Malfunction { code } => format!("has a malfunction, {code:02X}"),
        // What of age there is to say says it itself, and so does what comes later.
        other => format!("{other:?}"),
    };
    (Who::Reader, said)
}

const fn restart(why: Restart) -> &'static str {
    match why {
        Restart::PowerUp => "starts over with the reader",
        Restart::NoResponse => "hears nothing of the reader, and starts over",
        Restart::NoAnswer => "never got the answer it was owed, and starts over",
        Restart::OutOfSequence => "was told COMMAND OUT OF SEQUENCE, and starts over",
        Restart::ReaderRestarted => "finds that the reader has started again",
        Restart::Money => "cannot count in the reader's money",
        Restart::Approval => "dislikes the approval, and RESETs the reader",
        _ => "starts over",
    }
}

fn refusal(why: SelectionRefusal) -> String {
    match why {
        SelectionRefusal::NoSession => "sells nothing: nobody is here to pay".to_owned(),
        SelectionRefusal::Busy => "is busy with another selection".to_owned(),
        SelectionRefusal::Inexact(why) => format!("cannot say this price on the bus: {why:?}"),
        SelectionRefusal::NoRevalue => "knows no cash at level 1".to_owned(),
        SelectionRefusal::NotWanted => "keeps it to itself: the reader wants none of it".to_owned(),
        SelectionRefusal::AboveCredit => "refuses: it costs more than the credit".to_owned(),
        other => format!("goes nowhere: {other:?}"),
    }
}
