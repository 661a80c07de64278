//! An embeddable, actor-based transaction engine for unattended retail: wallets, sessions,
//! machines and readers as virtual actors, every answer on disk before it is given.
//!
//! One handle, [`Engine`], works from any runtime or none. It routes each command to the shard
//! that hosts its entity, has the rules of [`core`] decide, and gives the answer once the journal
//! has made it [`Durable`]. It never decides by a projection, never answers what could still be
//! lost, never retries a failed write, and knows nothing of wires, light or HTTP.
//!
//! ```
//! use gettone::core::grant::{Purpose, Terms};
//! use gettone::core::id::{Item, MachineId, OperatorId, Rseq, TransferId, VendId, WalletId};
//! use gettone::core::money::{Amount, Currency};
//! use gettone::core::wallet::{Outcome, Proof, Reason};
//! use gettone::{Engine, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Box::new(gettone_store::Memory::new());
//! let engine = Engine::start(store, Settings::default(), &mut |_, _| {})?;
//!
//! let (wallet, session) = (WalletId::new(1), VendId::from_bytes([7; 16]));
//! let (machine, operator) = (MachineId::new(1), OperatorId::new(1));
//! engine.open_wallet(wallet, Currency::EUR).await?;
//! engine.top_up(wallet, TransferId::from_bytes([1; 16]), Amount::from_minor(500)).await?;
//!
//! let terms = Terms {
//!     operator,
//!     machine,
//!     cap: Amount::from_minor(200),
//!     least: Amount::from_minor(80),
//!     vends_max: 1,
//!     fee_basis_points: 150,
//!     revalue_max: Amount::ZERO,
//!     purpose: Purpose::Sale,
//! };
//! engine.open(wallet, session, (machine, operator)).await?;
//! engine.reserve(wallet, session, terms).await?;
//! let espresso = Outcome::Vended {
//!     item: Item::new(11),
//!     amount: Amount::from_minor(120),
//!     proof: Proof::Told,
//! };
//! engine.settle(wallet, session, (Rseq::new(1), espresso)).await?;
//! engine.release(wallet, session, Reason::Closed).await?;
//!
//! let balance = engine.balance(wallet).await?.into_inner();
//! assert_eq!(balance.map(|balance| balance.emoney), Some(Amount::from_minor(380)));
//! engine.shutdown().await?;
//! # Ok(())
//! # }
//! ```

pub mod bounds;
mod clock;
mod directory;
mod engine;
mod entities;
mod failure;
mod gate;
mod host;
mod journal;
mod line;
mod loader;
mod metrics;
mod operators;
mod pipeline;
mod rebuild;
mod recovery;
mod relay;
mod session;
mod settings;
mod shard;
#[cfg(test)]
mod sim;
mod snapshots;
mod threads;
mod transfers;

pub use crate::clock::Clock;
pub use crate::engine::Engine;
pub use crate::failure::{
    Failure, OperatorRefusal, ReplaceRefusal, SessionRefusal, ShutdownFault, SnapshotFailure,
    StartFault, StopCause, TrailFault, TrailRefusal, TransferRefusal,
};
pub use crate::journal::{Durable, Events, Lagged, Trail};
pub use crate::metrics::Metrics;
pub use crate::operators::Payout;
pub use crate::pipeline::{Answer, Pipeline};
pub use crate::relay::Relayed;
pub use crate::session::{Action, Answered, Hold, Moved, Progress, SessionCommand, Stale};
pub use crate::settings::Settings;
pub use gettone_core as core;
