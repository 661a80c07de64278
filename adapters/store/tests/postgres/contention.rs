//! Several nodes and one partition.

use crate::proxy::{At, BIND, Break, Proxy, Side};
use crate::server::{Server, settings, with_server, within};
use crate::{frames, kept, replayed};
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_store::{Postgres, PostgresSettings, Takeover};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

/// Two nodes one after the other; what the first says when it goes on.
fn contend(server: &Server, first: PostgresSettings) -> Result<(), StoreFault> {
    let mut old = Postgres::open(first).expect("it is free");
    old.append(Seq::FIRST, &frames(&["one"]))
        .expect("it holds it");

    let mut taking = server.settings();
    taking.takeover = Takeover::AtOnce;
    let mut new = Postgres::open(taking).expect("it takes it");
    assert_eq!(new.next(), Seq::new(2));
    // All of it at the place that would be right.
    let deposed = old.append(Seq::new(2), &frames(&["two", "three"]));
    if deposed.is_err() {
        let later = old.append(Seq::new(2), &frames(&["two"]));
        assert!(matches!(later, Err(StoreFault::Failed)), "{later:?}");
        new.append(Seq::new(2), &frames(&["another two"]))
            .expect("it holds it");
        assert_eq!(replayed(&mut new).expect("whole"), ["one", "another two"]);
    }
    deposed
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_deposed_node_fails_whole() {
    with_server(|server| {
        let deposed = contend(&server, server.settings());
        assert!(
            matches!(deposed, Err(StoreFault::Deposed { .. })),
            "{deposed:?}"
        );
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn without_the_fence_in_the_statement_a_deposed_node_would_write() {
    with_server(|server| {
        // The negative control: the same nodes, but one says its statement without the epoch.
        let proxy = Proxy::rewriting(server.socket(), "and epoch = $4 and", "and $4 = $4    and");
        let deposed = contend(&server, settings(proxy.socket()));
        assert!(proxy.has_rewritten());
        assert!(deposed.is_ok(), "{deposed:?}");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_partition_is_free_again_when_its_holder_is_gone_and_not_before() {
    with_server(|server| {
        let holder = Postgres::open(server.settings()).expect("it is free");
        let refused = Postgres::open(server.settings());
        assert!(
            matches!(refused, Err(StoreFault::Locked { .. })),
            "{refused:?}"
        );

        let mut beside = server.settings();
        beside.partition = 7;
        drop(Postgres::open(beside).expect("another partition is another journal"));

        // Its connection ends as that of a node whose machine is gone.
        server.run(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where application_name like 'gettone journal%'",
        );
        let mut next = Postgres::open(server.settings()).expect("it is free");
        next.append(Seq::FIRST, &frames(&["one"]))
            .expect("it holds it");
        drop(holder);
        next.append(Seq::new(2), &frames(&["two"]))
            .expect("it still holds it");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn whatever_nodes_do_to_each_other_each_acknowledged_frame_is_there_once_in_one_order() {
    const NODES: usize = 3;
    const TAKINGS: usize = 12;
    with_server(|server| {
        let mut taking = server.settings();
        taking.takeover = Takeover::AtOnce;
        let acknowledged = Mutex::new(Vec::new());
        let deposed = Mutex::new(0);
        let begin = Barrier::new(NODES);
        thread::scope(|scope| {
            for node in 0..NODES {
                let (taking, acknowledged, deposed) = (&taking, &acknowledged, &deposed);
                let begin = &begin;
                scope.spawn(move || {
                    begin.wait();
                    for round in 0..TAKINGS {
                        let mut store = match Postgres::open(taking.clone()) {
                            Ok(store) => store,
                            // Everybody takes it at once.
                            Err(StoreFault::Locked { .. } | StoreFault::Io { .. }) => continue,
                            Err(fault) => panic!("{fault:?}"),
                        };
                        for nth in 0..20 {
                            let words = [
                                format!("{node}.{round}.{nth}"),
                                format!("{node}.{round}.{nth}, the second half"),
                            ];
                            let first = store.next();
                            match store.append(first, &frames(&[&words[0], &words[1]])) {
                                Ok(()) => acknowledged
                                    .lock()
                                    .expect("nobody panics")
                                    .push((first.number(), words)),
                                Err(StoreFault::Deposed { .. }) => {
                                    *deposed.lock().expect("nobody panics") += 1;
                                    break;
                                }
                                Err(fault) => panic!("{fault:?}"),
                            }
                        }
                    }
                });
            }
        });
        let mut acknowledged = acknowledged.into_inner().expect("nobody panics");
        acknowledged.sort();
        let deposed = deposed.into_inner().expect("nobody panics");
        println!("{} appends, {deposed} depositions", acknowledged.len());
        assert!(deposed > 0, "nobody contended");
        let expected: Vec<String> = acknowledged
            .into_iter()
            .flat_map(|(_, words)| words)
            .collect();
        assert_eq!(kept(&server.settings()), expected);
        let disorder = "select count(*) from gettone.journal earlier \
                        join gettone.journal later on later.first > earlier.first \
                        where later.epoch < earlier.epoch";
        assert_eq!(server.number(disorder), 0);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_row_that_arrives_late_over_a_lost_connection_finds_the_fence_shut() {
    with_server(|server| {
        let proxy = Proxy::new(server.socket());
        let mut store = Postgres::open(settings(proxy.socket())).expect("it is free");
        proxy.plan(Side::Store, At::Kind(BIND), Break::Delay);
        store
            .append(Seq::FIRST, &frames(&["one", "two"]))
            .expect("over another connection");
        // The network gives up what it had held back.
        let answer = proxy.delayed().let_through();
        let says = |words: &[u8]| answer.windows(words.len()).any(|part| part == words);
        assert!(
            says(b"INSERT 0 0\0"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        store
            .append(Seq::new(3), &frames(&["three"]))
            .expect("it holds it");
        assert_eq!(
            replayed(&mut store).expect("whole"),
            ["one", "two", "three"]
        );
    });
}

/// What a node is told that looks whether it still holds the partition, once another has taken it.
fn confirm_deposed(server: &Server, first: PostgresSettings) -> Result<(), StoreFault> {
    let mut old = Postgres::open(first).expect("it is free");
    old.confirm().expect("it holds it");
    old.append(Seq::FIRST, &frames(&["one"]))
        .expect("it holds it");
    old.confirm().expect("it holds it");

    let mut taking = server.settings();
    taking.takeover = Takeover::AtOnce;
    let mut new = Postgres::open(taking).expect("it takes it");
    let told = old.confirm();
    if told.is_err() {
        let later = old.append(Seq::new(2), &frames(&["two"]));
        assert!(matches!(later, Err(StoreFault::Failed)), "{later:?}");
        let later = old.confirm();
        assert!(matches!(later, Err(StoreFault::Failed)), "{later:?}");
    }
    new.confirm().expect("it holds it");
    told
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_deposed_node_that_looks_is_told_before_it_appends() {
    with_server(|server| {
        let told = confirm_deposed(&server, server.settings());
        assert!(matches!(told, Err(StoreFault::Deposed { .. })), "{told:?}");
        // The negative control: the same look without the epoch.
        let proxy = Proxy::rewriting(server.socket(), "and epoch = $2 and", "and $2 = $2    and");
        let mut over = settings(proxy.socket());
        over.partition = 1;
        let mut beside = server.settings();
        beside.partition = 1;
        let told = {
            let mut old = Postgres::open(over).expect("it is free");
            beside.takeover = Takeover::AtOnce;
            let _new = Postgres::open(beside).expect("it takes it");
            old.confirm()
        };
        assert!(proxy.has_rewritten());
        assert!(told.is_ok(), "{told:?}");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn who_looks_over_a_lost_connection_takes_it_again_or_says_that_nobody_can_tell() {
    with_server(|mut server| {
        let impatient = within(server.settings(), Duration::from_millis(300));
        let mut store = Postgres::open(impatient).expect("it is free");
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("it holds it");
        server.run(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where application_name like 'gettone journal%'",
        );
        store.confirm().expect("it connects again");
        store
            .append(Seq::new(2), &frames(&["two"]))
            .expect("it holds it");
        server.kill();
        let told = store.confirm();
        assert!(matches!(told, Err(StoreFault::Io { .. })), "{told:?}");
        server.start();
        let told = store.confirm();
        assert!(matches!(told, Err(StoreFault::Failed)), "{told:?}");
    });
}
