//! Conversations, each a claim. What the controller said stands in brackets, what it learned beside it.

use std::time::Duration;

use gettone_mdb::vmc::{Completes, Config, Dispensing, Garbled};

use crate::stage::{READY, Stage, play, play_in_session};

fn plain() -> Config {
    Config::default()
}

#[test]
fn a_whole_life_in_the_order_of_the_rules() {
    play(
        plain(),
        "operator on              -> restarting(PowerUp)
         reader ack               -> [RESET]
         reader ack               -> [POLL]
         reader JUST RESET        -> [POLL] [ack]
         reader config            -> [SETUP level 2 display 16x2] found level 1 [ack]
         reader ack               -> [SETUP PRICES max unknown min unknown]
         reader id                -> [REQUEST ID GTN vmc 000000000001 01.00] reader ABC reader 000000000042 01.07 [ack]
         reader ack               -> [READER ENABLE] ready
         reader ack               -> [POLL]
         reader begin 1200        -> [POLL] session Some(1200) [ack]
         operator select 120 23
         reader ack               -> [VEND REQUEST 1.20 item 23]
         reader ack               -> [POLL]
         reader approved 110      -> [POLL] dispense 23 for Some(110) [ack]
         reader ack               -> [POLL]
         operator dispensed
         reader ack               -> [VEND SUCCESS item 23] reported
         reader end               -> [SESSION COMPLETE] ended [ack]
         reader ack               -> [POLL]",
    );
}

#[test]
fn answers_given_later_do_as_well() {
    play(
        plain(),
        "operator on              -> restarting(PowerUp)
         reader ack               -> [RESET]
         reader JUST RESET        -> [POLL] [ack]
         reader ack               -> [SETUP level 2 display 16x2]
         reader ack               -> [POLL]
         reader config level 2    -> [POLL] found level 2 [ack]
         reader ack               -> [SETUP PRICES max unknown min unknown]
         reader ack               -> [REQUEST ID GTN vmc 000000000001 01.00]
         reader id                -> [POLL] reader ABC reader 000000000042 01.07 [ack]
         reader ack               -> [READER ENABLE] ready
         reader begin media       -> [POLL] session None [ack]
         operator select 120 23
         reader approved 120      -> [VEND REQUEST 1.20 item 23] dispense 23 for Some(120) [ack]
         operator jammed
         reader ack               -> [VEND FAILURE] reported
         reader ack               -> [SESSION COMPLETE]
         reader end               -> [POLL] ended [ack]",
    );
}

#[test]
fn an_unanswered_command_is_repeated_with_polls_between_and_then_the_reader_is_lost() {
    let mut stage = Stage::new(plain());
    for line in READY {
        stage.play(line);
    }
    stage.play("operator select 120 23");
    let (mut requests, mut polls, mut first) = (0, 0, None);
    loop {
        let told = stage.play("silence");
        if told.contains("VEND REQUEST") {
            requests += 1;
            let since = stage.now - *first.get_or_insert(stage.now);
            let gap = Duration::from_millis(265 * (requests - 1));
            assert!(since >= gap && since < gap + Duration::from_millis(100) * 10);
        } else {
            polls += 1;
        }
        if told.contains("restarting(NoResponse)") {
            break;
        }
    }
    assert_eq!((requests, polls), (10, 9));
    for _ in 0..3 {
        let before = stage.now;
        assert_eq!(stage.play("silence"), "[RESET]");
        assert!(stage.now - before >= Duration::from_secs(10));
    }
}

#[test]
fn an_answer_at_the_poll_between_is_an_answer() {
    play_in_session(
        plain(),
        "operator select 120 23
         silence                  -> [VEND REQUEST 1.20 item 23]
         reader approved 120      -> [POLL] dispense 23 for Some(120) [ack]
         operator dispensed
         reader ack               -> [VEND SUCCESS item 23] reported",
    );
}

#[test]
fn a_customer_proves_that_the_reader_is_enabled() {
    play_in_session(
        plain(),
        "reader end               -> [POLL] ended [ack]
         operator disable
         reader ack               -> [READER DISABLE] disabled
         operator enable
         silence                  -> [READER ENABLE]
         reader begin 500         -> [POLL] ready session Some(500) [ack]",
    );
}

#[test]
fn a_message_that_comes_twice_leads_nowhere_new() {
    play_in_session(
        plain(),
        "reader begin 1200        -> [POLL] [ack]
         operator select 120 23
         reader begin 1200        -> [VEND REQUEST 1.20 item 23] [ack]
         reader approved 120      -> [POLL] dispense 23 for Some(120) [ack]
         reader approved 120      -> [POLL] [ack]
         operator dispensed
         reader approved 120      -> [VEND SUCCESS item 23] reported [ack]
         reader end               -> [SESSION COMPLETE] ended [ack]
         reader end               -> [POLL] [ack]",
    );
    let on_request = Config {
        completes: Completes::OnRequest,
        ..plain()
    };
    play_in_session(
        on_request,
        "operator select 120 23
         reader approved 120      -> [VEND REQUEST 1.20 item 23] dispense 23 for Some(120) [ack]
         operator dispensed
         reader approved 120      -> [VEND SUCCESS item 23] reported [ack]
         reader ack               -> [POLL]",
    );
}

