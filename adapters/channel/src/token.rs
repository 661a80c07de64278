//! The code on show at a reader, the news beside it, and the light that answers it (protocol section 9).

use core::fmt;
use core::str::FromStr;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::bounds::{SLIP_LEN_MAX, SLIP_LEN_MIN, SLIP_RECEIPTS_MAX, TOKEN_LINK_LEN_MAX};
use crate::id::{JournalEpoch, ReaderId};
use crate::item::{Order, ReceiptFlags, ReceiptKind};
use crate::secret::{Secret, TokenKey};
use crate::text::{base32, base64url, from_base32, from_base64url};
use crate::wire::{Bad, Field, Wire};

const FIXED_LEN: usize = 1 + 4 + 6 + JournalEpoch::LEN + 8;
const RECEIPT_LEN: usize = 4 + 1 + 1 + 4 + 2 + 4;
const MAC_LEN: usize = 16;
/// The wire gives six bytes to an uptime.
const UPTIME_MS_MAX: u64 = (1 << 48) - 1;
/// What one step of a cap class is worth, in minor units.
const CAP_STEP_MINOR: u32 = 50;
const CAP_BITS: u32 = 6;

/// The code of one step, `T_n`: the secret of a link, and the nonce of a light grant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; 16]);

impl Token {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Token(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns it as the out-of-band secret of a link.
    pub fn secret(&self) -> Secret {
        Secret::token(self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl TokenKey {
    /// Derives the code of a step.
    pub fn token(&self, step: u64) -> Token {
        Token(*self.mac::<16>(&[b"tok", &step.to_be_bytes()]))
    }

    /// Derives the digits that stand for a step where somebody types: `digits` of them, at most 9.
    pub fn typed(&self, step: u64, digits: u8) -> u32 {
        let mac = self.mac::<8>(&[b"sms", &step.to_be_bytes()]);
        let modulus = 10_u64.pow(u32::from(digits.min(9)));
        u32::try_from(u64::from_be_bytes(*mac) % modulus).unwrap_or(0)
    }

    fn mac<const N: usize>(&self, parts: &[&[u8]]) -> zeroize::Zeroizing<[u8; N]> {
        let key = self.to_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes any key");
        for part in parts {
            mac.update(part);
        }
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        zeroize::Zeroizing::new(
            *full
                .first_chunk()
                .expect("no MAC here is longer than SHA-256"),
        )
    }
}

/// A receipt as a QR has room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlipReceipt {
    /// The low half of its place in the journal.
    pub rseq_low: u32,
    /// What happened.
    pub kind: ReceiptKind,
    /// The low half of its circumstances.
    pub flags: u8,
    /// The first bytes of its grant.
    pub grant: [u8; 4],
    /// The machine's item number, or the count of a CLOSE.
    pub item: u16,
    /// Minor units: the price, the cash, or the total of a CLOSE.
    pub amount: u32,
}

/// What a reader says in a QR beside its code: `u`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// Starts of the reader, and its uptime when this was made.
    pub order: Order,
    /// The life of the journal that the marks below count in.
    pub journal_epoch: JournalEpoch,
    /// Newest receipt synced.
    pub rseq_newest: u64,
    /// The oldest receipts that nothing has covered; at most [`SLIP_RECEIPTS_MAX`].
    pub receipts: Vec<SlipReceipt>,
}

impl Slip {
    /// Writes and seals it for one step.
    ///
    /// # Errors
    /// `TooLong` with more receipts than it has room for, or an uptime past 8,900 years.
    pub fn seal(
        &self,
        key: &TokenKey,
        reader: ReaderId,
        step: u64,
    ) -> Result<SealedSlip, TokenFault> {
        if self.receipts.len() > SLIP_RECEIPTS_MAX || self.order.uptime_ms > UPTIME_MS_MAX {
            return Err(TokenFault::TooLong);
        }
        let mut bytes = Vec::with_capacity(FIXED_LEN + RECEIPT_LEN * self.receipts.len() + MAC_LEN);
        bytes.push(u8::try_from(self.receipts.len()).map_err(|_| TokenFault::TooLong)?);
        self.order.boot.put(&mut bytes);
        bytes.extend_from_slice(&self.order.uptime_ms.to_be_bytes()[2..]);
        self.journal_epoch.put(&mut bytes);
        self.rseq_newest.put(&mut bytes);
        for receipt in &self.receipts {
            receipt.rseq_low.put(&mut bytes);
            receipt.kind.put(&mut bytes);
            receipt.flags.put(&mut bytes);
            receipt.grant.put(&mut bytes);
            receipt.item.put(&mut bytes);
            receipt.amount.put(&mut bytes);
        }
        let mac = key.mac::<MAC_LEN>(&[b"u", reader.as_bytes(), &step.to_be_bytes(), &bytes]);
        bytes.extend_from_slice(mac.as_slice());
        Ok(SealedSlip(bytes))
    }

    fn read(body: &[u8]) -> Result<Self, Bad> {
        let mut wire = Wire::new(body);
        let count = usize::from(wire.field::<u8>()?);
        let boot = wire.field()?;
        let [a, b, c, d, e, f] = wire.array()?;
        let uptime_ms = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let journal_epoch = wire.field()?;
        let rseq_newest = wire.field()?;
        let mut receipts = Vec::with_capacity(count.min(SLIP_RECEIPTS_MAX));
        for _ in 0..count.min(SLIP_RECEIPTS_MAX) {
            receipts.push(SlipReceipt {
                rseq_low: wire.field()?,
                kind: wire.field()?,
                flags: wire.field()?,
                grant: wire.array()?,
                item: wire.field()?,
                amount: wire.field()?,
            });
        }
        if count > SLIP_RECEIPTS_MAX || !wire.is_empty() {
            return Err(Bad::Value);
        }
        Ok(Slip {
            order: Order { boot, uptime_ms },
            journal_epoch,
            rseq_newest,
            receipts,
        })
    }
}

impl SlipReceipt {
    /// Returns the flags as a full receipt has them, as far as they are here.
    pub fn flags(&self) -> ReceiptFlags {
        ReceiptFlags::from_bits(u16::from(self.flags))
    }
}

/// A slip as it travels, with its MAC.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSlip(Vec<u8>);

impl SealedSlip {
    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Opens what somebody brought; one changed bit anywhere refuses it.
    ///
    /// # Errors
    /// `Forged` when its reader did not make it for this step, `Malformed` when no reader writes such a one.
    pub fn open(&self, key: &TokenKey, reader: ReaderId, step: u64) -> Result<Slip, TokenFault> {
        let body_len = self
            .0
            .len()
            .checked_sub(MAC_LEN)
            .ok_or(TokenFault::Malformed)?;
        let (body, told) = self.0.split_at(body_len);
        let mac = key.mac::<MAC_LEN>(&[b"u", reader.as_bytes(), &step.to_be_bytes(), body]);
        if !bool::from(mac.as_slice().ct_eq(told)) {
            return Err(TokenFault::Forged);
        }
        Slip::read(body).map_err(|_| TokenFault::Malformed)
    }

    /// Returns what a light grant ties itself to.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for SealedSlip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedSlip({} bytes)", self.0.len())
    }
}

/// What a QR or a tag says behind the host: `<reader>.<step>.<T_n>.<u>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLink {
    /// Whose code it is.
    pub reader: ReaderId,
    /// The step on show.
    pub step: u64,
    /// Its code.
    pub token: Token,
    /// The reader's news.
    pub slip: SealedSlip,
}

