//! One relayed envelope after the other, with the power cut at every step.

mod play;

use gettone::core::counters::Counters;
use gettone::core::entity::Entity;
use gettone::core::grant::NO_RECEIPT;
use gettone::core::id::{
    Chain, Item, JournalEpoch, Nonce, Order, ReaderId, ReaderKey, Rseq, TransferId, WalletId,
};
use gettone::core::ledger::Account;
use gettone::core::lock::{Lock, LockState};
use gettone::core::machine::{self, Delivery, Machine, Policy};
use gettone::core::money::Currency;
use gettone::core::notice::{Code, Notice};
use gettone::core::port::{Seq, Store};
use gettone::core::reader::{Answer, Ask, Command, Facts, Hello, News, Reader, Refusal, Standing};
use gettone::core::receipt::{Flags, Receipt, ReceiptKind};
use gettone::core::record::{Event, Record};
use gettone::core::wallet::{self, Verdict, Wallet};
use gettone::{Clock, Durable, Engine, Failure, Relayed, Settings};
use gettone_store::{Kept, Memory, Tape};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinHandle;

use play::{MACHINE, OPERATOR, eur, fund, meanwhile, seen, settings, start, terms, vend};

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
            facts: Facts::default(),
        }),
        ask: hello.map(|(number, _, wallet)| Ask {
            nonce: nonce(number),
            vend: vend(number),
            wallet,
            terms: terms(300),
        }),
        receipts: receipts.to_vec(),
        notices: Vec::new(),
        counters: None,
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

/// An afternoon of cash: who has too little puts some in, and the reader tells what it counted.
fn afternoon() -> Vec<(News, Option<WalletId>)> {
    use ReceiptKind::{Close, RevalueFail, RevalueOk, RevalueUnknown};
    let cash = |envelope: (News, Option<WalletId>)| {
        let (mut news, account) = envelope;
        if let Some(ask) = &mut news.ask {
            ask.terms.revalue_max = eur(1_000);
        }
        (news, account)
    };
    let mut counters = Counters {
        seq: 1,
        ..Counters::default()
    };
    counters.sell(Item::new(3), 120);
    counters.sell(Item::new(3), 120);
    let notice = |aseq, code, n| Notice {
        aseq,
        code,
        n,
        order: order(850),
        data: [0; 8],
    };
    let mut told = cash(envelope(&[], Some((8, 14, BOB))));
    told.0.counters = Some(counters);
    told.0.notices = vec![notice(1, Code::SENSOR, 4), notice(2, Code::LOCK_TAKEN, 1)];
    vec![
        cash(envelope(&[], Some((7, 9, BOB)))),
        envelope(
            &[
                receipt(10, 7, (RevalueOk, 0, 500)),
                receipt(11, 7, (RevalueUnknown, 0, 200)),
                receipt(12, 7, (RevalueUnknown, 0, 100)),
                receipt(13, 7, (RevalueFail, 0, 50)),
                receipt(14, 7, (Close, 4, 0)),
            ],
            None,
        ),
        told.clone(),
        // Of all of it, a replay changes nothing.
        told,
    ]
}

fn day() -> Vec<(News, Option<WalletId>)> {
    morning().into_iter().chain(afternoon()).collect()
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
    let register = machine::Command::Register {
        operator: OPERATOR,
        currency: Currency::EUR,
        policy: Policy {
            cap: eur(300),
            vends_max: 2,
            fee_basis_points: 150,
            revalue_max: eur(1_000),
        },
    };
    let claim = machine::Command::Claim { reader: READER };
    for command in [register, claim, machine::Command::Lock] {
        let told = engine.machine_command(MACHINE, command).await;
        assert!(told.expect("the machine takes it").into_inner().is_some());
    }
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
    machine: Machine,
    books: String,
}

