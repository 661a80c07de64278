//! Conversations of a board with its machine, its phone, its server and its flash.

use super::state::Unguarded;
use super::street::{CODE, EPOCH, Flash, brief, fresh, tell};
use super::{
    Answer, Approval, Ask, Board, Favourite, Input, Machine, Output, Refusal, Sessions, Terms,
};
use crate::id::{Bind, Item, Nonce, Rseq, VendId};
use crate::lock::{Lock, LockState};
use crate::money::Currency;
use crate::notice::Code;
use crate::time::Timestamp;
use core::fmt::Write as _;
use core::time::Duration;

const BIND: Bind = Bind::from_bytes([8; 32]);
/// From an approval to its result, in these conversations.
const AFTER: Duration = Duration::from_millis(2_500);

struct Stage {
    board: Board,
    flash: Flash,
    now: Duration,
    freshes: u64,
    asks: u32,
    nonce: Nonce,
}

/// Plays the left sides and compares the right sides.
fn play(script: &str) {
    play_with(Sessions::ManyVends, script);
}

fn play_with(sessions: Sessions, script: &str) {
    let mut flash = Flash::default();
    let board = flash.start_with(0, 1, (Unguarded::Nothing, sessions));
    let mut stage = Stage {
        board,
        flash,
        now: Duration::ZERO,
        freshes: 0,
        asks: 0,
        nonce: Nonce::from_bytes([0; 16]),
    };
    let mut expected = String::new();
    let mut found = String::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (said, answer) = line.split_once("->").expect("a line is `said -> answer`");
        let words: Vec<&str> = said.split_whitespace().collect();
        let said = words.join(" ");
        writeln!(expected, "{said} -> {}", answer.trim()).expect("a string takes all");
        let outputs = stage.say(&words);
        let brief: Vec<String> = outputs.iter().map(brief).collect();
        writeln!(found, "{said} -> {}", brief.join(", ").trim()).expect("a string takes all");
    }
    assert_eq!(found, expected, "\nfound:\n{found}");
}

impl Stage {
    fn say(&mut self, words: &[&str]) -> Vec<Output> {
        if let ["flash", "syncs"] = words {
            let mut outputs = Vec::new();
            while let Some(ticket) = self.flash.sync() {
                outputs.extend(self.tell(Input::Synced(ticket)));
            }
            return outputs;
        }
        if let ["time", seconds] = words {
            self.now += Duration::from_secs(seconds.parse().expect("seconds"));
        }
        let input = self.input(words);
        self.tell(input)
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        let outputs = tell(&mut self.board, &mut self.flash, self.now, input);
        for output in &outputs {
            if let Output::Greet(greeting) = output {
                self.nonce = greeting.nonce;
            }
        }
        outputs
    }

