//! Two readers change their keys while every message is lost once, in every order (protocol sections
//! 10 and 12.8): nobody is shut out, and the keys before end refused. The server is its rules about
//! readers and the channel; the boards are whole stations.

mod street;

use gettone_channel as channel;
use gettone_channel::{Header, Item, PublicKey, StaticKey, TokenKey};
use gettone_core::entity::Entity;
use gettone_core::id::{MachineId, OperatorId, ReaderId, ReaderKey};
use gettone_core::money::Currency;
use gettone_core::reader::{Command, Reader};
use gettone_core::time::Timestamp;
use gettone_relay::{
    Input, KeyRing, Letter, Notice, key_ack_out, key_out, next_keys_in, reader_in, token_key_in,
};
use std::collections::BTreeMap;
use street::{Book, Street};

/// When the server stops taking the key before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// With the first envelope under the next one.
    Kept,
    /// The control: as soon as the next one is announced.
    Off,
}

/// The server's side: what the gateway does with the keys of an envelope.
struct Office {
    key: StaticKey,
    readers: BTreeMap<ReaderId, Reader>,
    guard: Guard,
    sealed: u64,
}

impl Office {
    fn new(guard: Guard) -> Self {
        Self {
            key: Book::new().key,
            readers: BTreeMap::new(),
            guard,
            sealed: 0,
        }
    }

    fn enrol(&mut self, key: &StaticKey) {
        let id = reader_in(channel::reader_id(&key.public()));
        self.readers.insert(id, Reader::default());
        let enrol = Command::Enrol {
            key: ReaderKey::from_bytes(*key.public().as_bytes()),
            machine: MachineId::new(1),
            operator: OperatorId::new(1),
            currency: Currency::EUR,
        };
        self.tell(id, &enrol);
    }

    fn tell(&mut self, id: ReaderId, command: &Command) {
        let reader = self.readers.get_mut(&id).expect("enrolled");
        if let Ok(Some(event)) = reader.decide(command, Timestamp::default()) {
            reader.evolve(&event);
        }
    }

    /// Opens an envelope; gives the answer and the confirmation of keys, or nothing where no key of
    /// its reader opens it.
    fn take(&mut self, envelope: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let header = channel::header(envelope).expect("an envelope");
        let id = reader_in(header.reader_id);
        let reader = self.readers.get(&id)?;
        let own = key_out(reader.key().expect("enrolled"));
        let next = reader.next_keys();
        let (key, items) = match (channel::open(envelope, &self.key, &own), next) {
            (Ok((_, items)), _) => (own, items),
            (Err(_), Some(next)) => {
                let key = key_out(next.key);
                let (_, items) = channel::open(envelope, &self.key, &key).ok()?;
                self.tell(id, &Command::Switch { epoch: next.epoch });
                (key, items)
            }
            (Err(_), None) => return None,
        };
        let letter = Letter::of(items).expect("an honest reader");
        let nonce = letter.hello.expect("a HELLO").nonce;
        let utc = channel::Utc::from_unix_ms(1_800_000_000_000);
        let answer = self.seal(header, &key, &[Item::Time(channel::Time { utc, nonce })]);
        let confirmation = next_keys_in(&letter).map(|told| {
            self.tell(id, &Command::Announce(told));
            if self.guard == Guard::Off {
                self.tell(id, &Command::Switch { epoch: told.epoch });
            }
            let ack = Item::KeyAck(key_ack_out(&told));
            self.seal(header, &key_out(told.key), &[ack])
        });
        Some((answer, confirmation))
    }

    fn seal(&mut self, header: Header, key: &PublicKey, items: &[Item]) -> Vec<u8> {
        self.sealed += 1;
        let mut random = [0x55; 32];
        random[..8].copy_from_slice(&self.sealed.to_be_bytes());
        let header = Header {
            direction: channel::Direction::ToReader,
            sequence: self.sealed,
            ..header
        };
        let ephemeral = channel::Ephemeral::from_bytes(random);
        channel::seal(header, &self.key, key, ephemeral, items).expect("it travels this way")
    }
}

/// What a cut of the board's power does to the writing of its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    None,
    /// Nothing was written.
    Before,
    /// They were synced, and nobody heard so.
    After,
}

/// What befalls one reader's messages, each the first time it is sent: the two HELLOs, the two
/// answers, and the confirmation.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// One bit for each kind of message.
    lost: u8,
    /// Whether the confirmation comes before the answer that goes with it.
    swapped: bool,
    /// Whether what was lost comes again at the end.
    late: bool,
    cut: Cut,
}

