//! What people entered is kept.

use super::journal::{at, minor, numbered, sold, transfer, vend};
use super::{ANN, HALL, HOUR_MS, OTHER, OWNER, Place, fold};
use crate::credential::{KeyDigest, Sealed};
use crate::database::answer::{self, Answer};
use crate::database::code::{self, Proof, Sent};
use crate::database::person::{self, CustomerNumber, Welcome};
use crate::database::refund::{self, Decision, Stage};
use crate::database::reported::{self, Said};
use crate::database::session::{self, Holder};
use crate::database::sms::{self, Asked, Awaited, Caps, Want};
use crate::database::staff::{self, Hired, Recruit, Role};
use crate::database::{api_key, diagnostics, place, staff_log};
use crate::fleet;
use gettone_core::id::{Order, ReaderId, Rseq, TransferId, VendId, WalletId};
use gettone_core::money::{Amount, Currency};
use rusqlite::types::{FromSql, ValueRef};
fn sealed(byte: u8) -> Sealed {
    Sealed::column_result(ValueRef::Blob(&[byte; 32])).expect("32 bytes")
}

pub(super) fn keeps_people(place: &dyn Place) {
    let mut ground = place.open();
    let number = CustomerNumber::new(42);
    let now = at(1_000);
    ground
        .write(|change| {
            let welcome = person::welcome(change, &sealed(1), "ann@example.org", (number, now))?;
            assert_eq!(welcome, Some(Welcome::New(number)));
            let other = CustomerNumber::new(43);
            let back = person::welcome(change, &sealed(1), "ann@example.org", (other, now))?;
            assert_eq!(back, Some(Welcome::Back(number)));
            let taken = person::welcome(change, &sealed(2), "bob@example.org", (number, now))?;
            assert_eq!(taken, None, "the number is somebody's");
            person::speak(change, number, "it")?;
            let own = |wallet| person::own(change, number, Currency::EUR, (wallet, now));
            assert_eq!(own(ANN)?, Some(ANN));
            assert_eq!(own(WalletId::new(12))?, Some(ANN), "one of each currency");
            assert_eq!(person::wallets(change, number)?, [(Currency::EUR, ANN)]);

            assert_eq!(code::send(change, &sealed(1), &sealed(9), now)?, Sent::Yes);
            assert_eq!(code::send(change, &sealed(1), &sealed(8), now)?, Sent::Yes);
            assert_eq!(
                code::redeem(change, &sealed(1), &sealed(9), now)?,
                Proof::Wrong
            );
            assert_eq!(
                code::redeem(change, &sealed(1), &sealed(8), now)?,
                Proof::Right
            );
            assert_eq!(
                code::redeem(change, &sealed(1), &sealed(8), now)?,
                Proof::Wrong
            );

            let recruit = Recruit {
                operator: OWNER,
                email: "eve@example.org".to_owned(),
                name: "Eve".to_owned(),
                role: Role::Clerk,
                password: "hash".to_owned(),
            };
            let Hired::As(eve) = staff::hire(change, &recruit, now)? else {
                panic!("nobody has that address");
            };
            assert_eq!(staff::hire(change, &recruit, now)?, Hired::EmailTaken);
            let token = KeyDigest::of(b"token");
            let life = (now, at(2_000));
            session::begin(change, &token, Holder::Staff(eve), life)?;
            assert_eq!(
                session::find(change, &token, now)?,
                Some(Holder::Staff(eve))
            );
            assert_eq!(session::find(change, &token, at(2_000))?, None);
            let found = staff::find_by_email(change, "eve@example.org")?;
            assert_eq!(found.map(|(member, _)| member.role), Some(Role::Clerk));
            staff::dismiss(change, OTHER, eve)?;
            assert_eq!(staff::all(change, OWNER)?.len(), 1, "of another operator");
            staff::dismiss(change, OWNER, eve)?;
            assert_eq!(
                session::find(change, &token, now)?,
                None,
                "it ended with her"
            );
            Ok(())
        })
        .expect("written");
    drop(ground);
    let mut ground = place.open();
    ground
        .write(|change| {
            let ann = person::find(change, number)?;
            assert_eq!(ann.map(|ann| ann.language).as_deref(), Some("it"));
            person::forget(change, number)?;
            assert_eq!(person::find(change, number)?, None);
            assert_eq!(person::wallets(change, number)?.len(), 1, "it outlives her");
            Ok(())
        })
        .expect("written");
}

