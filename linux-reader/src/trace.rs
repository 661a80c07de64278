//! Bus captures, explained or replayed.

use gettone_mdb::cashless::{Cashless, Config, ConfigFault, Event, Host, Input, Output};
use gettone_mdb::trace::{Burst, Side, TraceFault};
use gettone_mdb::{ACK, Address, Command, Layout, Message, Mode, NAK, RET, Word, checksum};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// A capture is at most this long: days of a busy bus.
const CAPTURE_LEN_MAX: u64 = 1024 * 1024 * 1024;
/// A line is at most this long.
const LINE_LEN_MAX: u64 = 1024;

/// Writes what each burst of the capture at `path` means.
///
/// # Errors
/// Where the capture is not one.
pub(crate) fn explain(path: &Path, out: &mut impl Write) -> Result<(), CaptureFault> {
    let mut layout = Layout::One;
    each(path, |burst| {
        let meaning = match burst.side {
            Side::Controller => of_controller(&burst.words),
            Side::Peripheral => of_device(&burst.words, &mut layout),
        };
        writeln!(out, "{burst}   {meaning}").map_err(CaptureFault::Write)
    })
}

/// Gives the controller's words to a device of ours, and writes what it says and answers.
///
/// # Errors
/// Where the capture is not one.
pub(crate) fn replay(path: &Path, out: &mut impl Write) -> Result<(), CaptureFault> {
    let mut device = Cashless::new(Config::default())?;
    each(path, |burst| {
        if burst.side == Side::Peripheral {
            return Ok(());
        }
        let meaning = of_controller(&burst.words);
        writeln!(out, "{burst}   {meaning}").map_err(CaptureFault::Write)?;
        let mut verdict = None;
        for word in burst.words.iter() {
            device.handle(burst.at, Input::Word(*word));
            while let Some(output) = device.poll() {
                match output {
                    Output::Event(event) => {
                        verdict = answer(event).or(verdict);
                        writeln!(out, "{:>13} {event:?}", "*")
                    }
                    Output::Send(reply) => {
                        let meaning = of_device(&reply, &mut { Layout::One });
                        writeln!(out, "{:>13} {reply}   {meaning}", "P")
                    }
                }
                .map_err(CaptureFault::Write)?;
            }
        }
        if let Some(host) = verdict {
            device.handle(burst.at, Input::Host(host));
            while device.poll().is_some() {}
        }
        Ok(())
    })
}

/// A host that has a customer whenever it may, and says yes to every price.
fn answer(event: Event) -> Option<Host> {
    if let Event::Enabled | Event::SessionCompleted = event {
        return Some(Host::BeginSession { funds: 1_000 });
    }
    let Event::VendRequested { request, price, .. } = event else {
        return None;
    };
    Some(Host::Approve {
        request,
        amount: price,
        tag: 1,
    })
}

fn of_controller(words: &[Word]) -> String {
    match words {
        [lone] if lone.byte() == ACK => return "ACK".to_owned(),
        [lone] if lone.byte() == NAK => return "NAK".to_owned(),
        [lone] if lone.byte() == RET => return "RET".to_owned(),
        [first, ..] if first.mode() == Mode::Address => {}
        _ => return "no block".to_owned(),
    }
    let bytes: Vec<u8> = words.iter().map(|word| word.byte()).collect();
    let Some((check, block)) = bytes.split_last() else {
        return "no block".to_owned();
    };
    if checksum(block) != *check {
        return "bad checksum".to_owned();
    }
    let ours = [Address::First, Address::Second];
    let found = ours
        .iter()
        .find_map(|address| Command::parse(*address, block).ok());
    found.map_or("for another device".to_owned(), |command| {
        command.to_string()
    })
}

fn of_device(words: &[Word], layout: &mut Layout) -> String {
    let bytes: Vec<u8> = words.iter().map(|word| word.byte()).collect();
    let (check, block) = match bytes.as_slice() {
        [ACK] => return "ACK".to_owned(),
        [NAK] => return "NAK".to_owned(),
        [block @ .., check] => (check, block),
        [] => return "nothing".to_owned(),
    };
    if checksum(block) != *check {
        return "bad checksum".to_owned();
    }
    let messages = Message::parse_all(block, *layout).map(|message| match message {
        Ok(message) => {
            if let Message::ReaderConfig(config) = message {
                *layout = match config.level.number() {
                    1 => Layout::One,
                    _ => Layout::Two,
                };
            }
            message.to_string()
        }
        Err(fault) => fault.to_string(),
    });
    messages.collect::<Vec<_>>().join(" + ")
}

fn each(
    path: &Path,
    mut take: impl FnMut(Burst) -> Result<(), CaptureFault>,
) -> Result<(), CaptureFault> {
    let read = |source| CaptureFault::Read {
        path: path.to_owned(),
        source,
    };
    let mut capture = BufReader::new(File::open(path).map_err(read)?).take(CAPTURE_LEN_MAX);
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        let len = (&mut capture)
            .take(LINE_LEN_MAX)
            .read_line(&mut line)
            .map_err(read)?;
        if len == 0 {
            break;
        }
        let burst = Burst::parse(line.trim_end());
        if let Some(burst) = burst.map_err(|source| CaptureFault::Line { number, source })? {
            take(burst)?;
        }
    }
    Ok(())
}

/// Why a capture cannot be explained.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum CaptureFault {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is no burst.
    #[error("line {number} is no burst")]
    Line {
        /// Counted from 1.
        number: u64,
        /// Why not.
        source: TraceFault,
    },
    /// Nobody takes what is said.
    #[error("cannot write")]
    Write(#[source] io::Error),
    /// The device cannot be made.
    #[error("the device")]
    Device(#[from] ConfigFault),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made from the reference's own vectors: POLL, an ACK, SETUP and its answer.
    const CAPTURE: &str = "\
# a bus
0 V 112 012
900 P 100
20000 V 110 010
20900 P 100
40000 V 114 001 015
";

    fn shown(show: impl Fn(&Path, &mut Vec<u8>) -> Result<(), CaptureFault>) -> String {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("capture");
        std::fs::write(&path, CAPTURE).expect("room");
        let mut out = Vec::new();
        show(&path, &mut out).expect("a good capture");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn each_burst_of_a_capture_is_named() {
        let text = shown(explain);
        assert_eq!(text.lines().count(), 5, "{text}");
        for (line, word) in text.lines().zip(["POLL", "ACK", "RESET", "ACK", "ENABLE"]) {
            assert!(line.to_uppercase().contains(word), "{line}");
        }
    }

    #[test]
    fn a_replayed_capture_is_answered_by_our_device() {
        let text = shown(replay);
        assert!(text.contains("Reset"), "{text}");
        assert!(text.contains("JUST RESET"), "{text}");
    }
}
