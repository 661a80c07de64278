//! What goes into a cashless device and what comes out of it.

use core::fmt;
use core::time::Duration;

use crate::block::Block;
use crate::block::Frame;
use crate::command::{Clock, Command, Identity, Keys, Level, NamedItem};
use crate::message::AgeStatus;
use crate::money::Inexact;
use crate::options::{ItemOptions, Options, Reason};
use crate::text::Text;
use crate::word::Word;

/// The words of one answer, to be written in one go.
pub type Reply = Frame;

/// Funds that nobody knows: the controller lets the customer choose anything.
pub const UNKNOWN_FUNDS: u32 = u32::MAX;

/// Something that happened to the device.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The controller sent a word.
    Word(Word),
    /// The controller held the line for 100 ms or more: everybody starts again.
    Break,
    /// Time has passed; see `next_deadline`.
    Tick,
    /// The reader behind the device wants something.
    Host(Host),
}

/// Which question of the machine an answer is for.
///
/// A question may be withdrawn and another one asked while the host still decides; the number keeps a late answer
/// from approving the wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestNumber(pub(crate) u32);

impl fmt::Display for RequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What the reader behind the device wants. Amounts are minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Host {
    /// A customer is here.
    BeginSession {
        /// What there is to spend, or [`UNKNOWN_FUNDS`]; shown rounded down to what the bus can say.
        funds: u32,
    },
    /// The customer is leaving: ask the controller to end the session.
    CancelSession,
    /// Let the session end that the controller has completed; where none waits for this, nothing happens.
    EndSession,
    /// Sell it.
    Approve {
        /// The question this answers.
        request: RequestNumber,
        /// What will be charged.
        amount: u32,
        /// The host's own mark, given back with every outcome.
        tag: u64,
    },
    /// Do not sell it.
    Deny {
        /// The question this answers.
        request: RequestNumber,
    },
    /// Tell how much cash would be taken.
    RevalueLimit {
        /// The question this answers.
        request: RequestNumber,
        /// The most; told rounded down to what the bus can say.
        limit: u32,
    },
    /// Put the cash on the account.
    ApproveRevalue {
        /// The question this answers.
        request: RequestNumber,
    },
    /// Take no cash; answers a question for a limit as well.
    DenyRevalue {
        /// The question this answers.
        request: RequestNumber,
    },
    /// Show a text on the machine's display, if it lends one.
    Show {
        /// What to show; it is fitted to the lines of the display.
        text: Text,
        /// For how long, up to 25.5 s.
        during: Duration,
    },
    /// Tell the controller of a fault: once, or at every POLL until it is repaired when it is of a kind that stands
    /// (high nibble 4 to B). [MDB 7.4.11]
    Malfunction {
        /// The kind in the high nibble.
        code: u8,
    },
    /// The fault that stood is gone.
    Repaired,
    /// Have this vended; the machine answers with a question like any other, or not. Needs the option remote vend.
    Select {
        /// The machine's number of the item.
        item: u16,
        /// How the customer wants it.
        options: ItemOptions,
        /// What is paid here at most: [`UNKNOWN_FUNDS`] everything, 0 nothing.
        funds: u32,
    },
    /// The selection is not wanted any more.
    WithdrawSelection,
    /// Hold out a coupon. Needs the option coupon.
    Coupon {
        /// The item it is for; FFFF any.
        item: u16,
        /// b0 not together with other credit, b1 may be dispensed at once.
        options: u8,
        /// What it is worth; [`UNKNOWN_FUNDS`] is one free vend.
        value: u32,
        /// Its number.
        id: u32,
    },
    /// Let the customer type on the machine's keypad. Needs the option data entry.
    AskKeys {
        /// How many keys, 1 to 8.
        keys: u8,
        /// Whether they are shown while they are typed.
        shown: Shown,
    },
    /// No more typing.
    StopKeys,
    /// Ask the machine for the time; from level 2 on.
    AskTime,
    /// What is known of the customer's age; told to a machine that verifies ages.
    Age(AgeStatus),
    /// Ask the machine for a file. Needs the option file transport.
    AskFile {
        /// Which; see [`AUDIT_FILE`](crate::file::AUDIT_FILE).
        file: u8,
    },
}

