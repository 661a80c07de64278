//! What the reader shows to who stands before it: the lamp, the buzzer, the machine's display, the
//! status file, and to the service manager that it lives. It decides nothing.

use crate::bus::Pulse;
use crate::launch::Runs;
use crate::status::{MachineLink, Phone, RoadState, STATUS_EVERY, Status};
use crate::uptime::{Uptime, since_power_up};
use core::convert::Infallible;
use gettone_channel::MdbState;
use gettone_core::board::{LastResult, Life, Note};
use gettone_core::lock::LockState;
use gettone_core::money::{Amount, Currency};
use gettone_display::gpio::{GpioLines, Wiring};
use gettone_display::{Input, Language, Money, Panel, Screen, Signal, Text, play};
use gettone_mdb::diagnosis::Finding;
use gettone_optical::{Progress, Verdict};
use gettone_relay::{Line, Showing, Telling};
use sd_notify::NotifyState;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// What the hub lets be seen, each time it has taken some news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Glimpse {
    pub(crate) telling: Telling,
    pub(crate) machine_state: MdbState,
    pub(crate) machine_link: MachineLink,
    pub(crate) phone: Phone,
    pub(crate) receipts_waiting: usize,
    pub(crate) road: RoadState,
    /// Whether the operator lets the machine sell.
    pub(crate) service: LockState,
    /// How the bus looks, once it has been listened to.
    pub(crate) finding: Option<Finding>,
    /// What becomes of the light before the sensor.
    pub(crate) light: Verdict,
    /// Whether the program that runs was proved in this start.
    pub(crate) is_kept: bool,
}

impl Glimpse {
    /// Of a reader that has just started.
    pub(crate) const fn first() -> Self {
        Self {
            telling: Telling {
                life: Life::Idle,
                remaining: Amount::ZERO,
                last: LastResult::None,
                note: Note::None,
            },
            machine_state: MdbState::Inactive,
            machine_link: MachineLink::Lost,
            phone: Phone::None,
            receipts_waiting: 0,
            road: RoadState::None,
            service: LockState::Open,
            finding: None,
            light: Verdict::Open,
            is_kept: false,
        }
    }

    /// The signal that stands while it looks so.
    fn signal(&self) -> Signal {
        match (self.telling.note, self.telling.life) {
            (Note::JournalFull | Note::JournalFailed | Note::Locked, _) => Signal::OutOfService,
            (_, Life::Advertising | Life::Linked) => Signal::Reading,
            (_, Life::Granted) => Signal::GotIt,
            (_, Life::Vending | Life::Waiting | Life::Closing) => Signal::Vending,
            (_, Life::Idle) if self.service == LockState::Locked => Signal::OutOfService,
            (_, Life::Idle) => match (self.machine_link, self.machine_state) {
                // Nobody can buy before the machine has spoken.
                (MachineLink::Lost, _) | (_, MdbState::Inactive) => Signal::Starting,
                (_, MdbState::Disabled) => Signal::OutOfService,
                (
                    _,
                    MdbState::Enabled
                    | MdbState::SessionIdle
                    | MdbState::Vend
                    | MdbState::Revalue
                    | MdbState::NegativeVend,
                ) => hint(self.light).map_or(Signal::Ready, |(signal, _)| signal),
            },
        }
    }

    /// Whether this customer has just not got what was hoped for.
    fn is_trouble_after(&self, before: &Self) -> bool {
        let (now, then) = (&self.telling, &before.telling);
        let failed = match now.last {
            LastResult::Failed | LastResult::Denied | LastResult::Unknown => now.last != then.last,
            LastResult::None | LastResult::Vended | LastResult::CashTaken => false,
        };
        let refused = match now.note {
            Note::Short(_)
            | Note::NoVendLeft
            | Note::NoGrant
            | Note::Refused(_)
            | Note::Reset
            | Note::CashRefused
            | Note::NoFavourite
            | Note::Silent => now.note != then.note,
            Note::None
            | Note::TimedOut
            | Note::Left
            | Note::Returned
            | Note::Spent
            | Note::JournalFull
            | Note::JournalFailed
            | Note::Locked => false,
        };
        failed || refused
    }
}