    fn input(&mut self, words: &[&str]) -> Input {
        self.freshes += 1;
        let fresh = fresh(self.freshes);
        let number = |text: &str| text.parse().expect("a number");
        let answered = |answer| Input::Answered {
            answers: vec![answer],
            fresh,
        };
        match words {
            ["time", _] => Input::Tick,
            ["light", "code"] => Input::CodeSeen(CODE),
            ["phone", "links"] => Input::LinkUp { bind: BIND, fresh },
            ["server", "calls"] => Input::Called { bind: BIND, fresh },
            ["phone", "guesses"] => Input::LinkRefused,
            ["phone", "vanishes"] => Input::LinkDown,
            ["phone", "took"] => Input::LinkTook,
            ["phone", "leaves"] => Input::Leave,
            ["phone", "brings"] => Input::Brought,
            ["phone", "again"] => Input::Again { fresh },
            ["server", "grants", spend, vends] => {
                answered(self.grant(number(spend), number(vends), 0))
            }
            ["server", "grants", spend, vends, "cash", cash] => {
                answered(self.grant(number(spend), number(vends), number(cash)))
            }
            ["server", "grants", spend, vends, "with", item] => {
                let Answer::Grant(terms) = self.grant(number(spend), number(vends), 0) else {
                    panic!("a grant is a grant");
                };
                let item = Item::new(item.parse().expect("an item"));
                let favourite = Some(Favourite { item, options: 4 });
                answered(Answer::Grant(Terms { favourite, ..terms }))
            }
            ["server", "locks", version] => answered(Answer::Lock(Lock {
                version: number(version),
                state: LockState::Locked,
            })),
            ["server", "opens", version] => answered(Answer::Lock(Lock {
                version: number(version),
                state: LockState::Open,
            })),
            ["server", "notes", upto] => answered(Answer::NoticesAcked {
                epoch: EPOCH,
                upto: u64::from(number(upto)),
            }),
            ["server", "answers"] => answered(Answer::Time {
                utc: Timestamp::from_millis(1_700_000_000_000),
                nonce: self.nonce,
            }),
            ["sensor", "fails"] => Input::Fault {
                code: Code::SENSOR,
                data: [0; 8],
            },
            ["server", "refuses"] => answered(Answer::Refuse {
                nonce: self.nonce,
                reason: Refusal::Funds,
            }),
            ["server", "acks", upto] => {
                let upto = Rseq::new(u64::from(number(upto)));
                let chain = self.board.outbox().chain_at(upto);
                answered(Answer::Ack {
                    epoch: EPOCH,
                    upto,
                    chain: chain.expect("a kept receipt"),
                })
            }
            ["flash", "fails"] => Input::JournalFailed,
            ["machine", rest @ ..] => Input::Machine(self.machine(rest)),
            other => panic!("nobody says {other:?}"),
        }
    }

    fn machine(&mut self, words: &[&str]) -> Machine {
        let rseq = |text: &str| Rseq::new(text.parse().expect("a number"));
        match words {
            ["enables"] => Machine::Enabled,
            ["disables"] => Machine::Disabled,
            ["begins"] => Machine::SessionBegan,
            ["completes"] => Machine::SessionCompleted,
            ["asks", "limit"] => {
                self.asks += 1;
                Machine::RevalueLimitAsked {
                    ask: Ask::new(self.asks),
                }
            }
            ["asks", price] => {
                self.asks += 1;
                Machine::Asked {
                    ask: Ask::new(self.asks),
                    price: price.parse().expect("a price"),
                    item: Item::new(23),
                }
            }
            ["offers", "back", value] => {
                self.asks += 1;
                Machine::ReturnAsked {
                    ask: Ask::new(self.asks),
                    value: value.parse().expect("a value"),
                    item: Item::new(23),
                }
            }
            ["refuses", "favourite"] => Machine::FavouriteRefused,
            ["offers", "cash", amount] => {
                self.asks += 1;
                Machine::RevalueAsked {
                    ask: Ask::new(self.asks),
                    amount: amount.parse().expect("an amount"),
                }
            }
            ["takes", "cash", place] => Machine::RevalueTaken { rseq: rseq(place) },
            ["keeps", "cash", place] => Machine::RevalueOver { rseq: rseq(place) },
            ["sells", item, "for", price] => Machine::CashSold {
                item: Item::new(item.parse().expect("an item")),
                price: price.parse().expect("a price"),
            },
            ["cancels"] => Machine::Cancelled {
                ask: Ask::new(self.asks),
            },
            ["delivers", place] => Machine::Succeeded {
                rseq: rseq(place),
                after: AFTER,
            },
            ["delivers", place, "for", charged] => Machine::Partly {
                rseq: rseq(place),
                charged: charged.parse().expect("an amount"),
                after: AFTER,
            },
            ["fails", place] => Machine::Failed {
                rseq: rseq(place),
                after: AFTER,
            },
            ["resets"] => Machine::Reset(Approval::NotDelivered),
            ["resets", place, "after", millis] => Machine::Reset(Approval::Delivered {
                rseq: rseq(place),
                after: Duration::from_millis(millis.parse().expect("milliseconds")),
            }),
            other => panic!("no machine does {other:?}"),
        }
    }

    fn grant(&self, spend_max: u32, vends_max: u32, revalue_max: u32) -> Answer {
        Answer::Grant(Terms {
            grant: VendId::from_bytes([3; 16]),
            nonce: self.nonce,
            bind: BIND,
            currency: Currency::EUR,
            exponent: 2,
            spend_max,
            vends_max: u8::try_from(vends_max).expect("few"),
            revalue_max,
            balance: i32::try_from(spend_max).expect("little"),
            ttl: Duration::from_secs(300),
            favourite: None,
        })
    }
}

