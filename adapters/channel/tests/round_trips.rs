//! Any items at all, there and back.

use gettone_channel::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x6765_7474_6F6E_6501),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_a_reader_writes_the_server_reads(items in prop::collection::vec(any_report(), 0..12)) {
        there_and_back(Direction::ToServer, &items)?;
    }

    #[test]
    fn what_the_server_writes_a_reader_reads(items in prop::collection::vec(any_answer(), 0..40)) {
        there_and_back(Direction::ToReader, &items)?;
    }

    #[test]
    fn every_body_of_63_bytes_is_one_receipt_or_none(mut body in any::<[u8; Receipt::LEN]>()) {
        body[8] %= 16;
        if let Some(receipt) = Receipt::from_bytes(&body) {
            prop_assert_eq!(receipt.to_bytes(), body);
        }
    }
}

fn there_and_back(direction: Direction, items: &[Item]) -> Result<(), TestCaseError> {
    let len: usize = items.iter().map(Item::encoded_len).sum();
    match encode(direction, items) {
        Ok(list) => {
            prop_assert_eq!(list.len(), len);
            prop_assert_eq!(decode(direction, &list), Ok(items.to_vec()));
        }
        Err(fault) => {
            prop_assert!(len > PLAINTEXT_LEN_MAX);
            prop_assert_eq!(fault, ItemFault::TooLong { len });
        }
    }
    Ok(())
}

fn any_report() -> BoxedStrategy<Item> {
    prop_oneof![
        drawn().prop_map(Item::Hello),
        drawn().prop_map(Item::Receipt),
        drawn().prop_map(Item::KeyUpdate),
        drawn().prop_map(Item::Epoch),
        drawn().prop_map(Item::TokenKey),
        drawn().prop_map(Item::Counters),
        drawn().prop_map(Item::Audit),
        any_part().prop_map(Item::Diagnostics),
    ]
    .boxed()
}

fn any_part() -> impl Strategy<Value = Diagnostics> {
    let order = any::<(u32, u64)>().prop_map(|(boot, uptime_ms)| Order { boot, uptime_ms });
    (any::<u32>(), 0_u8..8, 0_u8..8, order, "[ -~\n]{1,1024}").prop_map(
        |(id, one, other, order, text)| Diagnostics {
            id,
            part: one.min(other),
            of: one.max(other) + 1,
            order,
            text,
        },
    )
}

fn any_answer() -> BoxedStrategy<Item> {
    prop_oneof![
        drawn().prop_map(Item::Grant),
        drawn().prop_map(Item::Ack),
        drawn().prop_map(Item::Time),
        drawn().prop_map(Item::Config),
        (drawn(), drawn()).prop_map(|(nonce, reason)| Item::Refuse { nonce, reason }),
        drawn().prop_map(Item::ServerKey),
        drawn().prop_map(Item::Lock),
        drawn().prop_map(Item::Call),
        drawn().prop_map(Item::KeyAck),
        drawn().prop_map(Item::Resend),
        drawn().prop_map(Item::AuditAck),
        any::<u32>().prop_map(|id| Item::Diagnose(Diagnose { id })),
    ]
    .boxed()
}

/// A type of which any value may be drawn.
trait Drawn: Sized + core::fmt::Debug + 'static {
    fn drawn() -> BoxedStrategy<Self>;
}

fn drawn<T: Drawn>() -> BoxedStrategy<T> {
    T::drawn()
}

macro_rules! plain {
    ($($ty:ty),*) => {$(
        impl Drawn for $ty {
            fn drawn() -> BoxedStrategy<Self> {
                any::<$ty>().boxed()
            }
        }
    )*};
}
plain!(u8, u16, u32, u64, i32, bool, [u8; 8]);

fn made_by<A: Arbitrary + 'static, T: Drawn>(from: fn(A) -> T) -> BoxedStrategy<T> {
    any::<A>().prop_map(from).boxed()
}

macro_rules! made {
    ($($ty:ty: $from:expr;)*) => {$(
        impl Drawn for $ty {
            fn drawn() -> BoxedStrategy<Self> {
                made_by($from)
            }
        }
    )*};
}
made! {
    JournalEpoch: JournalEpoch::from_bytes;
    Nonce: Nonce::from_bytes;
    Bind: Bind::from_bytes;
    Chain: Chain::from_bytes;
    VendId: VendId::from_bytes;
    VmcId: VmcId::from_bytes;
    PublicKey: PublicKey::from_bytes;
    TokenKey: TokenKey::from_bytes;
    ManifestHash: ManifestHash::from_bytes;
    CallId: CallId::from_bytes;
    KeyCheck: KeyCheck::from_bytes;
    HelloFlags: HelloFlags::from_bits;
    ReceiptFlags: ReceiptFlags::from_bits;
    AuditCode: AuditCode::from_code;
    Option<Utc>: |ms: Option<u64>| ms.and_then(Utc::from_unix_ms);
    Option<Favourite>: |it: Option<(u16, u32)>| it.and_then(|(item, options)| Favourite::new(item, options));
}

macro_rules! chosen {
    ($($ty:ty),*) => {$(
        impl Drawn for $ty {
            fn drawn() -> BoxedStrategy<Self> {
                prop::sample::select(<$ty>::ALL).boxed()
            }
        }
    )*};
}
chosen!(MdbState, ReceiptKind, RefuseReason, LockState);

impl Drawn for Vec<CounterRow> {
    fn drawn() -> BoxedStrategy<Self> {
        prop::collection::vec(drawn(), 0..=COUNTER_ROWS_MAX).boxed()
    }
}

/// Pairs of pairs, as deep as it takes: proptest knows tuples of 12 at most, and HELLO has 22 fields.
macro_rules! tower {
    ($last:ident) => { $last };
    ($next:ident, $($more:ident),+) => { ($next, tower!($($more),+)) };
}

macro_rules! filled {
    ($($ty:ident { $($field:ident),* })*) => {$(
        impl Drawn for $ty {
            fn drawn() -> BoxedStrategy<Self> {
                $( let $field = drawn(); )*
                tower!($($field),*).prop_map(|tower!($($field),*)| $ty { $($field),* }).boxed()
            }
        }
    )*};
}
filled! {
    Hello {
        journal_epoch, boot, nonce, bind, rseq_oldest, rseq_newest, acked, chain, uptime_ms, utc_est, utc_err_s, cfg,
        fw, mdb_state, flags, currency, exponent, scale, max_price, vmc_level, vmc_id, step
    }
    Receipt { rseq, kind, grant, item, amount, boot, mono_ms, utc_est, flags, ms, prev }
    KeyUpdate { new_r_pub, key_epoch }
    TokenKeyUpdate { k_tok, step }
    Counters { journal_epoch, seq, rows, cash_in, errors }
    CounterRow { item, price, count, value }
    Audit { journal_epoch, aseq, code, n, boot, mono_ms, data }
    Grant {
        grant, nonce, bind, currency, exponent, max_spend, max_vends, max_revalue, show_balance, ttl_s, favourite
    }
    Ack { journal_epoch, upto, chain }
    Time { utc, nonce }
    Config { version, manifest, size }
    ServerKey { epoch, s_pub, activate }
    Lock { version, state }
    KeyAck { key_epoch, key }
    Resend { nonce, journal_epoch, from }
    AuditAck { journal_epoch, upto }
}
