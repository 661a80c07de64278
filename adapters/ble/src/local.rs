//! The air as a directory: a door is a Unix socket named by its service UUID.
//!
//! A connection carries PDUs `{op u8, len u16, value}` that stand for the GATT operations of the
//! real radio, one for one, so that round trips and bytes can be counted.

use crate::bounds::WAITING_MAX;
use crate::port::{Pipe, PipeFault, Radio, RadioFault};
pub use crate::traffic::Traffic;
use gettone_channel::ServiceUuid;
use gettone_channel::{Assembler, Mtu, segments};
use gettone_channel::{MTU_MAX, VALUE_MAX};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const HEADER: usize = 3;

/// What a PDU asks or answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Op {
    MtuRequest = 1,
    MtuResponse = 2,
    Subscribe = 3,
    Subscribed = 4,
    Write = 5,
    Written = 6,
    Notify = 7,
    Read = 8,
    ReadResponse = 9,
    Refused = 10,
}

impl Op {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::MtuRequest,
            2 => Self::MtuResponse,
            3 => Self::Subscribe,
            4 => Self::Subscribed,
            5 => Self::Write,
            6 => Self::Written,
            7 => Self::Notify,
            8 => Self::Read,
            9 => Self::ReadResponse,
            10 => Self::Refused,
            _ => return None,
        })
    }
}

/// A reader's radio over a directory.
#[derive(Debug)]
pub struct LocalRadio {
    air: PathBuf,
    door: Option<LocalDoor>,
    beside: Option<LocalDoor>,
}

#[derive(Debug)]
struct LocalDoor {
    path: PathBuf,
    listener: UnixListener,
}

impl LocalDoor {
    fn open(air: &Path, service: ServiceUuid) -> io::Result<Self> {
        let path = air.join(service.to_string());
        // A phone must not find a door that is there and does not listen yet.
        let unseen = air.join(format!(".{service}"));
        let listener = UnixListener::bind(&unseen)?;
        std::fs::rename(&unseen, &path)?;
        Ok(Self { path, listener })
    }

    /// The next phone; never one where there is no door.
    async fn knock(door: Option<&Self>) -> io::Result<UnixStream> {
        match door {
            Some(door) => Ok(door.listener.accept().await?.0),
            None => core::future::pending().await,
        }
    }
}

impl Drop for LocalDoor {
    fn drop(&mut self) {
        // Nothing to do when it fails: the name is random and is never used again.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl LocalRadio {
    /// A radio whose air is the directory `air`.
    pub fn new(air: impl Into<PathBuf>) -> Self {
        Self {
            air: air.into(),
            door: None,
            beside: None,
        }
    }
}

impl Radio for LocalRadio {
    type Pipe = LocalPipe;

    async fn advertise(
        &mut self,
        service: ServiceUuid,
        beside: Option<ServiceUuid>,
        _name: &str,
    ) -> Result<(), RadioFault> {
        self.hush().await;
        let open = |service| {
            LocalDoor::open(&self.air, service)
                .map_err(|source| RadioFault::Advertise { service, source })
        };
        let door = open(service)?;
        self.beside = beside.map(open).transpose()?;
        self.door = Some(door);
        Ok(())
    }

    async fn hush(&mut self) {
        self.door = None;
        self.beside = None;
    }

    async fn accept(&mut self) -> Result<LocalPipe, RadioFault> {
        let stream = tokio::select! {
            stream = LocalDoor::knock(self.door.as_ref()) => stream,
            stream = LocalDoor::knock(self.beside.as_ref()) => stream,
        };
        let stream = stream.map_err(RadioFault::Accept)?;
        Ok(LocalPipe {
            stream: PduStream::new(stream),
            mtu: None,
            subscription: Subscription::Reads(VecDeque::new()),
        })
    }
}

/// A reader's end of one connection.
#[derive(Debug)]
pub struct LocalPipe {
    stream: PduStream,
    mtu: Option<Mtu>,
    subscription: Subscription,
}

/// How the phone hears of our values.
#[derive(Debug)]
enum Subscription {
    /// It reads: each read takes the next value.
    Reads(VecDeque<Vec<u8>>),
    /// It is notified: a read gives the value that was notified last.
    Notified(Vec<u8>),
}

impl Pipe for LocalPipe {
    fn mtu(&self) -> Option<Mtu> {
        self.mtu
    }

