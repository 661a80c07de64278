//! What a cashless device says: typed messages, one or several to a block.

use core::fmt;

use crate::block::{Block, Frame};
use crate::command::{Amount, Identity, bytes, units};
use crate::money::{Scale, Units};
use crate::reader::ReaderConfig;
use crate::text::Text;

/// What BEGIN SESSION of level 2 says of the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// The media's number; FFFFFFFF unknown.
    pub id: u32,
    /// How the price is to be found; 0 the controller's own prices.
    pub payment: u8,
    /// What `payment` needs; 0 for type 0.
    pub data: u16,
}

/// How the negotiated level lays messages out: the lower of the two sides' levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// 3-byte BEGIN SESSION, 1-byte COMMAND OUT OF SEQUENCE.
    One,
    /// 10-byte BEGIN SESSION, 2-byte COMMAND OUT OF SEQUENCE.
    Two,
}

/// One message, of levels 1 and 2, from a cashless device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// 00: it has started anew.
    JustReset,
    /// 01: the answer to SETUP.
    ReaderConfig(ReaderConfig),
    /// 02: a text for the controller's display.
    Display {
        /// How long to show it, in tenths of a second.
        tenths: u8,
        /// What to show.
        text: Text,
    },
    /// 03: a customer is here.
    BeginSession {
        /// What there is to spend.
        funds: Units,
        /// Told at level 2 only.
        media: Option<Media>,
    },
    /// 04: the customer is leaving.
    SessionCancel,
    /// 05: sell it.
    VendApproved {
        /// What is charged; the authority, whatever the price was.
        amount: Units,
    },
    /// 06: do not sell it.
    VendDenied,
    /// 07: the session is over.
    EndSession,
    /// 08: the answer to READER CANCEL.
    Cancelled,
    /// 09: who the device is.
    PeripheralId(Identity),
    /// 0A: something is broken.
    Malfunction {
        /// The kind in the high nibble, free in the low one.
        code: u8,
    },
    /// 0B: a command came that has no place now.
    OutOfSequence {
        /// The state the device is in, told at level 2.
        state: Option<u8>,
    },
    /// 0D: the cash is on the account.
    RevalueApproved,
    /// 0E: no cash, thank you.
    RevalueDenied,
    /// 0F: this much cash would be taken.
    RevalueLimit {
        /// The most.
        amount: Units,
    },
}

/// A reply that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageFault {
    /// No message of levels 1 and 2 starts so.
    #[error("no message has the code {code:02X}")]
    Code {
        /// The first byte.
        code: u8,
    },
    /// The block ends inside a message.
    #[error("the block ends inside message {code:02X}")]
    Short {
        /// The message's first byte.
        code: u8,
    },
    /// A field that no device can mean.
    #[error("a field of message {code:02X} has no meaning")]
    Field {
        /// The message's first byte.
        code: u8,
    },
}

impl Message {
    /// Writes several messages into one frame, as a reply to POLL may carry them; `None` when they do not fit.
    #[must_use]
    pub fn join(messages: &[Self]) -> Option<Frame> {
        let mut all = Block::EMPTY;
        for message in messages {
            for byte in message.block().iter() {
                all.push(*byte)?;
            }
        }
        Some(Frame::from_peripheral(&all))
    }

    /// Appends the message to a block.
    fn print(&self, block: &mut Block) {
        match *self {
            Self::JustReset => block.put(&[0x00]),
            Self::ReaderConfig(config) => {
                block.put(&[0x01]);
                block.put(&config.to_bytes());
            }
            Self::Display { tenths, text } => {
                block.put(&[0x02, tenths]);
                block.put(text.as_bytes());
            }
            Self::BeginSession { funds, media } => {
                block.put(&[0x03]);
                block.put(&bytes(funds));
                if let Some(media) = media {
                    block.put(&media.id.to_be_bytes());
                    block.put(&[media.payment]);
                    block.put(&media.data.to_be_bytes());
                }
            }
            Self::SessionCancel => block.put(&[0x04]),
            Self::VendApproved { amount } => {
                block.put(&[0x05]);
                block.put(&bytes(amount));
            }
            Self::VendDenied => block.put(&[0x06]),
            Self::EndSession => block.put(&[0x07]),
            Self::Cancelled => block.put(&[0x08]),
            Self::PeripheralId(identity) => {
                block.put(&[0x09]);
                identity.print(block);
            }
            Self::Malfunction { code } => block.put(&[0x0A, code]),
            Self::OutOfSequence { state } => {
                block.put(&[0x0B]);
                block.put(state.as_slice());
            }
            Self::RevalueApproved => block.put(&[0x0D]),
            Self::RevalueDenied => block.put(&[0x0E]),
            Self::RevalueLimit { amount } => {
                block.put(&[0x0F]);
                block.put(&bytes(amount));
            }
        }
    }