pub(super) fn keeps_reports(place: &dyn Place) {
    let reader = ReaderId::from_bytes([7; 8]);
    let mut ground = place.open();
    let id = ground
        .write(|change| {
            assert_eq!(diagnostics::find(change, reader)?, None);
            let id = diagnostics::ask(change, reader, at(1_000))?;
            assert_eq!(diagnostics::ask(change, reader, at(2_000))?, id, "open");
            assert_eq!(diagnostics::open(change)?, [(reader, id)]);
            diagnostics::put(change, reader, id + 1, "strange 1\n", at(2_500))?;
            let asked = diagnostics::find(change, reader)?.expect("asked");
            assert_eq!((asked.asked, asked.taken), (at(1_000), None));
            diagnostics::put(change, reader, id, "boot 3\n", at(3_000))?;
            diagnostics::put(change, reader, id, "boot 9\n", at(4_000))?;
            assert_eq!(diagnostics::open(change)?, []);
            Ok(id)
        })
        .expect("written");
    drop(ground);
    let mut ground = place.open();
    ground
        .write(|change| {
            let kept = Some((at(3_000), "boot 3\n".to_owned()));
            let found = diagnostics::find(change, reader)?.expect("asked");
            assert_eq!(found.taken, kept);
            assert!(diagnostics::ask(change, reader, at(5_000))? > id);
            let found = diagnostics::find(change, reader)?.expect("asked");
            assert_eq!((found.asked, found.taken), (at(5_000), kept));
            Ok(())
        })
        .expect("written");
}

pub(super) fn keeps_what_readers_said(place: &dyn Place) {
    let reader = ReaderId::from_bytes([7; 8]);
    let said = |boot, uptime_ms, configuration| Said {
        made: Order { boot, uptime_ms },
        configuration,
    };
    let mut ground = place.open();
    ground
        .write(|change| {
            assert_eq!(reported::all(change)?, []);
            reported::put(change, reader, said(1, 5, 0))?;
            reported::put(change, reader, said(u32::MAX, 1 << 40, 7))
        })
        .expect("written");
    drop(ground);
    let mut ground = place.open();
    ground
        .write(|change| {
            let kept = [(reader, said(u32::MAX, 1 << 40, 7))];
            assert_eq!(reported::all(change)?, kept);
            Ok(())
        })
        .expect("read");
}

pub(super) fn keeps_cases(place: &dyn Place) {
    let mut ground = place.open();
    fold(&ground, &numbered(sold()));
    let now = at(2 * HOUR_MS);
    ground
        .write(|change| {
            let hall = place::Place {
                name: "hall".to_owned(),
                place: "by the door".to_owned(),
            };
            place::note(change, OWNER, HALL, &hall)?;
            let mine = place::Place::default();
            place::note(change, OTHER, HALL, &mine)?;
            assert_eq!(place::find(change, HALL)?, Some(hall), "it is not theirs");

            let open = refund::list(change, OWNER, Some(Stage::Open), (None, 50))?;
            let [case] = open.lines.as_slice() else {
                panic!("one coffee is doubtful: {open:?}");
            };
            assert_eq!((case.vend, case.amount), (vend(2), minor(130)));
            assert_eq!(case.machine_name.as_deref(), Some("hall"));
            let decision = Decision {
                state: "rejected",
                refunded: Amount::ZERO,
                answer: "it fell".to_owned(),
                by: "eve".to_owned(),
                at: now,
            };
            refund::decide(change, case.id, &decision)?;
            let decided = refund::find(change, case.id)?;
            assert_eq!(decided.map(|case| case.state).as_deref(), Some("rejected"));
            assert!(!refund::is_doubted(change, vend(2), Rseq::new(2))?);

            let answer = Answer {
                body: [1; 32],
                status: 201,
                answer: b"{}".to_vec(),
            };
            answer::keep(change, &[3; 32], &answer, now)?;
            let later = Answer {
                status: 500,
                ..answer.clone()
            };
            answer::keep(change, &[3; 32], &later, now)?;
            assert_eq!(
                answer::find(change, &[3; 32])?,
                Some(answer),
                "the first counts"
            );

            let digest = KeyDigest::of(b"key");
            let made = ("eve", now);
            let id = api_key::make(change, (OWNER, &digest), "till", Role::Clerk, made)?;
            let found = api_key::find(change, &digest)?.map(|key| (key.id, key.operator));
            assert_eq!(found, Some((id, OWNER)));
            assert_eq!(api_key::revoke(change, OTHER, id)?, None);
            assert!(api_key::revoke(change, OWNER, id)?.is_some());

            for number in 0..5 {
                let line = staff_log::Line::new(
                    at(number),
                    "eve".to_owned(),
                    "machine.lock",
                    String::new(),
                );
                staff_log::add(change, OWNER, &line.changed(1.into(), 2.into()))?;
            }
            let page = staff_log::all(change, OWNER, None, 3)?;
            let rest = staff_log::all(change, OWNER, page.next, 3)?;
            assert_eq!((page.lines.len(), rest.lines.len()), (3, 2));
            assert_eq!(page.lines[0].at_ms, 4);

            let key = transfer(4);
            fleet::note_counter(change, OWNER, key, "eve")?;
            Ok(())
        })
        .expect("written");
    // Numbers are never given twice, also of what is gone.
    let digest = KeyDigest::of(b"another");
    let id = ground
        .write(|change| api_key::make(change, (OWNER, &digest), "till", Role::Owner, ("eve", now)))
        .expect("written");
    assert!(id > 1, "{id}");
}

