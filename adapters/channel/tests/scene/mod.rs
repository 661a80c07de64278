//! Who and what the tests speak of: fixed keys, one sample of every item, and chance that repeats itself.
#![allow(dead_code, reason = "no test uses the whole scene")]

use core::str::FromStr;

use gettone_channel::*;

/// `N` bytes counting up from `first`.
pub(crate) fn bytes<const N: usize>(first: u8) -> [u8; N] {
    core::array::from_fn(|at| first.wrapping_add(u8::try_from(at % 256).expect("below 256")))
}

pub(crate) fn reader() -> StaticKey {
    StaticKey::from_bytes(bytes(0x01))
}

pub(crate) fn server() -> StaticKey {
    StaticKey::from_bytes(bytes(0x51))
}

pub(crate) fn ephemeral() -> Ephemeral {
    Ephemeral::from_bytes(bytes(0xA1))
}

pub(crate) fn addressed(direction: Direction) -> Header {
    Header {
        direction,
        server_epoch: 6,
        reader_id: reader_id(&reader().public()),
        sequence: 77,
    }
}

pub(crate) const EPOCH: JournalEpoch =
    JournalEpoch::from_bytes([0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17]);

pub(crate) fn nonce() -> Nonce {
    Nonce::from_bytes(bytes(0x20))
}

pub(crate) fn hello() -> Item {
    Item::Hello(Hello {
        journal_epoch: EPOCH,
        boot: 7,
        nonce: nonce(),
        bind: Bind::from_bytes(bytes(0x40)),
        rseq_oldest: 11,
        rseq_newest: 42,
        acked: 40,
        chain: Chain::from_bytes(bytes(0x70)),
        uptime_ms: 123_456_789,
        utc_est: Utc::from_unix_ms(1_700_000_000_123),
        utc_err_s: 5,
        cfg: 3,
        fw: 0x01_02_03,
        mdb_state: MdbState::Enabled,
        flags: HelloFlags::JOURNAL_FULL,
        currency: 978,
        exponent: 2,
        scale: 5,
        max_price: 350,
        vmc_level: 2,
        vmc_id: VmcId::from_bytes(bytes(0x80)),
        step: 99,
    })
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        rseq: 42,
        kind: ReceiptKind::VendOk,
        grant: VendId::from_bytes(bytes(0x90)),
        item: 17,
        amount: 150,
        boot: 7,
        mono_ms: 123_450_000,
        utc_est: None,
        flags: ReceiptFlags::BY_RESET.and(ReceiptFlags::UNDER_SECOND),
        ms: 640,
        prev: Chain::from_bytes(bytes(0xA0)),
    }
}

pub(crate) fn grant() -> Item {
    Item::Grant(Grant {
        grant: VendId::from_bytes(bytes(0x90)),
        nonce: nonce(),
        bind: Bind::from_bytes(bytes(0x40)),
        currency: 978,
        exponent: 2,
        max_spend: 500,
        max_vends: 3,
        max_revalue: 2_000,
        show_balance: -125,
        ttl_s: 300,
        favourite: Favourite::new(17, 0x01_02_03_04),
    })
}

pub(crate) fn ack() -> Item {
    Item::Ack(Ack {
        journal_epoch: EPOCH,
        upto: 42,
        chain: Chain::from_bytes(bytes(0x70)),
    })
}

pub(crate) fn time() -> Item {
    Item::Time(Time {
        utc: Utc::from_unix_ms(1_700_000_000_456),
        nonce: nonce(),
    })
}

/// One of every item a reader sends, in the order of the types.
pub(crate) fn reports() -> Vec<Item> {
    let row = |item, price, count, value| CounterRow {
        item,
        price,
        count,
        value,
    };
    vec![
        hello(),
        Item::Receipt(receipt()),
        Item::KeyUpdate(KeyUpdate {
            new_r_pub: PublicKey::from_bytes(bytes(0xB0)),
            key_epoch: 2,
        }),
        Item::Epoch(EPOCH),
        Item::TokenKey(TokenKeyUpdate {
            k_tok: TokenKey::from_bytes(bytes(0xC0)),
            step: 99,
        }),
        Item::Counters(Counters {
            journal_epoch: EPOCH,
            seq: 6,
            rows: vec![row(17, 150, 3, 450), row(18, 200, 1, 200)],
            cash_in: 650,
            errors: 2,
        }),
        Item::Audit(Audit {
            journal_epoch: EPOCH,
            aseq: 5,
            code: AuditCode::ACK_MISMATCH,
            n: 4,
            boot: 7,
            mono_ms: 123,
            data: bytes(0xD0),
        }),
        Item::Diagnostics(Diagnostics {
            id: 9,
            part: 1,
            of: 3,
            order: Order {
                boot: 7,
                uptime_ms: 123,
            },
            text: "uptime_s 61\n".to_owned(),
        }),
    ]
}

