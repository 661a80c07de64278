//! The shelf beside the journal: whole snapshots or none, whatever breaks and whoever takes over.

use crate::proxy::{At, Break, Proxy, Side};
use crate::server::{Server, settings, with_server, within};
use crate::{InPartition, frames};
use gettone_core::port::{Generation, Key, Kind, Seq, Shelf, Store, StoreFault};
use gettone_store::{Postgres, PostgresSettings, Takeover, contract};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// What a look at a shelf finds wrong.
type Look = fn(&dyn Shelf) -> Option<StoreFault>;

const ANN: Key = Key::new(Kind::Wallet, 1);
const BOB: Key = Key::new(Kind::Wallet, 2);

/// A journal with two frames, and its shelf.
fn opened(settings: &PostgresSettings) -> (Postgres, Arc<dyn Shelf>) {
    let mut store = Postgres::open(settings.clone()).expect("it is free");
    if store.next() == Seq::FIRST {
        let words = frames(&["one", "two"]);
        store.append(Seq::FIRST, &words).expect("it holds it");
    }
    let shelf = store.shelf().expect("it has one");
    (store, shelf)
}

fn begun(shelf: &dyn Shelf, words: &[u8]) -> Box<dyn Generation> {
    let mut snapshot = shelf.begin().expect("nobody else writes one");
    snapshot.put(ANN, words).expect("there is room");
    snapshot.put(BOB, b"bob").expect("there is room");
    snapshot
}

