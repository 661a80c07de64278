use crate::chance;
use crate::fault::StreetFault;
use crate::handset::Handset;
use crate::phone::{Carried, Phone, summary};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_ble::ServiceUuid;
use gettone_channel::{BoardState, Ephemeral, Status, Want};
use gettone_phone::{Broken, Input, News, Output, Phase, Request};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// The longest that the street waits for one thing to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a phone is told whose owner keeps the envelopes back: the server has them, and says nothing.
const SILENCE: &[u8] = br#"{"envelopes":[],"results":[]}"#;

/// A phone linked to the reader: the reference phone, with this street's radio and network.
pub struct Visit<'a> {
    phone: &'a Phone<'a>,
    pipe: Option<Handset>,
    carrier: gettone_phone::Phone,
    began: Instant,
    /// What the carrier asks for and tells, and nobody has looked at yet.
    events: VecDeque<Event>,
    /// What the phone shows of the reader's status.
    shown: String,
    /// What the relay exchange has cost, up to the grant.
    relay: Relay,
    /// The server's last word of receipts, as this phone has brought them.
    brought: u64,
}

#[derive(Debug)]
enum Event {
    Status(Status),
    Ask(Request),
    Seek(ServiceUuid),
    Wanted(Want),
    /// An envelope that its phone's owner has taken out of a request.
    Letter(Vec<u8>),
}

/// What a reader says on the link.
#[derive(PartialEq, Eq, Debug)]
pub enum Heard {
    /// Where it stands.
    Status(Status),
    /// An envelope for the server.
    Envelope(Vec<u8>),
}

/// What one relay exchange came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Relay {
    /// Requests over the air that waited for their response.
    pub round_trips: u32,
    /// Bytes of values over the air, both ways.
    pub value_bytes: u64,
}

impl<'a> Visit<'a> {
    /// A visit that has not begun: the code is shown, and the name that its reader will say is known.
    pub(crate) fn begin(
        phone: &'a Phone<'a>,
        carrier: gettone_phone::Phone,
        secret: gettone_channel::Secret,
    ) -> Result<(Self, ServiceUuid), StreetFault> {
        let mut visit = Self {
            phone,
            pipe: None,
            carrier,
            began: Instant::now(),
            events: VecDeque::new(),
            shown: String::new(),
            relay: Relay::default(),
            brought: 0,
        };
        visit.carrier.handle(Duration::ZERO, Input::Show(secret));
        let asked = core::iter::from_fn(|| visit.carrier.poll());
        let name = asked.filter_map(|output| match output {
            Output::Seek(name) => Some(name),
            Output::Rest
            | Output::Write(_)
            | Output::HangUp
            | Output::Ask(_)
            | Output::Keep
            | Output::News(_) => None,
        });
        let name = name.last();
        let name = name.ok_or(StreetFault::Unexpected("a phone that looks for nobody"))?;
        Ok((visit, name))
    }

    /// Links over a connection to the reader that it looks for.
    ///
    /// # Errors
    /// `StreetFault` when the reader does not know the secret, or is gone.
    pub async fn connect(&mut self, pipe: Handset) -> Result<(), StreetFault> {
        let input = Input::Connected {
            mtu: pipe.mtu(),
            ephemeral: Ephemeral::from_bytes(chance::bytes()?),
        };
        self.pipe = Some(pipe);
        self.tell(input).await?;
        while matches!(self.carrier.phase(), Phase::Linking | Phase::Relinking) {
            self.listen("the link").await?;
        }
        match self.carrier.phase() {
            Phase::Linked => {
                self.phone
                    .say("is linked: encrypted, and nobody else is heard");
                Ok(())
            }
            Phase::Away | Phase::Seeking | Phase::Linking | Phase::Resuming | Phase::Relinking => {
                Err(StreetFault::Link("it did not come about".to_owned()))
            }
        }
    }

    /// Loses its radio in a session; gives the name under which the reader waits for it.
    ///
    /// # Errors
    /// `StreetFault` when there is no session to come back to.
    pub async fn lose(&mut self) -> Result<ServiceUuid, StreetFault> {
        self.pipe = None;
        self.tell(Input::Disconnected).await?;
        let found = self.events.iter().rev().find_map(|event| match event {
            Event::Seek(name) => Some(*name),
            Event::Status(_) | Event::Ask(_) | Event::Wanted(_) | Event::Letter(_) => None,
        });
        found.ok_or(StreetFault::Unexpected("a session without a way back"))
    }

    /// Carries envelopes both ways until the reader's status is the one waited for.
    ///
    /// # Errors
    /// `StreetFault` when it does not come, or the link breaks.
    pub async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, StreetFault> {
        loop {
            match self.next(what).await? {
                Event::Status(status) if wanted(&status) => return Ok(status),
                Event::Ask(request) => self.deliver(&request).await?,
                Event::Status(_) | Event::Seek(_) | Event::Wanted(_) | Event::Letter(_) => {}
            }
        }
    }

