//! Level 2 from the machine's side: cash for the account, cash sales, and what a broken machine does.

use gettone_mdb::Level;
use gettone_mdb::vmc::{Approved, Config};

use crate::stage::{play_in_session, play_in_session_of_two};

fn plain() -> Config {
    Config::default()
}

/// No offer follows an answer before a POLL shows that the reader does not say that answer again.
#[test]
fn cash_goes_to_the_box_when_the_reader_takes_it_and_back_when_it_does_not() {
    play_in_session_of_two(
        plain(),
        "operator limit
         reader ack               -> [REVALUE LIMIT REQUEST]
         reader limit 700         -> [POLL] limit Some(700) [ack]
         operator limit
         reader cash denied       -> [REVALUE LIMIT REQUEST] limit None [ack]
         reader ack               -> [POLL]
         operator revalue 500
         reader ack               -> [REVALUE REQUEST 5.00]
         reader cash taken        -> [POLL] taken 500 [ack]
         operator revalue 500
         reader cash taken        -> [POLL] [ack]
         reader ack               -> [POLL]
         reader cash denied       -> [REVALUE REQUEST 5.00] given back 500 [ack]
         operator return
         reader end               -> [SESSION COMPLETE] ended [ack]",
    );
}

#[test]
fn cash_goes_back_when_the_reader_starts_anew_or_never_answers() {
    play_in_session_of_two(
        plain(),
        "operator revalue 500
         reader ack               -> [REVALUE REQUEST 5.00]
         reader JUST RESET        -> [POLL] given back 500 restarting(ReaderRestarted) [ack]",
    );
    play_in_session_of_two(
        plain(),
        "operator revalue 500
         reader ack               -> [REVALUE REQUEST 5.00]
         time 41000
         reader ack               -> given back 500 restarting(NoAnswer) [RESET]",
    );
}

#[test]
fn cash_is_offered_only_in_a_session_and_only_at_level_2() {
    play_in_session(plain(), "operator revalue 500 -> no NoRevalue");
    let one = Config {
        level: Level::One,
        ..plain()
    };
    play_in_session(
        one,
        "operator limit -> no NoRevalue
         operator sell 80 5       -> no NotWanted",
    );
    play_in_session_of_two(
        plain(),
        "operator revalue 65535   -> no Inexact(TooLarge { minor: 65535, max: 65534 })
         operator select 120 23
         operator revalue 500     -> no Busy
         operator sell 80 5       -> no Busy
         operator off
         operator limit           -> no NoSession",
    );
}

#[test]
fn a_cash_sale_is_said_until_it_is_acknowledged() {
    play_in_session_of_two(
        plain(),
        "operator sell 80 5
         silence                  -> [CASH SALE 0.80 item 5]
         reader ack               -> [POLL]
         reader ack               -> [CASH SALE 0.80 item 5] sale reported
         reader end               -> [POLL] ended [ack]
         operator sell 80 5
         silence                  -> [CASH SALE 0.80 item 5]
         reader begin media       -> [POLL] session None [ack]
         reader ack               -> [CASH SALE 0.80 item 5] sale reported
         operator select 120 23
         reader ack               -> [VEND REQUEST 1.20 item 23]",
    );
}

#[test]
fn a_machine_that_dislikes_approvals_resets_the_reader() {
    let resets = Config {
        approved: Approved::Resets,
        ..plain()
    };
    play_in_session_of_two(
        resets,
        "operator select 120 23
         reader ack               -> [VEND REQUEST 1.20 item 23]
         reader approved 120      -> [POLL] restarting(Approval) [ack]
         reader ack               -> [RESET]",
    );
}

#[test]
fn a_machine_that_falls_silent_goes_on_where_it_was() {
    play_in_session_of_two(
        plain(),
        "operator hush 60
         operator select 120 23
         reader approved 120      -> [VEND REQUEST 1.20 item 23] dispense 23 for Some(120) [ack]",
    );
}
