//! Keeps the radio: one task that owns the adapter, the door and the seat, and starts over when
//! BlueZ, the adapter or the bus is gone.

use super::gatt::{self, Request};
use super::outlet::Outlet;
use super::seat::{Deed, Fact, Seat, SeatNumber};
use super::{Adapter, BluezPipe, Written};
use crate::bounds::{
    BACK_OFF_FIRST, BACK_OFF_MAX, CALL_MAX, DEVICES_MAX, HEARTBEAT, REQUESTS_MAX, WAITING_MAX,
};
use crate::port::PipeFault;
use bluer::adv::{Advertisement, AdvertisementHandle};
use bluer::gatt::local::{ApplicationHandle, ReqError};
use bluer::{
    AdapterEvent, AdapterProperty, Address, Device, DeviceEvent, DeviceProperty, Session,
    SessionEvent,
};
use core::future::Future;
use core::time::Duration;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll};
use gettone_channel::Mtu;
use gettone_channel::ServiceUuid;
use std::io;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// How often advertisements leave while a phone waits: what phones find at once.
const ADVERTISING: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(50));
/// How long the second name has the air, where a controller says one at a time.
const TURN: Duration = Duration::from_secs(1);

/// What the radio and its pipes want.
pub(super) enum Order {
    Open(Sign, oneshot::Sender<io::Result<()>>),
    Shut(oneshot::Sender<()>),
    Push(SeatNumber, Vec<u8>, oneshot::Sender<Result<(), PipeFault>>),
}

/// What is written over the door.
#[derive(Clone)]
pub(super) struct Sign {
    pub(super) service: ServiceUuid,
    pub(super) beside: Option<ServiceUuid>,
    pub(super) name: String,
}

/// The orders have ended: nobody has a radio any more.
struct Over;

/// The task behind a [`super::BluezRadio`].
pub(super) struct Keeper {
    wanted: Adapter,
    orders: mpsc::Receiver<Order>,
    /// For the pipes to come.
    own: mpsc::WeakSender<Order>,
    pipes: mpsc::Sender<BluezPipe>,
    sign: Option<Sign>,
    seat: Seat<Address>,
    outlet: Outlet,
    sitting: Option<Sitting>,
}

/// Whoever uses the connection of this number.
struct Sitting {
    number: SeatNumber,
    values: mpsc::Sender<Written>,
}

/// What is there only while BlueZ and the adapter are.
struct Station {
    _session: Session,
    adapter: bluer::Adapter,
    session_events: BoxStream<'static, SessionEvent>,
    adapter_events: BoxStream<'static, AdapterEvent>,
    device_events: SelectAll<BoxStream<'static, (Address, DeviceEvent)>>,
    requests: mpsc::Receiver<Request>,
    door: Option<AdvertisementHandle>,
    /// The other name of the door.
    beside: Option<AdvertisementHandle>,
    _service: ApplicationHandle,
}

impl Keeper {
    pub(super) fn new(
        wanted: Adapter,
        orders: mpsc::Receiver<Order>,
        own: mpsc::WeakSender<Order>,
        pipes: mpsc::Sender<BluezPipe>,
    ) -> Self {
        Self {
            wanted,
            orders,
            own,
            pipes,
            sign: None,
            seat: Seat::new(),
            outlet: Outlet::default(),
            sitting: None,
        }
    }

    /// Serves orders until there is nobody to give any.
    pub(super) async fn run(mut self) {
        let mut pause = BACK_OFF_FIRST;
        let mut told = String::new();
        loop {
            let lost = match Station::open(&self.wanted).await {
                Ok(station) => {
                    (pause, told) = (BACK_OFF_FIRST, String::new());
                    tracing::info!(adapter = station.adapter.name(), "Bluetooth is there");
                    match self.serve(station).await {
                        Ok(lost) => lost,
                        Err(Over) => return,
                    }
                }
                Err(lost) => lost,
            };
            self.obey(Fact::RadioLost);
            let said = lost.to_string();
            if said != told {
                tracing::warn!("no Bluetooth: {said}; the machine is served all the same");
                told = said;
            }
            if self.wait(pause, &lost).await.is_err() {
                return;
            }
            pause = (2 * pause).min(BACK_OFF_MAX);
        }
    }

