//! One relayed envelope after the other, with the power cut at every step.

mod play;

use gettone::core::entity::Entity;
use gettone::core::id::{
    Chain, Item, JournalEpoch, Nonce, Order, ReaderId, ReaderKey, Rseq, WalletId,
};
use gettone::core::money::Currency;
use gettone::core::port::Store;
use gettone::core::reader::{Answer, Ask, Command, Hello, News, Reader, Standing};
use gettone::core::receipt::{Flags, Receipt, ReceiptKind};
use gettone::core::record::{Event, Record};
use gettone::core::wallet::Wallet;
use gettone::{Engine, Failure, Relayed};
use gettone_store::{Kept, Memory, Tape};
use play::{MACHINE, OPERATOR, eur, fund, seen, settings, start, terms, vend};

const READER: ReaderId = ReaderId::from_bytes([8; 8]);
const EPOCH: JournalEpoch = JournalEpoch::from_bytes([1; 8]);
const ANN: WalletId = WalletId::new(1);
const BOB: WalletId = WalletId::new(2);
const DAN: WalletId = WalletId::new(4);
const EVE: WalletId = WalletId::new(5);
const CUSTOMERS: [WalletId; 4] = [ANN, BOB, DAN, EVE];

fn chain(rseq: u64) -> Chain {
    Chain::from_bytes((rseq + 0xee00).to_be_bytes())
}

fn order(uptime_ms: u64) -> Order {
    Order { boot: 1, uptime_ms }
}

/// The hold of the HELLO with this number.
fn receipt(rseq: u64, hello: u64, what: (ReceiptKind, u16, i64)) -> Receipt {
    let (kind, item, minor) = what;
    Receipt {
        rseq: Rseq::new(rseq),
        kind,
        grant: vend(hello),
        item: Item::new(item),
        amount: eur(minor),
        order: order(hello * 100 + rseq),
        flags: Flags::default(),
        after_ms: 900,
        prev: chain(rseq - 1),
        chain: chain(rseq),
    }
}

/// An envelope: its receipts, and perhaps a HELLO that knows so many of them, with who claims it.
fn envelope(receipts: &[Receipt], hello: Option<(u64, u64, WalletId)>) -> (News, Option<WalletId>) {
    let nonce = |number: u64| Nonce::from_bytes(*vend(number).as_bytes());
    let news = News {
        epoch: EPOCH,
        first: chain(0),
        hello: hello.map(|(number, newest, _)| Hello {
            epoch: EPOCH,
            order: order(number * 100),
            nonce: nonce(number),
            rseq_newest: newest,
            acked: 0,
        }),
        ask: hello.map(|(number, _, wallet)| Ask {
            nonce: nonce(number),
            vend: vend(number),
            wallet,
            terms: terms(300),
        }),
        receipts: receipts.to_vec(),
    };
    (news, hello.map(|(.., wallet)| wallet))
}

/// A morning at one reader: every kind of step, in order and out of it.
fn morning() -> Vec<(News, Option<WalletId>)> {
    use ReceiptKind::{Close, EpochStart, VendFail, VendOk, VendUnknown};
    vec![
        envelope(&[], Some((1, 0, ANN))),
        envelope(
            &[
                receipt(1, 1, (VendOk, 3, 120)),
                receipt(2, 1, (VendUnknown, 4, 90)),
            ],
            None,
        ),
        // A gap: receipt 3 comes with the next one.
        envelope(&[receipt(4, 1, (Close, 3, 120))], None),
        envelope(&[receipt(3, 1, (VendFail, 3, 0))], Some((2, 4, BOB))),
        envelope(
            &[
                receipt(5, 2, (VendOk, 3, 55)),
                receipt(6, 2, (VendOk, 3, 9_999)),
                receipt(7, 77, (VendOk, 3, 100)),
                receipt(8, 2, (EpochStart, 0, 0)),
            ],
            None,
        ),
        // It fences BOB's hold, and DAN has too little.
        envelope(&[], Some((3, 8, DAN))),
        // EVE's money is of another currency.
        envelope(&[], Some((4, 8, EVE))),
        envelope(&[receipt(9, 2, (VendOk, 3, 5))], Some((5, 9, ANN))),
        envelope(&[], Some((6, 9, ANN))),
    ]
}

