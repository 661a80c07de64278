//! The link: Noise `NNpsk0` between a phone, which initiates, and a reader, over BLE.

use core::fmt;

use snow::TransportState;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::bounds::{
    LINE_LEN_MAX, LINK_1_LEN, LINK_2_LEN, LINK_MESSAGE_MAX, LINK_VERSION, TAG_LEN,
};
use crate::id::Handshake;
use crate::key::Ephemeral;
use crate::message::{End, LinkMessage};
use crate::secret::Psk;
use crate::suite::{self, Broken};

/// The payload of Link 1: what the phone speaks and can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello1 {
    /// The protocol version; [`LINK_VERSION`] is the only one.
    pub version: u8,
    /// Capabilities, one bit each: [`CAPS_CARRIES`](crate::CAPS_CARRIES) is the only one.
    pub caps: u16,
}

/// Why a link message was not made or not taken.
///
/// Bytes that do not open change nothing: the nonce stays, and the true message still opens. But BLE delivers whole
/// and in order, so after any fault of [`Link::open`] somebody else is speaking, or the two ends have lost step for
/// good: **drop the link**, never go on in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// No message of this kind has this length.
    #[error("a link message of {len} bytes")]
    Length {
        /// The length.
        len: usize,
    },
    /// Another secret, another link, a message out of order, or a changed one.
    #[error("the link message does not open")]
    Refused,
    /// The peer's key makes an X25519 result of zeros.
    #[error("a key of low order")]
    WeakKey,
    /// The version is unknown.
    #[error("link version {0}")]
    Version(u8),
    /// The type is unknown, or does not travel this way.
    #[error("link message type {0} does not travel this way")]
    Kind(u8),
    /// It opened, but its body is wrong.
    #[error("the body of a link message")]
    Body,
    /// The display line is too long.
    #[error("a display line of {len} bytes, at most {LINE_LEN_MAX}")]
    Line {
        /// Length in bytes.
        len: usize,
    },
    /// The nonces of this link are used up.
    #[error("the link has carried all it can")]
    Exhausted,
}

impl From<Broken> for LinkFault {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::WeakKey => LinkFault::WeakKey,
            Broken::Refused => LinkFault::Refused,
            Broken::Exhausted => LinkFault::Exhausted,
        }
    }
}

/// A phone that has sent Link 1 and waits for Link 2.
pub struct Initiator {
    state: snow::HandshakeState,
}

impl Initiator {
    /// Starts a link and returns Link 1.
    ///
    /// # Errors
    /// `hello` names a version that this crate does not speak.
    pub fn start(
        psk: &Psk,
        ephemeral: Ephemeral,
        hello: Hello1,
    ) -> Result<(Self, Vec<u8>), LinkFault> {
        let mut state = suite::builder(suite::LINK, Some(ephemeral))
            .psk(0, psk.bytes())
            .and_then(|builder| builder.build_initiator())
            .map_err(Broken::from)?;
        let mut link1 = vec![0; LINK_1_LEN];
        let payload = hello.to_bytes()?;
        state
            .write_message(&payload, &mut link1)
            .map_err(Broken::from)?;
        Ok((Initiator { state }, link1))
    }

    /// Takes Link 2.
    ///
    /// # Errors
    /// The reader does not hold the secret, or its answer was changed.
    pub fn finish(mut self, link2: &[u8]) -> Result<Link, LinkFault> {
        if link2.len() != LINK_2_LEN {
            return Err(LinkFault::Length { len: link2.len() });
        }
        self.state
            .read_message(link2, &mut [])
            .map_err(Broken::from)?;
        Link::new(self.state, End::Phone)
    }
}

/// A reader's side of the handshake.
#[derive(Debug)]
pub struct Responder;

impl Responder {
    /// Takes Link 1; returns the link, Link 2 and what the phone said.
    ///
    /// # Errors
    /// The phone does not hold the secret, or its message was changed, or it speaks another version.
    pub fn accept(
        psk: &Psk,
        ephemeral: Ephemeral,
        link1: &[u8],
    ) -> Result<(Link, Vec<u8>, Hello1), LinkFault> {
        Self::try_psk(psk, &ephemeral, link1)
    }

