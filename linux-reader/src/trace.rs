//! Bus captures and live buses, explained; and captures replayed against our own device.

use crate::capture::{Capture, LineFault};
use gettone_mdb::bounds::{ACK_MAX, INTER_BYTE_MAX, WORD_TIME};
use gettone_mdb::cashless::{
    Cashless, Config, ConfigFault, Event, Host, Input, Output, RequestNumber, UNKNOWN_FUNDS,
};
use gettone_mdb::diagnosis::{Diagnosis, Watch};
use gettone_mdb::link::{LinkFault, Read as Heard, Spec};
use gettone_mdb::trace::{Burst, Exchange, Explainer, Hearing, Side};
use gettone_mdb::{
    ACK, Address, Digits, Frame, Layout, Level, Message, Mode, Options, Scale, Units, Word,
};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A capture is at most this long: days of a busy bus.
const CAPTURE_LEN_MAX: u64 = 1024 * 1024 * 1024;
/// A line is at most this long.
const LINE_LEN_MAX: u64 = 1024;
/// How long a live bus is listened to before the clock is looked at again.
const LISTEN_MAX: Duration = Duration::from_millis(50);
/// How old a finding must be before a technician is told: the first word of a block says little.
const SETTLED: Duration = Duration::from_secs(1);
/// Decisions of the captured device that ours has still to take over.
const DECISIONS_MAX: usize = 16;

/// Which exchanges are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Showing {
    /// Those with a cashless device, and of these no POLL that brought nothing.
    WhatMatters,
    /// All, of every device.
    Everything,
}

/// Writes a line for each exchange of the capture at `path`.
///
/// # Errors
/// Where the capture is not one.
pub(crate) fn explain(
    path: &Path,
    showing: Showing,
    out: &mut impl Write,
) -> Result<(), CaptureFault> {
    let mut explainer = Explainer::new(Hearing::Both);
    let mut page = Page {
        showing,
        left_out: 0,
    };
    each(path, |burst| match explainer.take(&burst) {
        Some(exchange) => page.show(&exchange, out),
        None => Ok(()),
    })?;
    if let Some(exchange) = explainer.close() {
        page.show(&exchange, out)?;
    }
    page.end(out)
}

/// The lines that are shown, and how many are not.
struct Page {
    showing: Showing,
    left_out: u64,
}

impl Page {
    fn show(&mut self, exchange: &Exchange, out: &mut impl Write) -> Result<(), CaptureFault> {
        let matters = exchange.address().is_some() && !exchange.is_idle();
        if matters || self.showing == Showing::Everything {
            writeln!(out, "{exchange}").map_err(CaptureFault::Write)
        } else {
            self.left_out = self.left_out.saturating_add(1);
            Ok(())
        }
    }

    fn end(&self, out: &mut impl Write) -> Result<(), CaptureFault> {
        match self.left_out {
            0 => Ok(()),
            left_out => writeln!(
                out,
                "({left_out} idle POLLs and exchanges of other devices are not shown; --all shows them)"
            )
            .map_err(CaptureFault::Write),
        }
    }
}

/// Listens to a live bus until nobody takes the lines any more, and says what it hears; it never answers.
///
/// # Errors
/// When the link is lost or cannot be opened.
pub(crate) fn listen(
    link: &Spec,
    address: Address,
    showing: Showing,
    out: &mut impl Write,
) -> Result<(), CaptureFault> {
    let mut line = link.open().map_err(CaptureFault::Link)?;
    let begun = Instant::now();
    let mut explainer = Explainer::new(Hearing::Controller);
    let mut watch = Watch::new(address, Duration::ZERO);
    let mut page = Page {
        showing,
        left_out: 0,
    };
    let mut told: Option<Diagnosis> = None;
    let mut ear = Ear::default();
    loop {
        let heard = line.read(LISTEN_MAX).map_err(CaptureFault::Link)?;
        let now = begun.elapsed();
        let finding = watch.finding(now);
        let settled = now.saturating_sub(finding.since) >= SETTLED;
        if settled && told.replace(finding.diagnosis) != Some(finding.diagnosis) {
            writeln!(out, "* {finding}").map_err(CaptureFault::Write)?;
        }
        let burst = match heard {
            Heard::Word(word) => {
                watch.heard(now, word);
                ear.hear(now, word)
            }
            Heard::Break => {
                writeln!(out, "* the machine held the line: everybody starts again")
                    .map_err(CaptureFault::Write)?;
                ear.end()
            }
            Heard::Nothing => ear.pause(now),
        };
        let ended = burst.and_then(|burst| explainer.take(&burst));
        // A quiet line ends the exchange: nobody waits for the next one to see it.
        let quiet = heard == Heard::Nothing && ear.is_quiet(now);
        let last = if quiet { explainer.close() } else { None };
        for exchange in ended.into_iter().chain(last) {
            page.show(&exchange, out)?;
        }
    }
}

