//! Money from wallet to wallet and from operators, through the engine: once however often it is
//! asked, and to its end whatever cuts it off.

mod play;

use gettone::core::id::{OperatorId, WalletId};
use gettone::core::money::{AMOUNT_MAX, Currency};
use gettone::core::operator;
use gettone::core::port::Seq;
use gettone::core::wallet::{self, Command, Reason};
use gettone::{Engine, Failure, OperatorRefusal, TransferRefusal};
use gettone_store::{File, FileSettings, Kept, Memory, Tape};
use play::{
    OPERATOR, available, eur, every_record_comes_once, fund, rseq, settings, start, start_on,
    terms, transfer, vend, vended,
};

const ANN: WalletId = WalletId::new(1);
const BOB: WalletId = WalletId::new(2);

async fn open(engine: &Engine, wallet: WalletId) {
    let opened = engine.open_wallet(wallet, Currency::EUR).await;
    opened.expect("opens");
}

async fn emoney(engine: &Engine, wallet: WalletId) -> i64 {
    let balance = engine.balance(wallet).await.expect("answers").into_inner();
    balance.expect("it is open").emoney.minor()
}

/// Sells something for 120 to Ann; 1.5 % of it is the platform's.
async fn sell(engine: &Engine, number: u64) {
    let name = vend(number);
    engine
        .open(ANN, name, (play::MACHINE, OPERATOR))
        .await
        .expect("opens");
    engine
        .reserve(ANN, name, terms(200))
        .await
        .expect("reserves");
    engine
        .settle(ANN, name, (rseq(1), vended(120)))
        .await
        .expect("settles");
    engine
        .release(ANN, name, Reason::Closed)
        .await
        .expect("releases");
}

