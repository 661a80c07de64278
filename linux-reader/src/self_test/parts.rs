//! What the self-test finds of the parts around the board: machine, light, radio, lamp, priority.

use super::Check;
use crate::air::Air;
use crate::bus;
use crate::config::{Config, LightSource};
use crate::status::{MachineLink, Status};
use crate::surface::Surface;
use crate::uptime::Uptime;
use gettone_display::gpio::GpioLines;
use gettone_display::{Level, Light, Lines, LinesFault};
use gettone_mdb::cashless::{Cashless, Event, Input, Output};
use gettone_mdb::diagnosis::{Diagnosis, Watch};
use gettone_mdb::link::{Link, Read};
use gettone_optical::iio::Sensor;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

pub(super) const TESTS: [fn(&Config, Option<&Status>) -> Check; 6] =
    [machine, light, radio, panel, codes, priority];

/// How long the bus is listened to.
const LISTEN_MAX: Duration = Duration::from_secs(3);
/// How long each lamp is lit.
const LIT_FOR: Duration = Duration::from_millis(400);

fn machine(config: &Config, running: Option<&Status>) -> Check {
    const NAME: &str = "MDB";
    if let Some(running) = running {
        let bus = running.bus.as_deref().unwrap_or("it says no more");
        let found = format!(
            "the running reader says: the machine has it {}; {bus}",
            running.machine_state
        );
        return match running.machine_link {
            MachineLink::Open if running.machine_state != "inactive" => Check::ok(NAME, found),
            MachineLink::Open => Check::warn(
                NAME,
                found,
                "switch the machine off and on; look whether cashless payment is enabled in its menu",
            ),
            MachineLink::Lost => Check::fail(NAME, "the running reader has lost the link", WIRING),
        };
    }
    match config.link.open() {
        Ok(mut link) => listen(config, link.as_mut()),
        Err(fault) => Check::fault(NAME, &fault, WIRING),
    }
}

const WIRING: &str = "look at the cable between board and MDB interface, and at mdb.link";

/// Answers the machine as the reader does, for as long as a technician likes to wait.
fn listen(config: &Config, link: &mut dyn Link) -> Check {
    const NAME: &str = "MDB";
    let mut device = match Cashless::new(config.device) {
        Ok(device) => device,
        Err(fault) => return Check::fault(NAME, &fault, "correct [mdb] in the configuration"),
    };
    let uptime = Uptime::begin();
    let mut watch = Watch::new(config.device.address, uptime.now());
    let mut vmc = None;
    while uptime.now() < LISTEN_MAX && watch.finding(uptime.now()).diagnosis != Diagnosis::Enabled {
        let input = match link.read(Duration::from_millis(5)) {
            Ok(Read::Word(word)) => {
                watch.heard(uptime.now(), word);
                Input::Word(word)
            }
            Ok(Read::Break) => Input::Break,
            Ok(Read::Nothing) => Input::Tick,
            Err(fault) => return Check::fault(NAME, &fault, WIRING),
        };
        device.handle(uptime.now(), input);
        while let Some(output) = device.poll() {
            match output {
                Output::Send(reply) => {
                    watch.answered();
                    if let Err(fault) = link.write(&reply) {
                        return Check::fault(NAME, &fault, WIRING);
                    }
                }
                Output::Event(Event::Configured {
                    level,
                    columns,
                    rows,
                }) => vmc = Some((level, columns, rows)),
                Output::Event(_) => {}
            }
        }
        watch.stands(uptime.now(), device.state());
    }
    let finding = watch.finding(uptime.now());
    let mut found = finding.to_string();
    if let Some((level, columns, rows)) = vmc {
        found += &format!(
            "; machine of level {}, display {columns} x {rows}",
            level.number()
        );
    }
    match finding.diagnosis {
        Diagnosis::Enabled => Check::ok(NAME, found),
        Diagnosis::Disabled => Check::warn(
            NAME,
            found,
            "it may need more time: run this again, or look at gettone-reader status",
        ),
        Diagnosis::Absent => Check::fail(
            NAME,
            found,
            "RX and TX may be swapped, or the MDB interface has no supply",
        ),
        Diagnosis::OtherDevice | Diagnosis::NeverPolled => {
            Check::fail(NAME, found, "then run the self-test again")
        }
    }
}

fn light(config: &Config, running: Option<&Status>) -> Check {
    const NAME: &str = "light";
    match &config.light {
        LightSource::File(path) => match fs::metadata(path) {
            Ok(_) => Check::ok(NAME, format!("{} is there", path.display())),
            Err(fault) => Check::fault(NAME, &fault, "correct light in the configuration"),
        },
        LightSource::Iio(sensor) => sensor_found(NAME, sensor),
        LightSource::Socket(path) => {
            // A bare name lies in the folder that the program runs in.
            let place = match path.parent() {
                Some(place) if place.as_os_str().is_empty() => Path::new("."),
                Some(place) => place,
                None => Path::new("/"),
            };
            match (running, fs::metadata(place)) {
                (Some(_), _) if path.exists() => Check::ok(
                    NAME,
                    format!("the running reader listens on {}", path.display()),
                ),
                (_, Ok(found)) if found.is_dir() => Check::ok(
                    NAME,
                    format!("a sensor's program will find {}", path.display()),
                ),
                (_, Ok(_) | Err(_)) => Check::fail(
                    NAME,
                    format!("{} is not there for the sensor's socket", place.display()),
                    "correct light in the configuration, or make that directory",
                ),
            }
        }
    }
}

