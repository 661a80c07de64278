//! The INTENT and its one end.

#[cfg(test)]
use super::Unguarded;
use super::{Asked, Board, ClosePhase, Intent, JournalSide, Phase, Session, Vended};
use crate::board::record::after_ms;
use crate::board::{
    Act, Ask, Fault, LastResult, Life, Note, Outcome, Output, Record, Sessions, Step, Ticket,
    Written,
};
use crate::id::Rseq;
use crate::receipt::{Receipt, ReceiptKind};
use core::time::Duration;

impl Board {
    pub(super) fn open_intent(&mut self, asked: Asked) {
        let Some(grant) = self.grant.as_ref().map(|grant| grant.id) else {
            return;
        };
        let rseq = self.next_rseq();
        self.last = rseq;
        let ticket = self.write(match asked.act {
            Act::Vend => Record::Intent {
                rseq,
                grant,
                item: asked.item,
                price: asked.price,
            },
            Act::Revalue => Record::RevalueIntent {
                rseq,
                grant,
                amount: asked.price,
            },
            Act::Return => Record::ReturnIntent {
                rseq,
                grant,
                item: asked.item,
                value: asked.price,
            },
        });
        self.intent = Some(Intent {
            rseq,
            asked,
            since: self.now,
            phase: Phase::Writing(ticket),
        });
        self.step(Step::Asked);
        self.tell(Note::None);
        #[cfg(test)]
        if self.unguarded == Unguarded::ApprovesBeforeSync {
            self.approve();
        }
    }

    pub(super) fn approve(&mut self) {
        let Some(intent) = &mut self.intent else {
            return;
        };
        intent.phase = Phase::Approved;
        let (ask, rseq, amount) = (intent.asked.ask, intent.rseq, intent.asked.price);
        self.outputs.push_back(match intent.asked.act {
            Act::Vend | Act::Return => Output::Approve { ask, rseq, amount },
            Act::Revalue => Output::ApproveRevalue { ask, rseq, amount },
        });
    }

    pub(super) fn deny(&mut self, asked: Asked, note: Note) {
        let ask = asked.ask;
        self.outputs.push_back(match asked.act {
            Act::Vend | Act::Return => Output::Deny { ask },
            Act::Revalue => Output::DenyRevalue { ask },
        });
        if let Some(grant) = &mut self.grant {
            grant.last = LastResult::Denied;
            grant.idle_since = self.now;
        }
        self.tell(note);
    }

    pub(super) fn cancelled(&mut self, ask: Ask) {
        if self.asked.is_some_and(|asked| asked.ask == ask) {
            self.asked = None;
        }
        if self.intent.is_some_and(|intent| intent.asked.ask == ask) {
            self.fail_unapproved();
        }
    }

    /// The bus cannot say this price, or the question is gone: the machine never heard a yes.
    pub(super) fn approval_refused(&mut self, rseq: Rseq) {
        let Some(intent) = self.intent.filter(|intent| intent.rseq == rseq) else {
            return;
        };
        if let Phase::Approved = intent.phase {
            self.deny(intent.asked, Note::None);
            self.fail_unapproved();
        }
    }

    pub(super) fn fail_unapproved(&mut self) {
        if let Some(intent) = self.intent {
            match intent.phase {
                Phase::Writing(_) | Phase::Approved => {
                    self.end_intent(intent, Outcome::Failed, Duration::ZERO);
                }
                Phase::Ending(..) => {}
            }
        }
    }

    /// The machine never had our approval of its cash-in: the cash stays with it.
    pub(super) fn revalue_over(&mut self, rseq: Rseq) {
        let is_open = self
            .intent
            .is_some_and(|intent| intent.rseq == rseq && intent.asked.act == Act::Revalue);
        if is_open {
            self.fail_unapproved();
        }
    }

    pub(super) fn result(&mut self, act: Act, rseq: Rseq, outcome: Outcome, after: Duration) {
        let open = self.intent.filter(|intent| match intent.phase {
            // Whether it gave or took back, its report is the same.
            Phase::Approved => intent.rseq == rseq && intent.asked.act.is_trade() == act.is_trade(),
            Phase::Writing(_) | Phase::Ending(..) => false,
        });
        match open {
            Some(intent) => self.end_intent(intent, outcome, after),
            // A command that was answered before is answered again below, and never booked twice.
            None => self.report(Fault::StrayResult { outcome, rseq }),
        }
    }

