use crate::chance;
use crate::fault::StreetFault;
use crate::glow::Glow;
use crate::handset::Handset;
use crate::machine::Pace;
use crate::server::{Key, Server};
use crate::transcript::Transcript;
use crate::visit::{Visit, within};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gettone_ble::ServiceUuid;
use gettone_ble::local;
use gettone_channel::Secret;
use gettone_phone::{Asker, Package, Request};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

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
    /// What a technician's phone brings to readers.
    packages: Vec<Package>,
    transcript: &'a Transcript,
}

/// How a phone shows the server whose it is.
enum Login {
    Token(String),
    Session(String),
    /// It only carries.
    Nobody,
}

/// Where things are on the street.
#[derive(Clone, Debug)]
pub struct Places {
    /// The directory that stands for the air.
    pub air: PathBuf,
    /// The socket of the reader's light sensor.
    pub light: PathBuf,
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

    /// A technician's phone: nobody is signed in on it, and it brings packages to readers.
    pub fn technicians(
        name: &'static str,
        packages: Vec<Package>,
        server: &'a Server,
        places: &'a Places,
        transcript: &'a Transcript,
    ) -> Self {
        Self {
            packages,
            ..Self::of(name, Login::Nobody, server, places, transcript)
        }
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
            packages: Vec::new(),
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
            Login::Nobody => Key::None,
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
        let (mut visit, service) = self.show(Secret::light(bytes))?;
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
        visit.connect(Handset::Local(pipe)).await?;
        Ok(visit)
    }

    /// Begins a visit with this secret; gives the name that its reader will say on the air.
    fn show(&'a self, secret: Secret) -> Result<(Visit<'a>, ServiceUuid), StreetFault> {
        let packages = self.packages.iter().cloned();
        let carrier = gettone_phone::Phone::default().carrying(packages);
        Visit::begin(self, carrier, secret)
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
    pub async fn link(&'a self, pipe: Handset, secret: Secret) -> Result<Visit<'a>, StreetFault> {
        let (mut visit, _) = self.show(secret)?;
        visit.connect(pipe).await?;
        Ok(visit)
    }

    /// Sends a request as the phone has made it; gives status and body of the answer.
    pub(crate) fn deliver(&self, request: &Request) -> Result<(u16, String), StreetFault> {
        let key = match request.asker {
            Asker::Customer => self.key(),
            Asker::Nobody => Key::None,
        };
        self.server.post_text(key, request.path, &request.body)
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
    pub(crate) fn carry_quietly(
        &self,
        envelope: &[u8],
        h: Option<&str>,
    ) -> Result<Carried, StreetFault> {
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

/// One result of a relay, in words.
pub(crate) fn summary(result: &Value) -> String {
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