    /// Answers orders while there is no radio.
    async fn wait(&mut self, pause: Duration, lost: &Lost) -> Result<(), Over> {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return Ok(()),
                order = self.orders.recv() => match order.ok_or(Over)? {
                    Order::Open(sign, answer) => {
                        // The door opens by itself if the radio is back in time.
                        self.sign = Some(sign);
                        let _ = answer.send(Err(io::Error::other(lost.to_string())));
                    }
                    Order::Shut(answer) => {
                        self.sign = None;
                        let _ = answer.send(());
                    }
                    Order::Push(_, _, answer) => {
                        let _ = answer.send(Err(PipeFault::Gone));
                    }
                },
            }
        }
    }

    async fn serve(&mut self, mut station: Station) -> Result<Lost, Over> {
        if let Some(sign) = self.sign.clone()
            && let Err(fault) = self.open_door(&mut station, sign).await
        {
            return Ok(fault);
        }
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                order = self.orders.recv() => {
                    let order = order.ok_or(Over)?;
                    self.follow(&mut station, order).await
                }
                Some(request) = station.requests.recv() => {
                    self.answer(&station.adapter, request).await;
                    Ok(())
                }
                event = station.adapter_events.next() => self.hear(&mut station, event).await,
                Some((central, event)) = station.device_events.next() => {
                    if let DeviceEvent::PropertyChanged(DeviceProperty::Connected(is_up)) = event {
                        self.obey_at(&station.adapter, match is_up {
                            true => Fact::Came(central),
                            false => Fact::Went(central),
                        });
                    }
                    Ok(())
                }
                event = station.session_events.next() => station.survives(event),
                number = released(&self.sitting) => {
                    self.obey_at(&station.adapter, Fact::Released(number));
                    self.sitting = None;
                    Ok(())
                }
                _ = heartbeat.tick() => station.beats().await,
            };
            if let Err(lost) = done {
                return Ok(lost);
            }
        }
    }

    async fn follow(&mut self, station: &mut Station, order: Order) -> Result<(), Lost> {
        match order {
            Order::Open(sign, answer) => {
                self.sign = Some(sign.clone());
                let opened = self.open_door(station, sign).await;
                let told = match &opened {
                    Ok(()) => Ok(()),
                    Err(lost) => Err(io::Error::other(lost.to_string())),
                };
                let _ = answer.send(told);
                opened
            }
            Order::Shut(answer) => {
                self.sign = None;
                self.obey_at(&station.adapter, Fact::DoorShut);
                station.shut_door().await;
                let _ = answer.send(());
                Ok(())
            }
            Order::Push(number, value, answer) => {
                let is_there = self
                    .sitting
                    .as_ref()
                    .is_some_and(|one| one.number == number);
                let pushed = match is_there {
                    true => self.outlet.push(value).await,
                    false => Err(PipeFault::Gone),
                };
                let _ = answer.send(pushed);
                Ok(())
            }
        }
    }

    async fn open_door(&mut self, station: &mut Station, sign: Sign) -> Result<(), Lost> {
        station.shut_door().await;
        let opened = station.open_door(sign).await;
        if opened.is_ok() {
            self.obey_at(&station.adapter, Fact::DoorOpened);
        }
        opened
    }

    async fn hear(
        &mut self,
        station: &mut Station,
        event: Option<AdapterEvent>,
    ) -> Result<(), Lost> {
        match event {
            Some(AdapterEvent::DeviceAdded(central)) => {
                if let Some(Arrival::Connected) = station.watch(central).await {
                    self.obey_at(&station.adapter, Fact::Came(central));
                }
                Ok(())
            }
            Some(AdapterEvent::DeviceRemoved(central)) => {
                self.obey_at(&station.adapter, Fact::Went(central));
                Ok(())
            }
            Some(AdapterEvent::PropertyChanged(AdapterProperty::Powered(false))) => Err(Lost::Off),
            Some(AdapterEvent::PropertyChanged(_)) => Ok(()),
            None => Err(Lost::Bus),
        }
    }

    async fn answer(&mut self, adapter: &bluer::Adapter, request: Request) {
        match request {
            Request::Write {
                central,
                mtu,
                value,
                answer,
            } => {
                let took = match self.is_served(adapter, central) {
                    true => self.take(Written { mtu, value }),
                    false => Err(ReqError::NotAuthorized),
                };
                let _ = answer.send(took);
            }
            Request::Read {
                central,
                offset,
                answer,
            } => {
                let read = match self.is_served(adapter, central) {
                    true => self.outlet.read(offset),
                    false => Err(ReqError::NotAuthorized),
                };
                let _ = answer.send(read);
            }
            Request::Subscribe(notifier) => {
                if self.outlet.subscribe(notifier).await.is_err() {
                    tracing::debug!("a subscription ended as it began");
                }
            }
        }
    }

    /// Whether it is the one central that is served; it may take the seat by speaking.
    fn is_served(&mut self, adapter: &bluer::Adapter, central: Address) -> bool {
        matches!(
            self.obey_at(adapter, Fact::Spoke(central)),
            Deed::Seat(..) | Deed::Serve(_)
        )
    }

    fn take(&mut self, written: Written) -> Result<(), ReqError> {
        let is_too_small = Mtu::new(written.mtu).is_err();
        let Some(sitting) = &self.sitting else {
            return Err(ReqError::Failed);
        };
        match sitting.values.try_send(written) {
            // Whoever reads the values finds out the same, and drops the connection.
            Ok(()) if is_too_small => Err(ReqError::NotSupported),
            Ok(()) => Ok(()),
            Err(_) => Err(ReqError::Failed),
        }
    }

    fn obey_at(&mut self, adapter: &bluer::Adapter, fact: Fact<Address>) -> Deed<Address> {
        let deed = self.obey(fact);
        if let Deed::Drop(central) = deed {
            drop_central(adapter, central);
        }
        deed
    }

    /// Does what can be done without a radio.
    fn obey(&mut self, fact: Fact<Address>) -> Deed<Address> {
        let deed = self.seat.handle(fact);
        match deed {
            Deed::Seat(central, number) => self.seat_phone(central, number),
            Deed::Unseat(_) => self.sitting = None,
            Deed::Nothing | Deed::Drop(_) | Deed::Serve(_) => {}
        }
        deed
    }

    fn seat_phone(&mut self, central: Address, number: SeatNumber) {
        // Nobody holds a radio: the next order says so and ends all this.
        let Some(orders) = self.own.upgrade() else {
            return;
        };
        let (values, written) = mpsc::channel(WAITING_MAX);
        self.outlet.empty();
        self.sitting = Some(Sitting { number, values });
        tracing::debug!(%central, "a phone has connected");
        // When nobody takes it, the pipe is dropped here, and the phone with it.
        let _ = self.pipes.try_send(BluezPipe {
            number,
            written,
            orders,
            mtu: None,
        });
    }
}