/// Puts words that come one by one together to bursts.
#[derive(Default)]
struct Ear {
    burst: Option<(Duration, Vec<Word>)>,
    last: Duration,
}

impl Ear {
    fn hear(&mut self, now: Duration, word: Word) -> Option<Burst> {
        let gap = now.saturating_sub(self.last) > INTER_BYTE_MAX;
        let starts = word.mode() == Mode::Address || gap;
        self.last = now;
        let ended = if starts { self.end() } else { None };
        // A word is heard when it is over.
        let at = now.saturating_sub(WORD_TIME);
        let (_, words) = self.burst.get_or_insert_with(|| (at, Vec::new()));
        words.push(word);
        ended
    }

    fn pause(&mut self, now: Duration) -> Option<Burst> {
        let over = now.saturating_sub(self.last) > INTER_BYTE_MAX;
        if over { self.end() } else { None }
    }

    fn is_quiet(&self, now: Duration) -> bool {
        self.burst.is_none() && now.saturating_sub(self.last) > ACK_MAX
    }

    fn end(&mut self) -> Option<Burst> {
        let (at, words) = self.burst.take()?;
        let words = Frame::of(&words)?;
        Some(Burst {
            at,
            side: Side::Controller,
            words,
        })
    }
}

/// Gives the controller's words to a device of ours, and writes its answers beside the recorded ones.
///
/// The device's host decides as the captured one did.
///
/// # Errors
/// Where the capture is not one.
pub(crate) fn replay(
    path: &Path,
    showing: Showing,
    out: &mut impl Write,
) -> Result<(), CaptureFault> {
    let mut replay = Replay::new()?;
    let mut explainer = Explainer::new(Hearing::Both);
    let mut tally = Tally::default();
    let mut take = |exchange: Exchange, out: &mut dyn Write| -> Result<(), CaptureFault> {
        if exchange.address() != Some(replay.address) {
            return Ok(());
        }
        let ours = replay.play(&exchange);
        let same = exchange.answer().map(|words| words.to_vec()) == ours.answer;
        tally.count(same);
        if same && exchange.is_idle() && showing == Showing::WhatMatters {
            return Ok(());
        }
        let mark = if same { '=' } else { '~' };
        writeln!(out, "{mark} {exchange}").map_err(CaptureFault::Write)?;
        if !same {
            writeln!(out, "  ours{:>27} {}", "->", ours.meaning).map_err(CaptureFault::Write)?;
        }
        for event in &ours.events {
            writeln!(out, "  host{:>27} {event:?}", "*").map_err(CaptureFault::Write)?;
        }
        Ok(())
    };
    each(path, |burst| match explainer.take(&burst) {
        Some(exchange) => take(exchange, out),
        None => Ok(()),
    })?;
    if let Some(exchange) = explainer.close() {
        take(exchange, out)?;
    }
    writeln!(
        out,
        "({} exchanges: {} answered as recorded, {} otherwise)",
        tally.same.saturating_add(tally.other),
        tally.same,
        tally.other
    )
    .map_err(CaptureFault::Write)
}

#[derive(Default)]
struct Tally {
    same: u64,
    other: u64,
}

impl Tally {
    fn count(&mut self, same: bool) {
        let one = if same {
            &mut self.same
        } else {
            &mut self.other
        };
        *one = one.saturating_add(1);
    }
}

/// Our device in the place of the captured one.
struct Replay {
    device: Cashless,
    address: Address,
    now: Duration,
    asked: Option<RequestNumber>,
    /// What the captured device decided and ours could not yet: nobody has asked it.
    decisions: VecDeque<Decision>,
    tag: u64,
}

