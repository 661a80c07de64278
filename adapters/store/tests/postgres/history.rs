//! What is durable, read beside appends.

use crate::frames;
use crate::server::{Server, with_server};
use gettone_core::port::{Frames, History, Seq, Store, StoreFault};
use gettone_store::Postgres;
use gettone_store::bounds::HISTORY_PORTION_BYTES;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

fn begin(server: &Server) -> (Postgres, Arc<dyn History>) {
    let store = Postgres::open(server.settings()).expect("it is free");
    let history = store.history().expect("it has one");
    (store, history)
}

/// Reads the frames from `from` on and before `upto`, all of which say what their place is.
fn read(history: &dyn History, from: u64, upto: u64) -> Result<(), StoreFault> {
    let mut expected = from;
    history.read(Seq::new(from), Seq::new(upto), &mut |seq, payload| {
        assert_eq!(seq, Seq::new(expected));
        assert_eq!(payload, expected.to_string().as_bytes());
        expected += 1;
        Ok(())
    })?;
    assert_eq!(expected, upto);
    Ok(())
}

/// Appends one row of two frames.
fn append(store: &mut Postgres) {
    let first = store.next();
    let words = [first, first.after(1)].map(|seq| seq.number().to_string());
    store
        .append(first, &frames(&[&words[0], &words[1]]))
        .expect("it holds it");
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn several_read_while_appends_go_on_and_after_their_store_is_gone() {
    const ROWS: u64 = 400;
    with_server(|server| {
        let (mut store, history) = begin(&server);
        let next = AtomicU64::new(1);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut from = 1;
                    while from < 2 * ROWS {
                        let upto = next.load(Ordering::Acquire);
                        // From the middle of a row as well.
                        read(history.as_ref(), from, upto.max(from)).expect("all of it is there");
                        from = upto.saturating_sub(3).max(from);
                        if upto > 2 * ROWS {
                            break;
                        }
                    }
                });
            }
            for _ in 0..ROWS {
                append(&mut store);
                next.store(store.next().number(), Ordering::Release);
            }
        });
        drop(store);
        read(history.as_ref(), 1, 2 * ROWS + 1).expect("it outlives its store");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn rows_larger_than_a_portion_are_read_one_by_one() {
    with_server(|server| {
        let (mut store, history) = begin(&server);
        let half = usize::try_from(HISTORY_PORTION_BYTES / 2).expect("short");
        for row in 0..8_usize {
            let mut large = Frames::default();
            // The generator of the C standard's example: what it gives cannot be packed.
            let mut state = u32::try_from(row).expect("few");
            let payload: Vec<u8> = (0..half - row * half / 9)
                .map(|_| {
                    state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                    state.to_be_bytes()[0]
                })
                .collect();
            (0..1 + row % 4).for_each(|_| large.push(&payload));
            store.append(store.next(), &large).expect("it holds it");
        }
        let mut kept = Vec::new();
        store
            .replay(Seq::FIRST, &mut |seq, payload| {
                kept.push((seq, payload.to_vec()));
                Ok(())
            })
            .expect("whole");
        let mut read = Vec::new();
        history
            .read(Seq::FIRST, store.next(), &mut |seq, payload| {
                read.push((seq, payload.to_vec()));
                Ok(())
            })
            .expect("whole");
        assert!(read == kept, "{} frames of {}", read.len(), kept.len());
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_is_killed_while_one_reads_is_asked_again_where_it_was() {
    with_server(|mut server| {
        let (mut store, history) = begin(&server);
        (0..400).for_each(|_| append(&mut store));
        let mut expected = 1;
        history
            .read(Seq::FIRST, store.next(), &mut |seq, _| {
                assert_eq!(seq.number(), expected);
                if expected % 300 == 1 {
                    server.kill();
                    server.start();
                }
                expected += 1;
                Ok(())
            })
            .expect("it connects again");
        assert_eq!(expected, 801);
        append(&mut store);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_reading_that_is_told_to_end_ends_there_and_the_next_begins_anew() {
    with_server(|server| {
        let (mut store, history) = begin(&server);
        (0..400).for_each(|_| append(&mut store));
        let ended = history.read(Seq::new(2), store.next(), &mut |seq, _| {
            if seq.number() == 700 {
                Err(StoreFault::Failed)
            } else {
                Ok(())
            }
        });
        assert!(matches!(ended, Err(StoreFault::Failed)), "{ended:?}");
        read(history.as_ref(), 2, 801).expect("all of it is there");
    });
}
