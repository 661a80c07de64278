use crate::fault::StreetFault;
use crate::process::Program;
use crate::transcript::Transcript;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest that one answer of the server may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Longest content that is fetched: a package's.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// How long a connection may rest before another request: the server hangs up after 5 s, and a
/// request that meets its hanging up is lost.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// A short street fills small files.
pub(crate) const SEGMENT_BYTES: u64 = 1024 * 1024;

/// Who may ask the server for what.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// Nobody in particular.
    None,
    /// The operator of the machine.
    Operator,
    /// The platform, which books what the issuer confirms.
    Platform,
    /// A customer, by the token of their app.
    Customer(&'a str),
    /// A customer who has signed in, by the cookie that came with it.
    Session(&'a str),
    /// Somebody of an operator, by an API key.
    Staff(&'a str),
}

/// The cookie of a customer who has signed in.
const SESSION_COOKIE: &str = "gettone_app";

/// The real gateway in a process of its own, or somebody else's; and everybody's way to ask it.
pub struct Server {
    running: Mutex<Running>,
    config: PathBuf,
    letters: PathBuf,
    url: String,
    operator_key: String,
    platform_key: String,
}

/// The gateway's process, and the connections to it; none of them outlives it.
struct Running {
    program: Option<Program>,
    agent: ureq::Agent,
}

impl Running {
    fn new(program: Option<Program>) -> Mutex<Self> {
        let agent = agent();
        Mutex::new(Self { program, agent })
    }
}

impl Server {
    /// Starts the gateway with a store of its own under `dir`.
    ///
    /// # Errors
    /// `StreetFault` when it cannot be started or does not come up.
    pub fn start(dir: &Path, transcript: &Transcript) -> Result<Self, StreetFault> {
        let operator_key = crate::chance::hex::<32>()?;
        let platform_key = crate::chance::hex::<32>()?;
        let config = dir.join("gateway.toml");
        let letters = dir.join("letters");
        fs::create_dir_all(&letters).map_err(|source| StreetFault::file(&letters, source))?;
        let text = format!(
            "listen = \"127.0.0.1:0\"\nstate = \"gateway\"\n\n\
             [platform]\napi_key_sha256 = \"{}\"\n\n\
             [[operator]]\nnumber = 1\nname = \"Caffè Aurora\"\napi_key_sha256 = \"{}\"\n\n\
             [courier]\nfolder = \"letters\"\n\n\
             [limits]\nsegment_bytes = {SEGMENT_BYTES}\n",
            digest(&platform_key),
            digest(&operator_key),
        );
        fs::write(&config, &text).map_err(|source| StreetFault::file(&config, source))?;
        let (program, url) = serve(&config, transcript)?;
        // Whoever starts it again finds it where it was.
        let address = url.strip_prefix("http://").unwrap_or("127.0.0.1:0");
        let text = text.replace("127.0.0.1:0", address);
        fs::write(&config, text).map_err(|source| StreetFault::file(&config, source))?;
        Ok(Self {
            running: Running::new(Some(program)),
            config,
            letters,
            url,
            operator_key,
            platform_key,
        })
    }

    /// Kills the gateway's process, whatever it was at.
    pub fn crash(&self) {
        self.running().program = None;
    }

    /// Ends the gateway as a service manager would, to start it again later.
    ///
    /// # Errors
    /// `StreetFault` when it does not end well.
    pub fn rest(&self) -> Result<(), StreetFault> {
        let program = self.running().program.take();
        program.map_or(Ok(()), Program::stop)
    }

    /// Starts the gateway again on what it had kept, at the same address.
    ///
    /// # Errors
    /// `StreetFault` when it does not come up.
    pub fn start_again(&self, transcript: &Transcript) -> Result<(), StreetFault> {
        let (program, _) = serve(&self.config, transcript)?;
        *self.running() = Running {
            program: Some(program),
            agent: agent(),
        };
        Ok(())
    }

    /// Where the gateway keeps journal, tables and keys.
    pub fn state(&self) -> PathBuf {
        self.config.with_file_name("gateway")
    }

    /// A gateway that somebody else runs, at `http://HOST:PORT`. Nobody has its keys here.
    pub fn at(url: &str) -> Self {
        Self {
            running: Running::new(None),
            config: PathBuf::new(),
            letters: PathBuf::new(),
            url: url.trim_end_matches('/').to_owned(),
            operator_key: String::new(),
            platform_key: String::new(),
        }
    }

    /// Asks the server to do something. Who signs in by it finds their cookie as `session`.
    ///
    /// # Errors
    /// `StreetFault` when it does not answer, or refuses.
    pub fn post(&self, key: Key<'_>, path: &str, body: &Value) -> Result<Value, StreetFault> {
        let mut request = self
            .agent()
            .post(format!("{}{path}", self.url))
            .header("Idempotency-Key", crate::chance::hex::<16>()?);
        if let Some((name, value)) = self.credential(key) {
            request = request.header(name, value);
        }
        let mut answer = request
            .send_json(body)
            .map_err(|source| StreetFault::http(path, source))?;
        let status = answer.status();
        let cookie = answer
            .headers()
            .get("set-cookie")
            .and_then(|cookie| cookie.to_str().ok())
            .and_then(|cookie| cookie.strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
            .and_then(|cookie| cookie.split(';').next())
            .map(str::to_owned);
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|source| StreetFault::http(path, source))?;
        // Some answers are their status alone.
        let mut value: Value = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .map_err(|_| StreetFault::Unexpected("an answer that is no JSON"))?,
        };
        if status.is_success() {
            if let (Some(cookie), Some(fields)) = (cookie, value.as_object_mut()) {
                fields.insert("session".to_owned(), cookie.into());
            }
            Ok(value)
        } else {
            Err(StreetFault::Refused {
                path: path.to_owned(),
                answer: value.to_string(),
            })
        }
    }

    /// Puts something in its place at the server.
    ///
    /// # Errors
    /// `StreetFault` when it does not answer, or refuses.
    pub fn put(&self, key: Key<'_>, path: &str, body: &Value) -> Result<Value, StreetFault> {
        let mut request = self.agent().put(format!("{}{path}", self.url));
        if let Some((name, value)) = self.credential(key) {
            request = request.header(name, value);
        }
        let fault = |source| StreetFault::http(path, source);
        let mut answer = request.send_json(body).map_err(fault)?;
        let text = answer.body_mut().read_to_string().map_err(fault)?;
        match answer.status().is_success() {
            true => Ok(serde_json::from_str(&text).unwrap_or_default()),
            false => Err(StreetFault::Refused {
                path: path.to_owned(),
                answer: text,
            }),
        }
    }

    /// The operator's API key.
    pub fn operator_key(&self) -> &str {
        &self.operator_key
    }

    /// Sends a body of JSON as it is; gives status and body of the answer, whatever it says.
    ///
    /// # Errors
    /// `StreetFault` when it does not answer.
    pub fn post_text(
        &self,
        key: Key<'_>,
        path: &str,
        body: &str,
    ) -> Result<(u16, String), StreetFault> {
        let mut request = self
            .agent()
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        if let Some((name, value)) = self.credential(key) {
            request = request.header(name, value);
        }
        let mut answer = request
            .send(body)
            .map_err(|source| StreetFault::http(path, source))?;
        let text = answer.body_mut().read_to_string();
        let text = text.map_err(|source| StreetFault::http(path, source))?;
        Ok((answer.status().as_u16(), text))
    }

    /// Asks the server for bytes.
    ///
    /// # Errors
    /// `StreetFault` when it does not answer, or refuses.
    pub fn bytes(&self, key: Key<'_>, path: &str) -> Result<Vec<u8>, StreetFault> {
        let mut request = self.agent().get(format!("{}{path}", self.url));
        if let Some((name, value)) = self.credential(key) {
            request = request.header(name, value);
        }
        let fault = |source| StreetFault::http(path, source);
        let mut answer = request.call().map_err(fault)?;
        let is_given = answer.status().is_success();
        // As long as a package may be.
        let body = answer.body_mut().with_config().limit(BYTES_MAX);
        let bytes = body.read_to_vec().map_err(fault)?;
        if is_given {
            return Ok(bytes);
        }
        Err(StreetFault::Refused {
            path: path.to_owned(),
            answer: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Asks the server for something.
    ///
    /// # Errors
    /// `StreetFault` when it does not answer, or refuses.
    pub fn get(&self, key: Key<'_>, path: &str) -> Result<Value, StreetFault> {
        let mut request = self.agent().get(format!("{}{path}", self.url));
        if let Some((name, value)) = self.credential(key) {
            request = request.header(name, value);
        }
        request
            .call()
            .map_err(|source| StreetFault::http(path, source))?
            .body_mut()
            .read_json()
            .map_err(|source| StreetFault::http(path, source))
    }

    /// Opens a customer's wallet with this much in it, given by the operator; its app token.
    ///
    /// # Errors
    /// `StreetFault` when the server does not.
    pub fn customer(&self, wallet: u64, amount: &str) -> Result<String, StreetFault> {
        let opened = self.post(
            Key::Operator,
            "/v1/wallets",
            &json!({"wallet": wallet, "currency": "EUR"}),
        )?;
        let named = opened["wallet"]
            .as_u64()
            .ok_or(StreetFault::Unexpected("a wallet without a number"))?;
        self.post(
            Key::Platform,
            &format!("/v1/wallets/{named}/top-ups"),
            &json!({"amount": amount}),
        )?;
        opened["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or(StreetFault::Unexpected("a wallet without a token"))
    }

    /// Resident memory, in KiB, where the system tells.
    pub fn resident_kib(&self) -> Option<u64> {
        self.running().program.as_ref()?.resident_kib()
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it puts the codes that customers sign in by.
    pub fn letters(&self) -> &Path {
        &self.letters
    }

    /// Ends the server as a service manager would; gives the configuration that the audit needs.
    ///
    /// # Errors
    /// `StreetFault` when it does not end well.
    pub fn stop(self) -> Result<PathBuf, StreetFault> {
        self.rest()?;
        Ok(self.config)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // Nothing panics while it is held; a poisoned one is whole.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn agent(&self) -> ureq::Agent {
        self.running().agent.clone()
    }

    fn credential(&self, key: Key<'_>) -> Option<(&'static str, String)> {
        let bearer = |secret: &str| Some(("Authorization", format!("Bearer {secret}")));
        match key {
            Key::None => None,
            Key::Operator => bearer(&self.operator_key),
            Key::Platform => bearer(&self.platform_key),
            Key::Customer(token) => bearer(token),
            Key::Staff(key) => bearer(key),
            Key::Session(cookie) => Some(("Cookie", format!("{SESSION_COOKIE}={cookie}"))),
        }
    }
}

fn serve(config: &Path, transcript: &Transcript) -> Result<(Program, String), StreetFault> {
    let mut program = Program::start(
        "gateway",
        &["serve".as_ref(), "--config".as_ref(), config.as_os_str()],
    )?;
    let url = program.first_line_after("listening on ")?;
    program.follow("server", transcript, crate::process::message);
    Ok((program, url))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER_MAX))
        .max_idle_age(IDLE_MAX)
        .http_status_as_error(false)
        .build()
        .into()
}

/// What the configuration keeps of an API key.
fn digest(key: &str) -> String {
    Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