/// Relays the whole morning; after a power cut it starts again and relays the envelope once more.
async fn relayed(tape: &Tape, cut: Option<(u64, Kept)>) -> Outcome {
    opened(tape).await;
    let (mut engine, _) = start(tape, settings(3)).expect("starts");
    if let Some((nth, kept)) = cut {
        tape.fail_frame(nth, kept);
    }
    let mut relayed = Vec::new();
    for (news, account) in day() {
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
    let machine = engine.machine(MACHINE).await.expect("answers").into_inner();
    engine.shutdown().await.expect("ends cleanly");
    let (engine, report) = start(tape, settings(1)).expect("starts");
    engine.shutdown().await.expect("ends cleanly");
    Outcome {
        relayed,
        wallets,
        reader,
        machine: *machine.expect("it is registered"),
        books: format!("{:?}", report.book),
    }
}

#[tokio::test]
async fn two_relays_of_the_same_envelope_at_once_leave_one_hold() {
    for shards in 1..=4 {
        let tape = Tape::default();
        opened(&tape).await;
        let (engine, _) = start(&tape, settings(shards)).expect("starts");
        let (news, account) = envelope(&[], Some((1, 0, ANN)));
        let relay = || engine.relay(READER, news.clone(), account);
        let (one, other) = tokio::join!(relay(), relay());
        let (one, other) = (one.expect("relays"), other.expect("relays"));
        assert_eq!(one, other, "both phones are told the same");
        let held = match one.standing {
            Some(Standing::Answered(Answer::Granted { held, .. })) => held,
            standing => panic!("{standing:?}"),
        };
        let ann = seen(&engine, &[ANN]).await.remove(0).expect("she is there");
        let live: Vec<_> = ann.live().iter().map(|grant| grant.vend).collect();
        assert_eq!((held, live), (eur(300), vec![vend(1)]));
        let pending = ann.balance().map(|balance| balance.pending);
        assert_eq!(pending, Some(eur(300)), "{shards} shards");
        engine.shutdown().await.expect("ends cleanly");
    }
}

#[tokio::test]
async fn a_morning_of_relays_is_answered_by_the_rules() {
    let outcome = relayed(&Tape::default(), None).await;
    let answers: Vec<_> = outcome
        .relayed
        .iter()
        .take(9)
        .map(|relayed| (relayed.ack.map(|(_, rseq, _)| rseq), relayed.standing))
        .collect();
    let granted = |held, balance| {
        Some(Standing::Answered(Answer::Granted {
            held: eur(held),
            vends_max: 2,
            revalue_max: eur(0),
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
}

#[tokio::test]
async fn cash_counters_notices_and_orders_go_through_the_same_relay() {
    let outcome = relayed(&Tape::default(), None).await;
    assert_eq!(outcome.reader.applied(EPOCH), 14);
    let [first, cash, told, again] = &outcome.relayed[9..] else {
        panic!("four relays of an afternoon");
    };
    let granted = |held, revalue_max, balance| {
        Some(Standing::Answered(Answer::Granted {
            held: eur(held),
            vends_max: 2,
            revalue_max: eur(revalue_max),
            balance: eur(balance),
        }))
    };
    assert_eq!(first.standing, granted(0, 1_000, 5), "nothing but cash");
    let wanted = Lock {
        version: 1,
        state: LockState::Locked,
    };
    assert_eq!((first.lock, first.noticed), (Some(wanted), None));
    assert_eq!((cash.lock, cash.noticed), (None, None), "nobody is there");
    assert_eq!(told.standing, granted(300, 1_000, 705));
    assert_eq!(told.noticed, Some((EPOCH, 2)));
    assert_eq!(told.lock, None, "it has taken the order");
    assert_eq!(again, told);
    let bob = outcome.wallets[1].as_deref().and_then(Wallet::balance);
    let closed = bob.map(|balance| balance.closed);
    assert_eq!(
        closed,
        Some(vec![(OPERATOR, eur(700))]),
        "500, and 200 believed"
    );
    let machine = &outcome.machine;
    assert_eq!(
        machine.cash_expected(),
        eur(500 + 240),
        "what was seen going in"
    );
    assert_eq!(machine.lock().delivery, Delivery::Applied);
    let heard = outcome.reader.heard().expect("heard");
    assert_eq!((heard.receipts_waiting, heard.hello.is_some()), (0, true));
}

#[tokio::test]
async fn a_reader_that_is_replaced_leaves_nothing_held_for_ever() {
    let tape = Tape::default();
    relayed(&tape, None).await;
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    let new = ReaderId::from_bytes([7; 8]);
    let key = ReaderKey::from_bytes([6; 32]);
    for _ in 0..2 {
        let replaced = engine.replace_reader(READER, (new, key)).await;
        assert_eq!(replaced, Ok(()), "a retry is harmless");
    }
    assert_eq!(reader(&engine).await.due(), None);
    let machine = engine.machine(MACHINE).await.expect("answers").into_inner();
    let machine = machine.expect("registered");
    assert_eq!(machine.reader(), Some(new));
    assert!(
        machine.lock().to_carry().is_some(),
        "the new one has to be told"
    );
    // BOB was believed this very day: what the lost reader held for him waits for a decision.
    let bob = engine.wallet(BOB).await.expect("answers").into_inner();
    let bob = bob.expect("open");
    let doubts: Vec<_> = bob
        .live()
        .iter()
        .flat_map(|grant| grant.doubts().iter().map(|doubt| (grant.vend, *doubt)))
        .map(|(vend, doubt)| (vend, doubt.rseq, doubt.parts.total(), doubt.cash))
        .collect();
    assert_eq!(
        doubts,
        [
            (vend(7), Rseq::new(12), eur(0), eur(100)),
            (vend(8), NO_RECEIPT, eur(300), eur(0)),
        ]
    );
    let judge = |vend, rseq, verdict| wallet::Command::Judge {
        vend,
        rseq,
        verdict,
    };
    for command in [
        judge(vend(7), Rseq::new(12), Verdict::Credit),
        judge(vend(8), NO_RECEIPT, Verdict::Forgive),
    ] {
        engine.wallet_command(BOB, command).await.expect("decides");
    }
    let key = TransferId::from_bytes([3; 16]);
    let counted = engine.count_cash(MACHINE, key, eur(840)).await;
    assert!(matches!(
        counted.expect("counts").into_inner(),
        Some(machine::Event::Counted { expected, .. }) if expected == eur(740)
    ));
    engine.shutdown().await.expect("ends cleanly");
    let (engine, report) = start(&tape, settings(1)).expect("its books are sound");
    let booked = |account| report.book.balance(Currency::EUR, account).minor();
    assert_eq!(booked(Account::CashBox(MACHINE)), 0);
    assert_eq!(booked(Account::CashAtBank(OPERATOR)), -840);
    assert_eq!(booked(Account::CashOverShort(OPERATOR)), 100);
    assert_eq!(
        booked(Account::Suspense(OPERATOR)),
        -300,
        "believed and judged"
    );
    assert_eq!(booked(Account::Closed(OPERATOR, BOB)), 800);
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_hold_without_news_is_free_again_after_its_time_and_is_shown_before() {
    let tape = Tape::default();
    opened(&tape).await;
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let settings = Settings {
        clock: Clock::Set(Arc::clone(&clock)),
        ..settings(2)
    };
    let (engine, _) = start(&tape, settings).expect("starts");
    let (news, account) = envelope(&[], Some((1, 0, ANN)));
    engine.relay(READER, news, account).await.expect("relays");
    let pass = |minutes: u64| clock.fetch_add(minutes * 60_000, Ordering::Relaxed);
    pass(19);
    assert_eq!(engine.stale().await, Ok(Vec::new()));
    pass(1);
    let stale = engine.stale().await.expect("answers");
    let held: Vec<_> = stale
        .iter()
        .map(|stale| (stale.wallet, stale.held))
        .collect();
    assert_eq!(held, [(ANN, eur(300))]);
    pass(71 * 60);
    assert_eq!(engine.release_overdue().await, Ok(0), "not yet");
    pass(60);
    assert_eq!(engine.release_overdue().await, Ok(1));
    assert_eq!(engine.release_overdue().await, Ok(0), "once");
    // A receipt that comes now is captured all the same.
    let late = receipt(1, 1, (ReceiptKind::VendOk, 3, 120));
    let (news, account) = envelope(&[late], None);
    engine.relay(READER, news, account).await.expect("relays");
    let ann = engine.balance(ANN).await.expect("answers").into_inner();
    let ann = ann.expect("open");
    assert_eq!((ann.emoney, ann.pending), (eur(380), eur(0)));
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn what_was_sold_is_given_back_once_and_never_more_than_it_took() {
    let tape = Tape::default();
    relayed(&tape, None).await;
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    let sale = |minor| (vend(1), Rseq::new(1), eur(minor));
    let key = |number: u8| TransferId::from_bytes([number; 16]);
    let refund = |number, minor| engine.refund(ANN, key(number), sale(minor));
    let back = refund(1, 100).await.expect("refunds").into_inner();
    assert_eq!(back.balance.emoney, eur(480));
    let again = refund(1, 100).await.expect("the same again").into_inner();
    assert_eq!((again.event, again.balance.emoney), (None, eur(480)));
    assert_eq!(
        refund(2, 21).await,
        Err(Failure::Refused(wallet::Refusal::RefundTooLarge {
            left: eur(20)
        }))
    );
    assert!(refund(3, 20).await.is_ok());
    engine.shutdown().await.expect("ends cleanly");
    let (engine, report) = start(&tape, settings(1)).expect("its books are sound");
    let payable = Account::PayableCovered(OPERATOR);
    let payable = report.book.balance(Currency::EUR, payable).minor();
    assert_eq!(payable, 55 - 1, "BOB's 55 and the fee of ANN's sale");
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_power_cut_at_any_record_of_a_relay_leaves_the_same_books() {
    let tape = Tape::default();
    let expected = relayed(&tape, None).await;
    let all = tape.frames();
    let prelude = {
        let tape = Tape::default();
        opened(&tape).await;
        tape.frames()
    };
    let frames = all - prelude;
    assert!(frames > 40, "{frames} records");
    for kept in [Kept::Nothing, Kept::Everything] {
        for nth in 1..=frames {
            let outcome = relayed(&Tape::default(), Some((nth, kept))).await;
            assert_eq!(outcome, expected, "record {nth} failed and kept {kept:?}");
        }
    }
}

/// What the journal on `tape` says of the reader, with nothing taken up.
fn as_left(tape: &Tape) -> Reader {
    let mut reader = Reader::default();
    Memory::reopen(tape)
        .expect("nobody has it")
        .replay(Seq::FIRST, &mut |_, payload| {
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
    for nth in 1..=12 {
        let tape = Tape::default();
        opened(&tape).await;
        let (engine, _) = start(&tape, settings(2)).expect("starts");
        tape.fail_frame(nth, Kept::Everything);
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
        assert_eq!(reader(&engine).await.due(), None, "cut at record {nth}");
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
    for (news, account) in day() {
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

/// A relay for ANN whose first record meets a disk that does not answer.
async fn hung(
    engine: &Engine,
    tape: &Tape,
) -> JoinHandle<Result<Durable<Relayed>, Failure<Refusal>>> {
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
    call
}

#[tokio::test]
async fn a_relay_is_answered_when_its_last_step_is_durable_and_not_before() {
    let tape = Tape::default();
    opened(&tape).await;
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    let frames = tape.frames();
    let call = hung(&engine, &tape).await;
    // What is refused rests on the records before it as well.
    let refused = {
        let engine = engine.clone();
        let (news, account) = envelope(&[], Some((1, 0, ANN)));
        let nobody = ReaderId::from_bytes([0xee; 8]);
        tokio::spawn(async move { engine.relay(nobody, news, account).await })
    };
    meanwhile().await;
    assert!(!call.is_finished(), "it waits for the disk");
    assert!(!refused.is_finished(), "so does the refusal");
    tape.resume();
    let refused = refused.await.expect("ends");
    assert_eq!(refused, Err(Failure::Refused(Refusal::Unknown)));
    let relayed = call.await.expect("ends").expect("relays");
    assert!(matches!(
        relayed.standing,
        Some(Standing::Answered(Answer::Granted { .. }))
    ));
    // HELLO, session and hold, the session's own step, answer.
    assert!(tape.frames() - frames >= 4, "all of it is on the tape");
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_relay_goes_on_when_its_caller_is_gone() {
    let tape = Tape::default();
    opened(&tape).await;
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    let call = hung(&engine, &tape).await;
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