/// What lamp and display say of a light while nothing else is under way; nothing when nobody can mend anything.
pub(crate) fn hint(light: Verdict) -> Option<(Signal, Text)> {
    let reason = match light {
        Verdict::Reading { .. } => return Some((Signal::Watching, Text::Watching)),
        Verdict::Refused(reason) => reason,
        Verdict::Open | _ => return None,
    };
    match reason {
        Progress::Nothing => None,
        Progress::TooDark => Some((Signal::TooDark, Text::TooDark)),
        Progress::Saturated => Some((Signal::TooBright, Text::TooBright)),
        Progress::HoldStill => Some((Signal::HoldStill, Text::HoldStill)),
        // Whatever else it is: a steady and full brightness helps.
        Progress::Flicker
        | Progress::SensorTooSlow
        | Progress::Searching
        | Progress::Locked { .. }
        | _ => Some((Signal::Flicker, Text::Flicker)),
    }
}

/// The same in the status file's words.
fn light_in_words(light: Verdict) -> Option<String> {
    match light {
        Verdict::Reading { percent } => Some(format!("reading, {percent} %")),
        Verdict::Refused(reason) => Some(reason.to_string()),
        Verdict::Open | _ => None,
    }
}

/// How a language puts what a phone is told.
pub(crate) fn line(language: Language) -> Line {
    fn say(telling: &Telling, currency: Currency, language: Language) -> String {
        text(telling, currency).map_or_else(String::new, |text| text.say(language))
    }
    match language {
        Language::En => |telling, currency| say(telling, currency, Language::En),
        Language::Fr => |telling, currency| say(telling, currency, Language::Fr),
        Language::It => |telling, currency| say(telling, currency, Language::It),
        Language::De => |telling, currency| say(telling, currency, Language::De),
    }
}

/// What the machine's own display shows; none where the machine has words of its own.
pub(crate) fn display(
    showing: &Showing,
    currency: Currency,
    language: Language,
    screen: Screen,
) -> Option<gettone_mdb::Text> {
    let telling = &showing.telling;
    let text = match (telling.life, telling.last, telling.note, showing.balance) {
        (Life::Idle | Life::Advertising | Life::Vending, ..) => None,
        (Life::Granted, LastResult::None, Note::None, Some(balance)) => Some(Text::Balance {
            balance: Money::new(Amount::from_minor(balance), currency),
        }),
        (Life::Granted | Life::Linked | Life::Waiting | Life::Closing, ..) => {
            text(telling, currency)
        }
    }?;
    Some(gettone_mdb::Text::new(&screen.lines(text, language)))
}

fn text(telling: &Telling, currency: Currency) -> Option<Text> {
    Text::telling(
        telling.life,
        telling.last,
        telling.note,
        telling.remaining,
        currency,
    )
}

/// What of the reader does not change while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) reader: String,
    pub(crate) machine: u32,
    pub(crate) boot: u32,
    /// Which program runs.
    pub(crate) runs: Runs,
}

/// The lamp, the buzzer, the status file and the watchdog of one reader.
pub(crate) struct Face {
    person: Person,
    uptime: Uptime,
    panel: Panel,
    lines: Option<GpioLines>,
    status: Option<PathBuf>,
    written_at: Duration,
    pulse: Pulse,
    /// How often the service manager wants to hear; none without one.
    watchdog: Option<Duration>,
    fed_at: Duration,
    beats: u64,
    seen: Glimpse,
    /// How the reader is, as the hub has put it together last.
    report: watch::Receiver<String>,
}