    async fn next(&mut self) -> Result<Vec<u8>, PipeFault> {
        loop {
            // What is owed from a call that was dropped goes first.
            self.stream.flush().await?;
            let (op, value) = self.stream.receive().await?;
            match op {
                Op::MtuRequest => {
                    let [high, low] = value[..] else {
                        return Err(PipeFault::Operation(op as u8));
                    };
                    let offered = u16::from_be_bytes([high, low]);
                    let mtu = match Mtu::new(offered) {
                        Ok(mtu) => mtu,
                        Err(fault) => {
                            self.stream.put(Op::Refused, &[]);
                            self.stream.flush().await?;
                            return Err(fault.into());
                        }
                    };
                    self.mtu = Some(mtu);
                    self.stream.put(Op::MtuResponse, &mtu.bytes().to_be_bytes());
                }
                Op::Subscribe => {
                    self.subscription = Subscription::Notified(Vec::new());
                    self.stream.put(Op::Subscribed, &[]);
                }
                Op::Read => {
                    let value = match &mut self.subscription {
                        Subscription::Reads(waiting) => waiting.pop_front().unwrap_or_default(),
                        Subscription::Notified(last) => last.clone(),
                    };
                    self.stream.put(Op::ReadResponse, &value);
                }
                Op::Write => {
                    let mtu = self.mtu.ok_or(PipeFault::NoMtu)?;
                    if value.len() > mtu.value_max() {
                        return Err(PipeFault::Operation(op as u8));
                    }
                    // The value is handed up at once; its response leaves with the next call.
                    self.stream.put(Op::Written, &[]);
                    self.stream.flush_now()?;
                    return Ok(value);
                }
                Op::MtuResponse
                | Op::Subscribed
                | Op::Written
                | Op::Notify
                | Op::ReadResponse
                | Op::Refused => return Err(PipeFault::Operation(op as u8)),
            }
        }
    }

    async fn push(&mut self, value: &[u8]) -> Result<(), PipeFault> {
        match &mut self.subscription {
            Subscription::Reads(waiting) => {
                if waiting.len() >= WAITING_MAX {
                    return Err(PipeFault::Slow);
                }
                waiting.push_back(value.to_vec());
            }
            Subscription::Notified(last) => {
                last.clear();
                last.extend_from_slice(value);
                self.stream.put(Op::Notify, value);
            }
        }
        self.stream.flush().await
    }
}

/// A phone's end of one connection.
#[derive(Debug)]
pub struct Phone {
    stream: PduStream,
    mtu: Mtu,
    assembler: Assembler,
    notified: VecDeque<Vec<u8>>,
    traffic: Traffic,
}

impl Phone {
    /// Whether `service` is on the air.
    pub fn sees(air: &Path, service: ServiceUuid) -> bool {
        air.join(service.to_string()).exists()
    }

    /// Connects to `service` if it is on the air, agrees on an MTU and subscribes.
    ///
    /// # Errors
    /// When nobody answers there, or the reader refuses.
    pub async fn connect(air: &Path, service: ServiceUuid, mtu: u16) -> Result<Self, PipeFault> {
        let stream = UnixStream::connect(air.join(service.to_string())).await?;
        let mut phone = Self {
            stream: PduStream::new(stream),
            mtu: Mtu::new(MTU_MAX)?,
            assembler: Assembler::new(),
            notified: VecDeque::new(),
            traffic: Traffic::default(),
        };
        let answer = phone
            .request(Op::MtuRequest, &mtu.to_be_bytes(), Op::MtuResponse)
            .await?;
        let [high, low] = answer[..] else {
            return Err(PipeFault::NoMtu);
        };
        phone.mtu = Mtu::new(u16::from_be_bytes([high, low]).min(mtu))?;
        phone.request(Op::Subscribe, &[], Op::Subscribed).await?;
        Ok(phone)
    }

