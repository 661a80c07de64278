use crate::fault::Fault;
use core::time::Duration;
use rustix::process::{Pid, Signal, getuid, kill_process};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Instant;
use tempfile::TempDir;

/// Where Debian keeps its servers, one folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// How long a server may take to come up.
const START_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Whom a server runs as when root starts it: it refuses to be root.
const USER: &str = "postgres";
/// The role that owns everything.
const ROLE: &str = "bench";

/// How the server is set: everything that makes it safe as it comes, more memory and fewer
/// checkpoints than it comes with.
pub(crate) const SETTINGS: [(&str, &str); 10] = [
    ("listen_addresses", ""),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "30min"),
    // Done between the rounds instead, where it is in nobody's way.
    ("autovacuum", "off"),
    ("jit", "off"),
    // A plan that was made while a table was empty would read all of it for ever.
    ("enable_seqscan", "off"),
];

/// A PostgreSQL server of one's own, in a directory of its own, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    programs: PathBuf,
    sockets: TempDir,
    /// What scripts and logs are written to.
    pub(super) papers: TempDir,
    _data: TempDir,
}

/// Why there is none; the measurement goes on without it.
#[derive(thiserror::Error, Debug)]
#[error("{why}")]
pub struct Absent {
    pub(crate) why: String,
}

impl Absent {
    fn because(why: impl ToString) -> Self {
        Self {
            why: why.to_string(),
        }
    }
}

impl Server {
    /// Makes one on the disk of `dir`, and waits until it answers.
    pub(crate) fn start(dir: &Path) -> Result<Self, Absent> {
        let programs = programs()?;
        let data = tempfile::Builder::new()
            .prefix("postgres-")
            .tempdir_in(fs::canonicalize(dir).map_err(Absent::because)?)
            .map_err(Absent::because)?;
        // Names of sockets are short: they do not go where the data is.
        let sockets = tempfile::tempdir().map_err(Absent::because)?;
        let papers = tempfile::tempdir().map_err(Absent::because)?;
        let keeper = Keeper::choose()?;
        for place in [data.path(), sockets.path()] {
            keeper.give(place)?;
        }
        let cluster = data.path().join("cluster");
        let made = keeper
            .command(&programs.join("initdb"))
            .args([
                "--no-sync",
                "--no-locale",
                "--encoding=UTF8",
                "--auth=trust",
            ])
            .arg(format!("--username={ROLE}"))
            .arg("--pgdata")
            .arg(&cluster)
            .output()
            .map_err(Absent::because)?;
        if !made.status.success() {
            return Err(Absent::because(format!(
                "initdb in {}: {}; choose another place with --dir",
                data.path().display(),
                last_line(&made)
            )));
        }
        let log_path = papers.path().join("server.log");
        let log = File::create(&log_path).map_err(Absent::because)?;
        let mut command = keeper.command(&programs.join("postgres"));
        command
            .arg("-D")
            .arg(&cluster)
            .arg("-k")
            .arg(sockets.path());
        for (setting, value) in SETTINGS {
            command.arg("-c").arg(format!("{setting}={value}"));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(Absent::because)?;
        let mut server = Self {
            child,
            programs,
            sockets,
            papers,
            _data: data,
        };
        server.wait_until_up(&log_path)?;
        Ok(server)
    }

    fn wait_until_up(&mut self, log: &Path) -> Result<(), Absent> {
        let began = Instant::now();
        while began.elapsed() < START_MAX {
            let asked = self.client("pg_isready").arg("--quiet").status();
            if asked.map_err(Absent::because)?.success() {
                return Ok(());
            }
            if self.child.try_wait().map_err(Absent::because)?.is_some() {
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        let told = fs::read_to_string(log).unwrap_or_default();
        let told = told.lines().last().unwrap_or("it does not answer");
        Err(Absent::because(format!("the server did not start: {told}")))
    }

    /// How a client of ours finds it.
    pub(crate) fn words(&self) -> String {
        let sockets = self.sockets.path().display();
        format!("host='{sockets}' user={ROLE} dbname=postgres")
    }

    /// Which one it is.
    pub(crate) fn version(&self) -> Result<String, Fault> {
        self.ask("SHOW server_version", &[])
    }

    /// Runs SQL; gives what it printed, without names of columns.
    pub(crate) fn ask(&self, sql: &str, variables: &[(&str, String)]) -> Result<String, Fault> {
        let mut command = self.client("psql");
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        command.args(["--set", "ON_ERROR_STOP=1", "--file", "-"]);
        for (name, value) in variables {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        let mut asking = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Fault::io("starting psql"))?;
        if let Some(mut stdin) = asking.stdin.take() {
            // When it ended early, it says below why.
            let _ = stdin.write_all(sql.as_bytes());
        }
        let asked = asking
            .wait_with_output()
            .map_err(Fault::io("waiting for psql"))?;
        if !asked.status.success() {
            return Err(Fault::call("asking PostgreSQL")(last_line(&asked)));
        }
        Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
    }

    /// One of PostgreSQL's own clients, told where the server is.
    pub(super) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env("PGHOST", self.sockets.path())
            .env("PGUSER", ROLE)
            .env("PGDATABASE", "postgres")
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .current_dir(self.papers.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // At once, without a last checkpoint: its data go as well.
        let asked = pid.map(|pid| kill_process(pid, Signal::QUIT));
        if asked.is_none_or(|sent| sent.is_err()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Who runs the server.
struct Keeper {
    ids: Option<(u32, u32)>,
}

impl Keeper {
    /// Oneself, or `postgres` when one is root.
    fn choose() -> Result<Self, Absent> {
        if !getuid().is_root() {
            return Ok(Self { ids: None });
        }
        let people = fs::read_to_string("/etc/passwd").map_err(Absent::because)?;
        let ids = people.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == USER).then_some(())?;
            let mut ids = fields.skip(1).map(str::parse);
            Some((ids.next()?.ok()?, ids.next()?.ok()?))
        });
        let ids = ids.ok_or_else(|| Absent::because(format!("there is no user {USER}")))?;
        Ok(Self { ids: Some(ids) })
    }

    fn give(&self, place: &Path) -> Result<(), Absent> {
        match self.ids {
            Some((user, group)) => chown(place, Some(user), Some(group)).map_err(Absent::because),
            None => Ok(()),
        }
    }

    /// A command of theirs that ends when whoever started it has gone, however that happened.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=QUIT");
        if let Some((user, group)) = self.ids {
            command.arg(format!("--reuid={user}"));
            command.arg(format!("--regid={group}"));
            command.arg("--init-groups");
        }
        command.arg("--").arg(program);
        command.current_dir("/");
        command
    }
}

/// The newest server that Debian has installed, else one that lies beside a `postgres` on the path.
fn programs() -> Result<PathBuf, Absent> {
    let installed = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = installed
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, programs)| is_server(programs))
        .max();
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|programs| is_server(programs));
    newest
        .map(|(_, programs)| programs)
        .or_else(on_path)
        .ok_or_else(|| {
            Absent::because(
                "no PostgreSQL server is installed (Debian: apt-get install postgresql)",
            )
        })
}

fn is_server(programs: &Path) -> bool {
    ["initdb", "postgres", "psql", "pgbench"]
        .iter()
        .all(|program| programs.join(program).exists())
}

fn last_line(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    let told = told.lines().rev().find(|line| !line.trim().is_empty());
    told.unwrap_or("it did not say why").to_owned()
}
