//! The command line.

use crate::audit::audit;
use crate::config::{Config, ConfigFault};
use crate::key;
use crate::server::serve;
use actix_web::rt;
use clap::{Args, Parser, Subcommand};
use core::future::poll_fn;
use core::task::Poll;
use rt::signal::unix::{Signal, SignalKind, signal};
use serde_json::json;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(
    name = "gettone-gateway",
    version,
    about = "The server of Gettone: accounts, grants, receipts and the operators' HTTP API.",
    after_help = "Logs go to stderr; RUST_LOG sets how much."
)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the HTTP API until SIGTERM or SIGINT.
    ///
    /// Prints one line, "listening on http://ADDR", once requests are taken. There is no TLS: put
    /// a proxy in front that ends it.
    Serve(File),
    /// Examines a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Proves the books from the journal: exit 0 when they balance, 1 when not.
    ///
    /// Stop the gateway first: the journal has one reader at a time.
    Audit(AuditArgs),
    /// Prints the server's public key and its epoch as JSON; makes the key on first use.
    Key(File),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Says whether a configuration can be used, and if not, which field is wrong.
    Check(File),
}

#[derive(Args)]
struct File {
    /// The configuration file (TOML).
    #[arg(long = "config", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct AuditArgs {
    #[command(flatten)]
    place: AuditPlace,
    /// Prints one JSON object in place of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct AuditPlace {
    /// The configuration file that names the state directory.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The state directory, or a journal's own.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What is logged unless RUST_LOG says otherwise: the server below tells its workers' comings and
/// goings as news.
const LOGGED: &str = "info,actix_server=warn";
/// The books are read, and do not balance.
const NOT_BALANCED: u8 = 1;
/// It could not be done, and stderr says why.
const FAILED: u8 = 2;

/// Runs the program with these arguments, the first of which is its name.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let program = match Program::try_parse_from(args) {
        Ok(program) => program,
        Err(usage) => {
            // Nothing can be said when even stderr is gone.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(FAILED));
        }
    };
    let done = match program.command {
        Command::Serve(file) => run(&file),
        Command::Config(ConfigCommand::Check(file)) => check(&file),
        Command::Audit(args) => prove(&args),
        Command::Key(file) => show_key(&file),
    };
    done.unwrap_or_else(|fault| {
        eprintln!("gettone-gateway: {fault}");
        ExitCode::from(FAILED)
    })
}

/// Why the program ends; only people read it.
#[derive(thiserror::Error, Debug)]
enum Fault {
    #[error("{0}")]
    Config(#[from] ConfigFault),
    #[error("{0}")]
    Key(#[from] key::KeyFault),
    #[error("{0}")]
    Audit(#[from] crate::audit::AuditFault),
    #[error("{0}")]
    Serve(#[from] crate::server::ServeFault),
    #[error("cannot write to stdout: {0}")]
    Output(#[source] io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
}

fn run(file: &File) -> Result<ExitCode, Fault> {
    let config = Config::read(&file.config)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    // Whoever embeds this program may log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
    rt::System::new().block_on(async {
        let stop = stop_signal().map_err(Fault::Signals)?;
        serve(config, announce, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn announce(reached: SocketAddr) {
    let mut out = io::stdout().lock();
    // Who closed stdout does not want to know.
    let _ = writeln!(out, "listening on http://{reached}").and_then(|()| out.flush());
}

fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate: Signal = signal(SignalKind::terminate())?;
    let mut interrupt: Signal = signal(SignalKind::interrupt())?;
    Ok(poll_fn(move |context| {
        let stopped =
            terminate.poll_recv(context).is_ready() || interrupt.poll_recv(context).is_ready();
        if stopped {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }))
}

fn check(file: &File) -> Result<ExitCode, Fault> {
    let config = Config::read(&file.config)?;
    let top_ups = match config.platform {
        Some(_) => "top-ups allowed",
        None => "no [platform] key: no top-ups",
    };
    let line = format!(
        "{}: sound; listens on {}, state in {}, {} operators, {top_ups}",
        file.config.display(),
        config.listen,
        config.state.display(),
        config.operators.len(),
    );
    print(&line)
}

fn prove(args: &AuditArgs) -> Result<ExitCode, Fault> {
    let state = match (&args.place.config, &args.place.dir) {
        (Some(config), _) => Config::read(config)?.state,
        (None, Some(dir)) => dir.clone(),
        (None, None) => PathBuf::from("."),
    };
    let audited = audit(&state)?;
    if args.json {
        print(&audited.to_json().to_string())?;
    } else {
        print(audited.to_string().trim_end())?;
    }
    Ok(if audited.is_balanced() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_BALANCED)
    })
}

fn show_key(file: &File) -> Result<ExitCode, Fault> {
    let config = Config::read(&file.config)?;
    key::state_directory(&config.state)?;
    let server = key::server_key(&config.state)?;
    let shown = json!({
        "server_public_key": server.key.public().to_string(),
        "server_epoch": server.epoch,
    });
    print(&shown.to_string())
}

fn print(text: &str) -> Result<ExitCode, Fault> {
    writeln!(io::stdout().lock(), "{text}").map_err(Fault::Output)?;
    Ok(ExitCode::SUCCESS)
}
