//! What the tables must do, wherever they are: every claim is run on SQLite and on a PostgreSQL
//! server of the test's own.

mod journal;
mod postgres;
#[expect(dead_code, reason = "the journal's tests use the rest of it")]
#[path = "../../../adapters/store/tests/postgres/server.rs"]
mod server;

use super::answer::{self, Answer};
use super::code::{self, Proof, Sent};
use super::person::{self, CustomerNumber, Welcome};
use super::refund::{self, Decision, Stage};
use super::session::{self, Holder};
use super::staff::{self, Hired, Recruit, Role};
use super::staff_log;
use super::{Ground, api_key, place};
use crate::credential::{KeyDigest, Sealed};
use crate::fold::{self, Journal};
use crate::sales::{Filter, Wanted};
use crate::sql::{self, Connection, SqlFault, Synced};
use crate::{fleet, happening, receipts, sales};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, WalletId};
use gettone_core::machine;
use gettone_core::money::{Amount, Currency};
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use journal::{at, journal, minor, numbered, sold, transfer, vend};
use rusqlite::types::{FromSql, ValueRef};
use std::panic::{AssertUnwindSafe, catch_unwind};

const OWNER: OperatorId = OperatorId::new(7);
const OTHER: OperatorId = OperatorId::new(8);
const HALL: MachineId = MachineId::new(3);
const ANN: WalletId = WalletId::new(11);
const BOB: WalletId = WalletId::new(12);
const COFFEE: Item = Item::new(5);
const HOUR_MS: u64 = 3_600_000;
/// More than there is of anything here.
const SHOWN: usize = 200;

/// Somewhere tables can be, each time the same ones.
pub(super) trait Place {
    /// Opens them.
    fn open(&self) -> Ground;
}

