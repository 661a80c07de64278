//! A message in one line of text.

use core::fmt;

use super::Message;
use crate::command::Amount;
use crate::money::Scale;

impl Message {
    /// The message in one line, its money written in this scale.
    pub fn at(&self, scale: Scale) -> impl fmt::Display {
        Line {
            message: *self,
            scale: Some(scale),
        }
    }
}

/// Writes money as bare bus units, since a message does not know its scale; see [`Message::at`].
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Line {
            message: *self,
            scale: None,
        };
        line.fmt(f)
    }
}

struct Line {
    message: Message,
    scale: Option<Scale>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |units| Amount {
            units,
            scale: self.scale,
        };
        match self.message {
            Message::JustReset => write!(f, "JUST RESET"),
            Message::ReaderConfig(config) => write!(f, "READER CONFIG {config}"),
            Message::Display { tenths, text } => {
                write!(
                    f,
                    "DISPLAY REQUEST {}.{} s {text:?}",
                    tenths / 10,
                    tenths % 10
                )
            }
            Message::BeginSession { funds, media: None } => {
                write!(f, "BEGIN SESSION {}", money(funds))
            }
            Message::BeginSession {
                funds,
                media: Some(media),
            } => write!(
                f,
                "BEGIN SESSION {} media {:08X} type {}",
                money(funds),
                media.id,
                media.payment
            ),
            Message::BeginSessionIn {
                funds,
                media,
                locale,
            } => write!(
                f,
                "BEGIN SESSION {} media {:08X} type {} language {} currency {:?} card {:02X}",
                money(funds),
                media.id,
                media.payment,
                locale.language.escape_ascii(),
                locale.currency,
                locale.card
            ),
            Message::SessionCancel => write!(f, "SESSION CANCEL REQUEST"),
            Message::VendApproved { amount } => write!(f, "VEND APPROVED {}", money(amount)),
            Message::BasketApproved { amount, options } => write!(
                f,
                "VEND APPROVED {} options {}",
                money(amount),
                money(options)
            ),
            Message::VendDenied => write!(f, "VEND DENIED"),
            Message::EndSession => write!(f, "END SESSION"),
            Message::Cancelled => write!(f, "CANCELLED"),
            Message::PeripheralId(identity) => write!(f, "PERIPHERAL ID {identity}"),
            Message::Offer(identity, options) => {
                write!(f, "PERIPHERAL ID {identity} options {options}")
            }
            Message::Malfunction { code } => write!(f, "MALFUNCTION {code:02X}"),
            Message::OutOfSequence { state: None } => write!(f, "COMMAND OUT OF SEQUENCE"),
            Message::OutOfSequence { state: Some(state) } => {
                write!(f, "COMMAND OUT OF SEQUENCE state {state}")
            }
            Message::RevalueApproved => write!(f, "REVALUE APPROVED"),
            Message::RevalueDenied => write!(f, "REVALUE DENIED"),
            Message::RevalueLimit { amount } => write!(f, "REVALUE LIMIT {}", money(amount)),
            Message::TimeRequest => write!(f, "TIME REQUEST"),
            Message::DataEntry { keys } => write!(f, "DATA ENTRY REQUEST of {} keys", keys & 0x7F),
            Message::DataEntryCancel => write!(f, "DATA ENTRY CANCEL"),
            Message::SelectionRequest(it) => write!(
                f,
                "SELECTION REQUEST item {} {} funds {}",
                it.item,
                it.options,
                money(it.funds)
            ),
            Message::Coupon(it) => write!(
                f,
                "COUPON REPORT {:08X} item {} value {}",
                it.id,
                it.item,
                money(it.value)
            ),
            Message::File(transfer) => transfer.fmt(f),
            Message::AgeFeature(feature) => write!(f, "AGE FEATURE {feature:02X}"),
            Message::AgeStatus(status) => {
                write!(f, "AGE STATUS {:02X} {:02X}", status.state, status.media)
            }
            Message::Diagnostic(bytes) => write!(f, "DIAGNOSTIC {bytes:?}"),
        }
    }
}
