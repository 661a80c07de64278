use gettone::core::port::StoreFault;
use gettone::{ShutdownFault, StartFault};
use std::io;

/// Why there are no figures.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system said no.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// The store did not open.
    #[error("opening the store: {0}")]
    Store(#[from] StoreFault),
    /// The engine did not start.
    #[error("starting the engine: {0}")]
    Start(#[from] StartFault),
    /// The engine did not end cleanly.
    #[error("ending the engine: {0}")]
    Shutdown(#[from] ShutdownFault),
    /// A call that must succeed did not.
    #[error("{doing}: {failure}")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// What the engine said.
        failure: String,
    },
}

impl Fault {
    /// An operating system's "no", with what was being done.
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// An engine's "no", with what was being done.
    pub(crate) fn call<E: ToString>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |failure| Self::Call {
            doing,
            failure: failure.to_string(),
        }
    }
}