impl TokenLink {
    /// Opens it with its reader's key: the code and the news have to be of that reader and of this step.
    ///
    /// # Errors
    /// `Forged` when they are not; the same work is done whatever is wrong.
    pub fn open(&self, key: &TokenKey) -> Result<Slip, TokenFault> {
        let expected = key.token(self.step);
        let is_code = bool::from(expected.0.ct_eq(&self.token.0));
        let slip = self.slip.open(key, self.reader, self.step);
        if is_code {
            slip
        } else {
            Err(TokenFault::Forged)
        }
    }
}

impl fmt::Display for TokenLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            base32(self.reader.as_bytes()),
            self.step,
            base32(&self.token.0),
            base64url(&self.slip.0)
        )
    }
}

impl FromStr for TokenLink {
    type Err = TokenFault;

    /// Reads what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > TOKEN_LINK_LEN_MAX {
            return Err(TokenFault::Malformed);
        }
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(TokenFault::Malformed);
        let (reader, step, token, slip) = (part()?, part()?, part()?, part()?);
        if parts.next().is_some() {
            return Err(TokenFault::Malformed);
        }
        let is_plain = step.bytes().all(|digit| digit.is_ascii_digit())
            && (step == "0" || !step.starts_with('0'));
        let step = step
            .parse()
            .ok()
            .filter(|_| is_plain)
            .ok_or(TokenFault::Malformed)?;
        let slip = from_base64url(slip)
            .filter(|slip| (SLIP_LEN_MIN..=SLIP_LEN_MAX).contains(&slip.len()))
            .ok_or(TokenFault::Malformed)?;
        let reader = from_base32(reader).and_then(|bytes| bytes.try_into().ok());
        let token = from_base32(token).and_then(|bytes| bytes.try_into().ok());
        Ok(TokenLink {
            reader: ReaderId::from_bytes(reader.ok_or(TokenFault::Malformed)?),
            step,
            token: Token(token.ok_or(TokenFault::Malformed)?),
            slip: SealedSlip(slip),
        })
    }
}

