//! Tables that somebody else has written in.

use crate::server::{Server, with_server};
use crate::{frames, replayed};
use gettone_core::port::{Seq, Store, StoreFault};
use gettone_store::Postgres;

/// A journal of ten rows with two frames each.
fn begin(server: &Server, partition: u16) -> Postgres {
    let mut settings = server.settings();
    settings.partition = partition;
    let mut store = Postgres::open(settings).expect("it is free");
    for _ in 0..10 {
        let first = store.next();
        store
            .append(first, &frames(&["one", "two"]))
            .expect("it holds it");
    }
    store
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn damage_is_told_with_its_place() {
    with_server(|server| {
        let flipped = "update gettone.journal set frames = \
                       set_byte(frames, 9, get_byte(frames, 9) # 1) where first = 7 and";
        let exchanged = "update gettone.journal set frames = (select frames from gettone.journal \
                         where first = 9 limit 1) where first = 7 and";
        for (partition, (damage, words)) in [
            (
                "delete from gettone.journal where first = 7 and",
                "from 9 on",
            ),
            (
                "delete from gettone.journal where first = 1 and",
                "from 3 on",
            ),
            (
                "delete from gettone.journal where first = 19 and",
                "frames 19 to 20 are missing",
            ),
            (
                "delete from gettone.journal where",
                "frames 1 to 20 are missing",
            ),
            (flipped, "the checksum of frame 7 is wrong"),
            (exchanged, "the checksum of frame 7 is wrong"),
            (
                "update gettone.journal set count = 1 where first = 7 and",
                "follow the frame before 8",
            ),
            (
                "update gettone.journal set count = 3 where first = 7 and",
                "frame 9 is cut off",
            ),
            (
                "update gettone.journal set frames = '' where first = 7 and",
                "frame 7 is cut off",
            ),
            (
                "update gettone.journal set epoch = 0 where first = 7 and",
                "under epoch 0",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let mut store = begin(&server, partition as u16);
            server.run(&format!("{damage} partition = {partition}"));
            let told = replayed(&mut store).expect_err("it is damaged");
            assert!(
                matches!(told, StoreFault::Damaged { .. }),
                "{damage}: {told:?}"
            );
            let place = format!("partition {partition} of the database postgres");
            assert!(told.to_string().contains(&place), "{damage}: {told}");
            assert!(told.to_string().contains(words), "{damage}: {told}");
            let history = store.history().expect("it has one");
            let told = history.read(Seq::FIRST, store.next(), &mut |_, _| Ok(()));
            assert!(
                matches!(told, Err(StoreFault::Damaged { .. })),
                "{damage}: {told:?}"
            );
        }
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_server_that_lost_what_it_acknowledged_is_noticed_at_the_next_append() {
    with_server(|server| {
        let mut store = begin(&server, 0);
        // What a restored copy looks like, or a standby that was not synchronous.
        server.run(
            "delete from gettone.journal where first > 15; update gettone.lease set next = 17",
        );
        let fault = store.append(Seq::new(21), &frames(&["more"]));
        let told = fault.expect_err("it is not there");
        assert!(matches!(told, StoreFault::Damaged { .. }), "{told:?}");
        assert!(
            told.to_string()
                .contains("before frame 21 was acknowledged, and the next frame there is 17"),
            "{told}"
        );
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn what_another_version_wrote_is_refused() {
    with_server(|server| {
        drop(begin(&server, 0));
        let mut other = server.settings();
        other.format += 1;
        let refused = Postgres::open(other);
        assert!(
            matches!(refused, Err(StoreFault::OtherFormat { found, ours, .. }) if ours == found + 1),
            "{refused:?}"
        );
        server.run("update gettone.version set version = version + 1");
        let refused = Postgres::open(server.settings());
        assert!(
            matches!(refused, Err(StoreFault::OtherFormat { found, ours, .. }) if found == ours + 1),
            "{refused:?}"
        );
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn a_user_that_may_make_no_tables_uses_those_that_are_there() {
    with_server(|server| {
        server.run("create role clerk login");
        let mut settings = server.settings();
        let address = server.address().replace("user=postgres", "user=clerk");
        let standby = settings.standby;
        settings = gettone_store::PostgresSettings::parse(&address).expect("an address");
        settings.standby = standby;
        let refused = Postgres::open(settings.clone());
        assert!(
            matches!(&refused, Err(StoreFault::Io { source, .. })
                if source.kind() == std::io::ErrorKind::PermissionDenied),
            "{refused:?}"
        );
        drop(begin(&server, 1));
        server.run(
            "grant usage on schema gettone to clerk; \
             grant select on all tables in schema gettone to clerk; \
             grant insert on gettone.journal, gettone.lease to clerk; \
             grant update on gettone.lease to clerk",
        );
        let mut store = Postgres::open(settings).expect("that is all it needs");
        store
            .append(Seq::FIRST, &frames(&["one"]))
            .expect("that is all it needs");
        assert_eq!(replayed(&mut store).expect("whole"), ["one"]);
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn many_alike_frames_are_kept_in_less_room_and_a_flipped_bit_of_them_is_told() {
    with_server(|server| {
        let words = ["one coffee, one tea"; 1_000];
        let mut store = Postgres::open(server.settings()).expect("it is free");
        store
            .append(Seq::FIRST, &frames(&words))
            .expect("it holds it");
        assert_eq!(replayed(&mut store).expect("whole"), words);
        let row = "select octet_length(frames)::bigint from gettone.journal";
        assert!(server.number(row) < 10_000, "of {} bytes", 1_000 * 27);
        assert_eq!(
            server.number("select unpacked::bigint from gettone.journal"),
            27_000
        );
        let flip = "update gettone.journal set frames = \
                    set_byte(frames, 100, get_byte(frames, 100) # 16)";
        server.run(flip);
        let told = replayed(&mut store);
        assert!(matches!(told, Err(StoreFault::Damaged { .. })), "{told:?}");
        server.run(flip);
        server.run("update gettone.journal set unpacked = 2147483647");
        let told = replayed(&mut store);
        assert!(matches!(told, Err(StoreFault::Damaged { .. })), "{told:?}");
    });
}

#[test]
#[ignore = "needs a PostgreSQL server"]
fn rows_that_an_older_version_wrote_are_read_on() {
    with_server(|server| {
        drop(begin(&server, 0));
        // As the first version had it.
        server.run(
            "alter table gettone.journal drop column unpacked; \
             drop table gettone.shelf, gettone.shelf_next, gettone.shelf_state; \
             update gettone.version set version = 1",
        );
        let mut store = Postgres::open(server.settings()).expect("it is brought up to date");
        assert_eq!(replayed(&mut store).expect("whole").len(), 20);
        store
            .append(store.next(), &frames(&["more"; 100]))
            .expect("it holds it");
        assert_eq!(replayed(&mut store).expect("whole").len(), 120);
    });
}
