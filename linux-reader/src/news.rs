//! What the parts of the reader tell its hub.

use gettone_core::board::{self, Machine, Ticket};
use gettone_core::notice::Code;
use gettone_mdb::cashless::FileEnd;
use gettone_mdb::diagnosis::Finding;
use gettone_optical::Verdict;
use gettone_relay::{Connection, Standing};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::Notify;

/// One piece of news.
#[derive(Debug)]
pub enum News {
    /// The machine did something.
    Machine(Machine),
    /// What a HELLO says of the machine has changed.
    Standing(Standing),
    /// The bus looks different from before.
    Finding(Finding),
    /// Something for the technician's log at the server.
    Fault {
        /// What it is about.
        code: Code,
        /// Details; their meaning goes with the code.
        data: [u8; 8],
    },
    /// The machine lends a display of this size; none of either is no display.
    Display {
        /// Characters in a line.
        columns: u8,
        /// Lines.
        rows: u8,
    },
    /// The machine gave its audit (EVA-DTS), whole.
    Audit(Vec<u8>),
    /// The machine gave no audit, or not all of it.
    NoAudit(FileEnd),
    /// The MDB link is gone.
    BusLost,
    /// A record is on flash.
    Synced(Ticket),
    /// The flash cannot be written.
    JournalFailed,
    /// A pairing code was decoded.
    CodeSeen(board::Code),
    /// The ten bytes of a light grant were decoded.
    LightSeen([u8; 10]),
    /// What becomes of the light that the sensor sees.
    Light(Verdict),
    /// A phone has connected.
    Connected(Connection),
    /// A connection is gone.
    Disconnected(Connection),
    /// A phone said something.
    Heard(Connection, Vec<u8>),
    /// A message has gone out.
    Took(Connection),
    /// The board's own road to the server is up.
    RoadUp,
    /// It has fallen.
    RoadDown,
    /// It does not come up, for this reason.
    NoRoad(String),
    /// A message came by it.
    RoadHeard(Vec<u8>),
    /// The last message for it has gone out.
    RoadTook,
}

/// A way for news that takes nothing from the heap once it is laid.
pub fn way(news_max: usize) -> (NewsSender, NewsReceiver) {
    let (ring, rung) = sync_channel(news_max);
    let bell = Arc::new(Notify::new());
    let sender = NewsSender {
        ring: Some(ring),
        bell: Arc::clone(&bell),
    };
    (sender, NewsReceiver { ring: rung, bell })
}

/// Where a part puts its news; it never waits.
#[derive(Debug)]
pub struct NewsSender {
    /// There until it is dropped.
    ring: Option<SyncSender<News>>,
    bell: Arc<Notify>,
}

impl NewsSender {
    /// Tells the hub.
    ///
    /// # Errors
    /// The news itself, when nobody hears it now or ever.
    pub fn send(&self, news: News) -> Result<(), Unheard> {
        let Some(ring) = &self.ring else {
            return Err(Unheard::Gone);
        };
        let sent = ring.try_send(news).map_err(|fault| match fault {
            TrySendError::Full(news) => Unheard::Full(news),
            TrySendError::Disconnected(_) => Unheard::Gone,
        });
        self.bell.notify_one();
        sent
    }
}

impl Drop for NewsSender {
    fn drop(&mut self) {
        self.ring = None;
        self.bell.notify_one();
    }
}

/// News that did not arrive.
#[derive(Debug)]
pub enum Unheard {
    /// The hub is busy; it may be told again.
    Full(News),
    /// The hub has gone.
    Gone,
}

/// Where the hub hears a part.
#[derive(Debug)]
pub struct NewsReceiver {
    ring: Receiver<News>,
    bell: Arc<Notify>,
}

impl NewsReceiver {
    /// The next news; none once the part has gone. Dropping the future loses none.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            match self.ring.try_recv() {
                Ok(news) => return Some(news),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.bell.notified().await,
            }
        }
    }

    /// The next news, for whoever has a thread to wait on; none when none came in time.
    pub fn wait(&self, wait_max: Duration) -> Option<News> {
        self.ring.recv_timeout(wait_max).ok()
    }
}
