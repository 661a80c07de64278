use crate::chance;
use crate::fault::StreetFault;
use crate::machine::Pace;
use crate::server::{Key, Server};
use crate::transcript::Transcript;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_ble::ServiceUuid;
use gettone_ble::local;
use gettone_channel::{
    Ephemeral, Hello1, Initiator, LINK_VERSION, Link, LinkMessage, Secret, Status,
};
use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{Kind, Payload, RefreshRate, encode};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The longest that the street waits for one thing to happen.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the phone asks for; a common value among phones of the day.
const MTU: u16 = 185;
/// Samples written to the sensor's socket at a time, before the phone looks for its reader again.
const SAMPLES_A_WRITE: usize = 16;
/// How long a phone in a hurry gives its reader to come on the air.
const HURRIED_LOOK: Duration = Duration::from_millis(2);
/// Samples of light that a phone shows before it gives up: about twelve seconds of them.
const SAMPLES_MAX: usize = 4_000;

/// A customer's phone.
pub struct Phone<'a> {
    name: &'static str,
    token: String,
    server: &'a Server,
    places: &'a Places,
    pace: Pace,
    transcript: &'a Transcript,
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
    pipe: local::Phone,
    link: Link,
    /// What the phone shows of the reader's status.
    shown: String,
    /// What the relay exchange has cost, up to the grant.
    relay: Relay,
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
        Self {
            name,
            token,
            server,
            places,
            pace: Pace::Real,
            transcript,
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
        self.server.get(Key::Customer(&self.token), path)
    }

    /// Shows the light code and links to the reader that saw it.
    ///
    /// # Errors
    /// `StreetFault` when the reader does not see it, or the link fails.
    pub async fn tap(&'a self, seed: u64) -> Result<Visit<'a>, StreetFault> {
        let bytes = chance::bytes::<10>()?;
        let secret = Secret::light(bytes);
        let service = ServiceUuid::for_eid(secret.eid().as_bytes());
        let shown_us = self.flash(bytes, service, seed).await?;
        self.say(format_args!(
            "shows the light code; the reader has it after {:.2} s of light",
            shown_us as f64 / 1e6
        ));
        let mut pipe = within(
            "the reader to answer",
            local::Phone::connect(&self.places.air, service, MTU),
        )
        .await?;
        let hello = Hello1 {
            version: LINK_VERSION,
            caps: 0,
        };
        let ephemeral = Ephemeral::from_bytes(chance::bytes()?);
        let (initiator, link1) =
            Initiator::start(&secret.psk(), ephemeral, hello).map_err(refused)?;
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

    /// Plays the code's colours through the light channel until the reader is on the air.
    async fn flash(
        &self,
        secret: [u8; 10],
        service: ServiceUuid,
        seed: u64,
    ) -> Result<u64, StreetFault> {
        let frames = encode(&Payload::new(Kind::Pairing, secret));
        let channel = Channel::new(seed, Tier::Nominal, RefreshRate::HZ_60);
        let light = self.places.light.as_path();
        let mut sensor =
            UnixStream::connect(light).map_err(|fault| StreetFault::file(light, fault))?;
        let mut samples = channel.play(&frames).take(SAMPLES_MAX);
        let (mut first_us, mut last_us) = (None, u64::MAX);
        loop {
            let mut text = String::new();
            let shown_us = last_us;
            for sample in samples.by_ref().take(SAMPLES_A_WRITE) {
                first_us.get_or_insert(sample.t_us);
                last_us = sample.t_us;
                text.push_str(&format!(
                    "{},{},{},{},{}\n",
                    sample.t_us, sample.r, sample.g, sample.b, sample.c
                ));
            }
            if text.is_empty() {
                return Err(StreetFault::Silence {
                    what: "the reader to see the light".to_owned(),
                    seconds: 12,
                });
            }
            sensor
                .write_all(text.as_bytes())
                .map_err(|fault| StreetFault::file(light, fault))?;
            sleep(match self.pace {
                Pace::Real => Duration::from_micros(last_us.saturating_sub(shown_us)),
                Pace::Hurried => HURRIED_LOOK,
            })
            .await;
            if local::Phone::sees(&self.places.air, service) {
                return Ok(last_us - first_us.unwrap_or(last_us));
            }
        }
    }

    /// Carries one envelope to the server; gives the server's envelopes for the reader.
    fn carry(&self, envelope: &[u8], link: &Link) -> Result<Vec<Vec<u8>>, StreetFault> {
        let h: String = link
            .handshake()
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let answer = self.server.post(
            Key::Customer(&self.token),
            "/v1/app/relay",
            &json!({"envelopes": [BASE64.encode(envelope)], "h": h}),
        )?;
        for result in answer["results"].as_array().into_iter().flatten() {
            self.say(format_args!("the server says: {}", summary(result)));
        }
        answer["envelopes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|text| {
                BASE64
                    .decode(text.as_str().unwrap_or_default())
                    .map_err(|_| StreetFault::Unexpected("an envelope that is no base64"))
            })
            .collect()
    }

    fn say(&self, what: impl std::fmt::Display) {
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
            let bytes = within(what, self.pipe.receive()).await?;
            match self.link.open(&bytes).map_err(refused)? {
                LinkMessage::Status(status) => {
                    if !status.line.is_empty() && status.line != self.shown {
                        self.shown.clone_from(&status.line);
                        self.phone.say(format_args!("shows: {}", status.line));
                    }
                    if wanted(&status) {
                        return Ok(status);
                    }
                }
                LinkMessage::Envelope(envelope) => {
                    for reply in self.phone.carry(&envelope, &self.link)? {
                        self.send(&LinkMessage::Envelope(reply)).await?;
                    }
                    if self.relay == Relay::default() {
                        let traffic = self.pipe.traffic();
                        self.relay = Relay {
                            round_trips: traffic.round_trips,
                            value_bytes: traffic.value_bytes,
                        };
                    }
                }
                LinkMessage::Leave | LinkMessage::Again => {
                    return Err(StreetFault::Unexpected("a reader that speaks as a phone"));
                }
            }
        }
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
