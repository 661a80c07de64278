//! What happens now, for operators' pages: events folded from the journal and from what people do,
//! kept for a while for whoever was away. No decision reads it.

use crate::bounds::{HAPPENINGS_KEPT, HAPPENINGS_OF_RECORD_MAX};
use crate::database::{kept, unkept};
use crate::fold;
use crate::sql::{self, Connection, OptionalExtension, params};
use core::fmt;
use gettone_core::id::OperatorId;
use gettone_core::port::Seq;
use rusqlite::types::Value as SqlValue;
use serde_json::Value;

/// What an event is about: its name on the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// Something was sold.
    Sale,
    /// A customer came to a machine, or left it.
    Session,
    /// A machine was changed.
    Machine,
    /// A reader was heard or changed.
    Reader,
    /// Something needs a person.
    Alarm,
    /// A vend came before a person, or a person decided.
    Refund,
    /// A cash box was counted.
    Cash,
    /// An operator's money moved, or a customer disputes a sale.
    Money,
}

impl Subject {
    const fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Session => "session",
            Self::Machine => "machine",
            Self::Reader => "reader",
            Self::Alarm => "alarm",
            Self::Refund => "refund",
            Self::Cash => "cash",
            Self::Money => "money",
        }
    }
}

/// An event's place: the record of the journal that it comes from, or came after, and its number
/// among the events of that record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Place(u64);

impl Place {
    /// The first one of a record. A journal of 2^55 records is never written; if it were, its
    /// newest events would share one place.
    fn first_of(seq: u64) -> Self {
        Self(seq.saturating_mul(HAPPENINGS_OF_RECORD_MAX))
    }

    /// Reads `SEQ` or `SEQ.N`, as a stream wrote it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (seq, number) = text.split_once('.').unwrap_or((text, "0"));
        let (seq, number): (u64, u64) = (seq.parse().ok()?, number.parse().ok()?);
        (number < HAPPENINGS_OF_RECORD_MAX)
            .then(|| {
                seq.checked_mul(HAPPENINGS_OF_RECORD_MAX)?
                    .checked_add(number)
            })?
            .filter(|place| *place <= i64::MAX.unsigned_abs())
            .map(Self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seq, number) = (
            self.0 / HAPPENINGS_OF_RECORD_MAX,
            self.0 % HAPPENINGS_OF_RECORD_MAX,
        );
        match number {
            0 => write!(f, "{seq}"),
            number => write!(f, "{seq}.{number}"),
        }
    }
}

/// An event as it travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Happening {
    /// Where it stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// What happened, as JSON on one line.
    pub body: String,
}

/// Where the event of this number of the record at `seq` stands, in a journal that reaches to `head`;
/// none when it has given way by then, or when its record has more than a page could show.
pub(crate) fn place(seq: Seq, number: u64, head: Seq) -> Option<Place> {
    let is_kept = seq.number() >= head.number().saturating_sub(HAPPENINGS_KEPT);
    (is_kept && number < HAPPENINGS_OF_RECORD_MAX)
        .then(|| Place(Place::first_of(seq.number()).0.saturating_add(number)))
}

/// An event's line.
pub(crate) fn line(
    place: Place,
    operator: OperatorId,
    (subject, body): (Subject, &Value),
) -> [SqlValue; 4] {
    [
        kept(place.0).into(),
        operator.number().into(),
        subject.name().to_owned().into(),
        body.to_string().into(),
    ]
}

/// Removes what has given way in a journal that reaches to `head`.
pub(crate) fn give_way(connection: &Connection, head: Seq) -> sql::Result<()> {
    let oldest = Place::first_of(head.number().saturating_sub(HAPPENINGS_KEPT));
    connection
        .prepare_cached("DELETE FROM happening WHERE place < ?1")?
        .execute([kept(oldest.0)])?;
    Ok(())
}

