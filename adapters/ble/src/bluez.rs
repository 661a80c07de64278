//! The real radio: BlueZ, over D-Bus.
//!
//! The reader is a GATT server with one service and at most one connection; it advertises only
//! while its door is open. The adapter belongs to the reader alone. When BlueZ, the adapter or the
//! bus is gone, the radio starts over by itself, and a door that is still wanted opens again.
//!
//! [`Central`] is the other side, for tests and tools.

mod central;
mod gatt;
mod keeper;
mod outlet;
mod seat;

use crate::bounds::{ORDERS_MAX, PIPES_MAX};
use crate::port::{Pipe, PipeFault, Radio, RadioFault};
pub use central::{Central, Found, Hearing, Look, Phone};
use gettone_channel::Mtu;
use gettone_channel::ServiceUuid;
use keeper::{Keeper, Order, Sign};
use seat::SeatNumber;
use std::io;
use tokio::sync::{mpsc, oneshot};

/// Which Bluetooth adapter.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Adapter {
    /// The first one there is.
    #[default]
    First,
    /// The one of this name, such as `hci0`.
    Named(String),
}

/// Says which adapter a radio on `adapter` would use, after switching it on.
///
/// # Errors
/// Why there would be no radio, in words.
pub async fn probe(adapter: &Adapter) -> io::Result<String> {
    keeper::probe(adapter)
        .await
        .map_err(|lost| io::Error::other(lost.to_string()))
}

/// A reader's radio over BlueZ.
#[derive(Debug)]
pub struct BluezRadio {
    orders: mpsc::Sender<Order>,
    pipes: mpsc::Receiver<BluezPipe>,
}

impl BluezRadio {
    /// A radio on `adapter`. It comes up by itself, and again whenever it was lost.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(adapter: Adapter) -> Self {
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (taken, pipes) = mpsc::channel(PIPES_MAX);
        let keeper = Keeper::new(adapter, ordered, orders.downgrade(), taken);
        tokio::spawn(keeper.run());
        Self { orders, pipes }
    }
}

impl Radio for BluezRadio {
    type Pipe = BluezPipe;

    async fn advertise(
        &mut self,
        service: ServiceUuid,
        beside: Option<ServiceUuid>,
        name: &str,
    ) -> Result<(), RadioFault> {
        let sign = Sign {
            service,
            beside,
            name: name.to_owned(),
        };
        let (answer, answered) = oneshot::channel();
        let told = match self.orders.send(Order::Open(sign, answer)).await {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(keeper_gone())),
            Err(_) => Err(keeper_gone()),
        };
        told.map_err(|source| RadioFault::Advertise { service, source })
    }

    async fn hush(&mut self) {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Shut(answer)).await.is_ok() {
            // Without a keeper there is no door either.
            let _ = answered.await;
        }
    }

    async fn accept(&mut self) -> Result<BluezPipe, RadioFault> {
        loop {
            match self.pipes.recv().await {
                // A phone that came and went while nobody looked is none.
                Some(pipe) if pipe.written.is_closed() && pipe.written.is_empty() => {}
                Some(pipe) => return Ok(pipe),
                // The radio's task ends before its radio only by a panic.
                None => core::future::pending().await,
            }
        }
    }
}

fn keeper_gone() -> io::Error {
    io::Error::other("the radio's task has ended")
}

/// A value that the phone wrote, and the MTU it was written under.
#[derive(Debug)]
struct Written {
    mtu: u16,
    value: Vec<u8>,
}

/// A reader's end of one connection.
#[derive(Debug)]
pub struct BluezPipe {
    number: SeatNumber,
    written: mpsc::Receiver<Written>,
    orders: mpsc::Sender<Order>,
    mtu: Option<Mtu>,
}

impl Pipe for BluezPipe {
    fn mtu(&self) -> Option<Mtu> {
        self.mtu
    }

    async fn next(&mut self) -> Result<Vec<u8>, PipeFault> {
        let written = self.written.recv().await.ok_or(PipeFault::Gone)?;
        self.mtu = Some(Mtu::new(written.mtu)?);
        Ok(written.value)
    }

    async fn push(&mut self, value: &[u8]) -> Result<(), PipeFault> {
        let (answer, answered) = oneshot::channel();
        let push = Order::Push(self.number, value.to_vec(), answer);
        self.orders.send(push).await.map_err(|_| PipeFault::Gone)?;
        answered.await.map_err(|_| PipeFault::Gone)?
    }
}
