//! Level 2: cash for the account, cash sales, the machine's display, and the layouts that go with it.

use gettone_mdb::cashless::{Answer, Answers, Config};
use std::time::Duration;

use crate::stage::{play, play_in_session};

fn two() -> Config {
    Config::default()
}

#[test]
fn level_2_is_spoken_with_a_controller_of_level_2_and_the_rest_is_as_before() {
    play(
        two(),
        "vmc reset                -> reset [ack]
         vmc poll                 -> [JUST RESET]
         vmc ack
         vmc setup 2              -> configured [READER CONFIG level 2 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc success 7            -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE state 1]
         vmc ack
         vmc enable               -> enabled [ack]
         host begin 1200
         vmc poll                 -> [BEGIN SESSION 12.00 media FFFFFFFF type 0]
         vmc ack                  -> session
         vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc complete             -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE state 5]",
    );
    play(
        two(),
        "vmc setup 3              -> configured [READER CONFIG level 2 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc options 96           -> out of sequence [ack]",
    );
    play(
        two(),
        "vmc setup 1              -> configured [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc enable               -> enabled [ack]
         vmc poll                 -> [JUST RESET]
         vmc ack
         host begin 1200
         vmc poll                 -> [BEGIN SESSION 12.00]
         vmc ack                  -> session
         vmc revalue 500          -> [ack]
         vmc poll                 -> [REVALUE DENIED]
         vmc ack
         vmc success 7            -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE]",
    );
}