    /// What both sides have agreed on.
    pub const fn mtu(&self) -> Mtu {
        self.mtu
    }

    /// Writes a message, value by value, each with its response.
    ///
    /// # Errors
    /// When the reader is gone or refuses.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), PipeFault> {
        for value in segments(message, self.mtu)? {
            self.write(&value).await?;
        }
        Ok(())
    }

    /// Writes one value as it is.
    ///
    /// # Errors
    /// When the reader is gone or refuses.
    pub async fn write(&mut self, value: &[u8]) -> Result<(), PipeFault> {
        self.traffic.value(value);
        self.request(Op::Write, value, Op::Written).await?;
        Ok(())
    }

    /// The next message that the reader notifies. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the reader is gone.
    pub async fn receive(&mut self) -> Result<Vec<u8>, PipeFault> {
        loop {
            let value = self.value().await?;
            if let Some(message) = self.assembler.push(&value)? {
                return Ok(message);
            }
        }
    }

    /// The next value that the reader notifies, as it comes. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the reader is gone.
    pub async fn value(&mut self) -> Result<Vec<u8>, PipeFault> {
        let value = match self.notified.pop_front() {
            Some(value) => value,
            None => match self.stream.receive().await? {
                (Op::Notify, value) => value,
                (op, _) => return Err(PipeFault::Operation(op as u8)),
            },
        };
        self.traffic.value(&value);
        Ok(value)
    }

    /// What the connection has cost so far.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    async fn request(&mut self, op: Op, value: &[u8], wanted: Op) -> Result<Vec<u8>, PipeFault> {
        self.traffic.request();
        self.stream.put(op, value);
        self.stream.flush().await?;
        loop {
            match self.stream.receive().await? {
                (found, value) if found == wanted => return Ok(value),
                (Op::Notify, value) if self.notified.len() < WAITING_MAX => {
                    self.notified.push_back(value);
                }
                (op, _) => return Err(PipeFault::Operation(op as u8)),
            }
        }
    }
}

/// PDUs over a socket; no byte is lost when one of its futures is dropped.
#[derive(Debug)]
struct PduStream {
    stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl PduStream {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            incoming: Vec::with_capacity(1024),
            outgoing: Vec::new(),
        }
    }

    fn put(&mut self, op: Op, value: &[u8]) {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.outgoing.push(op as u8);
        self.outgoing.extend_from_slice(&len.to_be_bytes());
        self.outgoing.extend_from_slice(value);
    }

    async fn flush(&mut self) -> Result<(), PipeFault> {
        while !self.outgoing.is_empty() {
            let written = self.stream.write(&self.outgoing).await?;
            if written == 0 {
                return Err(PipeFault::Gone);
            }
            self.outgoing.drain(..written);
        }
        Ok(())
    }

    /// Sends what the socket takes without waiting; the rest goes with the next flush.
    fn flush_now(&mut self) -> Result<(), PipeFault> {
        match self.stream.try_write(&self.outgoing) {
            Ok(written) => {
                self.outgoing.drain(..written);
                Ok(())
            }
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn receive(&mut self) -> Result<(Op, Vec<u8>), PipeFault> {
        loop {
            if let Some(pdu) = self.take()? {
                return Ok(pdu);
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(PipeFault::Gone);
            }
        }
    }

    fn take(&mut self) -> Result<Option<(Op, Vec<u8>)>, PipeFault> {
        let [op, high, low, rest @ ..] = self.incoming.as_slice() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let op = Op::from_byte(*op).filter(|_| len <= VALUE_MAX);
        let op = op.ok_or(PipeFault::Operation(self.incoming[0]))?;
        let Some(value) = rest.get(..len).map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        self.incoming.drain(..HEADER + len);
        Ok(Some((op, value)))
    }
}
