//! The radio's side of the reader: one door, one connection, whole messages. What they say is
//! sealed; nothing here looks into them.

use crate::air::Air;
use crate::news::News;
#[cfg(feature = "bluez")]
use gettone_ble::bluez::{Adapter, BluezRadio};
use gettone_ble::local::LocalRadio;
use gettone_ble::{Messages, Radio, ServiceUuid};
use gettone_channel::Eid;
use gettone_relay::{Connection, Report};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::timeout;

/// A phone that does not take a message by then is gone.
const SEND_MAX: Duration = Duration::from_secs(10);

/// What the hub wants of the radio.
#[derive(Debug)]
pub(crate) enum Wish {
    /// With the name that the code before had, while that is taken.
    Advertise(Eid, Option<Eid>),
    Hush,
    Drop(Connection),
    Send(Connection, Vec<u8>, Report),
}

/// Serves the radio of this air until the hub is gone.
pub(crate) async fn serve_on(air: Air, name: String, wishes: Receiver<Wish>, news: Sender<News>) {
    match air {
        Air::Folder(path) => serve(LocalRadio::new(path), name, wishes, news).await,
        #[cfg(feature = "bluez")]
        Air::Bluez(adapter) => {
            let adapter = adapter.map_or(Adapter::First, Adapter::Named);
            serve(BluezRadio::new(adapter), name, wishes, news).await;
        }
        #[cfg(not(feature = "bluez"))]
        Air::Bluez(_) => {}
    }
}

/// Serves the radio until the hub is gone.
pub(crate) async fn serve<R: Radio>(
    radio: R,
    name: String,
    mut wishes: Receiver<Wish>,
    news: Sender<News>,
) {
    let mut side = RadioSide {
        radio,
        name,
        phone: None,
        connections: 0,
        news,
    };
    loop {
        let done = tokio::select! {
            wish = wishes.recv() => match wish {
                Some(wish) => side.follow(wish).await,
                None => return,
            },
            event = next(&mut side.radio, &mut side.phone) => side.take(event).await,
        };
        if done.is_err() {
            return;
        }
    }
}

struct RadioSide<R: Radio> {
    radio: R,
    name: String,
    phone: Option<Phone<R::Pipe>>,
    connections: u64,
    news: Sender<News>,
}

struct Phone<P> {
    messages: Messages<P>,
    connection: Connection,
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

async fn next<R: Radio>(radio: &mut R, phone: &mut Option<Phone<R::Pipe>>) -> Event<R::Pipe> {
    let Some(phone) = phone else {
        return match radio.accept().await {
            Ok(pipe) => Event::Connected(pipe),
            Err(fault) => Event::RadioFailed(fault),
        };
    };
    match phone.messages.receive().await {
        Ok(message) => Event::Message(message),
        Err(fault) => {
            tracing::debug!(%fault, "a connection ended");
            Event::Lost
        }
    }
}

impl<R: Radio> RadioSide<R> {
    async fn follow(&mut self, wish: Wish) -> Result<(), HubGone> {
        match wish {
            Wish::Advertise(eid, before) => {
                let service = |eid: Eid| ServiceUuid::for_eid(eid.as_bytes());
                let beside = before.map(service);
                let opened = self.radio.advertise(service(eid), beside, &self.name);
                if let Err(fault) = opened.await {
                    tracing::warn!(%fault, "the radio cannot advertise");
                }
                Ok(())
            }
            Wish::Hush => {
                self.radio.hush().await;
                Ok(())
            }
            Wish::Drop(connection) => {
                self.phone.take_if(|phone| phone.connection == connection);
                Ok(())
            }
            Wish::Send(connection, message, report) => {
                self.send(connection, &message, report).await
            }
        }
    }

    async fn send(
        &mut self,
        connection: Connection,
        message: &[u8],
        report: Report,
    ) -> Result<(), HubGone> {
        let Some(phone) = &mut self.phone else {
            return Ok(());
        };
        if phone.connection != connection {
            return Ok(());
        }
        match timeout(SEND_MAX, phone.messages.send(message)).await {
            Ok(Ok(())) if report == Report::Took => self.tell(News::Took(connection)).await,
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => self.lose().await,
        }
    }

    async fn take(&mut self, event: Event<R::Pipe>) -> Result<(), HubGone> {
        match event {
            Event::Connected(pipe) => {
                self.connections = self.connections.saturating_add(1);
                let connection = Connection::new(self.connections);
                self.phone = Some(Phone {
                    messages: Messages::new(pipe),
                    connection,
                });
                self.tell(News::Connected(connection)).await
            }
            Event::Message(message) => match &self.phone {
                Some(phone) => self.tell(News::Heard(phone.connection, message)).await,
                None => Ok(()),
            },
            Event::Lost => self.lose().await,
            Event::RadioFailed(fault) => {
                tracing::warn!(%fault, "the radio takes no phone");
                self.radio.hush().await;
                Ok(())
            }
        }
    }

    async fn lose(&mut self) -> Result<(), HubGone> {
        match self.phone.take() {
            Some(phone) => self.tell(News::Disconnected(phone.connection)).await,
            None => Ok(()),
        }
    }

    async fn tell(&self, news: News) -> Result<(), HubGone> {
        self.news.send(news).await.map_err(|_| HubGone)
    }
}
