//! What a cashless device says: typed messages, one or several to a block.

pub(crate) mod fields;
mod line;

use crate::block::{Block, Frame};
use crate::command::{Identity, Level};
use crate::file::Transfer;
use crate::money::{Units, Width};
use crate::options::{ItemOptions, Layout, Options};
use crate::reader::{Country, ReaderConfig};
use crate::text::Text;
use fields::Fields;

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

impl Media {
    /// Nobody's business: no number, the controller's own prices. [MDB 7.4.4]
    pub const UNKNOWN: Self = Self {
        id: u32::MAX,
        payment: 0,
        data: 0,
    };
}

/// What BEGIN SESSION of level 3 says in the expanded currency mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locale {
    /// Two letters of ISO 639.
    pub language: [u8; 2],
    /// The currency of this customer.
    pub currency: Country,
    /// b0 the credit is not to be shown, b1 refunds, b2 revalue and negative vend, b3 partial refunds.
    pub card: u8,
}

/// What a reader wants a machine to vend. [MDB 4.3, option b6]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// What the reader pays at most: unknown is everything, zero is nothing.
    pub funds: Units,
    /// Who pays.
    pub media: Media,
    /// Told in the expanded currency mode.
    pub locale: Option<Locale>,
    /// The machine's number of the item.
    pub item: u16,
    /// How the customer wants it.
    pub options: ItemOptions,
}

/// A coupon that a reader holds out. [MDB 4.3, option b8]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coupon {
    /// The item it is for; FFFF any.
    pub item: u16,
    /// b0 not together with other credit, b1 may be dispensed at once.
    pub options: u8,
    /// What it is worth; unknown is one free vend.
    pub value: Units,
    /// Its number.
    pub id: u32,
}

/// One message from a cashless device.
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
        /// Told from level 2 on.
        media: Option<Media>,
    },
    /// 03 in the expanded currency mode of level 3.
    BeginSessionIn {
        /// What there is to spend.
        funds: Units,
        /// Whose.
        media: Media,
        /// In which currency and language.
        locale: Locale,
    },
    /// 04: the customer is leaving.
    SessionCancel,
    /// 05: sell it.
    VendApproved {
        /// What is charged; the authority, whatever the price was.
        amount: Units,
    },
    /// 05 with option b7.
    BasketApproved {
        /// What is charged at most.
        amount: Units,
        /// What of it is for options.
        options: Units,
    },
    /// 06: do not sell it.
    VendDenied,
    /// 07: the session is over.
    EndSession,
    /// 08: the answer to READER CANCEL.
    Cancelled,
    /// 09: who the device is.
    PeripheralId(Identity),
    /// 09 between two sides of level 3: and what it can do.
    Offer(Identity, Options),
    /// 0A: something is broken.
    Malfunction {
        /// The kind in the high nibble, free in the low one.
        code: u8,
    },
    /// 0B: a command came that has no place now.
    OutOfSequence {
        /// The state the device is in, told from level 2 on.
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
    /// 11: what is the time?
    TimeRequest,
    /// 12: let the customer type for me.
    DataEntry {
        /// How many keys in the low seven bits; b7 shows them while they are typed.
        keys: u8,
    },
    /// 13: no more typing.
    DataEntryCancel,
    /// 14: vend this.
    SelectionRequest(Selection),
    /// 15: here is a coupon.
    Coupon(Coupon),
    /// 1B to 1F: about a file.
    File(Transfer),
    /// FF 05: what age verification can do; b0 the card is in its place, b7 a card is inserted.
    AgeFeature(u8),
    /// FF 06: what is known of the customer's age. [MDB 4.3, chapter 11]
    AgeStatus(AgeStatus),
    /// FF: a diagnosis of its maker's own.
    Diagnostic(Block),
}

/// What is known of a customer's age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeStatus {
    /// b0 card in place, b1 it tells an age, b2 it can be verified, b3 its level can be checked, b4 old enough, b6 busy or
    /// invalid, b7 card inserted.
    pub state: u8,
    /// b4 and b5 private media, b6 driving licence, b7 public cash card.
    pub media: u8,
}

impl AgeStatus {
    /// The bit that opens the machine.
    pub const OLD_ENOUGH: u8 = 1 << 4;
}

