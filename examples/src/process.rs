use crate::fault::StreetFault;
use crate::transcript::Transcript;
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest that a program may take to come up, and to end when told.
const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(30);
/// What the launcher leaves for the program that it becomes.
const LAUNCHED: &str = "GETTONE_FIRMWARE";

/// Plays the gateway or the reader, when this executable was started again as one of them: the first
/// argument says which, the others are the program's own. None when it was started as itself.
pub fn part() -> Option<ExitCode> {
    let mut args = env::args_os();
    let own = args.next().unwrap_or_default();
    let part = args.next()?;
    let again = core::iter::once(own).chain(args);
    match part.to_str()? {
        "gateway" => Some(gettone_gateway::main_with(again)),
        "reader" => Some(gettone_reader::main_with(again)),
        // A reader's launcher becomes the program it was started as, and that is this one.
        "run" if env::var_os(LAUNCHED).is_some() => Some(gettone_reader::main_with(env::args_os())),
        _ => None,
    }
}

/// One of our programs in a process of its own: this executable again, told which part to play.
pub struct Program {
    name: &'static str,
    child: Child,
    followers: Vec<JoinHandle<()>>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// `StreetFault` when the system does not.
    pub fn start(name: &'static str, args: &[&OsStr]) -> Result<Self, StreetFault> {
        let mut child = command(name, args)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|fault| broken(name, fault))?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self {
            name,
            child,
            followers: Vec::new(),
            stdout,
        })
    }

    /// Waits for the line of its output that begins so; gives the rest of that line.
    ///
    /// # Errors
    /// `StreetFault` when its output ends without.
    pub fn first_line_after(&mut self, beginning: &str) -> Result<String, StreetFault> {
        let _patience = Patience::with(&self.child, START_MAX);
        let mut seen = String::new();
        if let Some(stdout) = &mut self.stdout {
            let mut line = String::new();
            while stdout
                .read_line(&mut line)
                .map_err(|fault| broken(self.name, fault))?
                > 0
            {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return Ok(rest.trim().to_owned());
                }
                seen.push_str(&line);
                line.clear();
            }
        }
        let said = self
            .child
            .stderr
            .take()
            .and_then(|stderr| std::io::read_to_string(stderr).ok())
            .unwrap_or_default();
        Err(StreetFault::Process {
            name: self.name,
            what: format!("it did not come up: {seen}{said}"),
        })
    }

    /// Has the transcript follow what it logs.
    pub fn follow(
        &mut self,
        who: &'static str,
        transcript: &Transcript,
        kept: fn(&str) -> Option<String>,
    ) {
        if let Some(stderr) = self.child.stderr.take() {
            self.followers.push(transcript.follow(who, stderr, kept));
        }
    }

    /// Resident memory, in KiB, where the system tells.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Ends it as a service manager would, and waits for it.
    ///
    /// # Errors
    /// `StreetFault` when it does not end with success.
    pub fn stop(self) -> Result<(), StreetFault> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(|fault| broken(self.name, fault.into()))?;
        }
        self.end()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// `StreetFault` when it does not, or not with success.
    pub fn end(mut self) -> Result<(), StreetFault> {
        let patience = Patience::with(&self.child, STOP_MAX);
        let status = self
            .child
            .wait()
            .map_err(|fault| broken(self.name, fault))?;
        drop(patience);
        for follower in self.followers.drain(..) {
            let _ = follower.join();
        }
        if status.success() {
            Ok(())
        } else {
            Err(StreetFault::Process {
                name: self.name,
                what: format!("it ended with {status}"),
            })
        }
    }
}

/// While it lasts, a program that takes too long is killed: whoever waits for it gets an end.
struct Patience {
    _held: Sender<()>,
}

impl Patience {
    fn with(child: &Child, longest: Duration) -> Self {
        let (held, over) = channel();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        thread::spawn(move || {
            if let (Err(RecvTimeoutError::Timeout), Some(pid)) = (over.recv_timeout(longest), pid) {
                // One that has just ended needs no end.
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self { _held: held }
    }
}

impl Drop for Program {
    /// A street that breaks off leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs one of our programs to its end; gives what it printed, and whether it succeeded.
///
/// # Errors
/// `StreetFault` when it cannot be run.
pub fn run(name: &'static str, args: &[&OsStr]) -> Result<(String, bool), StreetFault> {
    let output = command(name, args)?
        .stdin(Stdio::null())
        .output()
        .map_err(|fault| broken(name, fault))?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        said.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    Ok((said, output.status.success()))
}

/// The message of a line that a program logged: what follows its time, level and target. Lines
/// below the level of information are left out.
pub fn message(line: &str) -> Option<String> {
    let (_, message) = line.split_once(" INFO ").or_else(|| {
        line.split_once(" WARN ")
            .or_else(|| line.split_once(" ERROR "))
    })?;
    Some(match message.split_once(": ") {
        Some((target, rest)) if !target.contains(' ') => rest.to_owned(),
        _ => message.to_owned(),
    })
}

fn command(name: &'static str, args: &[&OsStr]) -> Result<Command, StreetFault> {
    let itself = env::current_exe().map_err(|fault| broken(name, fault))?;
    let mut command = Command::new(itself);
    command
        .arg(name)
        .args(args)
        .env("NO_COLOR", "1")
        .env_remove("RUST_LOG");
    Ok(command)
}

fn broken(name: &'static str, fault: std::io::Error) -> StreetFault {
    StreetFault::Process {
        name,
        what: fault.to_string(),
    }
}