/// Whether keys are shown while they are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As they are.
    Plainly,
    /// Not at all.
    Never,
}

/// What the shell has to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell the host. A result that must survive comes before the answer that acknowledges it.
    Event(Event),
    /// Write these words at once.
    Send(Reply),
}

/// Where an approval was when the machine started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// Nothing was approved.
    None,
    /// The controller never acknowledged it: nothing was dispensed.
    NotDelivered {
        /// The host's mark.
        tag: u64,
    },
    /// The controller acknowledged it: this counts as dispensed. [MDB 7.4.6]
    Delivered {
        /// The host's mark.
        tag: u64,
    },
}

/// What the device learned. Amounts are minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The machine started again, and everything open is over.
    Reset {
        /// What becomes of an open approval.
        approval: ApprovalState,
    },
    /// The controller said who it is.
    Configured {
        /// Its level.
        level: Level,
        /// Characters in a line of the display it lends; 0 is none.
        columns: u8,
        /// Lines of that display.
        rows: u8,
    },
    /// The controller told its price range.
    Prices {
        /// The dearest.
        max: Option<u32>,
        /// The cheapest.
        min: Option<u32>,
    },
    /// The controller told its identity.
    VmcId(Identity),
    /// The controller has switched these options on.
    OptionsEnabled(Options),
    /// Customers may come.
    Enabled,
    /// No customers.
    Disabled,
    /// The controller has the session.
    SessionBegan,
    /// The session asked for did not come about.
    SessionRefused(SessionRefusal),
    /// The machine asks whether it may sell.
    VendRequested {
        /// Names this question in the answer.
        request: RequestNumber,
        /// The machine's price.
        price: u32,
        /// The machine's number of the selection.
        item: u16,
    },
    /// The question that follows is about several items. [MDB 4.3, option b7]
    BasketAsked {
        /// How many.
        count: u8,
        /// What of the price is for options.
        options: u32,
    },
    /// The machine asks whether something that it takes back may be credited. Its answers are those of a vend.
    ReturnAsked {
        /// Names this question in the answer.
        request: RequestNumber,
        /// What it is worth.
        value: u32,
        /// The machine's number of it.
        item: u16,
    },
    /// The machine took it back: the account is to be credited.
    ReturnSucceeded {
        /// The host's mark.
        tag: u64,
        /// What it was.
        item: u16,
    },
    /// The machine did not take it back, or did not say so: nothing is credited.
    ReturnFailed {
        /// The host's mark.
        tag: u64,
    },
    /// The machine took its question back before an approval was delivered.
    VendCancelled {
        /// The question.
        request: RequestNumber,
    },
    /// The host took too long; the machine is denied.
    VendTimedOut {
        /// The question.
        request: RequestNumber,
    },
    /// This approval will never reach the machine.
    ApprovalRefused {
        /// The host's mark.
        tag: u64,
        /// Why not.
        refusal: ApprovalRefusal,
    },
    /// The controller acknowledged the approval: from here on a reset counts as dispensed.
    ApprovalDelivered {
        /// The host's mark.
        tag: u64,
    },
    /// The controller acknowledged the denial.
    DenialDelivered {
        /// The question.
        request: RequestNumber,
    },
    /// The machine dispensed. The shell writes this down before it sends the answer that follows.
    VendSucceeded {
        /// The host's mark.
        tag: u64,
        /// What the machine says it dispensed.
        item: u16,
    },
    /// The machine did not dispense.
    VendFailed {
        /// The host's mark.
        tag: u64,
    },
    /// The names of what was chosen and what fell; the result follows. [MDB 4.3, option b10]
    ItemNamed(NamedItem),
    /// A part of a basket was dispensed, or was not. [MDB 4.3, option b7]
    PartEnded {
        /// The host's mark.
        tag: u64,
        /// The item.
        item: u16,
        /// What it costs.
        amount: u32,
        /// Items still to come.
        left: u8,
        /// Why it was not dispensed.
        failed: Option<Reason>,
    },
    /// A vend ended for a part of what was approved: the rest is given back. The shell writes this down before it sends
    /// the answer that follows.
    VendPartly {
        /// The host's mark.
        tag: u64,
        /// The last item.
        item: u16,
        /// What is charged.
        charged: u32,
    },
    /// The selection that the host asked for goes nowhere.
    SelectionOver {
        /// The item.
        item: u16,
        /// Why.
        why: SelectionEnd,
    },
    /// What became of the coupon.
    CouponUsed {
        /// Its number.
        id: u32,
        /// The item; FFFF none.
        item: u16,
        /// What of it was used; `None` when the machine rejected it.
        used: Option<u32>,
    },
    /// The customer typed.
    KeysTyped(Keys),
    /// Nothing is typed: the option is off, the machine started again, or somebody called it off.
    KeysOver,
    /// The machine told the time.
    TimeTold(Clock),
    /// The machine sells from this age on; 0 switches verification off.
    AgeLimit(u8),
    /// A piece of a file came.
    FilePiece {
        /// Which piece, from 0.
        number: u8,
        /// Its bytes.
        piece: Block,
    },
    /// No more of the file comes.
    FileOver(FileEnd),
    /// The controller ended the session. With [`Completion::Host`](super::Completion) it waits for the host's word.
    SessionCompleted,
    /// The host took too long; the controller is given its END SESSION all the same.
    EndTimedOut,
    /// The controller stops whatever goes on before a session.
    ReaderCancelled,
    /// Something was sold for cash.
    CashSold {
        /// What was sold; the high bits may flag a free, test or token vend.
        item: u16,
        /// The price paid.
        price: u32,
    },
    /// The machine asked a price that makes no sense, and was denied without asking the host.
    PriceRefused {
        /// What it would have sold.
        item: u16,
        /// The price; `None` when it is no amount at all.
        price: Option<u32>,
        /// What is wrong with it.
        why: PriceFault,
    },
    /// The machine asks how much cash would be taken.
    RevalueLimitAsked(RequestNumber),
    /// The machine asks whether this cash may be put on the account.
    ///
    /// Unless the host denies it, each such question ends in exactly one [`Event::RevalueApprovalTaken`] or
    /// [`Event::RevalueOver`].
    RevalueAsked {
        /// Names this question in the answer.
        request: RequestNumber,
        /// The cash.
        amount: u32,
    },
    /// The controller acknowledged the approval: the cash is the operator's. The shell writes this down at once.
    RevalueApprovalTaken {
        /// The question.
        request: RequestNumber,
    },
    /// The question ended before an approval was acknowledged: nothing is credited, whatever the host still decides.
    RevalueOver {
        /// The question.
        request: RequestNumber,
    },
    /// A command came that has no place now; the controller is told to reset.
    OutOfSequence {
        /// What it said.
        command: Command,
    },
    /// Another device answers at this address, so this one stays silent; see
    /// [`Config::listen_before`](super::Config).
    AddressTaken,
    /// Nothing was heard for ten times the maximum response time.
    VmcSilent,
}

