//! Audit files: read within their bounds or refused.
#![cfg_attr(fuzzing, no_main)]

use gettone_fuzz::target;
use gettone_mdb::bounds::{DTS_LEN_MAX, DTS_LINES_MAX};
use gettone_mdb::dts::Dts;

fn run(bytes: &[u8]) {
    let Ok(audit) = Dts::parse(bytes) else { return };
    assert!(bytes.len() <= DTS_LEN_MAX);
    let segments = audit.segments().count();
    assert!(segments <= DTS_LINES_MAX);
    assert!(audit.products().count() + audit.events().count() <= 2 * segments);
    let sold = [
        audit.sold(),
        audit.sold_for_cash(),
        audit.sold_by_first_cashless(),
        audit.sold_by_second_cashless(),
    ];
    let facts = (
        audit.serial(),
        audit.decimals(),
        audit.currency(),
        audit.whole(),
    );
    let cash = (audit.cash_in(), audit.cash_expected(), audit.power_cuts());
    assert!(!format!("{sold:?} {facts:?} {cash:?}").is_empty());
    if let Some(expected) = audit.cash_expected() {
        assert!(!expected.source.fields().is_empty());
    }
    for drift in audit.drifts(|id| u64::try_from(id.len()).ok()) {
        assert!(!format!("{drift:?}").is_empty());
    }
}

target!(run);
