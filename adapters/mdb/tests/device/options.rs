//! Level 3: every option, and what happens to it when it is not on.

use gettone_mdb::cashless::{Answer, Answers, Cashless, Config};
use gettone_mdb::{Level, Options};

use crate::stage::{Stage, play};

fn three(options: Options) -> Config {
    Config {
        level: Level::Three,
        options,
        ..Config::default()
    }
}

/// Plays a conversation from the enabled state, these options being on.
fn with(options: Options, script: &str) {
    with_config(three(options), script);
}

fn with_config(config: Config, script: &str) {
    let mut stage = Stage::new(config);
    let on = format!("vmc options {}", config.options.to_u32());
    for line in [
        "vmc poll",
        "vmc ack",
        "vmc setup 3",
        "vmc ack",
        "vmc prices",
        "vmc id",
        "vmc ack",
        &on,
        "vmc enable",
    ] {
        stage.play(line);
    }
    assert_eq!(stage.device.options(), config.options);
    stage.on(script);
}

#[test]
fn options_are_offered_between_two_sides_of_level_3_and_only_what_is_offered_can_be_switched_on() {
    play(
        three(Options::ALWAYS_IDLE.with(Options::REMOTE_VEND)),
        "vmc poll                 -> [JUST RESET]
         vmc ack
         vmc setup 3              -> configured [READER CONFIG level 3 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc prices               -> prices Some(350) Some(5) [ack]
         vmc id                   -> vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00 options always idle, remote vend]
         vmc ack
         vmc options 32           -> options always idle [ack]
         vmc options 32           -> [ack]
         vmc options 33           -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE state 2]
         vmc ack
         vmc reset                -> reset [ack]
         vmc poll                 -> [JUST RESET]
         vmc ack
         vmc setup 2              -> configured [READER CONFIG level 2 country 1978 scale 1 decimals 2 30 s options 0001]
         vmc ack
         vmc prices               -> prices Some(350) Some(5) [ack]
         vmc id                   -> vmc VMC VMC-1 000000000042 01.07 [PERIPHERAL ID GTN gettone 000000000000 01.00]
         vmc ack
         vmc options 32           -> out of sequence [ack]",
    );
}

