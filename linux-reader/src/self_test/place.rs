//! What the self-test finds of the board's own memory: key, flash, journal, clock.

use super::{Check, told};
use crate::config::Config;
use crate::identity::Identity;
use crate::journal::{JOURNAL_LEN_MAX, Journal};
use crate::servers;
use crate::uptime::since_power_up;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const TESTS: [fn(&Config) -> Check; 6] = [key, enrolment, state, flash, journal, clock];

/// A flush that takes longer makes a customer wait at every choice.
const SYNC_SLOW: Duration = Duration::from_millis(100);
/// A flush that takes longer may miss the machine's patience.
const SYNC_MAX: Duration = Duration::from_secs(1);
const SYNCS: usize = 16;
/// Room for the journal, and for its rewriting beside it.
const ROOM_MIN: u64 = 2 * JOURNAL_LEN_MAX + 4 * 1024 * 1024;
/// 1 January 2025: no board is older than this program.
const CLOCK_MIN_S: u64 = 1_735_689_600;

fn key(config: &Config) -> Check {
    const NAME: &str = "key";
    match Identity::look(&config.state) {
        Ok(Some(reader)) => Check::ok(NAME, format!("reader {reader}, readable by its owner only")),
        Ok(None) => Check::fail(
            NAME,
            format!("there is none in {}", config.state.display()),
            "make it: gettone-reader enrol",
        ),
        Err(fault) => Check::fault(
            NAME,
            &fault,
            "correct the file's owner and mode, as the service's user",
        ),
    }
}

fn enrolment(config: &Config) -> Check {
    const NAME: &str = "enrolment";
    const TODO: &str = "enrol this board: gettone-reader enrol --help";
    match servers::open(&config.state, &config.servers) {
        Ok(Some(servers)) => Check::ok(
            NAME,
            format!("server key of epoch {}", servers.active().epoch),
        ),
        Ok(None) => Check::fail(NAME, "no server key: nothing could be sealed", TODO),
        Err(fault) => Check::fault(NAME, &fault, TODO),
    }
}

fn state(config: &Config) -> Check {
    const NAME: &str = "state";
    let place = &config.state;
    let todo = format!(
        "mount the data partition, and give {} to the service's user: chown gettone: {0}",
        place.display()
    );
    let found = match fs::metadata(place) {
        Ok(found) if found.is_dir() => found,
        Ok(_) => return Check::fail(NAME, format!("{} is no directory", place.display()), todo),
        Err(fault) => return Check::fault(NAME, &fault, todo),
    };
    let room = match rustix::fs::statvfs(place) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(fault) => return Check::fault(NAME, &io::Error::from(fault), todo),
    };
    let mib = room / (1024 * 1024);
    let mode = found.mode() & 0o777;
    if room < ROOM_MIN {
        return Check::fail(
            NAME,
            format!("{} has {mib} MiB left", place.display()),
            format!("free at least {} MiB", ROOM_MIN / (1024 * 1024)),
        );
    }
    if mode & 0o077 != 0 {
        return Check::warn(
            NAME,
            format!("others may look into {} (mode {mode:03o})", place.display()),
            format!("chmod 700 {}", place.display()),
        );
    }
    Check::ok(NAME, format!("{} has {mib} MiB left", place.display()))
}

fn flash(config: &Config) -> Check {
    const NAME: &str = "flash";
    let mut times = match flush_times(&config.state) {
        Ok(times) => times,
        Err(fault) => {
            return Check::fail(
                NAME,
                format!("cannot write in {}: {fault}", config.state.display()),
                "the state directory has to be on a writable data partition",
            );
        }
    };
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    let found = format!(
        "a flush takes {} ms, {} ms at worst of {SYNCS}",
        millis(median),
        millis(worst)
    );
    if worst > SYNC_MAX {
        return Check::fail(
            NAME,
            found,
            "use another card: this one is worn out or too slow",
        );
    }
    if median > SYNC_SLOW {
        return Check::warn(
            NAME,
            found,
            "customers wait this long at each choice; use a faster card",
        );
    }
    Check::ok(NAME, found)
}

/// Flushes as the journal does: small appends, each waited for.
fn flush_times(place: &Path) -> io::Result<Vec<Duration>> {
    let path = place.join("self-test");
    let run = || -> io::Result<Vec<Duration>> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let began = since_power_up();
            file.write_all(&[0; 128])?;
            file.sync_data()?;
            times.push(since_power_up().saturating_sub(began));
        }
        Ok(times)
    };
    let times = run();
    match fs::remove_file(&path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => times,
    }
}

fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{}", micros / 1_000, micros % 1_000 / 100)
}

fn journal(config: &Config) -> Check {
    const NAME: &str = "journal";
    match Journal::look(&config.state) {
        Ok(None) => Check::ok(NAME, "none yet; it is begun at the first start"),
        Ok(Some(look)) if look.torn_len == look.len => Check::fail(
            NAME,
            "its beginning cannot be read; the next start sets it aside and begins a new one",
            "keep journal.unreadable for the operator: receipts may be in it",
        ),
        Ok(Some(look)) => {
            let found = format!(
                "{} receipts, {} of them not yet at the server, {} KiB",
                look.kept,
                look.waiting,
                look.len / 1024
            );
            match look.torn_len {
                0 => Check::ok(NAME, found),
                torn => Check::warn(
                    NAME,
                    format!("{found}; {torn} bytes of a write that power cut short"),
                    "nothing: the next start cuts them off",
                ),
            }
        }
        Err(fault) => Check::fail(
            NAME,
            told(&fault),
            "run the self-test as the service's user: sudo -u gettone gettone-reader self-test",
        ),
    }
}

fn clock(_: &Config) -> Check {
    const NAME: &str = "clock";
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let wall_s = wall.map_or(0, |wall| wall.as_secs());
    let uptime = since_power_up().as_secs();
    if wall_s < CLOCK_MIN_S {
        return Check::warn(
            NAME,
            format!("the wall clock is not set; up for {uptime} s"),
            "nothing for the money: the server stamps receipts. Log lines carry wrong dates; \
             a real-time clock with a battery helps",
        );
    }
    Check::ok(NAME, format!("the wall clock is set; up for {uptime} s"))
}