#[test]
fn a_vend_goes_from_the_light_code_to_the_acknowledged_receipt() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 1     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         flash syncs             -> write Close 3 120, [Closing Spent], cancel session
         phone took              -> receipts <2 3>
         machine completes       -> end session, [Linked Spent]
         server acks 3           -> write acked 3
         phone leaves            -> drop",
    );
}

#[test]
fn a_machine_that_does_not_deliver_costs_nothing_and_the_grant_goes_on() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 1     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine fails 2         -> write VendFail 2 120
         flash syncs             -> [Granted 500]
         machine completes       -> end session, begin 500
         machine begins          ->
         machine completes       -> write Close 3 0, [Closing Returned]
         flash syncs             -> end session, [Linked Returned]",
    );
}

#[test]
fn a_machine_that_completes_waits_for_the_close() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 1     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         machine completes       ->
         flash syncs             -> write Close 3 120, [Closing Spent], end session, [Linked Spent]",
    );
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine completes       -> write Close 2 0, [Closing Returned]
         machine asks 120        -> deny, [Closing NoGrant]
         time 31                 ->
         flash syncs             -> end session, [Linked Returned]",
    );
}

#[test]
fn a_grant_that_goes_on_ends_the_session_once_its_result_is_on_flash() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         machine completes       ->
         flash syncs             -> [Granted 380], end session, begin 380
         machine begins          ->
         phone leaves            -> write Close 3 120, [Closing Left]
         machine completes       ->
         flash syncs             -> end session, [Linked Left]",
    );
}

#[test]
fn a_favourite_is_asked_for_once_and_paid_by_the_machines_own_question() {
    play(
        "machine enables            ->
         light code                 -> advertise
         phone links                -> hush, hello <1>
         server grants 500 2 with 7 -> [Granted 500 resume], begin 500
         machine begins             -> select 7 as 4 for 500
         machine asks 120           -> write INTENT 2 120, [Vending 500]
         flash syncs                -> approve 2 120
         machine delivers 2         -> write VendOk 2 120
         machine completes          ->
         flash syncs                -> [Granted 380], end session, begin 380
         machine begins             ->",
    );
}

#[test]
fn a_favourite_of_somebody_who_has_left_is_not_asked_for() {
    play(
        "machine enables            ->
         light code                 -> advertise
         phone links                -> hush, hello <1>
         server grants 500 2 with 7 -> [Granted 500 resume], begin 500
         phone leaves               -> write Close 2 0, [Closing Left]
         machine begins             ->",
    );
}

#[test]
fn a_price_above_what_is_left_is_denied_with_what_is_missing() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 210 2     -> [Granted 210 resume], begin 210
         machine begins          ->
         machine asks 300        -> deny, [Granted 210 Short(90)]
         machine asks 210        -> write INTENT 2 210, [Vending 210]",
    );
}

#[test]
fn a_phone_that_vanishes_after_the_selection_leaves_its_receipt_to_another_one() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         phone took              ->
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         phone vanishes          -> advertise for its phone
         flash syncs             -> approve 2 120
         time 21                 -> hush
         machine delivers 2      -> write VendOk 2 120
         flash syncs             -> write Close 3 120, cancel session
         machine completes       -> end session
         light code              -> advertise
         phone links             -> hush, hello <1 2 3>
         server acks 3           -> write acked 3",
    );
}

#[test]
fn a_phone_that_comes_back_in_time_goes_on_where_it_was() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         phone vanishes          -> advertise for its phone
         phone guesses           ->
         phone guesses           ->
         phone guesses           ->
         time 19                 ->
         phone links             -> hush, [Granted 500 resume], receipts <1>
         time 30                 ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]",
    );
}

#[test]
fn three_guesses_or_forty_five_seconds_end_a_code() {
    play(
        "light code              -> advertise
         phone guesses           ->
         phone guesses           ->
         phone guesses           -> hush
         light code              -> advertise
         time 44                 ->
         time 1                  -> hush
         phone links             -> drop",
    );
}

