use crate::fault::StreetFault;
use crate::process::Program;
use crate::transcript::Transcript;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest that one answer of the server may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A short street fills small files.
const SEGMENT_BYTES: u32 = 1024 * 1024;

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
}

/// The real gateway in a process of its own, and an operator's way to ask it.
pub struct Server {
    program: Program,
    config: PathBuf,
    letters: PathBuf,
    url: String,
    operator_key: String,
    platform_key: String,
    agent: ureq::Agent,
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
        fs::write(&config, text).map_err(|source| StreetFault::file(&config, source))?;
        let mut program = Program::start(
            "gateway",
            &["serve".as_ref(), "--config".as_ref(), config.as_os_str()],
        )?;
        let url = program.first_line_after("listening on ")?;
        program.follow("server", transcript, crate::process::message);
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_MAX))
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Self {
            program,
            config,
            letters,
            url,
            operator_key,
            platform_key,
            agent,
        })
    }

    /// Asks the server to do something.
    ///
    /// # Errors
    /// `StreetFault` when it does not answer, or refuses.
    pub fn post(&self, key: Key<'_>, path: &str, body: &Value) -> Result<Value, StreetFault> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Idempotency-Key", crate::chance::hex::<16>()?);
        if let Some(secret) = self.secret(key) {
            request = request.header("Authorization", format!("Bearer {secret}"));
        }
        let mut answer = request
            .send_json(body)
            .map_err(|source| StreetFault::http(path, source))?;
        let status = answer.status();
        let value: Value = answer
            .body_mut()
            .read_json()
            .map_err(|source| StreetFault::http(path, source))?;
        if status.is_success() {
            Ok(value)
        } else {
            Err(StreetFault::Refused {
                path: path.to_owned(),
                answer: value.to_string(),
            })
        }
    }

    /// Asks the server for something.
    ///
    /// # Errors
    /// `StreetFault` when it does not answer, or refuses.
    pub fn get(&self, key: Key<'_>, path: &str) -> Result<Value, StreetFault> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(secret) = self.secret(key) {
            request = request.header("Authorization", format!("Bearer {secret}"));
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
        self.program.resident_kib()
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
        self.program.stop()?;
        Ok(self.config)
    }

    fn secret<'a>(&'a self, key: Key<'a>) -> Option<&'a str> {
        match key {
            Key::None => None,
            Key::Operator => Some(&self.operator_key),
            Key::Platform => Some(&self.platform_key),
            Key::Customer(token) => Some(token),
        }
    }
}

/// What the configuration keeps of an API key.
fn digest(key: &str) -> String {
    Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
