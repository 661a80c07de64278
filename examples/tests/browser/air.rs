//! Between two airs: the browser's emulated Bluetooth and the reader's local one. Every operation
//! of the page's GATT is done for it on the reader's own connection, value for value.

use crate::cdp::{Cdp, CdpFault, Event};
use crate::chromium::Page;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gettone_ble::local::Phone;
use gettone_ble::{GATT_SERVICE, ServiceUuid, TO_PHONE, TO_READER};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The reader's address in the browser.
const ADDRESS: &str = "67:65:74:74:6F:01";
/// What phones of the day agree on.
const MTU: u16 = 247;
/// How often a reader advertises.
const ADVERTISE_EVERY: Duration = Duration::from_millis(100);
/// How long either side is listened to before the other.
const TURN: Duration = Duration::from_millis(2);
/// How long a connection waits for the reader's advertisement, and then for the reader: the page gives
/// up after twelve seconds.
const ADVERTISED_MAX: Duration = Duration::from_secs(1);
const CONNECT_MAX: Duration = Duration::from_secs(8);
/// The emulation does not tell when the page hangs up: a page that no longer looks has. On a busy
/// computer one that is linked looks late.
const UNREAD_MAX: Duration = Duration::from_secs(6);
/// The same where the reader has hung up, or the page is known to.
const UNREAD_AT_END_MAX: Duration = Duration::from_millis(1_500);
/// The longest that one value may take to the reader.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// The HCI codes of success, and of a connection that fails.
const SUCCESS: u8 = 0;
const NO_CONNECTION: u8 = 0x3e;
/// The ATT code of an operation that fails.
const UNLIKELY: u8 = 0x0e;

