//! The `tty:` link: a 9-bit bus on a serial port of 8 bits and parity, the parity bit being the mode bit.
//!
//! A multi-word answer needs space parity for all words but the last, and mark parity for that one. Waiting for the
//! port to run empty by `tcdrain` takes whole timer ticks, up to 10 ms where the bus allows 1 ms between words; so the
//! end of each run is reckoned by the clock instead. That asks for a thread with real-time priority, and for a port that
//! begins to send at once: a native UART. USB adapters buffer in both directions and are a last resort, outside of the
//! bus's times; the kernel's own latency settings are set where this process may (`latency_timer` of FTDI, and
//! `rx_trig_bytes` of 16550 ports, which otherwise hold words back for 4 ms).

use core::ops::Range;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, InputModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush,
    tcgetattr, tcsetattr,
};

use crate::bounds::{BLOCK_MAX, WORD_TIME};
use crate::link::{Link, LinkFault, Read, system};
use crate::parmrk::{Decoder, Listener, Parity, Sign, run};
use crate::word::{Mode, Word};

/// Bits per second of every MDB bus.
const SPEED: u32 = 9_600;
/// Bytes taken from the system at a time; a break may stand for each word.
const READ_MAX: usize = 4 * BLOCK_MAX;
/// How much later than reckoned a run may end: the port's clock is off by 1 % at most, and starts a little late.
const SLACK: Duration = Duration::from_micros(150);
const CLOCK_ERROR: u32 = 100;
/// How long the words of an answer may wait for room in the port.
const ROOM_MAX: Duration = Duration::from_millis(100);

/// A serial port with mark and space parity.
#[derive(Debug)]
pub struct TtyLink {
    end: OwnedFd,
    space: Termios,
    mark: Termios,
    decoder: Decoder,
    heard: [u8; READ_MAX],
    /// The bytes of `heard` not yet decoded.
    left: Range<usize>,
    /// What was heard while the last word left in mark parity.
    early: Option<Sign>,
}

impl TtyLink {
    /// Opens a serial port for the one who listens.
    ///
    /// # Errors
    /// When there is no such port, it is in use, or it knows no mark and space parity.
    pub fn open(path: &Path, listener: Listener) -> Result<Self, LinkFault> {
        let link = Self::open_with(path, listener, InputModes::INPCK | InputModes::PARMRK)?;
        // A driver without the parity takes the setting, and drops it.
        let wanted = ControlModes::PARENB | ControlModes::CMSPAR;
        let kept = tcgetattr(&link.end).map_err(system("reading back the port's settings"))?;
        if !kept.control_modes.contains(wanted) {
            let path = path.to_owned();
            return Err(LinkFault::NoNinthBit { path });
        }
        hurry(path);
        Ok(link)
    }

    /// Opens a pseudo-terminal whose other end writes the kernel's parity marks itself: no pseudo-terminal has parity,
    /// and tests have no other port.
    ///
    /// # Errors
    /// When there is no such terminal, or the system refuses it.
    pub fn open_marked(path: &Path, listener: Listener) -> Result<Self, LinkFault> {
        Self::open_with(path, listener, InputModes::empty())
    }

