//! The tables, and how they come to be.

use super::link::{Trouble, answered};
use super::settings::PostgresSettings;
use ::postgres::Client;
use gettone_core::port::StoreFault;

/// What leads from each version of the tables to the next, the first from nothing. What has been
/// released never changes.
const STEPS: [&str; 3] = [
    "\
    create schema gettone; \
    create table gettone.version (version int not null); \
    insert into gettone.version values (0); \
    create table gettone.lease ( \
        partition int primary key check (partition between 0 and 65535), \
        epoch bigint not null check (epoch >= 0), \
        next bigint not null check (next >= 1), \
        format bigint not null, \
        holder uuid, \
        taken timestamptz \
    ) with (fillfactor = 10); \
    create table gettone.journal ( \
        partition int not null, \
        first bigint not null check (first >= 1), \
        count int not null check (count >= 1), \
        epoch bigint not null, \
        frames bytea not null, \
        primary key (partition, first) \
    ); \
    alter table gettone.journal alter column frames set storage external;",
    // What an older version wrote is not packed.
    "alter table gettone.journal add column unpacked int check (unpacked >= 0);",
    "create table gettone.shelf_state ( \
        partition int primary key, \
        generation bigint not null, \
        holder uuid not null, \
        cuts bytea \
    ); \
    create table gettone.shelf ( \
        partition int not null, \
        key bytea not null, \
        bytes bytea not null, \
        primary key (partition, key) \
    ); \
    create table gettone.shelf_next ( \
        partition int not null, \
        holder uuid not null, \
        key bytea not null, \
        bytes bytea, \
        primary key (partition, holder, key) \
    );",
];

/// Makes the tables what this version works with: all steps that are missing, or none.
pub(super) fn migrate(client: &mut Client, settings: &PostgresSettings) -> Result<(), Trouble> {
    // Without a lock at first, so that a user who may not make tables can use them.
    if version(client)? == STEPS.len() {
        return Ok(());
    }
    let mut change = client.transaction().map_err(answered)?;
    change
        .batch_execute("select pg_advisory_xact_lock(hashtextextended('gettone tables', 0))")
        .map_err(answered)?;
    let found = version(&mut change)?;
    let Some(missing) = STEPS.get(found..) else {
        let number = |version| u32::try_from(version).unwrap_or(u32::MAX);
        return Err(Trouble::Final(StoreFault::OtherFormat {
            place: format!("the tables of the {}", settings.place()),
            found: number(found),
            ours: number(STEPS.len()),
        }));
    };
    for step in missing {
        change.batch_execute(step).map_err(answered)?;
    }
    let now = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    change
        .execute("update gettone.version set version = $1", &[&now])
        .map_err(answered)?;
    change.commit().map_err(answered)
}

/// The version of the tables; 0 when there are none.
fn version(client: &mut impl ::postgres::GenericClient) -> Result<usize, Trouble> {
    let is_there: bool = client
        .query_one("select to_regclass('gettone.version') is not null", &[])
        .and_then(|row| row.try_get(0))
        .map_err(answered)?;
    if !is_there {
        return Ok(0);
    }
    let version: i32 = client
        .query_one("select version from gettone.version", &[])
        .and_then(|row| row.try_get(0))
        .map_err(answered)?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