pub(super) fn keeps_payers_by_sms(place: &dyn Place) {
    let mut ground = place.open();
    let number = CustomerNumber::new(42);
    let whose = (number, Currency::EUR);
    let caps = Caps {
        vend_max: minor(200),
        day_max: minor(300),
    };
    let names = [1, 2, 3, 4].map(|name| TransferId::from_bytes([name; 16]));
    let awaited = |since| Awaited {
        machine: HALL,
        want: Want::More,
        since,
    };
    let now = at(10 * HOUR_MS);
    let unknown = |_| None;
    ground
        .write(|change| {
            person::welcome(change, &sealed(1), "+39021234567", (number, now))?;
            assert_eq!(sms::all(change, number)?, []);
            let ask = |word, since| sms::ask(change, whose, &sealed(word), awaited(since));
            assert_eq!(ask(9, now)?, Asked::TooMany, "nobody agreed");
            sms::agree(change, number, Currency::EUR, caps)?;
            assert_eq!(ask(9, now)?, Asked::Yes);
            assert_eq!(sms::confirm(change, number, &sealed(8), now)?, None);
            assert_eq!(
                sms::confirm(change, number, &sealed(9), now)?,
                None,
                "one try"
            );
            assert_eq!(ask(9, now)?, Asked::Yes);
            let late = at(10 * HOUR_MS + 300_000);
            assert_eq!(sms::confirm(change, number, &sealed(9), late)?, None);
            assert_eq!(ask(7, now)?, Asked::Yes);
            assert!(
                sms::all(change, number)?
                    .iter()
                    .all(|one| !one.is_confirmed)
            );
            let right = sms::confirm(change, number, &sealed(7), now)?;
            assert_eq!(right, Some((Currency::EUR, awaited(now))));
            assert_eq!(ask(1, now)?, Asked::Yes);
            assert_eq!(ask(2, now)?, Asked::Yes);
            assert_eq!(ask(3, now)?, Asked::TooMany, "five in an hour");
            assert_eq!(ask(4, at(11 * HOUR_MS + 1))?, Asked::Yes);
            Ok(())
        })
        .expect("written");
    drop(ground);
    let mut ground = place.open();
    ground
        .write(|change| {
            let [consent] = &sms::all(change, number)?[..] else {
                panic!("one is kept");
            };
            assert!(consent.is_confirmed && consent.caps == caps);
            let vend = vend(1);
            let reserve = |name: usize, at, spent: &dyn Fn(VendId) -> Option<Amount>| {
                sms::reserve(change, names[name], whose, (caps, at), spent)
            };
            assert_eq!(reserve(0, now, &unknown)?, Some(minor(200)));
            assert!(sms::bind(change, names[0], vend)?);
            assert!(!sms::bind(change, names[0], vend)?, "once");
            sms::give_up(change, names[0])?;
            assert_eq!(reserve(1, now, &unknown)?, Some(minor(100)), "what is left");
            assert_eq!(reserve(2, now, &unknown)?, None);
            // It came to 0.80, as its wallet knows by now.
            let spent = |_| Some(minor(80));
            assert_eq!(reserve(2, now, &spent)?, Some(minor(120)));
            sms::give_up(change, names[1])?;
            sms::give_up(change, names[2])?;
            assert!(!sms::bind(change, names[2], vend)?, "its room is gone");
            // Another consent begins no new day; another day does.
            sms::disagree(change, number, Currency::EUR)?;
            sms::agree(change, number, Currency::EUR, caps)?;
            assert!(
                sms::all(change, number)?
                    .iter()
                    .all(|one| !one.is_confirmed)
            );
            assert_eq!(reserve(3, now, &unknown)?, Some(minor(100)));
            let tomorrow = at(34 * HOUR_MS);
            assert_eq!(reserve(3, tomorrow, &unknown)?, Some(minor(200)));
            person::forget(change, number)?;
            assert_eq!(sms::all(change, number)?, []);
            Ok(())
        })
        .expect("written");
}