/// A reply that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageFault {
    /// No message starts so.
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
        Self::join_in(messages, Width::Narrow)
    }

    /// The same, with money as wide as this.
    #[must_use]
    pub fn join_in(messages: &[Self], width: Width) -> Option<Frame> {
        let mut all = Block::EMPTY;
        for message in messages {
            for byte in message.block_in(width).iter() {
                all.push(*byte)?;
            }
        }
        Some(Frame::from_peripheral(&all))
    }

    /// Writes the message alone in a block, without its checksum, its money in two bytes.
    #[must_use]
    pub fn block(&self) -> Block {
        self.block_in(Width::Narrow)
    }

    /// Writes the message alone in a block, without its checksum.
    #[must_use]
    pub fn block_in(&self, width: Width) -> Block {
        let mut block = Block::EMPTY;
        self.print(&mut block, width);
        block
    }

    /// Appends the message to a block.
    fn print(&self, block: &mut Block, width: Width) {
        block.put(&[self.code()]);
        match *self {
            Self::ReaderConfig(config) => block.put(&config.to_bytes()),
            Self::Display { tenths, text } => {
                block.put(&[tenths]);
                block.put(text.as_bytes());
            }
            Self::BeginSession { funds, media } => {
                block.put_units(funds, width);
                if let Some(media) = media {
                    media.print(block);
                }
            }
            Self::BeginSessionIn {
                funds,
                media,
                locale,
            } => {
                block.put_units(funds, width);
                media.print(block);
                locale.print(block);
            }
            Self::VendApproved { amount } | Self::RevalueLimit { amount } => {
                block.put_units(amount, width);
            }
            Self::BasketApproved { amount, options } => {
                block.put_units(amount, width);
                block.put_units(options, width);
            }
            Self::PeripheralId(identity) => identity.print(block),
            Self::Offer(identity, options) => {
                identity.print(block);
                block.put(&options.to_u32().to_be_bytes());
            }
            Self::Malfunction { code } => block.put(&[code]),
            Self::OutOfSequence { state } => block.put(state.as_slice()),
            Self::DataEntry { keys } => block.put(&[keys]),
            Self::SelectionRequest(it) => {
                block.put_units(it.funds, width);
                it.media.print(block);
                if let Some(locale) = it.locale {
                    locale.print(block);
                }
                block.put(&it.item.to_be_bytes());
                block.put(&it.options.to_u32().to_be_bytes());
            }
            Self::Coupon(it) => {
                block.put(&it.item.to_be_bytes());
                block.put(&[it.options]);
                block.put_units(it.value, width);
                block.put(&it.id.to_be_bytes());
            }
            Self::File(transfer) => transfer.print(block),
            Self::AgeFeature(feature) => {
                block.put(&[0x05, 6, feature]);
                block.put(b"DRAVP");
            }
            Self::AgeStatus(status) => {
                block.put(&[0x06, 7, status.state, status.media]);
                block.put(b"DRAVS");
            }
            Self::Diagnostic(bytes) => {
                block.put(bytes.get(..bytes.len().min(34)).unwrap_or_default())
            }
            Self::JustReset
            | Self::SessionCancel
            | Self::VendDenied
            | Self::EndSession
            | Self::Cancelled
            | Self::RevalueApproved
            | Self::RevalueDenied
            | Self::TimeRequest
            | Self::DataEntryCancel => {}
        }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::JustReset => 0x00,
            Self::ReaderConfig(_) => 0x01,
            Self::Display { .. } => 0x02,
            Self::BeginSession { .. } | Self::BeginSessionIn { .. } => 0x03,
            Self::SessionCancel => 0x04,
            Self::VendApproved { .. } | Self::BasketApproved { .. } => 0x05,
            Self::VendDenied => 0x06,
            Self::EndSession => 0x07,
            Self::Cancelled => 0x08,
            Self::PeripheralId(_) | Self::Offer(..) => 0x09,
            Self::Malfunction { .. } => 0x0A,
            Self::OutOfSequence { .. } => 0x0B,
            Self::RevalueApproved => 0x0D,
            Self::RevalueDenied => 0x0E,
            Self::RevalueLimit { .. } => 0x0F,
            Self::TimeRequest => 0x11,
            Self::DataEntry { .. } => 0x12,
            Self::DataEntryCancel => 0x13,
            Self::SelectionRequest(_) => 0x14,
            Self::Coupon(_) => 0x15,
            Self::File(transfer) => 0x1B + transfer.place(),
            Self::AgeFeature(_) | Self::AgeStatus(_) | Self::Diagnostic(_) => 0xFF,
        }
    }

    /// Whether other messages may follow in the same block.
    pub(crate) const fn shares(&self) -> bool {
        // A text takes all that is left; a fault that stands is told already.
        !matches!(
            self,
            Self::Display { .. }
                | Self::File(_)
                | Self::AgeFeature(_)
                | Self::AgeStatus(_)
                | Self::Diagnostic(_)
                | Self::Malfunction { .. }
        )
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
        let len = length(code, rest.len(), layout).ok_or(MessageFault::Code { code })?;
        let (fields, rest) = rest
            .split_at_checked(len)
            .ok_or(MessageFault::Short { code })?;
        let message = Self::of_fields(code, Fields::new(fields, layout))
            .ok_or(MessageFault::Field { code })?;
        Ok((message, rest))
    }

    fn of_fields(code: u8, mut from: Fields<'_>) -> Option<Self> {
        let layout = from.layout();
        let wide = layout.width() == Width::Wide;
        Some(match code {
            0x00 => Self::JustReset,
            0x01 => Self::ReaderConfig(ReaderConfig::from_bytes(&from.bytes()?)),
            0x02 => Self::Display {
                tenths: from.byte()?,
                text: Text::from_bytes(from.rest())?,
            },
            0x03 if wide => Self::BeginSessionIn {
                funds: from.units()?,
                media: Media::parse(&mut from)?,
                locale: Locale::parse(&mut from)?,
            },
            0x03 => Self::BeginSession {
                funds: from.units()?,
                media: match layout.level() {
                    Level::One => None,
                    Level::Two | Level::Three => Some(Media::parse(&mut from)?),
                },
            },
            0x04 => Self::SessionCancel,
            0x05 if layout.has(Options::BASKET) => Self::BasketApproved {
                amount: from.units()?,
                options: from.units()?,
            },
            0x05 => Self::VendApproved {
                amount: from.units()?,
            },
            0x06 => Self::VendDenied,
            0x07 => Self::EndSession,
            0x08 => Self::Cancelled,
            0x09 => {
                let identity: [u8; Identity::LEN] = from.bytes()?;
                let identity = Identity::parse(&identity)?;
                match from.bytes() {
                    Some(options) => {
                        let options = u32::from_be_bytes(options);
                        Self::Offer(identity, Options::from_u32(options))
                    }
                    None => Self::PeripheralId(identity),
                }
            }
            0x0A => Self::Malfunction { code: from.byte()? },
            0x0B => Self::OutOfSequence { state: from.byte() },
            0x0D => Self::RevalueApproved,
            0x0E => Self::RevalueDenied,
            0x0F => Self::RevalueLimit {
                amount: from.units()?,
            },
            0x11 => Self::TimeRequest,
            0x12 => Self::DataEntry { keys: from.byte()? },
            0x13 => Self::DataEntryCancel,
            0x14 => Self::SelectionRequest(Selection {
                funds: from.units()?,
                media: Media::parse(&mut from)?,
                locale: match wide {
                    true => Some(Locale::parse(&mut from)?),
                    false => None,
                },
                item: from.number()?,
                options: ItemOptions::from_u32(u32::from_be_bytes(from.bytes()?)),
            }),
            0x15 => Self::Coupon(Coupon {
                item: from.number()?,
                options: from.byte()?,
                value: from.units()?,
                id: u32::from_be_bytes(from.bytes()?),
            }),
            0x1B..=0x1F => Self::File(Transfer::parse(code - 0x1B, from.rest())?),
            0xFF => match *from.rest() {
                [0x05, 6, feature, b'D', b'R', b'A', b'V', b'P'] => Self::AgeFeature(feature),
                [0x06, 7, state, media, b'D', b'R', b'A', b'V', b'S'] => {
                    Self::AgeStatus(AgeStatus { state, media })
                }
                ref other => Self::Diagnostic(Block::of(other)?),
            },
            _ => return None,
        })
    }
}