    /// Takes Link 1 under whichever of these secrets it was made; returns which, and the rest as
    /// [`Responder::accept`].
    ///
    /// # Errors
    /// The phone holds none of them, or its message was changed, or it speaks another version.
    pub fn accept_any(
        psks: &[Psk],
        ephemeral: Ephemeral,
        link1: &[u8],
    ) -> Result<(usize, Link, Vec<u8>, Hello1), LinkFault> {
        let mut fault = LinkFault::Refused;
        for (place, psk) in psks.iter().enumerate() {
            // A Link 1 that does not decrypt is not answered: the ephemeral key was not shown.
            match Self::try_psk(psk, &ephemeral, link1) {
                Ok((link, link2, hello)) => return Ok((place, link, link2, hello)),
                Err(refused) => fault = refused,
            }
        }
        Err(fault)
    }

    fn try_psk(
        psk: &Psk,
        ephemeral: &Ephemeral,
        link1: &[u8],
    ) -> Result<(Link, Vec<u8>, Hello1), LinkFault> {
        let ephemeral = Ephemeral::from_bytes(*ephemeral.bytes());
        if link1.len() != LINK_1_LEN {
            return Err(LinkFault::Length { len: link1.len() });
        }
        let mut state = suite::builder(suite::LINK, Some(ephemeral))
            .psk(0, psk.bytes())
            .and_then(|builder| builder.build_responder())
            .map_err(Broken::from)?;
        let mut payload = [0; 3];
        state
            .read_message(link1, &mut payload)
            .map_err(Broken::from)?;
        let hello = Hello1::from_bytes(payload)?;
        let mut link2 = vec![0; LINK_2_LEN];
        state.write_message(&[], &mut link2).map_err(Broken::from)?;
        Ok((Link::new(state, End::Reader)?, link2, hello))
    }
}

/// A link that is up, at one of its ends.
pub struct Link {
    transport: TransportState,
    handshake: Handshake,
    end: End,
}

impl Link {
    fn new(state: snow::HandshakeState, end: End) -> Result<Self, LinkFault> {
        let hash = *state
            .get_handshake_hash()
            .first_chunk()
            .ok_or(LinkFault::Refused)?;
        Ok(Link {
            transport: state.into_transport_mode().map_err(Broken::from)?,
            handshake: Handshake::from_bytes(hash),
            end,
        })
    }

    /// Returns `h`, which the other end of this link, and of no other, holds too.
    pub fn handshake(&self) -> Handshake {
        self.handshake
    }

    /// Seals the next message.
    ///
    /// # Errors
    /// The message does not travel this way or is too long.
    pub fn seal(&mut self, message: &LinkMessage) -> Result<Vec<u8>, LinkFault> {
        let plaintext = message.encode(self.end)?;
        let mut sealed = vec![0; plaintext.len() + TAG_LEN];
        self.transport
            .write_message(&plaintext, &mut sealed)
            .map_err(Broken::from)?;
        Ok(sealed)
    }

    /// Opens the next message.
    ///
    /// # Errors
    /// It is not the next message of the other end. See [`LinkFault`]: the link is to be dropped.
    pub fn open(&mut self, sealed: &[u8]) -> Result<LinkMessage, LinkFault> {
        if sealed.len() > LINK_MESSAGE_MAX {
            return Err(LinkFault::Length { len: sealed.len() });
        }
        let mut plaintext = Zeroizing::new(vec![0; sealed.len()]);
        let len = self
            .transport
            .read_message(sealed, &mut plaintext)
            .map_err(Broken::from)?;
        LinkMessage::decode(self.end.other(), &plaintext[..len])
    }
}

impl Hello1 {
    fn to_bytes(self) -> Result<[u8; 3], LinkFault> {
        let [high, low] = self.caps.to_be_bytes();
        self.spoken()?;
        Ok([self.version, high, low])
    }

    fn from_bytes([version, high, low]: [u8; 3]) -> Result<Self, LinkFault> {
        let hello = Hello1 {
            version,
            caps: u16::from_be_bytes([high, low]),
        };
        hello.spoken()?;
        Ok(hello)
    }

    fn spoken(self) -> Result<(), LinkFault> {
        match self.version {
            LINK_VERSION => Ok(()),
            other => Err(LinkFault::Version(other)),
        }
    }
}

impl End {
    fn other(self) -> Self {
        match self {
            End::Phone => End::Reader,
            End::Reader => End::Phone,
        }
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(..)")
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({:?}, {})", self.end, self.handshake)
    }
}
