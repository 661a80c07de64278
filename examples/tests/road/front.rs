//! What stands before the gateway: it ends TLS, as a proxy does, and it can be cut.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate of `localhost`, by an authority of these tests alone.
const CERTIFICATE: &[u8] = include_bytes!("server.pem");
const KEY: &[u8] = include_bytes!("server.key");

/// A proxy on a port of its own.
pub(crate) struct Front {
    address: SocketAddr,
    roads: Arc<Mutex<Vec<AbortHandle>>>,
    tried: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

impl Front {
    /// Begins to take roads to the gateway at this address.
    pub(crate) fn open(gateway: &str) -> Self {
        let gateway = gateway.trim_start_matches("http://").to_owned();
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("settable");
        let address = listener.local_addr().expect("it is bound");
        let front = Self {
            address,
            roads: Arc::default(),
            tried: Arc::default(),
            taken: Arc::default(),
        };
        let (tried, taken) = (Arc::clone(&front.tried), Arc::clone(&front.taken));
        let roads = Arc::clone(&front.roads);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let acceptor = TlsAcceptor::from(Arc::new(config()));
                // It ends with the process.
                while let Ok((stream, _)) = listener.accept().await {
                    tried.fetch_add(1, Ordering::SeqCst);
                    let road = pass(acceptor.clone(), stream, gateway.clone(), taken.clone());
                    let road = tokio::spawn(road).abort_handle();
                    let mut roads = roads.lock().unwrap_or_else(PoisonError::into_inner);
                    roads.push(road);
                }
            });
        });
        front
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How often somebody came.
    pub(crate) fn tried(&self) -> usize {
        self.tried.load(Ordering::SeqCst)
    }

    /// How many roads were taken, their TLS included.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Cuts every road that stands.
    pub(crate) fn cut(&self) {
        let mut roads = self.roads.lock().unwrap_or_else(PoisonError::into_inner);
        roads.drain(..).for_each(|road| road.abort());
    }
}

async fn pass(acceptor: TlsAcceptor, stream: TcpStream, gateway: String, taken: Arc<AtomicUsize>) {
    let Ok(mut inner) = acceptor.accept(stream).await else {
        return;
    };
    taken.fetch_add(1, Ordering::SeqCst);
    if let Ok(mut outer) = TcpStream::connect(gateway).await {
        // However it ends, both ends see it.
        let _ = copy_bidirectional(&mut inner, &mut outer).await;
    }
}

fn config() -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key of the certificate")
}

/// Writes the certificates of an authority where a board finds them.
pub(crate) fn write_authority(path: &Path, authority: Authority) {
    let words: &[u8] = match authority {
        Authority::Ours => include_bytes!("ca.pem"),
        Authority::SomebodyElses => include_bytes!("other-ca.pem"),
    };
    std::fs::write(path, words).expect("room");
}

/// Who vouches for the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    Ours,
    SomebodyElses,
}
