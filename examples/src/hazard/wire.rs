//! A wire between a reader and the server that somebody can cut.

use crate::fault::StreetFault;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A port of this machine behind which the server is, as long as the wire is whole.
pub(super) struct Wire {
    port: u16,
    ends: Arc<Ends>,
}

#[derive(Default)]
struct Ends {
    streams: Mutex<Vec<TcpStream>>,
    is_cut: AtomicBool,
    taken: AtomicUsize,
}

impl Wire {
    /// Begins to take whoever comes to the server at this URL.
    pub(super) fn lay(server: &str) -> Result<Self, StreetFault> {
        let server = server.trim_start_matches("http://").to_owned();
        let laid = TcpListener::bind("127.0.0.1:0");
        let listener = laid.map_err(|_| StreetFault::Unexpected("no port for a wire"))?;
        let address = listener.local_addr();
        let port = address
            .map_err(|_| StreetFault::Unexpected("a wire without a port"))?
            .port();
        let ends = Arc::<Ends>::default();
        let wire = Self {
            port,
            ends: Arc::clone(&ends),
        };
        // It ends with the process.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if ends.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(far) = TcpStream::connect(&server) {
                    ends.taken.fetch_add(1, Ordering::SeqCst);
                    let _ = ends.join(near, far);
                }
            }
        });
        Ok(wire)
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it: what is on its way is lost.
    pub(super) fn cut(&self) {
        self.ends.is_cut.store(true, Ordering::SeqCst);
        for stream in self.ends.streams().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Mends it: the reader comes again by itself.
    pub(super) fn mend(&self) {
        self.ends.is_cut.store(false, Ordering::SeqCst);
    }

    /// How often somebody has come through.
    pub(super) fn taken(&self) -> usize {
        self.ends.taken.load(Ordering::SeqCst)
    }
}

impl Ends {
    fn streams(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        // Nothing panics while it is held.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, near: TcpStream, far: TcpStream) -> io::Result<()> {
        let ways = [
            (near.try_clone()?, far.try_clone()?),
            (far.try_clone()?, near.try_clone()?),
        ];
        self.streams().extend([near, far]);
        for (mut from, mut to) in ways {
            thread::spawn(move || {
                // However it ends, both ends see it.
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        Ok(())
    }
}
