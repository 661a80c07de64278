//! The command line.

use crate::address;
use crate::api;
use crate::audit::{audit, audit_postgres};
use crate::bounds::{NAME_LEN_MAX, PASSWORD_LEN_LEAST, PASSWORD_LEN_MAX};
use crate::config::{Config, ConfigFault};
use crate::database::staff::{self, Recruit, Role};
use crate::database::{DatabaseFault, Ground, staff_log};
use crate::demo;
use crate::errand::Errand;
use crate::gateway::now;
use crate::key;
use crate::key_step::{self, KeyArgs, StepFault};
use crate::password::{self, Password};
use crate::rebuild::{Progress, rebuild};
use crate::route;
use crate::server::serve;
use crate::text::words;
use actix_web::rt;
use clap::{Args, Parser, Subcommand};
use core::future::poll_fn;
use core::task::Poll;
use core::time::Duration;
use gettone_core::id::OperatorId;
use rt::signal::unix::{Signal, SignalKind, signal};
use serde_json::json;
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

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
    /// Folds receipts, sales and whatever else the pages list anew from the journal.
    ///
    /// Stop the gateway first: the journal has one reader at a time. What people entered stays.
    /// Progress goes to stderr; one that was cut off goes on at the next `serve`.
    Rebuild(File),
    /// Brings a machine's audit file (EVA-DTS) to a running gateway, and prints what it says as JSON.
    Dts(DtsArgs),
    /// Prints the server's public key and its epoch as JSON; makes the key on first use.
    ///
    /// With `next`, `activate` and `retire` it changes the key; each counts from the next start.
    Key(KeyArgs),
    /// Takes on people who sign in to the operator's page.
    #[command(subcommand)]
    Staff(StaffCommand),
    /// Prints the description of every route, as OpenAPI 3.1.
    Openapi,
    /// Plays a whole street on this machine: gateway, machines, boards, phones and some bad luck.
    ///
    /// Nothing has to be set up. It prints where the two pages are and how to sign in; Ctrl-C ends
    /// it and audits the books.
    Demo(DemoArgs),
}