fn take(shelf: &dyn Shelf, words: &[u8], cut: u64) -> Result<(), StoreFault> {
    begun(shelf, words).finish(&[(0, Seq::new(cut))])
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_shelf_in_postgres_keeps_the_contract() {
    with_server(|server| {
        let partition = Cell::new(0);
        contract::check_shelf(&|| {
            let mut settings = server.settings();
            settings.partition = partition.get();
            partition.set(partition.get() + 1);
            Box::new(InPartition(settings))
        });
    });
}

/// A life of a shelf over a connection that breaks somewhere. False when it broke nowhere.
fn live(server: &Server, (side, nth): (Side, u64), partition: u16) -> bool {
    let proxy = Proxy::new(server.socket());
    let mut over = settings(proxy.socket());
    over.partition = partition;
    let (store, shelf) = opened(&over);
    proxy.plan(side, At::Nth(nth), Break::Cut);
    assert_eq!(shelf.cuts().expect("it asks again"), []);
    take(shelf.as_ref(), b"first", 1).expect("it asks again");
    assert_eq!(
        shelf.load(ANN).expect("it asks again"),
        Some(b"first".to_vec())
    );
    drop(begun(shelf.as_ref(), b"dropped"));
    take(shelf.as_ref(), b"second", 2).expect("it asks again");
    let has_broken = proxy.has_broken();
    drop((store, shelf));

    let mut directly = server.settings();
    directly.partition = partition;
    let (_store, shelf) = opened(&directly);
    assert_eq!(shelf.cuts().expect("it is whole"), [(0, Seq::new(2))]);
    assert_eq!(
        shelf.load(ANN).expect("it is whole"),
        Some(b"second".to_vec())
    );
    let generation =
        format!("select generation from gettone.shelf_state where partition = {partition}");
    assert_eq!(server.number(&generation), 2, "each finished once");
    has_broken
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_connection_cut_at_many_a_message_loses_no_snapshot_and_finishes_none_twice() {
    with_server(|server| {
        let mut partition = 0;
        // Over a hundred on either side: every sixth, others of the one than of the other.
        for (side, begin) in [(Side::Store, 1), (Side::Server, 4)] {
            let mut nth = begin;
            loop {
                println!("{side:?} {nth}");
                partition += 1;
                if !live(&server, (side, nth), partition) {
                    break;
                }
                nth += 6;
            }
            assert!(
                nth > 20,
                "{nth} messages of {side:?} are too few for a life"
            );
        }
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_is_killed_amid_a_snapshot_finishes_it_when_it_is_back() {
    with_server(|mut server| {
        let (_store, shelf) = opened(&server.settings());
        take(shelf.as_ref(), b"first", 1).expect("there is room");
        let mut snapshot = begun(shelf.as_ref(), b"second");
        snapshot.put(BOB, &vec![7; 300_000]).expect("sent at once");
        server.kill();
        server.start();
        snapshot.finish(&[(0, Seq::new(2))]).expect("it asks again");
        assert_eq!(shelf.load(ANN).expect("whole"), Some(b"second".to_vec()));
        server.kill();
        server.start();
        assert_eq!(shelf.load(BOB).expect("whole"), Some(vec![7; 300_000]));
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_deposed_node_finishes_no_snapshot_and_reads_none_of_its_successor() {
    with_server(|server| {
        let (_first, old) = opened(&server.settings());
        assert_eq!(old.cuts().expect("whole"), []);
        let snapshot = begun(old.as_ref(), b"of the first");
        let mut settings = server.settings();
        settings.takeover = Takeover::AtOnce;
        let (_second, new) = opened(&settings);
        // Also while the first one has rows staged.
        take(new.as_ref(), b"of the second", 2).expect("it holds it");
        let late = snapshot.finish(&[(0, Seq::new(1))]);
        assert!(matches!(late, Err(StoreFault::Deposed { .. })), "{late:?}");
        let again = old.begin().err();
        assert!(
            matches!(again, Some(StoreFault::Deposed { .. })),
            "{again:?}"
        );
        assert!(matches!(old.clear(), Err(StoreFault::Deposed { .. })));
        let read = old.load(ANN);
        assert!(matches!(read, Err(StoreFault::Deposed { .. })), "{read:?}");
        assert_eq!(
            new.load(ANN).expect("whole"),
            Some(b"of the second".to_vec())
        );
        assert_eq!(new.cuts().expect("whole"), [(0, Seq::new(2))]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_was_changed_or_set_back_on_a_shelf_is_told_and_can_be_cleared() {
    with_server(|server| {
        let (_store, shelf) = opened(&server.settings());
        let damages: [(&str, Look); 4] = [
            (
                "update gettone.shelf set bytes = set_byte(bytes, 4, get_byte(bytes, 4) # 1)",
                |shelf| shelf.load(ANN).err(),
            ),
            (
                "update gettone.shelf_state set cuts = set_byte(cuts, 6, get_byte(cuts, 6) # 1)",
                |shelf| shelf.cuts().err(),
            ),
            ("update gettone.lease set next = 2", |shelf| {
                shelf.cuts().err()
            }),
            (
                "update gettone.shelf_state set generation = generation - 1",
                |shelf| shelf.load(ANN).err(),
            ),
        ];
        for (damage, look) in damages {
            take(shelf.as_ref(), b"ann", 3).expect("there is room");
            assert!(look(shelf.as_ref()).is_none(), "before: {damage}");
            server.run(damage);
            let told = look(shelf.as_ref());
            assert!(
                matches!(told, Some(StoreFault::ShelfDamaged { .. })),
                "{damage}: {told:?}"
            );
            server.run("update gettone.lease set next = 3");
            shelf.clear().expect("nobody writes");
            assert_eq!(shelf.cuts().expect("empty"), []);
            assert_eq!(shelf.load(ANN).expect("empty"), None);
        }
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_snapshot_waits_for_a_lock_and_a_server_that_stays_away_is_told_in_time() {
    with_server(|mut server| {
        let impatient = within(server.settings(), Duration::from_millis(50));
        let (_store, shelf) = opened(&impatient);
        // Refused at first as a serialization failure would be, then not any more.
        server.run(
            "create sequence tries; \
             create function refuse() returns trigger language plpgsql as $$ \
             begin if nextval('tries') <= 2 then \
             raise exception using errcode = '40001'; end if; return new; end $$; \
             create trigger refuse before insert on gettone.shelf \
             for each row execute function refuse(); \
             alter function refuse() set search_path = public",
        );
        take(shelf.as_ref(), b"ann", 1).expect("the third time");
        server.kill();
        let told = shelf.load(ANN);
        assert!(matches!(told, Err(StoreFault::Io { .. })), "{told:?}");
        server.start();
        assert_eq!(shelf.load(ANN).expect("whole"), Some(b"ann".to_vec()));
    });
}