impl Face {
    /// A face whose lines cannot be had goes without them: the machine sells all the same.
    pub(crate) fn new(
        person: Person,
        uptime: Uptime,
        wiring: Option<Wiring>,
        status: Option<PathBuf>,
        pulse: Pulse,
    ) -> Self {
        let lines = wiring.and_then(|wiring| match GpioLines::open(wiring) {
            Ok(lines) => Some(lines),
            Err(fault) => {
                let cause = std::error::Error::source(&fault).map(ToString::to_string);
                tracing::warn!(cause, "no lamp and no buzzer: {fault}");
                None
            }
        });
        Self {
            person,
            uptime,
            panel: Panel::new(),
            lines,
            status,
            written_at: Duration::ZERO,
            beats: 0,
            pulse,
            // Fed four times in each of its periods, so that one late turn is no death.
            watchdog: sd_notify::watchdog_enabled().map(|period| period / 4),
            fed_at: Duration::ZERO,
            seen: Glimpse::first(),
            report: watch::channel(String::new()).1,
        }
    }

    /// Puts these reports into the status file.
    #[must_use]
    pub(crate) fn with_reports(self, report: watch::Receiver<String>) -> Self {
        Self { report, ..self }
    }

    /// Shows what the hub lets be seen, for as long as anybody looks.
    pub(crate) async fn serve(mut self, mut glimpses: watch::Receiver<Glimpse>) -> Infallible {
        notify(&[NotifyState::Ready]);
        self.take(Glimpse::first());
        loop {
            let wait = self.next_deadline().saturating_sub(self.uptime.now());
            tokio::select! {
                changed = glimpses.changed() => match changed {
                    Ok(()) => {
                        let glimpse = *glimpses.borrow_and_update();
                        self.take(glimpse);
                    }
                    // The hub has gone, and the program with it.
                    Err(_) => core::future::pending().await,
                },
                () = tokio::time::sleep(wait) => self.tick(),
            }
        }
    }

    fn take(&mut self, glimpse: Glimpse) {
        let now = self.uptime.now();
        let trouble = glimpse.is_trouble_after(&self.seen);
        self.seen = glimpse;
        self.panel.handle(now, Input::Show(glimpse.signal()));
        if trouble {
            self.panel.handle(now, Input::Show(Signal::Error));
        }
        self.play();
        self.write_status(now);
    }

    fn tick(&mut self) {
        let now = self.uptime.now();
        self.panel.handle(now, Input::Tick);
        self.play();
        if now >= self.written_at.saturating_add(STATUS_EVERY) {
            self.write_status(now);
        }
        match self.health(now) {
            Health::NotAsked => {}
            Health::Lives => notify(&[NotifyState::Watchdog]),
            Health::Hangs => {
                tracing::error!("the MDB thread hangs; the service manager is not told otherwise");
            }
        }
    }

    fn next_deadline(&self) -> Duration {
        let written = self.written_at.saturating_add(STATUS_EVERY);
        let fed = self.watchdog.map(|every| self.fed_at.saturating_add(every));
        let panel = self.panel.next_deadline();
        let due = [panel, fed].into_iter().flatten().min();
        due.map_or(written, |due| due.min(written))
    }

    fn play(&mut self) {
        let played = match &mut self.lines {
            Some(lines) => play(&mut self.panel, lines),
            None => {
                while self.panel.poll().is_some() {}
                Ok(())
            }
        };
        if let Err(fault) = played {
            tracing::warn!(%fault, "the lamp and the buzzer are given up");
            self.lines = None;
        }
    }

    /// The hub lives, or this would not run; the bus thread has to have shown that it does too.
    fn health(&mut self, now: Duration) -> Health {
        let due = self.watchdog.map(|every| self.fed_at.saturating_add(every));
        if due.is_none_or(|due| now < due) {
            return Health::NotAsked;
        }
        self.fed_at = now;
        let beats = self.pulse.beats();
        if beats == self.beats {
            return Health::Hangs;
        }
        self.beats = beats;
        Health::Lives
    }

