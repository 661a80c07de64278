//! What readers have said that they run with.

use super::kept;
use crate::sql::{self, Connection, NONE, Transaction, params};
use gettone_core::id::{Order, ReaderId};

/// What a reader has said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    /// When it said so.
    pub made: Order,
    /// The configuration that it runs with: 0 for its own files alone.
    pub configuration: u32,
}

/// Puts it in the place of what the reader said before.
pub(crate) fn put(transaction: &Transaction<'_>, reader: ReaderId, said: Said) -> sql::Result<()> {
    transaction.execute(
        "INSERT INTO reported (reader, boot, uptime_ms, configuration) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (reader) DO UPDATE SET
             boot = excluded.boot, uptime_ms = excluded.uptime_ms,
             configuration = excluded.configuration",
        params![
            reader.as_bytes(),
            said.made.boot,
            kept(said.made.uptime_ms),
            said.configuration
        ],
    )?;
    Ok(())
}

/// What every reader has said.
pub(crate) fn all(connection: &Connection) -> sql::Result<Vec<(ReaderId, Said)>> {
    connection
        .prepare_cached("SELECT reader, boot, uptime_ms, configuration FROM reported")?
        .query_map(NONE, |row| {
            let reader: Vec<u8> = row.get(0)?;
            let (boot, uptime_ms, configuration): (i64, i64, i64) =
                (row.get(1)?, row.get(2)?, row.get(3)?);
            let said = Said {
                made: Order {
                    boot: u32::try_from(boot).unwrap_or_default(),
                    uptime_ms: u64::try_from(uptime_ms).unwrap_or_default(),
                },
                configuration: u32::try_from(configuration).unwrap_or_default(),
            };
            let reader = <[u8; 8]>::try_from(reader).unwrap_or_default();
            Ok((ReaderId::from_bytes(reader), said))
        })?
        .collect()
}
