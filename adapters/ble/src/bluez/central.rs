//! A phone's side over BlueZ, for tests and tools.

use super::keeper::{Lost, disconnect, within};
use super::{Adapter, gatt};
use crate::bounds::{CONNECT_MAX, CONNECT_TRIES, SCAN_ROUND};
use crate::port::PipeFault;
use crate::traffic::Traffic;
use bluer::gatt::remote::{Characteristic, CharacteristicWriteRequest};
use bluer::gatt::{CharacteristicReader, WriteOp};
use bluer::{AdapterEvent, Device, DiscoveryFilter, DiscoveryTransport, Session};
use core::future::Future;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use gettone_channel::{Assembler, Mtu, segments};
use gettone_channel::{GATT_SERVICE, ServiceUuid, TO_PHONE, TO_READER};
use std::io;
use tokio::time::{Instant, timeout, timeout_at};

/// A phone's radio.
#[derive(Debug)]
pub struct Central {
    adapter: bluer::Adapter,
    _session: Session,
}

impl Central {
    /// Switches `adapter` on.
    ///
    /// # Errors
    /// When it is not there, or BlueZ is not.
    pub async fn open(adapter: &Adapter) -> io::Result<Self> {
        let session = call(Session::new()).await?;
        let adapter = match adapter {
            Adapter::Named(name) => session.adapter(name)?,
            Adapter::First => call(session.default_adapter()).await?,
        };
        call(adapter.set_powered(true)).await?;
        Ok(Self {
            adapter,
            _session: session,
        })
    }

    /// Looks for `service` from this moment on, until the look is dropped.
    ///
    /// # Errors
    /// When the adapter cannot scan.
    pub async fn look(&self, service: ServiceUuid) -> io::Result<Look> {
        let filter = DiscoveryFilter {
            transport: DiscoveryTransport::Le,
            uuids: [gatt::uuid(service)].into_iter().collect(),
            ..DiscoveryFilter::default()
        };
        let mut look = Look {
            adapter: self.adapter.clone(),
            filter,
            service,
            scan: None,
        };
        look.scan().await?;
        Ok(look)
    }

    /// Connects to what was found, and subscribes if it is to be notified.
    ///
    /// # Errors
    /// When it is gone, or is no reader.
    pub async fn connect(&self, found: Found, hearing: Hearing) -> io::Result<Phone> {
        let device = found.0;
        // BlueZ connects badly while it scans, and a look that was dropped ends a little later.
        let begun = Instant::now();
        while call(self.adapter.is_discovering()).await? && begun.elapsed() < SCAN_ROUND {
            tokio::task::yield_now().await;
        }
        let mut tries = 1;
        while let Err(fault) = patiently(device.connect()).await {
            if tries >= CONNECT_TRIES {
                return Err(fault);
            }
            tries += 1;
            tracing::debug!(%fault, tries, "a connection is tried again");
        }
        // From here on dropping it ends the connection.
        let connection = Connection(device);
        let mut to_reader = None;
        let mut to_phone = None;
        for service in patiently(connection.0.services()).await? {
            if call(service.uuid()).await? != gatt::uuid(GATT_SERVICE) {
                continue;
            }
            for characteristic in call(service.characteristics()).await? {
                let uuid = call(characteristic.uuid()).await?;
                if uuid == gatt::uuid(TO_READER) {
                    to_reader = Some(characteristic);
                } else if uuid == gatt::uuid(TO_PHONE) {
                    to_phone = Some(characteristic);
                }
            }
        }
        let (Some(to_reader), Some(to_phone)) = (to_reader, to_phone) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is no reader"));
        };
        let notified = match hearing {
            Hearing::Notified => Some(patiently(to_phone.notify_io()).await?),
            Hearing::Reads => None,
        };
        let mtu = match &notified {
            Some(notified) => notified.mtu(),
            // bluer takes five bytes off.
            None => call(to_phone.mtu()).await?.saturating_add(5),
        };
        let mtu = Mtu::new(u16::try_from(mtu).unwrap_or(u16::MAX)).map_err(io::Error::other)?;
        Ok(Phone {
            mtu,
            to_reader,
            to_phone,
            assembler: Assembler::new(),
            // The MTU's exchange, and the subscription.
            traffic: Traffic {
                round_trips: 1 + u32::from(notified.is_some()),
                value_bytes: 0,
            },
            notified,
            _connection: connection,
        })
    }
}

/// How a phone hears of a reader's values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// It subscribes.
    Notified,
    /// It reads.
    Reads,
}

/// A scan for one name.
pub struct Look {
    adapter: bluer::Adapter,
    filter: DiscoveryFilter,
    service: ServiceUuid,
    scan: Option<BoxStream<'static, AdapterEvent>>,
}

