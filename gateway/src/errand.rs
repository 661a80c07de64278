//! What the program asks of a gateway that runs: one call with an operator's key.

use gettone_mdb::bounds::DTS_LEN_MAX;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

const CALL_MAX: Duration = Duration::from_secs(20);
const ANSWER_LEN_MAX: u64 = 1024 * 1024;
const KEY_LEN_MAX: u64 = 512;

/// Somebody with an operator's key.
pub(crate) struct Errand {
    agent: ureq::Agent,
    server: String,
    key: Zeroizing<String>,
}

impl Errand {
    /// Calls `server` with the key in the file `key`; `-` is the standard input.
    pub(crate) fn new(server: &str, key: &Path) -> Result<Self, ErrandFault> {
        let server = server.trim_end_matches('/');
        if !server.starts_with("http://") {
            return Err(ErrandFault::Server(server.to_owned()));
        }
        let words = read(key, KEY_LEN_MAX).map(Zeroizing::new)?;
        let key = Zeroizing::new(words.trim().to_owned());
        if key.is_empty() || !key.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(ErrandFault::Key);
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(CALL_MAX))
            .max_redirects(0)
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.into(),
            server: server.to_owned(),
            key,
        })
    }

    /// Brings a machine's audit; gives what it says, as JSON.
    pub(crate) fn bring_audit(&self, machine: u32, audit: &Path) -> Result<String, ErrandFault> {
        let bound = u64::try_from(DTS_LEN_MAX).unwrap_or(u64::MAX);
        let words = read(audit, bound.saturating_add(1))?;
        let mut authorization = Zeroizing::new(String::from("Bearer "));
        authorization.push_str(&self.key);
        let call = |source| ErrandFault::Call(Box::new(source));
        let mut answer = self
            .agent
            .put(format!("{}/v1/machines/{machine}/dts", self.server))
            .header("authorization", authorization.as_str())
            .send_json(serde_json::json!({ "words": words }))
            .map_err(call)?;
        let status = answer.status();
        let told = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_LEN_MAX)
            .read_to_string()
            .map_err(call)?;
        match status.is_success() {
            true => Ok(told),
            false => Err(ErrandFault::Refused {
                status: status.as_u16(),
                told: printable(&told),
            }),
        }
    }
}

fn read(path: &Path, bound: u64) -> Result<String, ErrandFault> {
    let mut words = String::new();
    let found = match path == Path::new("-") {
        true => io::stdin().take(bound).read_to_string(&mut words),
        false => File::open(path).and_then(|file| file.take(bound).read_to_string(&mut words)),
    };
    match found {
        Ok(_) => Ok(words),
        Err(source) => Err(ErrandFault::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The beginning of an answer, for a terminal.
fn printable(told: &str) -> String {
    let printable = told.chars().filter(|letter| !letter.is_control());
    printable.take(300).collect()
}

/// Why an errand came to nothing.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum ErrandFault {
    /// No gateway can be there.
    #[error("--server: {0:?} is none; write for instance http://127.0.0.1:8080")]
    Server(String),
    /// No key.
    #[error("--api-key-file: no key is in it")]
    Key,
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody answered.
    #[error("the gateway does not answer: {0}")]
    Call(Box<ureq::Error>),
    /// It said no.
    #[error("the gateway refused it ({status}): {told}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        told: String,
    },
}