/// What the captured host wanted.
#[derive(Clone, Copy, Debug)]
enum Decision {
    Begin(u32),
    Leave,
    Approve(u32),
    Deny,
    TakeCash,
    DeclineCash,
    Limit(u32),
}

/// What our device made of an exchange.
struct Ours {
    answer: Option<Vec<Word>>,
    meaning: String,
    events: Vec<Event>,
}

impl Replay {
    fn new() -> Result<Self, CaptureFault> {
        Ok(Self {
            device: Cashless::new(Config::default())?,
            address: Address::First,
            now: Duration::ZERO,
            asked: None,
            decisions: VecDeque::new(),
            tag: 0,
        })
    }

    fn play(&mut self, exchange: &Exchange) -> Ours {
        let mut ours = Ours {
            answer: None,
            meaning: "silence".to_owned(),
            events: Vec::new(),
        };
        self.now = self.now.max(exchange.at());
        // What the answer carries was decided before the POLL that carried it away.
        exchange.messages(|message| self.note(&message));
        self.decide(&mut ours);
        for word in exchange.said().iter() {
            self.now = self.now.saturating_add(WORD_TIME);
            self.input(Input::Word(*word), &mut ours);
        }
        let is_data = ours.answer.as_ref().is_some_and(|words| words.len() > 1);
        if is_data {
            // The captured device had other things to say, so ours are acknowledged here.
            self.input(Input::Word(Word::new(Mode::Data, ACK)), &mut ours);
        }
        self.decide(&mut ours);
        ours
    }

    fn note(&mut self, message: &Message) {
        let scale = self.device.scale();
        let minor = |units: Units| scale.minor(units).unwrap_or(UNKNOWN_FUNDS);
        let decision = match *message {
            Message::BeginSession { funds, .. } | Message::BeginSessionIn { funds, .. } => {
                Decision::Begin(minor(funds))
            }
            Message::SessionCancel => Decision::Leave,
            Message::VendApproved { amount } | Message::BasketApproved { amount, .. } => {
                Decision::Approve(minor(amount))
            }
            Message::VendDenied => Decision::Deny,
            Message::RevalueApproved => Decision::TakeCash,
            Message::RevalueDenied => Decision::DeclineCash,
            Message::RevalueLimit { amount } => Decision::Limit(minor(amount)),
            Message::ReaderConfig(config) => return self.count_as(config),
            Message::JustReset
            | Message::Display { .. }
            | Message::EndSession
            | Message::Cancelled
            | Message::PeripheralId(_)
            | Message::Malfunction { .. }
            | Message::OutOfSequence { .. }
            | _ => return,
        };
        if self.decisions.len() < DECISIONS_MAX {
            self.decisions.push_back(decision);
        }
    }

    /// Counts money as the captured device does, from the start of the capture on.
    fn count_as(&mut self, config: gettone_mdb::ReaderConfig) {
        let digits = Digits {
            bus: config.decimals,
            minor: config.decimals,
        };
        if Scale::new(config.scale, digits) == Ok(self.device.scale()) {
            return;
        }
        let same = Config {
            address: self.address,
            level: config.level,
            // Whatever the captured device offered: what is off stays off.
            options: match config.level {
                Level::Three => Options::ALL,
                Level::One | Level::Two => Options::NONE,
            },
            country: config.country,
            scale: config.scale,
            decimals: config.decimals,
            minor_digits: config.decimals,
            max_response_s: config.max_response_s.max(1),
            ..Config::default()
        };
        if let Ok(device) = Cashless::new(same) {
            self.device = device;
        }
    }

    /// Hands our device those decisions that it can take now.
    fn decide(&mut self, ours: &mut Ours) {
        while let Some(decision) = self.decisions.front().copied() {
            let host = match (decision, self.asked) {
                (Decision::Begin(funds), _) => Host::BeginSession { funds },
                (Decision::Leave, _) => Host::CancelSession,
                (_, None) => return,
                (Decision::Approve(amount), Some(request)) => {
                    self.tag = self.tag.saturating_add(1);
                    Host::Approve {
                        request,
                        amount,
                        tag: self.tag,
                    }
                }
                (Decision::Deny, Some(request)) => Host::Deny { request },
                (Decision::TakeCash, Some(request)) => Host::ApproveRevalue { request },
                (Decision::DeclineCash, Some(request)) => Host::DenyRevalue { request },
                (Decision::Limit(limit), Some(request)) => Host::RevalueLimit { request, limit },
            };
            if !matches!(decision, Decision::Begin(_) | Decision::Leave) {
                self.asked = None;
            }
            self.decisions.pop_front();
            self.input(Input::Host(host), ours);
        }
    }

