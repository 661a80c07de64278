//! Conversations, each a claim. A reply stands in brackets; what stands before it was told to the host first.

use gettone_mdb::cashless::{Answer, Answers, Completion, Config};
use gettone_mdb::{Address, Level, Options};

use crate::stage::{play, play_in_session};

fn plain() -> Config {
    Config {
        level: Level::One,
        ..Config::default()
    }
}

#[test]
fn a_whole_life_from_power_up_to_the_next_customer() {
    play(
        plain(),
        "vmc reset                -> reset [ack]
         vmc poll                 -> [JUST RESET]
         vmc ack
         vmc setup                -> configured [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc prices               -> prices Some(350) Some(5) [ack]
         vmc id                   -> vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
         vmc ack
         vmc enable               -> enabled [ack]
         vmc poll                 -> [ack]
         host begin 1200
         vmc poll                 -> [BEGIN SESSION 12.00]
         vmc ack                  -> session
         vmc request 120 23       -> asked #1 120 item 23 [ack]
         vmc poll                 -> [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc poll                 -> [ack]
         vmc success 23           -> succeeded 7 item 23 [ack]
         host cancel
         vmc poll                 -> [SESSION CANCEL REQUEST]
         vmc ack
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc poll                 -> [ack]
         host begin 1080
         vmc poll                 -> [BEGIN SESSION 10.80]
         vmc ack                  -> session",
    );
}

#[test]
fn a_result_whose_ack_was_lost_is_acknowledged_again_and_told_once() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc success 23           -> succeeded 7 item 23 [ack]
         vmc poll                 -> [ack]
         vmc success 23           -> [ack]
         vmc success 23           -> [ack]
         vmc complete             -> completed [END SESSION]
         vmc success 23           -> [ack]",
    );
}

#[test]
fn a_request_whose_ack_was_lost_is_asked_once() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         vmc poll                 -> [ack]
         vmc request 120 23       -> [ack]
         host approve 120 tag 7
         vmc request 120 23       -> [ack]
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc request 120 23       -> [ack]
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack
         vmc success 23           -> succeeded 7 item 23 [ack]",
    );
}

#[test]
fn data_is_kept_until_it_is_acknowledged() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc nak
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ret                  -> [VEND APPROVED 1.20]
         vmc poll                 -> [VEND APPROVED 1.20]
         time 50
         vmc ack
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_result_proves_the_approval_was_heard() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc success 23           -> approval delivered 7 succeeded 7 item 23 [ack]
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_success_without_an_approval_is_out_of_sequence() {
    play_in_session(
        plain(),
        "vmc success 23           -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE]
         vmc ack
         vmc request 120 23       -> asked #1 120 item 23 [ack]
         vmc success 23           -> out of sequence [ack]
         host approve 120 tag 7
         vmc success 23           -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE]
         vmc ack
         vmc reset                -> reset(undelivered 7) [ack]",
    );
}

#[test]
fn a_reset_says_where_the_approval_was() {
    let until = |script: &str, last: &str| {
        let asked = "vmc request 120 23 -> asked #1 120 item 23 [ack]";
        play_in_session(plain(), &format!("{asked}\n{script}\n{last}"));
    };
    until("", "vmc reset -> reset [ack]");
    until(
        "host approve 120 tag 7",
        "vmc reset -> reset(undelivered 7) [ack]",
    );
    let sent = "host approve 120 tag 7\n vmc poll -> [VEND APPROVED 1.20]";
    until(sent, "vmc reset -> reset(undelivered 7) [ack]");
    let delivered = format!("{sent}\n vmc ack -> approval delivered 7");
    until(&delivered, "vmc reset -> reset(delivered 7) [ack]");
    until(&delivered, "line break -> reset(delivered 7)");
    let done = format!("{delivered}\n vmc success 23 -> succeeded 7 item 23 [ack]");
    until(&done, "vmc reset -> reset [ack]");
}

#[test]
fn a_repeated_reset_is_told_once_and_answered_each_time() {
    play_in_session(
        plain(),
        "vmc reset                -> reset [ack]
         vmc reset                -> [ack]
         vmc poll                 -> [JUST RESET]
         vmc ack
         vmc reset                -> reset [ack]",
    );
}

