//! Parts picked, wired and stopped.

use crate::air::Air;
use crate::audit::Rounds;
use crate::bus::{Reflex, Saying, stay_in_memory};
use crate::care::{Programs, Shelf};
use crate::config::{Config, LightSource};
use crate::face::{self, Face, Glimpse, Person};
use crate::hub::{Hub, HubFault, Words};
use crate::identity::{Identity, IdentityFault};
use crate::journal::{Journal, JournalFault, Opening};
use crate::launch::{Launched, Runs};
use crate::news::{self, News};
use crate::page::ResultPage;
use crate::renewal::{Renewal, Takes};
use crate::report::Counted;
use crate::sign::{SignPlace, Signs};
use crate::status::MachineLink;
use crate::trial::Trial;
use crate::uptime::Uptime;
use crate::{light, radio, road, servers, token};
use gettone_core::board::{Record, Stamp, Ticket};
use gettone_core::id::{JournalEpoch, Order};
use gettone_core::notice::Code;
use gettone_core::time::Timestamp;
use gettone_mdb::Options;
use gettone_mdb::cashless::{Cashless, ConfigFault};
use gettone_mdb::link::Spec;
use gettone_optical::Verdict;
use gettone_relay::{CareStart, Start, Station};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::watch;

/// Bounds of the queues between the parts; a full one means that a part is stuck.
const NEWS_MAX: usize = 1_024;
const WISHES_MAX: usize = 1_024;
const RECORDS_MAX: usize = 1_024;
const COMMANDS_MAX: usize = 256;
/// Stacks of the two threads; neither goes deep.
const STACK_LEN: usize = 256 * 1024;

/// Runs a reader until `stop`: what is open then is finished and synced.
///
/// # Errors
/// When a part cannot start, or cannot go on.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<(), RunFault> {
    run_launched(config, None, stop).await
}

