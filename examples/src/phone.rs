use crate::chance;
use crate::fault::StreetFault;
use crate::glow::Glow;
use crate::handset::Handset;
use crate::machine::Pace;
use crate::server::{Key, Server};
use crate::transcript::Transcript;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_ble::ServiceUuid;
use gettone_ble::local;
use gettone_channel::{
    BoardState, Ephemeral, Hello1, Initiator, LINK_VERSION, Link, LinkMessage, Psk, Secret, Status,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The longest that the street waits for one thing to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the phone asks for; a common value among phones of the day.
const MTU: u16 = 185;
/// How often a phone looks whether its reader is on the air.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A customer's phone.
pub struct Phone<'a> {
    name: &'static str,
    login: Login,
    server: &'a Server,
    places: &'a Places,
    pace: Pace,
    transcript: &'a Transcript,
}

/// How a phone shows the server whose it is.
enum Login {
    Token(String),
    Session(String),
}

/// Where things are on the street.
#[derive(Clone, Debug)]
pub struct Places {
    /// The directory that stands for the air.
    pub air: PathBuf,
    /// The socket of the reader's light sensor.
    pub light: PathBuf,
}

/// A phone linked to the reader.
pub struct Visit<'a> {
    phone: &'a Phone<'a>,
    pipe: Handset,
    link: Link,
    /// What the phone shows of the reader's status.
    shown: String,
    /// What the relay exchange has cost, up to the grant.
    relay: Relay,
}

/// What a reader says on the link.
#[derive(PartialEq, Eq, Debug)]
pub enum Heard {
    /// Where it stands.
    Status(Status),
    /// An envelope for the server.
    Envelope(Vec<u8>),
}

/// What the server answered to envelopes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Carried {
    /// Its envelopes for the reader.
    pub envelopes: Vec<Vec<u8>>,
    /// What it says of each envelope that was carried.
    pub results: Vec<Value>,
}

impl Carried {
    /// What became of the first envelope: `granted`, `refused`, ..
    pub fn outcome(&self) -> &str {
        self.text("outcome")
    }

    /// Why there was no grant for it; empty when there was.
    pub fn reason(&self) -> &str {
        self.text("reason")
    }

    fn text(&self, name: &str) -> &str {
        let first = self.results.first();
        first
            .and_then(|result| result[name].as_str())
            .unwrap_or_default()
    }
}

/// What one relay exchange came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Relay {
    /// Requests over the air that waited for their response.
    pub round_trips: u32,
    /// Bytes of values over the air, both ways.
    pub value_bytes: u64,
}

impl<'a> Phone<'a> {
    /// A phone on which this customer is signed in.
    pub fn new(
        name: &'static str,
        token: String,
        server: &'a Server,
        places: &'a Places,
        transcript: &'a Transcript,
    ) -> Self {
        let login = Login::Token(token);
        Self::of(name, login, server, places, transcript)
    }

    /// A phone whose customer has signed in, and got this cookie by it.
    pub fn signed_in(
        name: &'static str,
        session: String,
        server: &'a Server,
        places: &'a Places,
        transcript: &'a Transcript,
    ) -> Self {
        let login = Login::Session(session);
        Self::of(name, login, server, places, transcript)
    }

    fn of(
        name: &'static str,
        login: Login,
        server: &'a Server,
        places: &'a Places,
        transcript: &'a Transcript,
    ) -> Self {
        Self {
            name,
            login,
            server,
            places,
            pace: Pace::Real,
            transcript,
        }
    }

