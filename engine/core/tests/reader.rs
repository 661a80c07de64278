//! What the server makes of a reader's news: orders, gaps, chains, fences.

use gettone_core::entity::Entity;
use gettone_core::grant::{Purpose, Terms};
use gettone_core::id::{
    Chain, Item, JournalEpoch, MachineId, Nonce, OperatorId, Order, ReaderKey, Rseq, VendId, VmcId,
    WalletId,
};
use gettone_core::money::{Amount, Currency};
use gettone_core::notice::{Code, Notice};
use gettone_core::reader::{
    Answer, Ask, Command, Contradiction, Due, Event, Facts, Hello, Life, News, Reader, Refusal,
    Standing, Step,
};
use gettone_core::receipt::{Flags, Receipt, ReceiptKind};
use gettone_core::snapshot;
use gettone_core::time::Timestamp;

const EPOCH: JournalEpoch = JournalEpoch::from_bytes([1; 8]);
const FIRST: Chain = Chain::from_bytes([0xee; 8]);
const ANN: WalletId = WalletId::new(1);
const BOB: WalletId = WalletId::new(2);

fn chain(epoch: JournalEpoch, rseq: u64) -> Chain {
    if rseq == 0 {
        return FIRST;
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&rseq.to_be_bytes());
    bytes[0] = epoch.as_bytes()[0];
    Chain::from_bytes(bytes)
}

fn vend(number: u8) -> VendId {
    VendId::from_bytes([number; 16])
}

fn receipt(rseq: u64, grant: u8) -> Receipt {
    Receipt {
        rseq: Rseq::new(rseq),
        kind: ReceiptKind::VendOk,
        grant: vend(grant),
        item: Item::new(3),
        amount: Amount::from_minor(120),
        order: Order {
            boot: 1,
            uptime_ms: rseq * 10,
        },
        flags: Flags::default(),
        after_ms: 900,
        prev: chain(EPOCH, rseq - 1),
        chain: chain(EPOCH, rseq),
    }
}

fn hello(number: u8, uptime_ms: u64, rseq_newest: u64) -> Hello {
    Hello {
        epoch: EPOCH,
        order: Order { boot: 1, uptime_ms },
        nonce: Nonce::from_bytes([number; 16]),
        rseq_newest,
        acked: 0,
        facts: Facts::default(),
    }
}

fn ask(number: u8, wallet: WalletId) -> Ask {
    Ask {
        nonce: Nonce::from_bytes([number; 16]),
        vend: vend(number),
        wallet,
        terms: Terms {
            operator: OperatorId::new(1),
            machine: MachineId::new(1),
            cap: Amount::from_minor(500),
            least: Amount::from_minor(50),
            vends_max: 2,
            fee_basis_points: 0,
            revalue_max: Amount::ZERO,
            purpose: Purpose::Sale,
        },
    }
}

fn news(hello: Option<Hello>, ask: Option<Ask>, receipts: &[Receipt]) -> Command {
    Command::Hear(News {
        epoch: hello.map_or(EPOCH, |hello| hello.epoch),
        first: FIRST,
        hello,
        ask,
        receipts: receipts.to_vec(),
        notices: Vec::new(),
        counters: None,
    })
}

/// Has `command` decided and taken in; whether it did anything.
fn tell(reader: &mut Reader, command: &Command) -> Result<bool, Refusal> {
    let event = reader.decide(command, Timestamp::default())?;
    if let Some(event) = &event {
        reader.evolve(event);
        let mut bytes = Vec::new();
        snapshot::encode(reader, &mut bytes).expect("small enough");
        assert_eq!(
            snapshot::decode(&bytes).as_ref(),
            Ok(&*reader),
            "off a shelf"
        );
    }
    Ok(event.is_some())
}

fn enrolled() -> Reader {
    let mut reader = Reader::default();
    let enrol = Command::Enrol {
        key: ReaderKey::from_bytes([9; 32]),
        machine: MachineId::new(1),
        operator: OperatorId::new(1),
        currency: Currency::EUR,
    };
    assert_eq!(tell(&mut reader, &enrol), Ok(true));
    assert_eq!(tell(&mut reader, &enrol), Ok(false), "a retry is harmless");
    reader
}

const GRANTED: Answer = Answer::Granted {
    held: Amount::from_minor(500),
    vends_max: 2,
    revalue_max: Amount::ZERO,
    balance: Amount::from_minor(800),
};