/// The same for a program that the launcher has started: it takes firmware, and ends to be started
/// again with it.
pub(crate) async fn run_launched(
    config: Config,
    launched: Option<Launched>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunFault> {
    let runs = launched.as_ref().map_or(Runs::Packaged, |it| it.runs);
    let uptime = Uptime::begin();
    let identity = Identity::open(&config.state)?;
    let servers = servers::open(&config.state, &config.servers)?.ok_or(RunFault::NoServer)?;
    let page = config.state.join("result");
    let ending = open_page(&page)?.read().map_err(page_fault(&page))?;
    // The machine comes first: it waits for no flash, no radio and no recovery.
    stay_in_memory();
    let (bus, commands) = sync_channel(COMMANDS_MAX);
    let (told, machine) = news::way(NEWS_MAX);
    let reflex = Reflex::new(
        Cashless::new(config.device)?,
        open_page(&page)?,
        uptime,
        told,
    )
    .counting(config.numbering);
    let (pulse, tally) = (reflex.pulse(), reflex.tally());
    let reflex = answer_machine(reflex, config.link.clone(), commands)?;

    let (news, heard) = mpsc::channel(NEWS_MAX);
    let boot = identity.count_start()?;
    let mut fresh_epoch = [0; 8];
    getrandom::fill(&mut fresh_epoch).map_err(HubFault::Random)?;
    let opening = Opening {
        fresh_epoch: JournalEpoch::from_bytes(fresh_epoch),
        ending,
        stamp: Stamp {
            order: Order {
                boot,
                uptime_ms: u64::try_from(uptime.now().as_millis()).unwrap_or(u64::MAX),
            },
            utc: Timestamp::default(),
        },
        limits: config.limits,
    };
    let (journal, repair) = Journal::open(&config.state, &opening)?;
    if repair.cut_len > 0 {
        tracing::warn!(bytes = repair.cut_len, "the journal's torn end was cut off");
    }
    if let Some(rseq) = repair.ended {
        tracing::warn!(%rseq, "an open vend of the last start was ended");
    }
    let past = journal.past().ok_or(JournalFault::OutOfOrder)?;
    let service = past.lock.state;
    let (records, written) = sync_channel(RECORDS_MAX);
    let writer = write_journal(journal, written, news.clone())?;

    let reader = identity.reader_id();
    let (ring, _tenancy) = identity.split();
    let codes = ring.token().cloned();
    let station = Station::new(Start {
        key: ring.key().clone(),
        reader,
        servers,
        boot,
        past,
        limits: config.limits,
        sessions: config.sessions,
        currency: config.currency,
        scale: config.device.scale,
        firmware: runs.number().0,
        line: face::line(config.language),
    });
    let shelf = Shelf::of(&config.state);
    let takes = match launched.is_some() && !config.release_keys.is_empty() {
        true => Takes::Firmware,
        false => Takes::Nothing,
    };
    let programs = Programs::of(&config.state, config.release_keys);
    let renewal = Renewal::new(programs, takes, launched.as_ref());
    let configuration = shelf.on_trial().map(|number| (shelf.clone(), number));
    let trial = Trial::new(configuration, renewal.on_trial());
    let station = station.with_keys(ring).with_care(CareStart {
        firmware: renewal.start(),
        ..shelf.start()
    });
    let (sign, offers) = watch::channel(None);
    let station = match (&config.token, codes) {
        (Some(_), Some(key)) => station.with_tokens(key),
        (Some(_), None) => station.with_tokens(token::key(&config.state)?),
        (None, _) => station,
    };
    let signs =
        Signs::start(config.token.as_ref(), config.machine, &offers).map_err(RunFault::Thread)?;
    // The hub's end is the last offer.
    drop(offers);
    prepare(&config.air)?;
    let (wishes, wished) = mpsc::channel(WISHES_MAX);
    let radio = radio::serve_on(
        config.air.clone(),
        config.machine.to_string(),
        wished,
        news.clone(),
    );
    let (by_road, wished) = mpsc::channel(WISHES_MAX);
    let counted = Counted::new(tally, signs.showings(), config.road.is_some());
    let road = road::serve(config.road, reader, wished, news.clone());
    let light = watch_light(config.light.clone(), news);
    tracing::info!(%reader, boot, "the reader runs");
    let (seen, glimpses) = watch::channel(Glimpse::first());
    let person = Person {
        reader: reader.to_string(),
        machine: config.machine,
        boot,
        runs,
    };
    let (reports, reported) = watch::channel(String::new());
    let refresh = config.status.is_some().then_some(Duration::ZERO);
    let face = Face::new(person, uptime, config.panel, config.status, pulse);
    let face = face.with_reports(reported);
    let hub = Hub {
        face: seen,
        words: Words {
            language: config.language,
            currency: config.currency,
            screen: None,
            typed_for: config
                .token
                .filter(|places| places.signs.contains(&SignPlace::Machine))
                .map(|_| config.machine),
            machine_link: MachineLink::Lost,
            phone: None,
            service,
            finding: None,
            light: Verdict::Open,
            telling: Glimpse::first().telling,
        },
        keys_age: (config.keys_age_max, None),
        audits: config
            .device
            .options
            .has(Options::FILE_TRANSPORT)
            .then(|| Rounds::new(config.audit_every)),
        machine: config.machine,
        counted,
        reports,
        refresh,
        station,
        uptime,
        state: config.state,
        files: config.files,
        shelf,
        renewal,
        trial,
        prices: config.prices,
        radio: wishes,
        road: by_road,
        journal: records,
        bus,
        sign,
        door_is_open: false,
    };
    let ended = tokio::select! {
        ended = hub.run(machine, heard, stop) => ended,
        () = radio => Err(HubFault::Stopped { part: "radio" }),
        never = light => match never {},
        never = road => match never {},
        never = face.serve(glimpses) => match never {},
    };
    face::leave();
    signs.ended().await;
    // The hub is gone, and with it the queues: both threads end what they are at.
    for thread in [writer, reflex] {
        if thread.join().is_err() {
            tracing::error!("a thread has panicked");
        }
    }
    tracing::info!("the reader has stopped");
    Ok(ended?)
}

/// A sensor that fails is a pity, and no reason to leave the machine alone.
async fn watch_light(source: LightSource, news: Sender<News>) -> core::convert::Infallible {
    match light::serve(source, news.clone()).await {
        Ok(()) => tracing::info!("the light source has ended"),
        Err(fault) => {
            tracing::warn!(%fault, "the light source cannot be read");
            let (code, data) = (Code::SENSOR, [0; 8]);
            // A hub that has gone has other worries.
            let _ = news.send(News::Fault { code, data }).await;
        }
    }
    core::future::pending().await
}

/// A radio that is only missing for now is waited for while the reader runs; what can never work
/// is said at once.
fn prepare(air: &Air) -> Result<(), RunFault> {
    match air {
        Air::Folder(path) => std::fs::create_dir_all(path).map_err(|source| RunFault::Air {
            path: path.clone(),
            source,
        }),
        Air::Bluez(_) if cfg!(feature = "bluez") => Ok(()),
        Air::Bluez(_) => Err(RunFault::NoBluetooth),
    }
}

fn answer_machine(
    reflex: Reflex,
    link: Spec,
    commands: Receiver<Saying>,
) -> Result<JoinHandle<()>, RunFault> {
    thread::Builder::new()
        .name("mdb".to_owned())
        .stack_size(STACK_LEN)
        .spawn(move || reflex.run(&link, &commands))
        .map_err(RunFault::Thread)
}

fn write_journal(
    mut journal: Journal,
    records: Receiver<(Ticket, Record)>,
    news: Sender<News>,
) -> Result<JoinHandle<()>, RunFault> {
    thread::Builder::new()
        .name("journal".to_owned())
        .stack_size(STACK_LEN)
        .spawn(move || {
            for (ticket, record) in records {
                let told = match journal.append(&record) {
                    Ok(()) => News::Synced(ticket),
                    Err(fault) => {
                        tracing::error!(%fault, "the journal cannot be written");
                        News::JournalFailed
                    }
                };
                let is_over = matches!(told, News::JournalFailed);
                if news.blocking_send(told).is_err() || is_over {
                    return;
                }
            }
        })
        .map_err(RunFault::Thread)
}

fn open_page(path: &Path) -> Result<ResultPage, RunFault> {
    ResultPage::open(path).map_err(page_fault(path))
}

fn page_fault(path: &Path) -> impl FnOnce(io::Error) -> RunFault {
    let path = path.to_owned();
    |source| RunFault::Page { path, source }
}

/// Why a reader does not run.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum RunFault {
    /// No server is configured: nothing could be sealed.
    #[error("the configuration has no [[server]]; the installer writes it at enrolment")]
    NoServer,
    /// The identity is not there.
    #[error("the reader's identity")]
    Identity(#[from] IdentityFault),
    /// The journal is not there.
    #[error("the reader's journal")]
    Journal(#[from] JournalFault),
    /// The result page is not there.
    #[error("the result page {path}")]
    Page {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The air is not there.
    #[error("the air {path}")]
    Air {
        /// Which directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// This program cannot speak Bluetooth.
    #[error("air = \"bluez\": this program was built without Bluetooth (feature `bluez`)")]
    NoBluetooth,
    /// The MDB settings contradict each other.
    #[error("the MDB device")]
    Device(#[from] ConfigFault),
    /// No thread can be started.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    /// The reader cannot go on.
    #[error("the reader stopped")]
    Hub(#[from] HubFault),
}
