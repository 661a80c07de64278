//! Programs for readers, as operators entered them, and which reader is to have which.

use super::kept;
use crate::bounds::FIRMWARE_PART_LEN;
use crate::sql::{self, Connection, OptionalExtension, Transaction, params};
use gettone_channel::{Config, Manifest, ManifestHash};
use gettone_core::id::{OperatorId, ReaderId};
use gettone_core::time::Timestamp;

/// A program to keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewFirmware {
    pub(crate) operator: OperatorId,
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
    /// For which kind of board.
    pub(crate) board: String,
    /// What a reader is told of it.
    pub(crate) told: Config,
    pub(crate) manifest: Manifest,
}

/// A program that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Firmware {
    pub(crate) number: u32,
    pub(crate) at: Timestamp,
    pub(crate) board: String,
    pub(crate) size: u32,
    /// Readers that are to have it.
    pub(crate) readers: u64,
}

/// What became of a program that was brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Put {
    Kept,
    /// It is here already.
    Same,
    /// Another one has this number.
    Other,
    /// There are as many as may be.
    Full,
}

/// Keeps a program, unless another one has its number or there are `most` already.
pub(crate) fn put(
    transaction: &Transaction<'_>,
    new: &NewFirmware,
    content: &[u8],
    most: u64,
) -> sql::Result<Put> {
    let operator = new.operator.number();
    let hash = new.told.manifest.as_bytes().to_vec();
    let before: Option<Vec<u8>> = transaction
        .query_row(
            "SELECT hash FROM firmware WHERE operator = ?1 AND number = ?2",
            params![operator, new.number],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(before) = before {
        return Ok(if before == hash {
            Put::Same
        } else {
            Put::Other
        });
    }
    let count: i64 = transaction.query_row(
        "SELECT count(*) FROM firmware WHERE operator = ?1",
        params![operator],
        |row| row.get(0),
    )?;
    if super::unkept(count) >= most {
        return Ok(Put::Full);
    }
    transaction.execute(
        "INSERT INTO firmware (operator, number, at_ms, board, size, hash, manifest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            operator,
            new.number,
            kept(new.at.as_millis()),
            new.board.clone(),
            new.told.size,
            hash,
            new.manifest.to_bytes()
        ],
    )?;
    for (place, part) in (0_u32..).zip(content.chunks(FIRMWARE_PART_LEN)) {
        transaction.execute(
            "INSERT INTO firmware_part (operator, number, place, words) VALUES (?1, ?2, ?3, ?4)",
            params![operator, new.number, place, part.to_vec()],
        )?;
    }
    Ok(Put::Kept)
}

/// An operator's programs, the newest number first.
pub(crate) fn list(connection: &Connection, operator: OperatorId) -> sql::Result<Vec<Firmware>> {
    connection
        .prepare_cached(
            "SELECT number, at_ms, board, size,
                    (SELECT count(*) FROM reader_firmware r
                     WHERE r.operator = f.operator AND r.number = f.number)
             FROM firmware f WHERE operator = ?1 ORDER BY number DESC",
        )?
        .query_map(params![operator.number()], |row| {
            Ok(Firmware {
                number: number(row.get(0)?),
                at: Timestamp::from_millis(super::unkept(row.get(1)?)),
                board: row.get(2)?,
                size: number(row.get(3)?),
                readers: super::unkept(row.get(4)?),
            })
        })?
        .collect()
}

/// Forgets a program, and that readers are to have it; says whether there was one.
pub(crate) fn remove(
    transaction: &Transaction<'_>,
    operator: OperatorId,
    number: u32,
) -> sql::Result<bool> {
    let mut found = 0;
    for table in [
        "DELETE FROM reader_firmware WHERE operator = ?1 AND number = ?2",
        "DELETE FROM firmware_part WHERE operator = ?1 AND number = ?2",
        "DELETE FROM firmware WHERE operator = ?1 AND number = ?2",
    ] {
        found = transaction.execute(table, params![operator.number(), number])?;
    }
    Ok(found > 0)
}

/// What readers are told of a program of this operator.
pub(crate) fn find(
    connection: &Connection,
    operator: OperatorId,
    wanted: u32,
) -> sql::Result<Option<Config>> {
    connection
        .prepare_cached(
            "SELECT number, size, hash FROM firmware WHERE operator = ?1 AND number = ?2",
        )?
        .query_row(params![operator.number(), wanted], |row| {
            Ok(told(row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()
}

/// Has these readers have a program.
pub(crate) fn assign(
    transaction: &Transaction<'_>,
    operator: OperatorId,
    number: u32,
    readers: &[ReaderId],
) -> sql::Result<()> {
    for reader in readers {
        transaction.execute(
            "INSERT INTO reader_firmware (reader, operator, number) VALUES (?1, ?2, ?3)
             ON CONFLICT (reader) DO UPDATE SET
                 operator = excluded.operator, number = excluded.number",
            params![reader.as_bytes(), operator.number(), number],
        )?;
    }
    Ok(())
}

/// The program that a reader of this operator is to have: its manifest.
pub(crate) fn manifest_for(
    connection: &Connection,
    operator: OperatorId,
    reader: ReaderId,
) -> sql::Result<Option<(Config, Vec<u8>)>> {
    connection
        .prepare_cached(
            "SELECT f.number, f.size, f.hash, f.manifest
             FROM reader_firmware r JOIN firmware f
                 ON f.operator = r.operator AND f.number = r.number
             WHERE r.reader = ?1 AND r.operator = ?2",
        )?
        .query_row(params![reader.as_bytes(), operator.number()], |row| {
            let told = told(row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((told, row.get(3)?))
        })
        .optional()
}

/// One part of a program.
pub(crate) fn part(
    connection: &Connection,
    operator: OperatorId,
    number: u32,
    place: u32,
) -> sql::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached(
            "SELECT words FROM firmware_part
             WHERE operator = ?1 AND number = ?2 AND place = ?3",
        )?
        .query_row(params![operator.number(), number, place], |row| row.get(0))
        .optional()
}

/// What every reader is to be told that is to have a program, and whose program it is.
pub(crate) fn all(connection: &Connection) -> sql::Result<Vec<(ReaderId, OperatorId, Config)>> {
    connection
        .prepare_cached(
            "SELECT r.reader, f.operator, f.number, f.size, f.hash
             FROM reader_firmware r JOIN firmware f
                 ON f.operator = r.operator AND f.number = r.number",
        )?
        .query_map(sql::NONE, |row| {
            let reader: Vec<u8> = row.get(0)?;
            let reader = <[u8; 8]>::try_from(reader).unwrap_or_default();
            let told = told(row.get(2)?, row.get(3)?, row.get(4)?);
            let operator = OperatorId::new(row.get(1)?);
            Ok((ReaderId::from_bytes(reader), operator, told))
        })?
        .collect()
}

fn told(kept: i64, size: i64, hash: Vec<u8>) -> Config {
    let hash = <[u8; 32]>::try_from(hash).unwrap_or_default();
    Config::firmware(number(kept), ManifestHash::from_bytes(hash), number(size))
}

/// Only numbers of 32 bits are written.
fn number(kept: i64) -> u32 {
    u32::try_from(kept).unwrap_or_default()
}