/// Does every step that is due, as the engine would; gives them in short words.
fn drive(reader: &mut Reader) -> Vec<String> {
    let mut steps = Vec::new();
    while let Some(due) = reader.due() {
        let (words, command) = match due {
            Due::Apply {
                epoch,
                receipt,
                wallet,
            } => (
                format!(
                    "apply {} to {}",
                    receipt.rseq,
                    wallet.map_or("nobody".to_owned(), |wallet| wallet.to_string())
                ),
                Command::Apply {
                    epoch,
                    rseq: receipt.rseq,
                },
            ),
            Due::Fence { ask } => (
                format!("fence {}", ask.nonce.as_bytes()[0]),
                Command::Fence { nonce: ask.nonce },
            ),
            Due::Orphan { ask } => (
                format!("orphan {}", ask.nonce.as_bytes()[0]),
                Command::Fence { nonce: ask.nonce },
            ),
            Due::Hold { ask } => (
                format!("hold {}", ask.nonce.as_bytes()[0]),
                Command::Answer {
                    nonce: ask.nonce,
                    answer: GRANTED,
                },
            ),
        };
        steps.push(words);
        assert_eq!(tell(reader, &command), Ok(true));
        assert_eq!(
            tell(reader, &command),
            Ok(false),
            "a step done twice has one effect"
        );
        assert!(steps.len() < 1_000, "the chain never ends");
    }
    steps
}

#[test]
fn a_reader_lives_by_this_table() {
    let lives = [
        Life::Unknown,
        Life::Pending,
        Life::Active,
        Life::Quarantined,
        Life::Revoked,
    ];
    let steps = [Step::Enrol, Step::Hear, Step::Contradict, Step::Revoke];
    let mut picture = String::from("             Enrol        Hear         Contradict   Revoke\n");
    for life in lives {
        picture.push_str(&format!("{:<13}", format!("{life:?}")));
        for step in steps {
            let cell = life
                .after(step)
                .map_or(".".to_owned(), |next| format!("{next:?}"));
            picture.push_str(&format!("{cell:<13}"));
        }
        picture = picture.trim_end().to_owned() + "\n";
    }
    assert_eq!(
        picture,
        "             Enrol        Hear         Contradict   Revoke\n\
         Unknown      Pending      .            .            .\n\
         Pending      .            Active       Quarantined  Revoked\n\
         Active       .            Active       Quarantined  Revoked\n\
         Quarantined  .            Quarantined  Quarantined  Revoked\n\
         Revoked      .            .            .            .\n"
    );
}

#[test]
fn a_claim_is_answered_once_and_a_repeated_relay_finds_the_answer() {
    let mut reader = enrolled();
    let relay = news(Some(hello(1, 100, 0)), Some(ask(1, ANN)), &[]);
    assert_eq!(tell(&mut reader, &relay), Ok(true));
    assert_eq!(reader.standing(&hello(1, 100, 0), Some(ANN)), Standing::Due);
    assert_eq!(drive(&mut reader), ["hold 1"]);
    assert_eq!(tell(&mut reader, &relay), Ok(false));
    assert_eq!(drive(&mut reader), [""; 0]);
    assert_eq!(
        reader.standing(&hello(1, 100, 0), Some(ANN)),
        Standing::Answered(GRANTED)
    );
}

#[test]
fn another_account_gets_nothing_of_a_claimed_hello() {
    let mut reader = enrolled();
    tell(
        &mut reader,
        &news(Some(hello(1, 100, 0)), Some(ask(1, ANN)), &[]),
    )
    .expect("heard");
    assert_eq!(
        tell(
            &mut reader,
            &news(Some(hello(1, 100, 0)), Some(ask(1, BOB)), &[])
        ),
        Ok(false)
    );
    assert_eq!(
        reader.standing(&hello(1, 100, 0), Some(BOB)),
        Standing::Taken
    );
}

#[test]
fn a_hello_that_nobody_claimed_may_be_claimed_later() {
    let mut reader = enrolled();
    tell(&mut reader, &news(Some(hello(1, 100, 0)), None, &[])).expect("heard");
    assert_eq!(
        reader.standing(&hello(1, 100, 0), Some(ANN)),
        Standing::Unclaimed
    );
    tell(
        &mut reader,
        &news(Some(hello(1, 100, 0)), Some(ask(1, ANN)), &[]),
    )
    .expect("heard");
    assert_eq!(drive(&mut reader), ["hold 1"]);
}