const HELLO_OLD: u8 = 1;
const HELLO_NEW: u8 = 2;
const ANSWER_OLD: u8 = 4;
const ANSWER_NEW: u8 = 8;
const CONFIRMATION: u8 = 16;

fn fates() -> Vec<Fate> {
    let orders = [(false, false), (false, true), (true, false), (true, true)];
    let cuts = [Cut::None, Cut::Before, Cut::After];
    let mut fates = Vec::new();
    for lost in 0..32_u8 {
        for (place, (swapped, late)) in orders.into_iter().enumerate() {
            // Every set of losses meets every cut, every order and every delay.
            let cut = cuts[(usize::from(lost) + place) % cuts.len()];
            fates.push(Fate {
                lost,
                swapped,
                late,
                cut,
            });
        }
    }
    fates
}

/// One board in the middle of a change of keys.
struct Board {
    street: Street,
    /// What its flash holds.
    ring: KeyRing,
    fate: Fate,
    held_back: Vec<Vec<u8>>,
    shut_out: u32,
}

impl Board {
    fn new(office: &mut Office, byte: u8, fate: Fate) -> Self {
        let key = StaticKey::from_bytes([byte; 32]);
        office.enrol(&key);
        let ring = KeyRing::enrolled(key, Some(TokenKey::from_bytes([byte; 32])));
        let next = StaticKey::from_bytes([byte + 1; 32]);
        let ring = ring.begun(next, Some(TokenKey::from_bytes([byte + 1; 32])));
        let ring = ring.expect("nothing else is under way");
        let book = Book::new();
        let mut street = Street::new(&book);
        street.restart_with(&book, ring.clone());
        Self {
            street,
            ring,
            fate,
            held_back: Vec::new(),
            shut_out: 0,
        }
    }

    /// Whether a message of this kind is lost now: the first one is, where its fate is so.
    fn loses(&mut self, kind: u8) -> bool {
        let is_lost = self.fate.lost & kind != 0;
        self.fate.lost &= !kind;
        is_lost
    }

    /// One customer's visit: a HELLO goes, and what the server answers comes.
    fn visit(&mut self, office: &mut Office) {
        let is_old = self.ring.epoch() == 0;
        let mut phone = self.street.link();
        for envelope in phone.envelopes(&mut self.street) {
            let hello = if is_old { HELLO_OLD } else { HELLO_NEW };
            if self.loses(hello) {
                self.held_back.push(envelope);
                continue;
            }
            let Some((answer, confirmation)) = office.take(&envelope) else {
                self.shut_out += 1;
                continue;
            };
            let answer_kind = if is_old { ANSWER_OLD } else { ANSWER_NEW };
            let mut coming = vec![(answer_kind, answer)];
            coming.extend(confirmation.map(|envelope| (CONFIRMATION, envelope)));
            if self.fate.swapped {
                coming.reverse();
            }
            for (kind, envelope) in coming {
                if self.loses(kind) {
                    self.held_back.push(envelope);
                    continue;
                }
                let before = self.street.notices.len();
                phone.bring(&mut self.street, envelope);
                let said = &self.street.notices[before..];
                assert!(said.iter().all(Notice::is_usual), "{said:?}");
                if self.write() {
                    // The power was cut: the visit is over.
                    return;
                }
            }
        }
        phone.say(&mut self.street, &channel::LinkMessage::Leave);
    }

    /// Puts keys on flash that are to be kept; whether the power was cut meanwhile.
    fn write(&mut self) -> bool {
        let Some(ring) = self.street.ring.take() else {
            return false;
        };
        let cut = core::mem::replace(&mut self.fate.cut, Cut::None);
        if cut != Cut::Before {
            self.ring = ring;
        }
        if cut == Cut::None {
            self.street.tell(Input::KeysKept);
            return false;
        }
        self.street.restart_with(&Book::new(), self.ring.clone());
        true
    }

    /// What was held back comes at last: from the board to the server, and from there to the board.
    fn bring_late(&mut self, office: &mut Office) {
        let mut phone = self.street.link();
        phone.envelopes(&mut self.street);
        for envelope in core::mem::take(&mut self.held_back) {
            match channel::header(&envelope).expect("an envelope").direction {
                channel::Direction::ToServer => drop(office.take(&envelope)),
                channel::Direction::ToReader => phone.bring(&mut self.street, envelope),
            }
            self.write();
        }
        phone.say(&mut self.street, &channel::LinkMessage::Leave);
    }
}

/// Visits after which everything that is lost once has come.
const VISITS: usize = 9;