#[test]
fn just_reset_is_not_said_to_a_controller_that_has_gone_on() {
    play(
        plain(),
        "vmc reset                -> reset [ack]
         vmc poll                 -> [JUST RESET]
         vmc setup                -> configured [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_cancel_before_the_approval_is_heard_gets_one_denial() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc cancel               -> withdrawn #1 [ack]
         vmc cancel               -> [ack]
         vmc poll                 -> [VEND DENIED]
         vmc ack
         vmc poll                 -> [ack]
         vmc cancel               -> [ack]
         vmc poll                 -> [ack]
         vmc request 80 5         -> asked #2 80 item 5 [ack]",
    );
}

#[test]
fn a_cancel_of_a_question_that_never_arrived_is_denied_all_the_same() {
    play_in_session(
        plain(),
        "vmc cancel               -> [ack]
         vmc cancel               -> [ack]
         vmc poll                 -> [VEND DENIED]
         vmc ack
         vmc poll                 -> [ack]",
    );
    play_in_session(
        plain(),
        "vmc cancel               -> [ack]
         vmc request 120 23       -> asked #1 120 item 23 [ack]
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_late_approval_never_answers_the_next_question() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         vmc cancel               -> withdrawn #1 [ack]
         vmc poll                 -> [VEND DENIED]
         vmc ack
         vmc request 200 9        -> asked #2 200 item 9 [ack]
         host approve 120 tag 7 of 1 -> refused 7 NotOpen
         vmc poll                 -> [ack]
         host deny of 1
         vmc poll                 -> [ack]
         host approve 200 tag 8
         host approve 200 tag 9   -> refused 9 NotOpen
         vmc poll                 -> [VEND APPROVED 2.00]",
    );
}

#[test]
fn a_failed_vend_is_told_once_and_its_refund_acknowledged() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc failure              -> failed 7 [ack]
         vmc failure              -> [ack]
         vmc poll                 -> [ack]
         vmc success 23           -> out of sequence [ack]",
    );
}

#[test]
fn a_failure_before_any_answer_withdraws_the_question() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         vmc failure              -> withdrawn #1 [ack]
         host approve 120 tag 7   -> refused 7 NotOpen
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_denial_lets_the_customer_choose_again() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host deny
         vmc poll                 -> [VEND DENIED]
         vmc poll                 -> [VEND DENIED]
         vmc request 120 23       -> [ack]
         vmc poll                 -> [VEND DENIED]
         vmc request 80 5         -> denial delivered #1 asked #2 80 item 5 [ack]",
    );
}

#[test]
fn a_host_that_does_not_decide_denies() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         time 29499
         vmc poll                 -> timed out #1 [VEND DENIED]
         vmc ack                  -> denial delivered #1
         host approve 120 tag 7   -> refused 7 NotOpen",
    );
}

#[test]
fn a_wish_to_leave_waits_for_the_vend_to_end() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host cancel
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc poll                 -> [ack]
         vmc success 23           -> succeeded 7 item 23 [ack]
         vmc poll                 -> [SESSION CANCEL REQUEST]
         vmc ack
         vmc complete             -> completed [END SESSION]",
    );
}

#[test]
fn an_open_vend_does_not_end_by_session_complete() {
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc complete             -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE]
         vmc ack
         vmc reset                -> reset(undelivered 7) [ack]",
    );
}

