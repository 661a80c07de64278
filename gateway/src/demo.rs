//! A whole street in one process: the real gateway on this machine's own address, and beside it
//! machines, boards, phones and some bad luck, which ask it over HTTP as everybody does.
//!
//! Machines speak MDB words, colours pass through the light channel's simulator, links and envelopes
//! are the real ones. Only air, flash and bus are memory.

mod board;
mod bus;
mod client;
mod customer;
mod scene;

use crate::audit::{AuditFault, audit};
use crate::bounds::{DEMO_CUSTOMERS, DEMO_MACHINES_MAX};
use crate::config::{Config, ConfigFault};
use crate::database::staff::{self, Recruit, Role};
use crate::database::{DatabaseFault, Ground};
use crate::gateway::now;
use crate::key::{self, KeyFault};
use crate::password::{self, Password};
use crate::server::{ServeFault, serve};
use crate::text::hex;
use board::Board;
use client::{Client, StreetFault};
use core::time::Duration;
use customer::Customer;
use gettone_core::id::OperatorId;
use scene::{Dice, Scene, Tally};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;
use tempfile::TempDir;
use tokio::sync::oneshot;

const OPERATOR: OperatorId = OperatorId::new(1);
const STAFF: &str = "owner@demo.example";
const OPERATOR_NAME: &str = "Caffè Aurora";
/// How often letters to customers are looked for.
const LETTERS_EVERY: Duration = Duration::from_millis(100);
/// A street fills small files.
const SEGMENT_BYTES: u32 = 4 * 1024 * 1024;

/// How the demo is played.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Where the pages are.
    pub listen: SocketAddr,
    /// Where it is kept; nowhere when it is not said.
    pub state: Option<PathBuf>,
    /// How many machines stand there.
    pub machines: u8,
    /// How many times faster than people are.
    pub pace: u32,
    /// How long it is played; until it is stopped when it is not said.
    pub span: Option<Duration>,
    /// What makes chance the same each time.
    pub seed: u64,
}

