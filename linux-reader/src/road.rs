//! The board's own road to the server: one WebSocket over TLS, made again when it falls. What goes by
//! it is sealed; nothing here looks into it, and whatever becomes of it disturbs nobody.

use crate::news::News;
use core::convert::Infallible;
use core::fmt;
use core::str::FromStr;
use futures_util::{SinkExt, StreamExt};
use gettone_channel::ReaderId;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Whom to believe, where the configuration does not say.
pub(crate) const CA_PATH: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Longest address of a server.
const URL_LEN_MAX: usize = 256;
/// Longest message that is taken from the server; an envelope is shorter.
const MESSAGE_LEN_MAX: usize = 4_096;
/// How long a road may take to come up.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// A server that does not take a message by then is gone.
const SEND_MAX: Duration = Duration::from_secs(30);
/// The server asks more often than this whether the road stands.
const SILENCE_MAX: Duration = Duration::from_secs(100);
/// Between two tries, at first and at last; it doubles each time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Where the server is, for boards with a link of their own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoadPlace {
    /// Its address.
    pub url: RoadUrl,
    /// The file of the certificates that vouch for it.
    pub ca: PathBuf,
}

/// `wss://host`, `wss://host:port`, or `ws://` to this machine itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoadUrl {
    is_secure: bool,
    host: String,
    port: u16,
}

/// An address that no road leads to.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error(
    "road.url: write \"wss://host\" or \"wss://host:port\"; \"ws://\" only for this machine itself"
)]
pub struct RoadUrlFault;

impl FromStr for RoadUrl {
    type Err = RoadUrlFault;