#[test]
fn an_older_hello_brings_receipts_but_gets_no_grant_and_fences_nothing() {
    let mut reader = enrolled();
    tell(
        &mut reader,
        &news(Some(hello(2, 200, 0)), Some(ask(2, ANN)), &[]),
    )
    .expect("heard");
    drive(&mut reader);
    let late = news(Some(hello(1, 100, 1)), Some(ask(1, BOB)), &[receipt(1, 2)]);
    assert_eq!(tell(&mut reader, &late), Ok(true));
    assert_eq!(
        reader.standing(&hello(1, 100, 1), Some(BOB)),
        Standing::Stale
    );
    assert_eq!(drive(&mut reader), ["apply 1 to 1"]);
}

#[test]
fn a_newer_hello_fences_once_all_that_it_knows_of_is_applied_and_not_before() {
    let mut reader = enrolled();
    tell(
        &mut reader,
        &news(Some(hello(1, 100, 0)), Some(ask(1, ANN)), &[]),
    )
    .expect("heard");
    drive(&mut reader);
    let second = news(Some(hello(2, 200, 2)), Some(ask(2, BOB)), &[receipt(2, 1)]);
    tell(&mut reader, &second).expect("heard");
    assert_eq!(
        drive(&mut reader),
        ["hold 2"],
        "receipt 1 is missing: no fence"
    );
    tell(&mut reader, &news(None, None, &[receipt(1, 1)])).expect("heard");
    assert_eq!(
        drive(&mut reader),
        ["apply 1 to 1", "apply 2 to 1", "fence 1"]
    );
}

#[test]
fn a_claim_that_was_overtaken_before_it_held_is_fenced_not_held() {
    let mut reader = enrolled();
    tell(
        &mut reader,
        &news(Some(hello(1, 100, 0)), Some(ask(1, ANN)), &[]),
    )
    .expect("heard");
    tell(&mut reader, &news(Some(hello(2, 200, 0)), None, &[])).expect("heard");
    assert_eq!(drive(&mut reader), ["fence 1"]);
    assert_eq!(
        reader.standing(&hello(1, 100, 0), Some(ANN)),
        Standing::Stale
    );
}

#[test]
fn an_ack_covers_what_is_recorded_without_a_gap() {
    let mut reader = enrolled();
    tell(
        &mut reader,
        &news(None, None, &[receipt(1, 1), receipt(3, 1)]),
    )
    .expect("heard");
    assert_eq!(reader.recorded(EPOCH), Some((1, chain(EPOCH, 1))));
    tell(&mut reader, &news(None, None, &[receipt(2, 1)])).expect("heard");
    assert_eq!(reader.recorded(EPOCH), Some((3, chain(EPOCH, 3))));
}

#[test]
fn what_contradicts_itself_is_quarantined_and_gets_no_grants() {
    let other = Receipt {
        chain: Chain::from_bytes([7; 8]),
        ..receipt(1, 1)
    };
    let unlinked = Receipt {
        prev: Chain::from_bytes([7; 8]),
        ..receipt(2, 1)
    };
    let cases = [
        (
            news(None, None, &[other]),
            Contradiction::OtherContent { rseq: 1 },
        ),
        (
            news(None, None, &[unlinked]),
            Contradiction::BrokenChain { rseq: 2 },
        ),
        (
            news(Some(hello(2, 200, 0)), Some(ask(2, ANN)), &[]),
            Contradiction::Rollback { rseq: 1 },
        ),
    ];
    for (command, contradiction) in cases {
        let mut reader = enrolled();
        tell(&mut reader, &news(None, None, &[receipt(1, 1)])).expect("heard");
        drive(&mut reader);
        assert_eq!(tell(&mut reader, &command), Ok(true));
        assert_eq!(reader.life(), Life::Quarantined);
        assert_eq!(reader.contradiction(), Some(contradiction));
        assert_eq!(drive(&mut reader), [""; 0], "nothing of it has an effect");
        assert_eq!(
            reader.standing(&hello(2, 200, 0), Some(ANN)),
            Standing::Distrusted
        );
    }
}

#[test]
fn a_receipt_written_after_a_late_hello_proves_no_rollback() {
    let mut reader = enrolled();
    tell(&mut reader, &news(None, None, &[receipt(1, 1)])).expect("heard");
    // Receipt 1 was written at 10 ms; this HELLO was made before that and comes late.
    tell(&mut reader, &news(Some(hello(1, 5, 0)), None, &[])).expect("heard");
    assert_eq!(reader.life(), Life::Active);
}

