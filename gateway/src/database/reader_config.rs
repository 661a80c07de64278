//! Configurations that readers are to have, as they were entered.

use super::kept;
use crate::sql::{self, Connection, NONE, OptionalExtension, Transaction, params};
use gettone_core::id::ReaderId;
use gettone_core::time::Timestamp;

/// The configuration of one reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReaderConfig {
    /// Its version, from 1.
    pub version: u32,
    /// Its text.
    pub words: Vec<u8>,
}

/// Puts a configuration in the place of the one before; gives its version, which only grows.
pub(crate) fn put(
    transaction: &Transaction<'_>,
    reader: ReaderId,
    words: &[u8],
    at: Timestamp,
) -> sql::Result<u32> {
    let before: Option<i64> = transaction
        .query_row(
            "SELECT version FROM reader_config WHERE reader = ?1",
            params![reader.as_bytes()],
            |row| row.get(0),
        )
        .optional()?;
    let before = before.map_or(0, number);
    let version = before.saturating_add(1);
    transaction.execute(
        "INSERT INTO reader_config (reader, version, at_ms, words) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (reader) DO UPDATE SET
             version = excluded.version, at_ms = excluded.at_ms, words = excluded.words",
        params![
            reader.as_bytes(),
            version,
            kept(at.as_millis()),
            words.to_vec()
        ],
    )?;
    Ok(version)
}

/// The configuration of a reader, if it was given one.
pub(crate) fn find(connection: &Connection, reader: ReaderId) -> sql::Result<Option<ReaderConfig>> {
    connection
        .prepare_cached("SELECT version, words FROM reader_config WHERE reader = ?1")?
        .query_row(params![reader.as_bytes()], |row| {
            Ok(ReaderConfig {
                version: number(row.get(0)?),
                words: row.get(1)?,
            })
        })
        .optional()
}

/// Every reader's.
pub(crate) fn all(connection: &Connection) -> sql::Result<Vec<(ReaderId, ReaderConfig)>> {
    connection
        .prepare_cached("SELECT reader, version, words FROM reader_config")?
        .query_map(NONE, |row| {
            let reader: Vec<u8> = row.get(0)?;
            let config = ReaderConfig {
                version: number(row.get(1)?),
                words: row.get(2)?,
            };
            let reader = <[u8; 8]>::try_from(reader).unwrap_or_default();
            Ok((ReaderId::from_bytes(reader), config))
        })?
        .collect()
}

/// Only numbers of 32 bits are written.
fn number(kept: i64) -> u32 {
    u32::try_from(kept).unwrap_or_default()
}
