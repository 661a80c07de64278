//! Phones that all ask a gateway at once: each on a thread of its own, counted between a warm-up and the end.

use crate::fault::Fault;
use crate::purchases::server::{Server, processor_time};
use core::time::Duration;
use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Instant;

/// Before the clock starts.
const WARM_UP: Duration = Duration::from_secs(1);

/// How far a measurement is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Now {
    Warming,
    Counting,
    Over,
}

/// The same, as every phone sees it.
#[derive(Debug)]
pub(crate) struct Phase(AtomicU8);

impl Phase {
    pub(crate) fn now(&self) -> Now {
        let at = self.0.load(Ordering::Relaxed);
        [Now::Warming, Now::Counting]
            .into_iter()
            .find(|now| *now as u8 == at)
            .unwrap_or(Now::Over)
    }

    fn be(&self, now: Now) {
        self.0.store(now as u8, Ordering::Relaxed);
    }
}

/// So many phones at one gateway, for so long after the warm-up.
pub(crate) struct Crowd<'a> {
    pub(crate) server: &'a Server,
    pub(crate) phones: NonZeroUsize,
    pub(crate) span: Duration,
}

/// What came of it.
pub(crate) struct Counted<T> {
    /// What each phone tells.
    pub(crate) told: Vec<T>,
    /// How long it really was.
    pub(crate) span: Duration,
    pub(crate) used: Used,
}

impl Crowd<'_> {
    /// Has each phone made, and then go on until it is over.
    pub(crate) fn count<M, T: Send>(
        &self,
        make: impl Fn(usize) -> Result<M, Fault> + Sync,
        go: impl Fn(M, &Phase) -> Result<T, Fault> + Sync,
    ) -> Result<Counted<T>, Fault> {
        let phones = self.phones.get();
        let phase = Phase(AtomicU8::new(Now::Warming as u8));
        let ready = Barrier::new(phones + 1);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..phones)
                .map(|phone| {
                    let (make, go, phase, ready) = (&make, &go, &phase, &ready);
                    scope.spawn(move || {
                        let made = make(phone);
                        ready.wait();
                        go(made?, phase)
                    })
                })
                .collect();
            ready.wait();
            thread::sleep(WARM_UP);
            let used = Used::by(self.server);
            let began = Instant::now();
            phase.be(Now::Counting);
            thread::sleep(self.span);
            phase.be(Now::Over);
            let span = began.elapsed();
            let used = Used::by(self.server).since(used);
            let told: Result<Vec<_>, Fault> = threads
                .into_iter()
                .map(|phone| {
                    phone.join().unwrap_or_else(|_| {
                        Err(Fault::call("asking")("a phone's thread has ended by a bug"))
                    })
                })
                .collect();
            Ok(Counted {
                told: told?,
                span,
                used,
            })
        })
    }

    /// How long it takes in all.
    pub(crate) fn whole_span(&self) -> Duration {
        self.span.saturating_add(WARM_UP)
    }
}

/// Processor time: on a busy machine it says more than the clock.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    gateway: Option<Duration>,
    generator: Option<Duration>,
}

impl Used {
    fn by(server: &Server) -> Self {
        Self {
            gateway: server.processor_time(),
            generator: processor_time("/proc/self/stat"),
        }
    }

    fn since(self, before: Self) -> Self {
        let less = |now: Option<Duration>, before: Option<Duration>| now?.checked_sub(before?);
        Self {
            gateway: less(self.gateway, before.gateway),
            generator: less(self.generator, before.generator),
        }
    }

    /// Microseconds of the gateway and of the generator, for each of so many things.
    pub(crate) fn each_us(self, count: usize) -> [Option<u64>; 2] {
        [self.gateway, self.generator].map(|time| {
            let each = time?.as_micros().checked_div(count as u128)?;
            u64::try_from(each).ok()
        })
    }
}