/// The bridge. It ends with its owner.
pub(crate) struct Air {
    is_open: Arc<AtomicBool>,
    is_lost: Arc<AtomicBool>,
    is_linked: Arc<AtomicBool>,
    is_parting: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Air {
    /// Opens it between a browser's page and the directory that is the reader's air. The customer
    /// taps the chooser's entry this long after it has appeared.
    pub(crate) fn open(
        cdp: &Cdp,
        page: &Page,
        air: &Path,
        tap_after: Duration,
    ) -> Result<Self, CdpFault> {
        let operations = cdp.listen("BluetoothEmulation.")?;
        let prompts = page.listen("DeviceAccess.")?;
        page.call("DeviceAccess.enable", json!({}))?;
        cdp.call(
            None,
            "BluetoothEmulation.enable",
            json!({"state": "powered-on", "leSupported": true}),
        )?;
        cdp.call(
            None,
            "BluetoothEmulation.simulatePreconnectedPeripheral",
            json!({
                "address": ADDRESS, "name": "1", "manufacturerData": [], "knownServiceUuids": [],
            }),
        )?;
        let reader = Some(Characteristics::of_the_reader(cdp)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|fault| CdpFault(fault.to_string()))?;
        let is_open = Arc::new(AtomicBool::new(true));
        let is_lost = Arc::new(AtomicBool::new(false));
        let is_linked = Arc::new(AtomicBool::new(false));
        let is_parting = Arc::new(AtomicBool::new(false));
        let bridge = Bridge {
            cdp: cdp.clone(),
            page: page.clone(),
            air: air.to_owned(),
            reader,
            runtime,
            tap_after,
            prompt: None,
            answered: Vec::new(),
            phone: None,
            is_ending: false,
            is_linked: is_linked.clone(),
            is_parting: is_parting.clone(),
            values: VecDeque::new(),
            looked: Instant::now(),
            advertised: Instant::now(),
        };
        let (open, lost) = (is_open.clone(), is_lost.clone());
        let thread = thread::spawn(move || bridge.run(&operations, &prompts, &open, &lost));
        Ok(Self {
            is_open,
            is_lost,
            is_linked,
            is_parting,
            thread: Some(thread),
        })
    }

    /// Loses the connection that is up: both sides notice.
    pub(crate) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// The page was told to hang up: until the next connection it is not waited for as long.
    pub(crate) fn part(&self) {
        self.is_parting.store(true, Ordering::Relaxed);
    }

    /// Whether a connection to the reader is up.
    pub(crate) fn is_linked(&self) -> bool {
        self.is_linked.load(Ordering::Relaxed)
    }
}

impl Drop for Air {
    fn drop(&mut self) {
        self.is_open.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The door that is on the air, if one is.
pub(crate) fn door(air: &Path) -> Option<ServiceUuid> {
    let names = std::fs::read_dir(air).ok()?.filter_map(Result::ok);
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find_map(|name| {
            let digits: String = name.chars().filter(|letter| *letter != '-').collect();
            let eid = digits.get(16..32).filter(|_| !name.starts_with('.'))?;
            let eid = u64::from_str_radix(eid, 16).ok()?;
            Some(ServiceUuid::for_eid(&eid.to_be_bytes()))
        })
}

/// The emulation's names for what a reader has.
struct Characteristics {
    to_reader: String,
    to_phone: String,
}

impl Characteristics {
    fn of_the_reader(cdp: &Cdp) -> Result<Self, CdpFault> {
        let service = cdp.call(
            None,
            "BluetoothEmulation.addService",
            json!({"address": ADDRESS, "serviceUuid": GATT_SERVICE.to_string()}),
        )?;
        // The emulation pushes no values, so it offers none: the page then reads, as the protocol
        // has it for phones without a subscription.
        let add = |uuid: ServiceUuid, properties: Value| -> Result<String, CdpFault> {
            let added = cdp.call(
                None,
                "BluetoothEmulation.addCharacteristic",
                json!({
                    "serviceId": service["serviceId"],
                    "characteristicUuid": uuid.to_string(),
                    "properties": properties,
                }),
            )?;
            Ok(text(&added["characteristicId"]))
        };
        Ok(Self {
            to_reader: add(TO_READER, json!({"write": true}))?,
            to_phone: add(TO_PHONE, json!({"read": true}))?,
        })
    }
}

struct Bridge {
    cdp: Cdp,
    page: Page,
    air: PathBuf,
    /// None since a disconnection: the emulation forgets services with it.
    reader: Option<Characteristics>,
    runtime: Runtime,
    tap_after: Duration,
    /// The chooser that is open, its entry, and since when.
    prompt: Option<(String, String, Instant)>,
    /// A second answer to one chooser breaks the browser.
    answered: Vec<String>,
    phone: Option<Phone>,
    /// The connection is over, and the page has yet to be told.
    is_ending: bool,
    is_linked: Arc<AtomicBool>,
    is_parting: Arc<AtomicBool>,
    values: VecDeque<Vec<u8>>,
    looked: Instant,
    advertised: Instant,
}

impl Bridge {
    fn run(
        mut self,
        operations: &Receiver<Event>,
        prompts: &Receiver<Event>,
        open: &AtomicBool,
        lost: &AtomicBool,
    ) {
        while open.load(Ordering::Relaxed) {
            if lost.swap(false, Ordering::Relaxed) {
                self.hang_up();
            }
            let first = operations.recv_timeout(TURN).ok();
            for event in first.into_iter().chain(operations.try_iter()) {
                self.operation(&event);
            }
            for event in prompts.try_iter() {
                self.prompted(&event);
            }
            self.choose();
            self.advertise();
            self.hear();
        }
    }

    fn prompted(&mut self, event: &Event) {
        let prompt = text(&event.params["id"]);
        let Some(entry) = event.params["devices"][0]["id"].as_str() else {
            return;
        };
        if self.prompt.is_none() && !self.answered.contains(&prompt) {
            self.prompt = Some((prompt, entry.to_owned(), Instant::now()));
        }
    }

    /// The customer taps the entry, a while after it appeared.
    fn choose(&mut self) {
        let tapped = self
            .prompt
            .take_if(|(_, _, since)| since.elapsed() >= self.tap_after);
        if let Some((prompt, entry, _)) = tapped {
            let choice = json!({"id": &prompt, "deviceId": entry});
            let _ = self.page.tell("DeviceAccess.selectPrompt", choice);
            self.answered.push(prompt);
        }
    }

    fn advertise(&mut self) {
        if self.advertised.elapsed() < ADVERTISE_EVERY {
            return;
        }
        self.advertised = Instant::now();
        if let Some(service) = door(&self.air) {
            // Chromium takes no advertisement without all of these.
            let record = json!({
                "name": "1", "uuids": [service.to_string()], "appearance": 0, "txPower": 0,
            });
            self.do_now(
                "simulateAdvertisement",
                json!({"entry": {"deviceAddress": ADDRESS, "rssi": -50, "scanRecord": record}}),
            );
        }
    }

    /// Takes what the reader says, and notices when either side hangs up.
    fn hear(&mut self) {
        let longest = match self.is_ending || self.is_parting.load(Ordering::Relaxed) {
            true => UNREAD_AT_END_MAX,
            false => UNREAD_MAX,
        };
        if (self.is_ending || self.phone.is_some()) && self.looked.elapsed() > longest {
            self.hang_up();
            self.disconnect();
        }
        let Some(phone) = &mut self.phone else { return };
        let heard = self.runtime.block_on(async {
            let mut heard = Vec::new();
            loop {
                match tokio::time::timeout(TURN, phone.value()).await {
                    Ok(Ok(value)) => heard.push(value),
                    Ok(Err(_)) => return (heard, false),
                    Err(_) => return (heard, true),
                }
            }
        });
        self.values.extend(heard.0);
        if !heard.1 && self.values.is_empty() {
            self.hang_up();
        }
    }

    /// Leaves the reader. The page learns of it right after an operation of its own: the emulation
    /// never ends one that is open when it disconnects, and opens no chooser after that.
    fn hang_up(&mut self) {
        self.phone = None;
        self.is_linked.store(false, Ordering::Relaxed);
        self.values.clear();
        self.is_ending = true;
    }

    fn disconnect(&mut self) {
        self.is_ending = false;
        self.reader = None;
        self.do_now("simulateGATTDisconnection", json!({"address": ADDRESS}));
    }

    fn operation(&mut self, event: &Event) {
        let params = &event.params;
        match event.method.as_str() {
            "BluetoothEmulation.gattOperationReceived" => {
                let code = match params["type"].as_str() {
                    Some("connection") => self.connect(),
                    _ => SUCCESS,
                };
                self.do_now(
                    "simulateGATTOperationResponse",
                    json!({"address": ADDRESS, "type": params["type"], "code": code}),
                );
            }
            "BluetoothEmulation.characteristicOperationReceived" => {
                self.looked = Instant::now();
                let id = text(&params["characteristicId"]);
                let is = |wanted: fn(&Characteristics) -> &String| {
                    self.reader
                        .as_ref()
                        .is_some_and(|reader| *wanted(reader) == id)
                };
                let (code, data) = match params["type"].as_str() {
                    Some("write") if is(|reader| &reader.to_reader) => (self.write(params), None),
                    Some("read") if is(|reader| &reader.to_phone) => {
                        let value = self.values.pop_front().unwrap_or_default();
                        (SUCCESS, Some(STANDARD.encode(value)))
                    }
                    _ => (UNLIKELY, None),
                };
                let mut answer =
                    json!({"characteristicId": id, "type": params["type"], "code": code});
                if let Some(data) = data {
                    answer["data"] = data.into();
                }
                self.do_now("simulateCharacteristicOperationResponse", answer);
                if self.is_ending {
                    self.disconnect();
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self) -> u8 {
        self.is_ending = false;
        self.phone = None;
        self.is_linked.store(false, Ordering::Relaxed);
        self.is_parting.store(false, Ordering::Relaxed);
        self.values.clear();
        self.looked = Instant::now();
        if self.reader.is_none() {
            self.reader = Characteristics::of_the_reader(&self.cdp).ok();
        }
        // A radio waits for an advertisement before it connects.
        let air = &self.air;
        let connected = self.runtime.block_on(async {
            let until = Instant::now() + ADVERTISED_MAX;
            while Instant::now() < until {
                if let Some(service) = door(air) {
                    let connecting = Phone::connect(air, service, MTU);
                    return tokio::time::timeout(CONNECT_MAX, connecting)
                        .await
                        .ok()?
                        .ok();
                }
                // Nothing ever comes here: it is the time that passes.
                let _ = tokio::time::timeout(TURN, core::future::pending::<()>()).await;
            }
            None
        });
        self.looked = Instant::now();
        self.phone = connected;
        if self.phone.is_some() && self.reader.is_some() {
            self.is_linked.store(true, Ordering::Relaxed);
            SUCCESS
        } else {
            NO_CONNECTION
        }
    }

    fn write(&mut self, params: &Value) -> u8 {
        let (Some(phone), Ok(value)) = (
            &mut self.phone,
            STANDARD.decode(params["data"].as_str().unwrap_or_default()),
        ) else {
            return UNLIKELY;
        };
        let written = self
            .runtime
            .block_on(async { tokio::time::timeout(WRITE_MAX, phone.write(&value)).await });
        match written {
            Ok(Ok(())) => SUCCESS,
            Ok(Err(_)) | Err(_) => UNLIKELY,
        }
    }

    fn do_now(&self, command: &str, params: Value) {
        // A browser that is gone asks no more.
        let _ = self
            .cdp
            .tell(None, &format!("BluetoothEmulation.{command}"), params);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