    /// Whose phone it is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn key(&self) -> Key<'_> {
        match &self.login {
            Login::Token(token) => Key::Customer(token),
            Login::Session(cookie) => Key::Session(cookie),
        }
    }

    /// The same phone in a hurry: its light takes no time.
    #[must_use]
    pub fn hurried(mut self) -> Self {
        self.pace = Pace::Hurried;
        self
    }

    /// Asks the server about the customer's own things.
    ///
    /// # Errors
    /// `StreetFault` when the server does not answer.
    pub fn ask(&self, path: &str) -> Result<Value, StreetFault> {
        self.server.get(self.key(), path)
    }

    /// Asks the server to do something for the customer.
    ///
    /// # Errors
    /// `StreetFault` when the server does not answer, or refuses.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, StreetFault> {
        self.server.post(self.key(), path, body)
    }

    /// Shows the light code and links to the reader that saw it.
    ///
    /// # Errors
    /// `StreetFault` when the reader does not see it, or the link fails.
    pub async fn tap(&'a self, seed: u64) -> Result<Visit<'a>, StreetFault> {
        let bytes = chance::bytes::<10>()?;
        self.tap_with(bytes, seed).await
    }

    /// The same with a code that somebody else may know too.
    ///
    /// # Errors
    /// `StreetFault` when the reader does not see it, or the link fails.
    pub async fn tap_with(&'a self, bytes: [u8; 10], seed: u64) -> Result<Visit<'a>, StreetFault> {
        let secret = Secret::light(bytes);
        let service = ServiceUuid::for_eid(secret.eid().as_bytes());
        let air = self.places.air.as_path();
        let glow = Glow::Samples(self.places.light.clone());
        let seen = async {
            while !local::Phone::sees(air, service) {
                sleep(LOOK_EVERY).await;
            }
        };
        self.flash(&glow, bytes, seed, seen).await?;
        let pipe = within(
            "the reader to answer",
            local::Phone::connect(air, service, MTU),
        )
        .await?;
        self.link(Handset::Local(pipe), &secret.psk()).await
    }

    /// Plays a code's colours until `seen` says that its reader is on the air; gives what it says.
    ///
    /// # Errors
    /// `StreetFault` when the reader does not see it.
    pub async fn flash<T>(
        &self,
        glow: &Glow,
        secret: [u8; 10],
        seed: u64,
        seen: impl Future<Output = T>,
    ) -> Result<T, StreetFault> {
        let mut shown = Duration::ZERO;
        let seen = tokio::select! {
            biased;
            seen = seen => seen,
            played = glow.play(secret, seed, self.pace, &mut shown) => {
                played?;
                return Err(StreetFault::Silence {
                    what: "the reader to see the light".to_owned(),
                    seconds: shown.as_secs(),
                });
            }
        };
        self.say(format_args!(
            "shows the light code; the reader has it after {:.2} s of light",
            shown.as_secs_f64()
        ));
        Ok(seen)
    }

    /// Links over a connection to a reader.
    ///
    /// # Errors
    /// `StreetFault` when the reader does not know the secret, or is gone.
    pub async fn link(&'a self, mut pipe: Handset, psk: &Psk) -> Result<Visit<'a>, StreetFault> {
        let hello = Hello1 {
            version: LINK_VERSION,
            caps: 0,
        };
        let ephemeral = Ephemeral::from_bytes(chance::bytes()?);
        let (initiator, link1) = Initiator::start(psk, ephemeral, hello).map_err(refused)?;
        within("the link", pipe.send(&link1)).await?;
        let link2 = within("the link", pipe.receive()).await?;
        let link = initiator.finish(&link2).map_err(refused)?;
        self.say("is linked: encrypted, and nobody else is heard");
        Ok(Visit {
            phone: self,
            pipe,
            link,
            shown: String::new(),
            relay: Relay::default(),
        })
    }

    /// Carries one envelope to the server, over the link with this handshake hash, or as somebody
    /// who only brings what an earlier phone left.
    ///
    /// # Errors
    /// `StreetFault` when the server does not answer.
    pub fn carry(&self, envelope: &[u8], h: Option<&str>) -> Result<Carried, StreetFault> {
        let carried = self.carry_quietly(envelope, h)?;
        for result in &carried.results {
            self.say(format_args!("the server says: {}", summary(result)));
        }
        Ok(carried)
    }

    /// The same without a word: there may be many of them.
    fn carry_quietly(&self, envelope: &[u8], h: Option<&str>) -> Result<Carried, StreetFault> {
        let mut body = json!({"envelopes": [BASE64.encode(envelope)]});
        if let Some(h) = h {
            body["h"] = h.into();
        }
        let answer = self.server.post(self.key(), "/v1/app/relay", &body)?;
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        let envelopes = answer["envelopes"].as_array().into_iter().flatten();
        let envelopes = envelopes.map(|text| {
            BASE64
                .decode(text.as_str().unwrap_or_default())
                .map_err(|_| StreetFault::Unexpected("an envelope that is no base64"))
        });
        Ok(Carried {
            envelopes: envelopes.collect::<Result<_, _>>()?,
            results,
        })
    }

    /// Has the transcript say what this phone does.
    pub(crate) fn say(&self, what: impl std::fmt::Display) {
        self.transcript.say(self.name, what);
    }
}

impl Visit<'_> {
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
            match self.hear(what).await? {
                Heard::Status(status) => {
                    if wanted(&status) {
                        return Ok(status);
                    }
                }
                Heard::Envelope(envelope) => {
                    for reply in self.carry(&envelope)?.envelopes {
                        self.bring(reply).await?;
                    }
                    if self.relay == Relay::default() {
                        let traffic = self.pipe.traffic();
                        self.relay = Relay {
                            round_trips: traffic.round_trips,
                            value_bytes: traffic.value_bytes,
                        };
                    }
                }
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
            let heard = match is_free && has_carried {
                true => match timeout(quiet, self.hear(what)).await {
                    Ok(heard) => heard?,
                    Err(_) => return Ok(()),
                },
                false => self.hear(what).await?,
            };
            match heard {
                Heard::Status(status) => {
                    is_free = matches!(status.state, BoardState::Linked | BoardState::Idle);
                }
                Heard::Envelope(envelope) => {
                    has_carried = true;
                    for reply in self.carry(&envelope)?.envelopes {
                        self.bring(reply).await?;
                    }
                }
            }
        }
    }

    /// The next thing that the reader says; nothing is done about it.
    ///
    /// # Errors
    /// `StreetFault` when it does not come, or the link breaks.
    pub async fn hear(&mut self, what: &str) -> Result<Heard, StreetFault> {
        let bytes = within(what, self.pipe.receive()).await?;
        match self.link.open(&bytes).map_err(refused)? {
            LinkMessage::Status(status) => {
                if !status.line.is_empty() && status.line != self.shown {
                    self.shown.clone_from(&status.line);
                    self.phone.say(format_args!("shows: {}", status.line));
                }
                Ok(Heard::Status(status))
            }
            LinkMessage::Envelope(envelope) => Ok(Heard::Envelope(envelope)),
            // This phone did not say that it carries packages.
            LinkMessage::Leave
            | LinkMessage::Again
            | LinkMessage::Piece(_)
            | LinkMessage::Want(_) => {
                Err(StreetFault::Unexpected("a reader that speaks as a phone"))
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

    /// Brings an envelope to the reader.
    ///
    /// # Errors
    /// `StreetFault` when the link breaks.
    pub async fn bring(&mut self, envelope: Vec<u8>) -> Result<(), StreetFault> {
        self.send(&LinkMessage::Envelope(envelope)).await
    }

    /// Asks for another purchase on this link.
    ///
    /// # Errors
    /// `StreetFault` when the link breaks.
    pub async fn again(&mut self) -> Result<(), StreetFault> {
        self.send(&LinkMessage::Again).await
    }

    /// The handshake hash of the link, as servers are told it.
    pub fn handshake(&self) -> String {
        self.link.handshake().to_string()
    }

    /// Sends bytes that no link has sealed.
    ///
    /// # Errors
    /// `StreetFault` when the connection is gone.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), StreetFault> {
        within("the reader to take a message", self.pipe.send(bytes)).await
    }

    /// Ends the session.
    ///
    /// # Errors
    /// `StreetFault` when the link breaks.
    pub async fn leave(&mut self) -> Result<(), StreetFault> {
        self.phone.say("leaves");
        self.send(&LinkMessage::Leave).await
    }

    /// Is gone from one moment to the next: battery, lift, tunnel.
    pub fn vanish(self) {
        self.phone.say("is gone: no radio, no network");
    }

    /// What it took from connecting to the grant.
    pub const fn relay(&self) -> Relay {
        self.relay
    }

    async fn send(&mut self, message: &LinkMessage) -> Result<(), StreetFault> {
        let sealed = self.link.seal(message).map_err(refused)?;
        within("the reader to take a message", self.pipe.send(&sealed)).await
    }
}

/// One result of a relay, in words.
fn summary(result: &Value) -> String {
    let mut words = result["outcome"].as_str().unwrap_or("nothing").to_owned();
    for (key, text) in [
        ("reason", "because of"),
        ("held", "holding"),
        ("short_by", "short by"),
    ] {
        if let Some(value) = result[key].as_str() {
            words.push_str(&format!(", {text} {value}"));
        }
    }
    if let Some(recorded) = result["receipts"].as_u64().filter(|count| *count > 0) {
        words.push_str(&format!(", receipts taken: {recorded}"));
    }
    words
}

async fn within<T, E: std::fmt::Display>(
    what: &str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, StreetFault> {
    match timeout(PATIENCE, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => Err(StreetFault::Link(format!("{what}: {fault}"))),
        Err(_) => Err(StreetFault::Silence {
            what: what.to_owned(),
            seconds: PATIENCE.as_secs(),
        }),
    }
}

fn refused(fault: gettone_channel::LinkFault) -> StreetFault {
    StreetFault::Link(fault.to_string())
}