    fn open_with(path: &Path, listener: Listener, marks: InputModes) -> Result<Self, LinkFault> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = rustix::fs::Mode::empty();
        let end = rustix::fs::open(path, flags, mode).map_err(system("opening the port"))?;
        rustix::termios::ioctl_tiocexcl(&end).map_err(system("taking the port"))?;
        let mut space = tcgetattr(&end).map_err(system("reading the port's settings"))?;
        space.make_raw();
        space
            .set_speed(SPEED)
            .map_err(system("setting the port's speed"))?;
        space.input_modes.insert(marks);
        // Hardware lines of a bus level shifter say nothing.
        space
            .control_modes
            .remove(ControlModes::CRTSCTS | ControlModes::CSTOPB | ControlModes::PARODD);
        space.control_modes.insert(
            ControlModes::PARENB
                | ControlModes::CMSPAR
                | ControlModes::CS8
                | ControlModes::CREAD
                | ControlModes::CLOCAL,
        );
        // Any other pair delays what `poll` reports.
        space.special_codes[SpecialCodeIndex::VMIN] = 1;
        space.special_codes[SpecialCodeIndex::VTIME] = 0;
        let mut mark = space.clone();
        mark.control_modes.insert(ControlModes::PARODD);
        let link = Self {
            end,
            space,
            mark,
            decoder: Decoder::new(listener),
            heard: [0; READ_MAX],
            left: 0..0,
            early: None,
        };
        link.switch(Parity::Space)?;
        tcflush(&link.end, QueueSelector::IOFlush).map_err(system("emptying the port"))?;
        Ok(link)
    }

    /// TCSADRAIN would wait whole timer ticks: the caller knows when the line is free.
    fn switch(&self, parity: Parity) -> Result<(), LinkFault> {
        let settings = match parity {
            Parity::Space => &self.space,
            Parity::Mark => &self.mark,
        };
        tcsetattr(&self.end, OptionalActions::Now, settings)
            .map_err(system("switching the port's parity"))
    }

    /// Sends words of one parity, and waits until the last stop bit is out.
    fn send(&self, words: &[Word]) -> Result<(), LinkFault> {
        let mut bytes = [0; BLOCK_MAX];
        for (byte, word) in bytes.iter_mut().zip(words) {
            *byte = word.byte();
        }
        let mut rest = bytes.get(..words.len()).unwrap_or_default();
        let begun = Instant::now();
        while !rest.is_empty() {
            match rustix::io::write(&self.end, rest) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.is_ready(PollFlags::OUT, ROOM_MAX)? => {}
                Err(Errno::AGAIN) => return Err(LinkFault::Stuck),
                Err(Errno::IO | Errno::PIPE | Errno::NODEV) => return Err(LinkFault::Closed),
                Err(errno) => return Err(system("writing to the port")(errno)),
            }
        }
        let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let sending = WORD_TIME.saturating_mul(count);
        let end = sending
            .saturating_add(sending / CLOCK_ERROR)
            .saturating_add(SLACK);
        thread::sleep(end.saturating_sub(begun.elapsed()));
        Ok(())
    }

    fn take(&mut self, parity: Parity) -> Option<Sign> {
        loop {
            let byte = *self.heard.get(self.left.clone())?.first()?;
            self.left.start += 1;
            if let Some(sign) = self.decoder.take(byte, parity) {
                return Some(sign);
            }
        }
    }

    /// Hears more; false when nothing came in time.
    fn fill(&mut self, wait_max: Duration) -> Result<bool, LinkFault> {
        if !self.is_ready(PollFlags::IN, wait_max)? {
            return Ok(false);
        }
        match rustix::io::read(&self.end, &mut self.heard) {
            Ok(0) | Err(Errno::IO | Errno::NODEV) => Err(LinkFault::Closed),
            Ok(more) => {
                self.left = 0..more;
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(errno) => Err(system("reading from the port")(errno)),
        }
    }

    fn is_ready(&self, wanted: PollFlags, wait_max: Duration) -> Result<bool, LinkFault> {
        let wait_max = Timespec::try_from(wait_max).ok();
        let mut ends = [PollFd::new(&self.end, wanted)];
        match poll(&mut ends, wait_max.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(system("waiting for the port")(errno)),
        }
    }
}

impl Link for TtyLink {
    fn read(&mut self, wait_max: Duration) -> Result<Read, LinkFault> {
        loop {
            let sign = self.early.take().or_else(|| self.take(Parity::Space));
            match sign {
                Some(Sign::Word(word)) => return Ok(Read::Word(word)),
                Some(Sign::Break) => return Ok(Read::Break),
                None => {}
            }
            if !self.fill(wait_max)? {
                return Ok(Read::Nothing);
            }
        }
    }

    fn write(&mut self, words: &[Word]) -> Result<(), LinkFault> {
        let mut rest = words;
        while !rest.is_empty() {
            let now = run(rest);
            let now = now.get(..now.len().min(BLOCK_MAX)).unwrap_or(now);
            let parity = Parity::of(now.first().map_or(Mode::Data, |word| word.mode()));
            if parity == Parity::Mark {
                self.switch(Parity::Mark)?;
            }
            let sent = self.send(now);
            if parity == Parity::Mark {
                // A quick controller has acknowledged already: its ACK was read in mark parity.
                if self.left.is_empty() && self.fill(Duration::ZERO)? {
                    self.early = self.take(Parity::Mark);
                }
                self.switch(Parity::Space)?;
            }
            sent?;
            rest = rest.get(now.len()..).unwrap_or_default();
        }
        Ok(())
    }
}

impl AsFd for TtyLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// Asks the drivers that have a say in it for every word at once. Without the right to, a rule for the device has to.
fn hurry(path: &Path) {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let Some(name) = real.file_name() else { return };
    let usb = Path::new("/sys/bus/usb-serial/devices").join(name);
    let port = Path::new("/sys/class/tty").join(name);
    let knobs: [PathBuf; 2] = [usb.join("latency_timer"), port.join("rx_trig_bytes")];
    for knob in knobs.iter().filter(|knob| knob.exists()) {
        // A port that keeps its latency still works, within the times of patient machines.
        let _ = fs::write(knob, "1");
    }
}
