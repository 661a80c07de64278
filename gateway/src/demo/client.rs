//! Asking the gateway over HTTP, as everybody does.

use core::fmt;
use core::time::Duration;
use serde_json::Value;
use std::net::SocketAddr;

/// The longest that one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Why the street broke off.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum StreetFault {
    /// The gateway did not answer.
    #[error("{path}: {source}")]
    Http {
        /// What was asked.
        path: String,
        /// Why there was no answer.
        source: ureq::Error,
    },
    /// The gateway refused.
    #[error("{path}: {answer}")]
    Refused {
        /// What was asked.
        path: String,
        /// What it said.
        answer: String,
    },
    /// Something did not happen that had to.
    #[error("waited in vain for {0}")]
    Silence(&'static str),
    /// A message was refused that its peer had made.
    #[error("the link: {0}")]
    Link(String),
    /// The system gives no random bytes.
    #[error("{0}")]
    Random(#[from] crate::key::KeyFault),
    /// A part of it panicked.
    #[error("a part of it has ended by a bug")]
    Bug,
}

impl StreetFault {
    /// What a link's two ends had to say about each other.
    pub(super) fn link(fault: impl fmt::Display) -> Self {
        Self::Link(fault.to_string())
    }
}

/// One party's way to ask the gateway.
#[derive(Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    credential: Option<(&'static str, String)>,
}

impl Client {
    /// Who has no credential yet.
    pub(super) fn new(address: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_MAX))
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            agent,
            url: format!("http://{address}"),
            credential: None,
        }
    }

    /// The same with an API key.
    pub(super) fn with_key(&self, key: &str) -> Self {
        Self {
            credential: Some(("Authorization", format!("Bearer {key}"))),
            ..self.clone()
        }
    }

    /// The same with a cookie.
    pub(super) fn with_cookie(&self, cookie: &str) -> Self {
        Self {
            credential: Some(("Cookie", cookie.to_owned())),
            ..self.clone()
        }
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, StreetFault> {
        self.post_for_cookie(path, body).map(|(answer, _)| answer)
    }

    /// The answer, and the cookie that came with it.
    pub(super) fn post_for_cookie(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<(Value, Option<String>), StreetFault> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        let name = crate::text::hex(&crate::key::random::<16>()?);
        let broken = |source| StreetFault::Http {
            path: path.to_owned(),
            source,
        };
        let answer = request
            .header("Idempotency-Key", name)
            .send_json(body)
            .map_err(broken)?;
        let cookie = answer
            .headers()
            .get("set-cookie")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(str::to_owned);
        Ok((understood(path, answer)?, cookie))
    }

    /// Sends a body of JSON as it is; gives status and body of the answer, whatever it says.
    pub(super) fn send(&self, path: &str, body: &str) -> Result<(u16, Vec<u8>), StreetFault> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        let broken = |source| StreetFault::Http {
            path: path.to_owned(),
            source,
        };
        let request = request.header("content-type", "application/json");
        let mut answer = request.send(body).map_err(broken)?;
        let bytes = answer.body_mut().read_to_vec().map_err(broken)?;
        Ok((answer.status().as_u16(), bytes))
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, StreetFault> {
        let mut request = self.agent.put(format!("{}{path}", self.url));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        let answer = request
            .send_json(body)
            .map_err(|source| StreetFault::Http {
                path: path.to_owned(),
                source,
            })?;
        understood(path, answer)
    }

    pub(super) fn ask(&self, path: &str) -> Result<Value, StreetFault> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        let answer = request.call().map_err(|source| StreetFault::Http {
            path: path.to_owned(),
            source,
        })?;
        understood(path, answer)
    }
}

type Answer = ureq::http::Response<ureq::Body>;

fn understood(path: &str, mut answer: Answer) -> Result<Value, StreetFault> {
    let status = answer.status();
    let text = answer
        .body_mut()
        .read_to_string()
        .map_err(|source| StreetFault::Http {
            path: path.to_owned(),
            source,
        })?;
    if status.is_success() {
        Ok(serde_json::from_str(&text).unwrap_or_default())
    } else {
        Err(StreetFault::Refused {
            path: path.to_owned(),
            answer: text,
        })
    }
}
