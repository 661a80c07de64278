//! The installer's calls to the server, made once, when a board is enrolled, replaced or reset.
//!
//! It speaks plain HTTP and only to addresses of this machine or this site: a board has no network
//! of its own, and its program carries no TLS. For a server elsewhere it says the call that any
//! other computer can make.

use gettone_channel::{ClaimCode, PublicKey, ReaderId};
use serde::Deserialize;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

const CALL_MAX: Duration = Duration::from_secs(20);
const ANSWER_LEN_MAX: u64 = 64 * 1024;
const API_KEY_LEN_MAX: u64 = 512;

/// What a server is told of a new reader.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct Application {
    pub(crate) public_key: String,
    pub(crate) claim_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<u32>,
}

impl Application {
    pub(crate) fn new(key: &PublicKey, claim: &ClaimCode, machine: Option<u32>) -> Self {
        Self {
            public_key: key.to_string(),
            claim_code: claim.to_string(),
            machine,
        }
    }
}

/// What the server answers.
#[derive(Deserialize, Clone, Debug)]
pub(crate) struct Enrolled {
    pub(crate) reader_id: String,
    pub(crate) server_public_key: String,
    pub(crate) server_epoch: u16,
    pub(crate) operator: u32,
    /// Of a replacement, which names no machine itself.
    #[serde(default)]
    pub(crate) machine: Option<u32>,
}

impl Enrolled {
    /// An answer that was fetched on another computer.
    pub(crate) fn parse(text: &str) -> Result<Self, InstallerFault> {
        serde_json::from_str(text).map_err(InstallerFault::Answer)
    }
}

/// Someone with an operator's key, calling from the board.
pub(crate) struct Installer {
    agent: ureq::Agent,
    server: String,
    key: Zeroizing<String>,
}

impl Installer {
    /// Calls `server` with the key in the file `key`; `-` is the standard input.
    pub(crate) fn new(server: &str, key: &Path) -> Result<Self, InstallerFault> {
        let server = nearby(server)?;
        let key = read_key(key)?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(CALL_MAX))
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("gettone-reader/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.into(),
            server,
            key,
        })
    }

    /// Enrols a reader for the machine it names.
    pub(crate) fn enrol(&self, new: &Application) -> Result<Enrolled, InstallerFault> {
        Enrolled::parse(&self.post("/v1/readers", new)?)
    }

    /// Puts a reader in the place of another, which is revoked.
    pub(crate) fn replace(
        &self,
        old: ReaderId,
        new: &Application,
    ) -> Result<Enrolled, InstallerFault> {
        Enrolled::parse(&self.post(&format!("/v1/readers/{old}/replace"), new)?)
    }

    /// Takes a reader's rights away for ever.
    pub(crate) fn revoke(&self, old: ReaderId) -> Result<(), InstallerFault> {
        self.post(
            &format!("/v1/readers/{old}/revoke"),
            &serde_json::Map::new(),
        )?;
        Ok(())
    }

    /// Brings the audit that a machine gave.
    pub(crate) fn bring_audit(&self, machine: u32, words: &str) -> Result<(), InstallerFault> {
        let url = format!("{}/v1/machines/{machine}/dts", self.server);
        let body = serde_json::json!({ "words": words });
        self.call(self.agent.put(&url), &url, &body)?;
        Ok(())
    }

    fn post(&self, path: &str, body: &impl Serialize) -> Result<String, InstallerFault> {
        let url = format!("{}{path}", self.server);
        self.call(self.agent.post(&url), &url, body)
    }

    fn call(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        url: &str,
        body: &impl Serialize,
    ) -> Result<String, InstallerFault> {
        let mut authorization = Zeroizing::new(String::from("Bearer "));
        authorization.push_str(&self.key);
        let call = |source| InstallerFault::Call {
            url: url.to_owned(),
            source: Box::new(source),
        };
        let mut answer = request
            .header("authorization", authorization.as_str())
            .send_json(body)
            .map_err(call)?;
        let status = answer.status();
        let text = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_LEN_MAX)
            .read_to_string()
            .map_err(call)?;
        if status.is_success() {
            return Ok(text);
        }
        Err(InstallerFault::Refused {
            status: status.as_u16(),
            words: problem(&text),
        })
    }
}

/// The words of an RFC 9457 problem, or the beginning of whatever came instead.
fn problem(text: &str) -> String {
    #[derive(Deserialize)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
    }
    let told = serde_json::from_str::<Problem>(text).ok();
    let told = told.and_then(|problem| problem.detail.or(problem.title));
    let words = told.unwrap_or_else(|| text.to_owned());
    let printable = words.chars().filter(|letter| !letter.is_control());
    printable.take(300).collect()
}

