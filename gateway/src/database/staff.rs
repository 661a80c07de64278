//! People who work for operators.

use super::{kept, unkept};
use crate::sql::{self, Connection, OptionalExtension, Row, Transaction, params};
use core::fmt;
use gettone_core::id::OperatorId;
use gettone_core::time::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One member of staff.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StaffId(i64);

impl StaffId {
    /// Names one by its number.
    pub(crate) const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub(crate) const fn number(self) -> i64 {
        self.0
    }
}

/// What somebody may do for an operator.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything, staff and keys too.
    Owner,
    /// Money: credits, refunds, counts.
    Clerk,
    /// Machines: readers, prices, locks, test vends.
    Technician,
}

impl Role {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Clerk => "clerk",
            Self::Technician => "technician",
        }
    }

    /// Reads its name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Owner, Self::Clerk, Self::Technician]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ToSql for Role {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.name().to_sql()
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

/// What is known of a member of staff.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    /// Which.
    pub id: StaffId,
    /// For whom.
    pub operator: OperatorId,
    /// Under which e-mail address.
    pub email: String,
    /// By what name.
    pub name: String,
    /// With which rights.
    pub role: Role,
    /// Since when.
    pub since: Timestamp,
}

/// Somebody who is taken on.
#[derive(Clone, Debug)]
pub(crate) struct Recruit {
    /// By whom.
    pub operator: OperatorId,
    /// Under which e-mail address.
    pub email: String,
    /// By what name.
    pub name: String,
    /// With which rights.
    pub role: Role,
    /// The password, hashed.
    pub password: String,
}

/// Whether somebody was taken on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hired {
    /// As this.
    As(StaffId),
    /// The e-mail address is somebody's already.
    EmailTaken,
}

/// Takes somebody on.
pub(crate) fn hire(
    transaction: &Transaction<'_>,
    recruit: &Recruit,
    now: Timestamp,
) -> sql::Result<Hired> {
    let made = transaction.query_row(
        "INSERT INTO staff (operator, email, name, role, password, made_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING RETURNING id",
        params![
            recruit.operator.number(),
            recruit.email,
            recruit.name,
            recruit.role,
            recruit.password,
            kept(now.as_millis())
        ],
        |row| row.get(0),
    );
    Ok(match made.optional()? {
        Some(id) => Hired::As(StaffId(id)),
        None => Hired::EmailTaken,
    })
}

/// Gives somebody a new password, and ends all their sessions.
pub(crate) fn change_password(
    transaction: &Transaction<'_>,
    id: StaffId,
    password: &str,
) -> sql::Result<()> {
    transaction.execute(
        "UPDATE staff SET password = ?2 WHERE id = ?1",
        params![id.0, password],
    )?;
    transaction.execute("DELETE FROM session WHERE staff = ?1", [id.0])?;
    Ok(())
}

/// Lets somebody go; their sessions end. Gives who it was.
pub(crate) fn dismiss(
    transaction: &Transaction<'_>,
    operator: OperatorId,
    id: StaffId,
) -> sql::Result<Option<Member>> {
    transaction
        .query_row(
            "DELETE FROM staff WHERE id = ?1 AND operator = ?2 RETURNING *",
            params![id.0, operator.number()],
            member,
        )
        .optional()
}

/// Everybody of an operator.
pub(crate) fn all(connection: &Connection, operator: OperatorId) -> sql::Result<Vec<Member>> {
    connection
        .prepare_cached("SELECT * FROM staff WHERE operator = ?1 ORDER BY id")?
        .query_map([operator.number()], member)?
        .collect()
}

/// Who this is.
pub(crate) fn find(connection: &Connection, id: StaffId) -> sql::Result<Option<Member>> {
    connection
        .prepare_cached("SELECT * FROM staff WHERE id = ?1")?
        .query_row([id.0], member)
        .optional()
}

/// Who has this e-mail address, and the hash of their password.
pub(crate) fn find_by_email(
    connection: &Connection,
    email: &str,
) -> sql::Result<Option<(Member, String)>> {
    connection
        .prepare_cached("SELECT * FROM staff WHERE email = ?1")?
        .query_row([email], |row| Ok((member(row)?, row.get("password")?)))
        .optional()
}

fn member(row: &Row) -> sql::Result<Member> {
    Ok(Member {
        id: StaffId(row.get("id")?),
        operator: OperatorId::new(row.get("operator")?),
        email: row.get("email")?,
        name: row.get("name")?,
        role: row.get("role")?,
        since: Timestamp::from_millis(unkept(row.get("made_ms")?)),
    })
}
