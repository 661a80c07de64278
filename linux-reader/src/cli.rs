//! The command line.

use crate::audit;
use crate::care::Shelf;
use crate::config::{CONFIG_PATH, Config};
use crate::enrol::{self, Road, Unsent, Wish};
use crate::installer::Installer;
use crate::launch::{Launched, launch};
use crate::program::run_launched;
use crate::release::{self, Number, ReleaseKey};
use crate::self_test::{Form, Verdict, self_test};
use crate::status::{Found, Status};
use crate::trace::{self, Showing};
use clap::{Args, Parser, Subcommand};
use gettone_channel::ReaderId;
use gettone_mdb::Address;
use gettone_mdb::link::Spec;
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What `status` answers when no reader runs.
const NOT_RUNNING: u8 = 3;
/// What `audit` answers when the machine has given none.
const NO_AUDIT: u8 = 3;

/// The reader board of a vending machine: light in, radio link, MDB, journal.
#[derive(Parser, Debug)]
#[command(name = "gettone-reader", version)]
struct Arguments {
    /// The configuration file (TOML); files in the folder of the same name ending in .d stand over it.
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG_PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the board until SIGTERM or SIGINT; an open vend is finished first.
    Run {
        /// Print the configuration with all its defaults, and do not run.
        #[arg(long)]
        print_config: bool,
    },
    /// Become the program of this start: one that a phone brought, or this one. A service manager's command.
    Launch,
    /// Test the board and what is wired to it; each line is ok, warn or FAIL, with what to do.
    ///
    /// Exits with 0 when the board can sell, 1 when it cannot.
    SelfTest {
        /// One JSON object in place of lines.
        #[arg(long)]
        json: bool,
    },
    /// Make the board's key if it has none, print who it is as JSON, and enrol it with a server.
    ///
    /// Without --server it tells the call that enrols it from another computer.
    Enrol(EnrolArguments),
    /// Take the place of another board on its machine: that one is revoked on the server.
    Replace {
        /// The board that is gone: its reader_id, 16 hexadecimal digits.
        #[arg(value_name = "READER_ID")]
        old: ReaderId,
        #[command(flatten)]
        enrol: EnrolArguments,
    },
    /// Forget who this board is: key, journal, enrolment. With --server it is revoked there first.
    Reset {
        /// Really.
        #[arg(long, required = true)]
        yes: bool,
        /// Lose receipts that no phone has carried to the server.
        #[arg(long)]
        forget_receipts: bool,
        #[command(flatten)]
        call: CallArguments,
    },
    /// Look after the board's own keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Say how the running reader is. Exits with 0 when it runs, 3 when it does not.
    Status {
        /// One JSON object in place of lines.
        #[arg(long)]
        json: bool,
    },
    /// Print the audit (EVA-DTS) that the machine gave last; with --server, bring it to the operator's server.
    ///
    /// The machine is asked for it where `options` has "file-transport" and the machine switches it on. Exits with 3
    /// when it has given none.
    Audit(CallArguments),
    /// Say what happens on an MDB bus, one line for each exchange: of a capture, or live.
    ///
    /// A capture holds lines of `TIME_US V|P WORD..`, 9-bit words in hex. A live bus is only listened to: stop the
    /// reader first, since the port is used by one program at a time.
    MdbTrace(TraceArguments),
    /// Make firmware for readers, where the release key is: never on a server, never on a board.
    #[command(subcommand)]
    Firmware(FirmwareCommand),
    /// Look after the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Args, Debug)]
struct EnrolArguments {
    /// The machine's number, as the operator has registered it; needed once.
    #[arg(long, value_name = "NUMBER")]
    machine: Option<u32>,
    #[command(flatten)]
    call: CallArguments,
    /// The server's answer, when the call was made on another computer; - is the standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    answer: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct CallArguments {
    /// The server, such as http://127.0.0.1:8080: plain HTTP, on this machine or this site only.
    #[arg(long, value_name = "URL", requires = "api_key_file")]
    server: Option<String>,
    /// A file that holds an operator's key and nothing else; - is the standard input.
    #[arg(long, value_name = "FILE", requires = "server")]
    api_key_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct TraceArguments {
    /// Give the controller's words to our own device, and show its answers beside the recorded ones.
    #[arg(long, conflicts_with = "link")]
    replay: bool,
    /// Show all exchanges: idle POLLs and other devices as well.
    #[arg(long)]
    all: bool,
    /// Listen to a live bus: tty:DEVICE, bridge:DEVICE or words:PATH.
    #[arg(long, value_name = "LINK", conflicts_with = "file")]
    link: Option<Spec>,
    /// Which cashless device of the live bus is meant: 1 (10H) or 2 (60H).
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2), requires = "link")]
    device: u8,
    /// The capture.
    #[arg(required_unless_present = "link")]
    file: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum KeyCommand {
    /// Make next keys; stop the reader first, and start it again.
    ///
    /// Phones carry them to the server. The keys in use go on working until it has confirmed the next ones,
    /// however much is lost on the way. The board's name stays.
    Rotate,
}