/// What is wrong with a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriceFault {
    /// Above the dearest or below the cheapest price of SETUP.
    OutsideSetup,
    /// No amount at all, such as FFFF, or one that no account can hold.
    NotDivisible,
}

/// Why a session did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionRefusal {
    /// The controller takes no customers now, or stopped taking them before it heard of this one.
    NotEnabled,
    /// There is a session already.
    Busy,
    /// The host or the controller called it off before the controller heard of it.
    CalledOff,
}

/// Why an approval goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApprovalRefusal {
    /// The question is no longer open: answered, withdrawn, timed out or reset.
    NotOpen,
    /// The bus cannot say this amount. The question stays open: deny it.
    Inexact(Inexact),
}

/// Why a selection of the reader goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectionEnd {
    /// The controller has not switched remote vend on, or takes no customers.
    NotPossible,
    /// Another one is open.
    Busy,
    /// The machine refused it.
    Denied(Reason),
    /// The customer chose something else on the machine.
    Overtaken,
    /// The machine took it and never asked for money.
    TimedOut,
    /// The host or the controller called it off.
    CalledOff,
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileEnd {
    /// It is whole.
    Whole,
    /// The machine has no such file, or does not give it now; to be asked again after so many seconds, if at all.
    Denied {
        /// 0 never.
        after_s: u8,
    },
    /// The option is off, or another file is open.
    NotPossible,
    /// Pieces came in no order, or the machine started again.
    Broken,
}