    /// Carries envelopes both ways until one has been carried, the reader is free, and nothing more
    /// comes for a while.
    pub(crate) async fn until_quiet(
        &mut self,
        what: &str,
        quiet: Duration,
    ) -> Result<(), StreetFault> {
        let (mut is_free, mut has_carried) = (false, false);
        loop {
            let next = match is_free && has_carried {
                true => match timeout(quiet, self.next(what)).await {
                    Ok(next) => next?,
                    Err(_) => return Ok(()),
                },
                false => self.next(what).await?,
            };
            match next {
                Event::Status(status) => {
                    is_free = matches!(status.state, BoardState::Linked | BoardState::Idle);
                }
                Event::Ask(request) => {
                    has_carried = true;
                    self.deliver(&request).await?;
                }
                Event::Seek(_) | Event::Wanted(_) | Event::Letter(_) => {}
            }
        }
    }

    /// Carries whatever there is, packages to the reader too, until nothing came for a while; tells of
    /// each turn of pieces.
    ///
    /// # Errors
    /// `StreetFault` when the link breaks.
    pub async fn care(
        &mut self,
        quiet: Duration,
        mut told: impl FnMut(&Want),
    ) -> Result<(), StreetFault> {
        loop {
            let Ok(next) = timeout(quiet, self.next("anything")).await else {
                return Ok(());
            };
            match next? {
                Event::Ask(request) => self.deliver(&request).await?,
                Event::Wanted(want) => told(&want),
                Event::Status(_) | Event::Seek(_) | Event::Letter(_) => {}
            }
        }
    }

    /// Carries whatever there is until the reader asks for a package's pieces, which are on their way to
    /// it then.
    pub(crate) async fn wanted(&mut self, what: &str) -> Result<Want, StreetFault> {
        loop {
            match self.next(what).await? {
                Event::Wanted(want) => return Ok(want),
                Event::Ask(request) => self.deliver(&request).await?,
                Event::Status(_) | Event::Seek(_) | Event::Letter(_) => {}
            }
        }
    }

    /// The next thing that the reader says; nothing is done about it. What it has for the server is
    /// the caller's: the phone believes it delivered.
    ///
    /// # Errors
    /// `StreetFault` when it does not come, or the link breaks.
    pub async fn hear(&mut self, what: &str) -> Result<Heard, StreetFault> {
        loop {
            match self.next(what).await? {
                Event::Status(status) => return Ok(Heard::Status(status)),
                Event::Letter(envelope) => return Ok(Heard::Envelope(envelope)),
                Event::Ask(request) => {
                    let letters = letters(&request)?;
                    let events = letters.into_iter().map(Event::Letter);
                    events.rev().for_each(|event| self.events.push_front(event));
                    self.tell(Input::Answered {
                        status: 200,
                        body: SILENCE.to_vec(),
                    })
                    .await?;
                }
                Event::Seek(_) | Event::Wanted(_) => {}
            }
        }
    }

    /// Carries an envelope of this link to the server.
    ///
    /// # Errors
    /// `StreetFault` when the server does not answer.
    pub fn carry(&self, envelope: &[u8]) -> Result<Carried, StreetFault> {
        self.phone.carry(envelope, Some(&self.handshake()))
    }

    /// The same without a word: there may be many of them.
    pub(crate) fn carry_quietly(&self, envelope: &[u8]) -> Result<Carried, StreetFault> {
        self.phone.carry_quietly(envelope, Some(&self.handshake()))
    }

    /// Brings an envelope to the reader, wherever it comes from.
    ///
    /// # Errors
    /// `StreetFault` when the link breaks.
    pub async fn bring(&mut self, envelope: Vec<u8>) -> Result<(), StreetFault> {
        self.tell(Input::Bring(envelope)).await
    }

    /// Asks for another purchase on this link.
    ///
    /// # Errors
    /// `StreetFault` when the link breaks.
    pub async fn again(&mut self) -> Result<(), StreetFault> {
        self.tell(Input::Again).await
    }

    /// The handshake hash of the link, as servers are told it; nothing when none is up.
    pub fn handshake(&self) -> String {
        let link = self.carrier.handshake();
        link.map(|link| link.to_string()).unwrap_or_default()
    }

    /// Sends bytes that no link has sealed.
    ///
    /// # Errors
    /// `StreetFault` when the connection is gone.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), StreetFault> {
        let pipe = self.pipe.as_mut().ok_or_else(gone)?;
        within("the reader to take a message", pipe.send(bytes)).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// `StreetFault` when the link breaks.
    pub async fn leave(&mut self) -> Result<(), StreetFault> {
        self.phone.say("leaves");
        self.tell(Input::Leave).await
    }

    /// Is gone from one moment to the next: battery, lift, tunnel.
    pub fn vanish(self) {
        self.phone.say("is gone: no radio, no network");
    }