/// How much a light grant allows, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CapClass(u8);

impl CapClass {
    /// Takes the byte as it travels.
    pub const fn from_byte(byte: u8) -> Self {
        CapClass(byte)
    }

    /// Returns the byte as it travels.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Returns the largest class within an amount and a number of vends; `None` when even the smallest is above.
    pub fn within(minor: u32, vends: u8) -> Option<Self> {
        let steps = (minor / CAP_STEP_MINOR).min(1 << CAP_BITS).checked_sub(1)?;
        let vends = vends.min(4).checked_sub(1)?;
        let steps = u8::try_from(steps).ok()?;
        Some(CapClass(vends << CAP_BITS | steps))
    }

    /// Returns the cap in minor units.
    pub const fn cap_minor(self) -> u32 {
        ((self.0 & 0x3f) as u32 + 1) * CAP_STEP_MINOR
    }

    /// Returns how many vends.
    pub const fn vends_max(self) -> u8 {
        (self.0 >> CAP_BITS) + 1
    }
}

/// The server's word to one reader, in one of its starts, for one step: what a phone plays as light.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LightGrant {
    /// How much it allows.
    pub class: CapClass,
    mac: [u8; 9],
}

impl LightGrant {
    /// Makes the grant that answers one slip.
    pub fn seal(key: &TokenKey, class: CapClass, place: &LightPlace) -> Self {
        let mac = key.mac::<9>(&[
            b"lightgrant",
            &place.boot.to_be_bytes(),
            &place.step.to_be_bytes(),
            &[class.0],
            &place.slip,
        ]);
        LightGrant { class, mac: *mac }
    }

    /// Reads the ten bytes that the light carries; only [`LightGrant::is_of`] says whether they are true.
    pub fn from_bytes(bytes: [u8; 10]) -> Self {
        let [class, mac @ ..] = bytes;
        LightGrant {
            class: CapClass(class),
            mac,
        }
    }

    /// Returns the ten bytes that the light carries.
    pub fn to_bytes(&self) -> [u8; 10] {
        let mut bytes = [self.class.0; 10];
        bytes[1..].copy_from_slice(&self.mac);
        bytes
    }

    /// Says whether the server made it for this place.
    pub fn is_of(&self, key: &TokenKey, place: &LightPlace) -> bool {
        Self::seal(key, self.class, place)
            .mac
            .ct_eq(&self.mac)
            .into()
    }
}

impl fmt::Debug for LightGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LightGrant({:?}, ..)", self.class)
    }
}

/// What a light grant is tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LightPlace {
    /// The start of the reader.
    pub boot: u32,
    /// The step.
    pub step: u64,
    /// The digest of the slip that was on show.
    pub slip: [u8; 32],
}

/// Why a code, its news or its answer is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// It has not the form that readers write.
    #[error("no reader writes such a code")]
    Malformed,
    /// Its reader did not make it.
    #[error("its reader did not make it")]
    Forged,
    /// More than a QR has room for.
    #[error("more than a QR has room for")]
    TooLong,
}