#[test]
fn a_session_laid_out_for_another_level_is_withdrawn() {
    play(
        two(),
        "vmc setup 1              -> configured [READER CONFIG level 1 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc enable               -> enabled [ack]
         host begin 1200
         vmc setup 2              -> no session CalledOff configured [READER CONFIG level 2 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         host begin 1200
         vmc poll                 -> [JUST RESET]
         vmc ack
         vmc poll                 -> [BEGIN SESSION 12.00 media FFFFFFFF type 0]",
    );
}

#[test]
fn cash_goes_on_the_account_when_the_approval_is_acknowledged() {
    play_in_session(
        two(),
        "vmc limit                -> asked limit #1 [ack]
         vmc poll                 -> [ack]
         host limit 2000
         vmc poll                 -> [REVALUE LIMIT 20.00]
         vmc ack
         vmc revalue 500          -> asked to take #2 500 [ack]
         vmc poll                 -> [ack]
         host take
         vmc poll                 -> [REVALUE APPROVED]
         vmc ack                  -> taken #2
         vmc poll                 -> [ack]
         vmc request 120 23       -> asked #3 120 item 23 [ack]",
    );
}

#[test]
fn two_coins_alike_are_two_questions() {
    play_in_session(
        two(),
        "vmc revalue 100          -> asked to take #1 100 [ack]
         host take
         vmc poll                 -> [REVALUE APPROVED]
         vmc ack                  -> taken #1
         vmc revalue 100          -> asked to take #2 100 [ack]
         host take
         vmc poll                 -> [REVALUE APPROVED]
         vmc ack                  -> taken #2",
    );
}

#[test]
fn cash_whose_answer_is_lost_is_asked_once_and_credited_once() {
    play_in_session(
        two(),
        "vmc revalue 500          -> asked to take #1 500 [ack]
         vmc revalue 500          -> [ack]
         host take
         vmc revalue 500          -> [ack]
         vmc poll                 -> [REVALUE APPROVED]
         vmc nak
         vmc poll                 -> [REVALUE APPROVED]
         vmc ret                  -> [REVALUE APPROVED]
         vmc ack                  -> taken #1
         vmc ack
         vmc poll                 -> [ack]
         host take                ->",
    );
}

#[test]
fn a_controller_that_goes_on_has_heard_the_approval() {
    // To say the approval again would let it answer the next offer, whose cash would be kept and credited to nobody.
    for (goes_on, then) in [
        ("vmc complete", "completed [END SESSION]"),
        ("vmc request 120 23", "asked #2 120 item 23 [ack]"),
        ("vmc revalue 200", "asked to take #2 200 [ack]"),
        ("vmc limit", "asked limit #2 [ack]"),
    ] {
        play_in_session(
            two(),
            &format!(
                "vmc revalue 500          -> asked to take #1 500 [ack]
                 host take
                 vmc poll                 -> [REVALUE APPROVED]
                 {goes_on}                -> taken #1 {then}"
            ),
        );
    }
}

#[test]
fn a_reset_before_the_approval_is_acknowledged_credits_nothing() {
    play_in_session(
        two(),
        "vmc revalue 500          -> asked to take #1 500 [ack]
         host take
         vmc poll                 -> [REVALUE APPROVED]
         vmc reset                -> over #1 reset [ack]
         vmc reset                -> [ack]
         host take                ->",
    );
}

#[test]
fn cash_that_was_never_approved_is_over_with_the_session() {
    play_in_session(
        two(),
        "vmc revalue 500          -> asked to take #1 500 [ack]
         vmc complete             -> over #1 completed [END SESSION]
         vmc ack
         host take
         vmc poll                 -> [ack]",
    );
    play_in_session(
        two(),
        "vmc revalue 500          -> asked to take #1 500 [ack]
         host decline
         vmc poll                 -> [REVALUE DENIED]
         vmc complete             -> completed [END SESSION]",
    );
    play_in_session(
        two(),
        "vmc revalue 500 -> asked to take #1 500 [ack]
         line                     -> over #1 reset",
    );
}

#[test]
fn a_host_that_does_not_decide_on_cash_takes_none() {
    play_in_session(
        two(),
        "vmc limit                -> asked limit #1 [ack]
         time 29499
         vmc poll                 -> [REVALUE DENIED]
         vmc ack
         host limit 700
         vmc poll                 -> [ack]
         vmc revalue 500          -> asked to take #2 500 [ack]
         time 29499
         vmc poll                 -> over #2 [REVALUE DENIED]
         vmc ack
         host take
         vmc poll                 -> [ack]
         vmc request 120 23       -> asked #3 120 item 23 [ack]",
    );
}

#[test]
fn an_approved_revalue_does_not_end_by_silence() {
    play_in_session(
        two(),
        "vmc revalue 500          -> asked to take #1 500 [ack]
         host take
         vmc poll                 -> [REVALUE APPROVED]
         time 300000              -> silent
         vmc poll                 -> [REVALUE APPROVED]
         vmc ack                  -> taken #1",
    );
}

#[test]
fn an_amount_that_is_none_is_declined_without_asking() {
    play_in_session(
        two(),
        "vmc revalue 65535        -> [ack]
         vmc poll                 -> [REVALUE DENIED]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_limit_is_told_as_far_as_the_bus_can_say_it() {
    let tens = Config { scale: 10, ..two() };
    play_in_session(
        tens,
        "vmc limit                -> asked limit #1 [ack]
         vmc limit                -> [ack]
         host limit 1999
         vmc limit                -> [ack]
         vmc poll                 -> [REVALUE LIMIT 1.99]
         vmc ack
         vmc limit                -> asked limit #2 [ack]
         host decline
         vmc poll                 -> [REVALUE DENIED]",
    );
}

#[test]
fn a_limit_nobody_waits_for_any_more_is_not_told() {
    play_in_session(
        two(),
        "vmc limit                -> asked limit #1 [ack]
         host limit 700
         vmc request 120 23       -> asked #2 120 item 23 [ack]
         vmc poll                 -> [ack]
         vmc cancel               -> withdrawn #2 [ack]
         vmc poll                 -> [VEND DENIED]
         vmc ack
         vmc limit                -> asked limit #3 [ack]
         vmc complete             -> completed [END SESSION]
         vmc ack
         host limit 700
         vmc poll                 -> [ack]",
    );
}

#[test]
fn cash_can_be_answered_at_once() {
    let config = Config {
        answers: Answers {
            revalue: Answer::Immediate,
            ..Answers::default()
        },
        ..two()
    };
    play_in_session(
        config,
        "vmc limit                -> asked limit #1
         host limit 700           -> [REVALUE LIMIT 7.00]
         vmc ack
         vmc revalue 500          -> asked to take #2 500
         host take                -> [REVALUE APPROVED]
         vmc ack                  -> taken #2
         vmc revalue 100          -> asked to take #3 100
         time 5
         host decline
         vmc revalue 100          -> [REVALUE DENIED]
         vmc ack
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_wish_to_leave_waits_for_the_cash() {
    play_in_session(
        two(),
        "vmc revalue 500          -> asked to take #1 500 [ack]
         host cancel
         host take
         vmc poll                 -> [REVALUE APPROVED]
         vmc ack                  -> taken #1
         vmc poll                 -> [SESSION CANCEL REQUEST]
         vmc ack
         vmc complete             -> completed [END SESSION]",
    );
}

#[test]
fn a_price_the_machine_ruled_out_itself_is_denied_and_reported_once() {
    play_in_session(
        two(),
        "vmc request 351 23       -> price Some(351) of 23 refused OutsideSetup [ack]
         vmc request 351 23       -> [ack]
         host approve 351 tag 7   -> refused 7 NotOpen
         vmc poll                 -> [VEND DENIED]
         vmc ack
         vmc request 4 23         -> price Some(4) of 23 refused OutsideSetup [ack]
         vmc request 65535 23     -> price None of 23 refused NotDivisible [ack]
         vmc poll                 -> [VEND DENIED]
         vmc request 350 23       -> asked #4 350 item 23 [ack]",
    );
}

#[test]
fn a_cash_sale_is_told_in_every_state_and_once() {
    play_in_session(
        Config {
            cash_sales: true,
            ..two()
        },
        "vmc sale 80 5            -> cash sale 80 item 5 [ack]
         vmc sale 80 5            -> [ack]
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc sale 80 6            -> cash sale 80 item 6 [ack]
         vmc disable              -> disabled [ack]
         vmc sale 80 5            -> cash sale 80 item 5 [ack]",
    );
}

#[test]
fn a_device_whose_address_is_taken_stays_silent_until_the_other_one_is_gone() {
    let config = Config {
        listen_before: Duration::from_secs(2),
        ..two()
    };
    play(
        config,
        "vmc poll                 ->
         vmc ack                  -> address taken
         vmc poll                 ->
         time 10000
         vmc poll                 ->
         vmc reset                ->
         time 10000
         vmc reset                ->
         vmc poll                 -> [JUST RESET]",
    );
    play(
        config,
        "vmc reset                ->
         time 1000
         vmc reset                ->
         time 1000
         vmc reset                -> reset [ack]",
    );
}