#[test]
fn a_machine_that_falls_silent_frees_the_phone_and_keeps_the_intent() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         time 120                -> [Waiting Silent], drop
         time 4000               ->
         light code              -> advertise
         phone links             -> hush, [Waiting Silent], receipts <1>
         time 30                 -> drop
         machine resets 2 after 60000 -> write VendOk 2 120 flags 1
         flash syncs             -> write Close 3 120
         flash syncs             ->",
    );
}

#[test]
fn a_reset_soon_after_the_approval_is_a_vend_that_says_so() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine resets 2 after 400 -> write VendOk 2 120 flags 9
         flash syncs             -> write Close 3 120, [Closing Reset], [Linked Reset]",
    );
}

#[test]
fn a_reset_before_the_approval_was_taken_is_no_vend() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         machine resets          -> write VendFail 2 120
         flash syncs             -> write Close 3 0, [Closing Reset], [Linked Reset]",
    );
}

#[test]
fn a_question_taken_back_before_the_approval_fails_and_is_never_approved() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         machine cancels         -> write VendFail 2 120
         machine asks 130        ->
         flash syncs             -> [Granted 500], write INTENT 3 130, [Vending 500], approve 3 130",
    );
}

#[test]
fn a_second_result_for_one_vend_is_not_booked() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         machine delivers 2      -> report StrayResult { outcome: Delivered, rseq: Rseq(2) }
         flash syncs             -> [Granted 380]
         machine delivers 2      -> report StrayResult { outcome: Delivered, rseq: Rseq(2) }",
    );
}

#[test]
fn a_flash_that_fails_approves_nothing() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash fails             -> deny, [Vending 500 JournalFailed]",
    );
}

#[test]
fn a_grant_is_taken_once_and_only_within_its_time() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server refuses          -> [Linked Refused(Funds)]
         server grants 500 2     -> report StrayGrant
         phone again             -> hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         server grants 500 2     -> report StrayGrant
         phone leaves            -> write Close 2 0, [Closing Left]
         flash syncs             -> cancel session
         machine completes       -> end session, [Linked Left]
         server grants 500 2     -> report StrayGrant
         phone again             -> hello <1 2>
         phone again             ->
         time 30                 -> [Linked TimedOut], drop
         server grants 500 2     -> report StrayGrant",
    );
}

#[test]
fn a_call_finds_nobody_and_its_grant_has_no_phone_to_lose() {
    play(
        "machine enables         ->
         server calls            -> hello <1>
         server calls            -> report StrayCall
         light code              ->
         phone links             -> drop
         server grants 500 1     -> begin 500
         server calls            -> report StrayCall
         phone vanishes          ->
         phone leaves            ->
         machine begins          ->
         machine asks 120        -> write INTENT 2 120
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         flash syncs             -> write Close 3 120, cancel session
         machine completes       -> end session
         server grants 500 1     -> report StrayGrant
         light code              -> advertise
         server calls            -> report StrayCall",
    );
}

#[test]
fn a_called_hello_keeps_the_slot_until_it_is_answered_and_no_longer() {
    play(
        "machine enables         ->
         server calls            -> hello <1>
         server answers          -> drop
         server grants 500 1     -> report StrayGrant
         server calls            -> hello <1>
         server refuses          -> [Linked Refused(Funds)], drop
         phone again             ->
         server calls            -> hello <1>
         phone vanishes          ->
         server grants 500 1     -> report StrayGrant
         server calls            -> hello <1>
         time 30                 -> [Linked TimedOut], drop
         light code              -> advertise",
    );
}

#[test]
fn a_phone_that_brings_what_is_missing_stays_and_its_hello_grows_old_all_the_same() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         time 20                 ->
         phone brings            ->
         time 15                 ->
         server grants 500 1     -> report StrayGrant
         time 5                  -> [Linked TimedOut], drop
         phone brings            ->
         server calls            -> hello <1>
         time 20                 ->
         phone brings            ->
         time 10                 -> [Linked TimedOut], drop",
    );
}

