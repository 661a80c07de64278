use crate::fault::StreetFault;
use crate::transcript::Transcript;
use gettone_mdb::vmc::{Config, Event, Input, Operator, Output, Timing, Vmc};
use gettone_mdb::words::{Pty, WordLink};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest that the street waits for its machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest that the controller sleeps before it looks for a customer's choice.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long the motors run.
const MOTORS: Duration = Duration::from_millis(300);

/// How a selection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The product falls.
    Dispensed,
    /// The product is stuck.
    Jammed,
    /// The motors run until the machine is told what came of it.
    Awaited,
}

/// What a bystander sees of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Its reader is enabled.
    Ready,
    /// It shows a credit, in minor units.
    Credit(u32),
    /// It refuses the selection.
    Denied,
    /// Its motors run.
    Approved,
    /// The product fell.
    Dispensed,
    /// The product is stuck.
    Jammed,
    /// Its reader has acknowledged how the vend ended.
    Reported,
    /// It has taken cash for the customer's account.
    CashTaken,
    /// It has given the cash back.
    CashReturned,
    /// The session is over.
    SessionEnded,
}

impl Seen {
    /// Whether a credit is shown.
    pub const fn is_credit(self) -> bool {
        matches!(self, Self::Credit(_))
    }
}

/// How fast a machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// As real ones are.
    Real,
    /// As fast as its bus goes, for figures over many vends.
    Hurried,
}

enum Order {
    Select {
        item: u16,
        price: u32,
        ending: Ending,
    },
    Operate(Operator),
    PowerDown,
}

/// A vending machine: the controller of the MDB adapter on a pseudo-terminal, and its motors.
pub struct Machine {
    link: PathBuf,
    orders: Sender<Order>,
    seen: Receiver<Seen>,
    in_session: Cell<bool>,
    thread: JoinHandle<Result<(), StreetFault>>,
}

impl Machine {
    /// Switches one on. Its reader's link appears under `dir`.
    ///
    /// # Errors
    /// `StreetFault` when the system gives no pseudo-terminal.
    pub fn start(dir: &Path, pace: Pace, transcript: &Transcript) -> Result<Self, StreetFault> {
        Self::start_as(dir, config(pace), pace, transcript)
    }

    /// Switches on another one than the usual.
    ///
    /// # Errors
    /// `StreetFault` when the system gives no pseudo-terminal.
    pub fn start_as(
        dir: &Path,
        config: Config,
        pace: Pace,
        transcript: &Transcript,
    ) -> Result<Self, StreetFault> {
        let link = dir.join("mdb");
        let pty = Pty::open(&link).map_err(|fault| StreetFault::Machine(fault.to_string()))?;
        let (orders, ordered) = channel();
        let (seer, seen) = channel();
        let controller = Controller {
            vmc: Vmc::new(config),
            begun: Instant::now(),
            pace,
            ending: Ending::Dispensed,
            motors_until: None,
            seer,
            transcript: transcript.clone(),
        };
        let thread = thread::spawn(move || controller.run(pty, &ordered));
        Ok(Self {
            link,
            orders,
            seen,
            in_session: Cell::new(false),
            thread,
        })
    }

    /// The reader's end of the bus.
    pub fn link(&self) -> &Path {
        &self.link
    }

    /// Presses a selection that will end so.
    ///
    /// # Errors
    /// `StreetFault` when the machine is broken.
    pub fn select(&self, item: u16, price: u32, ending: Ending) -> Result<(), StreetFault> {
        self.orders
            .send(Order::Select {
                item,
                price,
                ending,
            })
            .map_err(|_| StreetFault::Unexpected("a machine that is switched off"))
    }

    /// Has somebody do something to the machine.
    ///
    /// # Errors
    /// `StreetFault` when the machine is broken.
    pub fn operate(&self, operator: Operator) -> Result<(), StreetFault> {
        self.orders
            .send(Order::Operate(operator))
            .map_err(|_| StreetFault::Unexpected("a machine that is switched off"))
    }