#[test]
fn a_newest_hello_from_a_replaced_journal_is_quarantined() {
    let mut reader = enrolled();
    tell(&mut reader, &news(Some(hello(1, 100, 0)), None, &[])).expect("heard");
    let replaced = Hello {
        epoch: JournalEpoch::from_bytes([2; 8]),
        ..hello(2, 200, 0)
    };
    tell(&mut reader, &news(Some(replaced), None, &[])).expect("heard");
    assert_eq!(reader.life(), Life::Active);
    tell(&mut reader, &news(Some(hello(3, 300, 0)), None, &[])).expect("heard");
    assert_eq!(reader.contradiction(), Some(Contradiction::OldEpoch));
}

#[test]
fn a_server_that_lost_receipts_asks_for_them_before_it_grants() {
    let mut reader = enrolled();
    let ahead = Hello {
        acked: 5,
        ..hello(1, 100, 5)
    };
    tell(
        &mut reader,
        &news(Some(ahead), Some(ask(1, ANN)), &[receipt(1, 1)]),
    )
    .expect("heard");
    assert_eq!(
        reader.standing(&ahead, Some(ANN)),
        Standing::Lost { from: 2 }
    );
    assert_eq!(drive(&mut reader), ["apply 1 to nobody"]);
}

#[test]
fn a_revoked_reader_is_not_heard() {
    let mut reader = enrolled();
    assert_eq!(tell(&mut reader, &Command::Revoke), Ok(true));
    assert_eq!(
        tell(&mut reader, &news(None, None, &[receipt(1, 1)])),
        Err(Refusal::Revoked)
    );
}

#[test]
fn receipts_in_any_order_and_any_number_of_times_are_applied_once_and_in_order() {
    for seed in 0..500_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut reader = enrolled();
        let mut applied = Vec::new();
        let mut seen = 0;
        while seen < 20 {
            let first = 1 + dice(20);
            let batch: Vec<Receipt> = (0..dice(4))
                .map(|n| receipt(1 + (first + n * (1 + dice(3))) % 20, 1))
                .collect();
            tell(&mut reader, &news(None, None, &batch)).expect("heard");
            applied.extend(drive(&mut reader));
            seen = reader.applied(EPOCH);
        }
        let expected: Vec<String> = (1..=20).map(|n| format!("apply {n} to nobody")).collect();
        assert_eq!(applied, expected, "seed {seed}");
        assert_eq!(reader.life(), Life::Active, "seed {seed}");
    }
}

#[test]
fn an_event_is_recorded_for_every_change_and_none_for_a_repeat() {
    let mut reader = enrolled();
    let relay = news(Some(hello(1, 100, 1)), None, &[receipt(1, 1)]);
    let event = reader
        .decide(&relay, Timestamp::default())
        .expect("allowed")
        .expect("new");
    let Event::Heard { receipts, .. } = &event else {
        panic!("{event:?}");
    };
    assert_eq!(receipts.len(), 1);
    reader.evolve(&event);
    assert_eq!(reader.decide(&relay, Timestamp::default()), Ok(None));
}

#[test]
fn notices_are_recorded_once_without_a_gap_and_a_lost_one_stands_for_its_own() {
    let mut reader = enrolled();
    let notice = |aseq, code, n| Notice {
        aseq,
        code,
        n,
        order: Order {
            boot: 1,
            uptime_ms: aseq,
        },
        data: [0; 8],
    };
    let told = |notices: &[Notice]| {
        let Command::Hear(mut heard) = news(None, None, &[]) else {
            panic!("news");
        };
        heard.notices = notices.to_vec();
        Command::Hear(heard)
    };
    let mut hear = |notices: &[Notice]| {
        let is_news = tell(&mut reader, &told(notices));
        (is_news, reader.noticed(EPOCH))
    };
    let (one, two) = (notice(1, Code::SENSOR, 1), notice(2, Code::SENSOR, 3));
    assert_eq!(hear(&[one, two]), (Ok(true), 2));
    assert_eq!(hear(&[one, two]), (Ok(false), 2), "again");
    assert_eq!(hear(&[notice(5, Code::SENSOR, 1)]), (Ok(false), 2), "a gap");
    let lost = notice(40, Code::LOST, 38);
    let taken = notice(41, Code::LOCK_TAKEN, 6);
    assert_eq!(hear(&[lost, taken]), (Ok(true), 41));
    assert_eq!(reader.lock_taken(), 6);
    let many = vec![one; gettone_core::reader::NOTICES_MAX + 1];
    assert_eq!(tell(&mut reader, &told(&many)), Err(Refusal::TooMuch));
}