/// One of every item the server sends, in the order of the types.
pub(crate) fn answers() -> Vec<Item> {
    let s_pub = PublicKey::from_bytes(bytes(0xB0));
    vec![
        grant(),
        ack(),
        time(),
        Item::Config(Config {
            version: 4,
            manifest: ManifestHash::from_bytes(bytes(0xE0)),
            size: 65_536,
        }),
        Item::Refuse {
            nonce: nonce(),
            reason: RefuseReason::Pending,
        },
        Item::ServerKey(ServerKey {
            epoch: 6,
            s_pub,
            activate: true,
        }),
        Item::Lock(Lock {
            version: 8,
            state: LockState::Locked,
        }),
        Item::Call(CallId::from_bytes(bytes(0x30))),
        Item::KeyAck(KeyAck {
            key_epoch: 2,
            key: KeyCheck::of(&s_pub),
        }),
        Item::Resend(Resend {
            nonce: nonce(),
            journal_epoch: EPOCH,
            from: 12,
        }),
        Item::AuditAck(AuditAck {
            journal_epoch: EPOCH,
            upto: 5,
        }),
        Item::Diagnose(Diagnose { id: 9 }),
    ]
}

pub(crate) fn secret() -> Secret {
    Secret::light(bytes(0x60))
}

pub(crate) fn hello1() -> Hello1 {
    Hello1 {
        version: LINK_VERSION,
        caps: 0x8001,
    }
}

pub(crate) fn link1() -> (Initiator, Vec<u8>) {
    Initiator::start(
        &secret().psk(),
        Ephemeral::from_bytes(bytes(0x31)),
        hello1(),
    )
    .expect("Link 1")
}

pub(crate) fn accept(link1: &[u8]) -> Result<(Link, Vec<u8>, Hello1), LinkFault> {
    Responder::accept(&secret().psk(), Ephemeral::from_bytes(bytes(0x71)), link1)
}

/// A link that is up: the phone's end, then the reader's.
pub(crate) fn linked() -> (Link, Link) {
    let (phone, link1) = link1();
    let (reader, link2, _) = accept(&link1).expect("Link 2");
    (phone.finish(&link2).expect("a link"), reader)
}

pub(crate) fn status() -> Status {
    Status {
        state: BoardState::Granted,
        remaining: 350,
        last: LastResult::Vended,
        reason: StatusReason::AboveCap,
        short_by: 20,
        line: "Präzise: 1,50 €".to_owned(),
        resume: Some(ResumeSecret::from_bytes(bytes(0x60))),
    }
}

/// The smallest envelope from the reader that means something.
pub(crate) fn report_envelope() -> Vec<u8> {
    let items = [Item::Epoch(EPOCH), Item::Receipt(receipt())];
    seal(
        addressed(Direction::ToServer),
        &reader(),
        &server().public(),
        ephemeral(),
        &items,
    )
    .expect("an envelope")
}

/// The envelope with which the server grants.
pub(crate) fn answer_envelope() -> Vec<u8> {
    let items = [ack(), time(), grant()];
    seal(
        addressed(Direction::ToReader),
        &server(),
        &reader().public(),
        ephemeral(),
        &items,
    )
    .expect("an envelope")
}

/// Reads hexadecimal digits, over as many lines as they take.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let (pairs, odd) = digits.as_chunks::<2>();
    assert!(odd.is_empty(), "whole bytes");
    let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).expect("ASCII"), 16);
    pairs
        .iter()
        .map(|pair| byte(pair.as_slice()).expect("two digits"))
        .collect()
}

pub(crate) fn id<T: FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no such id"))
}

/// Every message that differs from this one in exactly one bit, with the bit's number.
pub(crate) fn flipped(message: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..message.len() * 8).map(|bit| {
        let mut changed = message.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        (bit, changed)
    })
}

/// SplitMix64: chance from a seed, the same every time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draws a number below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end as u64).expect("below a usize")
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.draw().to_be_bytes()[0]).collect()
    }
}
