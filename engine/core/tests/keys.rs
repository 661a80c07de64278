//! What a reader's changes of keys come to on the server's books.

use gettone_core::entity::Entity;
use gettone_core::id::{MachineId, OperatorId, ReaderKey, TokenKey};
use gettone_core::money::Currency;
use gettone_core::reader::{Command, NextKeys, Reader, Refusal};
use gettone_core::time::Timestamp;

fn key(number: u8) -> ReaderKey {
    ReaderKey::from_bytes([number; 32])
}

fn token(number: u8) -> TokenKey {
    TokenKey::from_bytes([number; 32])
}

fn announce(epoch: u16, number: u8) -> Command {
    Command::Announce(NextKeys {
        epoch,
        key: key(number),
        token: Some(token(number)),
    })
}

fn tell(reader: &mut Reader, command: &Command) -> Result<bool, Refusal> {
    let event = reader.decide(command, Timestamp::default())?;
    if let Some(event) = &event {
        reader.evolve(event);
    }
    Ok(event.is_some())
}

fn enrolled() -> Reader {
    let mut reader = Reader::default();
    let enrol = Command::Enrol {
        key: key(1),
        machine: MachineId::new(1),
        operator: OperatorId::new(1),
        currency: Currency::EUR,
    };
    tell(&mut reader, &enrol).expect("new");
    let codes = Command::KeepTokens {
        key: Some(token(1)),
        step: 7,
    };
    tell(&mut reader, &codes).expect("new");
    reader
}

#[test]
fn both_keys_change_with_the_first_envelope_under_the_next_one() {
    let mut reader = enrolled();
    assert_eq!(tell(&mut reader, &announce(1, 2)), Ok(true));
    assert_eq!(
        (reader.key(), reader.token_key()),
        (Some(key(1)), Some(token(1))),
        "announced is not in use"
    );
    assert_eq!(tell(&mut reader, &announce(1, 2)), Ok(false), "the same");
    assert_eq!(tell(&mut reader, &Command::Switch { epoch: 2 }), Ok(false));
    assert_eq!(tell(&mut reader, &Command::Switch { epoch: 1 }), Ok(true));
    assert_eq!(
        (reader.key(), reader.token_key(), reader.next_keys()),
        (Some(key(2)), Some(token(2)), None)
    );
    assert_eq!(reader.last_step(), 7, "steps count on");
    // What was held back meanwhile says nothing new, and nothing goes back.
    assert_eq!(tell(&mut reader, &announce(1, 2)), Ok(false));
    assert_eq!(tell(&mut reader, &announce(1, 3)), Err(Refusal::OldKey));
    assert_eq!(tell(&mut reader, &announce(2, 2)), Err(Refusal::OldKey));
    assert_eq!(tell(&mut reader, &Command::Switch { epoch: 1 }), Ok(false));
}

#[test]
fn another_key_under_the_same_number_is_refused_with_one_alarm() {
    let mut reader = enrolled();
    tell(&mut reader, &announce(1, 2)).expect("new");
    assert_eq!(tell(&mut reader, &announce(1, 3)), Ok(true), "the alarm");
    assert_eq!(tell(&mut reader, &announce(1, 3)), Err(Refusal::OtherKey));
    let other_token = Command::Announce(NextKeys {
        token: Some(token(9)),
        ..reader.next_keys().expect("announced")
    });
    assert_eq!(tell(&mut reader, &other_token), Err(Refusal::OtherKey));
    assert_eq!(reader.disputed_key(), Some(1));
    assert_eq!(reader.next_keys().map(|next| next.key), Some(key(2)));
}

#[test]
fn a_board_that_lost_its_next_key_may_announce_another_one() {
    let mut reader = enrolled();
    tell(&mut reader, &announce(1, 2)).expect("new");
    assert_eq!(tell(&mut reader, &announce(2, 3)), Ok(true));
    assert_eq!(tell(&mut reader, &announce(1, 2)), Err(Refusal::OldKey));
    assert_eq!(tell(&mut reader, &Command::Switch { epoch: 2 }), Ok(true));
    assert_eq!((reader.key(), reader.key_epoch()), (Some(key(3)), 2));
}

#[test]
fn a_revoked_reader_changes_no_key() {
    let mut reader = enrolled();
    tell(&mut reader, &Command::Revoke).expect("ours");
    assert_eq!(tell(&mut reader, &announce(1, 2)), Err(Refusal::Revoked));
}

#[test]
fn a_reader_follows_the_servers_keys_upwards_only() {
    let mut reader = enrolled();
    assert_eq!(tell(&mut reader, &Command::Follow { server: 2 }), Ok(true));
    assert_eq!(tell(&mut reader, &Command::Follow { server: 1 }), Ok(false));
    assert_eq!(reader.server_epoch(), 2);
}
