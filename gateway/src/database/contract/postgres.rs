//! The same on a PostgreSQL server, and what only a server can do: be killed, refuse, and be set up
//! in another way.

use super::journal::journal;
use super::server::{Server, with_server};
use super::{Directory, HALL, OTHER, OWNER, Place, check, fold, shown};
use crate::DatabaseFault;
use crate::database::{Ground, place};
use crate::sql::{self, Records, SqlFault, Synced, Transaction};
use gettone_core::id::MachineId;
use gettone_core::port::Seq;
use gettone_core::record::Record;
use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

/// A schema of a server.
struct Schema(Records);

impl Place for Schema {
    fn open(&self) -> Ground {
        Ground::open(Path::new(""), Some(&self.0)).expect("opened")
    }
}

fn records(words: &str, partition: u16) -> Records {
    Records::parse(words, partition).expect("an address")
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn the_tables_in_postgres_keep_the_contract() {
    with_server(|server| {
        let partition = Cell::new(0);
        check(&|| {
            partition.set(partition.get() + 1);
            Box::new(Schema(records(&server.address(), partition.get())))
        });
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn both_show_the_same() {
    with_server(|server| {
        let here = Directory::new().open();
        let there = Schema(records(&server.address(), 0)).open();
        for ground in [&here, &there] {
            fold(ground, &journal());
        }
        assert_eq!(shown(&here.connection), shown(&there.connection));
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_is_killed_while_it_folds_has_folded_each_record_once() {
    with_server(|mut server| {
        let ground = Schema(records(&server.address(), 0)).open();
        let journal = journal();
        let database = ground.start().expect("started");
        let (folded, seen) = sync_channel(0);
        thread::scope(|scope| {
            let folding = scope.spawn(|| {
                let system = actix_web::rt::System::new();
                for record in &journal {
                    system
                        .block_on(database.fold(vec![record.clone()]))
                        .expect("it folds again");
                    // Nobody listens any more after the last kill.
                    let _ = folded.send(());
                }
            });
            for _ in 0..4 {
                seen.recv().expect("there are more records");
                server.kill();
                server.start();
            }
            drop(seen);
            folding.join().expect("no panic");
        });
        database.close();
        let here = Directory::new().open();
        fold(&here, &journal);
        let there = Schema(records(&server.address(), 0)).open();
        assert_eq!(shown(&there.connection), shown(&here.connection));
    });
}

/// Has a server do this in the middle of the first folds, so often.
fn stumble(server: &Server, times: u32, how: &str) {
    drop(Schema(records(&server.address(), 0)).open());
    server.run(&format!(
        "create sequence tries; \
         create function stumble() returns trigger language plpgsql as $$ \
         begin if nextval('public.tries') <= {times} then {how}; end if; return null; end $$; \
         create trigger stumble before insert on gettone_records_0.receipt \
         for each statement execute function stumble()"
    ));
}

/// Folds these records there, however often that takes by itself.
fn fold_again(there: Ground, records: &[(Seq, Record)]) -> Ground {
    let head = records.last().map_or(Seq::FIRST, |(seq, _)| *seq);
    fold::take_in_again(&there.connection, records, head).expect("it ends well");
    there
}

/// Whether everything is there that tables here would show.
#[track_caller]
fn shows_all(there: &Ground) {
    let here = Directory::new().open();
    fold(&here, &journal());
    assert_eq!(shown(&there.connection), shown(&here.connection));
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn folding_goes_on_by_itself_after_a_serialization_failure_and_a_deadlock() {
    for code in ["40001", "40P01"] {
        with_server(|server| {
            stumble(
                &server,
                2,
                &format!("raise exception using errcode = '{code}'"),
            );
            let there = fold_again(Schema(records(&server.address(), 0)).open(), &journal());
            assert!(
                server.number("select last_value from tries") > 2,
                "it tried again"
            );
            shows_all(&there);
        });
    }
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn folding_goes_on_by_itself_after_its_connection_was_cut_in_the_middle() {
    with_server(|server| {
        stumble(&server, 1, "perform pg_terminate_backend(pg_backend_pid())");
        let there = fold_again(Schema(records(&server.address(), 0)).open(), &journal());
        assert!(
            server.number("select last_value from tries") > 1,
            "it tried again"
        );
        shows_all(&there);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_commit_that_was_kept_though_its_answer_was_lost_is_not_folded_twice() {
    with_server(|server| {
        let journal = journal();
        let (first, rest) = journal.split_at(journal.len() / 2);
        let there = fold_again(Schema(records(&server.address(), 0)).open(), first);
        server.set("synchronous_standby_names", "nobody");
        let waiting = "from pg_stat_activity where wait_event = 'SyncRep'";
        let there = thread::scope(|scope| {
            let folding = scope.spawn(move || fold_again(there, rest));
            // It is kept by then; only the answer waits.
            server.until(&format!("select count(*) {waiting}"), 1);
            server.run(&format!("select pg_terminate_backend(pid) {waiting}"));
            folding.join().expect("it ends well")
        });
        shows_all(&there);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_a_server_refuses_for_a_moment_is_told_as_such_and_changes_nothing() {
    with_server(|mut server| {
        let mut ground = Schema(records(&server.address(), 0)).open();
        server.run(
            "create function refuse() returns trigger language plpgsql as $$ \
             begin raise exception using errcode = '40001'; end $$; \
             create trigger refuse before insert on gettone_records_0.place \
             for each row execute function refuse()",
        );
        let note = |ground: &mut Ground| {
            ground.write(|change| place::note(change, OWNER, HALL, &place::Place::default()))
        };
        let told = note(&mut ground);
        assert!(
            matches!(told, Err(DatabaseFault::Sql(SqlFault::Again(_)))),
            "{told:?}"
        );
        server.run("drop function refuse cascade");
        note(&mut ground).expect("it is let");
        server.kill();
        server.start();
        note(&mut ground).expect("it connects again");
        let lost = ground.write(|change| {
            place::note(change, OTHER, MachineId::new(9), &place::Place::default())?;
            server.kill();
            Ok(())
        });
        assert!(
            matches!(lost, Err(DatabaseFault::Sql(SqlFault::Unknown(_)))),
            "{lost:?}"
        );
        server.start();
        let found = ground.write(|change| place::find(change, MachineId::new(9)));
        assert_eq!(found.expect("read"), None);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn one_writes_at_a_time_and_who_waits_is_let_go_in_time() {
    with_server(|server| {
        let one = Schema(records(&server.address(), 0)).open();
        let two = Schema(records(&server.address(), 0)).open();
        let apart = Schema(records(&server.address(), 1)).open();
        let elsewhere = |change: &Transaction<'_>| {
            place::note(change, OWNER, MachineId::new(9), &place::Place::default())
        };
        let held = one.connection.transact(Synced::Now, |change| {
            place::note(change, OWNER, HALL, &place::Place::default())?;
            two.connection.execute_batch("SET lock_timeout = '20ms'")?;
            let waits = two.connection.transact(Synced::Now, elsewhere);
            assert!(matches!(waits, Err(SqlFault::Again(_))), "{waits:?}");
            apart.connection.transact(Synced::Now, elsewhere)
        });
        held.expect("it holds it");
        two.connection
            .transact(Synced::Now, elsewhere)
            .expect("its turn has come");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_transaction_that_passes_over_a_failure_is_refused_as_a_whole() {
    with_server(|server| {
        let mut ground = Schema(records(&server.address(), 0)).open();
        let told = ground.write(|change| {
            place::note(change, OWNER, HALL, &place::Place::default())?;
            // The server would take the commit of this, and keep nothing.
            let failed = change.execute("DELETE FROM nothing_of_that_name", sql::NONE);
            assert!(matches!(failed, Err(SqlFault::Refused(_))), "{failed:?}");
            Ok(())
        });
        assert!(
            matches!(told, Err(DatabaseFault::Sql(SqlFault::Refused(_)))),
            "{told:?}"
        );
        let found = ground.write(|change| place::find(change, HALL));
        assert_eq!(found.expect("read"), None);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_is_committed_is_on_disk_whatever_the_server_is_set_to() {
    with_server(|server| {
        server.run("alter role postgres set synchronous_commit = off");
        let records = records(&server.address(), 0);
        let ground = Schema(records.clone()).open();
        let synced: String = ground
            .connection
            .query_row(
                "SELECT current_setting('synchronous_commit')",
                sql::NONE,
                |row| row.get(0),
            )
            .expect("told");
        assert_eq!(synced, "on");
        drop(ground);
        server.set("fsync", "off");
        let refused =
            Ground::open(Path::new(""), Some(&records)).expect_err("it loses what it acknowledges");
        assert!(refused.to_string().contains("fsync = on"), "{refused}");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_user_who_may_make_no_schema_can_be_given_one() {
    with_server(|server| {
        server.run("create role clerk login");
        let words = server.address().replace("user=postgres", "user=clerk");
        let records = records(&words, 0);
        let refused =
            Ground::open(Path::new(""), Some(&records)).expect_err("nobody gave it leave");
        assert!(refused.to_string().contains("permission"), "{refused}");
        server.run("create schema gettone_records_0 authorization clerk");
        let ground = Schema(records).open();
        fold(&ground, &journal());
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_commit_whose_wait_for_a_standby_was_ended_is_not_known_to_be_kept() {
    with_server(|server| {
        let mut ground = Schema(records(&server.address(), 0)).open();
        server.set("synchronous_standby_names", "nobody");
        let waiting = "from pg_stat_activity where wait_event = 'SyncRep'";
        thread::scope(|scope| {
            let noted = scope.spawn(|| {
                ground.write(|change| place::note(change, OWNER, HALL, &place::Place::default()))
            });
            server.until(&format!("select count(*) {waiting}"), 1);
            server.run(&format!("select pg_cancel_backend(pid) {waiting}"));
            let told = noted.join().expect("no panic");
            assert!(
                matches!(told, Err(DatabaseFault::Sql(SqlFault::Unknown(_)))),
                "{told:?}"
            );
        });
    });
}
