//! Connections that break and servers that die.

use crate::node::Node;
use crate::proxy::{At, BIND_COMPLETE, Break, Proxy, Side};
use crate::server::{Server, settings, with_server, within};
use crate::{frames, kept};
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_store::Postgres;
use std::io::ErrorKind;
use std::time::Duration;

/// A life of a store over a connection that breaks somewhere. False when it broke nowhere.
fn live(server: &Server, (side, nth): (Side, u64), partition: u16) -> bool {
    let proxy = Proxy::new(server.socket());
    let mut over = settings(proxy.socket());
    over.partition = partition;
    proxy.plan(side, At::Nth(nth), Break::Cut);
    let mut store = Postgres::open(over).expect("it connects again");
    let end = store.replay(Seq::FIRST, &mut |_, _| Ok(()));
    assert_eq!(end.expect("it connects again"), Seq::FIRST);
    for (first, words) in [(1, ["one", "two"]), (3, ["three", "four"])] {
        store
            .append(Seq::new(first), &frames(&words))
            .expect("it looks what is there, and writes it when it is not");
    }
    let mut seen = 0;
    let end = store.replay(Seq::new(2), &mut |_, _| {
        seen += 1;
        Ok(())
    });
    assert_eq!((end.expect("it connects again"), seen), (Seq::new(5), 3));
    let mut read = Vec::new();
    let history = store.history().expect("it has one");
    history
        .read(Seq::new(2), Seq::new(4), &mut |_, payload| {
            read.push(payload.to_vec());
            Ok(())
        })
        .expect("it connects again");
    assert_eq!(read, [b"two".to_vec(), b"three".to_vec()]);
    let has_broken = proxy.has_broken();
    drop(store);

    let mut directly = server.settings();
    directly.partition = partition;
    assert_eq!(kept(&directly), ["one", "two", "three", "four"]);
    has_broken
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_connection_cut_at_any_message_loses_nothing_and_writes_nothing_twice() {
    with_server(|server| {
        let mut partition = 0;
        for side in [Side::Store, Side::Server] {
            let mut nth = 1;
            loop {
                println!("{side:?} {nth}");
                partition += 1;
                if !live(&server, (side, nth), partition) {
                    break;
                }
                nth += 1;
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
fn an_answer_lost_after_the_commit_is_found_in_the_journal() {
    with_server(|server| {
        let proxy = Proxy::new(server.socket());
        let mut store = Postgres::open(settings(proxy.socket())).expect("it is free");
        // The server says it only after its commit.
        proxy.plan(Side::Server, At::Kind(BIND_COMPLETE), Break::Cut);
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("it looks, and finds it");
        assert!(proxy.has_broken());
        drop(store);
        // Written under the lease of the lost connection, hence once and before the other.
        let under = "select epoch from gettone.journal";
        assert_eq!(server.number(under), 1);
        assert_eq!(server.number("select epoch from gettone.lease"), 2);
        assert_eq!(kept(&server.settings()), ["one"]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_is_killed_again_and_again_keeps_what_it_acknowledged() {
    const KILLS: usize = 8;
    with_server(|mut server| {
        let node = Node::start(server.settings());
        for kill in 0..KILLS {
            // The node does not wait for the kill: it comes between two appends, or amid one.
            node.work(20 + 7 * kill);
            server.kill();
            server.start();
        }
        node.work(1);
        node.end_and_check(&server.settings());
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_stays_away_is_told_in_time_and_as_unknown_only_when_it_is() {
    with_server(|mut server| {
        let proxy = Proxy::new(server.socket());
        let impatient = within(settings(proxy.socket()), Duration::from_millis(50));
        let mut store = Postgres::open(impatient.clone()).expect("it is free");
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("it is there");
        server.kill();
        let fault = store.append(Seq::new(2), &frames(&["two"]));
        // It was handed to a connection that was gone: nothing tells whether it was heard.
        assert!(
            matches!(fault, Err(StoreFault::Unknown { .. })),
            "{fault:?}"
        );
        let later = store.append(Seq::new(2), &frames(&["two"]));
        assert!(matches!(later, Err(StoreFault::Failed)), "{later:?}");
        drop(store);

        let fault = Postgres::open(impatient);
        assert!(
            matches!(&fault, Err(StoreFault::Io { source, .. }) if source.kind() == ErrorKind::TimedOut),
            "{fault:?}"
        );
        server.start();
        assert_eq!(kept(&server.settings()), ["one"]);
    });
}