    /// What it took from connecting to the grant.
    pub const fn relay(&self) -> Relay {
        self.relay
    }

    /// Receipts that the server has taken from this phone.
    pub const fn brought(&self) -> u64 {
        self.brought
    }
}

/// Between the carrier and the street.
impl Visit<'_> {
    async fn next(&mut self, what: &str) -> Result<Event, StreetFault> {
        loop {
            match self.events.pop_front() {
                Some(event) => return Ok(event),
                None => self.listen(what).await?,
            }
        }
    }

    /// Waits for the reader's next value, or until the carrier wants to know the time.
    async fn listen(&mut self, what: &str) -> Result<(), StreetFault> {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = self.began.elapsed();
            let due = self.carrier.next_deadline();
            let due = due.map_or(PATIENCE, |due| due.saturating_sub(now));
            let left = until.saturating_duration_since(Instant::now());
            let pipe = self.pipe.as_mut().ok_or_else(gone)?;
            let value = tokio::select! {
                biased;
                value = pipe.value() => value,
                () = sleep(due.min(left)) => {
                    if Instant::now() >= until {
                        return Err(silence(what));
                    }
                    self.tell(Input::Tick).await?;
                    if self.events.is_empty() {
                        continue;
                    }
                    return Ok(());
                }
            };
            let value = value.map_err(|fault| StreetFault::Link(format!("{what}: {fault}")))?;
            return self.tell(Input::Value(value)).await;
        }
    }

    /// Tells the carrier one thing, and does what it asks for.
    async fn tell(&mut self, input: Input) -> Result<(), StreetFault> {
        self.carrier.handle(self.began.elapsed(), input);
        let mut broken: Option<Broken> = None;
        while let Some(output) = self.carrier.poll() {
            match output {
                Output::Write(value) => {
                    let pipe = self.pipe.as_mut().ok_or_else(gone)?;
                    within("the reader to take a message", pipe.write(&value)).await?;
                }
                Output::Ask(request) => self.events.push_back(Event::Ask(request)),
                Output::Seek(name) => self.events.push_back(Event::Seek(name)),
                Output::HangUp => self.pipe = None,
                Output::News(News::Status(status)) => {
                    if !status.line.is_empty() && status.line != self.shown {
                        self.shown.clone_from(&status.line);
                        self.phone.say(format_args!("shows: {}", status.line));
                    }
                    self.events.push_back(Event::Status(status));
                }
                Output::News(News::Wanted(want)) => self.events.push_back(Event::Wanted(want)),
                Output::News(News::Broken(why)) => broken = Some(why),
                // Nobody stores anything here: a visit's phone ends with it.
                Output::Rest
                | Output::Keep
                | Output::News(
                    News::Phase(_) | News::Told(_) | News::SignedOut | News::Refused { .. },
                ) => {}
            }
        }
        match broken {
            Some(why) => Err(StreetFault::Link(why.to_string())),
            None => Ok(()),
        }
    }

    /// Sends a request, and brings its answer.
    async fn deliver(&mut self, request: &Request) -> Result<(), StreetFault> {
        let answered = match self.phone.deliver(request) {
            Ok((status, body)) => {
                let said: Value = serde_json::from_str(&body).unwrap_or_default();
                for result in said["results"].as_array().into_iter().flatten() {
                    self.phone
                        .say(format_args!("the server says: {}", summary(result)));
                    self.brought += result["receipts"].as_u64().unwrap_or_default();
                }
                let body = body.into_bytes();
                Input::Answered { status, body }
            }
            Err(fault) => {
                self.phone
                    .say(format_args!("does not reach the server: {fault}"));
                Input::Unanswered
            }
        };
        self.tell(answered).await?;
        if self.relay == Relay::default()
            && let Some(pipe) = &self.pipe
        {
            let traffic = pipe.traffic();
            self.relay = Relay {
                round_trips: traffic.round_trips,
                value_bytes: traffic.value_bytes,
            };
        }
        Ok(())
    }
}

/// The envelopes of a request.
fn letters(request: &Request) -> Result<Vec<Vec<u8>>, StreetFault> {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let texts = body["envelopes"].as_array().into_iter().flatten();
    let envelopes = texts.map(|text| BASE64.decode(text.as_str().unwrap_or_default()));
    envelopes
        .collect::<Result<_, _>>()
        .map_err(|_| StreetFault::Unexpected("an envelope that is no base64"))
}

pub(crate) async fn within<T, E: std::fmt::Display>(
    what: &str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, StreetFault> {
    match timeout(PATIENCE, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => Err(StreetFault::Link(format!("{what}: {fault}"))),
        Err(_) => Err(silence(what)),
    }
}

fn silence(what: &str) -> StreetFault {
    StreetFault::Silence {
        what: what.to_owned(),
        seconds: PATIENCE.as_secs(),
    }
}

fn gone() -> StreetFault {
    StreetFault::Link("it is gone".to_owned())
}