#[derive(Subcommand, Debug)]
enum FirmwareCommand {
    /// Make a release key; prints the public one, for `release_keys` of readers.
    Keygen {
        /// Where the secret key goes; a file that is there is left alone.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Pack a program as a firmware file, and sign it.
    Pack {
        /// The reader's program, stripped.
        #[arg(long, value_name = "FILE")]
        program: PathBuf,
        /// Its number or version, greater than that of every program before.
        #[arg(long, value_name = "NUMBER")]
        number: Number,
        /// The kind of board that it is built for.
        #[arg(long, value_name = "BOARD", default_value_t = release::board())]
        board: String,
        /// The secret release key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The firmware file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say what a firmware file is; exits with 1 when it is not whole.
    Show {
        /// A public release key: is it signed by this one?
        #[arg(long, value_name = "KEY")]
        key: Vec<ReleaseKey>,
        /// The firmware file.
        file: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Read a configuration and say whether it is good, or which line is not.
    Check,
    /// Print what it comes to, defaults included.
    Print,
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
    match follow(&arguments.config, arguments.command) {
        Ok(code) => code,
        Err(fault) => {
            complain(fault.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn follow(config: &Path, command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Run { print_config: true } => print(config)?,
        Command::Run { .. } => run_until_signal(config)?,
        Command::Launch => {
            log_to_stderr();
            match launch(config)? {}
        }
        Command::Firmware(command) => make_firmware(command)?,
        Command::SelfTest { json } => return test(config, json),
        Command::Enrol(wish) => enrol::enrol(config, &wish.wish(None))?,
        Command::Replace { old, enrol: wish } => enrol::enrol(config, &wish.wish(Some(old)))?,
        Command::Reset {
            yes: _,
            forget_receipts,
            call,
        } => {
            let unsent = match forget_receipts {
                true => Unsent::Forget,
                false => Unsent::Keep,
            };
            enrol::reset(config, unsent, call.server.zip(call.api_key_file))?;
        }
        Command::Key(KeyCommand::Rotate) => enrol::change_keys(config)?,
        Command::Status { json } => return status(config, json),
        Command::Audit(call) => return audit(config, call.server.zip(call.api_key_file)),
        Command::MdbTrace(wish) => show_trace(&wish)?,
        Command::Config { command } => match command {
            ConfigCommand::Check => check(config)?,
            ConfigCommand::Print => print(config)?,
        },
    }
    Ok(ExitCode::SUCCESS)
}

impl EnrolArguments {
    fn wish(self, replaces: Option<ReaderId>) -> Wish {
        let call = self.call.server.zip(self.call.api_key_file);
        Wish {
            machine: self.machine,
            replaces,
            road: match (call, self.answer) {
                (Some((server, api_key)), _) => Road::Call { server, api_key },
                (None, Some(answer)) => Road::Answer(answer),
                (None, None) => Road::Elsewhere,
            },
        }
    }
}

fn make_firmware(command: FirmwareCommand) -> Result<(), Box<dyn Error>> {
    match command {
        FirmwareCommand::Keygen { out } => println!("{}", release::make_key(&out)?),
        FirmwareCommand::Pack {
            program,
            number,
            board,
            key,
            out,
        } => {
            let len = release::pack_file(&release::Wish {
                program: &program,
                number,
                board: &board,
                key: &key,
                out: &out,
            })?;
            eprintln!("firmware {number} for {board}: {len} bytes");
        }
        FirmwareCommand::Show { key, file } => print!("{}", release::show(&file, &key)?),
    }
    Ok(())
}

fn run_until_signal(path: &Path) -> Result<(), Box<dyn Error>> {
    log_to_stderr();
    Shelf::of(&Config::read_place(path)?.state).count_start()?;
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
        Ok(run_launched(config, Launched::from_env(), stop).await?)
    })
}

fn test(path: &Path, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let form = match json {
        true => Form::Json,
        false => Form::Text,
    };
    match self_test(path, form, &mut std::io::stdout().lock())? {
        Verdict::Ok | Verdict::Warn => Ok(ExitCode::SUCCESS),
        Verdict::Fail => Ok(ExitCode::FAILURE),
    }
}

fn status(path: &Path, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::read(path)?;
    let place = config.status.ok_or(
        "the configuration names no status file: write status = \"/run/gettone/status.json\"",
    )?;
    let (status, code) = match Status::find(&place)? {
        Found::Running(status) => (status, ExitCode::SUCCESS),
        Found::Stale(status) => {
            eprintln!("no reader runs, or it hangs: this is what it said last");
            (status, ExitCode::from(NOT_RUNNING))
        }
        Found::Nothing => {
            eprintln!("no reader has run since the computer's start");
            return Ok(ExitCode::from(NOT_RUNNING));
        }
    };
    match json {
        true => println!("{}", serde_json::to_string(&status)?),
        false => print!("{}", status.print()),
    }
    Ok(code)
}

fn audit(path: &Path, call: Option<(String, PathBuf)>) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::read(path)?;
    let Some(words) = audit::read(&config.state)? else {
        eprintln!(
            "the machine has given no audit: it is asked where [mdb] options has \"file-transport\", and gives one \
             where it has this option itself"
        );
        return Ok(ExitCode::from(NO_AUDIT));
    };
    match call {
        Some((server, api_key)) => {
            Installer::new(&server, &api_key)?.bring_audit(config.machine, &words)?;
            eprintln!("the audit of machine {} is brought", config.machine);
        }
        None => print!("{words}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn show_trace(wish: &TraceArguments) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let showing = match wish.all {
        true => Showing::Everything,
        false => Showing::WhatMatters,
    };
    let address = match wish.device {
        1 => Address::First,
        _ => Address::Second,
    };
    let shown = match (&wish.link, &wish.file) {
        (Some(link), _) => trace::listen(link, address, showing, &mut out),
        (None, Some(file)) if wish.replay => trace::replay(file, showing, &mut out),
        (None, Some(file)) => trace::explain(file, showing, &mut out),
        (None, None) => Ok(()),
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

fn print(path: &Path) -> Result<(), Box<dyn Error>> {
    print!("{}", Config::read(path)?.print());
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