#[test]
fn a_reader_that_never_decides_is_asked_to_forget_and_then_reset() {
    play_in_session(
        plain(),
        "operator select 120 23
         reader ack               -> [VEND REQUEST 1.20 item 23]
         time 39000
         reader ack               -> [POLL]
         time 1000
         reader ack               -> [VEND CANCEL]
         time 40000
         reader ack               -> restarting(NoAnswer) [RESET]",
    );
}

#[test]
fn a_question_taken_back_ends_with_a_denial() {
    play_in_session(
        plain(),
        "operator select 120 23
         reader ack               -> [VEND REQUEST 1.20 item 23]
         operator cash
         reader ack               -> [VEND CANCEL]
         reader denied            -> [POLL] taken back [ack]
         operator select 80 5
         reader denied and cancel -> [VEND REQUEST 0.80 item 5] denied 5 wants to end [ack]
         reader end               -> [SESSION COMPLETE] ended [ack]",
    );
}

#[test]
fn an_approval_that_crosses_the_cancel_is_given_back() {
    play_in_session(
        plain(),
        "operator select 120 23
         reader ack               -> [VEND REQUEST 1.20 item 23]
         operator cash
         silence                  -> [VEND CANCEL]
         reader approved 120      -> [POLL] declined Some(120) [ack]
         reader ack               -> [VEND FAILURE] reported",
    );
}

#[test]
fn a_wish_to_end_in_a_vend_is_granted_after_it() {
    let on_request = Config {
        completes: Completes::OnRequest,
        ..plain()
    };
    play_in_session(
        on_request,
        "operator select 120 23
         reader ack               -> [VEND REQUEST 1.20 item 23]
         reader cancel            -> [POLL] wants to end [ack]
         reader approved 120      -> [POLL] dispense 23 for Some(120) [ack]
         operator dispensed
         reader ack               -> [VEND SUCCESS item 23] reported
         reader end               -> [SESSION COMPLETE] ended [ack]",
    );
    play_in_session(
        on_request,
        "operator select 120 23
         reader approved 120      -> [VEND REQUEST 1.20 item 23] dispense 23 for Some(120) [ack]
         operator dispensed
         reader ack               -> [VEND SUCCESS item 23] reported
         reader ack               -> [POLL]
         operator return
         reader end               -> [SESSION COMPLETE] ended [ack]",
    );
}

#[test]
fn a_controller_that_never_completes_does_not() {
    let never = Config {
        completes: Completes::Never,
        ..plain()
    };
    play_in_session(
        never,
        "operator return
         reader cancel            -> [POLL] wants to end [ack]
         reader ack               -> [POLL]",
    );
}

#[test]
fn motors_that_run_are_let_run_whatever_the_reader_does() {
    let silent = Config {
        dispensing: Dispensing::Silent,
        ..plain()
    };
    play_in_session(
        plain(),
        "operator select 120 23
         reader approved 120      -> [VEND REQUEST 1.20 item 23] dispense 23 for Some(120) [ack]
         reader JUST RESET        -> [POLL] [ack]
         operator dispensed       -> restarting(ReaderRestarted)
         reader config            -> [SETUP level 2 display 16x2] found level 1 [ack]",
    );
    play_in_session(
        silent,
        "operator select 120 23
         reader approved 120      -> [VEND REQUEST 1.20 item 23] dispense 23 for Some(120) [ack]
         operator dispensed
         reader out of sequence   -> [VEND SUCCESS item 23] restarting(OutOfSequence) [ack]
         reader ack               -> [RESET]",
    );
}

#[test]
fn a_reply_it_cannot_read_is_asked_for_again() {
    for (garbled, answer) in [(Garbled::Nak, "[nak]"), (Garbled::Silence, "")] {
        let config = Config { garbled, ..plain() };
        play_in_session(
            config,
            &format!(
                "reader noise             -> [POLL] {answer}
                 reader cancel            -> [POLL] wants to end [ack]"
            ),
        );
    }
    let config = Config {
        garbled: Garbled::Ret,
        ..plain()
    };
    play_in_session(
        config,
        "reader noise             -> [POLL] [ret]
         reader cancel            -> wants to end [ack]
         reader noise             -> [SESSION COMPLETE] [ret]
         reader noise             -> [nak]
         reader ack               -> [POLL]",
    );
}

#[test]
fn a_reader_whose_money_makes_no_sense_is_not_enabled() {
    play(
        plain(),
        "operator on              -> restarting(PowerUp)
         reader ack               -> [RESET]
         reader JUST RESET        -> [POLL] [ack]
         reader config scale 0    -> [SETUP level 2 display 16x2] restarting(Money) [ack]
         reader ack               -> [RESET]",
    );
}

#[test]
fn a_selection_without_a_session_or_a_price_goes_nowhere() {
    play_in_session(
        plain(),
        "operator select 65535 1  -> no Inexact(TooLarge { minor: 65535, max: 65534 })
         operator select 120 23
         operator select 80 5     -> no Busy
         operator off
         operator select 80 5     -> no NoSession",
    );
}