fn sensor_found(name: &'static str, sensor: &str) -> Check {
    let survey = match Sensor::open(sensor).and_then(|sensor| sensor.survey()) {
        Ok(survey) => survey,
        Err(fault) => {
            return Check::fault(
                name,
                &fault,
                "is the sensor wired and in the device tree? its names are in /sys/bus/iio/devices/*/name",
            );
        }
    };
    let found = format!(
        "{}: {} rows a second; {}",
        survey.name, survey.rate_hz, survey.bus
    );
    if let Err(fault) = survey.check() {
        return Check::fault(
            name,
            &fault,
            "a quicker sensor: docs/optical.md names those that do",
        );
    }
    match survey.advice() {
        None => Check::ok(name, found),
        Some(advice) => Check::warn(name, found, advice),
    }
}

fn radio(config: &Config, _: Option<&Status>) -> Check {
    const NAME: &str = "radio";
    let folder = match &config.air {
        Air::Folder(folder) => folder,
        Air::Bluez(adapter) => return bluetooth(NAME, adapter.clone()),
    };
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Check::ok(
            NAME,
            format!("a folder stands for the air: {}", folder.display()),
        ),
        Ok(_) | Err(_) => Check::warn(
            NAME,
            format!("the folder {} is not there yet", folder.display()),
            "nothing: the reader makes it when it starts",
        ),
    }
}

#[cfg(feature = "bluez")]
fn bluetooth(name: &'static str, adapter: Option<String>) -> Check {
    use gettone_ble::bluez::{Adapter, probe};
    let adapter = adapter.map_or(Adapter::First, Adapter::Named);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime.and_then(|runtime| runtime.block_on(probe(&adapter))) {
        Ok(found) => Check::ok(name, format!("Bluetooth adapter {found}")),
        Err(fault) => Check::fail(
            name,
            fault.to_string(),
            "plug an adapter in, start bluetooth.service, or try `bluetoothctl show`",
        ),
    }
}

#[cfg(not(feature = "bluez"))]
fn bluetooth(name: &'static str, _: Option<String>) -> Check {
    Check::fail(
        name,
        "this program was built without Bluetooth",
        "build it with the feature `bluez`",
    )
}

fn panel(config: &Config, running: Option<&Status>) -> Check {
    const NAME: &str = "lamp, buzzer";
    let Some(wiring) = &config.panel else {
        return Check::warn(
            NAME,
            "none is configured",
            "nothing, if there is none; else write [panel] in the configuration",
        );
    };
    if let Some(running) = running {
        return Check::ok(
            NAME,
            format!("the running reader shows: {}", running.signal),
        );
    }
    let played = GpioLines::open(wiring.clone()).and_then(|mut lines| play(&mut lines));
    match played {
        Ok(()) => Check::ok(
            NAME,
            "played red, green, blue and a beep: did you see and hear them?",
        ),
        Err(fault) => Check::warn(
            NAME,
            super::told(&fault),
            "look at [panel] (gpiodetect and gpioinfo list chips and lines) and at the group gpio; \
             the board sells without it",
        ),
    }
}

fn codes(config: &Config, running: Option<&Status>) -> Check {
    const NAME: &str = "codes";
    let Some(places) = &config.token else {
        return Check::ok(NAME, "none are shown: only phones with Bluetooth buy here");
    };
    if running.is_some() {
        let found = "the running reader has their places; its log tells which fail";
        return Check::ok(NAME, found);
    }
    for place in &places.signs {
        let mut surface = Surface::of(place, places.tag);
        if let Some(Err(fault)) = surface.as_mut().map(|surface| surface.show(None)) {
            let found = format!("{place}: {}", super::told(&fault));
            let todo = "look whether it is there and of group gettone; the board sells without it";
            return Check::warn(NAME, found, todo);
        }
    }
    Check::ok(NAME, format!("{} places take them", places.signs.len()))
}

fn play(lines: &mut impl Lines) -> Result<(), LinesFault> {
    for light in [Light::RED, Light::GREEN, Light::BLUE] {
        lines.light(light)?;
        thread::sleep(LIT_FOR);
    }
    lines.light(Light::DARK)?;
    lines.buzzer(Level::On)?;
    thread::sleep(LIT_FOR / 4);
    lines.buzzer(Level::Off)
}

fn priority(_: &Config, _: Option<&Status>) -> Check {
    const NAME: &str = "real time";
    let tried = thread::spawn(bus::use_real_time).join();
    match tried {
        Ok(Ok(())) => Check::ok(NAME, "this account may run the MDB thread in real time"),
        Ok(Err(fault)) => Check::warn(
            NAME,
            format!("no real-time priority: {fault}"),
            "run it as the service does, or give this account rtprio 60 in /etc/security/limits.d",
        ),
        Err(_) => Check::fail(NAME, "a thread has panicked", "report this"),
    }
}