#[test]
fn a_steady_slow_phone_brings_all_of_a_package_and_then_has_half_a_minute() {
    let chunks = "
         time 10                 ->
         phone brings            ->"
        .repeat(500);
    play(&format!(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>{chunks}
         time 29                 ->
         time 1                  -> [Linked TimedOut], drop"
    ));
}

#[test]
fn a_phone_that_lets_parts_drip_is_put_out_soon_however_quick_it_was_before() {
    let quick = "
         phone brings            ->"
        .repeat(500);
    for before in ["", &quick] {
        play(&format!(
            "machine enables         ->
             light code              -> advertise
             phone links             -> hush, hello <1>{before}
             time 29                 ->
             phone brings            ->
             time 11                 -> [Linked TimedOut], drop"
        ));
    }
}

#[test]
fn one_link_may_ask_again_three_times() {
    play(
        "light code              -> advertise
         phone links             -> hush, hello <1>
         server refuses          -> [Linked Refused(Funds)]
         phone again             -> hello <1>
         server refuses          -> [Linked Refused(Funds)]
         phone again             -> hello <1>
         server refuses          -> [Linked Refused(Funds)]
         phone again             -> hello <1>
         server refuses          -> [Linked Refused(Funds)]
         phone again             ->",
    );
}

#[test]
fn a_grant_that_nobody_uses_ends_after_its_idle_time() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         time 59                 ->
         time 1                  -> write Close 2 0, [Closing TimedOut]
         machine asks 120        -> deny, [Closing NoGrant]
         flash syncs             -> cancel session
         time 30                 -> [Linked TimedOut]",
    );
}

#[test]
fn a_grant_waits_for_a_machine_that_is_not_enabled() {
    play(
        "light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume]
         time 5                  ->
         machine enables         -> begin 500
         machine disables        ->
         time 55                 -> write Close 2 0, [Closing TimedOut]",
    );
}

#[test]
fn a_held_grant_whose_money_is_gone_is_closed_before_it_begins() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 0 2       -> [Granted 0 resume], write Close 2 0, [Closing Spent]
         flash syncs             -> [Linked Spent]",
    );
}

#[test]
fn a_result_that_no_phone_has_seen_goes_before_older_receipts() {
    let vend = |first: u32| {
        format!(
            "light code              -> advertise
             phone links             -> hush, hello {hello}
             server grants 500 1     -> [Granted 500 resume], begin 500
             machine begins          ->
             phone vanishes          -> advertise for its phone
             machine asks 120        -> write INTENT {vend} 120
             flash syncs             -> approve {vend} 120
             machine delivers {vend} -> write VendOk {vend} 120
             flash syncs             -> write Close {close} 120, cancel session
             machine completes       -> end session, hush
             ",
            hello = match first {
                2 => "<1>",
                4 => "<1 2 3>",
                _ => "<1 2 3 4>",
            },
            vend = first,
            close = first + 1,
        )
    };
    play(&format!(
        "machine enables -> \n{}{}{}{}",
        vend(2),
        vend(4),
        vend(6),
        "light code  -> advertise
         phone links -> hush, hello <6 1 2 3>
         phone took  -> receipts <4 5 6 7>"
    ));
}

#[test]
fn a_grant_goes_on_in_another_session_until_the_return_lever() {
    play_with(
        Sessions::OneVend,
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 3     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         flash syncs             -> [Granted 380], cancel session
         machine completes       -> end session, begin 380
         machine begins          ->
         machine asks 80         -> write INTENT 3 80, [Vending 380]
         flash syncs             -> approve 3 80
         machine delivers 3      -> write VendOk 3 80
         flash syncs             -> [Granted 300], cancel session
         machine disables        ->
         machine completes       -> end session
         machine enables         -> begin 300
         machine begins          ->
         machine completes       -> write Close 4 200, [Closing Returned]
         flash syncs             -> end session, [Linked Returned]",
    );
}