async fn opened(tape: &Tape) {
    let (engine, _) = start(tape, settings(3)).expect("starts");
    fund(&engine, ANN, 500).await;
    fund(&engine, BOB, 60).await;
    fund(&engine, DAN, 10).await;
    engine.open_wallet(EVE, Currency::CHF).await.expect("opens");
    let enrol = Command::Enrol {
        key: ReaderKey::from_bytes([9; 32]),
        machine: MACHINE,
        operator: OPERATOR,
        currency: Currency::EUR,
    };
    engine.reader_command(READER, enrol).await.expect("enrols");
    engine.shutdown().await.expect("ends cleanly");
}

async fn reader(engine: &Engine) -> Reader {
    let reader = engine.reader(READER).await.expect("answers").into_inner();
    *reader.expect("it is enrolled")
}

/// How everything ended.
#[derive(PartialEq, Debug)]
struct Outcome {
    relayed: Vec<Relayed>,
    wallets: Vec<Option<Box<Wallet>>>,
    reader: Reader,
    books: String,
}

/// Relays the whole morning; after a power cut it starts again and relays the envelope once more.
async fn relayed(tape: &Tape, cut: Option<(u64, Kept)>) -> Outcome {
    opened(tape).await;
    let (mut engine, _) = start(tape, settings(3)).expect("starts");
    if let Some((nth, kept)) = cut {
        tape.fail_append(nth, kept);
    }
    let mut relayed = Vec::new();
    for (news, account) in morning() {
        let mut outcome = engine.relay(READER, news.clone(), account).await;
        if outcome == Err(Failure::Stopped) {
            engine
                .shutdown()
                .await
                .expect_err("it tells that it stopped");
            (engine, _) = start(tape, settings(2)).expect("starts again");
            assert_eq!(reader(&engine).await.due(), None, "it was taken up");
            outcome = engine.relay(READER, news, account).await;
        }
        relayed.push(outcome.expect("relays").into_inner());
    }
    let (wallets, reader) = (seen(&engine, &CUSTOMERS).await, reader(&engine).await);
    engine.shutdown().await.expect("ends cleanly");
    let (engine, report) = start(tape, settings(1)).expect("starts");
    engine.shutdown().await.expect("ends cleanly");
    Outcome {
        relayed,
        wallets,
        reader,
        books: format!("{:?}", report.book),
    }
}

#[tokio::test]
async fn a_morning_of_relays_is_answered_by_the_rules() {
    let outcome = relayed(&Tape::default(), None).await;
    let answers: Vec<_> = outcome
        .relayed
        .iter()
        .map(|relayed| (relayed.ack.map(|(_, rseq, _)| rseq), relayed.standing))
        .collect();
    let granted = |held, balance| {
        Some(Standing::Answered(Answer::Granted {
            held: eur(held),
            vends_max: 2,
            balance: eur(balance),
        }))
    };
    assert_eq!(
        answers,
        [
            (Some(0), granted(300, 500)),
            (Some(2), None),
            (Some(2), None),
            (Some(4), granted(60, 60)),
            (Some(8), None),
            (
                Some(8),
                Some(Standing::Answered(Answer::Funds {
                    short_by: eur(40),
                    pending: eur(0),
                }))
            ),
            (Some(8), Some(Standing::Answered(Answer::Blocked))),
            (Some(9), granted(300, 380)),
            (Some(9), granted(300, 380)),
        ]
    );
    let emoney: Vec<i64> = outcome
        .wallets
        .iter()
        .filter_map(|wallet| Some(wallet.as_ref()?.balance()?.emoney.minor()))
        .collect();
    assert_eq!(
        emoney,
        [380, 5, 10, 0],
        "120 for ANN, the unseen one excused; 55 for BOB, more than he held is nobody's"
    );
    assert_eq!(outcome.reader.applied(EPOCH), 9);
}

