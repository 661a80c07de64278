//! The command line.

use crate::config::Config;
use crate::identity::Identity;
use crate::program::run;
use crate::trace;
use clap::{Parser, Subcommand};
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// The reader board of a vending machine: light in, radio link, MDB, journal.
#[derive(Parser, Debug)]
#[command(name = "gettone-reader", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the board until SIGTERM or SIGINT; an open vend is finished first.
    Run {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make the board's key if it has none, and print as JSON what an installer registers.
    Enrol {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read a bus capture (lines of `TIME_US V|P WORD..`, 9-bit words in hex) and say what it means.
    MdbTrace {
        /// Give the controller's words to our own device, and show what it answers.
        #[arg(long)]
        replay: bool,
        /// The capture.
        file: PathBuf,
    },
    /// Look after the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Read a configuration and say whether it is good.
    Check {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Runs the program with these arguments, the program's name first.
pub fn main_with(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(told) => {
            let code = u8::try_from(told.exit_code()).unwrap_or(2);
            // Nowhere is left to complain to when this cannot be printed.
            let _ = told.print();
            return ExitCode::from(code);
        }
    };
    let done = match arguments.command {
        Command::Run { config } => run_until_signal(&config),
        Command::Enrol { config } => enrol(&config),
        Command::MdbTrace { replay, file } => show_trace(
            &file,
            if replay {
                Showing::Replayed
            } else {
                Showing::Explained
            },
        ),
        Command::Config {
            command: ConfigCommand::Check { config },
        } => check(&config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(fault.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run_until_signal(path: &Path) -> Result<(), Box<dyn Error>> {
    log_to_stderr();
    let config = Config::read(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Ok(run(config, stop).await?)
    })
}

/// What is done with a capture.
#[derive(Clone, Copy, Debug)]
enum Showing {
    Explained,
    Replayed,
}

fn show_trace(path: &Path, showing: Showing) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let shown = match showing {
        Showing::Replayed => trace::replay(path, &mut out),
        Showing::Explained => trace::explain(path, &mut out),
    };
    match shown {
        // Whoever reads has seen enough.
        Err(trace::CaptureFault::Write(fault))
            if fault.kind() == std::io::ErrorKind::BrokenPipe =>
        {
            Ok(())
        }
        shown => Ok(shown?),
    }
}

fn enrol(path: &Path) -> Result<(), Box<dyn Error>> {
    let config = Config::read(path)?;
    let identity = Identity::open(&config.state)?;
    let shown = serde_json::json!({
        "reader_id": identity.reader_id().to_string(),
        "public_key": identity.public().to_string(),
        "claim_code": identity.claim().to_string(),
        "machine": config.machine,
    });
    println!("{shown}");
    Ok(())
}

fn check(path: &Path) -> Result<(), Box<dyn Error>> {
    let config = Config::read(path)?;
    println!(
        "good: machine {}, {} prices, {} server key(s)",
        config.machine,
        config.currency,
        config.servers.len()
    );
    Ok(())
}

/// Logs go to stderr, `info` and above unless RUST_LOG says otherwise. They hold no secrets.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A program that runs this one inside may log already.
    let _ = log.try_init();
}

fn complain(fault: &dyn Error) {
    eprintln!("gettone-reader: {fault}");
    let mut source = fault.source();
    while let Some(fault) = source {
        eprintln!("  because: {fault}");
        source = fault.source();
    }
}
