//! A socket between a store and its server, which reads the messages on it and breaks them at any
//! one that a test names.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tempfile::TempDir;

/// Whose messages are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Store,
    Server,
}

/// At which message something happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    /// The one with this number from now, counted from 1.
    Nth(u64),
    /// The first of this kind.
    Kind(u8),
}

/// What asks for a row to be written.
pub(crate) const BIND: u8 = b'B';
/// What the server says first of a statement; it says it with the rest, after the commit.
pub(crate) const BIND_COMPLETE: u8 = b'2';

/// What happens at a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Break {
    /// It is lost, and the connection with it, on both sides.
    Cut,
    /// The store loses its connection; the server gets the message, and all behind it, when it is
    /// let through.
    Delay,
}

pub(crate) struct Proxy {
    home: TempDir,
    shared: Arc<Shared>,
    delayed: Receiver<Delayed>,
}

/// A connection whose store is gone, and what it had said last.
pub(crate) struct Delayed {
    server: UnixStream,
    bytes: Vec<u8>,
    answer: Receiver<Vec<u8>>,
}

struct Shared {
    upstream: PathBuf,
    plan: Mutex<Option<(Side, At, Break)>>,
    rewrite: Option<(Vec<u8>, Vec<u8>)>,
    rewritten: AtomicBool,
    delayed: Mutex<Sender<Delayed>>,
}

impl Proxy {
    /// Stands between a store and the server behind this socket.
    pub(crate) fn new(server: &Path) -> Self {
        Self::with(server, None)
    }

    /// Also puts other words in the place of some that the store says; of the same length.
    pub(crate) fn rewriting(server: &Path, from: &str, to: &str) -> Self {
        assert_eq!(from.len(), to.len(), "a message keeps its length");
        Self::with(server, Some((from.into(), to.into())))
    }

    fn with(server: &Path, rewrite: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(home.path().join(".s.PGSQL.5432")).expect("a socket");
        let (delayed, kept) = channel();
        let shared = Arc::new(Shared {
            upstream: server.join(".s.PGSQL.5432"),
            plan: Mutex::default(),
            rewrite,
            rewritten: AtomicBool::new(false),
            delayed: Mutex::new(delayed),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for store in listener.incoming().flatten() {
                // A server that is down refuses here as it would there.
                if let Ok(server) = UnixStream::connect(&own.upstream) {
                    join(&own, &store, &server).expect("sockets can be shared");
                }
            }
        });
        Self {
            home,
            shared,
            delayed: kept,
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        self.home.path()
    }

    /// Breaks the connection at a message. Once.
    pub(crate) fn plan(&self, side: Side, at: At, what: Break) {
        *lock(&self.shared.plan) = Some((side, at, what));
    }

    /// Whether the plan has been carried out.
    pub(crate) fn has_broken(&self) -> bool {
        lock(&self.shared.plan).is_none()
    }

    /// Whether other words were put in.
    pub(crate) fn has_rewritten(&self) -> bool {
        self.shared.rewritten.load(Ordering::SeqCst)
    }

    /// The connection that was delayed.
    pub(crate) fn delayed(&self) -> Delayed {
        self.delayed.recv().expect("it was planned")
    }
}

impl Delayed {
    /// Lets through what the store had said, and gives all that the server answers to it.
    pub(crate) fn let_through(mut self) -> Vec<u8> {
        self.server.write_all(&self.bytes).expect("it listens");
        self.server.shutdown(Shutdown::Write).expect("it is open");
        self.answer.recv().expect("somebody listens to the server")
    }
}

/// Carries messages both ways until one side ends or the plan breaks them.
fn join(shared: &Arc<Shared>, store: &UnixStream, server: &UnixStream) -> io::Result<()> {
    let (orphan, answer) = channel();
    let (mut from, mut to) = (store.try_clone()?, server.try_clone()?);
    let own = Arc::clone(shared);
    thread::spawn(move || match own.carry_store(&mut from, &mut to) {
        Ok(Some(bytes)) => {
            let delayed = Delayed {
                server: to,
                bytes,
                answer,
            };
            // Nobody may want it any more.
            let _ = lock(&own.delayed).send(delayed);
        }
        Ok(None) | Err(_) => part(&from, &to),
    });
    let (mut from, mut to) = (server.try_clone()?, store.try_clone()?);
    let own = Arc::clone(shared);
    thread::spawn(move || {
        let heard = own.carry_server(&mut from, &mut to).unwrap_or_default();
        part(&from, &to);
        let _ = orphan.send(heard);
    });
    Ok(())
}

/// Tells both ends that the connection is gone.
fn part(one: &UnixStream, other: &UnixStream) {
    for end in [one, other] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// Reads one message; `kind` bytes stand before its length.
fn read_message(from: &mut UnixStream, kind: usize) -> io::Result<Vec<u8>> {
    let mut message = vec![0; kind + 4];
    from.read_exact(&mut message)?;
    let mut len = [0; 4];
    len.copy_from_slice(&message[kind..]);
    let len = u32::from_be_bytes(len) as usize + kind;
    message.resize(len.max(kind + 4), 0);
    from.read_exact(&mut message[kind + 4..])?;
    Ok(message)
}

impl Shared {
    /// Gives what is to be said later, when that was planned.
    fn carry_store(
        &self,
        from: &mut UnixStream,
        to: &mut UnixStream,
    ) -> io::Result<Option<Vec<u8>>> {
        // Only a store's first message has no kind.
        let mut kind = 0;
        loop {
            let mut message = read_message(from, kind)?;
            kind = 1;
            self.rewrite(&mut message);
            match self.at_message(Side::Store, &message) {
                None => to.write_all(&message)?,
                Some(Break::Cut) => return Ok(None),
                Some(Break::Delay) => {
                    // All that was said in one go: it ends with the request for an answer.
                    while !message.ends_with(b"S\0\0\0\x04") {
                        message.extend(read_message(from, kind)?);
                    }
                    from.shutdown(Shutdown::Both)?;
                    return Ok(Some(message));
                }
            }
        }
    }

    /// Gives what the server said to a store that was gone.
    fn carry_server(&self, from: &mut UnixStream, to: &mut UnixStream) -> io::Result<Vec<u8>> {
        loop {
            let mut message = read_message(from, 1)?;
            if self.at_message(Side::Server, &message) == Some(Break::Cut) {
                return Ok(Vec::new());
            }
            if to.write_all(&message).is_err() {
                // A server that is killed ends in the middle.
                let _ = from.read_to_end(&mut message);
                return Ok(message);
            }
        }
    }

    /// What happens at this message.
    fn at_message(&self, side: Side, message: &[u8]) -> Option<Break> {
        let mut plan = lock(&self.plan);
        let (planned, at, what) = (*plan)?;
        if planned != side {
            return None;
        }
        let is_due = match at {
            At::Nth(nth) => nth <= 1,
            At::Kind(kind) => message.first() == Some(&kind),
        };
        *plan = match at {
            _ if is_due => None,
            At::Nth(nth) => Some((side, At::Nth(nth - 1), what)),
            At::Kind(_) => return None,
        };
        is_due.then_some(what)
    }

    fn rewrite(&self, message: &mut [u8]) {
        let Some((from, to)) = &self.rewrite else {
            return;
        };
        let place = message.windows(from.len()).position(|words| words == from);
        if let Some(place) = place {
            message[place..place + to.len()].copy_from_slice(to);
            self.rewritten.store(true, Ordering::SeqCst);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