#[test]
fn cash_is_approved_once_its_intent_is_on_flash_and_counts_when_the_machine_has_taken_it() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 0 1 cash 500 -> [Granted 0 resume], begin 0
         machine begins          ->
         machine asks limit      -> limit 500
         machine offers cash 200 -> write INTENT_RV 2 200, [Vending 0]
         flash syncs             -> approve cash 2 200
         machine takes cash 2    -> write RevalueOk 2 200
         flash syncs             -> [Granted 0], write cash 200
         machine asks limit      -> limit 300
         machine offers cash 301 -> deny cash, [Granted 0 CashRefused]
         machine offers cash 0   -> deny cash, [Granted 0 CashRefused]
         machine takes cash 2    -> report StrayResult { outcome: Delivered, rseq: Rseq(2) }
         machine completes       -> write Close 3 0, [Closing Returned]
         machine asks limit      -> limit 0
         flash syncs             -> end session, [Linked Returned]
         phone took              -> receipts <2 3>",
    );
}

#[test]
fn cash_that_the_machine_keeps_is_a_failure_and_stays_free_to_be_put_in() {
    let begin = "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2 cash 500 -> [Granted 500 resume], begin 500
         machine begins          ->
         machine offers cash 200 -> write INTENT_RV 2 200, [Vending 500]
         ";
    play(&format!(
        "{begin}flash syncs             -> approve cash 2 200
         machine keeps cash 2    -> write RevalueFail 2 200
         flash syncs             -> [Granted 500]
         machine asks limit      -> limit 500"
    ));
    play(&format!(
        "{begin}machine cancels         -> write RevalueFail 2 200
         flash syncs             -> [Granted 500]"
    ));
    play(&format!(
        "{begin}flash syncs             -> approve cash 2 200
         machine resets          -> write RevalueFail 2 200
         flash syncs             -> write Close 3 0, [Closing Reset], [Linked Reset]"
    ));
    play(&format!(
        "{begin}flash syncs             -> approve cash 2 200
         machine completes       -> write RevalueFail 2 200
         flash syncs             -> write Close 3 0, [Closing Returned], end session, [Linked Returned]"
    ));
}

#[test]
fn cash_without_a_grant_is_denied() {
    play(
        "machine enables         ->
         machine asks limit      -> limit 0
         machine offers cash 100 -> deny cash",
    );
}

#[test]
fn cash_may_still_be_put_in_when_nothing_is_left_to_spend_but_not_in_another_session() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 120 1 cash 500 -> [Granted 120 resume], begin 120
         machine begins          ->
         machine asks 120        -> write INTENT 2 120, [Vending 120]
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         flash syncs             -> [Granted 0]
         machine offers cash 50  -> write INTENT_RV 3 50, [Vending 0]
         flash syncs             -> approve cash 3 50
         machine takes cash 3    -> write RevalueOk 3 50
         flash syncs             -> [Granted 0], write cash 50
         machine completes       -> write Close 4 120, [Closing Spent]
         flash syncs             -> end session, [Linked Spent]",
    );
}

#[test]
fn cash_sales_are_written_now_and_then_and_told_with_the_next_hello() {
    play(
        "machine enables         ->
         machine sells 7 for 100 -> write 1 x 7 at 100, write cash 100
         flash syncs             ->
         machine sells 7 for 100 ->
         machine sells 8 for 60  ->
         time 599                ->
         time 1                  -> write 2 x 7 at 100, write 1 x 8 at 60, write cash 260
         light code              -> advertise
         phone links             -> hush, hello <1> counters 1
         server answers          ->
         flash syncs             ->
         server refuses          -> [Linked Refused(Funds)]
         phone again             -> hello <1> counters 2
         server refuses          -> [Linked Refused(Funds)]
         phone again             -> hello <1> counters 2
         server answers          ->
         server refuses          -> [Linked Refused(Funds)]
         phone again             -> hello <1>",
    );
}