    fn write_status(&mut self, now: Duration) {
        self.written_at = now;
        let Some(path) = &self.status else { return };
        let status = self.status_at(now);
        if let Err(fault) = status.write(path) {
            tracing::warn!(%fault, path = %path.display(), "the status is not written any more");
            self.status = None;
        }
    }

    fn status_at(&self, now: Duration) -> Status {
        let seen = &self.seen;
        let runs = match seen.is_kept {
            true => self.person.runs.proved(),
            false => self.person.runs,
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            firmware: Some(runs.to_words()),
            reader: self.person.reader.clone(),
            machine: self.person.machine,
            pid: std::process::id(),
            at_ms: u64::try_from(since_power_up().as_millis()).unwrap_or(u64::MAX),
            running_s: now.as_secs(),
            boot: self.person.boot,
            state: lower(&seen.telling.life),
            machine_state: lower(&seen.machine_state),
            machine_link: seen.machine_link,
            bus: seen.finding.map(|finding| finding.to_string()),
            phone: seen.phone,
            road: seen.road,
            receipts_waiting: seen.receipts_waiting,
            light: light_in_words(seen.light),
            signal: lower(&self.panel.signal()),
            report: self.report.borrow().clone(),
        }
    }
}

/// What the service manager may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    NotAsked,
    Lives,
    Hangs,
}

/// Tells the service manager that the reader goes.
pub(crate) fn leave() {
    notify(&[NotifyState::Stopping]);
}

