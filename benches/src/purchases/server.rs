//! The gateway in a process of its own, and an operator's way to ask it.

use crate::fault::Fault;
use core::time::Duration;
use gettone_channel::{self as channel, StaticKey};
use gettone_relay as relay;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The longest that one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The first argument that makes this executable the gateway.
pub const PART: &str = "gateway";

pub(crate) struct Server {
    child: Child,
    config: PathBuf,
    url: String,
    operator_key: String,
    platform_key: String,
    agent: ureq::Agent,
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Result<Self, Fault> {
        let (operator_key, platform_key) = (random_hex()?, random_hex()?);
        let config = dir.join("gateway.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\nstate = \"gateway\"\n\n\
             [platform]\napi_key_sha256 = \"{}\"\n\n\
             [[operator]]\nnumber = 1\nname = \"Caffè Aurora\"\napi_key_sha256 = \"{}\"\n",
            digest(&platform_key),
            digest(&operator_key),
        );
        fs::write(&config, text).map_err(Fault::io("writing the gateway's configuration"))?;
        let itself = env::current_exe().map_err(Fault::io("finding this executable"))?;
        let mut child = Command::new(itself)
            .args([PART, "serve", "--config"])
            .arg(&config)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Fault::io("starting the gateway"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(Fault::io("reading what the gateway says"))?;
        }
        let url = line.strip_prefix("listening on ").map(str::trim);
        let url = url
            .ok_or_else(|| Fault::call("starting the gateway")("it did not come up"))?
            .to_owned();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_MAX))
            .http_status_as_error(false)
            .max_idle_connections(512)
            .max_idle_connections_per_host(512)
            .build()
            .into();
        Ok(Self {
            child,
            config,
            url,
            operator_key,
            platform_key,
            agent,
        })
    }

    /// Opens a wallet with much money in it; the customer's way to ask.
    pub(crate) fn customer(&self, number: usize) -> Result<Asker, Fault> {
        let opened = self
            .operator()
            .post("/v1/wallets", &json!({"wallet": number, "currency": "EUR"}))?;
        let named = &opened["wallet"];
        self.asker(&self.platform_key).post(
            &format!("/v1/wallets/{named}/top-ups"),
            &json!({"amount": "1000000.00"}),
        )?;
        Ok(self.asker(opened["token"].as_str().unwrap_or_default()))
    }

    /// Registers a machine that sells espressos, and the reader with this key for it.
    pub(crate) fn enrol(&self, number: usize, key: &StaticKey) -> Result<relay::Server, Fault> {
        let operator = self.operator();
        operator.post(
            "/v1/machines",
            &json!({
                "machine": number, "currency": "EUR", "cap": "5.00",
                "vends_max": 1, "fee_basis_points": 150,
            }),
        )?;
        operator.post(
            &format!("/v1/machines/{number}/products"),
            &json!({"item": 1, "name": "espresso", "price": "1.20"}),
        )?;
        let enrolled = operator.post(
            "/v1/readers",
            &json!({
                "public_key": key.public().to_string(),
                "claim_code": channel::claim_code(&key.public()).to_string(),
                "machine": number,
            }),
        )?;
        server_key(&enrolled)
    }

    /// The operator's way to ask.
    fn operator(&self) -> Asker {
        self.asker(&self.operator_key)
    }

    fn asker(&self, key: &str) -> Asker {
        Asker {
            agent: self.agent.clone(),
            url: self.url.clone(),
            authorization: format!("Bearer {key}"),
        }
    }

    /// The processor time that the gateway has used so far, where the system tells.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        processor_time(&format!("/proc/{}/stat", self.child.id()))
    }

    /// Ends it as a service manager would; whether its books balance.
    pub(crate) fn stop(mut self) -> Result<bool, Fault> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)
                .map_err(|fault| Fault::io("stopping the gateway")(fault.into()))?;
        }
        self.child
            .wait()
            .map_err(Fault::io("waiting for the gateway"))?;
        let itself = env::current_exe().map_err(Fault::io("finding this executable"))?;
        let audit = Command::new(itself)
            .args([PART, "audit", "--config"])
            .arg(&self.config)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .status()
            .map_err(Fault::io("auditing the books"))?;
        Ok(audit.success())
    }
}

impl Drop for Server {
    /// A measurement that breaks off leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One party's way to ask the gateway.
#[derive(Clone)]
pub(crate) struct Asker {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

impl Asker {
    /// Where it asks, `HOST:PORT`.
    pub(crate) fn place(&self) -> &str {
        self.url.strip_prefix("http://").unwrap_or(&self.url)
    }

    /// The credential, as HTTP carries it.
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Authorization", &self.authorization)
            .header("Idempotency-Key", random_hex()?)
            .send_json(body)
            .map_err(Fault::call("asking the gateway"))?;
        let status = answer.status();
        let value: Value = answer
            .body_mut()
            .read_json()
            .map_err(Fault::call("reading the gateway's answer"))?;
        if status.is_success() {
            Ok(value)
        } else {
            Err(Fault::call("asking the gateway")(value))
        }
    }
}

/// The server's key as a reader is given it at enrolment.
fn server_key(enrolled: &Value) -> Result<relay::Server, Fault> {
    let broken = || Fault::call("enrolling a reader")(enrolled);
    let text = enrolled["server_public_key"].as_str().ok_or_else(broken)?;
    let epoch = enrolled["server_epoch"].as_u64().ok_or_else(broken)?;
    Ok(relay::Server {
        epoch: u16::try_from(epoch).map_err(Fault::call("enrolling a reader"))?,
        key: text.parse().map_err(|_| broken())?,
    })
}

/// Time in user and in kernel mode: fields 14 and 15 of proc(5)'s stat, in hundredths of a second.
pub(crate) fn processor_time(stat: &str) -> Option<Duration> {
    let text = fs::read_to_string(stat).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        user.checked_add(system)?.checked_mul(10)?,
    ))
}

fn random_hex() -> Result<String, Fault> {
    Ok(hex(&random::<16>()?))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Fault::call("asking for random bytes"))?;
    Ok(bytes)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(key: &str) -> String {
    hex(&Sha256::digest(key))
}
