//! A street of one: a machine, a phone and a server acted by the test, around a whole reader.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at what it is about"
)]

pub(crate) mod machine;
pub(crate) mod phone;
pub(crate) mod server;

use gettone_optical::sim::{Channel, Tier};
use gettone_optical::{Kind, Payload, RefreshRate, encode};
use machine::Machine;
use server::Server;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

/// Nothing in these tests takes longer; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Some six seconds of light.
const SAMPLES: usize = 2_000;

/// Everything around one reader, and the reader itself on a thread of its own.
pub(crate) struct Street {
    place: tempfile::TempDir,
    reader: Option<Running>,
    pub(crate) server: Server,
    /// More lines for `[mdb]`.
    pub(crate) mdb: &'static str,
}

struct Running {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<Result<(), gettone_reader::RunFault>>,
}

impl Street {
    pub(crate) fn new() -> Self {
        let log = tracing_subscriber::fmt().with_test_writer();
        let _ = log
            .with_env_filter(EnvFilter::from_default_env())
            .try_init();
        let place = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(place.path().join("air")).expect("new");
        let identity =
            gettone_reader::Identity::open(&place.path().join("state")).expect("a new identity");
        let server = Server::new(identity.public());
        drop(identity);
        Self {
            place,
            reader: None,
            server,
            mdb: "",
        }
    }

    pub(crate) fn air(&self) -> PathBuf {
        self.path("air")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The machine's end of the bus; the reader connects to it.
    pub(crate) fn machine(&self) -> Machine {
        Machine::listen(&self.path("mdb"))
    }

    pub(crate) fn start_reader(&mut self, more: &str) {
        self.begin_reader(more);
        let light = self.path("light");
        wait_for("the reader's light socket", || light.exists());
    }

    /// Starts the reader and does not wait for it.
    pub(crate) fn begin_reader(&mut self, more: &str) {
        let files = self.path("reader.toml");
        std::fs::write(&files, self.config(more)).expect("room");
        let config = gettone_reader::Config::read(&files).expect("a good configuration");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(gettone_reader::run(config, async {
                let _ = stopped.await;
            }))
        });
        self.reader = Some(Running { stop, thread });
    }

    pub(crate) fn stop_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.stop.send(());
            reader
                .thread
                .join()
                .expect("no panic")
                .expect("a clean stop");
            let _ = std::fs::remove_file(self.path("light"));
        }
    }

    /// A phone's screen in front of the sensor, through a simulated evening.
    pub(crate) fn show(&self, secret: [u8; 10]) {
        let frames = encode(&Payload::new(Kind::Pairing, secret));
        let rate = RefreshRate::new(60).expect("a common display");
        let mut text = String::from("t_us,r,g,b,c\n");
        let samples = Channel::new(1, Tier::Nominal, rate).play(&frames);
        for sample in samples.take(SAMPLES) {
            writeln!(
                text,
                "{},{},{},{},{}",
                sample.t_us, sample.r, sample.g, sample.b, sample.c
            )
            .expect("a string takes all");
        }
        let mut sensor = UnixStream::connect(self.path("light")).expect("a listening reader");
        // The reader hangs up as soon as it likes; it has seen enough then.
        let _ = sensor.write_all(text.as_bytes());
    }

    pub(crate) fn config(&self, more: &str) -> String {
        let show = |path: &Path| path.display().to_string();
        format!(
            r#"
            state = "{state}"
            machine = 17
            air = "{air}"
            light = "socket:{light}"
            [mdb]
            link = "words:{words}"
            currency = "EUR"
            {mdb}
            [[server]]
            epoch = 1
            key = "{key}"
            {more}
            "#,
            state = show(&self.path("state")),
            air = show(&self.air()),
            light = show(&self.path("light")),
            words = show(&self.path("mdb")),
            key = self.server.public(),
            mdb = self.mdb,
        )
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.stop.send(());
            let _ = reader.thread.join();
        }
    }
}

/// Polls for something that another thread does; the only wall clock here is the test's patience.
pub(crate) fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        thread::yield_now();
    }
}
