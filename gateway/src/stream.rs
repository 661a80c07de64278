//! Answers that are made while they are sent: no faster than their client reads, and no longer
//! than it listens.

use crate::bounds::{CHUNKS_WAITING_MAX, CLIENT_PATIENCE};
use actix_web::body::{BodySize, MessageBody};
use actix_web::rt;
use actix_web::web::Bytes;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// A body that comes piece by piece.
pub(crate) struct Chunks(Receiver<Result<Bytes, Cut>>);

/// The end of such a body where its pieces are made.
pub(crate) struct Mouth(Sender<Result<Bytes, Cut>>);

/// Why a body ends before its end: the connection breaks off, so that its client notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cut;

/// Nobody listens any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gone;

/// Makes a body and the end that fills it.
pub(crate) fn chunks() -> (Mouth, Chunks) {
    let (sender, receiver) = channel(CHUNKS_WAITING_MAX);
    (Mouth(sender), Chunks(receiver))
}

impl Mouth {
    /// Sends a piece, as soon as its client has read those before.
    ///
    /// # Errors
    /// `Gone` when it has left, or reads nothing for too long.
    pub(crate) async fn say(&self, piece: impl Into<Bytes>) -> Result<(), Gone> {
        rt::time::timeout(CLIENT_PATIENCE, self.0.send(Ok(piece.into())))
            .await
            .map_err(|_| Gone)?
            .map_err(|_| Gone)
    }

    /// Breaks off.
    pub(crate) async fn cut(self) {
        // Who has gone needs no telling.
        let _ = rt::time::timeout(CLIENT_PATIENCE, self.0.send(Err(Cut))).await;
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_unheard(&self) -> bool {
        self.0.is_closed()
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl core::error::Error for Cut {}

impl MessageBody for Chunks {
    type Error = Cut;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        self.0.poll_recv(context)
    }
}
