//! A server whose commits are to wait for a second one.

use crate::node::Node;
use crate::server::{Server, with_server, within};
use crate::{frames, replayed};
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_store::{Postgres, PostgresSettings, Standby};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

fn replicated(server: &Server) -> PostgresSettings {
    let mut settings = within(server.settings(), Duration::from_millis(100));
    settings.standby = Standby::Required;
    settings.statement_max = Duration::from_millis(500);
    settings
}

fn advice(refused: Result<Postgres, StoreFault>) -> String {
    match refused {
        Err(StoreFault::Unfit { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

/// The least that counts as a standby: it receives the log and syncs it.
struct Receiver(Child);

impl Receiver {
    fn attach(server: &Server) -> Self {
        let child = server
            .command("pg_receivewal")
            .arg("--host")
            .arg(server.socket())
            .args(["--username=postgres", "--synchronous", "--no-loop"])
            .arg("--directory")
            .arg(server.directory("received"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let attached = "select count(*) from pg_stat_replication where sync_state = 'sync'";
        server.until(attached, 1);
        Self(child)
    }

    fn detach(mut self, server: &Server) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
        server.until("select count(*) from pg_stat_replication", 0);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended with its server.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_would_lose_what_it_acknowledges_is_refused_with_what_to_set() {
    with_server(|server| {
        server.run("create role clerk login");
        let mut clerk =
            PostgresSettings::parse(&server.address().replace("user=postgres", "user=clerk"))
                .expect("an address");
        clerk.standby = Standby::Required;

        let told = advice(Postgres::open(replicated(&server)));
        assert!(
            told.contains("set synchronous_standby_names there"),
            "{told}"
        );
        server.set("synchronous_standby_names", "*");
        let told = advice(Postgres::open(replicated(&server)));
        assert!(told.contains("is attached; start one"), "{told}");
        let receiver = Receiver::attach(&server);
        let told = advice(Postgres::open(clerk));
        assert!(told.contains("grant pg_monitor"), "{told}");
        let mut store = Postgres::open(replicated(&server)).expect("a standby is attached");
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("it is on both");
        drop((store, receiver));

        server.set("synchronous_standby_names", "");
        server.set("fsync", "off");
        let told = advice(Postgres::open(server.settings()));
        assert!(told.contains("set fsync = on"), "{told}");
    });
}

/// How many commits wait for a standby.
const WAITING: &str = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";

/// Has a row committed here while no standby is there to receive it, and the server say so.
fn commit_here_alone(server: &Server) {
    server.until(WAITING, 1);
    server.run("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
    server.until("select count(*) from gettone.journal", 2);
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_row_that_the_standby_may_lack_is_not_acknowledged() {
    with_server(|server| {
        server.set("synchronous_standby_names", "*");
        let receiver = Receiver::attach(&server);
        let mut store = Postgres::open(replicated(&server)).expect("a standby is attached");
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("it is on both");
        receiver.detach(&server);
        thread::scope(|scope| {
            let node = scope.spawn(|| store.append(Seq::new(2), &frames(&["two"])));
            commit_here_alone(&server);
            let fault = node.join().expect("no panic");
            assert!(
                matches!(&fault, Err(StoreFault::Unknown { what, .. }) if what.contains("start one")),
                "{fault:?}"
            );
        });
        drop(store);
        // It was there after all, and whoever opens the journal next makes sure that it stays.
        let _receiver = Receiver::attach(&server);
        let mut store = Postgres::open(replicated(&server)).expect("a standby is attached");
        assert_eq!(replayed(&mut store).expect("whole"), ["one", "two"]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_row_is_acknowledged_once_the_standby_is_back_and_has_it() {
    with_server(|server| {
        server.set("synchronous_standby_names", "*");
        let receiver = Receiver::attach(&server);
        let patient = within(replicated(&server), Duration::from_secs(60));
        let mut store = Postgres::open(patient).expect("a standby is attached");
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("it is on both");
        receiver.detach(&server);
        thread::scope(|scope| {
            let node = scope.spawn(|| store.append(Seq::new(2), &frames(&["two"])));
            commit_here_alone(&server);
            let _receiver = Receiver::attach(&server);
            node.join().expect("no panic").expect("it is on both");
        });
        assert_eq!(server.number("select count(*) from gettone.journal"), 2);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_may_have_been_replaced_cannot_say_who_holds_the_partition() {
    with_server(|server| {
        server.set("synchronous_standby_names", "*");
        let receiver = Receiver::attach(&server);
        let mut store = Postgres::open(replicated(&server)).expect("a standby is attached");
        store.confirm().expect("the standby hears of it");
        receiver.detach(&server);
        let told = store.confirm();
        assert!(matches!(told, Err(StoreFault::Io { .. })), "{told:?}");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_waits_for_its_standby_for_ever_is_given_up() {
    with_server(|server| {
        server.set("synchronous_standby_names", "*");
        let receiver = Receiver::attach(&server);
        let mut store = Postgres::open(replicated(&server)).expect("a standby is attached");
        receiver.detach(&server);
        let fault = store.append(Seq::FIRST, &frames(&["one"]));
        assert!(
            matches!(fault, Err(StoreFault::Unknown { .. })),
            "{fault:?}"
        );
        assert_eq!(server.number(WAITING), 1);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_node_goes_on_with_the_standby_when_the_server_is_lost() {
    with_server(|mut server| {
        let follower = server.follower();
        server.set("synchronous_standby_names", "*");
        let attached = "select count(*) from pg_stat_replication where sync_state = 'sync'";
        server.until(attached, 1);
        let both = format!(
            "host={},{} user=postgres dbname=postgres",
            server.socket().display(),
            follower.socket().display()
        );
        let mut settings = PostgresSettings::parse(&both).expect("an address");
        settings.patience = Duration::from_secs(60);

        let node = Node::start(settings.clone());
        node.work(50);
        server.kill();
        follower.run("select pg_promote()");
        // Nothing is acknowledged before the new server has a standby of its own.
        follower.set("synchronous_standby_names", "*");
        let _receiver = Receiver::attach(&follower);
        node.work(50);
        node.end_and_check(&settings);
    });
}
