//! The radio's side of the reader: one door, one link, its seal.

use crate::news::{LinkNumber, News};
use gettone_ble::{Messages, Radio, ServiceUuid};
use gettone_channel::{Ephemeral, LinkMessage, Psk, Responder, ResumeSecret, Secret};
use gettone_core::board::Door;
use gettone_core::id::Bind;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, timeout};

/// A connection that has not passed Link 1 by then is dropped.
const LINK_1_MAX: Duration = Duration::from_secs(10);
/// A phone that does not take a message by then is gone.
const SEND_MAX: Duration = Duration::from_secs(10);

/// What the hub wants of the radio.
#[derive(Debug)]
pub(crate) enum Order {
    Advertise(Door),
    Hush,
    Drop(LinkNumber),
    Send(LinkNumber, LinkMessage, Report),
}

/// Whether the hub waits for a message to have gone out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    Nothing,
    Took,
}

/// Serves the radio until the hub is gone.
pub(crate) async fn serve<R: Radio>(
    radio: R,
    name: String,
    mut orders: Receiver<Order>,
    news: Sender<News>,
) {
    let mut side = RadioSide {
        radio,
        name,
        door: None,
        connection: None,
        links: 0,
        news,
    };
    loop {
        let done = tokio::select! {
            order = orders.recv() => match order {
                Some(order) => side.follow(order).await,
                None => return,
            },
            event = next(&mut side.radio, &mut side.connection) => side.take(event).await,
        };
        if done.is_err() {
            return;
        }
    }
}

struct RadioSide<R: Radio> {
    radio: R,
    name: String,
    door: Option<Psk>,
    connection: Option<Connection<R::Pipe>>,
    links: u64,
    news: Sender<News>,
}

struct Connection<P> {
    messages: Messages<P>,
    standing: Standing,
}

enum Standing {
    /// Link 1 has to come by then.
    Stranger(Instant),
    Linked(LinkNumber, Box<gettone_channel::Link>),
}

enum Event<P> {
    Connected(P),
    Message(Vec<u8>),
    /// The connection cannot be used any more.
    Lost,
    RadioFailed(gettone_ble::RadioFault),
}

/// The hub has gone.
struct HubGone;

async fn next<R: Radio>(
    radio: &mut R,
    connection: &mut Option<Connection<R::Pipe>>,
) -> Event<R::Pipe> {
    let Some(connection) = connection else {
        return match radio.accept().await {
            Ok(pipe) => Event::Connected(pipe),
            Err(fault) => Event::RadioFailed(fault),
        };
    };
    let received = match connection.standing {
        Standing::Stranger(until) => {
            match tokio::time::timeout_at(until, connection.messages.receive()).await {
                Ok(received) => received,
                Err(_) => return Event::Lost,
            }
        }
        Standing::Linked(..) => connection.messages.receive().await,
    };
    match received {
        Ok(message) => Event::Message(message),
        Err(fault) => {
            tracing::debug!(%fault, "a connection ended");
            Event::Lost
        }
    }
}

impl<R: Radio> RadioSide<R> {
    async fn follow(&mut self, order: Order) -> Result<(), HubGone> {
        match order {
            Order::Advertise(door) => {
                let (eid, psk) = match door {
                    Door::Code(code) => {
                        let secret = Secret::light(*code.as_bytes());
                        (secret.eid(), secret.psk())
                    }
                    Door::Resume(fresh) => {
                        let secret = ResumeSecret::from_bytes(*fresh.as_bytes());
                        (secret.eid(), secret.psk())
                    }
                };
                let service = ServiceUuid::for_eid(eid.as_bytes());
                self.door = Some(psk);
                if let Err(fault) = self.radio.advertise(service, &self.name).await {
                    tracing::warn!(%fault, "the radio cannot advertise");
                }
                Ok(())
            }
            Order::Hush => {
                self.shut_door().await;
                Ok(())
            }
            Order::Drop(number) => {
                if self.link_number() == Some(number) {
                    self.connection = None;
                }
                Ok(())
            }
            Order::Send(number, message, report) => self.send(number, &message, report).await,
        }
    }