    fn input(&mut self, input: Input, ours: &mut Ours) {
        self.device.handle(self.now, input);
        while let Some(output) = self.device.poll() {
            match output {
                Output::Event(event) => {
                    if let Event::VendRequested { request, .. }
                    | Event::RevalueAsked { request, .. }
                    | Event::RevalueLimitAsked(request) = event
                    {
                        self.asked = Some(request);
                    }
                    ours.events.push(event);
                }
                Output::Send(reply) => {
                    ours.meaning = meaning(&reply, self.device.layout(), self.device.scale());
                    ours.answer = Some(reply.to_vec());
                }
            }
        }
    }
}

fn meaning(reply: &Frame, layout: Layout, scale: Scale) -> String {
    let bytes: Vec<u8> = reply.iter().map(|word| word.byte()).collect();
    match bytes.as_slice() {
        [] => "silence".to_owned(),
        [_] => "ACK".to_owned(),
        [block @ .., _] => {
            let messages = Message::parse_all(block, layout).map(|message| match message {
                Ok(message) => message.at(scale).to_string(),
                Err(fault) => fault.to_string(),
            });
            messages.collect::<Vec<_>>().join(" + ")
        }
    }
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
    let mut reader = Capture::default();
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
        let bursts = reader.line(&line);
        for burst in bursts.map_err(|source| CaptureFault::Line { number, source })? {
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
    #[error("line {number} is {source}")]
    Line {
        /// Counted from 1.
        number: u64,
        /// Why not.
        source: LineFault,
    },
    /// Nobody takes what is said.
    #[error("cannot write")]
    Write(#[source] io::Error),
    /// The device cannot be made.
    #[error("the device")]
    Device(#[from] ConfigFault),
    /// The bus cannot be listened to.
    #[error("the MDB link")]
    Link(#[source] LinkFault),
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_mdb::Command;
    use gettone_mdb::words::Pty;

    /// Made from the reference's own vectors: RESET and what follows, a vend, a device that answers late.
    const CAPTURE: &str = "\
# a bus
0 V 112 012
3000 P 100
20000 V 110 010
23000 P 100
40000 V 112 012
43000 P 000 100
47000 V 000
60000 V 111 000 002 000 000 000 013
70000 P 001 001 019 078 001 002 01E 000 1B4
81000 V 000
90000 V 114 001 015
101000 P 100
120000 V 133 033
";

    fn capture(text: &str) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("capture");
        std::fs::write(&path, text).expect("room");
        (place, path)
    }

    fn text(out: Vec<u8>) -> String {
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn each_exchange_of_a_capture_is_one_line() {
        let (_place, path) = capture(CAPTURE);
        let mut out = Vec::new();
        explain(&path, Showing::WhatMatters, &mut out).expect("a good capture");
        let text = text(out);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        for (line, words) in lines.iter().zip([
            "RESET -> ACK",
            "POLL -> JUST RESET",
            "SETUP level 2 display 0x0 -> READER CONFIG level 1",
            "READER ENABLE -> ACK  ! the answer came 7.5 ms late",
            "(2 idle POLLs and exchanges of other devices are not shown",
        ]) {
            assert!(line.contains(words), "{line}");
        }
        let mut out = Vec::new();
        explain(&path, Showing::Everything, &mut out).expect("a good capture");
        assert_eq!(self::text(out).lines().count(), 6);
    }

    #[test]
    fn a_replayed_capture_is_answered_by_our_device_beside_the_recorded_one() {
        let (_place, path) = capture(CAPTURE);
        let mut out = Vec::new();
        replay(&path, Showing::WhatMatters, &mut out).expect("a good capture");
        let text = text(out);
        assert!(
            text.contains("=     0.020000  cashless 1        RESET -> ACK"),
            "{text}"
        );
        assert!(text.contains("Reset"), "{text}");
        // Ours speaks level 2 with a machine of level 2.
        assert!(text.contains("-> READER CONFIG level 2"), "{text}");
        assert!(
            text.ends_with("(5 exchanges: 3 answered as recorded, 2 otherwise)\n"),
            "{text}"
        );
    }

    /// The captures of real machines, how many blocks for the reader each holds, and how many of them ours answers with the
    /// same words; the rest is answered too, as another reader would.
    const CAPTURES: [(&str, &str); 6] = [
        (
            "sanden-vendo-09.07.2012.trace",
            "(130 exchanges: 119 answered as recorded, 11 otherwise)",
        ),
        (
            "sanden-vendo-10.07.2012-2.trace",
            "(691 exchanges: 686 answered as recorded, 5 otherwise)",
        ),
        (
            "sanden-vendo-13.12.2011.trace",
            "(152 exchanges: 146 answered as recorded, 6 otherwise)",
        ),
        (
            "sniff-init-always-idle-remote-vend.txt",
            "(6 exchanges: 4 answered as recorded, 2 otherwise)",
        ),
        (
            "sniff-init-level3.txt",
            "(12 exchanges: 3 answered as recorded, 9 otherwise)",
        ),
        (
            "wtn-gvc1-pi2mdb.log",
            "(4121 exchanges: 0 answered as recorded, 4121 otherwise)",
        ),
    ];

    #[test]
    fn captures_of_every_instrument_are_replayed_to_their_end() {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces/mdb");
        let mut told = Vec::new();
        for (name, tally) in CAPTURES {
            let path = place.join(name);
            if !path.exists() {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "the captures must be there when CI is set: {name}"
                );
                eprintln!("SKIPPED: the capture {name} is not on this machine");
                continue;
            }
            let mut out = Vec::new();
            replay(&path, Showing::WhatMatters, &mut out).expect("a good capture");
            let text = text(out);
            let silent = text
                .lines()
                .filter(|line| line.contains("ours") && line.ends_with("silence"));
            told.push((
                name,
                text.lines().last().unwrap_or_default().to_owned(),
                silent.count(),
                tally,
            ));
            let mut out = Vec::new();
            explain(&path, Showing::Everything, &mut out).expect("a good capture");
            let again = self::text(out);
            assert!(!again.is_empty(), "{name}");
        }
        let wrong: Vec<_> = told
            .iter()
            .filter(|(_, last, silent, tally)| last != tally || *silent > 0)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_is_no_capture_is_named_by_its_line() {
        let (_place, path) = capture("0 V 112 012\nnonsense\n");
        let fault = explain(&path, Showing::Everything, &mut Vec::new()).expect_err("nonsense");
        assert!(
            fault.to_string().starts_with("line 2 is no burst"),
            "{fault}"
        );
    }

    /// Fails once it has been given so many lines, as a closed pipe does.
    struct Lines {
        text: Vec<u8>,
        left: usize,
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let lines = self.text.iter().filter(|byte| **byte == b'\n').count();
            if lines >= self.left {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_live_bus_is_explained_and_never_answered() {
        let place = tempfile::tempdir().expect("a directory");
        let pty = Pty::open(&place.path().join("mdb")).expect("a pseudo-terminal");
        let link = Spec::Words(pty.path().to_owned());
        let mut machine = pty.line();
        let listener = std::thread::spawn(move || {
            let mut out = Lines {
                text: Vec::new(),
                left: 60,
            };
            let ended = listen(&link, Address::First, Showing::WhatMatters, &mut out);
            (ended, out.text)
        });
        let say = |command: Command| Frame::from_controller(&command.print(Address::First));
        while !listener.is_finished() {
            for command in [Command::Reset, Command::Poll, Command::Enable] {
                machine.write(&say(command)).expect("an open link");
                let heard = machine
                    .read(Duration::from_millis(30))
                    .expect("an open link");
                assert_eq!(heard, None, "it only listens");
            }
        }
        let (ended, text) = listener.join().expect("no panic");
        assert!(matches!(ended, Err(CaptureFault::Write(_))));
        let text = self::text(text);
        assert!(text.contains("cashless 1        RESET\n"), "{text}");
        assert!(
            text.contains("* another device answers at address 10H"),
            "{text}"
        );
    }
}
