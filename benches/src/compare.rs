//! Our own engine and what one would use instead, in turns, in the same run.

use crate::demand::Demand;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::peer::naive::Naive;
use crate::peer::postgres::{Asking, Ledger, Postgres};
use crate::report::Report;
use crate::rounds::{self, Contender};
use crate::settle;
use clap::ValueEnum;
use serde_json::Map;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

const NAME: &str = "settle";

/// Who can be compared with.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Our own engine, with vends spread evenly: what `--hot` is to be held against.
    Uniform,
    /// One actix actor for each machine, session and wallet, in memory, never flushed.
    Naive,
    /// A ledger in PostgreSQL, two calls and commits for each vend.
    PostgresPerVend,
    /// A ledger in PostgreSQL, two calls and commits for a thousand vends.
    PostgresSet,
}

impl Peer {
    /// What it is called in the figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Naive => "naive",
            Self::PostgresPerVend => "postgres-per-vend",
            Self::PostgresSet => "postgres-set",
        }
    }
}

/// What is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// How our own engine is run; the peers are run alike.
    pub settle: settle::Plan,
    /// On which disk a server keeps its books.
    pub dir: PathBuf,
    /// With whom.
    pub peers: Vec<Peer>,
    /// How often each one runs; odd, so that there is a middle one.
    pub rounds: NonZeroUsize,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Compared {
    /// All figures.
    pub report: Report,
    /// Who could not be compared with, and why: nobody may miss it.
    pub not_run: Vec<(Peer, String)>,
}

/// Runs everybody in turn.
///
/// # Errors
/// `Fault` when anybody fails, or has books that do not balance. A peer that is not installed does
/// not fail; it is told.
pub fn measure(plan: &Plan) -> Result<Compared, Fault> {
    let mut own = Own(NAME, plan.settle.clone());
    let (mut peers, mut not_run): (Vec<Box<dyn Contender>>, _) = (Vec::new(), Vec::new());
    let wants_ledger = |peer: &Peer| matches!(peer, Peer::PostgresPerVend | Peer::PostgresSet);
    let ledger = if plan.peers.iter().any(wants_ledger) {
        Some(Ledger::open(&plan.dir, plan.settle.demand)?)
    } else {
        None
    };
    for peer in &plan.peers {
        let asking = match peer {
            Peer::Uniform => {
                let mut evenly = plan.settle.clone();
                evenly.demand = Demand::new(evenly.demand.wallets(), 0);
                peers.push(Box::new(Own(peer.name(), evenly)));
                continue;
            }
            Peer::Naive => {
                peers.push(Box::new(Naive {
                    in_flight: plan.settle.in_flight,
                    span: plan.settle.span,
                    demand: plan.settle.demand,
                }));
                continue;
            }
            Peer::PostgresPerVend => Asking::PerVend,
            Peer::PostgresSet => Asking::Set,
        };
        match &ledger {
            Some(Ok(ledger)) => peers.push(Box::new(Postgres {
                ledger: Arc::clone(ledger),
                asking,
                in_flight: plan.settle.in_flight.get(),
                span: plan.settle.span,
                runs: 0,
            })),
            Some(Err(absent)) => not_run.push((*peer, absent.to_string())),
            None => {}
        }
    }
    let mut report = rounds::compare(&mut own, &mut peers, plan.rounds.get())?;
    for (peer, why) in &not_run {
        let mut told = Map::new();
        told.insert("not_run".to_owned(), why.as_str().into());
        report.beside(peer.name(), told);
    }
    Ok(Compared { report, not_run })
}

/// Our own engine, started anew for each round.
struct Own(&'static str, settle::Plan);

impl Contender for Own {
    fn name(&self) -> &'static str {
        self.0
    }

    fn run(&mut self) -> Result<Figures, Fault> {
        settle::measure(&self.1)
    }
}