    async fn send(
        &mut self,
        number: LinkNumber,
        message: &LinkMessage,
        report: Report,
    ) -> Result<(), HubGone> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let Standing::Linked(_, link) = &mut connection.standing else {
            return Ok(());
        };
        let sealed = match link.seal(message) {
            Ok(sealed) => sealed,
            Err(fault) => {
                tracing::error!(%fault, "a message cannot be sealed");
                return self.lose().await;
            }
        };
        match timeout(SEND_MAX, connection.messages.send(&sealed)).await {
            Ok(Ok(())) if report == Report::Took => self.tell(News::LinkTook(number)).await,
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => self.lose().await,
        }
    }

    async fn take(&mut self, event: Event<R::Pipe>) -> Result<(), HubGone> {
        match event {
            Event::Connected(pipe) => {
                self.connection = Some(Connection {
                    messages: Messages::new(pipe),
                    standing: Standing::Stranger(Instant::now() + LINK_1_MAX),
                });
                Ok(())
            }
            Event::Message(message) => self.message(&message).await,
            Event::Lost => self.lose().await,
            Event::RadioFailed(fault) => {
                tracing::warn!(%fault, "the radio takes no phone");
                self.shut_door().await;
                Ok(())
            }
        }
    }

    async fn message(&mut self, message: &[u8]) -> Result<(), HubGone> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        if let Standing::Linked(number, link) = &mut connection.standing {
            let number = *number;
            return match link.open(message) {
                Ok(message) => self.tell(News::Heard(number, message)).await,
                Err(fault) => {
                    tracing::warn!(%fault, "a link message was refused");
                    self.lose().await
                }
            };
        }
        self.link_1(message).await
    }

    async fn link_1(&mut self, link_1: &[u8]) -> Result<(), HubGone> {
        let mut random = [0; 32];
        let accepted = match (&self.door, getrandom::fill(&mut random)) {
            (Some(psk), Ok(())) => Responder::accept(psk, Ephemeral::from_bytes(random), link_1),
            (None, _) | (_, Err(_)) => {
                self.connection = None;
                return Ok(());
            }
        };
        let Ok((link, link_2, _)) = accepted else {
            self.connection = None;
            return self.tell(News::LinkRefused).await;
        };
        // The secret is spent: nobody else comes through this door.
        self.shut_door().await;
        self.links = self.links.saturating_add(1);
        let number = LinkNumber(self.links);
        let bind = Bind::from_bytes(*link.handshake().as_bytes());
        if let Some(connection) = &mut self.connection {
            connection.standing = Standing::Linked(number, Box::new(link));
            let sent = timeout(SEND_MAX, connection.messages.send(&link_2)).await;
            self.tell(News::LinkUp(number, bind)).await?;
            if !matches!(sent, Ok(Ok(()))) {
                return self.lose().await;
            }
        }
        Ok(())
    }

    /// The connection is gone: the hub hears of it when it had been a link.
    async fn lose(&mut self) -> Result<(), HubGone> {
        match self.connection.take().map(|connection| connection.standing) {
            Some(Standing::Linked(number, _)) => self.tell(News::LinkDown(number)).await,
            Some(Standing::Stranger(_)) | None => Ok(()),
        }
    }

    async fn shut_door(&mut self) {
        self.door = None;
        self.radio.hush().await;
    }

    fn link_number(&self) -> Option<LinkNumber> {
        match &self.connection.as_ref()?.standing {
            Standing::Linked(number, _) => Some(*number),
            Standing::Stranger(_) => None,
        }
    }

    async fn tell(&self, news: News) -> Result<(), HubGone> {
        self.news.send(news).await.map_err(|_| HubGone)
    }
}