    /// Watches until the machine does what is waited for.
    ///
    /// # Errors
    /// `StreetFault` when it does not.
    pub fn wait(&self, what: &str, wanted: impl Fn(Seen) -> bool) -> Result<Seen, StreetFault> {
        loop {
            let seen = self.watch(what)?;
            if wanted(seen) {
                return Ok(seen);
            }
        }
    }

    /// Watches until no session is open. What a grant before the current one still made the
    /// machine do is seen and forgotten by then.
    ///
    /// # Errors
    /// `StreetFault` when its session does not end.
    pub fn until_idle(&self) -> Result<(), StreetFault> {
        while let Ok(seen) = self.seen.try_recv() {
            self.note(seen);
        }
        while self.in_session.get() {
            self.watch("the session to end")?;
        }
        Ok(())
    }

    fn watch(&self, what: &str) -> Result<Seen, StreetFault> {
        match self.seen.recv_timeout(PATIENCE) {
            Ok(seen) => {
                self.note(seen);
                Ok(seen)
            }
            Err(RecvTimeoutError::Timeout) => Err(StreetFault::Silence {
                what: what.to_owned(),
                seconds: PATIENCE.as_secs(),
            }),
            Err(RecvTimeoutError::Disconnected) => {
                Err(StreetFault::Unexpected("a machine that broke down"))
            }
        }
    }

    fn note(&self, seen: Seen) {
        match seen {
            Seen::Credit(_) => self.in_session.set(true),
            // A machine that has just found its reader has no session.
            Seen::SessionEnded | Seen::Ready => self.in_session.set(false),
            Seen::Denied
            | Seen::Approved
            | Seen::Dispensed
            | Seen::Jammed
            | Seen::Reported
            | Seen::CashTaken
            | Seen::CashReturned => {}
        }
    }

    /// Switches it off.
    ///
    /// # Errors
    /// What broke it, when something had.
    pub fn stop(self) -> Result<(), StreetFault> {
        // A machine that broke down before takes no orders; joining tells why.
        let _ = self.orders.send(Order::PowerDown);
        self.thread
            .join()
            .map_err(|_| StreetFault::Unexpected("a machine that panicked"))?
    }
}

/// A conformant machine of this pace.
pub(crate) fn config(pace: Pace) -> Config {
    let patient = Timing::patient();
    let timing = match pace {
        Pace::Real => patient,
        Pace::Hurried => Timing {
            poll_period: Duration::from_millis(2),
            setup: Duration::from_millis(10),
            ..patient
        },
    };
    Config {
        timing,
        ..Config::default()
    }
}

struct Controller {
    vmc: Vmc,
    begun: Instant,
    pace: Pace,
    ending: Ending,
    motors_until: Option<Instant>,
    seer: Sender<Seen>,
    transcript: Transcript,
}

impl Controller {
    fn run(mut self, pty: Pty, ordered: &Receiver<Order>) -> Result<(), StreetFault> {
        let mut line = pty.line();
        self.drive(&mut line, Input::Operator(Operator::PowerUp))?;
        loop {
            match ordered.try_recv() {
                Ok(Order::Select {
                    item,
                    price,
                    ending,
                }) => {
                    self.ending = ending;
                    self.say(format_args!(
                        "selection {item} is pressed, {}",
                        money(price)
                    ));
                    self.drive(&mut line, Input::Operator(Operator::Select { price, item }))?;
                }
                Ok(Order::Operate(operator)) => {
                    if operator == Operator::Dispensed {
                        self.tell("the product falls", Seen::Dispensed);
                    } else if operator == Operator::Jammed {
                        self.tell("the product is stuck", Seen::Jammed);
                    } else {
                        self.say(format_args!("{operator:?}"));
                    }
                    self.drive(&mut line, Input::Operator(operator))?;
                }
                Ok(Order::PowerDown) | Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    return self.drive(&mut line, Input::Operator(Operator::PowerDown));
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => {}
            }
            if self.motors_until.is_some_and(|end| Instant::now() >= end) {
                self.motors_until = None;
                let done = match self.ending {
                    Ending::Awaited => continue,
                    Ending::Dispensed => {
                        self.tell("the product falls", Seen::Dispensed);
                        Operator::Dispensed
                    }
                    Ending::Jammed => {
                        self.tell("the product is stuck", Seen::Jammed);
                        Operator::Jammed
                    }
                };
                self.drive(&mut line, Input::Operator(done))?;
            }
            let heard = line
                .read(self.patience())
                .map_err(|fault| StreetFault::Machine(fault.to_string()))?;
            match heard {
                Some(word) => self.drive(&mut line, Input::Word(word))?,
                None => self.drive(&mut line, Input::Tick)?,
            }
        }
    }