/// Why the demo ended badly.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub(crate) enum DemoFault {
    /// Its folder cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More machines than fit.
    #[error("--machines: write 1 to {DEMO_MACHINES_MAX}")]
    Machines,
    /// The gateway does not start.
    #[error("{0}")]
    Config(#[from] ConfigFault),
    /// A secret cannot be made.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// The database cannot be used.
    #[error("{0}")]
    Database(#[from] DatabaseFault),
    /// The gateway stopped.
    #[error("{0}")]
    Serve(#[from] ServeFault),
    /// The street broke off.
    #[error("the street: {0}")]
    Street(#[from] StreetFault),
    /// The books cannot be read.
    #[error("{0}")]
    Audit(#[from] AuditFault),
    /// The system gives no thread.
    #[error("no thread for the street: {0}")]
    Thread(#[source] io::Error),
}

/// Plays until `stop`, or for the plan's span; whether the books balance afterwards.
///
/// # Errors
/// `DemoFault` when it cannot begin, or breaks off.
pub(crate) async fn play(plan: Plan, stop: impl Future<Output = ()>) -> Result<bool, DemoFault> {
    if !(1..=DEMO_MACHINES_MAX).contains(&plan.machines) {
        return Err(DemoFault::Machines);
    }
    let home = Home::open(plan.state.as_deref())?;
    let keys = Keys::make()?;
    let config = home.config(&plan, &keys)?;
    let state = config.state.clone();
    hire(&state, &keys.password)?;
    let (reached, reach) = sync_channel(1);
    let (over, ended) = oneshot::channel();
    let stage = std::sync::Arc::new(Stage::default());
    let street = Street {
        plan,
        keys,
        letters: home.letters(),
        stage: stage.clone(),
    };
    let playing = thread::Builder::new()
        .name("gettone-street".to_owned())
        .spawn(move || {
            let played = street.play(&reach);
            // Nobody waits any more when the gateway has failed before.
            let _ = over.send(());
            played
        })
        .map_err(DemoFault::Thread)?;
    let closing = stage.clone();
    let served = serve(
        config,
        move |address| {
            // The street waits for nothing else.
            let _ = reached.send(address);
        },
        async move {
            let mut ended = std::pin::pin!(ended);
            let mut stop = std::pin::pin!(stop);
            core::future::poll_fn(|context| {
                if !closing.is_closed() && stop.as_mut().poll(context).is_ready() {
                    closing.close();
                }
                ended.as_mut().poll(context).map(|_| ())
            })
            .await;
        },
    )
    .await;
    stage.close();
    let played = playing.join();
    served?;
    let tally = played.unwrap_or_else(|_| Err(StreetFault::Bug))?;
    say(format_args!("\n{tally}"));
    let audited = audit(&state)?;
    say(audited.to_string().trim_end());
    Ok(audited.is_balanced())
}

/// Tells people; who closed stdout does not want to know.
fn say(what: impl core::fmt::Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{what}").and_then(|()| out.flush());
}

/// The demo's secrets, new each time.
struct Keys {
    operator: String,
    password: String,
}

impl Keys {
    fn make() -> Result<Self, KeyFault> {
        Ok(Self {
            operator: hex(&key::random::<32>()?),
            password: hex(&key::random::<6>()?),
        })
    }
}

/// Where the demo lives; gone with it unless a place was named.
struct Home {
    path: PathBuf,
    _passing: Option<TempDir>,
}

impl Home {
    fn open(named: Option<&Path>) -> Result<Self, DemoFault> {
        let (path, passing) = match named {
            Some(path) => (path.to_owned(), None),
            None => {
                let passing = tempfile::tempdir().map_err(|source| DemoFault::File {
                    doing: "make a folder in",
                    path: std::env::temp_dir(),
                    source,
                })?;
                (passing.path().to_owned(), Some(passing))
            }
        };
        let home = Self {
            path,
            _passing: passing,
        };
        let letters = home.letters();
        fs::create_dir_all(&letters).map_err(|source| DemoFault::File {
            doing: "make",
            path: letters,
            source,
        })?;
        Ok(home)
    }

    fn letters(&self) -> PathBuf {
        self.path.join("letters")
    }

    fn config(&self, plan: &Plan, keys: &Keys) -> Result<Config, DemoFault> {
        let file = self.path.join("gateway.toml");
        let text = format!(
            "listen = \"{}\"\nstate = \"state\"\n\n\
             [courier]\nfolder = \"letters\"\n\n\
             [[operator]]\nnumber = {OPERATOR}\nname = \"{OPERATOR_NAME}\"\n\
             api_key_sha256 = \"{}\"\n\n\
             [limits]\nsegment_bytes = {SEGMENT_BYTES}\n",
            plan.listen,
            hex(&Sha256::digest(&keys.operator)),
        );
        fs::write(&file, text).map_err(|source| DemoFault::File {
            doing: "write",
            path: file.clone(),
            source,
        })?;
        Ok(Config::read(&file)?)
    }
}

/// Lets somebody sign in to the operator's page, with the password that is printed.
fn hire(state: &Path, secret: &str) -> Result<(), DemoFault> {
    key::state_directory(state)?;
    let chosen = Password::chosen(secret.to_owned()).expect("twelve digits are long enough");
    let password = password::hash(&chosen)?;
    Ground::open(state, None)?.write(|transaction| {
        match staff::find_by_email(transaction, STAFF)? {
            Some((member, _)) => staff::change_password(transaction, member.id, &password)?,
            None => {
                let recruit = Recruit {
                    operator: OPERATOR,
                    email: STAFF.to_owned(),
                    name: "Aurora".to_owned(),
                    role: Role::Owner,
                    password,
                };
                staff::hire(transaction, &recruit, now())?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// Whether the play goes on; waiting on it costs nothing.
#[derive(Default)]
struct Stage {
    closed: Mutex<bool>,
    news: Condvar,
}

impl Stage {
    fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.news.notify_all();
    }

    fn is_closed(&self) -> bool {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass, unless the play is over before.
    fn wait(&self, span: Duration) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // Woken or timed out, the caller looks for itself.
        let _ = self
            .news
            .wait_timeout_while(closed, span, |closed| !*closed);
    }
}

struct Street {
    plan: Plan,
    keys: Keys,
    letters: PathBuf,
    stage: std::sync::Arc<Stage>,
}

impl Street {
    /// Plays once the gateway can be reached.
    fn play(self, reach: &Receiver<SocketAddr>) -> Result<Tally, StreetFault> {
        // A gateway that does not start says why itself.
        let Ok(address) = reach.recv() else {
            return Ok(Tally::default());
        };
        let client = Client::new(address);
        let operator = client.with_key(&self.keys.operator);
        let mut boards = Vec::new();
        for number in 1..=u32::from(self.plan.machines) {
            boards.push(Board::install(&operator, number)?);
        }
        let customers = DEMO_CUSTOMERS
            .iter()
            .map(|address| Customer::sign_in(&client, &operator, &self.letters, address))
            .collect::<Result<Vec<_>, _>>()?;
        self.introduce(address);
        let (stage, plan) = (&self.stage, &self.plan);
        let mut told = self.letters_so_far();
        let began = Instant::now();
        thread::scope(|scope| {
            let players: Vec<_> = boards
                .into_iter()
                .zip(0_u64..)
                .map(|(board, nth)| {
                    let (customers, operator) = (&customers, &operator);
                    scope.spawn(move || {
                        let dice = Dice::new(plan.seed.wrapping_add(nth));
                        let scene = Scene {
                            board,
                            customers,
                            operator,
                            stage,
                            pace: plan.pace,
                            dice,
                            tally: Tally::default(),
                            untold: None,
                        };
                        let played = scene.play();
                        // One that breaks down ends the play, or nobody would see it.
                        if played.is_err() {
                            stage.close();
                        }
                        played
                    })
                })
                .collect();
            while !stage.is_closed() {
                self.read_out(&mut told);
                stage.wait(LETTERS_EVERY);
                if plan.span.is_some_and(|span| began.elapsed() >= span) {
                    stage.close();
                }
            }
            let mut tally = Tally::default();
            for player in players {
                tally.add(&player.join().unwrap_or(Err(StreetFault::Bug))?);
            }
            Ok(tally)
        })
    }

    fn introduce(&self, address: SocketAddr) {
        say(format_args!(
            "The street is open (seed {seed}).\n\n\
             customers  http://{address}/\n           \
             sign in as {}; the code appears here\n\
             operator   http://{address}/console\n           \
             sign in as {STAFF}, password {}\n\
             interface  http://{address}/docs\n           \
             operator key {}\n\n\
             Ctrl-C ends it and audits the books.\n",
            DEMO_CUSTOMERS.join(" or "),
            self.keys.password,
            self.keys.operator,
            seed = self.plan.seed,
        ));
    }

    fn letters_so_far(&self) -> BTreeSet<PathBuf> {
        customer::letters(&self.letters).collect()
    }

    /// Reads new letters to customers aloud: this is nobody's real address.
    fn read_out(&self, told: &mut BTreeSet<PathBuf>) {
        for letter in customer::letters(&self.letters) {
            if told.contains(&letter) {
                continue;
            }
            if let Ok(text) = fs::read_to_string(&letter) {
                let (address, text) = text.split_once('\n').unwrap_or(("", &text));
                say(format_args!("letter     to {address}: {}", text.trim()));
            }
            told.insert(letter);
        }
    }
}