/// A reader that advertises the name that was looked for.
#[derive(Clone, Debug)]
pub struct Found(Device);

impl Look {
    /// The reader, as soon as it is on the air. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the adapter cannot scan any more.
    pub async fn found(&mut self) -> io::Result<Found> {
        loop {
            let until = Instant::now() + SCAN_ROUND;
            while let Some(scan) = &mut self.scan {
                match timeout_at(until, scan.next()).await {
                    Ok(Some(AdapterEvent::DeviceAdded(address))) => {
                        let device = self.adapter.device(address)?;
                        let uuids = call(device.uuids()).await.ok().flatten();
                        if uuids.is_some_and(|uuids| uuids.contains(&gatt::uuid(self.service))) {
                            return Ok(Found(device));
                        }
                    }
                    Ok(Some(_)) => {}
                    // A controller tells of a device once in a scan: a new scan tells again.
                    Ok(None) | Err(_) => self.scan = None,
                }
            }
            self.scan().await?;
        }
    }

    /// BlueZ does not look at what a device advertises once it knows its services, so what is
    /// known of readers must go before a look for the next name.
    async fn forget(&self) -> io::Result<()> {
        for address in call(self.adapter.device_addresses()).await? {
            let device = self.adapter.device(address)?;
            let is_kept = call(device.is_connected()).await.unwrap_or(false)
                || call(device.is_paired()).await.unwrap_or(true);
            if !is_kept {
                // It may have gone by itself meanwhile.
                let _ = call(self.adapter.remove_device(address)).await;
            }
        }
        Ok(())
    }

    async fn scan(&mut self) -> io::Result<()> {
        self.forget().await?;
        // The scan before ends in a task of bluer's own, after which the filter may be set again.
        let begun = Instant::now();
        loop {
            match self.adapter.set_discovery_filter(self.filter.clone()).await {
                Ok(()) => break,
                Err(_) if begun.elapsed() < CONNECT_MAX => {
                    call(self.adapter.is_discovering()).await?;
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        let scan = call(self.adapter.discover_devices_with_changes()).await?;
        self.scan = Some(scan.boxed());
        Ok(())
    }
}

/// Ends with its drop.
#[derive(Debug)]
struct Connection(Device);

impl Drop for Connection {
    fn drop(&mut self) {
        let device = self.0.clone();
        // Without a runtime nothing is connected.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { disconnect(&device).await });
        }
    }
}

/// A phone's end of one connection. Dropping it disconnects.
#[derive(Debug)]
pub struct Phone {
    mtu: Mtu,
    to_reader: Characteristic,
    to_phone: Characteristic,
    notified: Option<CharacteristicReader>,
    assembler: Assembler,
    traffic: Traffic,
    _connection: Connection,
}

impl Phone {
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
        self.traffic.request();
        self.traffic.value(value);
        let request = CharacteristicWriteRequest {
            op_type: WriteOp::Request,
            ..CharacteristicWriteRequest::default()
        };
        patiently(self.to_reader.write_ext(value, &request)).await?;
        Ok(())
    }

    /// The next message of the reader, notified or read. Dropping the future loses nothing of a
    /// phone that is notified.
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

    /// The next value of the reader, notified or read, as it comes. Dropping the future loses nothing
    /// of a phone that is notified.
    ///
    /// # Errors
    /// When the reader is gone.
    pub async fn value(&mut self) -> Result<Vec<u8>, PipeFault> {
        loop {
            let value = match &self.notified {
                Some(notified) => notified.recv().await?,
                None => self.read().await?,
            };
            if value.is_empty() && self.notified.is_some() {
                return Err(PipeFault::Gone);
            }
            if !value.is_empty() {
                self.traffic.value(&value);
                return Ok(value);
            }
        }
    }

    /// Reads `to_phone` once.
    ///
    /// # Errors
    /// When the reader is gone or refuses.
    pub async fn read(&mut self) -> Result<Vec<u8>, PipeFault> {
        self.traffic.request();
        Ok(patiently(self.to_phone.read()).await?)
    }

    /// What the connection has cost so far.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }
}

async fn call<T>(call: impl Future<Output = Result<T, bluer::Error>>) -> io::Result<T> {
    within(call).await.map_err(|lost| match lost {
        Lost::Bluez(fault) => fault.into(),
        lost @ (Lost::NoAdapter
        | Lost::NoSuchAdapter(_)
        | Lost::NotPowered { .. }
        | Lost::Off
        | Lost::Restarted
        | Lost::Bus
        | Lost::Silent) => io::Error::new(io::ErrorKind::TimedOut, lost.to_string()),
    })
}

/// What goes over the air takes longer than what BlueZ answers by itself.
async fn patiently<T>(call: impl Future<Output = Result<T, bluer::Error>>) -> io::Result<T> {
    match timeout(CONNECT_MAX, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
