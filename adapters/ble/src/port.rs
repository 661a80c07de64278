//! What a transport has to offer, and the messages that go over it.

use core::future::Future;
use gettone_channel::ServiceUuid;
use gettone_channel::{Assembler, Mtu, SegmentFault, segments};
use std::collections::VecDeque;

/// A reader's radio: one door, one connection.
pub trait Radio {
    /// One connection of a phone.
    type Pipe: Pipe;

    /// Opens the door under `service`; another one is closed before. Who looks for `beside` finds
    /// it too, where the radio can say two names.
    fn advertise(
        &mut self,
        service: ServiceUuid,
        beside: Option<ServiceUuid>,
        name: &str,
    ) -> impl Future<Output = Result<(), RadioFault>>;

    /// Closes the door. A connection that is up stays up.
    fn hush(&mut self) -> impl Future<Output = ()>;

    /// Waits for the next phone; forever while the door is closed. Dropping the future loses none.
    fn accept(&mut self) -> impl Future<Output = Result<Self::Pipe, RadioFault>>;
}

/// One connection, value by value. Dropping it drops the connection.
pub trait Pipe {
    /// What both sides have agreed on, once they have.
    fn mtu(&self) -> Option<Mtu>;

    /// The next value that the phone writes. Dropping the future loses no byte.
    fn next(&mut self) -> impl Future<Output = Result<Vec<u8>, PipeFault>>;

    /// Notifies the phone, or keeps the value for its next read.
    fn push(&mut self, value: &[u8]) -> impl Future<Output = Result<(), PipeFault>>;
}

/// Whole messages over a pipe.
#[derive(Debug)]
pub struct Messages<P> {
    pipe: P,
    assembler: Assembler,
    /// Values of a message whose sending was interrupted between two of them.
    rest: VecDeque<Vec<u8>>,
}

impl<P: Pipe> Messages<P> {
    /// Takes a new connection.
    pub fn new(pipe: P) -> Self {
        Self {
            pipe,
            assembler: Assembler::new(),
            rest: VecDeque::new(),
        }
    }

    /// The next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Any fault means that the connection has to be dropped.
    pub async fn receive(&mut self) -> Result<Vec<u8>, PipeFault> {
        loop {
            let value = self.pipe.next().await?;
            if let Some(message) = self.assembler.push(&value)? {
                return Ok(message);
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Any fault means that the connection has to be dropped.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), PipeFault> {
        let mtu = self.pipe.mtu().ok_or(PipeFault::NoMtu)?;
        self.rest.extend(segments(message, mtu)?);
        while let Some(value) = self.rest.pop_front() {
            self.pipe.push(&value).await?;
        }
        Ok(())
    }
}

/// Why a radio does not work.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum RadioFault {
    /// The door cannot be opened.
    #[error("cannot advertise {service}")]
    Advertise {
        /// Under which name.
        service: ServiceUuid,
        /// What the system says.
        source: std::io::Error,
    },
    /// Phones cannot be taken.
    #[error("cannot accept a connection")]
    Accept(#[source] std::io::Error),
}

/// Why a connection ended.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum PipeFault {
    /// The phone is gone.
    #[error("the phone is gone")]
    Gone,
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
    /// The values do not make messages.
    #[error("the phone's values do not make messages")]
    Segment(#[from] SegmentFault),
    /// The phone has used the connection before an MTU was agreed on.
    #[error("no MTU was agreed on")]
    NoMtu,
    /// The phone has sent what no phone sends.
    #[error("the phone sent operation {0}, which has no place here")]
    Operation(u8),
    /// The phone does not take what is sent to it.
    #[error("the phone reads too slowly")]
    Slow,
}