    fn patience(&self) -> Duration {
        let now = self.begun.elapsed();
        self.vmc
            .next_deadline()
            .map_or(LOOK_EVERY, |at| at.saturating_sub(now).min(LOOK_EVERY))
    }

    fn drive(&mut self, line: &mut WordLink, input: Input) -> Result<(), StreetFault> {
        self.vmc.handle(self.begun.elapsed(), input);
        while let Some(output) = self.vmc.poll() {
            match output {
                Output::Event(event) => self.note(event),
                Output::Send(frame) => line
                    .write(&frame)
                    .map_err(|fault| StreetFault::Machine(fault.to_string()))?,
                // A pseudo-terminal has no line to hold.
                Output::Break => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Restarting(why) => self.say(format_args!("RESET ({why:?})")),
            Event::ReaderFound(_) => self.say("the reader answers SETUP"),
            Event::Ready => self.tell("READER ENABLE", Seen::Ready),
            Event::SessionBegan { funds } => {
                let funds = funds.unwrap_or_default();
                self.tell(
                    format_args!("BEGIN SESSION, shows a credit of {}", money(funds)),
                    Seen::Credit(funds),
                );
            }
            Event::Dispense { amount, .. } => {
                self.tell(
                    format_args!(
                        "VEND APPROVED {}, the motors run",
                        amount.map_or("by token".to_owned(), money)
                    ),
                    Seen::Approved,
                );
                let motors = match self.pace {
                    Pace::Real => MOTORS,
                    Pace::Hurried => Duration::ZERO,
                };
                self.motors_until = Some(Instant::now() + motors);
            }
            Event::Denied { item } => {
                self.tell(format_args!("VEND DENIED, selection {item}"), Seen::Denied);
            }
            Event::SessionEnded => self.tell("END SESSION", Seen::SessionEnded),
            Event::Reported => self.tell("the result is acknowledged", Seen::Reported),
            Event::RevalueTaken { amount } => self.tell(
                format_args!("{} are in the cash box", money(amount)),
                Seen::CashTaken,
            ),
            Event::RevalueRefused { amount } => self.tell(
                format_args!("{} are given back", money(amount)),
                Seen::CashReturned,
            ),
            Event::SelectionRefused(why) => {
                self.tell(
                    format_args!("the selection goes nowhere: {why:?}"),
                    Seen::Denied,
                );
            }
            Event::Malfunction { code } => self.say(format_args!("MALFUNCTION {code:#04x}")),
            Event::CancelRequested => self.say("SESSION CANCEL REQUEST"),
            // Of no interest to a bystander.
            Event::ReaderId(_)
            | Event::Disabled
            | Event::ApprovalDeclined { .. }
            | Event::Cancelled
            | Event::Display(_)
            | _ => {}
        }
    }

    fn tell(&self, what: impl std::fmt::Display, seen: Seen) {
        self.say(what);
        // Nobody watches a street that is being left.
        let _ = self.seer.send(seen);
    }

    fn say(&self, what: impl std::fmt::Display) {
        self.transcript.say("machine", what);
    }
}

fn money(minor: u32) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
