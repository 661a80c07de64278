//! What carries a code to its address: a command of the operator's choice, or a folder.

use crate::bounds::{COURIER_PATIENCE, LETTERS_WAITING_MAX};
use crate::config::CourierEntry;
use crate::gateway::now;
use crate::key;
use crate::text::hex;
use crate::worker::{Undone, Workers};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Carries letters one after the other; whoever asks does not wait for it.
#[derive(Debug)]
pub(crate) struct Courier {
    workers: Workers<Round>,
}

/// Where letters go, and how many went.
#[derive(Debug)]
struct Round {
    entry: CourierEntry,
    carried: u64,
}

/// A text for an address.
pub(crate) struct Letter {
    /// To whom.
    pub address: String,
    /// What.
    pub text: Zeroizing<String>,
}

impl Courier {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system says when it has no more threads.
    pub(crate) fn start(entry: CourierEntry) -> io::Result<Self> {
        let round = Round { entry, carried: 0 };
        let workers = Workers::start("gettone-courier", [round], LETTERS_WAITING_MAX)?;
        Ok(Self { workers })
    }

    /// Has a letter carried.
    ///
    /// # Errors
    /// `Undone` when too many wait.
    pub(crate) fn carry(&self, letter: Letter) -> Result<(), Undone> {
        self.workers.submit(move |round| {
            round.carried = round.carried.saturating_add(1);
            let done = match &round.entry {
                CourierEntry::Command(words) => by_command(words, &letter),
                CourierEntry::Folder(folder) => by_folder(folder, round.carried, &letter),
            };
            // Neither the address nor the text belongs into a log.
            if let Err(fault) = done {
                tracing::error!(%fault, "the courier could not carry a letter");
            }
        })
    }
}

impl Letter {
    /// The address on the first line, then the text.
    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(format!("{}\n{}\n", self.address, self.text.as_str()).into_bytes())
    }
}

fn by_command(words: &[String], letter: &Letter) -> io::Result<()> {
    let (program, args) = words
        .split_first()
        .ok_or_else(|| io::Error::other("there is no command"))?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read all of it says so by how it ends.
        let _ = input.write_all(&letter.bytes());
    }
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok(())
            } else {
                Err(io::Error::other(format!("the command ended with {status}")))
            };
        }
        if begun.elapsed() >= COURIER_PATIENCE {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the command did not end in time",
            ));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Whoever watches the folder never sees half a letter, and finds them in their order.
fn by_folder(folder: &Path, carried: u64, letter: &Letter) -> io::Result<()> {
    let random = key::random::<4>().map_err(|fault| io::Error::other(fault.to_string()))?;
    let name = format!("{}-{carried:06}-{}", now().as_millis(), hex(&random));
    let draft = folder.join(format!(".{name}"));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?
        .write_all(&letter.bytes())?;
    fs::rename(&draft, folder.join(format!("{name}.txt")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            address: "ann@example.org".to_owned(),
            text: Zeroizing::new("123456".to_owned()),
        }
    }

    #[test]
    fn a_command_gets_the_address_and_then_the_text() {
        let home = tempfile::tempdir().expect("a directory");
        let out = home.path().join("out");
        let script = format!("read to; cat > {0}; echo \"to $to\" >> {0}", out.display());
        let words = ["sh", "-c", &script].map(str::to_owned);
        by_command(&words, &letter()).expect("carried");
        let carried = fs::read_to_string(out).expect("read");
        assert_eq!(carried, "123456\nto ann@example.org\n");
    }

    #[test]
    fn a_command_that_fails_or_is_not_there_is_a_fault() {
        let failing = ["sh", "-c", "exit 3"].map(str::to_owned);
        assert!(by_command(&failing, &letter()).is_err());
        assert!(by_command(&["/nowhere/at-all".to_owned()], &letter()).is_err());
        assert!(by_command(&[], &letter()).is_err());
    }

    #[test]
    fn a_folder_gets_one_whole_file_for_each_letter() {
        let home = tempfile::tempdir().expect("a directory");
        by_folder(home.path(), 1, &letter()).expect("carried");
        by_folder(home.path(), 2, &letter()).expect("carried");
        let files: Vec<_> = fs::read_dir(home.path())
            .expect("listed")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(files.len(), 2);
        for file in files {
            assert_eq!(
                file.extension().and_then(|ending| ending.to_str()),
                Some("txt")
            );
            let text = fs::read_to_string(file).expect("read");
            assert_eq!(text, "ann@example.org\n123456\n");
        }
    }
}