    fn from_str(text: &str) -> Result<Self, RoadUrlFault> {
        let text = text.trim_end_matches('/');
        let (is_secure, rest) = match text.split_once("://") {
            Some(("wss", rest)) => (true, rest),
            Some(("ws", rest)) => (false, rest),
            Some(_) | None => return Err(RoadUrlFault),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !rest.ends_with(']') => {
                (host, port.parse().map_err(|_| RoadUrlFault)?)
            }
            Some(_) | None => (rest, if is_secure { 443 } else { 80 }),
        };
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        let is_host = !host.is_empty() && host.bytes().all(is_letter);
        let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        if !is_host || text.len() > URL_LEN_MAX || !(is_secure || is_here) {
            return Err(RoadUrlFault);
        }
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for RoadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Why there is no road.
#[derive(thiserror::Error, Debug)]
enum RoadFault {
    #[error("the certificates in {path} cannot be read: {words}")]
    Certificates { path: PathBuf, words: String },
    #[error("no TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    #[error("the server's name is none")]
    Name,
    #[error("the server cannot be reached: {0}")]
    Unreached(#[from] io::Error),
    #[error("the server does not take the road: {0}")]
    Refused(#[from] Box<tungstenite::Error>),
    #[error("the server takes too long")]
    Slow,
}

/// The hub has gone.
struct HubGone;

/// Keeps a road up for as long as the reader runs.
pub(crate) async fn serve(
    place: Option<RoadPlace>,
    reader: ReaderId,
    mut wishes: Receiver<Vec<u8>>,
    news: Sender<News>,
) -> Infallible {
    if let Some(place) = place {
        let mut pause = PAUSE_MIN;
        let mut was_told = false;
        loop {
            let walked = match connect(&place, reader).await {
                Ok(Road::Secure(socket)) => walk(*socket, &mut wishes, &news).await,
                Ok(Road::Plain(socket)) => walk(*socket, &mut wishes, &news).await,
                Err(fault) => {
                    if !core::mem::replace(&mut was_told, true) {
                        tracing::warn!(%fault, url = %place.url, "no road to the server");
                    }
                    let told = tell(&news, News::NoRoad(fault.to_string())).await;
                    told.map(|()| Walked::NoWay)
                }
            };
            match walked {
                Ok(Walked::SomeWay) => (pause, was_told) = (PAUSE_MIN, false),
                Ok(Walked::NoWay) => {}
                Err(HubGone) => break,
            }
            sleep(with_jitter(pause)).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }
    core::future::pending().await
}

/// Half of it to all of it: boards that lost their server together do not come back together.
fn with_jitter(pause: Duration) -> Duration {
    let mut dice = [0; 1];
    // Without dice all come back together, which a server survives.
    let _ = getrandom::fill(&mut dice);
    pause / 2 + pause / 512 * u32::from(dice[0])
}

enum Road {
    Secure(Box<WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>>),
    Plain(Box<WebSocketStream<TcpStream>>),
}

async fn connect(place: &RoadPlace, reader: ReaderId) -> Result<Road, RoadFault> {
    let connected = timeout(CONNECT_MAX, async {
        let RoadUrl {
            is_secure,
            host,
            port,
        } = &place.url;
        let bare = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((bare, *port)).await?;
        stream.set_nodelay(true)?;
        let url = format!("{}/v1/road/{reader}", place.url);
        Ok(if *is_secure {
            let name = ServerName::try_from(bare.to_owned()).map_err(|_| RoadFault::Name)?;
            let connector = TlsConnector::from(Arc::new(trust(&place.ca)?));
            let stream = connector.connect(name, stream).await?;
            Road::Secure(Box::new(upgrade(&url, stream).await?))
        } else {
            Road::Plain(Box::new(upgrade(&url, stream).await?))
        })
    });
    connected.await.map_err(|_| RoadFault::Slow)?
}

async fn upgrade<S>(url: &str, stream: S) -> Result<WebSocketStream<S>, RoadFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let bounds = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LEN_MAX))
        .max_frame_size(Some(MESSAGE_LEN_MAX))
        .max_write_buffer_size(4 * MESSAGE_LEN_MAX)
        .write_buffer_size(0);
    let upgraded = client_async_with_config(url, stream, Some(bounds)).await;
    let (socket, _) = upgraded.map_err(Box::new)?;
    Ok(socket)
}

/// Believes the certificates in this file and no others.
fn trust(ca: &Path) -> Result<ClientConfig, RoadFault> {
    let unread = |words: String| RoadFault::Certificates {
        path: ca.to_owned(),
        words,
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(ca).map_err(|fault| unread(fault.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|fault| unread(fault.to_string()))?;
        // A system's file may hold some of a kind that is not known here.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(unread("there is none".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// How far a road led.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Walked {
    /// The server said something.
    SomeWay,
    NoWay,
}

/// Carries envelopes to and fro until the road falls.
async fn walk<S>(
    mut socket: WebSocketStream<S>,
    wishes: &mut Receiver<Vec<u8>>,
    news: &Sender<News>,
) -> Result<Walked, HubGone>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // What was meant for the road before is sealed anew, where it still matters.
    while wishes.try_recv().is_ok() {}
    tracing::info!("the road to the server is up");
    tell(news, News::RoadUp).await?;
    let mut walked = Walked::NoWay;
    let mut silent_at = Instant::now() + SILENCE_MAX;
    loop {
        let news_of = tokio::select! {
            wish = wishes.recv() => {
                let envelope = wish.ok_or(HubGone)?;
                let sent = timeout(SEND_MAX, socket.send(Message::binary(envelope))).await;
                match sent {
                    Ok(Ok(())) => Some(News::RoadTook),
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            heard = timeout_at(silent_at, socket.next()) => match heard {
                Ok(Some(Ok(message))) => {
                    silent_at = Instant::now() + SILENCE_MAX;
                    match message {
                        Message::Binary(envelope) => {
                            walked = Walked::SomeWay;
                            Some(News::RoadHeard(envelope.to_vec()))
                        }
                        // Answered below; the answer leaves with the next flush.
                        Message::Ping(_) => match timeout(SEND_MAX, socket.flush()).await {
                            Ok(Ok(())) => None,
                            Ok(Err(_)) | Err(_) => break,
                        },
                        Message::Pong(_) => None,
                        Message::Text(_) | Message::Close(_) | Message::Frame(_) => break,
                    }
                }
                Ok(Some(Err(_)) | None) | Err(_) => break,
            },
        };
        if let Some(news_of) = news_of {
            tell(news, news_of).await?;
        }
    }
    tracing::info!("the road to the server has fallen");
    tell(news, News::RoadDown).await?;
    Ok(walked)
}

async fn tell(news: &Sender<News>, one: News) -> Result<(), HubGone> {
    news.send(one).await.map_err(|_| HubGone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_road_leads_over_tls_or_no_farther_than_this_machine() {
        let read = |text: &str| text.parse::<RoadUrl>().map(|url| url.to_string());
        for (text, read_as) in [
            ("wss://gettone.example", "wss://gettone.example:443"),
            ("wss://gettone.example:8443/", "wss://gettone.example:8443"),
            ("wss://[2001:db8::1]:8443", "wss://[2001:db8::1]:8443"),
            ("wss://[2001:db8::1]", "wss://[2001:db8::1]:443"),
            ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080"),
            ("ws://[::1]:8080", "ws://[::1]:8080"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(read_as), "{text}");
        }
        let long = format!("wss://{}", "a".repeat(300));
        for text in [
            "",
            "gettone.example",
            "https://gettone.example",
            "ws://gettone.example",
            "ws://127.0.0.1.example",
            "wss://",
            "wss://host:port",
            "wss://host/path",
            "wss://user@host",
            &long,
        ] {
            assert_eq!(read(text), Err(RoadUrlFault), "{text}");
        }
    }

    #[test]
    fn a_pause_is_shaken_between_its_half_and_its_whole() {
        for pause in [PAUSE_MIN, PAUSE_MAX] {
            for _ in 0..1_000 {
                let shaken = with_jitter(pause);
                assert!(pause / 2 <= shaken && shaken <= pause, "{shaken:?}");
            }
        }
    }

    #[test]
    fn a_file_without_certificates_vouches_for_nobody() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("ca.pem");
        assert!(matches!(trust(&path), Err(RoadFault::Certificates { .. })));
        std::fs::write(&path, "no certificate").expect("room");
        assert!(matches!(trust(&path), Err(RoadFault::Certificates { .. })));
    }
}