#[tokio::test]
async fn a_power_cut_at_any_append_of_a_relay_leaves_the_same_books() {
    let tape = Tape::default();
    let expected = relayed(&tape, None).await;
    let all = tape.appends();
    let prelude = {
        let tape = Tape::default();
        opened(&tape).await;
        tape.appends()
    };
    let appends = all - prelude;
    assert!(appends > 30, "{appends} appends");
    for kept in [Kept::Nothing, Kept::Everything] {
        for nth in 1..=appends {
            let outcome = relayed(&Tape::default(), Some((nth, kept))).await;
            assert_eq!(outcome, expected, "append {nth} failed and kept {kept:?}");
        }
    }
}

/// What the journal on `tape` says of the reader, with nothing taken up.
fn as_left(tape: &Tape) -> Reader {
    let mut reader = Reader::default();
    Memory::reopen(tape)
        .expect("nobody has it")
        .replay(&mut |_, payload| {
            let record = Record::decode(payload).expect("a record");
            if let Event::Reader { event, .. } = &record.event {
                reader.evolve(event);
            }
            Ok(())
        })
        .expect("replays");
    reader
}

#[tokio::test]
async fn a_start_does_what_a_crash_left_undone_before_anybody_asks() {
    let mut cut_off = 0;
    for nth in 1..=8 {
        let tape = Tape::default();
        opened(&tape).await;
        let (engine, _) = start(&tape, settings(2)).expect("starts");
        tape.fail_append(nth, Kept::Everything);
        for (news, account) in morning() {
            if engine.relay(READER, news, account).await.is_err() {
                break;
            }
        }
        engine.shutdown().await.expect_err("it has stopped");
        // The control: the journal itself still has it to do.
        cut_off += usize::from(as_left(&tape).due().is_some());
        let before = tape.frames();
        let (engine, report) = start(&tape, settings(2)).expect("starts again");
        assert_eq!(reader(&engine).await.due(), None, "cut at append {nth}");
        assert_eq!(report.records, tape.frames(), "history has what was made");
        assert!(tape.frames() >= before);
        engine.shutdown().await.expect("ends cleanly");
    }
    assert!(cut_off >= 4, "some cuts leave something: {cut_off}");
}

#[tokio::test]
async fn the_same_envelope_relayed_many_times_at_once_holds_once() {
    let tape = Tape::default();
    opened(&tape).await;
    let (engine, _) = start(&tape, settings(3)).expect("starts");
    for (news, account) in morning() {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (engine, news) = (engine.clone(), news.clone());
                tokio::spawn(async move { engine.relay(READER, news, account).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for call in calls {
            outcomes.push(call.await.expect("ends").expect("relays"));
        }
        outcomes.dedup_by_key(|relayed| relayed.standing);
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    }
    let wallets = seen(&engine, &CUSTOMERS).await;
    engine.shutdown().await.expect("ends cleanly");
    let (engine, _) = start(&tape, settings(1)).expect("its books are sound");
    engine.shutdown().await.expect("ends cleanly");
    let alone = relayed(&Tape::default(), None).await;
    assert_eq!(wallets, alone.wallets);
}

#[tokio::test]
async fn a_relay_goes_on_when_its_caller_is_gone() {
    let tape = Tape::default();
    opened(&tape).await;
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    tape.hold();
    let appends = tape.appends();
    let (news, account) = envelope(&[], Some((1, 0, ANN)));
    let call = {
        let engine = engine.clone();
        tokio::spawn(async move { engine.relay(READER, news, account).await })
    };
    while tape.appends() == appends {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    tape.resume();
    engine.shutdown().await.expect("it waits for the relay");
    let reader = as_left(&tape);
    assert_eq!(reader.due(), None, "every step was done");
    let hello = reader.newest().expect("heard");
    assert!(matches!(
        reader.standing(&hello, Some(ANN)),
        Standing::Answered(Answer::Granted { .. })
    ));
}
