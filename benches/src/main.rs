//! The stopwatch's program: pick a measurement, print what it gave.

use clap::{Parser, Subcommand, ValueEnum};
use core::time::Duration;
use gettone_benches::settle::{Medium, Plan};
use gettone_benches::{Fault, Figures, floor, purchases, reflex, settle};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

// Counting allocations takes the place of the allocator: a build of its own.
#[cfg(not(feature = "count"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Gettone: conditions first, then figures.
#[derive(Parser, Debug)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand, Debug)]
enum Measurement {
    /// Whole durable vends each second.
    Settle {
        /// Callers at once, in all.
        #[arg(long, default_value = "1024")]
        in_flight: NonZeroUsize,
        /// For how long.
        #[arg(long, default_value_t = 5)]
        seconds: u32,
        /// Where the journal goes.
        #[arg(long, value_enum, default_value_t = Kind::File)]
        store: Kind,
        /// Threads that the callers share.
        #[arg(long, default_value = "1")]
        caller_threads: NonZeroUsize,
        /// On which disk.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// Whole purchases each second, through HTTP, Noise envelopes and the durable ledger.
    Purchases {
        /// Phones that buy at once.
        #[arg(long, default_value = "16")]
        in_flight: NonZeroUsize,
        /// For how long.
        #[arg(long, default_value_t = 5)]
        seconds: u32,
        /// On which disk.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// This disk's own flush rate.
    Floor {
        /// For how long.
        #[arg(long, default_value_t = 3)]
        seconds: u32,
        /// On which disk.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// How soon the bus is answered while the processor is busy.
    Reflex {
        /// Exchanges with the reader's own thread; the others do fewer.
        #[arg(long, default_value_t = 100_000)]
        exchanges: u32,
        /// Threads that burn the processor meanwhile.
        #[arg(long, default_value_t = 4)]
        busy: usize,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    File,
    Memory,
}

fn main() -> ExitCode {
    // The gateway that is measured runs in a process of its own: this executable again.
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|part| part == purchases::PART) {
        return gettone_gateway::main_with(arguments);
    }
    let (measured, json) = match Arguments::parse().measurement {
        Measurement::Settle {
            in_flight,
            seconds,
            store,
            caller_threads,
            dir,
            json,
        } => {
            let plan = Plan {
                in_flight,
                span: Duration::from_secs(seconds.into()),
                medium: match store {
                    Kind::File => Medium::File(dir),
                    Kind::Memory => Medium::Memory,
                },
                caller_threads,
            };
            (settle::measure(&plan), json)
        }
        Measurement::Purchases {
            in_flight,
            seconds,
            dir,
            json,
        } => {
            let plan = purchases::Plan {
                in_flight,
                span: Duration::from_secs(seconds.into()),
                dir,
            };
            (purchases::measure(&plan), json)
        }
        Measurement::Reflex {
            exchanges,
            busy,
            json,
        } => return tell_reflex(reflex::Plan { exchanges, busy }, json),
        Measurement::Floor { seconds, dir, json } => (
            floor::measure(&dir, Duration::from_secs(seconds.into())),
            json,
        ),
    };
    tell(measured, json)
}

fn tell(measured: Result<Figures, Fault>, json: bool) -> ExitCode {
    match measured {
        Ok(figures) if json => println!("{}", figures.to_json()),
        Ok(figures) => print!("{figures}"),
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn tell_reflex(plan: reflex::Plan, json: bool) -> ExitCode {
    match reflex::measure(plan) {
        Ok(figures) if json => println!("{}", figures.to_json()),
        Ok(figures) => print!("{figures}"),
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
