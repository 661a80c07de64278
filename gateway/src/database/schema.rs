//! Tables. What people entered is migrated step by step; what the journal can tell again is
//! dropped and folded anew whenever its shape changes.

use super::DatabaseFault;
use crate::sql::{self, Connection, NONE, OptionalExtension, Synced, Transaction};

/// Each step once, in this order; a step that has been released is never changed.
const MIGRATIONS: [&str; 9] = [
    include_str!("migration/1.sql"),
    include_str!("migration/2.sql"),
    include_str!("migration/3.sql"),
    include_str!("migration/4.sql"),
    include_str!("migration/5.sql"),
    include_str!("migration/6.sql"),
    include_str!("migration/7.sql"),
    include_str!("migration/8.sql"),
    include_str!("migration/9.sql"),
];

/// What the journal can tell again.
const PROJECTIONS: &str = include_str!("projections.sql");

/// Tables of [`PROJECTIONS`].
const PROJECTED: [&str; 14] = [
    "account",
    "alarm",
    "cash_count",
    "dated",
    "doubt",
    "fold",
    "happening",
    "hold",
    "machine",
    "product",
    "reader",
    "receipt",
    "sale",
    "start",
];

/// Counts up whenever [`PROJECTIONS`] or what is folded into them changes.
const PROJECTIONS_VERSION: u32 = 6;

pub(super) fn migrate(connection: &Connection) -> Result<(), DatabaseFault> {
    let known = MIGRATIONS.len() as u32;
    let found = connection.transact(Synced::Now, |transaction| {
        let found = transaction.version()?;
        if found > known {
            return Ok(found);
        }
        for step in MIGRATIONS.iter().skip(found as usize) {
            transaction.execute_batch(step)?;
        }
        transaction.set_version(known)?;
        let projected: Option<u32> = transaction
            .query_row("SELECT version FROM projection", NONE, |row| row.get(0))
            .optional()?;
        if projected != Some(PROJECTIONS_VERSION) {
            renew_projections(transaction)?;
        }
        Ok(found)
    })?;
    if found > known {
        return Err(DatabaseFault::Newer { found, known });
    }
    Ok(())
}

pub(super) fn renew_projections(transaction: &Transaction<'_>) -> sql::Result<()> {
    for table in PROJECTED {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    transaction.execute_batch(PROJECTIONS)?;
    transaction.execute("DELETE FROM projection", NONE)?;
    transaction.execute(
        "INSERT INTO projection (version) VALUES (?1)",
        [PROJECTIONS_VERSION],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrated() -> Connection {
        let connection = Connection::in_memory().expect("opened");
        migrate(&connection).expect("migrated");
        connection
    }

    #[test]
    fn the_list_of_projections_is_the_list_of_their_tables() {
        let connection = Connection::in_memory().expect("opened");
        connection.execute_batch(PROJECTIONS).expect("made");
        let mut tables: Vec<String> = connection
            .prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .and_then(|query| query.query_map(NONE, |row| row.get(0))?.collect())
            .expect("listed");
        tables.sort();
        assert_eq!(tables, PROJECTED);
    }

    #[test]
    fn a_second_migration_changes_nothing() {
        let connection = migrated();
        connection
            .execute(
                "INSERT INTO account (wallet, currency) VALUES (1, 'EUR')",
                NONE,
            )
            .expect("inserted");
        migrate(&connection).expect("migrated");
        let kept: u32 = connection
            .query_row("SELECT count(*) FROM account", NONE, |row| row.get(0))
            .expect("counted");
        assert_eq!(kept, 1);
    }

    #[test]
    fn projections_of_another_shape_are_made_anew_and_what_people_entered_stays() {
        let connection = migrated();
        connection
            .execute_batch(
                "INSERT INTO account (wallet, currency) VALUES (1, 'EUR');
                 INSERT INTO place (machine, operator, name, place) VALUES (3, 1, 'hall', '');
                 UPDATE projection SET version = 0;",
            )
            .expect("written");
        migrate(&connection).expect("migrated");
        let count = |table: &str| -> u32 {
            connection
                .query_row(&format!("SELECT count(*) FROM {table}"), NONE, |row| {
                    row.get(0)
                })
                .expect("counted")
        };
        assert_eq!((count("account"), count("place")), (0, 1));
    }

    #[test]
    fn a_database_of_a_newer_gateway_is_left_alone() {
        let connection = migrated();
        connection.set_version(99).expect("set");
        let fault = migrate(&connection).expect_err("newer").to_string();
        assert!(fault.contains("schema 99"), "{fault}");
    }
}
