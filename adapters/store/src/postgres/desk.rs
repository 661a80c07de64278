//! A connection of its own, with a thread that asks again whatever a lost connection, a server that
//! restarts or a serialization failure broke off. So it is only for what is harmless to repeat.

use super::link::{self, Pauses, Session, Trouble};
use super::settings::PostgresSettings;
use crate::bounds::{GRACE, JOBS_MAX};
use ::postgres::Client;
use core::time::Duration;
use gettone_core::port::StoreFault;
use std::io::{self, ErrorKind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce(&mut Sitter) + Send>;

/// Where questions are handed in. Its thread and its connection begin with the first of them.
#[derive(Debug)]
pub(super) struct Desk {
    settings: PostgresSettings,
    /// What it is for.
    name: &'static str,
    jobs: Mutex<Option<SyncSender<Job>>>,
}

/// Whoever asks the server.
struct Sitter {
    settings: PostgresSettings,
    name: &'static str,
    session: Option<Session>,
}

impl Desk {
    pub(super) fn new(settings: PostgresSettings, name: &'static str) -> Self {
        Self {
            settings,
            name,
            jobs: Mutex::new(None),
        }
    }

    /// Takes a step until it is done, refused for good, or `patience` is over. When the server did
    /// not wait for its standby, the step counts as broken off.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        longest: Duration,
        step: impl FnMut(&mut Client) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let (reply, answer) = sync_channel(1);
        let job: Job = Box::new(move |sitter| {
            // Whoever gave up waiting has been told.
            let _ = reply.send(sitter.work(doing, step));
        });
        let jobs = self.jobs()?;
        jobs.send(job).map_err(|_| StoreFault::Failed)?;
        let settings = &self.settings;
        let hang_max = settings
            .patience
            .saturating_add(longest)
            .saturating_add(settings.lease_wait)
            .saturating_add(GRACE);
        match answer.recv_timeout(hang_max) {
            Ok(done) => done,
            Err(RecvTimeoutError::Timeout) => Err(given_up(
                (settings, self.name),
                doing,
                "the server does not answer".to_owned(),
            )),
            Err(RecvTimeoutError::Disconnected) => Err(StoreFault::Failed),
        }
    }

    fn jobs(&self) -> Result<SyncSender<Job>, StoreFault> {
        let mut jobs: MutexGuard<'_, _> = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = &*jobs {
            return Ok(jobs.clone());
        }
        let (send, to_do): (SyncSender<Job>, Receiver<Job>) = sync_channel(JOBS_MAX);
        let mut sitter = Sitter {
            settings: self.settings.clone(),
            name: self.name,
            session: None,
        };
        thread::Builder::new()
            .name(format!("postgres-{}", self.name))
            .spawn(move || {
                while let Ok(job) = to_do.recv() {
                    job(&mut sitter);
                }
            })
            .map_err(|source| StoreFault::Io {
                doing: "starting a thread".to_owned(),
                source,
            })?;
        Ok(jobs.insert(send).clone())
    }
}

impl Sitter {
    fn work<T>(
        &mut self,
        doing: &'static str,
        mut step: impl FnMut(&mut Client) -> Result<T, Trouble>,
    ) -> Result<T, StoreFault> {
        let mut pauses = Pauses::new(self.settings.patience);
        loop {
            let words = match self.attempt(&mut step) {
                Ok(done) => return Ok(done),
                Err(Trouble::Final(fault)) => return Err(fault),
                Err(Trouble::Again(words)) => words,
                Err(Trouble::Gone(words)) => {
                    self.session = None;
                    words
                }
            };
            if !pauses.wait() {
                return Err(given_up((&self.settings, self.name), doing, words));
            }
        }
    }

    fn attempt<T>(
        &mut self,
        step: &mut impl FnMut(&mut Client) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let session = match &mut self.session {
            Some(session) => session,
            None => {
                let name = format!("gettone {} {}", self.name, self.settings.partition);
                let session = link::connect(&self.settings, &name).map_err(Trouble::patient)?;
                self.session.insert(session)
            }
        };
        let done = step(&mut session.client);
        if session.was_warned() && done.is_ok() {
            return Err(Trouble::Gone(link::STANDBY_LEFT_OUT.to_owned()));
        }
        done
    }
}

fn given_up((settings, name): (&PostgresSettings, &str), doing: &str, words: String) -> StoreFault {
    StoreFault::Io {
        doing: format!("{doing} the {name} of {}", settings.place()),
        source: io::Error::new(ErrorKind::TimedOut, words),
    }
}
