//! API keys that staff made; only their digests are here.

use super::staff::Role;
use super::{kept, unkept};
use crate::credential::KeyDigest;
use crate::sql::{self, Connection, OptionalExtension, Row, Transaction, params};
use gettone_core::id::OperatorId;
use gettone_core::time::Timestamp;

/// What is known of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ApiKey {
    /// Which.
    pub id: i64,
    /// Whose.
    pub operator: OperatorId,
    /// What for, in its maker's words.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Who made it.
    pub made_by: String,
    /// Since when.
    pub since: Timestamp,
}

/// Notes a new key; gives its number.
pub(crate) fn make(
    transaction: &Transaction<'_>,
    key: (OperatorId, &KeyDigest),
    name: &str,
    role: Role,
    made: (&str, Timestamp),
) -> sql::Result<i64> {
    let ((operator, digest), (made_by, at)) = (key, made);
    transaction.query_row(
        "INSERT INTO api_key (operator, name, role, digest, made_by, made_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        params![
            operator.number(),
            name,
            role,
            digest,
            made_by,
            kept(at.as_millis())
        ],
        |row| row.get(0),
    )
}

/// Revokes a key of an operator; gives what it was.
pub(crate) fn revoke(
    transaction: &Transaction<'_>,
    operator: OperatorId,
    id: i64,
) -> sql::Result<Option<ApiKey>> {
    transaction
        .query_row(
            "DELETE FROM api_key WHERE id = ?1 AND operator = ?2 RETURNING *",
            params![id, operator.number()],
            api_key,
        )
        .optional()
}

/// The keys of an operator.
pub(crate) fn all(connection: &Connection, operator: OperatorId) -> sql::Result<Vec<ApiKey>> {
    connection
        .prepare_cached("SELECT * FROM api_key WHERE operator = ?1 ORDER BY id")?
        .query_map([operator.number()], api_key)?
        .collect()
}

/// The key with this digest.
pub(crate) fn find(connection: &Connection, digest: &KeyDigest) -> sql::Result<Option<ApiKey>> {
    connection
        .prepare_cached("SELECT * FROM api_key WHERE digest = ?1")?
        .query_row([digest], api_key)
        .optional()
}

fn api_key(row: &Row) -> sql::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get("id")?,
        operator: OperatorId::new(row.get("operator")?),
        name: row.get("name")?,
        role: row.get("role")?,
        made_by: row.get("made_by")?,
        since: Timestamp::from_millis(unkept(row.get("made_ms")?)),
    })
}