#[test]
fn what_a_lost_journal_was_granted_is_decided_as_nobody_knows() {
    let mut reader = enrolled();
    assert_eq!(
        tell(
            &mut reader,
            &news(Some(hello(1, 10, 0)), Some(ask(1, ANN)), &[])
        ),
        Ok(true)
    );
    drive(&mut reader);
    let later = Hello {
        epoch: JournalEpoch::from_bytes([2; 8]),
        ..hello(2, 20, 0)
    };
    assert_eq!(tell(&mut reader, &news(Some(later), None, &[])), Ok(true));
    assert!(matches!(reader.due(), Some(Due::Orphan { ask }) if ask.wallet == ANN));
}

#[test]
fn a_revoked_reader_leaves_its_grants_to_be_decided_and_its_claims_unheld() {
    let mut reader = enrolled();
    let claim = |number, at| news(Some(hello(number, at, 0)), Some(ask(number, ANN)), &[]);
    assert_eq!(tell(&mut reader, &claim(1, 10)), Ok(true));
    drive(&mut reader);
    assert_eq!(tell(&mut reader, &claim(2, 20)), Ok(true));
    assert_eq!(tell(&mut reader, &Command::Revoke), Ok(true));
    let mut steps = Vec::new();
    while let Some(due) = reader.due() {
        let ask = match due {
            Due::Orphan { ask } => {
                steps.push("orphan");
                ask
            }
            Due::Fence { ask } => {
                steps.push("fence");
                ask
            }
            Due::Apply { .. } | Due::Hold { .. } => panic!("{due:?}"),
        };
        let fence = Command::Fence { nonce: ask.nonce };
        assert_eq!(tell(&mut reader, &fence), Ok(true));
    }
    assert_eq!(steps, ["orphan", "fence"]);
}

#[test]
fn another_controller_is_doubted_until_somebody_has_looked() {
    let mut reader = enrolled();
    let hear = |reader: &mut Reader, number: u8, byte: u8| {
        let vmc = VmcId::from_bytes([byte; 8]);
        let doubt = Command::DoubtController { vmc };
        let doubted = tell(reader, &doubt).expect("it is enrolled");
        let facts = Facts {
            vmc,
            ..Facts::default()
        };
        let hello = Hello {
            facts,
            ..hello(number, u64::from(number) * 10, 5)
        };
        tell(reader, &news(Some(hello), None, &[])).expect("heard");
        doubted
    };
    assert!(!hear(&mut reader, 1, 7), "the first one it is at");
    assert!(!hear(&mut reader, 2, 0), "none has told who it is");
    assert!(!hear(&mut reader, 3, 7), "the same after a start");
    assert!(!hear(&mut reader, 4, 0));
    assert!(hear(&mut reader, 5, 8), "another one");
    assert!(!hear(&mut reader, 6, 8), "one alarm");
    let eight = Some(VmcId::from_bytes([8; 8]));
    assert_eq!(reader.doubted_controller(), eight);
    assert_eq!(tell(&mut reader, &Command::TrustController), Ok(true));
    assert_eq!(tell(&mut reader, &Command::TrustController), Ok(false));
    assert_eq!(reader.doubted_controller(), None);
    assert!(!hear(&mut reader, 7, 8), "confirmed");
    assert!(hear(&mut reader, 8, 7), "and back again");
    assert_eq!(tell(&mut reader, &Command::Revoke), Ok(true));
    let seven = Some(VmcId::from_bytes([7; 8]));
    assert_eq!(reader.doubted_controller(), seven, "nobody has looked");
    assert_eq!(tell(&mut reader, &Command::TrustController), Ok(true));
    assert_eq!(reader.doubted_controller(), None);
}

#[test]
fn a_reader_is_known_by_what_it_said_last_and_a_changed_controller_shows() {
    let mut reader = enrolled();
    assert_eq!(reader.heard(), None);
    let vmc = |byte| Facts {
        firmware: 3,
        mdb_state: 3,
        vmc: VmcId::from_bytes([byte; 8]),
    };
    for (number, byte) in [(1, 7), (2, 7), (3, 8)] {
        let hello = Hello {
            facts: vmc(byte),
            ..hello(number, u64::from(number) * 10, 5)
        };
        let command = news(Some(hello), None, &[]);
        let now = Timestamp::from_millis(u64::from(number));
        let event = reader.decide(&command, now).expect("heard").expect("new");
        reader.evolve(&event);
        let heard = reader.heard().expect("it spoke");
        assert_eq!(heard.at, now);
        assert_eq!(heard.receipts_waiting, 5);
        let changed = (byte == 8).then(|| VmcId::from_bytes([7; 8]));
        assert_eq!(heard.vmc_before, changed);
    }
}
