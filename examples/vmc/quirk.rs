//! What machines do that they should not, and machines that were met.

use clap::ValueEnum;
use gettone_mdb::Options;
use gettone_mdb::item::Coding;
use gettone_mdb::vmc::State;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// RESET in place of dispensing, right after VEND APPROVED.
    ResetOnApproval,
    /// RESET in place of dispensing when the approved amount is not the price.
    ResetOnDislike,
    /// SESSION COMPLETE is never sent.
    NeverComplete,
    /// The bus is silent while the motors run.
    SilentMotors,
    /// Every product is stuck.
    Jams,
    /// A reply that cannot be read is met with silence in place of NAK.
    NoNak,
    /// A reply that cannot be read is asked for again (RET).
    Ret,
    /// SETUP, REQUEST ID and SESSION COMPLETE have to be answered at once.
    AtOnceOnly,
    /// Nothing is read but what comes at a POLL.
    LaterOnly,
    /// A selection above the credit is refused by the machine itself.
    LimitsToCredit,
    /// Words are lost on the wire, in both directions.
    LostWords,
    /// Bits are flipped on the wire, in both directions.
    GarbledWords,
    /// Commands come twice.
    Duplicates,
    /// ACKs of good replies are not sent.
    LostAcks,
    /// Good replies are answered with NAK.
    Naks,
    /// Blocks go out with a wrong checksum.
    BadChecksums,
    /// Blocks are one byte too short or too long, with a good checksum.
    WrongLengths,
    /// POLLs come up to 0.8 s late.
    LatePolls,
    /// POLLs are left out.
    MissingPolls,
    /// The machine talks to other devices in between, and RESETs those that are not there.
    Chatter,
    /// Words without sense between two blocks.
    RandomWords,
    /// RESET out of the blue, in whatever state the reader is.
    Resets,
}

/// Machines that were met, by what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Level 2, no display lent, silent on the bus while it vends, looks for devices that are not there; waits for the
    /// reader to end a session (a Sanden Vendo capture).
    SilentVendor,
    /// Level 2, a display of 4x1, RESET upon an approval it dislikes (a WTN GVC1 log).
    ResetHappy,
    /// Level 1, ends a session after each vend.
    Plain,
    /// Level 3, always idle and remote vend (a vendor's sniffed start).
    AlwaysIdle,
    /// Item numbers are the keys as they are pressed: selection 40 goes out as 0040H.
    Keypad,
    /// Takes immediate answers only to SETUP, REQUEST ID and SESSION COMPLETE (an open controller does).
    AtOnce,
    /// Reads nothing but what comes at a POLL.
    Later,
    /// Level 1, shows the credit and refuses what costs more.
    Thrifty,
    /// Never ends a session by itself, not even when asked.
    Forgetful,
}

impl Preset {
    /// The rules that such a machine breaks.
    pub(crate) const fn faults(self) -> &'static [Fault] {
        match self {
            Self::SilentVendor => &[Fault::SilentMotors, Fault::Chatter],
            Self::ResetHappy => &[Fault::ResetOnDislike],
            Self::AtOnce => &[Fault::AtOnceOnly],
            Self::Later => &[Fault::LaterOnly],
            Self::Thrifty => &[Fault::LimitsToCredit],
            Self::Forgetful => &[Fault::NeverComplete],
            Self::Plain | Self::AlwaysIdle | Self::Keypad => &[],
        }
    }

    /// The level it speaks, where it is not what the arguments say.
    pub(crate) const fn level(self) -> Option<u8> {
        match self {
            Self::Plain | Self::Thrifty => Some(1),
            Self::SilentVendor | Self::ResetHappy => Some(2),
            Self::AlwaysIdle | Self::Keypad | Self::AtOnce | Self::Later | Self::Forgetful => None,
        }
    }

    /// The columns and rows it lends, where they are not what the arguments say.
    pub(crate) const fn display(self) -> Option<(u8, u8)> {
        match self {
            Self::SilentVendor => Some((0, 0)),
            Self::ResetHappy => Some((4, 1)),
            Self::Plain
            | Self::AlwaysIdle
            | Self::Keypad
            | Self::AtOnce
            | Self::Later
            | Self::Thrifty
            | Self::Forgetful => None,
        }
    }

    /// The options it switches on.
    pub(crate) const fn options(self) -> Options {
        match self {
            Self::AlwaysIdle => Options::ALWAYS_IDLE.with(Options::REMOTE_VEND),
            Self::SilentVendor
            | Self::ResetHappy
            | Self::Plain
            | Self::Keypad
            | Self::AtOnce
            | Self::Later
            | Self::Thrifty
            | Self::Forgetful => Options::NONE,
        }
    }
}

/// Options of level 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelThree {
    WideMoney,
    Currencies,
    NegativeVend,
    DataEntry,
    AlwaysIdle,
    RemoteVend,
    Basket,
    AskBeginSession,
    NamedItem,
    FileTransport,
}

impl LevelThree {
    pub(crate) const fn option(self) -> Options {
        match self {
            Self::WideMoney => Options::WIDE_MONEY,
            Self::Currencies => Options::CURRENCIES,
            Self::NegativeVend => Options::NEGATIVE_VEND,
            Self::DataEntry => Options::DATA_ENTRY,
            Self::AlwaysIdle => Options::ALWAYS_IDLE,
            Self::RemoteVend => Options::REMOTE_VEND,
            Self::Basket => Options::BASKET,
            Self::AskBeginSession => Options::ASK_BEGIN_SESSION,
            Self::NamedItem => Options::ITEM_INFO,
            Self::FileTransport => Options::FILE_TRANSPORT,
        }
    }
}

/// How the machine says a selection's number on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Items {
    /// As a number: 40 is 0028H.
    Plain,
    /// As digits: 40 is 0040H.
    Bcd,
    /// Row and column: 102 is 0102H.
    RowColumn,
    /// As characters: 40 is 3430H.
    Ascii,
}

impl Items {
    pub(crate) const fn coding(self) -> Coding {
        match self {
            Self::Plain => Coding::Plain,
            Self::Bcd => Coding::Bcd,
            Self::RowColumn => Coding::RowColumn,
            Self::Ascii => Coding::Ascii,
        }
    }
}

/// A state of the controller, as a script names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// Setting the reader up.
    Starting,
    /// The reader is set up and takes no customers.
    Disabled,
    /// Waiting for a customer.
    Enabled,
    /// A customer is here.
    Session,
    /// A question, a vend or a report is under way.
    Busy,
}

impl Place {
    pub(crate) const fn state(self) -> State {
        match self {
            Self::Starting => State::Starting,
            Self::Disabled => State::Disabled,
            Self::Enabled => State::Enabled,
            Self::Session => State::Session,
            Self::Busy => State::Busy,
        }
    }
}
