//! Programs for readers are kept, in parts, each operator's by itself.

use super::journal::at;
use super::{OTHER, OWNER, Place};
use crate::bounds::FIRMWARE_PART_LEN;
use crate::database::firmware::{self, NewFirmware, Put};
use gettone_channel::{Manifest, PackageKind};
use gettone_core::id::{OperatorId, ReaderId};

fn program(operator: OperatorId, number: u32, content: &[u8]) -> NewFirmware {
    let manifest = Manifest::of(PackageKind::Firmware, number, content).expect("bounded");
    NewFirmware {
        operator,
        number,
        at: at(1_000),
        board: "a-board".to_owned(),
        told: manifest.config(),
        manifest,
    }
}

pub(super) fn keeps_programs(place: &dyn Place) {
    let mut ground = place.open();
    let content: Vec<u8> = (0..FIRMWARE_PART_LEN + 5)
        .map(|at| (at / 3) as u8)
        .collect();
    let new = program(OWNER, 7, &content);
    let (reader, other) = (ReaderId::from_bytes([1; 8]), ReaderId::from_bytes([2; 8]));
    ground
        .write(|change| {
            assert_eq!(firmware::put(change, &new, &content, 2)?, Put::Kept);
            assert_eq!(firmware::put(change, &new, &content, 2)?, Put::Same);
            let twin = program(OWNER, 7, b"another");
            assert_eq!(firmware::put(change, &twin, b"another", 2)?, Put::Other);
            for (number, put) in [(8, Put::Kept), (9, Put::Full)] {
                let next = program(OWNER, number, b"next");
                assert_eq!(firmware::put(change, &next, b"next", 2)?, put);
            }
            let theirs = program(OTHER, 7, b"theirs");
            assert_eq!(firmware::put(change, &theirs, b"theirs", 2)?, Put::Kept);

            firmware::assign(change, OWNER, 8, &[reader, other])?;
            firmware::assign(change, OWNER, 7, &[reader])?;
            let mut all = firmware::all(change)?;
            all.sort_by_key(|(reader, ..)| *reader);
            let told = new.told;
            assert_eq!(all.first(), Some(&(reader, OWNER, told)));
            assert_eq!(all.len(), 2);
            assert_eq!(firmware::find(change, OWNER, 7)?, Some(told));
            assert_eq!(firmware::find(change, OTHER, 8)?, None);
            let found = firmware::manifest_for(change, OWNER, reader)?;
            assert_eq!(found, Some((told, new.manifest.to_bytes())));
            assert_eq!(firmware::manifest_for(change, OTHER, reader)?, None);

            let mut whole = Vec::new();
            for place in 0..3 {
                let part = firmware::part(change, OWNER, 7, place)?;
                whole.extend(part.unwrap_or_default());
            }
            assert_eq!(whole, content);
            let list = firmware::list(change, OWNER)?;
            let list: Vec<_> = list.iter().map(|one| (one.number, one.readers)).collect();
            assert_eq!(list, [(8, 1), (7, 1)]);

            assert!(firmware::remove(change, OWNER, 7)?);
            assert!(!firmware::remove(change, OWNER, 7)?);
            assert_eq!(firmware::part(change, OWNER, 7, 0)?, None);
            assert_eq!(firmware::manifest_for(change, OWNER, reader)?, None);
            assert_eq!(firmware::list(change, OTHER)?.len(), 1);
            Ok(())
        })
        .expect("kept");
}