#[tokio::test]
async fn a_transfer_arrives_once_however_often_it_is_asked() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    fund(&engine, ANN, 500).await;
    open(&engine, BOB).await;
    for _ in 0..3 {
        let sent = engine.transfer(transfer(9), (ANN, BOB), eur(200)).await;
        assert_eq!(sent.expect("arrives").balance.emoney, eur(300));
    }
    let other = engine.transfer(transfer(9), (ANN, BOB), eur(201)).await;
    assert_eq!(
        other,
        Err(Failure::Refused(TransferRefusal::Sender(
            wallet::Refusal::NameReused
        )))
    );
    let both = (emoney(&engine, ANN).await, emoney(&engine, BOB).await);
    assert_eq!(both, (300, 200));
    engine.shutdown().await.expect("ends cleanly");
    let (engine, report) = start(&tape, settings(3)).expect("starts");
    assert!(report.is_balanced());
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_transfer_that_cannot_go_is_refused_with_its_figures() {
    let (engine, _) = start(&Tape::default(), settings(2)).expect("starts");
    fund(&engine, ANN, 500).await;
    fund(&engine, BOB, AMOUNT_MAX).await;
    let swiss = WalletId::new(3);
    let opened = engine.open_wallet(swiss, Currency::CHF).await;
    opened.expect("opens");
    let cases = [
        ((ANN, ANN), 1, TransferRefusal::ToItself),
        ((ANN, WalletId::new(404)), 1, TransferRefusal::NoReceiver),
        (
            (ANN, swiss),
            1,
            TransferRefusal::Sender(wallet::Refusal::OtherCurrency {
                currency: Currency::EUR,
            }),
        ),
        (
            (ANN, BOB),
            501,
            TransferRefusal::Sender(wallet::Refusal::InsufficientFunds {
                available: eur(500),
                short_by: eur(1),
                pending: eur(0),
            }),
        ),
        (
            (ANN, BOB),
            0,
            TransferRefusal::Sender(wallet::Refusal::BadAmount { amount: eur(0) }),
        ),
    ];
    for (number, (way, amount, refusal)) in (20..).zip(cases) {
        let sent = engine.transfer(transfer(number), way, eur(amount)).await;
        assert_eq!(sent, Err(Failure::Refused(refusal)));
    }
    // Who is too rich turns it away, and it comes back; also when it is asked again.
    for _ in 0..2 {
        let sent = engine.transfer(transfer(9), (ANN, BOB), eur(200)).await;
        assert!(
            matches!(sent, Err(Failure::Refused(TransferRefusal::Receiver(_)))),
            "{sent:?}"
        );
        assert_eq!(emoney(&engine, ANN).await, 500);
    }
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_power_cut_at_any_record_of_a_transfer_loses_and_doubles_nothing() {
    for full in [false, true] {
        let mut cuts = 0;
        for nth in 1.. {
            let tape = Tape::default();
            let (engine, _) = start(&tape, settings(2)).expect("starts");
            fund(&engine, ANN, 500).await;
            fund(&engine, BOB, if full { AMOUNT_MAX } else { 10 }).await;
            tape.fail_frame(nth, Kept::Nothing);
            let sent = engine.transfer(transfer(9), (ANN, BOB), eur(200)).await;
            let was_cut = engine.stopped().is_some();
            if was_cut {
                assert_eq!(sent, Err(Failure::Stopped), "unknown until the restart");
                cuts += 1;
            }
            let _ = engine.shutdown().await;
            let (engine, report) = start(&tape, settings(2)).expect("starts");
            assert!(report.is_balanced(), "record {nth}: {:?}", report.checks);
            let seen = engine.wallet(ANN).await.expect("answers").into_inner();
            assert_eq!(seen.expect("open").outgoing(), [], "nothing is under way");
            let again = engine.transfer(transfer(9), (ANN, BOB), eur(200)).await;
            let expected = if full {
                assert!(matches!(
                    again,
                    Err(Failure::Refused(TransferRefusal::Receiver(_)))
                ));
                (500, AMOUNT_MAX)
            } else {
                assert!(again.is_ok(), "{again:?}");
                (300, 210)
            };
            let both = (emoney(&engine, ANN).await, emoney(&engine, BOB).await);
            assert_eq!(both, expected, "record {nth}");
            engine.shutdown().await.expect("ends cleanly");
            if !was_cut {
                break;
            }
        }
        // Out, in or turned away, and its end: each record was the last one once.
        assert_eq!(cuts, 3);
    }
}

#[tokio::test]
async fn a_power_cut_at_any_record_of_an_operators_payments_loses_and_doubles_nothing() {
    let paid = (Currency::EUR, eur(100));
    let mut cuts = 0;
    for nth in 1.. {
        let tape = Tape::default();
        let (engine, _) = start(&tape, settings(2)).expect("starts");
        open(&engine, BOB).await;
        let deposit = (Currency::EUR, eur(1_000));
        engine
            .deposit(OPERATOR, transfer(50), deposit)
            .await
            .expect("takes it");
        tape.fail_frame(nth, Kept::Nothing);
        let gift = engine.promote(OPERATOR, transfer(51), (BOB, eur(40))).await;
        let payout = engine.pay_out(OPERATOR, transfer(52), paid).await;
        let was_cut = engine.stopped().is_some();
        if was_cut {
            assert_eq!(payout, Err(Failure::Stopped), "unknown until the restart");
            assert!(gift.is_ok() || gift == Err(Failure::Stopped), "{gift:?}");
            cuts += 1;
        }
        let _ = engine.shutdown().await;
        let (engine, report) = start(&tape, settings(2)).expect("starts");
        assert!(report.is_balanced(), "record {nth}: {:?}", report.checks);
        if gift.is_ok() {
            assert_eq!(emoney(&engine, BOB).await, 40, "what was told stays");
        }
        let gift = engine.promote(OPERATOR, transfer(51), (BOB, eur(40))).await;
        gift.expect("it arrives, once");
        let payout = engine.pay_out(OPERATOR, transfer(52), paid).await;
        payout.expect("it is paid, once");
        assert_eq!(emoney(&engine, BOB).await, 40, "record {nth}");
        assert_eq!(available(&engine, OPERATOR).await, 860, "record {nth}");
        engine.shutdown().await.expect("ends cleanly");
        if !was_cut {
            break;
        }
    }
    // A fold, out, in, and its end; a fold and a payout: each record was the last one once.
    assert_eq!(cuts, 6);
}

#[tokio::test]
async fn a_transfer_that_nobody_drives_is_found_and_driven() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    fund(&engine, ANN, 500).await;
    open(&engine, BOB).await;
    for number in 0..3 {
        // As a driver whose time was up after its first step.
        let command = Command::Send {
            key: transfer(100 + number),
            to: BOB,
            currency: Currency::EUR,
            amount: eur(50),
        };
        engine.wallet_command(ANN, command).await.expect("leaves");
    }
    assert_eq!(emoney(&engine, BOB).await, 0);
    assert_eq!(engine.resume_transfers().await, Ok(3));
    assert_eq!(emoney(&engine, BOB).await, 150);
    assert_eq!(engine.resume_transfers().await, Ok(0));
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn what_is_under_way_comes_back_from_the_shelf_after_a_restart() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    fund(&engine, ANN, 500).await;
    open(&engine, BOB).await;
    let deposit = (Currency::EUR, eur(1_000));
    engine
        .deposit(OPERATOR, transfer(50), deposit)
        .await
        .expect("takes it");
    let paid = (Currency::EUR, eur(300));
    engine
        .pay_out(OPERATOR, transfer(51), paid)
        .await
        .expect("pays");
    let command = Command::Send {
        key: transfer(100),
        to: BOB,
        currency: Currency::EUR,
        amount: eur(50),
    };
    engine.wallet_command(ANN, command).await.expect("leaves");
    engine.snapshot().await.expect("a snapshot");
    engine.shutdown().await.expect("ends cleanly");

    let mut settings = settings(3);
    settings.history_from = Seq::new(1_000_000);
    let store = Memory::reopen(&tape).expect("free");
    let engine = Engine::start(Box::new(store), settings, &mut |_, _| {}).expect("starts");
    assert_eq!(emoney(&engine, BOB).await, 50, "driven at the start");
    let payouts = engine.payouts().await.expect("answers");
    assert_eq!(payouts.len(), 1);
    assert_eq!(
        (payouts[0].key, payouts[0].amount),
        (transfer(51), eur(300))
    );
    engine
        .settle_payout(OPERATOR, transfer(51))
        .await
        .expect("settles");
    assert_eq!(engine.payouts().await, Ok(Vec::new()));
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn an_operator_spends_what_it_earned_and_not_a_cent_more() {
    let tape = Tape::default();
    let (engine, _) = start(&tape, settings(2)).expect("starts");
    fund(&engine, ANN, 1_000).await;
    open(&engine, BOB).await;
    for number in 0..3 {
        sell(&engine, 10 + number).await;
    }
    // 3 x 120, less 1.5 % rounded for each.
    let earned = available(&engine, OPERATOR).await;
    let fees = available(&engine, OperatorId::PLATFORM).await;
    assert_eq!(earned + fees, 360);
    let too_much = (Currency::EUR, eur(earned + 1));
    let refused = engine.pay_out(OPERATOR, transfer(60), too_much).await;
    let short = operator::Refusal::InsufficientFunds {
        available: eur(earned),
        short_by: eur(1),
    };
    assert_eq!(refused, Err(Failure::Refused(short.into())));

    for _ in 0..2 {
        let paid = (Currency::EUR, eur(100));
        let paid = engine.pay_out(OPERATOR, transfer(61), paid).await;
        paid.expect("pays, and does it once");
    }
    assert_eq!(available(&engine, OPERATOR).await, earned - 100);
    engine
        .fail_payout(OPERATOR, transfer(61))
        .await
        .expect("comes back");
    assert_eq!(available(&engine, OPERATOR).await, earned);
    let settled = engine.settle_payout(OPERATOR, transfer(61)).await;
    assert_eq!(
        settled,
        Err(Failure::Refused(operator::Refusal::NoSuchTransfer.into())),
        "what came back was never paid"
    );

    for _ in 0..2 {
        let gift = engine.promote(OPERATOR, transfer(62), (BOB, eur(40))).await;
        gift.expect("arrives, and does so once");
    }
    assert_eq!(emoney(&engine, BOB).await, 40);
    let charged = (Currency::EUR, eur(10));
    engine
        .charge(OPERATOR, transfer(63), charged)
        .await
        .expect("pays the platform");
    assert_eq!(available(&engine, OPERATOR).await, earned - 50);
    assert_eq!(available(&engine, OperatorId::PLATFORM).await, fees + 10);
    // What is sold later can be spent at once.
    sell(&engine, 20).await;
    assert!(available(&engine, OPERATOR).await > earned - 50);
    engine.shutdown().await.expect("ends cleanly");
    let (engine, _) = start(&tape, settings(1)).expect("balanced");
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_charged_back_payment_is_owed_by_the_platform_until_it_covers_it() {
    let (engine, _) = start(&Tape::default(), settings(2)).expect("starts");
    open(&engine, ANN).await;
    let (card, back) = (transfer(70), transfer(71));
    engine
        .top_up_by_card(ANN, card, eur(300))
        .await
        .expect("is there at once");
    engine.settle_card(ANN, card).await.expect("settles");
    sell(&engine, 1).await;
    let moved = engine.charge_back(ANN, back, (card, eur(300))).await;
    assert_eq!(moved.expect("goes").balance.owed, eur(120));
    let platform = engine.operator(OperatorId::PLATFORM).await;
    let due = platform.expect("answers").purses()[0].due;
    assert_eq!(due, eur(120));
    let money = (Currency::EUR, eur(200));
    engine
        .deposit(OperatorId::PLATFORM, transfer(72), money)
        .await
        .expect("funds");
    let money = (Currency::EUR, eur(121));
    let refused = engine
        .cover(OperatorId::PLATFORM, transfer(73), money)
        .await;
    let not_due = operator::Refusal::NotDue { due: eur(120) };
    assert_eq!(
        refused,
        Err(Failure::Refused(OperatorRefusal::Rules(not_due)))
    );
    let money = (Currency::EUR, eur(120));
    engine
        .cover(OperatorId::PLATFORM, transfer(73), money)
        .await
        .expect("covers");
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_promotion_that_is_turned_away_comes_back_to_its_operator() {
    let (engine, _) = start(&Tape::default(), settings(2)).expect("starts");
    fund(&engine, BOB, AMOUNT_MAX).await;
    let money = (Currency::EUR, eur(100));
    engine
        .deposit(OPERATOR, transfer(50), money)
        .await
        .expect("takes it");
    for _ in 0..2 {
        let gift = engine.promote(OPERATOR, transfer(51), (BOB, eur(40))).await;
        assert!(matches!(
            gift,
            Err(Failure::Refused(TransferRefusal::Receiver(_)))
        ));
        assert_eq!(available(&engine, OPERATOR).await, 100);
    }
    engine.shutdown().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_trail_gives_every_record_once_from_any_place_while_more_are_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let small = FileSettings {
        segment_bytes: 4_096,
        ..FileSettings::default()
    };
    let store = File::open(dir.path(), small).expect("opens");
    let (engine, _) = start_on(Box::new(store), settings(2)).expect("starts");
    let mut trail = every_record_comes_once(&engine).await;
    let ahead = engine.events_from(Seq::new(602), 1).map(|_| ());
    let next = Seq::new(601);
    assert_eq!(
        ahead,
        Err(Failure::Refused(gettone::TrailRefusal::Ahead { next }))
    );
    engine.shutdown().await.expect("ends cleanly");
    assert!(trail.next().await.expect("it is live").is_none());
}
