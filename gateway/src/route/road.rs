//! A board's own road: the envelopes that phones would carry, over one WebSocket (protocol section
//! 6.4). Nobody is told anything before an envelope has shown whose road it is.

use super::relay::{self, ByRoad};
use crate::api::{Asker, At, at, does};
use crate::bounds::{
    CLIENT_PATIENCE, ENVELOPE_LEN_MAX, ROAD_PING_EVERY, ROAD_SILENCE_MAX, STREAM_TICK,
};
use crate::gateway::Gateway;
use crate::problem::{Kind, Problem};
use crate::request::named;
use crate::road::{Claim, Turn};
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, rt};
use actix_ws::{CloseCode, Message, MessageStream, Session};
use gettone_channel as channel;
use gettone_core::id::ReaderId;
use std::time::Instant;

pub(super) fn routes() -> Vec<At> {
    vec![
        at("/v1/road/{reader}").get(
            road,
            does(
                "Opens a board's own road: a WebSocket of envelopes, one in each binary message",
                Asker::Anyone,
            )
            .answers_nothing(101),
        ),
    ]
}

async fn road(
    gateway: Data<Gateway>,
    path: Path<String>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let id: channel::ReaderId = named("reader", &path)?;
    let reader = ReaderId::from_bytes(*id.as_bytes());
    if gateway.is_stopping() {
        return Err(Kind::Stopping.because("come again"));
    }
    let (response, session, stream) = actix_ws::handle(&request, payload)
        .map_err(|_| Kind::Malformed.because("ask for an upgrade to a WebSocket"))?;
    let stream = stream.max_frame_size(ENVELOPE_LEN_MAX);
    rt::spawn(async move {
        let mut traveller = Traveller {
            gateway,
            reader,
            session,
            stream,
        };
        let why = match traveller.prove().await {
            Ok(turn) => {
                let why = traveller.serve(turn).await;
                traveller.gateway.roads().close(reader, turn);
                why
            }
            Err(why) => why,
        };
        tracing::debug!(%reader, ?why, "a road ends");
        let _ = rt::time::timeout(CLIENT_PATIENCE, traveller.session.close(Some(why.into()))).await;
    });
    Ok(response)
}

/// Somebody at the other end of a WebSocket.
struct Traveller {
    gateway: Data<Gateway>,
    reader: ReaderId,
    session: Session,
    stream: MessageStream,
}

impl Traveller {
    /// Waits for the envelope that shows whose road it is.
    async fn prove(&mut self) -> Result<Turn, CloseCode> {
        let gateway = self.gateway.clone();
        let _knock = gateway.roads().knock().map_err(|_| CloseCode::Again)?;
        let patience = gateway.body_timeout();
        let first = rt::time::timeout(patience, self.stream.recv()).await;
        let Ok(Some(Ok(Message::Binary(bytes)))) = first else {
            return Err(CloseCode::Policy);
        };
        let came = self.carry(&bytes).await?;
        let claim = match came.is_newest {
            true => Claim::Newest,
            false => Claim::Authentic,
        };
        let opened = gateway
            .roads()
            .open(self.reader, claim, self.session.clone())
            .map_err(|_| CloseCode::Again)?;
        let (turn, before) = opened;
        if let Some(before) = before {
            tracing::info!(reader = %self.reader, "a newer road replaces the one before");
            let gone = before.close(Some(CloseCode::Away.into()));
            let _ = rt::time::timeout(CLIENT_PATIENCE, gone).await;
        }
        match self.answer(came).await {
            Ok(()) => Ok(turn),
            Err(why) => {
                gateway.roads().close(self.reader, turn);
                Err(why)
            }
        }
    }

    /// Carries envelopes to and fro until the road ends.
    async fn serve(&mut self, turn: Turn) -> CloseCode {
        let mut heard = Instant::now();
        let mut pinged = heard;
        loop {
            let message = match rt::time::timeout(STREAM_TICK, self.stream.recv()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(_)) | None) => return CloseCode::Normal,
                Err(_) => {
                    if self.gateway.is_stopping() || !self.gateway.roads().stands(self.reader, turn)
                    {
                        return CloseCode::Away;
                    }
                    if heard.elapsed() > ROAD_SILENCE_MAX {
                        return CloseCode::Policy;
                    }
                    if pinged.elapsed() > ROAD_PING_EVERY {
                        pinged = Instant::now();
                        if self.session.ping(b"").await.is_err() {
                            return CloseCode::Normal;
                        }
                    }
                    continue;
                }
            };
            heard = Instant::now();
            let done = match message {
                Message::Binary(bytes) => match self.carry(&bytes).await {
                    Ok(came) => self.answer(came).await,
                    Err(why) => Err(why),
                },
                Message::Ping(bytes) => {
                    let ponged = self.session.pong(&bytes).await;
                    ponged.map_err(|_| CloseCode::Normal)
                }
                Message::Pong(_) => Ok(()),
                Message::Close(_) => Err(CloseCode::Normal),
                Message::Text(_) | Message::Continuation(_) | Message::Nop => {
                    Err(CloseCode::Unsupported)
                }
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    async fn carry(&self, bytes: &Bytes) -> Result<ByRoad, CloseCode> {
        match relay::by_road(&self.gateway, self.reader, bytes).await {
            Ok(Some(came)) => Ok(came),
            // Junk, or another reader's.
            Ok(None) => Err(CloseCode::Policy),
            Err(problem) => {
                tracing::warn!(reader = %self.reader, %problem, "a road breaks off");
                Err(CloseCode::Again)
            }
        }
    }

    /// Who typed a code is told once the reader has been.
    async fn answer(&mut self, came: ByRoad) -> Result<(), CloseCode> {
        for sealed in came.sealed {
            let sent = rt::time::timeout(CLIENT_PATIENCE, self.session.binary(sealed)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return Err(CloseCode::Normal);
            }
        }
        if let Some((waiting, told)) = came.called {
            // Who waits no more has gone.
            let _ = waiting.send(told);
        }
        Ok(())
    }
}