/// Waits until whoever uses the connection lets it go.
async fn released(sitting: &Option<Sitting>) -> SeatNumber {
    match sitting {
        Some(sitting) => {
            sitting.values.closed().await;
            sitting.number
        }
        None => core::future::pending().await,
    }
}

/// What a device is when it is first seen.
enum Arrival {
    Connected,
    Known,
}

impl Station {
    async fn open(wanted: &Adapter) -> Result<Self, Lost> {
        let session = within(Session::new()).await?;
        let adapter = choose(&session, wanted).await?;
        let session_events = within(session.events()).await?.boxed();
        let adapter_events = within(adapter.events()).await?.boxed();
        switch_on(&adapter).await?;
        // There is no pairing on this link, and nothing to gain by it.
        within(adapter.set_pairable(false)).await?;
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let service = within(adapter.serve_gatt_application(gatt::application(&requests))).await?;
        let mut station = Self {
            _session: session,
            adapter,
            session_events,
            adapter_events,
            device_events: SelectAll::new(),
            requests: asked,
            door: None,
            beside: None,
            _service: service,
        };
        for central in within(station.adapter.device_addresses()).await? {
            if let Some(Arrival::Connected) = station.watch(central).await {
                tracing::info!(%central, "a connection of an earlier start is dropped");
                drop_central(&station.adapter, central);
            }
        }
        Ok(station)
    }

    async fn open_door(&mut self, sign: Sign) -> Result<(), Lost> {
        self.door = Some(advertise(&self.adapter, sign.service, &sign.name, None).await?);
        if let Some(beside) = sign.beside {
            // BlueZ has no way to say a second name in the scan response, so it is an advertisement
            // of its own. Where there is no room for two, the name on show is the one that counts.
            match advertise(&self.adapter, beside, &sign.name, Some(TURN)).await {
                Ok(handle) => self.beside = Some(handle),
                Err(lost @ Lost::Bluez(_)) => tracing::debug!("no second name on the air: {lost}"),
                Err(lost) => return Err(lost),
            }
        }
        Ok(())
    }

    async fn shut_door(&mut self) {
        self.beside = None;
        if self.door.take().is_some() {
            // bluer takes the advertisement down in a task of its own. BlueZ answers calls in
            // their order: once it has answered this one, what is asked next comes after that.
            let _ = within(self.adapter.active_advertising_instances()).await;
        }
    }

