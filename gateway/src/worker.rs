//! Work that blocks, on threads of its own: SQLite, password hashing, the courier. Each pool has a
//! bounded queue, and who finds it full is told to come again.

use core::panic::AssertUnwindSafe;
use std::io;
use std::panic::catch_unwind;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

enum Order<S> {
    Do(Job<S>),
    /// One thread ends.
    End,
}

/// Threads that share one queue of jobs; each has a state of its own. They end when it is dropped.
#[derive(Debug)]
pub(crate) struct Workers<S> {
    jobs: SyncSender<Order<S>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Why a job was not done.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub(crate) enum Undone {
    /// Too many wait already; nothing was done.
    #[error("too many wait already")]
    Full,
    /// It broke off: whether it had its effect is unknown.
    #[error("the job broke off")]
    BrokenOff,
}

impl<S: Send + 'static> Workers<S> {
    /// Starts one thread for each state.
    ///
    /// # Errors
    /// What the system says when it has no more threads.
    pub(crate) fn start(
        name: &str,
        states: impl IntoIterator<Item = S>,
        waiting_max: usize,
    ) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(waiting_max);
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::new();
        for mut state in states {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    while let Some(Order::Do(job)) = next(&queue) {
                        // A job that panics is a bug of that job; the thread serves the others.
                        if catch_unwind(AssertUnwindSafe(|| job(&mut state))).is_err() {
                            tracing::error!("a job broke off");
                        }
                    }
                })?;
            threads.push(thread);
        }
        Ok(Self {
            jobs,
            threads: Mutex::new(threads),
        })
    }

    /// Waits until what was asked is done and the threads and their states are gone. What is asked
    /// later breaks off.
    pub(crate) fn close(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in threads.iter() {
            // Only threads that are gone hear nothing.
            let _ = self.jobs.send(Order::End);
        }
        for thread in threads.drain(..) {
            // It has caught what its jobs panicked with.
            let _ = thread.join();
        }
    }

    /// Does a job and gives what it gave. It is done even when nobody waits for it any more.
    ///
    /// # Errors
    /// `Undone` when the queue is full, or the job broke off.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let (done, outcome) = oneshot::channel();
        self.submit(move |state| {
            // Whoever asked may have gone.
            let _ = done.send(job(state));
        })?;
        outcome.await.map_err(|_| Undone::BrokenOff)
    }

    /// Has a job done without waiting for it.
    ///
    /// # Errors
    /// `Undone` when the queue is full.
    pub(crate) fn submit(&self, job: impl FnOnce(&mut S) + Send + 'static) -> Result<(), Undone> {
        self.jobs
            .try_send(Order::Do(Box::new(job)))
            .map_err(|fault| match fault {
                TrySendError::Full(_) => Undone::Full,
                TrySendError::Disconnected(_) => Undone::BrokenOff,
            })
    }
}

fn next<S>(queue: &Mutex<Receiver<Order<S>>>) -> Option<Order<S>> {
    queue
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::rt;

    #[test]
    fn a_job_that_panics_does_not_stop_the_others() {
        rt::System::new().block_on(async {
            let workers = Workers::start("test", [0_u32], 4).expect("started");
            let broken = workers.run(|_| panic!("on purpose")).await;
            assert_eq!(broken, Err::<(), _>(Undone::BrokenOff));
            let counted = workers
                .run(|count| {
                    *count += 1;
                    *count
                })
                .await;
            assert_eq!(counted, Ok(1));
        });
    }

    #[test]
    fn closed_they_have_done_what_was_asked_and_do_nothing_more() {
        let (done, seen) = sync_channel::<u32>(4);
        let workers = Workers::start("test", [done.clone(), done], 4).expect("started");
        for number in 0..3 {
            let told = move |done: &mut SyncSender<u32>| done.send(number).expect("there is room");
            workers.submit(told).expect("taken");
        }
        workers.close();
        let mut told: Vec<u32> = seen.iter().collect();
        told.sort_unstable();
        assert_eq!(told, [0, 1, 2], "and every state is gone");
        assert_eq!(workers.submit(|_| {}), Err(Undone::BrokenOff));
    }

    #[test]
    fn who_finds_the_queue_full_is_told_at_once() {
        let workers = Workers::start("test", [()], 1).expect("started");
        let (go, gate) = sync_channel::<()>(0);
        let (begun, seen) = sync_channel::<()>(0);
        workers
            .submit(move |()| {
                begun.send(()).expect("it is seen");
                gate.recv().expect("it is let go");
            })
            .expect("taken");
        seen.recv().expect("begun");
        workers.submit(|()| {}).expect("one may wait");
        assert_eq!(workers.submit(|()| {}), Err(Undone::Full));
        go.send(()).expect("it waits");
    }
}