/// How many bytes follow this code, when so many are left in the block. [MDB 7.4]
fn length(code: u8, left: usize, layout: Layout) -> Option<usize> {
    let money = layout.width().bytes();
    let wide = layout.width() == Width::Wide;
    let locale = if wide { 5 } else { 0 };
    Some(match code {
        0x00 | 0x04 | 0x06..=0x08 | 0x0D | 0x0E | 0x11 | 0x13 => 0,
        0x01 => ReaderConfig::LEN,
        // A text is as long as the display, which the block does not tell: it takes the rest.
        0x02 => left.max(1),
        0x03 if layout.level() == Level::One => money,
        0x03 => money + 7 + locale,
        0x05 if layout.has(Options::BASKET) => 2 * money,
        0x05 | 0x0F => money,
        // Between two sides of level 3 it offers options; a reader of level 2 that says it is of level 3 does not.
        0x09 if layout.level() == Level::Three && left >= Identity::LEN + 4 => Identity::LEN + 4,
        0x09 => Identity::LEN,
        0x0A | 0x12 => 1,
        0x0B if layout.level() == Level::One => 0,
        0x0B => 1,
        0x14 => money + 7 + locale + 2 + 4,
        0x15 => 2 + 1 + money + 4,
        // Such a message never shares its block.
        0x1B..=0x1F | 0xFF => left,
        _ => return None,
    })
}

impl Media {
    fn print(self, block: &mut Block) {
        block.put(&self.id.to_be_bytes());
        block.put(&[self.payment]);
        block.put(&self.data.to_be_bytes());
    }

    fn parse(from: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: u32::from_be_bytes(from.bytes()?),
            payment: from.byte()?,
            data: from.number()?,
        })
    }
}

impl Locale {
    fn print(self, block: &mut Block) {
        block.put(&self.language);
        block.put(&self.currency.to_u16().to_be_bytes());
        block.put(&[self.card]);
    }

    fn parse(from: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            language: from.bytes()?,
            currency: from.country()?,
            card: from.byte()?,
        })
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
