//! A real PostgreSQL server of one test: in a directory of its own, behind a Unix socket only,
//! with fsync on, as it comes.

use gettone_store::{PostgresSettings, Standby};
use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that a server may take for anything.
const SERVER_MAX: Duration = Duration::from_secs(60);

/// Runs a test when there is a server to test with. Without one it says so loudly, and fails where
/// nobody would read it.
pub(crate) fn with_server(test: impl FnOnce(Server)) {
    match programs() {
        Some(programs) => test(Server::new(programs)),
        None if std::env::var_os("CI").is_some() => {
            panic!("there is no PostgreSQL server to test with")
        }
        None => {
            eprintln!("NOT RUN: there is no PostgreSQL (Debian: apt-get install postgresql-15)");
        }
    }
}

/// Where the newest server's programs are.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .collect();
    found.sort();
    Some(found.pop()?.1)
}

/// Whom the server runs as: it refuses to be root.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("there are users");
    let numbers = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(
        numbers("postgres")
            .or_else(|| numbers("nobody"))
            .expect("there is somebody without rights"),
    )
}

pub(crate) struct Server {
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    home: TempDir,
    running: Option<Running>,
}

struct Running {
    postmaster: Child,
    log: Receiver<String>,
}

impl Server {
    fn new(programs: PathBuf) -> Self {
        let mut server = Self::at_rest(programs);
        let mut initdb = server.command("initdb");
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(server.cluster());
        finish(&mut initdb);
        server.start();
        server
    }

    /// A second server, which follows this one.
    pub(crate) fn follower(&self) -> Self {
        let mut follower = Self::at_rest(self.programs.clone());
        let mut copy = follower.command("pg_basebackup");
        copy.arg("--host")
            .arg(self.socket())
            .args(["--username=postgres", "--checkpoint=fast", "--no-sync"])
            .args(["--write-recovery-conf", "--pgdata"])
            .arg(follower.cluster());
        finish(&mut copy);
        follower.start();
        follower
    }

    fn at_rest(programs: PathBuf) -> Self {
        let owner = owner();
        let home = tempfile::tempdir().expect("a directory");
        if let Some((user, group)) = owner {
            chown(home.path(), Some(user), Some(group)).expect("it is ours");
        }
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
        Self {
            programs,
            owner,
            home,
            running: None,
        }
    }

    fn cluster(&self) -> PathBuf {
        self.home.path().join("cluster")
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> &Path {
        self.home.path()
    }

    /// One of the server's programs, in its own directory and with its rights.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env("LC_ALL", "C")
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        // What a killed server left in shared memory is let go of in the background.
        for _ in 0..100 {
            if self.started() {
                return;
            }
        }
        panic!("the server does not start");
    }

    fn started(&mut self) -> bool {
        let mut postmaster = self
            .command("postgres")
            .arg("-D")
            .arg(self.cluster())
            .arg("-k")
            .arg(self.socket())
            .args(["-h", "", "-c", "shared_buffers=16MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server runs");
        let lines = BufReader::new(postmaster.stderr.take().expect("it is piped"));
        let (line, log) = channel();
        thread::spawn(move || {
            // To its end, also when nobody reads: a full pipe would hold the server up.
            for said in lines.lines().map_while(Result::ok) {
                let _ = line.send(said);
            }
        });
        self.running = Some(Running { postmaster, log });
        if self.says("ready to accept") {
            return true;
        }
        let mut ended = self.running.take().expect("it was started");
        let status = ended.postmaster.wait().expect("it is ours");
        eprintln!("the server ended again: {status}");
        false
    }

    /// Waits until its log says these words; false when it ends before.
    fn says(&self, words: &str) -> bool {
        let log = &self.running.as_ref().expect("it runs").log;
        while let Ok(line) = log.recv_timeout(SERVER_MAX) {
            if line.contains(words) {
                return true;
            }
        }
        false
    }

    /// Waits until its log says these words.
    pub(crate) fn wait_for(&self, words: &str) {
        assert!(self.says(words), "the log never says: {words}");
    }

    /// kill -9, every process of it, as a power cut does.
    pub(crate) fn kill(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let pid = running.postmaster.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        // It is not reaped yet, so the number is still its own.
        running.postmaster.kill().expect("it is ours");
        for child in children.unwrap_or_default().split_whitespace() {
            let child = child.parse().ok().and_then(Pid::from_raw);
            // Whoever has ended by itself needs no killing.
            let _ = child.map(|child| kill_process(child, Signal::KILL));
        }
        running.postmaster.wait().expect("it is ours");
    }

    /// Asks it to do something, as its administrator.
    pub(crate) fn administrator(&self) -> Client {
        Client::connect(&self.address(), NoTls).expect("it answers")
    }

    pub(crate) fn run(&self, sql: &str) {
        self.administrator().batch_execute(sql).expect(sql);
    }

    /// One number that it answers with.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let row = self.administrator().query_one(sql, &[]).expect(sql);
        row.get(0)
    }

    /// Asks until it answers with this number.
    pub(crate) fn until(&self, sql: &str, expected: i64) {
        let begun = Instant::now();
        while self.number(sql) != expected {
            assert!(begun.elapsed() < SERVER_MAX, "never {expected}: {sql}");
        }
    }

    /// Changes one of its settings, for whoever connects from now on.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.run(&format!("alter system set {name} = '{value}'"));
        self.run("select pg_reload_conf()");
        let is_set = format!("select (current_setting('{name}') = '{value}')::int::bigint");
        self.until(&is_set, 1);
    }

    /// A directory that its programs may write in.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.home.path().join(name);
        fs::create_dir_all(&directory).expect("there is room");
        if let Some((user, group)) = self.owner {
            chown(&directory, Some(user), Some(group)).expect("it is ours");
        }
        directory
    }

    pub(crate) fn address(&self) -> String {
        address(self.socket())
    }

    /// How a store of one test finds it.
    pub(crate) fn settings(&self) -> PostgresSettings {
        settings(self.socket())
    }
}

/// Runs a program to its end.
fn finish(command: &mut Command) {
    let ended = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?}: {said}");
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn address(socket: &Path) -> String {
    format!("host={} user=postgres dbname=postgres", socket.display())
}

/// How a store of one test finds a server behind this socket.
pub(crate) fn settings(socket: &Path) -> PostgresSettings {
    let mut settings = PostgresSettings::parse(&address(socket)).expect("that is an address");
    settings.standby = Standby::Single;
    settings.lease_wait = Duration::from_millis(200);
    settings
}

/// The same, but with so much patience only.
pub(crate) fn within(settings: PostgresSettings, patience: Duration) -> PostgresSettings {
    let mut settings = settings;
    settings.patience = patience;
    settings
}
