//! The journal in PostgreSQL, against a real server that each test starts for itself.
//!
//! Every test here is ignored by default, for it needs a server (Debian: postgresql-15):
//! `cargo test -p gettone-store --release --features postgres --test postgres -- --ignored`.
#![cfg(feature = "postgres")]

mod connection;
mod contention;
mod damage;
mod history;
mod node;
mod proxy;
mod refusal;
mod server;
mod shelf;
mod standby;

use gettone_core::port::{Frames, Seq, Store, StoreFault};
use gettone_store::bounds::PORTION_ROWS;
use gettone_store::contract::{self, Place};
use gettone_store::{Postgres, PostgresSettings};
use server::with_server;
use std::cell::Cell;

struct InPartition(PostgresSettings);

impl Place for InPartition {
    fn open(&self) -> Result<Box<dyn Store>, StoreFault> {
        Ok(Box::new(Postgres::open(self.0.clone())?))
    }
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn postgres_keeps_the_contract() {
    with_server(|server| {
        let partition = Cell::new(0);
        contract::check(&|| {
            let mut settings = server.settings();
            settings.partition = partition.get();
            partition.set(partition.get() + 1);
            Box::new(InPartition(settings))
        });
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_journal_that_ends_with_a_portion_replays_each_row_once() {
    with_server(|server| {
        let mut store = Postgres::open(server.settings()).expect("it is free");
        for portion in 1..=2 {
            for _ in 0..PORTION_ROWS {
                let first = store.next();
                store
                    .append(first, &frames(&["one", "two"]))
                    .expect("it holds it");
            }
            let kept = replayed(&mut store).expect("whole");
            assert_eq!(kept.len(), portion * 2 * usize::from(PORTION_ROWS));
            let last = Seq::new(store.next().number() - 1);
            let mut seen = Vec::new();
            let end = store.replay(last, &mut |seq, _| {
                seen.push(seq);
                Ok(())
            });
            assert_eq!((end.expect("whole"), seen), (last.after(1), vec![last]));
        }
    });
}

/// Frames whose payloads are these words.
fn frames(words: &[&str]) -> Frames {
    let mut frames = Frames::default();
    words.iter().for_each(|word| frames.push(word.as_bytes()));
    frames
}

/// Everything that a journal holds, read by a store of its own.
fn kept(settings: &PostgresSettings) -> Vec<String> {
    let mut store = Postgres::open(settings.clone()).expect("nobody else has it");
    replayed(&mut store).expect("it is whole")
}

fn replayed(store: &mut Postgres) -> Result<Vec<String>, StoreFault> {
    let mut kept = Vec::new();
    let mut expected = Seq::FIRST;
    let next = store.replay(Seq::FIRST, &mut |seq, payload| {
        assert_eq!(seq, expected);
        expected = seq.after(1);
        kept.push(String::from_utf8_lossy(payload).into_owned());
        Ok(())
    })?;
    assert_eq!(next, expected);
    Ok(kept)
}