/// Two boards with these fates; gives how often a HELLO that came was not taken.
fn play(guard: Guard, fates: [Fate; 2]) -> u32 {
    let mut office = Office::new(guard);
    let mut byte = 10;
    let mut boards = fates.map(|fate| {
        byte += 10;
        Board::new(&mut office, byte, fate)
    });
    for _ in 0..VISITS {
        for board in &mut boards {
            board.visit(&mut office);
        }
    }
    for board in &mut boards {
        if board.fate.late {
            board.bring_late(&mut office);
            board.visit(&mut office);
        }
    }
    let shut_out = boards.iter().map(|board| board.shut_out).sum();
    if guard == Guard::Kept {
        for (board, byte) in boards.iter().zip([20, 30]) {
            assert_eq!((board.ring.epoch(), board.ring.is_changing()), (1, false));
            let id = board.ring.reader();
            assert_eq!(
                id,
                channel::reader_id(&StaticKey::from_bytes([byte; 32]).public())
            );
            let reader = &office.readers[&reader_in(id)];
            let new = StaticKey::from_bytes([byte + 1; 32]).public();
            assert_eq!(reader.key().map(key_out), Some(new));
            assert_eq!(reader.next_keys(), None);
            assert_eq!(
                reader.token_key(),
                Some(token_key_in(&TokenKey::from_bytes([byte + 1; 32])))
            );
        }
        for byte in [20, 30] {
            let old = StaticKey::from_bytes([byte; 32]);
            let header = Header {
                direction: channel::Direction::ToServer,
                server_epoch: 1,
                reader_id: channel::reader_id(&old.public()),
                sequence: 1,
            };
            let ephemeral = channel::Ephemeral::from_bytes([1; 32]);
            let epoch = channel::JournalEpoch::from_bytes([9; 8]);
            let items = [Item::Epoch(epoch)];
            let sealed = channel::seal(header, &old, &office.key.public(), ephemeral, &items);
            let taken = office.take(&sealed.expect("sealed"));
            assert!(taken.is_none(), "the old key ends refused");
        }
    }
    shut_out
}

#[test]
fn two_readers_change_their_keys_while_every_message_is_lost_once_in_every_order() {
    let fates = fates();
    for (place, fate) in fates.iter().enumerate() {
        // Every fate meets another one; 128 and 7 have no common divisor.
        let other = fates[(place * 7 + 5) % fates.len()];
        let shut_out = play(Guard::Kept, [*fate, other]);
        assert_eq!(shut_out, 0, "{fate:?} beside {other:?}");
    }
}

#[test]
fn a_server_that_drops_the_old_key_too_early_shuts_readers_out() {
    let lost = Fate {
        lost: CONFIRMATION,
        swapped: false,
        late: false,
        cut: Cut::None,
    };
    assert!(play(Guard::Off, [lost, lost]) > 0);
    let nothing_lost = Fate { lost: 0, ..lost };
    assert_eq!(play(Guard::Off, [nothing_lost, nothing_lost]), 0);
}

#[test]
fn a_running_board_begins_a_change_when_nobody_is_there_and_one_at_a_time() {
    let ring = |key: u8, token: u8| {
        let token = TokenKey::from_bytes([token; 32]);
        KeyRing::enrolled(StaticKey::from_bytes([key; 32]), Some(token))
    };
    let begun = |ring: &KeyRing, byte: u8| {
        let token = TokenKey::from_bytes([byte; 32]);
        let next = ring.begun(StaticKey::from_bytes([byte; 32]), Some(token));
        Box::new(next.expect("nothing else is under way"))
    };
    let book = Book::new();
    let mut street = Street::new(&book);
    street.restart_with(&book, ring(1, 2));
    for strange in [ring(9, 2), ring(1, 9)] {
        street.tell(Input::ChangeKeys(begun(&strange, 3)));
        assert!(street.ring.is_none(), "it is no change of its own keys");
    }
    street.tell(Input::ChangeKeys(Box::new(ring(1, 2))));
    assert!(street.ring.is_none(), "nothing is next");
    let mut phone = street.link();
    street.tell(Input::ChangeKeys(begun(&ring(1, 2), 3)));
    assert!(street.ring.is_none(), "somebody is here");
    phone.say(&mut street, &channel::LinkMessage::Leave);
    street.tell(Input::ChangeKeys(begun(&ring(1, 2), 3)));
    let kept = street.ring.take().expect("it is written first");
    street.tell(Input::ChangeKeys(begun(&ring(1, 2), 4)));
    assert!(street.ring.is_none(), "one is being written");
    street.tell(Input::KeysKept);
    street.tell(Input::ChangeKeys(begun(&ring(1, 2), 4)));
    assert!(street.ring.is_none(), "one is under way");
    assert!(kept.is_changing());
}
