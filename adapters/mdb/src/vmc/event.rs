//! What goes into a controller and what comes out of it.

use core::time::Duration;

use crate::block::Frame;
use crate::command::{Command, Identity};
use crate::file::Transfer;
use crate::message::{AgeStatus, Coupon};
use crate::money::Inexact;
use crate::options::{ItemOptions, Options};
use crate::reader::ReaderConfig;
use crate::text::Text;
use crate::word::Word;

/// Something that happened to the controller.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The reader sent a word.
    Word(Word),
    /// Time has passed; see `next_deadline`.
    Tick,
    /// Somebody did something to the machine.
    Operator(Operator),
}

/// What people and motors do to a machine. Prices are minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Switch it on.
    PowerUp,
    /// Switch it off, whatever it was doing.
    PowerDown,
    /// Make it forget everything and RESET the reader.
    Restart,
    /// Hold the line as a bus reset, then as after power-up.
    Break,
    /// Press a selection.
    Select {
        /// Its price.
        price: u32,
        /// Its number.
        item: u16,
    },
    /// Bring something back: the account is to be credited.
    BringBack {
        /// What it is worth.
        value: u32,
        /// Its number.
        item: u16,
    },
    /// Say something that needs no answer but an ACK, as soon as nothing else goes on: a denied selection, keys, the time,
    /// an age, the fate of a coupon, a frame of a file.
    Tell(Command),
    /// The product fell.
    Dispensed,
    /// The product is stuck.
    Jammed,
    /// Push the return lever.
    Return,
    /// Drop a coin: an open question to the reader is taken back.
    InsertCash,
    /// Drop cash that is to go on the customer's account.
    Revalue {
        /// The cash.
        amount: u32,
    },
    /// Ask how much cash the account would take.
    AskLimit,
    /// Sell for cash, and tell the reader if it wants to hear of it.
    SellForCash {
        /// Its price.
        price: u32,
        /// Its number.
        item: u16,
    },
    /// Say nothing on the bus for so long.
    Hush(Duration),
    /// Take no cashless customers.
    DisableReader,
    /// Take them again.
    EnableReader,
}

/// What the simulator has to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell whoever watches.
    Event(Event),
    /// Write these words at once.
    Send(Frame),
    /// Hold the line for 100 ms or more.
    Break,
}

/// Why the controller starts over with the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// It was switched on or restarted.
    PowerUp,
    /// The reader does not answer.
    NoResponse,
    /// The reader acknowledged, and never gave the answer it owed.
    NoAnswer,
    /// The reader says COMMAND OUT OF SEQUENCE.
    OutOfSequence,
    /// The reader says JUST RESET.
    ReaderRestarted,
    /// The reader counts its money in a way no price can be said.
    Money,
    /// It resets the reader upon its approval; see [`Approved::Resets`](super::Approved).
    Approval,
}

/// What the controller learned or did. Amounts are minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It starts over with the reader.
    Restarting(Restart),
    /// The reader said what it is.
    ReaderFound(ReaderConfig),
    /// The reader said who it is.
    ReaderId(Identity),
    /// The reader offers these options.
    ReaderOffers(Options),
    /// These are on.
    OptionsEnabled(Options),
    /// The reader is enabled.
    Ready,
    /// The reader is disabled.
    Disabled,
    /// A customer is here.
    SessionBegan {
        /// What the reader shows; `None` unknown.
        funds: Option<u32>,
    },
    /// The selection goes nowhere.
    SelectionRefused(SelectionRefusal),
    /// The reader approved, and the motors start: answer `Dispensed` or `Jammed`.
    Dispense {
        /// What the reader charges; `None` for a token.
        amount: Option<u32>,
        /// The selection.
        item: u16,
    },
    /// The reader approved, and what was brought back is taken: answer `Dispensed` or `Jammed`.
    TakeBack {
        /// What the reader credits; `None` for a token.
        amount: Option<u32>,
        /// Its number.
        item: u16,
    },
    /// The reader wants this vended: select it, or tell that it is denied.
    SelectionAsked {
        /// The item.
        item: u16,
        /// How the customer wants it.
        options: ItemOptions,
        /// What the reader pays at most; `None` everything.
        funds: Option<u32>,
    },
    /// The reader holds out a coupon: tell what became of it.
    CouponShown(Coupon),
    /// The reader wants so many keys typed; b7 shows them.
    KeysAsked {
        /// How many, in the low seven bits.
        keys: u8,
    },
    /// The reader wants no keys any more.
    KeysOver,
    /// The reader asks for the time.
    TimeAsked,
    /// The reader says this about a file.
    File(Transfer),
    /// The reader verifies ages.
    AgeFeature(u8),
    /// What the reader knows of the customer's age.
    AgeStatus(AgeStatus),
    /// What had to be told is acknowledged.
    Told,
    /// The reader approved what nobody waits for any more: it is given back as a failed vend.
    ApprovalDeclined {
        /// What the reader would charge; `None` for a token.
        amount: Option<u32>,
    },
    /// The reader denied the selection.
    Denied {
        /// The selection.
        item: u16,
    },
    /// The question was taken back.
    Cancelled,
    /// The reader acknowledged the result.
    Reported,
    /// The reader takes this much cash; `None` when it takes none.
    RevalueLimit {
        /// The most.
        limit: Option<u32>,
    },
    /// The reader has put the cash on the account: it is in the cash box.
    RevalueTaken {
        /// The cash.
        amount: u32,
    },
    /// The cash goes back to the customer.
    RevalueRefused {
        /// The cash.
        amount: u32,
    },
    /// The reader acknowledged the cash sale.
    CashSaleReported,
    /// The reader wants the session ended.
    CancelRequested,
    /// The session is over.
    SessionEnded,
    /// The reader uses the display.
    Display(Text),
    /// The reader reports a fault.
    Malfunction {
        /// The kind in the high nibble.
        code: u8,
    },
}

/// Why a selection goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectionRefusal {
    /// Nobody is here to pay.
    NoSession,
    /// Another selection is not over.
    Busy,
    /// The bus cannot say this price.
    Inexact(Inexact),
    /// The reader, or this machine with it, speaks level 1 only: it takes no cash.
    NoRevalue,
    /// The reader does not want to hear of cash sales.
    NotWanted,
    /// It costs more than the credit; see [`Credit::Limits`](super::Credit).
    AboveCredit,
}