/// One claim: its words, and its check.
type Claim = (&'static str, fn(&dyn Place));

/// Every claim.
const CLAIMS: [Claim; 10] = [
    ("what was folded is listed, for its owner alone", lists),
    (
        "sales are told by machine, by product and by hour",
        tells_sales_by_what_is_asked,
    ),
    (
        "money that moves is told to whom it concerns",
        tells_of_money,
    ),
    (
        "a name that no server keeps does not end the folding",
        takes_any_name,
    ),
    (
        "folding again what was folded changes nothing, in one portion or in many",
        folds_once,
    ),
    (
        "the tables go on where they were when they are opened again",
        goes_on,
    ),
    (
        "a journal of another life is noticed, and the tables are folded anew",
        notices_another_journal,
    ),
    (
        "a job that fails leaves nothing behind",
        is_whole_or_nothing,
    ),
    (
        "people, their wallets, codes, sessions and staff are kept",
        keeps_people,
    ),
    ("cases, answers, keys and the log are kept", keeps_cases),
];

/// Checks every claim, each on fresh tables.
pub(super) fn check(fresh: &dyn Fn() -> Box<dyn Place>) {
    for (words, claim) in CLAIMS {
        println!("{words}");
        claim(fresh().as_ref());
    }
}

fn fold(ground: &Ground, records: &[(Seq, Record)]) {
    fold::take_in(&ground.connection, records).expect("folded");
}

fn everything(owner: OperatorId) -> Filter {
    Filter {
        operator: owner,
        machine: None,
        from: None,
        to: None,
        wanted: None,
    }
}

/// All that the projections show.
fn shown(connection: &Connection) -> Vec<String> {
    let look = || -> sql::Result<Vec<String>> {
        let mut shown = vec![
            format!("{:?}", fold::folded(connection)?.map(|(seq, _)| seq)),
            format!(
                "{:?}",
                sales::list(connection, &everything(OWNER), None, SHOWN)?
            ),
            format!("{:?}", sales::totals(connection, &everything(OWNER))?),
            format!(
                "{:?}",
                receipts::receipts(connection, &[ANN, BOB], None, SHOWN)?
            ),
            format!("{:?}", fleet::machines(connection, OWNER, None, SHOWN)?),
        ];
        let begin = happening::begin(connection, OWNER, SHOWN)?;
        shown.push(format!(
            "{:?}",
            happening::after(connection, OWNER, begin, SHOWN)?
        ));
        Ok(shown)
    };
    look().expect("shown")
}

fn lists(place: &dyn Place) {
    let ground = place.open();
    fold(&ground, &numbered(sold()));
    let connection = &ground.connection;
    let lines = sales::list(connection, &everything(OWNER), None, 3).expect("listed");
    let told: Vec<(&str, &str)> = lines
        .lines
        .iter()
        .map(|line| (line.kind.as_str(), line.amount.as_str()))
        .collect();
    assert_eq!(
        told,
        [("cash", "4.80"), ("refund", "-1.20"), ("sale", "1.00")]
    );
    let rest = sales::list(connection, &everything(OWNER), lines.next, 3).expect("listed");
    assert_eq!((rest.lines.len(), rest.next), (2, None));
    assert_eq!(rest.lines[0].product.as_deref(), Some("caffè"));
    assert!(rest.lines[0].review && !rest.lines[1].review);
    let others = sales::list(connection, &everything(OTHER), None, 3).expect("listed");
    assert!(others.lines.is_empty());

    let page = receipts::receipts(connection, &[ANN, WalletId::new(99)], None, 50).expect("listed");
    let kinds: Vec<&str> = page.lines.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(kinds, ["refund", "sale", "sale", "sale", "top_up"]);
    let charged = receipts::charged(connection, &[ANN], vend(3), Rseq::new(3)).expect("looked");
    assert!(charged.is_some());
    let machines = fleet::machines(connection, OWNER, None, 50).expect("listed");
    assert_eq!(machines.lines, [HALL]);
    let owner = fleet::operator_of(connection, HALL).expect("looked");
    assert_eq!(owner, Some(OWNER));
    let begin = happening::begin(connection, OWNER, 50).expect("looked");
    let told = happening::after(connection, OWNER, begin, 50).expect("looked");
    assert!(told.iter().any(|event| event.name == "refund"), "{told:?}");
}

fn tells_sales_by_what_is_asked(place: &dyn Place) {
    let ground = place.open();
    fold(&ground, &numbered(sold()));
    let told = |filter: Filter| -> (u64, String, String) {
        let totals = sales::totals(&ground.connection, &filter).expect("told");
        let [total] = totals.as_slice() else {
            return (0, String::new(), String::new());
        };
        (total.count, total.amount.clone(), total.fee.clone())
    };
    let words = |count: u64, amount: &str, fee: &str| (count, amount.to_owned(), fee.to_owned());
    let all = everything(OWNER);
    assert_eq!(told(all), words(7, "7.10", "0.06"));
    let within = |from, to| Filter {
        from: Some(at(from)),
        to: Some(at(to)),
        ..all
    };
    assert_eq!(
        told(within(0, HOUR_MS)),
        words(2, "2.50", "0.04"),
        "the first hour"
    );
    assert_eq!(told(within(HOUR_MS, 2 * HOUR_MS)), words(5, "4.60", "0.02"));
    assert_eq!(told(within(2 * HOUR_MS, 3 * HOUR_MS)), words(0, "", ""));
    for (wanted, expected) in [
        (Wanted::Sale, words(3, "3.50", "0.06")),
        (Wanted::Cash, words(4, "4.80", "0.00")),
        (Wanted::Refund, words(0, "-1.20", "0.00")),
        (Wanted::Review, words(1, "1.30", "0.02")),
        (Wanted::Test, words(0, "", "")),
    ] {
        let filter = Filter {
            wanted: Some(wanted),
            ..all
        };
        assert_eq!(told(filter), expected, "{wanted:?}");
    }
    let elsewhere = Filter {
        machine: Some(MachineId::new(4)),
        ..all
    };
    assert_eq!(told(elsewhere), words(0, "", ""));
}

/// What a record of the journal tells its operator about money.
fn steps(connection: &Connection, operator: OperatorId) -> Vec<String> {
    let begin = happening::begin(connection, operator, SHOWN).expect("looked");
    happening::after(connection, operator, begin, SHOWN)
        .expect("looked")
        .iter()
        .filter(|event| event.name == "money")
        .map(|event| {
            let body: serde_json::Value = serde_json::from_str(&event.body).expect("it is JSON");
            body["step"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}

fn tells_of_money(place: &dyn Place) {
    let ground = place.open();
    fold(&ground, &journal());
    let connection = &ground.connection;
    let of = |wallet| -> Vec<(String, String)> {
        let page = receipts::receipts(connection, &[wallet], None, SHOWN).expect("listed");
        let lines = page.lines.into_iter().rev();
        lines.map(|line| (line.kind, line.amount)).collect()
    };
    let told = of(ANN);
    let told: Vec<(&str, &str)> = told
        .iter()
        .skip(5)
        .map(|(kind, amount)| (kind.as_str(), amount.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("sent", "3.00"),
            ("sent", "0.50"),
            ("returned", "0.50"),
            ("promotion", "1.00"),
            ("gift", "0.70"),
            ("repaid", "0.35"),
            ("written_off", "0.05"),
            ("top_up", "9.00"),
            ("charged_back", "9.00"),
            ("disputed", "1.30"),
            ("refund", "1.30"),
            ("disputed", "1.00"),
            ("dispute_rejected", "1.00"),
            ("sale", "1.00"),
        ]
    );
    assert_eq!(of(BOB), [("received".to_owned(), "3.00".to_owned())]);
    assert_eq!(
        steps(connection, OWNER),
        [
            "promoted",
            "promotion_arrived",
            "promoted",
            "promotion_returned",
            "disputed",
            "dispute_lost",
            "disputed",
            "dispute_won",
            "paid_out",
            "payout_settled",
            "paid_out",
            "payout_failed",
            "charged",
            "deposited",
            "covered",
        ]
    );
    assert!(steps(connection, OTHER).is_empty());
    // Three coffees and a fourth, and for cash; one given back, and one of the two argued about.
    let totals = sales::totals(connection, &everything(OWNER)).expect("told");
    let [total] = totals.as_slice() else {
        panic!("all of it is in one currency: {totals:?}");
    };
    assert_eq!((total.count, total.amount.as_str()), (8, "6.80"));
    assert_eq!(total.refunded, "2.50");
}

fn takes_any_name(place: &dyn Place) {
    let ground = place.open();
    let mut records = sold();
    for record in &mut records {
        if let Event::Machine {
            event: machine::Event::Listed { product, .. },
            ..
        } = &mut record.event
        {
            product.name = "caf\0 'x'; --\u{202e}".to_owned();
        }
    }
    fold(&ground, &numbered(records));
    let lines = sales::list(&ground.connection, &everything(OWNER), None, 1).expect("listed");
    let name = lines.lines[0].product.as_deref();
    assert_eq!(name, Some("caf\u{fffd} 'x'; --\u{202e}"));
}

fn folds_once(place: &dyn Place) {
    let ground = place.open();
    let journal = journal();
    for record in &journal {
        fold(&ground, core::slice::from_ref(record));
    }
    let once = shown(&ground.connection);
    fold(&ground, &journal);
    fold(&ground, &journal[journal.len() / 2..]);
    assert_eq!(shown(&ground.connection), once);
    let mut ground = ground;
    ground.forget_projections().expect("forgotten");
    assert_eq!(fold::folded(&ground.connection).expect("looked"), None);
    fold(&ground, &journal);
    let anew = shown(&ground.connection);
    // The case of the doubtful coffee is a person's, and stays.
    assert_eq!(anew[..5], once[..5]);
}

fn goes_on(place: &dyn Place) {
    let journal = journal();
    let whole = {
        let (first, rest) = journal.split_at(6);
        let ground = place.open();
        fold(&ground, first);
        drop(ground);
        let mut ground = place.open();
        let mut catch_up = ground.catch_up().expect("begun");
        for (seq, record) in first.iter().chain(rest) {
            catch_up.take(*seq, record);
        }
        assert_eq!(catch_up.finish().expect("folded"), Journal::Same);
        shown(&ground.connection)
    };
    assert_eq!(shown(&place.open().connection), whole);
    assert!(
        whole[0].contains(&journal.len().to_string()),
        "{}",
        whole[0]
    );
}

fn notices_another_journal(place: &dyn Place) {
    let mut ground = place.open();
    let mut other = journal();
    fold(&ground, &other);
    if let Some((_, last)) = other.last_mut() {
        last.at = at(HOUR_MS + 61);
    }
    for (journal, expected) in [
        (other.as_slice(), Journal::Another),
        (&other[..3], Journal::Another),
    ] {
        let mut catch_up = ground.catch_up().expect("begun");
        for (seq, record) in journal {
            catch_up.take(*seq, record);
        }
        assert_eq!(catch_up.finish().expect("read"), expected);
    }
    ground.forget_projections().expect("forgotten");
    let mut catch_up = ground.catch_up().expect("begun");
    for (seq, record) in &other {
        catch_up.take(*seq, record);
    }
    assert_eq!(catch_up.finish().expect("folded"), Journal::Same);
}

fn is_whole_or_nothing(place: &dyn Place) {
    let ground = place.open();
    let before = shown(&ground.connection);
    let failed = ground.connection.transact(Synced::Now, |transaction| {
        for (seq, record) in journal() {
            fold::take(transaction, seq, &record)?;
        }
        Err::<(), _>(SqlFault::NoRow)
    });
    assert!(matches!(failed, Err(SqlFault::NoRow)), "{failed:?}");
    assert_eq!(shown(&ground.connection), before);
    let refused = ground.connection.transact(Synced::Now, |transaction| {
        transaction.execute(
            "INSERT INTO account (wallet, currency) VALUES (?1, NULL)",
            [1],
        )
    });
    assert!(refused.is_err());
    let broken_off = catch_unwind(AssertUnwindSafe(|| {
        ground
            .connection
            .transact(Synced::Now, |transaction| -> sql::Result<()> {
                fold::take(transaction, Seq::FIRST, &journal()[0].1)?;
                panic!("on purpose")
            })
    }));
    assert!(broken_off.is_err());
    assert_eq!(shown(&ground.connection), before);
    fold(&ground, &journal());
}

fn sealed(byte: u8) -> Sealed {
    Sealed::column_result(ValueRef::Blob(&[byte; 32])).expect("32 bytes")
}

fn keeps_people(place: &dyn Place) {
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

fn keeps_cases(place: &dyn Place) {
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

/// A directory for SQLite.
struct Directory(tempfile::TempDir);

impl Place for Directory {
    fn open(&self) -> Ground {
        Ground::open(self.0.path(), None).expect("opened")
    }
}

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }
}

mod tests {
    use super::*;

    #[test]
    fn the_tables_in_sqlite_keep_the_contract() {
        check(&|| Box::new(Directory::new()));
    }
}