fn read_key(path: &Path) -> Result<Zeroizing<String>, InstallerFault> {
    let fault = |source| InstallerFault::Key {
        path: path.to_owned(),
        source,
    };
    let mut key = Zeroizing::new(String::with_capacity(1024));
    if path == Path::new("-") {
        io::stdin()
            .take(API_KEY_LEN_MAX)
            .read_to_string(&mut key)
            .map_err(fault)?;
    } else {
        File::open(path)
            .and_then(|file| file.take(API_KEY_LEN_MAX).read_to_string(&mut key))
            .map_err(fault)?;
    }
    let trimmed = Zeroizing::new(key.trim().to_owned());
    let is_key = !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_key {
        return Err(InstallerFault::NoKey {
            path: path.to_owned(),
        });
    }
    Ok(trimmed)
}

/// The server's address, if plain HTTP to it stays on this machine or this site.
fn nearby(server: &str) -> Result<String, InstallerFault> {
    let server = server.trim_end_matches('/');
    let told = || InstallerFault::Server {
        server: server.to_owned(),
    };
    if server.starts_with("https://") {
        return Err(InstallerFault::Tls);
    }
    let place = server.strip_prefix("http://").ok_or_else(told)?;
    if place.is_empty() || place.contains(['/', '?', '#', '@', ' ']) {
        return Err(told());
    }
    let has_port = place
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let looked_up = if has_port {
        place.to_owned()
    } else {
        format!("{place}:80")
    };
    let addresses: Vec<IpAddr> = looked_up
        .to_socket_addrs()
        .map_err(|source| InstallerFault::Unknown {
            server: server.to_owned(),
            source,
        })?
        .map(|address| address.ip())
        .collect();
    match addresses.iter().all(|address| is_nearby(*address)) && !addresses.is_empty() {
        true => Ok(server.to_owned()),
        false => Err(InstallerFault::Tls),
    }
}

fn is_nearby(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Why a call did not do what it should.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum InstallerFault {
    /// No address of a server.
    #[error("{server} is no server; write for instance --server http://127.0.0.1:8080")]
    Server {
        /// What was written.
        server: String,
    },
    /// The address is not known.
    #[error("{server} is not found")]
    Unknown {
        /// What was written.
        server: String,
        /// What the system says.
        source: io::Error,
    },
    /// The call would need TLS.
    #[error(
        "this program has no TLS, and sends an operator's key over plain HTTP only inside this \
         machine or this site; make the call that enrol prints from another computer, then give \
         its answer to: gettone-reader enrol --answer FILE"
    )]
    Tls,
    /// The key's file cannot be read.
    #[error("cannot read the operator's key from {path}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds no key.
    #[error("{path} holds no operator's key; put the key alone in it, on one line")]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// The server was not reached, or broke off.
    #[error("calling {url}")]
    Call {
        /// What was called.
        url: String,
        /// What happened.
        source: Box<ureq::Error>,
    },
    /// The server said no.
    #[error("the server refused ({status}): {words}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        words: String,
    },
    /// The answer is not one.
    #[error("this is not what the server answers to an enrolment")]
    Answer(#[source] serde_json::Error),
    /// The answer is for another reader.
    #[error("this answer is for reader {answered}; this board is {ours}")]
    OtherReader {
        /// Whom it is for.
        answered: String,
        /// Who this is.
        ours: String,
    },
    /// The server's key is none.
    #[error("the answer holds no server key")]
    ServerKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_key_never_leaves_the_site_in_the_clear() {
        for near in [
            "http://127.0.0.1:8080",
            "http://192.168.1.9/",
            "http://[::1]:80",
        ] {
            assert!(nearby(near).is_ok(), "{near}");
        }
        for far in [
            "https://127.0.0.1",
            "http://8.8.8.8",
            "http://[2001:db8::1]:80",
        ] {
            assert!(matches!(nearby(far), Err(InstallerFault::Tls)), "{far}");
        }
        for wrong in [
            "127.0.0.1",
            "http://",
            "http://a@127.0.0.1",
            "ftp://127.0.0.1",
        ] {
            assert!(
                matches!(nearby(wrong), Err(InstallerFault::Server { .. })),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words_or_in_what_came_instead() {
        let told = problem(r#"{"title":"Not found","detail":"there is no such machine"}"#);
        assert_eq!(told, "there is no such machine");
        assert_eq!(problem("<html>\u{1b}[2J"), "<html>[2J");
        assert_eq!(problem(&"x".repeat(5_000)).len(), 300);
    }

    #[test]
    fn a_key_is_one_line_of_printable_letters() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("key");
        std::fs::write(&path, "  secret\n").expect("room");
        assert_eq!(read_key(&path).expect("a key").as_str(), "secret");
        for bad in ["", "\n", "two words", "two\nlines"] {
            std::fs::write(&path, bad).expect("room");
            assert!(read_key(&path).is_err(), "{bad:?}");
        }
    }
}
