//! What the tables must do, wherever they are: every claim is run on SQLite and on a PostgreSQL
//! server of the test's own.

mod journal;
mod people;
mod postgres;
mod programs;
#[expect(dead_code, reason = "the journal's tests use the rest of it")]
#[path = "../../../adapters/store/tests/postgres/server.rs"]
mod server;

use super::Ground;
use crate::fold::{self, Journal};
use crate::sales::{Filter, Wanted};
use crate::sql::{self, Connection, SqlFault, Synced};
use crate::{fleet, happening, receipts, sales};
use gettone_core::id::{Item, MachineId, OperatorId, Rseq, WalletId};
use gettone_core::machine;
use gettone_core::port::Seq;
use gettone_core::record::{Event, Record};
use journal::{at, journal, numbered, sold, vend};
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
const CLAIMS: [Claim; 14] = [
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
        people::keeps_people,
    ),
    (
        "cases, answers, keys and the log are kept",
        people::keeps_cases,
    ),
    (
        "programs for readers are kept, each operator's by itself",
        programs::keeps_programs,
    ),
    (
        "the newest report of a reader is kept, and what it is asked",
        people::keeps_reports,
    ),
    (
        "what readers say that they run with is kept",
        people::keeps_what_readers_said,
    ),
    (
        "who pays by SMS is kept, and what a day has seen of it",
        people::keeps_payers_by_sms,
    ),
];

/// Checks every claim, each on fresh tables.
pub(super) fn check(fresh: &dyn Fn() -> Box<dyn Place>) {
    for (words, claim) in CLAIMS {
        println!("{words}");
        claim(fresh().as_ref());
    }
}

fn fold(ground: &Ground, records: &[(Seq, Record)]) {
    let head = records.last().map_or(Seq::FIRST, |(seq, _)| *seq);
    fold::take_in(&ground.connection, records, head).expect("folded");
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
        let mut catch_up = ground.catch_up(Seq::FIRST).expect("begun");
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
        let mut catch_up = ground.catch_up(Seq::FIRST).expect("begun");
        for (seq, record) in journal {
            catch_up.take(*seq, record);
        }
        assert_eq!(catch_up.finish().expect("read"), expected);
    }
    ground.forget_projections().expect("forgotten");
    let mut catch_up = ground.catch_up(Seq::FIRST).expect("begun");
    for (seq, record) in &other {
        catch_up.take(*seq, record);
    }
    assert_eq!(catch_up.finish().expect("folded"), Journal::Same);
}

fn is_whole_or_nothing(place: &dyn Place) {
    let ground = place.open();
    let before = shown(&ground.connection);
    let failed = ground.connection.transact(Synced::Now, |transaction| {
        fold::take(transaction, &journal(), Seq::FIRST)?;
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
                fold::take(transaction, &journal()[..1], Seq::FIRST)?;
                panic!("on purpose")
            })
    }));
    assert!(broken_off.is_err());
    assert_eq!(shown(&ground.connection), before);
    fold(&ground, &journal());
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