    pub(super) fn end_intent(&mut self, intent: Intent, outcome: Outcome, after: Duration) {
        let Some(grant) = self.grant.as_ref().map(|grant| grant.id) else {
            return;
        };
        let written = self.seal(Receipt {
            rseq: intent.rseq,
            kind: outcome.kind(intent.asked.act),
            grant,
            item: intent.asked.item,
            amount: outcome.amount(intent.asked.price),
            order: self.order(),
            flags: outcome.flags(intent.asked.act, after),
            after_ms: after_ms(after),
            prev: self.chain,
            chain: self.chain,
        });
        let ticket = self.write(Record::Receipt(written));
        if intent.asked.act.is_trade() {
            self.machine.vended = Vended::Something;
        }
        self.intent = Some(Intent {
            phase: Phase::Ending(ticket, written),
            ..intent
        });
    }

    /// The result is on flash: only here it counts.
    pub(super) fn intent_ended(&mut self, written: Written) {
        self.intent = None;
        self.outbox.push(written);
        let price = u32::try_from(written.receipt.amount.minor()).unwrap_or(u32::MAX);
        let Some(grant) = &mut self.grant else { return };
        grant.count();
        grant.idle_since = self.now;
        match written.receipt.kind {
            ReceiptKind::VendOk => {
                grant.spend(price);
                grant.last = LastResult::Vended;
                if let Some(link) = &mut self.link {
                    link.agains = 0;
                }
            }
            ReceiptKind::VendUnknown => grant.last = LastResult::Unknown,
            ReceiptKind::RevalueOk => {
                grant.revalue(price);
                grant.last = LastResult::CashTaken;
                self.counting.cash_in(price);
                if let Some(link) = &mut self.link {
                    link.agains = 0;
                }
            }
            // No cash came in: what is counted in the machine's box stays as it is.
            ReceiptKind::NegativeVend => {
                grant.revalue(price);
                grant.last = LastResult::CashTaken;
                if let Some(link) = &mut self.link {
                    link.agains = 0;
                }
            }
            ReceiptKind::VendFail
            | ReceiptKind::RevalueUnknown
            | ReceiptKind::Close
            | ReceiptKind::EpochStart
            | ReceiptKind::LightGrantUsed
            | ReceiptKind::RevalueFail => grant.last = LastResult::Failed,
        }
        let is_over = match self.start.sessions {
            // The session that cash could be put in ends with its vend.
            Sessions::OneVend => grant.is_spent() && self.machine.vended == Vended::Something,
            Sessions::ManyVends => grant.is_used_up(),
        };
        if is_over || grant.is_used_up() {
            grant.end(Note::Spent);
        }
        let goes_on = grant.over.is_none() && self.life == Life::Vending;
        if !goes_on {
            self.step(Step::EndedLast);
            return self.close();
        }
        self.step(Step::Ended);
        self.tell(Note::None);
        let open = self.machine.session == Session::Open;
        let vended = self.machine.vended == Vended::Something;
        if open && vended && self.start.sessions == Sessions::OneVend {
            // [MDB §2] a machine told "one vend" should end the session itself; some do not.
            self.machine.session = Session::Cancelled;
            self.outputs.push_back(Output::CancelSession);
        }
        if let Some(asked) = self.asked.take() {
            self.asked(asked);
        }
    }

    pub(super) fn synced(&mut self, ticket: Ticket) {
        self.counting.synced(ticket);
        self.noticing.synced(ticket);
        self.token_synced(ticket);
        if let Some(intent) = self.intent {
            match intent.phase {
                Phase::Writing(writing) if writing == ticket => match self.life {
                    Life::Vending => self.approve(),
                    // The phone was let go meanwhile: too late to promise anything.
                    Life::Idle
                    | Life::Advertising
                    | Life::Linked
                    | Life::Granted
                    | Life::Waiting
                    | Life::Closing => {
                        self.deny(intent.asked, Note::TimedOut);
                        self.end_intent(intent, Outcome::Failed, Duration::ZERO);
                    }
                },
                Phase::Ending(writing, written) if writing == ticket => {
                    self.intent_ended(written);
                }
                Phase::Writing(_) | Phase::Approved | Phase::Ending(..) => {}
            }
        }
        if let Some(closing) = self.closing
            && let ClosePhase::Writing(writing) = closing.phase
            && writing == ticket
        {
            self.outbox.push(closing.written);
            self.end_session();
        }
    }

    pub(super) fn journal_failed(&mut self) {
        self.journal = JournalSide::Failed;
        if let Some(intent) = self.intent
            && let Phase::Writing(_) = intent.phase
        {
            self.deny(intent.asked, Note::JournalFailed);
        }
    }
}