    /// Follows a device's connection; says what it is, or nothing when it is not there any more.
    async fn watch(&mut self, central: Address) -> Option<Arrival> {
        let device = self.adapter.device(central).ok()?;
        // Devices come with phones, which come one by one; more of them are somebody else's scan.
        if self.device_events.len() < DEVICES_MAX {
            let events = within(device.events()).await.ok()?;
            let events = events.map(move |event| (central, event));
            self.device_events.push(events.boxed());
        }
        match within(device.is_connected()).await.ok()? {
            true => Some(Arrival::Connected),
            false => Some(Arrival::Known),
        }
    }

    fn survives(&self, event: Option<SessionEvent>) -> Result<(), Lost> {
        match event {
            // An adapter that comes while we have it is the same one after a restart of BlueZ.
            Some(SessionEvent::AdapterAdded(name) | SessionEvent::AdapterRemoved(name))
                if name == self.adapter.name() =>
            {
                Err(Lost::Restarted)
            }
            Some(SessionEvent::AdapterAdded(_) | SessionEvent::AdapterRemoved(_)) => Ok(()),
            None => Err(Lost::Bus),
        }
    }

    /// A daemon that was killed says no word: only a question finds out.
    async fn beats(&mut self) -> Result<(), Lost> {
        match within(self.adapter.is_powered()).await? {
            true => Ok(()),
            false => Err(Lost::Off),
        }
    }
}

/// Puts one name on the air.
async fn advertise(
    adapter: &bluer::Adapter,
    service: ServiceUuid,
    name: &str,
    turn: Option<Duration>,
) -> Result<AdvertisementHandle, Lost> {
    let plain = Advertisement {
        service_uuids: [gatt::uuid(service)].into_iter().collect(),
        local_name: Some(name.to_owned()),
        discoverable: Some(true),
        duration: turn,
        ..Advertisement::default()
    };
    let quick = Advertisement {
        min_interval: Some(ADVERTISING.0),
        max_interval: Some(ADVERTISING.1),
        ..plain.clone()
    };
    match within(adapter.advertise(quick)).await {
        // An older BlueZ or controller knows one interval only.
        Err(Lost::Bluez(_)) => within(adapter.advertise(plain)).await,
        opened => opened,
    }
}

pub(super) async fn probe(wanted: &Adapter) -> Result<String, Lost> {
    let session = within(Session::new()).await?;
    let adapter = choose(&session, wanted).await?;
    switch_on(&adapter).await?;
    let address = within(adapter.address()).await?;
    Ok(format!("{} {address}", adapter.name()))
}

async fn choose(session: &Session, wanted: &Adapter) -> Result<bluer::Adapter, Lost> {
    let names = within(session.adapter_names()).await?;
    let name = match wanted {
        Adapter::Named(name) if names.contains(name) => name.clone(),
        Adapter::Named(name) => return Err(Lost::NoSuchAdapter(name.clone())),
        Adapter::First => names.into_iter().min().ok_or(Lost::NoAdapter)?,
    };
    Ok(session.adapter(&name)?)
}

async fn switch_on(adapter: &bluer::Adapter) -> Result<(), Lost> {
    within(adapter.set_powered(true))
        .await
        .map_err(|lost| Lost::NotPowered {
            adapter: adapter.name().to_owned(),
            why: lost.to_string(),
        })
}

fn drop_central(adapter: &bluer::Adapter, central: Address) {
    tracing::debug!(%central, "a phone is disconnected");
    let device = adapter.device(central);
    tokio::spawn(async move {
        if let Ok(device) = device {
            disconnect(&device).await;
        }
    });
}

pub(super) async fn disconnect(device: &Device) {
    if let Err(fault) = within(device.disconnect()).await {
        tracing::debug!(%fault, "a phone was gone before it was disconnected");
    }
}

/// BlueZ answers soon or never.
pub(super) async fn within<T>(
    call: impl Future<Output = Result<T, bluer::Error>>,
) -> Result<T, Lost> {
    match timeout(CALL_MAX, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Lost::Silent),
    }
}

/// Why there is no radio.
#[derive(thiserror::Error, Debug)]
pub(super) enum Lost {
    #[error("no Bluetooth adapter is plugged in, or its driver is missing")]
    NoAdapter,
    #[error("there is no adapter {0}")]
    NoSuchAdapter(String),
    #[error("{adapter} cannot be switched on: {why} (rfkill list says whether it is blocked)")]
    NotPowered { adapter: String, why: String },
    #[error("the adapter was switched off")]
    Off,
    #[error("BlueZ or the adapter has restarted")]
    Restarted,
    #[error("the connection to the system bus is gone")]
    Bus,
    #[error("BlueZ does not answer")]
    Silent,
    #[error("BlueZ says: {0}")]
    Bluez(#[from] bluer::Error),
}
