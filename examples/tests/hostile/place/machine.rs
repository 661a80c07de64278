//! The machine that a board sits in.

use super::{DELIVERY, LOOKS_MAX, NOTE, PRICE_MAX, Place};
use crate::books::{Done, Truth};
use crate::dice::Dice;
use core::time::Duration;
use gettone::core::board::{Approval, Ask, Life, Machine, Record};
use gettone::core::id::{Item, Rseq, VendId};
use gettone_relay::{Input, Order};

impl Place {
    /// Something happens at the machine.
    pub(crate) fn machine(&mut self, truth: &mut Truth, dice: &mut Dice) {
        if dice.is_in(1, 40) {
            return self.reset(truth, dice);
        }
        if let Some(order) = self.orders.pop_front() {
            return self.order(order, truth, dice);
        }
        if let Some(rseq) = self.motors {
            let after = DELIVERY;
            return match dice.below(8) {
                0 => self.end(Machine::Failed { rseq, after }, truth, dice),
                1 => self.reset(truth, dice),
                _ => self.end(Machine::Succeeded { rseq, after }, truth, dice),
            };
        }
        if !self.has_session {
            return;
        }
        match (self.asked, dice.below(8)) {
            (None, 0) => self.tell(Input::Machine(Machine::SessionCompleted), dice),
            (None, 1) => self.put_in(dice),
            (None, _) => self.ask(dice),
            (Some(ask), 0) => {
                self.asked = None;
                self.tell(Input::Machine(Machine::Cancelled { ask }), dice);
            }
            (Some(_), _) => {}
        }
    }

    /// What a good machine does next by itself; false when it waits for somebody.
    pub(crate) fn acts(&mut self, truth: &mut Truth, dice: &mut Dice) -> bool {
        if let Some(order) = self.orders.pop_front() {
            self.order(order, truth, dice);
        } else if let Some(rseq) = self.motors {
            let after = DELIVERY;
            self.end(Machine::Succeeded { rseq, after }, truth, dice);
        } else {
            return false;
        }
        true
    }

    fn ask(&mut self, dice: &mut Dice) {
        let price = 40 + dice.below(PRICE_MAX);
        self.ask_for(price, dice);
    }

    pub(crate) fn ask_for(&mut self, price: u64, dice: &mut Dice) {
        self.asks += 1;
        let ask = Ask::new(self.asks);
        self.asked = Some(ask);
        let asked = Machine::Asked {
            ask,
            price: u32::try_from(price).expect("small"),
            item: Item::new(11),
        };
        self.tell(Input::Machine(asked), dice);
    }

    /// Somebody has a note.
    fn put_in(&mut self, dice: &mut Dice) {
        self.asks += 1;
        let ask = Ask::new(self.asks);
        self.asked = Some(ask);
        let asked = Machine::RevalueAsked { ask, amount: NOTE };
        self.tell(Input::Machine(asked), dice);
    }

    fn order(&mut self, order: Order, truth: &mut Truth, dice: &mut Dice) {
        match order {
            Order::BeginSession { .. } => {
                self.has_session = true;
                self.shelf.programs.session_began();
                self.tell(Input::Machine(Machine::SessionBegan), dice);
            }
            Order::Approve {
                ask, rseq, amount, ..
            } => {
                if self.asked == Some(ask) {
                    self.asked = None;
                    self.motors = Some(rseq);
                    truth.vends.insert(
                        (self.grant_of(rseq), rseq),
                        (i64::from(amount), Done::Approved),
                    );
                } else {
                    // It had taken its question back.
                    self.tell(Input::Machine(Machine::ApprovalRefused { rseq }), dice);
                }
            }
            Order::ApproveRevalue {
                ask, rseq, amount, ..
            } => {
                let is_taken = self.asked == Some(ask) && dice.is_in(3, 4);
                if self.asked == Some(ask) {
                    self.asked = None;
                }
                let (done, told) = match is_taken {
                    true => (Done::Sold, Machine::RevalueTaken { rseq }),
                    false => (Done::Failed, Machine::RevalueOver { rseq }),
                };
                let name = (self.grant_of(rseq), rseq);
                truth.cash.insert(name, (i64::from(amount), done));
                self.tell(Input::Machine(told), dice);
            }
            Order::Deny { ask } | Order::DenyRevalue { ask } => {
                if self.asked == Some(ask) {
                    self.asked = None;
                }
            }
            Order::CancelSession => {
                if let Some(ask) = self.asked.take() {
                    self.tell(Input::Machine(Machine::Cancelled { ask }), dice);
                }
                self.tell(Input::Machine(Machine::SessionCompleted), dice);
            }
            Order::EndSession => self.has_session = false,
            Order::Select { .. } | Order::TellRevalueLimit { .. } => {}
        }
    }

    /// The grant under which the board has written this INTENT.
    fn grant_of(&self, rseq: Rseq) -> VendId {
        let intents = self.flash.records().iter().rev();
        let mut intents = intents.filter_map(|record| match record {
            Record::Intent {
                rseq: of, grant, ..
            }
            | Record::RevalueIntent {
                rseq: of, grant, ..
            } if *of == rseq => Some(*grant),
            _ => None,
        });
        intents.next().expect("no approval without its INTENT")
    }

    fn end(&mut self, result: Machine, truth: &mut Truth, dice: &mut Dice) {
        if let Some(rseq) = self.motors.take()
            && let Some((_, done)) = truth.vends.get_mut(&(self.grant_of(rseq), rseq))
        {
            *done = match result {
                Machine::Failed { .. } => Done::Failed,
                // A reset after the approval counts as a sale: that is MDB's rule.
                _ => Done::Sold,
            };
        }
        self.tell(Input::Machine(result), dice);
    }

    fn reset(&mut self, truth: &mut Truth, dice: &mut Dice) {
        let approval = match self.motors {
            Some(rseq) => Approval::Delivered {
                rseq,
                after: DELIVERY,
            },
            None => Approval::NotDelivered,
        };
        self.has_session = false;
        self.asked = None;
        self.orders.clear();
        self.end(Machine::Reset(approval), truth, dice);
        self.orders.clear();
        self.tell(Input::Machine(Machine::Enabled), dice);
    }

    /// Everything comes to rest: the machine ends what it is at, and nobody is there.
    pub(crate) fn rest(&mut self, truth: &mut Truth, dice: &mut Dice) -> Result<(), String> {
        for _ in 0..LOOKS_MAX {
            self.sync(usize::MAX, dice);
            if self.life() == Life::Idle && self.orders.is_empty() && self.motors.is_none() {
                return Ok(());
            }
            match (self.orders.pop_front(), self.motors) {
                (Some(order), _) => self.order(order, truth, dice),
                (None, Some(rseq)) => {
                    let after = DELIVERY;
                    self.end(Machine::Succeeded { rseq, after }, truth, dice);
                }
                (None, None) if self.has_session && self.asked.is_none() => {
                    self.tell(Input::Machine(Machine::SessionCompleted), dice);
                    self.pass(Duration::from_secs(1), dice);
                }
                (None, None) => self.pass(Duration::from_secs(7), dice),
            }
        }
        Err(format!("for ever: a board stays {:?}", self.life()))
    }
}