    /// Writes the message alone in a block, without its checksum.
    #[must_use]
    pub fn block(&self) -> Block {
        let mut block = Block::EMPTY;
        self.print(&mut block);
        block
    }

    /// Reads all messages of a block, without its checksum.
    pub fn parse_all(bytes: &[u8], layout: Layout) -> Messages<'_> {
        Messages { bytes, layout }
    }

    fn parse_first(block: &[u8], layout: Layout) -> Result<(Self, &[u8]), MessageFault> {
        let (code, rest) = block
            .split_first()
            .ok_or(MessageFault::Short { code: 0 })
            .map(|(code, rest)| (*code, rest))?;
        let len = match (code, layout) {
            (0x00 | 0x04 | 0x06..=0x08 | 0x0D | 0x0E, _) => 0,
            (0x01, _) => ReaderConfig::LEN,
            // A text is as long as the display, which the block does not tell: it takes the rest.
            (0x02, _) => rest.len().max(1),
            (0x05 | 0x0F, _) | (0x03, Layout::One) => 2,
            (0x03, Layout::Two) => 9,
            (0x09, _) => Identity::LEN,
            (0x0A, _) | (0x0B, Layout::Two) => 1,
            (0x0B, Layout::One) => 0,
            _ => return Err(MessageFault::Code { code }),
        };
        let (fields, rest) = rest
            .split_at_checked(len)
            .ok_or(MessageFault::Short { code })?;
        let message = Self::from_fields(code, fields).ok_or(MessageFault::Field { code })?;
        Ok((message, rest))
    }

    fn from_fields(code: u8, fields: &[u8]) -> Option<Self> {
        Some(match (code, fields) {
            (0x00, _) => Self::JustReset,
            (0x01, fields) => Self::ReaderConfig(ReaderConfig::from_bytes(fields.try_into().ok()?)),
            (0x02, [tenths, text @ ..]) => Self::Display {
                tenths: *tenths,
                text: Text::from_bytes(text)?,
            },
            (0x03, &[high, low]) => Self::BeginSession {
                funds: units(high, low),
                media: None,
            },
            (0x03, &[high, low, a, b, c, d, payment, e, f]) => Self::BeginSession {
                funds: units(high, low),
                media: Some(Media {
                    id: u32::from_be_bytes([a, b, c, d]),
                    payment,
                    data: u16::from_be_bytes([e, f]),
                }),
            },
            (0x04, _) => Self::SessionCancel,
            (0x05, &[high, low]) => Self::VendApproved {
                amount: units(high, low),
            },
            (0x06, _) => Self::VendDenied,
            (0x07, _) => Self::EndSession,
            (0x08, _) => Self::Cancelled,
            (0x09, identity) => Self::PeripheralId(Identity::parse(identity)?),
            (0x0A, &[code]) => Self::Malfunction { code },
            (0x0B, state) => Self::OutOfSequence {
                state: state.first().copied(),
            },
            (0x0D, _) => Self::RevalueApproved,
            (0x0E, _) => Self::RevalueDenied,
            (0x0F, &[high, low]) => Self::RevalueLimit {
                amount: units(high, low),
            },
            _ => return None,
        })
    }

    /// The message in one line, its money written in this scale.
    pub fn at(&self, scale: Scale) -> impl fmt::Display {
        Line {
            message: *self,
            scale: Some(scale),
        }
    }
}

/// The messages of one block, in order; nothing follows a fault.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, MessageFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        match Message::parse_first(self.bytes, self.layout) {
            Ok((message, rest)) => {
                self.bytes = rest;
                Some(Ok(message))
            }
            Err(fault) => {
                self.bytes = &[];
                Some(Err(fault))
            }
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
            Message::SessionCancel => write!(f, "SESSION CANCEL REQUEST"),
            Message::VendApproved { amount } => write!(f, "VEND APPROVED {}", money(amount)),
            Message::VendDenied => write!(f, "VEND DENIED"),
            Message::EndSession => write!(f, "END SESSION"),
            Message::Cancelled => write!(f, "CANCELLED"),
            Message::PeripheralId(identity) => write!(f, "PERIPHERAL ID {identity}"),
            Message::Malfunction { code } => write!(f, "MALFUNCTION {code:02X}"),
            Message::OutOfSequence { state: None } => write!(f, "COMMAND OUT OF SEQUENCE"),
            Message::OutOfSequence { state: Some(state) } => {
                write!(f, "COMMAND OUT OF SEQUENCE state {state}")
            }
            Message::RevalueApproved => write!(f, "REVALUE APPROVED"),
            Message::RevalueDenied => write!(f, "REVALUE DENIED"),
            Message::RevalueLimit { amount } => write!(f, "REVALUE LIMIT {}", money(amount)),
        }
    }
}
