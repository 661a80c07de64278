//! The audit of a machine: what is read, what is left out, what is refused.

use gettone_mdb::bounds::{DTS_LEN_MAX, DTS_LINE_MAX, DTS_LINES_MAX};
use gettone_mdb::dts::{Dts, DtsFault, Expected, Source, Whole};

const AUDIT: &str = "\
DXS*GTN0000001*VA*V0/6*1
ST*001*0001
ID1*SN-0042*Model 7*0100*Hall B**ASSET9
ID4*2*978*EUR
ID5*260228*235958
VA1*125000*1041*2400*20
CA2*90000*750*1800*15
CA3*2000*1500*400*500*99000*70000*20000*9000
DA2*35000*291*600*5
PA1*11*120*Espresso
PA2*600*72000*12*1440
PA5*260201*0915
PA1*12*150*Tea
PA2*441*53000*8*960
PA1*13**Soup
EA1*EGS*260227*0801
EA2*EJL*2*17
EA7*3*41
G85*1A2B
SE*19*0001
DXE*1*1
";

fn audit() -> Dts<'static> {
    Dts::parse(AUDIT.as_bytes()).expect("a good audit")
}

#[test]
fn counters_prices_and_events_are_read() {
    let audit = audit();
    assert_eq!(audit.whole(), Whole::Yes);
    assert_eq!(audit.serial(), Some(&b"SN-0042"[..]));
    assert_eq!(
        (audit.decimals(), audit.currency()),
        (Some(2), Some(&b"EUR"[..]))
    );
    let sold = audit.sold();
    assert_eq!((sold.value, sold.vends), (Some(125_000), Some(1_041)));
    assert_eq!(audit.sold_for_cash().interval_value, Some(1_800));
    assert_eq!(audit.sold_by_first_cashless().interval_vends, Some(5));
    assert_eq!(audit.sold_by_second_cashless().value, None);
    let products: Vec<_> = audit
        .products()
        .map(|it| (it.id, it.price, it.sold.interval_vends))
        .collect();
    assert_eq!(
        products,
        [
            (&b"11"[..], Some(120), Some(12)),
            (b"12", Some(150), Some(8)),
            (b"13", None, None)
        ]
    );
    let events: Vec<_> = audit.events().map(|it| (it.id, it.times)).collect();
    assert_eq!(events, [(&b"EGS"[..], None), (b"EJL", Some(17))]);
    assert_eq!(audit.power_cuts(), Some(3));
}

#[test]
fn the_cash_expected_names_its_source() {
    let of = |segments: &str| {
        let text = format!("ID1*1\n{segments}\n");
        Dts::parse(text.as_bytes())
            .expect("an audit")
            .cash_expected()
    };
    let expected = |amount, source| Some(Expected { amount, source });
    assert_eq!(
        audit().cash_expected(),
        expected(2_000, Source::CashBoxAndNotes)
    );
    assert_eq!(of("CA3*9*5*4*0"), expected(5, Source::CashBox));
    assert_eq!(of("CA3*9"), None);
    assert_eq!(of("CA3*9\nCA2*1*1*7*1"), expected(7, Source::CashSales));
    assert_eq!(of("CA3*9*18446744073709551615*0*1"), None, "no sum wraps");
    assert_eq!(Source::CashSales.fields(), "CA203");
}

#[test]
fn a_price_that_drifted_is_told_and_one_that_is_not_known_is_not() {
    let list = |id: &[u8]| match id {
        b"11" => Some(130),
        b"12" => Some(150),
        b"13" => Some(90),
        _ => None,
    };
    let drifts: Vec<_> = audit()
        .drifts(list)
        .map(|it| (it.id, it.wanted, it.seen))
        .collect();
    assert_eq!(drifts, [(&b"11"[..], 130, 120)]);
}

#[test]
fn an_audit_that_was_cut_or_miscounted_says_so() {
    let cut = AUDIT.split("EA7").next().expect("a beginning");
    assert_eq!(
        Dts::parse(cut.as_bytes()).expect("readable").whole(),
        Whole::Cut
    );
    let missing = AUDIT.replace("PA1*13**Soup\n", "");
    let (said, found) = (19, 18);
    let whole = Dts::parse(missing.as_bytes()).expect("readable").whole();
    assert_eq!(whole, Whole::Miscounted { said, found });
}

#[test]
fn what_is_no_audit_is_refused() {
    let long_line = format!("ID1*{}", "9".repeat(DTS_LINE_MAX));
    let many_fields = format!("ID1{}", "*".repeat(200));
    let many_lines = "ID1\n".repeat(DTS_LINES_MAX + 1);
    let long = "x".repeat(DTS_LEN_MAX + 1);
    for (text, fault) in [
        ("", DtsFault::Foreign),
        ("hello\nworld", DtsFault::Foreign),
        ("ID1*\u{1}", DtsFault::Text { line: 1 }),
        (&long_line, DtsFault::Line { line: 1 }),
        (&many_fields, DtsFault::Line { line: 1 }),
        (&many_lines, DtsFault::Lines),
        (
            &long,
            DtsFault::Long {
                len: DTS_LEN_MAX + 1,
            },
        ),
    ] {
        assert_eq!(Dts::parse(text.as_bytes()).err(), Some(fault));
    }
    for nonsense in [
        "ID1*1\nVA1*-5*1e3*99999999999999999999*0x1",
        "ID1*1\nID4*9*EUR",
    ] {
        let audit = Dts::parse(nonsense.as_bytes()).expect("readable");
        assert_eq!(
            (audit.sold().value, audit.sold().interval_value),
            (None, None)
        );
        assert_eq!(audit.decimals(), None);
    }
}

#[test]
fn any_change_of_an_audit_is_read_or_refused_and_never_a_panic() {
    let mut seed = 5_u64;
    let mut roll = |end: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).expect("31 bits") % end
    };
    for _ in 0..20_000 {
        let mut text = AUDIT.as_bytes().to_vec();
        for _ in 0..=roll(6) {
            let at = roll(text.len());
            match roll(4) {
                0 => text[at] = u8::try_from(roll(256)).expect("a byte"),
                1 => drop(text.drain(at..(at + roll(40)).min(text.len()))),
                2 => text.insert(at, b"*\n\r0"[roll(4)]),
                _ => text.truncate(at),
            }
            if text.is_empty() {
                text.push(b'*');
            }
        }
        if let Ok(audit) = Dts::parse(&text) {
            let _ = (
                audit.whole(),
                audit.cash_expected(),
                audit.serial(),
                audit.sold(),
            );
            let _ = audit.drifts(|_| Some(1)).count() + audit.events().count();
        }
    }
}