/// Adds an event of one operator that is in no journal: it stands after what is folded so far.
pub(crate) fn tell_aside(
    connection: &Connection,
    operator: OperatorId,
    event: (Subject, &Value),
) -> sql::Result<()> {
    let seq = fold::folded(connection)?.map_or(Seq::new(0), |(seq, _)| seq);
    let first = Place::first_of(seq.number());
    let end = Place::first_of(seq.number().saturating_add(1));
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(place) FROM happening WHERE place >= ?1 AND place < ?2")?
        .query_row(params![kept(first.0), kept(end.0)], |row| row.get(0))?;
    let place = newest.map_or(first.0, |newest| unkept(newest).saturating_add(1));
    if place >= end.0 {
        // More than a page could show; the lists have all of them.
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO happening (place, operator, name, body) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(line(Place(place), operator, event))?;
    Ok(())
}

/// Where a stream begins that wants the newest `recent` events first.
pub(crate) fn begin(
    connection: &Connection,
    operator: OperatorId,
    recent: usize,
) -> sql::Result<Place> {
    let recent = i64::try_from(recent).unwrap_or(i64::MAX);
    let before: Option<i64> = connection
        .prepare_cached(
            "SELECT place FROM happening WHERE operator = ?1
             ORDER BY place DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![operator.number(), recent], |row| row.get(0))
        .optional()?;
    Ok(before.map_or(Place::default(), |place| Place(unkept(place))))
}

/// Whether events after `place` have given way already.
pub(crate) fn has_gap(connection: &Connection, place: Place) -> sql::Result<bool> {
    let newest = fold::folded(connection)?.map_or(0, |(seq, _)| seq.number());
    Ok(place < Place::first_of(newest.saturating_sub(HAPPENINGS_KEPT)))
}

/// The next events of an operator after `place`, oldest first.
pub(crate) fn after(
    connection: &Connection,
    operator: OperatorId,
    place: Place,
    limit: usize,
) -> sql::Result<Vec<Happening>> {
    connection
        .prepare_cached(
            "SELECT place, name, body FROM happening
             WHERE operator = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        )?
        .query_map(
            params![
                operator.number(),
                kept(place.0),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| {
                Ok(Happening {
                    place: Place(unkept(row.get(0)?)),
                    name: row.get(1)?,
                    body: row.get(2)?,
                })
            },
        )?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ONE: OperatorId = OperatorId::new(1);
    const TWO: OperatorId = OperatorId::new(2);

    fn tables() -> Connection {
        let connection = Connection::in_memory().expect("opened");
        connection
            .execute_batch(include_str!("database/projections.sql"))
            .expect("made");
        connection
    }

    /// Adds events as a fold does in a journal that ends with the last of them.
    fn tell(connection: &Connection, events: &[(u64, OperatorId)]) {
        let head = Seq::new(events.last().map_or(0, |(seq, _)| *seq));
        let (mut of, mut number) = (0, 0);
        for (seq, operator) in events {
            number = if of == *seq { number + 1 } else { 0 };
            of = *seq;
            if let Some(place) = place(Seq::new(*seq), number, head) {
                let event = line(place, *operator, (Subject::Sale, &json!({})));
                connection
                    .execute(
                        "INSERT INTO happening (place, operator, name, body) VALUES (?, ?, ?, ?)",
                        event,
                    )
                    .expect("told");
            }
        }
        give_way(connection, head).expect("removed");
    }

    fn told(connection: &Connection, operator: OperatorId, after: &str) -> Vec<String> {
        let place = Place::parse(after).expect("a place");
        super::after(connection, operator, place, 100)
            .expect("read")
            .iter()
            .map(|event| event.place.to_string())
            .collect()
    }

    #[test]
    fn a_stream_goes_on_after_the_place_it_saw_last_and_sees_its_own_operator_only() {
        let connection = tables();
        tell(&connection, &[(7, ONE), (7, ONE), (8, TWO), (9, ONE)]);
        assert_eq!(told(&connection, ONE, "0"), ["7", "7.1", "9"]);
        assert_eq!(told(&connection, ONE, "7"), ["7.1", "9"]);
        assert_eq!(told(&connection, ONE, "7.1"), ["9"]);
        assert_eq!(told(&connection, TWO, "0"), ["8"]);
        let begin = |recent| begin(&connection, ONE, recent).expect("read").to_string();
        assert_eq!(
            [begin(0), begin(1), begin(2), begin(9)],
            ["9", "7.1", "7", "0"]
        );
    }

    #[test]
    fn old_events_give_way_and_who_missed_them_is_told() {
        let connection = tables();
        let far = HAPPENINGS_KEPT + 5;
        tell(&connection, &[(3, ONE), (4, ONE)]);
        assert_eq!(told(&connection, ONE, "0"), ["3", "4"]);
        tell(&connection, &[(far, ONE)]);
        assert_eq!(told(&connection, ONE, "0"), [far.to_string()]);
        let at_once = tables();
        tell(&at_once, &[(3, ONE), (4, ONE), (far, ONE)]);
        assert_eq!(told(&at_once, ONE, "0"), [far.to_string()]);
        connection
            .execute(
                "INSERT INTO fold (seq, digest) VALUES (?1, ?2)",
                params![kept(far), [0_u8; 32]],
            )
            .expect("marked");
        let gap = |text| has_gap(&connection, Place::parse(text).expect("a place")).expect("read");
        assert!(gap("4.100"));
        assert!(!gap("5"));
    }

    #[test]
    fn one_record_cannot_crowd_out_the_next_one() {
        let connection = tables();
        let mut events = vec![(1, ONE); HAPPENINGS_OF_RECORD_MAX as usize + 1];
        events.push((2, ONE));
        tell(&connection, &events);
        let all = after(&connection, ONE, Place::default(), 1_000).expect("read");
        // Place 0 of record 0 is where everybody begins; record 1 has all of its places.
        assert_eq!(all.len() as u64, HAPPENINGS_OF_RECORD_MAX + 1);
    }

    #[test]
    fn a_place_is_read_as_it_was_written_or_not_at_all() {
        for text in ["0", "7", "7.1", "36028797018963967.127"] {
            assert_eq!(
                Place::parse(text).map(|place| place.to_string()).as_deref(),
                Some(text)
            );
        }
        for wrong in [
            "",
            ".",
            "x",
            "7.",
            "7.128",
            "-1",
            "99999999999999999999",
            "7.1.1",
        ] {
            assert_eq!(Place::parse(wrong), None, "{wrong:?}");
        }
    }
}