fn notify(told: &[NotifyState<'_>]) {
    if let Err(fault) = sd_notify::notify(told) {
        tracing::warn!(%fault, "the service manager cannot be told");
    }
}

/// `OutOfService` as `out of service`.
fn lower(name: &impl core::fmt::Debug) -> String {
    let mut text = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use gettone_core::board::Refusal;

    fn glimpse(life: Life, machine_state: MdbState) -> Glimpse {
        Glimpse {
            machine_state,
            machine_link: MachineLink::Open,
            telling: Telling {
                life,
                ..Glimpse::first().telling
            },
            ..Glimpse::first()
        }
    }

    #[test]
    fn the_lamp_follows_this_picture() {
        let expected = "
             Inactive      Disabled      Enabled
Idle         Starting      OutOfService  Ready
Advertising  Reading       Reading       Reading
Linked       Reading       Reading       Reading
Granted      GotIt         GotIt         GotIt
Vending      Vending       Vending       Vending
Waiting      Vending       Vending       Vending
Closing      Vending       Vending       Vending
";
        let states = [MdbState::Inactive, MdbState::Disabled, MdbState::Enabled];
        let row = |first: String, cells: [String; 3]| {
            let [a, b, c] = cells;
            format!("{}\n", format!("{first:<13}{a:<14}{b:<14}{c}").trim_end())
        };
        let mut picture = format!(
            "\n{}",
            row(String::new(), states.map(|state| format!("{state:?}")))
        );
        for life in Life::ALL {
            let cells = states.map(|state| format!("{:?}", glimpse(life, state).signal()));
            picture += &row(format!("{life:?}"), cells);
        }
        assert_eq!(picture, expected);
        let lost = Glimpse {
            machine_link: MachineLink::Lost,
            ..glimpse(Life::Idle, MdbState::Enabled)
        };
        assert_eq!(lost.signal(), Signal::Starting);
        let locked = Glimpse {
            service: LockState::Locked,
            ..glimpse(Life::Idle, MdbState::Enabled)
        };
        assert_eq!(locked.signal(), Signal::OutOfService);
    }

    #[test]
    fn the_lamp_says_what_is_wrong_with_a_light_while_nothing_else_is_under_way() {
        for (light, signal) in [
            (Verdict::Open, Signal::Ready),
            (Verdict::Reading { percent: 40 }, Signal::Watching),
            (Verdict::Refused(Progress::Nothing), Signal::Ready),
            (Verdict::Refused(Progress::TooDark), Signal::TooDark),
            (Verdict::Refused(Progress::Saturated), Signal::TooBright),
            (Verdict::Refused(Progress::HoldStill), Signal::HoldStill),
            (Verdict::Refused(Progress::Flicker), Signal::Flicker),
            (Verdict::Refused(Progress::Searching), Signal::Flicker),
        ] {
            let seen = |life| Glimpse {
                light,
                ..glimpse(life, MdbState::Enabled)
            };
            assert_eq!(seen(Life::Idle).signal(), signal, "{light:?}");
            assert_eq!(seen(Life::Granted).signal(), Signal::GotIt, "{light:?}");
        }
    }

    #[test]
    fn a_customer_hears_once_that_something_went_wrong() {
        let before = glimpse(Life::Granted, MdbState::SessionIdle);
        let mut after = before;
        after.telling.note = Note::Refused(Refusal::Funds);
        assert!(after.is_trouble_after(&before));
        assert!(!after.is_trouble_after(&after), "it is told once");
        assert!(!before.is_trouble_after(&after), "it is over");
        let mut left = before;
        left.telling.note = Note::Left;
        assert!(!left.is_trouble_after(&before), "leaving is no trouble");
    }

    #[test]
    fn words_that_fill_a_row_of_the_machines_display_stay_in_it() {
        let lines = Screen::new(16, 2).lines(Text::NotEnough, Language::En);
        let shown = gettone_mdb::Text::fitted(&lines, 16, 2);
        assert_eq!(shown.to_string(), "Not enough moneyon the account  ");
    }

    #[test]
    fn the_machines_display_shows_the_balance_first_and_then_what_happened() {
        let screen = Screen::new(16, 2);
        let show = |life, last, note, balance| {
            let telling = Telling {
                life,
                remaining: Amount::from_minor(300),
                last,
                note,
            };
            let showing = Showing { telling, balance };
            display(&showing, Currency::EUR, Language::De, screen).map(|text| text.to_string())
        };
        use LastResult::{None as NoVend, Vended};
        let balance = Some(1_234);
        assert_eq!(
            show(Life::Granted, NoVend, Note::None, balance).as_deref(),
            Some("Ihr Guthaben:\\n12,34 EUR")
        );
        assert_eq!(
            show(Life::Granted, NoVend, Note::Short(90), balance).as_deref(),
            Some("Es fehlen 0,90\\nEUR")
        );
        assert_eq!(
            show(Life::Granted, Vended, Note::None, balance).as_deref(),
            Some("Vielen Dank")
        );
        assert_eq!(show(Life::Vending, NoVend, Note::None, balance), None);
        assert_eq!(show(Life::Idle, NoVend, Note::None, None), None);
    }

    #[test]
    fn the_watchdog_is_fed_only_while_the_bus_thread_has_a_pulse() {
        let person = Person {
            reader: "00".to_owned(),
            machine: 17,
            boot: 1,
            runs: Runs::Packaged,
        };
        let pulse = Pulse::default();
        let mut face = Face::new(person, Uptime::begin(), None, None, pulse.clone());
        let second = Duration::from_secs(1);
        assert_eq!(face.health(second), Health::NotAsked, "nobody asks");
        face.watchdog = Some(second);
        pulse.beat();
        assert_eq!(face.health(second), Health::Lives);
        assert_eq!(face.health(second), Health::NotAsked, "not yet again");
        assert_eq!(face.health(2 * second), Health::Hangs);
        pulse.beat();
        assert_eq!(face.health(3 * second), Health::Lives, "it was only late");
    }

    #[test]
    fn a_state_is_told_in_words() {
        assert_eq!(lower(&Signal::OutOfService), "out of service");
        assert_eq!(lower(&MdbState::Enabled), "enabled");
    }
}
