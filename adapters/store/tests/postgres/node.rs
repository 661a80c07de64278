//! A node that appends as fast as it is answered.

use crate::{frames, kept};
use gettone_core::port::{Seq, Store};
use gettone_store::{Postgres, PostgresSettings};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

pub(crate) struct Node {
    /// The place behind each append that was acknowledged.
    acknowledged: Receiver<Seq>,
    thread: JoinHandle<()>,
}

/// What the append with this number is made of.
fn batch(number: u64) -> Vec<String> {
    (0..=number % 5)
        .map(|nth| format!("{number}.{nth}"))
        .collect()
}

impl Node {
    pub(crate) fn start(settings: PostgresSettings) -> Self {
        let (acknowledge, acknowledged) = channel();
        let thread = thread::spawn(move || {
            let mut store = Postgres::open(settings).expect("it is free");
            for number in 0.. {
                let words = batch(number);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let first = store.next();
                store
                    .append(first, &frames(&words))
                    .expect("the server comes back");
                // The test has seen enough.
                if acknowledge.send(store.next()).is_err() {
                    return;
                }
            }
        });
        Self {
            acknowledged,
            thread,
        }
    }

    /// Waits for so many appends; gives the place behind them.
    pub(crate) fn work(&self, appends: usize) -> Seq {
        let mut last = Seq::FIRST;
        for _ in 0..appends {
            last = self.acknowledged.recv().expect("it works on");
        }
        last
    }

    /// Ends it; every append that was acknowledged must be there, once and whole, in their order,
    /// and behind them at most the one that was under way.
    pub(crate) fn end_and_check(self, settings: &PostgresSettings) {
        let mut last = self.work(1);
        while let Ok(later) = self.acknowledged.try_recv() {
            last = later;
        }
        drop(self.acknowledged);
        self.thread.join().expect("it was never refused");
        let kept = kept(settings);
        let all: Vec<String> = (0..).flat_map(batch).take(kept.len()).collect();
        assert_eq!(kept, all);
        let acknowledged = last.number() - 1;
        assert!(
            kept.len() as u64 >= acknowledged,
            "{} of {acknowledged}",
            kept.len()
        );
    }
}