#[test]
fn what_is_off_has_no_place_and_the_host_is_told_at_once() {
    with(
        Options::NONE,
        "vmc request 120 23       -> out of sequence [ack]
         vmc return 25 9          -> out of sequence [ack]
         vmc refuse 11 2          -> out of sequence [ack]
         vmc coupon 1 11 50       -> out of sequence [ack]
         vmc type 12              -> out of sequence [ack]
         host wish 11 4 500       -> no selection 11 NotPossible
         host coupon 50 7         -> coupon 7 item 65535 used None
         host keys 4              -> no keys
         host file 1              -> file NotPossible
         vmc file 1 3             -> [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE state 3]
         vmc ack
         vmc poll                 -> [FILE DENIED]
         vmc ack
         vmc age 18               -> [ack]
         vmc age?                 -> [ack]
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_wide_session_tells_currency_and_language_and_money_beyond_16_bits() {
    for option in [Options::WIDE_MONEY, Options::CURRENCIES] {
        with(
            option,
            "host begin 9000000       -> 
             vmc poll                 -> [BEGIN SESSION 90000.00 media FFFFFFFF type 0 language en currency 1978 card 06]
             vmc ack                  -> session
             vmc request 120 23       -> asked #1 120 item 23 [ack]
             host approve 120 tag 7   ->
             vmc poll                 -> [VEND APPROVED 1.20]
             vmc ack                  -> approval delivered 7
             vmc success 23           -> succeeded 7 item 23 [ack]
             vmc revalue 7000000      -> asked to take #2 7000000 [ack]
             host take
             vmc poll                 -> [REVALUE APPROVED]
             vmc ack                  -> taken #2
             vmc limit                -> asked limit #3 [ack]
             host limit 9999999
             vmc poll                 -> [REVALUE LIMIT 99999.99]
             vmc ack
             vmc complete             -> completed [END SESSION]",
        );
    }
}

#[test]
fn an_amount_no_account_can_hold_is_denied_and_never_wraps() {
    let config = Config {
        scale: 100,
        ..three(Options::WIDE_MONEY.with(Options::ALWAYS_IDLE))
    };
    with_config(
        config,
        "vmc request 4294967294 23 -> price None of 23 refused NotDivisible [ack]
         vmc poll                 -> [VEND DENIED]",
    );
}

#[test]
fn an_always_idle_machine_asks_without_a_session_and_ends_by_session_complete() {
    with(
        Options::ALWAYS_IDLE,
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         vmc poll                 -> [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc success 23           -> succeeded 7 item 23 [ack]
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc request 120 23       -> asked #2 120 item 23 [ack]
         host deny
         vmc poll                 -> [VEND DENIED]
         vmc ack                  -> denial delivered #2
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc request 120 23       -> asked #3 120 item 23 [ack]
         vmc cancel               -> withdrawn #3 [ack]
         vmc poll                 -> [VEND DENIED]
         vmc ack
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc revalue 500          -> asked to take #4 500 [ack]
         host take
         vmc poll                 -> [REVALUE APPROVED]
         vmc ack                  -> taken #4
         vmc complete             -> completed [END SESSION]",
    );
}

#[test]
fn a_session_still_works_as_ever_when_always_idle_is_on() {
    with(
        Options::ALWAYS_IDLE,
        "host begin 1200
         vmc poll                 -> [BEGIN SESSION 12.00 media FFFFFFFF type 0]
         vmc ack                  -> session
         vmc request 120 23       -> asked #1 120 item 23 [ack]
         host deny
         vmc poll                 -> [VEND DENIED]
         vmc ack                  -> denial delivered #1
         vmc complete             -> completed [END SESSION]
         vmc ack
         host begin 1200
         vmc request 120 23       -> no session Busy asked #2 120 item 23 [ack]",
    );
}

#[test]
fn a_selection_may_be_answered_with_a_session_and_is_asked_anew_inside_it() {
    let options = Options::ALWAYS_IDLE.with(Options::ASK_BEGIN_SESSION);
    with(
        options,
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host begin 1200
         vmc request 120 23       -> [ack]
         vmc poll                 -> [BEGIN SESSION 12.00 media FFFFFFFF type 0]
         vmc ack                  -> withdrawn #1 session
         vmc request 100 23       -> asked #2 100 item 23 [ack]
         host approve 120 tag 3 of 1 -> refused 3 NotOpen
         host approve 100 tag 7
         vmc poll                 -> [VEND APPROVED 1.00]
         vmc ack                  -> approval delivered 7
         vmc success 23           -> succeeded 7 item 23 [ack]
         vmc complete             -> completed [END SESSION]",
    );
    // Its ACK was lost; or the customer dropped a coin.
    with(
        options,
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host begin 1200
         vmc poll                 -> [BEGIN SESSION 12.00 media FFFFFFFF type 0]
         vmc request 120 23       -> withdrawn #1 session asked #2 120 item 23 [ack]
         vmc cancel               -> withdrawn #2 [ack]
         vmc poll                 -> [VEND DENIED]
         vmc ack
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc request 120 23       -> asked #3 120 item 23 [ack]
         host begin 1200
         vmc cancel               -> withdrawn #3 [ack]
         vmc poll                 -> [VEND DENIED]",
    );
}

#[test]
fn a_favourite_goes_to_the_machine_with_its_sugar_and_cup_and_comes_back_as_a_question() {
    // Sugar 1, cup 1: a short coffee without sugar.
    with(
        Options::REMOTE_VEND,
        "host wish 11 36 500
         host wish 12 0 500       -> no selection 12 Busy
         vmc poll                 -> [SELECTION REQUEST item 11 sugar 1 cup 1 funds 5.00]
         vmc ack
         vmc request 120 11       -> asked #1 120 item 11 [ack]
         vmc request 120 11       -> [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc success 11           -> succeeded 7 item 11 [ack]
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc request 120 11       -> out of sequence [ack]",
    );
}

#[test]
fn a_selection_from_afar_ends_by_a_denial_another_choice_time_or_a_word_of_the_host() {
    with(
        Options::REMOTE_VEND,
        "host wish 11 0 500
         vmc request 120 11       -> out of sequence [ack]
         vmc poll                 -> [COMMAND OUT OF SEQUENCE state 3]
         vmc ack
         vmc poll                 -> [SELECTION REQUEST item 11 as it comes funds 5.00]
         vmc refuse 11 2          -> no selection 11 Denied(Reason(2)) [ack]
         vmc refuse 11 2          -> [ack]
         vmc poll                 -> [ack]
         host wish 11 0 500
         host unwish              -> no selection 11 CalledOff
         vmc poll                 -> [ack]
         host wish 11 0 500
         vmc poll                 -> [SELECTION REQUEST item 11 as it comes funds 5.00]
         vmc ack
         time 29500               -> no selection 11 TimedOut
         host wish 11 0 500
         vmc disable              -> no selection 11 NotPossible disabled [ack]",
    );
    with(
        Options::REMOTE_VEND,
        "host begin 1200
         vmc poll                 -> [BEGIN SESSION 12.00 media FFFFFFFF type 0]
         vmc ack                  -> session
         host wish 11 0 500
         vmc request 80 5         -> no selection 11 Overtaken asked #1 80 item 5 [ack]
         host deny
         vmc poll                 -> [VEND DENIED]
         vmc ack                  -> denial delivered #1
         host wish 11 0 500
         vmc complete             -> no selection 11 CalledOff completed [END SESSION]
         vmc ack
         host wish 11 0 500
         vmc reset                -> no selection 11 CalledOff reset [ack]",
    );
}

#[test]
fn what_is_brought_back_is_credited_upon_its_report_and_never_by_a_reset() {
    with(
        Options::NEGATIVE_VEND.with(Options::ALWAYS_IDLE),
        "vmc return 25 9          -> asked to credit #1 25 item 9 [ack]
         host approve 25 tag 7
         vmc poll                 -> [VEND APPROVED 0.25]
         vmc ack                  -> approval delivered 7
         vmc success 9            -> taken back 7 item 9 [ack]
         vmc success 9            -> [ack]
         vmc return 25 9          -> asked to credit #2 25 item 9 [ack]
         host approve 25 tag 8
         vmc poll                 -> [VEND APPROVED 0.25]
         vmc ack                  -> approval delivered 8
         vmc failure              -> not taken back 8 [ack]
         vmc return 25 9          -> asked to credit #3 25 item 9 [ack]
         host approve 25 tag 9
         vmc poll                 -> [VEND APPROVED 0.25]
         vmc ack                  -> approval delivered 9
         vmc request 120 23       -> out of sequence [ack]
         vmc reset                -> not taken back 9 reset [ack]",
    );
}

#[test]
fn a_basket_is_charged_for_what_fell_and_each_report_counts_once() {
    let options = Options::BASKET.with(Options::ALWAYS_IDLE);
    with(
        options,
        "vmc basket 300 2 20      -> basket of 2 options 20 asked #1 300 item 65535 [ack]
         host approve 300 tag 7
         vmc poll                 -> [VEND APPROVED 3.00 options 0.20]
         vmc ack                  -> approval delivered 7
         vmc fell 11 200 1        -> part 7 item 11 200 left 1 [ack]
         vmc fell 11 200 1        -> [ack]
         vmc stuck 12 100 0       -> part 7 item 12 100 left 0 empty partly 7 200 [ack]
         vmc stuck 12 100 0       -> [ack]
         vmc complete             -> completed [END SESSION]
         vmc ack
         vmc basket 120 1 0       -> asked #2 120 item 65535 [ack]
         host approve 120 tag 8
         vmc poll                 -> [VEND APPROVED 1.20 options 0.00]
         vmc ack                  -> approval delivered 8
         vmc fell 11 130 0        -> out of sequence [ack]
         vmc fell 11 120 0        -> part 8 item 11 120 left 0 succeeded 8 item 11 [ack]",
    );
    // A reset: what was not reported as failed counts as dispensed.
    with(
        options,
        "vmc basket 300 3 0       -> basket of 3 options 0 asked #1 300 item 65535 [ack]
         host approve 300 tag 7
         vmc poll                 -> [VEND APPROVED 3.00 options 0.00]
         vmc ack                  -> approval delivered 7
         vmc stuck 11 100 2       -> part 7 item 11 100 left 2 empty [ack]
         vmc reset                -> partly 7 200 reset [ack]",
    );
    with(
        options,
        "vmc basket 300 2 0       -> basket of 2 options 0 asked #1 300 item 65535 [ack]
         host approve 300 tag 7
         vmc poll                 -> [VEND APPROVED 3.00 options 0.00]
         vmc ack                  -> approval delivered 7
         vmc stuck 11 100 1       -> part 7 item 11 100 left 1 empty [ack]
         vmc stuck 12 200 0       -> part 7 item 12 200 left 0 empty failed 7 [ack]",
    );
}

#[test]
fn names_of_items_come_before_the_result() {
    with(
        Options::ITEM_INFO.with(Options::ALWAYS_IDLE),
        "vmc request 120 23       -> asked #1 120 item 23 [ack]
         host approve 120 tag 7
         vmc poll                 -> [VEND APPROVED 1.20]
         vmc ack                  -> approval delivered 7
         vmc named 23 24          -> named 24 for 23 succeeded 7 item 24 [ack]
         vmc named 23 24          -> [ack]",
    );
}

#[test]
fn the_keypad_types_for_the_reader_and_nobody_else_reads_it() {
    with(
        Options::DATA_ENTRY,
        "host keys 4
         vmc poll                 -> [DATA ENTRY REQUEST of 4 keys]
         vmc ack
         vmc type 1234            -> typed 4 keys [ack]
         vmc type 1234            -> [ack]
         host keys 9              -> no keys
         host keys 4
         vmc poll                 -> [DATA ENTRY REQUEST of 4 keys]
         vmc ack
         vmc untyped              -> no keys [ack]
         host keys 4
         host nokeys              -> no keys
         vmc poll                 -> [ack]
         host keys 4
         vmc poll                 -> [DATA ENTRY REQUEST of 4 keys]
         vmc ack
         host nokeys              -> no keys
         vmc poll                 -> [DATA ENTRY CANCEL]
         vmc ack
         host keys 4
         vmc reset                -> no keys reset [ack]",
    );
}

#[test]
fn the_time_is_asked_and_told() {
    with(
        Options::NONE,
        "host time
         vmc poll                 -> [TIME REQUEST]
         vmc time                 -> it is 26-02-28 23:59:58 [ack]
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_fault_that_stands_is_in_every_answer_until_it_is_repaired_and_a_passing_one_is_told_once() {
    with(
        Options::NONE,
        "host broken
         vmc poll                 -> [MALFUNCTION 50]
         vmc ack
         host begin 1200
         vmc poll                 -> [BEGIN SESSION 12.00 media FFFFFFFF type 0 + MALFUNCTION 50]
         vmc ack                  -> session
         vmc poll                 -> [MALFUNCTION 50]
         vmc ack
         host malfunction
         vmc poll                 -> [MALFUNCTION C0]
         vmc ack
         host repaired
         vmc poll                 -> [ack]",
    );
}

#[test]
fn a_machine_that_verifies_ages_is_told_what_is_known_at_once_or_later() {
    for age in [Answer::Deferred, Answer::Immediate] {
        let config = Config {
            age_check: true,
            answers: Answers {
                age,
                ..Answers::default()
            },
            ..three(Options::NONE)
        };
        let script = match age {
            Answer::Immediate => {
                "vmc age 18               -> from age 18 [AGE FEATURE 00]
                 vmc ack
                 host age 144
                 vmc poll                 -> [AGE STATUS 90 00]
                 vmc ack
                 vmc age?                 -> [AGE STATUS 90 00]"
            }
            Answer::Deferred => {
                "vmc age 18               -> from age 18 [ack]
                 vmc poll                 -> [AGE FEATURE 00]
                 vmc ack
                 host age 16
                 vmc age?                 -> [ack]
                 vmc poll                 -> [AGE STATUS 10 00]"
            }
        };
        with_config(config, script);
    }
}

#[test]
fn a_coupon_is_held_out_once_and_its_fate_told_once() {
    with(
        Options::COUPON,
        "host coupon 50 7
         host coupon 50 8         -> coupon 8 item 65535 used None
         vmc poll                 -> [COUPON REPORT 00000007 item 65535 value 0.50]
         vmc ack
         vmc coupon 1 11 50       -> coupon 7 item 11 used Some(50) [ack]
         vmc coupon 1 11 50       -> [ack]
         host coupon 50 9
         vmc poll                 -> [COUPON REPORT 00000009 item 65535 value 0.50]
         vmc ack
         vmc coupon 0 65535 0     -> coupon 9 item 65535 used None [ack]",
    );
}

#[test]
fn a_file_comes_in_pieces_each_told_once() {
    with(
        Options::FILE_TRANSPORT,
        "host file 1
         host file 1              -> file NotPossible
         vmc poll                 -> [FILE 01 WANTED of 255 blocks]
         vmc ack
         vmc file 1 2             -> [ack]
         vmc poll                 -> [FILE OK TO SEND]
         vmc ack
         vmc piece 0 DXS          -> piece 0 DXS [ack]
         vmc piece 0 DXS          -> [ack]
         vmc poll                 -> [FILE OK TO SEND]
         vmc ack
         vmc piece 1 DXE          -> piece 1 DXE file Whole [ack]
         vmc piece 1 DXE          -> [ack]
         vmc poll                 -> [FILE OK TO SEND]
         vmc ack
         host file 1
         vmc later 5              -> file Denied { after_s: 5 } [ack]
         vmc file 1 9             -> [ack]
         vmc piece 0 DXS          -> piece 0 DXS [ack]
         vmc piece 1 .            -> file Whole [ack]
         vmc file 1 9             -> [ack]
         vmc piece 3 DXS          -> file Broken [ack]
         vmc poll                 -> [FILE DENIED]
         vmc ack
         vmc want 1 3             -> [ack]
         vmc poll                 -> [FILE DENIED]
         vmc ack
         vmc file 1 9             -> [ack]
         vmc reset                -> file Broken reset [ack]",
    );
}

#[test]
fn a_language_or_an_option_without_a_meaning_is_refused_at_the_start() {
    for config in [
        Config {
            language: *b"E1",
            ..three(Options::NONE)
        },
        three(Options::from_u32(1 << 11)),
    ] {
        assert!(Cashless::new(config).is_err());
    }
}
