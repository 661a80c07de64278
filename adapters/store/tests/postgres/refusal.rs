//! What a server says no to, and how often it is asked again.

use crate::server::{Server, with_server, within};
use crate::{frames, kept, replayed};
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_store::Postgres;
use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

/// Has the first `times` rows fail as `raise` says; a sequence is not rolled back.
fn fail(server: &Server, times: u32, raise: &str) {
    server.run(&format!(
        "create sequence tries; \
         create function refuse() returns trigger language plpgsql as $$ \
         begin if nextval('tries') <= {times} then raise {raise}; end if; return new; end $$; \
         create trigger refuse before insert on gettone.journal \
         for each row execute function refuse(); \
         alter function refuse() set search_path = public"
    ));
}

fn heal(server: &Server) {
    server.run("drop function refuse cascade; drop sequence tries");
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_may_work_a_moment_later_is_tried_again() {
    with_server(|server| {
        let mut store = Postgres::open(server.settings()).expect("it is free");
        for (code, first) in ["40001", "40P01", "55P03", "57014"].iter().zip(1..) {
            fail(&server, 3, &format!("exception using errcode = '{code}'"));
            store
                .append(Seq::new(first), &frames(&[code]))
                .expect("the fourth time");
            assert_eq!(server.number("select last_value from tries"), 4);
            heal(&server);
        }
        let kept = replayed(&mut store).expect("whole");
        assert_eq!(kept, ["40001", "40P01", "55P03", "57014"]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_never_works_is_told_and_nothing_is_written() {
    with_server(|server| {
        let impatient = within(server.settings(), Duration::from_millis(100));
        for (code, kind) in [
            ("40001", ErrorKind::TimedOut),
            ("53100", ErrorKind::StorageFull),
            ("42501", ErrorKind::PermissionDenied),
            ("XX000", ErrorKind::Other),
        ] {
            let mut store = Postgres::open(impatient.clone()).expect("it is free");
            fail(
                &server,
                1_000_000,
                &format!("exception using errcode = '{code}'"),
            );
            let fault = store.append(Seq::FIRST, &frames(&["never"]));
            assert!(
                matches!(&fault, Err(StoreFault::Io { source, .. }) if source.kind() == kind),
                "{code}: {fault:?}"
            );
            heal(&server);
            let later = store.append(Seq::FIRST, &frames(&["never"]));
            assert!(matches!(later, Err(StoreFault::Failed)), "{later:?}");
        }
        assert_eq!(kept(&server.settings()), [""; 0]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_lock_that_somebody_holds_is_waited_for_in_portions() {
    with_server(|server| {
        let mut store = Postgres::open(server.settings()).expect("it is free");
        let mut other = server.administrator();
        let mut hold = other.transaction().expect("begins");
        hold.batch_execute("select * from gettone.lease for update")
            .expect("it is there");
        thread::scope(|scope| {
            let node = scope.spawn(move || store.append(Seq::FIRST, &frames(&["one"])));
            server.wait_for("canceling statement due to lock timeout");
            hold.commit().expect("commits");
            node.join().expect("no panic").expect("the lock is free");
        });
        assert_eq!(kept(&server.settings()), ["one"]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    with_server(|server| {
        let mut impatient = within(server.settings(), Duration::from_millis(100));
        impatient.statement_max = Duration::from_millis(100);
        let mut store = Postgres::open(impatient).expect("it is free");
        fail(&server, 0, "warning 'never'");
        server.run(
            "create or replace function refuse() returns trigger language plpgsql as $$ \
             begin perform pg_sleep_for('1 hour'); return new; end $$",
        );
        let fault = store.append(Seq::FIRST, &frames(&["never"]));
        assert!(
            matches!(&fault, Err(StoreFault::Io { source, .. }) if source.kind() == ErrorKind::TimedOut),
            "{fault:?}"
        );
        heal(&server);
        drop(store);
        assert_eq!(kept(&server.settings()), [""; 0]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn settings_of_the_database_do_not_change_what_a_store_relies_on() {
    with_server(|server| {
        server.run(
            "alter database postgres set default_transaction_isolation = 'serializable'; \
             alter database postgres set synchronous_commit = off; \
             alter database postgres set client_min_messages = error; \
             alter database postgres set bytea_output = escape",
        );
        let mut store = Postgres::open(server.settings()).expect("it is free");
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("it holds it");
        drop(store);
        assert_eq!(kept(&server.settings()), ["one"]);
    });
}
