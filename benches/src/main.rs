//! The stopwatch's program: pick a measurement, print what it gave.

use clap::{Parser, Subcommand, ValueEnum, value_parser};
use core::time::Duration;
use gettone_benches::compare::{Compared, Peer};
use gettone_benches::instructions::Counted;
use gettone_benches::{
    Demand, Fault, Medium, Report, accounts, compare, floor, fold, instructions, light, memory,
    open_loop, purchases, recover, reflex, relay, settle,
};
use gettone_optical::sim::{App, Cell, Eye, Play, Tier, World};
use gettone_optical::{Palette, RefreshRate};
use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
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
        /// For `--store postgres`: a server with an empty database, as `host=.. user=.. dbname=..`;
        /// unless named, one is started.
        #[arg(long, value_name = "WORDS")]
        server: Option<String>,
        /// Threads for the callers; unless set they run beside the shards, on their threads
        #[arg(long)]
        caller_threads: Option<NonZeroUsize>,
        /// Customers who take turns; unless set, 64 for each caller.
        #[arg(long, value_parser = value_parser!(u64).range(1..))]
        wallets: Option<u64>,
        /// Percent of the vends at one machine of one operator.
        #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = value_parser!(u8).range(..=100))]
        hot: u8,
        /// Runs others in turn with ours, in the same run; unless named, all that are not ours.
        #[arg(
            long, value_enum, value_name = "PEER,..", num_args = 0.., value_delimiter = ',',
            default_missing_values = ["naive", "postgres-per-vend", "postgres-set"]
        )]
        compare: Vec<Peer>,
        /// How often each one runs when there are others; figures are those of the middle round.
        #[arg(long, default_value = "3")]
        rounds: NonZeroUsize,
        /// On which disk.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// Vends that come at a fixed rate, whether or not the ones before are done.
    OpenLoop {
        /// Vends each second.
        #[arg(long)]
        rate: NonZeroU32,
        /// For how long.
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        /// Seconds between two snapshots; 0: none but those that fall due.
        #[arg(long, default_value_t = 2)]
        snapshot_seconds: u32,
        /// Where the journal goes.
        #[arg(long, value_enum, default_value_t = Kind::File)]
        store: Kind,
        /// For `--store postgres`: a server with an empty database, as `host=.. user=.. dbname=..`;
        /// unless named, one is started.
        #[arg(long, value_name = "WORDS")]
        server: Option<String>,
        /// Customers who take turns.
        #[arg(long, default_value_t = 100_000)]
        wallets: u64,
        /// Percent of the vends at one machine.
        #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = value_parser!(u8).range(..=100))]
        hot: u8,
        /// On which disk.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// How long the engine takes to start again after so many vends.
    Recover {
        /// Vends that the restart replays.
        #[arg(long, default_value_t = 1_000_000)]
        vends: u64,
        /// Vends before those, in a snapshot; without any, none is taken.
        #[arg(long, default_value_t = 0)]
        history: u64,
        /// Customers who take turns.
        #[arg(long, default_value_t = 100_000)]
        wallets: u64,
        /// On which disk.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// How fast a journal is folded into a gateway's tables.
    Fold {
        /// Vends that are folded.
        #[arg(long, default_value_t = 200_000, value_parser = value_parser!(u64).range(1..))]
        vends: u64,
        /// Where the tables lie; for PostgreSQL a server is started.
        #[arg(long, value_enum, default_value_t = FoldStore::Sqlite)]
        store: FoldStore,
        /// Customers who take turns.
        #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
        wallets: u64,
        /// On which disk.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// What the engine keeps in memory: empty, for each wallet, for each open session.
    Memory {
        /// Wallets that rest.
        #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
        wallets: u64,
        /// Sessions that are open.
        #[arg(long, default_value_t = 100_000)]
        sessions: u64,
        /// On which disk the journal goes.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// What a process keeps that serves very many accounts, few of them at a time.
    Accounts {
        /// Accounts on the disk, each with money in it.
        #[arg(long, default_value_t = 10_000_000, value_parser = value_parser!(u64).range(1..))]
        accounts: u64,
        /// How many of them stay in memory, and buy once.
        #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(1..))]
        residents: u64,
        /// On which disk; it takes about 400 bytes for each account.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Prints one object for programs.
        #[arg(long)]
        json: bool,
    },
    /// Instructions that one vend takes, counted by callgrind; it fails when they have become more.
    Instructions {
        /// What they are held against.
        #[arg(long, value_name = "FILE", default_value = "benches/instructions.toml")]
        known: PathBuf,
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
    /// Envelopes that the server opens each second, and relays (HELLO in, hold durable, GRANT out) that
    /// it completes over HTTP.
    Relay {
        /// Phones that ask at once, each over a connection of its own.
        #[arg(long, default_value = "16")]
        in_flight: NonZeroUsize,
        /// How long each of the two is measured.
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
    /// The light link on simulated phones: time to a payload, failures, refusals, cost; all from seeds.
    Light {
        /// The figure; what is named besides makes another cell of it.
        #[arg(value_enum, default_value_t = LightFigure::Nominal)]
        figure: LightFigure,
        /// Simulated phones.
        #[arg(long, default_value_t = 3_000, value_parser = value_parser!(u64).range(1..))]
        runs: u64,
        /// The first one's seed; the others follow.
        #[arg(long, value_name = "FIRST", default_value_t = 0)]
        seeds: u64,
        /// How bad phones, sensors and rooms may be.
        #[arg(long, value_enum)]
        tier: Option<LightTier>,
        /// How a phone goes on after a missed refresh.
        #[arg(long, value_enum)]
        app: Option<LightApp>,
        /// Refresh rate of the display, 24 to 240.
        #[arg(long, value_name = "HZ", value_parser = refresh_rate)]
        rate: Option<RefreshRate>,
        /// What looks at it.
        #[arg(long, value_enum)]
        eye: Option<LightEye>,
        /// Which equations.
        #[arg(long, value_enum)]
        world: Option<LightWorld>,
        /// Which colours.
        #[arg(long, value_enum)]
        palette: Option<LightPalette>,
        /// What is played, and for how long a reader looks.
        #[arg(long, value_enum)]
        play: Option<LightPlay>,
        /// White-black swing of the sensor in counts, instead of the drawn one.
        #[arg(long, value_name = "COUNTS")]
        swing: Option<f64>,
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
enum FoldStore {
    /// A file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A directory of segments.
    File,
    /// Nowhere: it is gone with the process.
    Memory,
    /// A PostgreSQL server, unless `--server` names one that is there.
    Postgres,
}

impl Kind {
    fn on(self, dir: &Path, server: Option<String>) -> Medium {
        match self {
            Self::File => Medium::File(dir.to_owned()),
            Self::Memory => Medium::Memory,
            Self::Postgres => match server {
                Some(words) => Medium::PostgresAt(words),
                None => Medium::Postgres(dir.to_owned()),
            },
        }
    }
}

/// Figures of the light link that have a name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LightFigure {
    /// A good phone, 60 Hz.
    Nominal,
    /// Night light, flicker, a swaying hand, a slow reader.
    Hard,
    /// The same with phones that go by their clock, on the ladder.
    HardClock,
    /// A display of 120 Hz and photodiodes on a converter.
    Fast,
    /// What no code has to survive, on the ladder.
    Torture,
    /// A conversion of 24 ms, on the ladder.
    Slow,
    /// A good phone in gentle colours.
    Gentle,
    /// Light in which no whole code is shown: whatever is read is wrong.
    Stray,
}

impl LightFigure {
    const fn named(self) -> light::Figure {
        match self {
            Self::Nominal | Self::Stray => light::Figure::Nominal,
            Self::Hard => light::Figure::Hard,
            Self::HardClock => light::Figure::HardClock,
            Self::Fast => light::Figure::Fast,
            Self::Torture => light::Figure::Torture,
            Self::Slow => light::Figure::Slow,
            Self::Gentle => light::Figure::Gentle,
        }
    }
}

/// The words of one choice, and what each one chooses.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $of:ident -> $type:ty { $($(#[$word_doc:meta])* $word:ident => $chosen:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, ValueEnum)]
        enum $name { $($(#[$word_doc])* $word,)+ }

        impl $name {
            const fn $of(self) -> $type {
                match self { $(Self::$word => $chosen,)+ }
            }
        }
    };
}

choice! {
    /// How bad it may be.
    LightTier, tier -> Tier {
        Nominal => Tier::Nominal,
        Hard => Tier::Hard,
        Torture => Tier::Torture,
    }
}
choice! {
    /// How a phone goes on.
    LightApp, app -> Option<App> {
        /// It shows the next picture.
        Counter => Some(App::Counter),
        /// It skips what it missed.
        Clock => Some(App::Clock),
        /// Either, as often as the tier has them.
        Drawn => None,
    }
}
choice! {
    /// What looks.
    LightEye, eye -> Eye {
        /// A colour chip, 2.4 ms.
        Chip => Eye::Chip,
        /// Three of them on a converter, 1 ms every 1.2 ms.
        Photodiodes => Eye::Photodiodes,
        /// A colour chip, 24 ms.
        Slow => Eye::SlowChip,
    }
}
choice! {
    /// Which equations.
    LightWorld, world -> World {
        /// The channel note's, step by step.
        Channel => World::Channel,
        /// Others, by other laws.
        Stranger => World::Stranger,
    }
}
choice! {
    /// Which colours.
    LightPalette, palette -> Palette {
        /// The corners of the cube.
        Full => Palette::Full,
        /// Dim ones of nearly one luminance.
        Gentle => Palette::Gentle,
    }
}
choice! {
    /// What is played.
    LightPlay, play -> Play {
        /// The quickest loop, looked at three times.
        Loops => Play::ThreeLoops,
        /// The whole ladder.
        Ladder => Play::Ladder,
    }
}

fn refresh_rate(text: &str) -> Result<RefreshRate, String> {
    text.parse()
        .ok()
        .and_then(RefreshRate::new)
        .ok_or_else(|| "not a whole number from 24 to 240".to_owned())
}

type Run = fn(Option<&str>, Option<&str>) -> Result<(), Fault>;

/// Parts of measurements that are processes of their own.
const PARTS: [(&str, Run); 2] = [
    (instructions::PART, instructions::run),
    (accounts::PART, accounts::fill),
];

fn main() -> ExitCode {
    // The gateway that is measured runs in a process of its own: this executable again.
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|part| part == purchases::PART) {
        return gettone_gateway::main_with(arguments);
    }
    // What callgrind counts, and what fills a store, is this executable once more.
    for (part, run) in PARTS {
        if arguments.peek().is_some_and(|told| told == part) {
            let mut rest = arguments.skip(1).map(OsString::into_string).map(Result::ok);
            let (first, second) = (rest.next().flatten(), rest.next().flatten());
            return match run(first.as_deref(), second.as_deref()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(fault) => tell(Err::<Report, _>(fault), false),
            };
        }
    }
    match Arguments::parse().measurement {
        Measurement::Settle {
            in_flight,
            seconds,
            store,
            server,
            caller_threads,
            wallets,
            hot,
            compare: peers,
            rounds,
            dir,
            json,
        } => {
            let each = settle::WALLETS_PER_CALLER * in_flight.get() as u64;
            let settle = settle::Plan {
                in_flight,
                span: Duration::from_secs(seconds.into()),
                medium: store.on(&dir, server),
                caller_threads,
                demand: Demand::new(wallets.unwrap_or(each), hot),
            };
            if peers.is_empty() {
                return tell(settle::measure(&settle), json);
            }
            tell_compared(
                compare::measure(&compare::Plan {
                    settle,
                    dir,
                    peers,
                    rounds,
                }),
                json,
            )
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
            tell(purchases::measure(&plan), json)
        }
        Measurement::Relay {
            in_flight,
            seconds,
            dir,
            json,
        } => {
            let plan = relay::Plan {
                in_flight,
                span: Duration::from_secs(seconds.into()),
                dir,
            };
            tell(relay::measure(&plan), json)
        }
        Measurement::OpenLoop {
            rate,
            seconds,
            snapshot_seconds,
            store,
            server,
            wallets,
            hot,
            dir,
            json,
        } => {
            let plan = open_loop::Plan {
                rate,
                span: Duration::from_secs(seconds.into()),
                snapshots_every: Duration::from_secs(snapshot_seconds.into()),
                medium: store.on(&dir, server),
                demand: Demand::new(wallets, hot),
            };
            tell(open_loop::measure(&plan), json)
        }
        Measurement::Recover {
            vends,
            history,
            wallets,
            dir,
            json,
        } => {
            let plan = recover::Plan {
                history,
                vends,
                demand: Demand::new(wallets, 0),
                dir,
            };
            tell(recover::measure(&plan), json)
        }
        Measurement::Fold {
            vends,
            store,
            wallets,
            dir,
            json,
        } => {
            let plan = fold::Plan {
                vends,
                demand: Demand::new(wallets, 0),
                tables: match store {
                    FoldStore::Sqlite => fold::Tables::Sqlite,
                    FoldStore::Postgres => fold::Tables::Postgres,
                },
                dir,
            };
            tell(fold::measure(&plan), json)
        }
        Measurement::Accounts {
            accounts,
            residents,
            dir,
            json,
        } => {
            let plan = accounts::Plan {
                accounts,
                residents,
                dir,
            };
            tell(accounts::measure(&plan), json)
        }
        Measurement::Memory {
            wallets,
            sessions,
            dir,
            json,
        } => {
            let plan = memory::Plan {
                wallets,
                sessions,
                dir,
            };
            tell(memory::measure(&plan), json)
        }
        Measurement::Light {
            figure: LightFigure::Stray,
            runs,
            seeds,
            json,
            ..
        } => tell_light(light::stray(runs, seeds), json),
        Measurement::Light {
            figure,
            runs,
            seeds,
            tier,
            app,
            rate,
            eye,
            world,
            palette,
            play,
            swing,
            json,
        } => {
            let figure = figure.named();
            let named = figure.cell();
            let cell = Cell {
                world: world.map_or(named.world, LightWorld::world),
                tier: tier.map_or(named.tier, LightTier::tier),
                rate: rate.unwrap_or(named.rate),
                app: app.map_or(named.app, LightApp::app),
                eye: eye.map_or(named.eye, LightEye::eye),
                palette: palette.map_or(named.palette, LightPalette::palette),
                play: play.map_or(named.play, LightPlay::play),
                swing: swing.or(named.swing),
                without: None,
            };
            let plan = light::Plan {
                figure: (cell == named).then_some(figure),
                cell,
                runs,
                first_seed: seeds,
            };
            tell_light(light::measure(&plan), json)
        }
        Measurement::Instructions { known, json } => {
            tell_counted(instructions::measure(&known), json)
        }
        Measurement::Reflex {
            exchanges,
            busy,
            json,
        } => tell_reflex(reflex::Plan { exchanges, busy }, json),
        Measurement::Floor { seconds, dir, json } => tell(
            floor::measure(&dir, Duration::from_secs(seconds.into())),
            json,
        ),
    }
}

fn tell(measured: Result<impl Into<Report>, Fault>, json: bool) -> ExitCode {
    match measured.map(Into::into) {
        Ok(report) if json => println!("{}", report.to_json()),
        Ok(report) => print!("{report}"),
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A payload that nobody showed is a failure of the link, not only a figure.
fn tell_light(measured: Result<Report, Fault>, json: bool) -> ExitCode {
    let wrong = measured
        .as_ref()
        .ok()
        .and_then(|report| report.figure("wrong")?.as_u64());
    let told = tell(measured, json);
    match wrong {
        Some(1..) => ExitCode::FAILURE,
        Some(0) | None => told,
    }
}

/// What cannot run is no failure on somebody's desk; where everything is to be checked it is.
fn not_run() -> ExitCode {
    match std::env::var_os("CI") {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

fn tell_counted(measured: Result<Counted, Fault>, json: bool) -> ExitCode {
    match measured {
        Ok(Counted::Told(report, exceeded)) => {
            let told = tell(Ok(report), json);
            for what in &exceeded {
                eprintln!("TOO MANY INSTRUCTIONS: {what}");
            }
            if exceeded.is_empty() {
                told
            } else {
                ExitCode::FAILURE
            }
        }
        Ok(Counted::NotRun(why)) => {
            eprintln!("NOT RUN: instructions: {why}");
            not_run()
        }
        Err(fault) => tell(Err::<Report, _>(fault), json),
    }
}

fn tell_compared(measured: Result<Compared, Fault>, json: bool) -> ExitCode {
    let compared = match measured {
        Ok(compared) => compared,
        Err(fault) => return tell(Err::<Report, _>(fault), json),
    };
    for (peer, why) in &compared.not_run {
        eprintln!("NOT RUN: {}: {why}", peer.name());
    }
    let told = tell(Ok(compared.report), json);
    if compared.not_run.is_empty() {
        told
    } else {
        not_run()
    }
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