#[test]
fn a_repeated_session_complete_is_answered_again() {
    play_in_session(
        plain(),
        "vmc complete             -> completed [END SESSION]
         vmc complete             -> [END SESSION]
         vmc poll                 -> [END SESSION]
         vmc ack
         vmc complete             -> [END SESSION]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn acting_on_a_session_proves_it_was_heard() {
    play_in_session(
        plain(),
        "vmc complete             -> completed [END SESSION]
         vmc ack
         host begin 500
         vmc poll                 -> [BEGIN SESSION 5.00]
         vmc request 120 23       -> session asked #1 120 item 23 [ack]
         vmc poll                 -> [ack]",
    );
    play_in_session(
        plain(),
        "vmc complete             -> completed [END SESSION]
         vmc ack
         host begin 500
         vmc request 120 23       -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE]
         vmc ack
         vmc poll                 -> [BEGIN SESSION 5.00]
         vmc complete             -> session completed [END SESSION]",
    );
}

#[test]
fn a_session_is_refused_where_it_cannot_be() {
    play(
        plain(),
        "host begin 500           -> no session NotEnabled
         vmc setup                -> configured [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc enable               -> enabled [ack]
         host begin 500
         host begin 500           -> no session Busy
         vmc disable              -> no session NotEnabled disabled [ack]
         vmc enable               -> enabled [ack]
         host begin 500
         host cancel              -> no session CalledOff
         host begin 600
         vmc stop                 -> stopped no session CalledOff [CANCELLED]
         vmc stop                 -> [CANCELLED]
         vmc ack
         vmc poll                 -> [JUST RESET]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_controller_that_disables_in_a_session_finds_the_reader_disabled_after_it() {
    play_in_session(
        plain(),
        "vmc disable              -> [ack]
         vmc complete             -> completed disabled [END SESSION]
         vmc ack
         host begin 500           -> no session NotEnabled
         vmc enable               -> enabled [ack]",
    );
}

#[test]
fn every_class_can_be_answered_later() {
    let deferred = Answer::Deferred;
    let config = Config {
        answers: Answers {
            vend: deferred,
            revalue: deferred,
            setup: deferred,
            identity: deferred,
            complete: Completion::Deferred,
            cancel: deferred,
            age: Answer::Deferred,
        },
        ..plain()
    };
    play(
        config,
        "vmc poll                 -> [JUST RESET]
         vmc ack
         vmc setup                -> configured [ack]
         vmc poll                 -> [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc id                   -> vmc VMC VMC-1 000000000042 01.07 [ack]
         vmc poll                 -> [PERIPHERAL ID GTN gettone 000000000000 01.00]
         vmc ack
         vmc enable               -> enabled [ack]
         vmc stop                 -> stopped [ack]
         vmc poll                 -> [CANCELLED]
         vmc ack
         host begin 500
         vmc poll                 -> [BEGIN SESSION 5.00]
         vmc ack                  -> session
         vmc complete             -> completed [ack]
         vmc poll                 -> [END SESSION]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

fn ended_by_host() -> Config {
    Config {
        answers: Answers {
            complete: Completion::Host,
            ..Answers::default()
        },
        ..plain()
    }
}

#[test]
fn a_session_ends_only_when_the_host_lets_it() {
    play_in_session(
        ended_by_host(),
        "host end
         vmc complete             -> completed [ack]
         vmc poll                 -> [ack]
         vmc complete             -> [ack]
         vmc poll                 -> [ack]
         host begin 500           -> no session Busy
         host cancel
         vmc poll                 -> [ack]
         host end
         vmc poll                 -> [END SESSION]
         vmc poll                 -> [END SESSION]
         vmc ack
         host end
         vmc poll                 -> [ack]
         vmc complete             -> [END SESSION]
         vmc ack
         host begin 500
         vmc poll                 -> [BEGIN SESSION 5.00]
         vmc ack                  -> session
         vmc complete             -> completed [ack]
         vmc poll                 -> [ack]",
    );
}

#[test]
fn the_next_session_waits_behind_the_end_of_the_last() {
    play_in_session(
        ended_by_host(),
        "vmc complete             -> completed [ack]
         host end
         host begin 500
         vmc poll                 -> [END SESSION]
         vmc poll                 -> [END SESSION]
         vmc ack
         vmc poll                 -> [BEGIN SESSION 5.00]
         vmc ack                  -> session",
    );
}

#[test]
fn a_completed_session_takes_no_question() {
    play_in_session(
        ended_by_host(),
        "vmc complete             -> completed [ack]
         vmc request 120 23       -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE]
         vmc ack
         vmc reset                -> reset [ack]
         host end
         vmc poll                 -> [JUST RESET]
         vmc ack
         time 29500
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_host_that_does_not_end_a_session_is_not_waited_for_for_ever() {
    play_in_session(
        ended_by_host(),
        "vmc disable              -> [ack]
         vmc complete             -> completed [ack]
         time 29000
         vmc complete             -> [ack]
         vmc poll                 -> [ack]
         time 265
         vmc poll                 -> end timed out disabled [END SESSION]
         vmc ack
         vmc enable               -> enabled [ack]
         host end
         host begin 500
         vmc poll                 -> [BEGIN SESSION 5.00]",
    );
}

#[test]
fn a_vend_can_be_answered_at_once_or_when_it_is_asked_again() {
    let config = Config {
        answers: Answers {
            vend: Answer::Immediate,
            ..Answers::default()
        },
        ..plain()
    };
    play_in_session(
        config,
        "vmc request 120 23       -> asked #1 120 item 23
         host approve 120 tag 7   -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc success 23           -> succeeded 7 item 23 [ack]
         vmc request 80 5         -> asked #2 80 item 5
         time 5
         host approve 80 tag 8
         vmc request 80 5         -> [VEND APPROVED 0.80]
         vmc ack                  -> approval delivered 8
         vmc failure              -> failed 8 [ack]
         vmc request 90 6         -> asked #3 90 item 6
         vmc cancel               -> withdrawn #3 [VEND DENIED]
         vmc ack",
    );
}

#[test]
fn an_amount_the_bus_cannot_say_is_refused_and_the_question_stays_open() {
    let config = Config {
        scale: 10,
        ..plain()
    };
    play_in_session(
        config,
        "vmc request 12 23        -> asked #1 120 item 23 [ack]
         host approve 115 tag 7   -> refused 7 Inexact(BetweenSteps { minor: 115, step: 10 })
         vmc poll                 -> [ack]
         host deny
         vmc poll                 -> [VEND DENIED]",
    );
}

#[test]
fn a_level_2_controller_gets_the_layouts_of_level_1() {
    for level in ["1", "2", "3"] {
        play(
            plain(),
            &format!(
                "vmc setup {level}        -> configured [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
                 vmc ack
                 vmc request 120 23       -> out of sequence [ack]
                 vmc poll                 -> [COMMAND OUT OF SEQUENCE]
                 vmc ack
                 vmc options 0            -> [ack]
                 vmc options 96           -> out of sequence [ack]"
            ),
        );
    }
    let optioned = Config {
        options: Options::ALWAYS_IDLE,
        ..plain()
    };
    let refused = gettone_mdb::cashless::Cashless::new(optioned).is_err();
    assert!(refused, "options are of level 3");
}

#[test]
fn the_second_device_answers_at_its_own_address() {
    let config = Config {
        address: Address::Second,
        ..plain()
    };
    play_in_session(
        config,
        "vmc request 120 23       -> asked #1 120 item 23 [ack]",
    );
}

#[test]
fn cash_is_refused_by_a_level_1_device() {
    play_in_session(
        plain(),
        "vmc revalue 500          -> [ack]
         vmc poll                 -> [REVALUE DENIED]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_repeated_cash_sale_is_counted_once() {
    play_in_session(
        plain(),
        "vmc sale 80 5            -> cash sale 80 item 5 [ack]
         vmc sale 80 5            -> [ack]
         time 10000
         vmc sale 80 5            -> cash sale 80 item 5 [ack]",
    );
}

#[test]
fn a_text_fills_the_display_the_machine_lends_and_no_other() {
    play_in_session(
        plain(),
        "host show Credit
         vmc poll                 -> [DISPLAY REQUEST 2.0 s \"CREDIT          \"]
         vmc ack
         host malfunction
         vmc poll                 -> [MALFUNCTION C0]
         vmc ack
         vmc reset                -> reset [ack]
         host show Credit
         vmc poll                 -> [JUST RESET]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_silent_controller_ends_everything_but_an_open_vend() {
    play_in_session(plain(), "time 300000 -> silent reset");
    play_in_session(
        plain(),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         time 300000              -> silent
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         time 300000              -> silent
         vmc success 23           -> succeeded 7 item 23 [ack]",
    );
}