#[derive(Args)]
struct DemoArgs {
    /// Where the pages are; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where it is kept; in a folder that goes when it ends, if it is not said.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// How many machines stand there.
    #[arg(long, default_value_t = 3, value_name = "N")]
    machines: u8,
    /// How many times faster than people are.
    #[arg(long, default_value_t = 1, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pace: u32,
    /// Ends it after so many seconds.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u32>,
    /// What makes chance the same each time; another one each time if it is not said.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

#[derive(Subcommand)]
enum StaffCommand {
    /// Takes somebody on; the password is read from standard input.
    ///
    /// It works beside a running gateway too. Who is there already gets the new password, and has
    /// to sign in again.
    Add(NewStaff),
}

#[derive(Args)]
struct NewStaff {
    #[command(flatten)]
    file: File,
    /// The operator's number, as in the configuration.
    #[arg(long, value_name = "N")]
    operator: u32,
    /// The e-mail address to sign in with.
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// What they are called; the e-mail address when it is not said.
    #[arg(long)]
    name: Option<String>,
    /// What they may do: owner (everything), clerk (money) or technician (machines).
    #[arg(long, default_value = "owner")]
    role: String,
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
struct DtsArgs {
    /// The gateway, such as http://127.0.0.1:8080: plain HTTP, since it has no TLS itself.
    #[arg(long, value_name = "URL")]
    server: String,
    /// A file that holds an operator's key and nothing else; - is the standard input.
    #[arg(long, value_name = "FILE")]
    api_key_file: PathBuf,
    /// The machine's number.
    #[arg(long, value_name = "N")]
    machine: u32,
    /// The audit, as the machine gave it.
    #[arg(value_name = "AUDIT")]
    audit: PathBuf,
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
    /// The configuration file that says where the journal is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The state directory, or a journal's own.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What is logged unless RUST_LOG says otherwise: the server below tells its workers' comings and
/// goings as news.
const LOGGED: &str = "info,actix_server=warn";
/// A rebuild tells how far it is by itself.
const LOGGED_OF_REBUILD: &str = "warn";
/// How often it does.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// The street tells its own story.
const LOGGED_OF_DEMO: &str = "warn";
/// The books are read, and do not balance.
const NOT_BALANCED: u8 = 1;
/// Longer lines hold no password.
const PASSWORD_LINE_MAX: u64 = 1_024;
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
        Command::Rebuild(file) => fold_anew(&file),
        Command::Key(args) => show_key(&args),
        Command::Staff(StaffCommand::Add(new)) => add_staff(&new),
        Command::Dts(args) => bring_dts(&args),
        Command::Openapi => print(&openapi()),
        Command::Demo(args) => play(&args),
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
    KeyStep(#[from] StepFault),
    #[error("{0}")]
    Audit(#[from] crate::audit::AuditFault),
    #[error("{0}")]
    Serve(#[from] crate::server::ServeFault),
    #[error("{0}")]
    Database(#[from] DatabaseFault),
    #[error("cannot read the password from stdin: {0}")]
    Input(#[source] io::Error),
    #[error("{0}")]
    Staff(String),
    #[error("cannot write to stdout: {0}")]
    Output(#[source] io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
    #[error("{0}")]
    Errand(#[from] crate::errand::ErrandFault),
    #[error("{0}")]
    Demo(#[from] demo::DemoFault),
}

fn run(file: &File) -> Result<ExitCode, Fault> {
    let config = Config::read(&file.config)?;
    log_to_stderr(LOGGED);
    rt::System::new().block_on(async {
        let stop = stop_signal().map_err(Fault::Signals)?;
        serve(config, announce, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn play(args: &DemoArgs) -> Result<ExitCode, Fault> {
    log_to_stderr(LOGGED_OF_DEMO);
    let seed = match args.seed {
        Some(seed) => seed,
        None => u64::from(u32::from_be_bytes(key::random()?)),
    };
    let plan = demo::Plan {
        listen: args.listen,
        state: args.state.clone(),
        machines: args.machines,
        pace: args.pace,
        span: args
            .seconds
            .map(|seconds| Duration::from_secs(seconds.into())),
        seed,
    };
    rt::System::new().block_on(async {
        let stop = stop_signal().map_err(Fault::Signals)?;
        Ok(if demo::play(plan, stop).await? {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(NOT_BALANCED)
        })
    })
}

fn log_to_stderr(usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    // Whoever embeds this program may log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
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
    let audited = match (&args.place.config, &args.place.dir) {
        (Some(config), _) => {
            let config = Config::read(config)?;
            match &config.journal {
                Some(server) => audit_postgres(server)?,
                None => audit(&config.state)?,
            }
        }
        (None, Some(dir)) => audit(dir)?,
        (None, None) => audit(Path::new("."))?,
    };
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

fn fold_anew(file: &File) -> Result<ExitCode, Fault> {
    let config = Config::read(&file.config)?;
    log_to_stderr(LOGGED_OF_REBUILD);
    let begun = Instant::now();
    let mut told = begun;
    let done = rebuild(&config, &mut |progress| {
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            eprintln!("{}", how_far(progress, begun.elapsed()));
        }
    })?;
    print(&format!("{} records folded", done.records))
}

/// How far a rebuild is, in words.
fn how_far(progress: Progress, elapsed: Duration) -> String {
    let Progress { records, of, .. } = progress;
    let percent = u128::from(records) * 100 / u128::from(of.max(1));
    let each_second = u128::from(records) * 1_000 / elapsed.as_millis().max(1);
    format!("{records} of {of} records, {percent} %, {each_second} a second")
}

fn show_key(args: &KeyArgs) -> Result<ExitCode, Fault> {
    let config = Config::read(&args.config)?;
    let shown = key_step::take(args, &config)?;
    print(&shown.to_string())
}

fn bring_dts(args: &DtsArgs) -> Result<ExitCode, Fault> {
    let errand = Errand::new(&args.server, &args.api_key_file)?;
    print(&errand.bring_audit(args.machine, &args.audit)?)
}

fn add_staff(new: &NewStaff) -> Result<ExitCode, Fault> {
    let config = Config::read(&new.file.config)?;
    let operator = OperatorId::new(new.operator);
    if config.operators.iter().all(|entry| entry.id != operator) {
        return Err(Fault::Staff(format!(
            "--operator: {operator} is none of the configuration's"
        )));
    }
    let email = address::email(&new.email)
        .ok_or_else(|| Fault::Staff(format!("--email: {:?} is no e-mail address", new.email)))?;
    let role = Role::from_name(&new.role).ok_or_else(|| {
        Fault::Staff(format!(
            "--role: {:?} is none; write owner, clerk or technician",
            new.role
        ))
    })?;
    let name = words("name", new.name.as_deref().unwrap_or(&email), NAME_LEN_MAX)
        .map_err(|_| Fault::Staff(format!("--name: write at most {NAME_LEN_MAX} bytes")))?;
    if io::stdin().is_terminal() {
        eprintln!("Type the password, at least {PASSWORD_LEN_LEAST} characters, and Enter:");
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(PASSWORD_LINE_MAX)
        .read_line(&mut line)
        .map_err(Fault::Input)?;
    let typed = line.trim_end_matches(['\r', '\n']).to_owned();
    let password = Password::chosen(typed).ok_or_else(|| {
        Fault::Staff(format!(
            "the password has to have at least {PASSWORD_LEN_LEAST} characters and at most \
             {PASSWORD_LEN_MAX} bytes"
        ))
    })?;
    key::state_directory(&config.state)?;
    let recruit = Recruit {
        operator,
        email,
        name,
        role,
        password: password::hash(&password)?,
    };
    let hired = Ground::open(&config.state, config.records.as_ref())?.write(|transaction| {
        let line = |what| {
            let who = "command line".to_owned();
            let mut line = staff_log::Line::new(now(), who, what, recruit.email.clone());
            line.after = Some(json!({"name": recruit.name, "role": recruit.role}));
            line
        };
        let known = staff::find_by_email(transaction, &recruit.email)?;
        match known {
            Some((member, _)) if member.operator == operator => {
                staff::change_password(transaction, member.id, &recruit.password)?;
                staff_log::add(transaction, operator, &line("staff.password"))?;
                Ok(Some("has the new password"))
            }
            Some(_) => Ok(None),
            None => {
                staff::hire(transaction, &recruit, now())?;
                staff_log::add(transaction, operator, &line("staff.add"))?;
                Ok(Some("can sign in"))
            }
        }
    })?;
    match hired {
        Some(outcome) => print(&format!("{} {outcome}", recruit.email)),
        None => Err(Fault::Staff(format!(
            "--email: {} signs in for another operator already",
            recruit.email
        ))),
    }
}

fn openapi() -> String {
    serde_json::to_string_pretty(&api::document(&route::table())).expect("JSON is text")
}

fn print(text: &str) -> Result<ExitCode, Fault> {
    writeln!(io::stdout().lock(), "{text}").map_err(Fault::Output)?;
    Ok(ExitCode::SUCCESS)
}