#[test]
fn a_locked_machine_finishes_its_session_and_begins_no_other_until_it_is_opened() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         server locks 1          -> write Locked 1, write notice 1 1 x lock_taken, service Locked
         server locks 1          ->
         machine asks 120        -> write INTENT 2 120, [Vending 500]
         flash syncs             -> approve 2 120
         machine delivers 2      -> write VendOk 2 120
         flash syncs             -> [Granted 380]
         machine completes       -> write Close 3 120, [Closing Locked]
         flash syncs             -> end session, [Linked Locked]
         phone took              -> receipts <2 3>
         phone took              -> notices <1>
         phone again             -> hello <1 2 3>
         server grants 500 2     -> report OutOfService, [Linked Locked]
         server opens 2          -> write Open 2, write notice 2 2 x lock_taken, service Open
         server grants 500 2     -> [Granted 500 resume], begin 500
         server locks 1          ->",
    );
}

#[test]
fn a_fault_is_noted_at_once_and_then_counted() {
    play(
        "sensor fails            -> write notice 1 1 x sensor, write cash 0
         sensor fails            ->
         sensor fails            ->
         time 599                ->
         time 1                  -> write notice 2 2 x sensor
         flash syncs             -> write cash 0
         flash syncs             ->
         time 600                ->
         light code              -> advertise
         phone links             -> hush, hello <1> counters 2
         phone took              -> notices <1 2>
         server notes 3          ->
         server notes 2          -> write notices acked 2
         server notes 1          ->",
    );
}

#[test]
fn a_favourite_that_the_machine_refuses_is_told_and_the_grant_goes_on() {
    play(
        "machine enables            ->
         machine refuses favourite  ->
         light code                 -> advertise
         phone links                -> hush, hello <1>
         server grants 500 2 with 7 -> [Granted 500 resume], begin 500
         machine begins             -> select 7 as 4 for 500
         machine refuses favourite  -> [Granted 500 NoFavourite]
         machine asks 80            -> write INTENT 2 80, [Vending 500]
         machine refuses favourite  ->
         flash syncs                -> approve 2 80
         machine delivers 2         -> write VendOk 2 80
         machine completes          ->
         flash syncs                -> [Granted 420], end session, begin 420
         machine begins             ->",
    );
}

#[test]
fn a_part_that_was_not_delivered_is_not_charged_and_never_more_than_was_approved() {
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 2     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 300        -> write INTENT 2 300, [Vending 500]
         flash syncs             -> approve 2 300
         machine delivers 2 for 120 -> write VendOk 2 120
         machine completes       ->
         flash syncs             -> [Granted 380], end session, begin 380
         machine begins          ->
         machine asks 90         -> write INTENT 3 90, [Vending 380]
         flash syncs             -> approve 3 90
         machine delivers 3 for 900 -> write VendOk 3 90
         flash syncs             -> write Close 4 210, [Closing Spent], cancel session",
    );
    play(
        "machine enables         ->
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 1     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine asks 300        -> write INTENT 2 300, [Vending 500]
         flash syncs             -> approve 2 300
         machine delivers 2 for 0 -> write VendFail 2 0
         flash syncs             -> [Granted 500]",
    );
}

#[test]
fn what_is_brought_back_counts_as_cash_put_in_and_a_reset_credits_nothing() {
    play(
        "machine enables             ->
         light code                  -> advertise
         phone links                 -> hush, hello <1>
         server grants 500 1 cash 40 -> [Granted 500 resume], begin 500
         machine begins              ->
         machine offers back 25      -> write INTENT_RT 2 25, [Vending 500]
         flash syncs                 -> approve 2 25
         machine delivers 2          -> write NegativeVend 2 25 flags 2
         machine completes           ->
         flash syncs                 -> [Granted 500], end session, begin 500
         machine begins              ->
         machine offers back 25      -> deny, [Granted 500 CashRefused]
         machine offers back 10      -> write INTENT_RT 3 10, [Vending 500]
         flash syncs                 -> approve 3 10
         machine resets 3 after 2000 -> write RevalueFail 3 10 flags 2
         flash syncs                 -> write Close 4 0, [Closing Reset], [Linked Reset]",
    );
}

#[test]
fn nothing_is_taken_back_without_a_grant_that_allows_it() {
    play(
        "machine enables         ->
         machine offers back 25  -> deny
         light code              -> advertise
         phone links             -> hush, hello <1>
         server grants 500 1     -> [Granted 500 resume], begin 500
         machine begins          ->
         machine offers back 25  -> deny, [Granted 500 CashRefused]",
    );
}
