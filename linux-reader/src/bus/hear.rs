//! What happens on the bus, in the hub's words. A result is on the result page before its answer leaves.

use super::Reflex;
use crate::news::News;
use crate::page::Ending;
use gettone_channel::VmcId;
use gettone_core::board::{Approval, Ask, Machine, NoSession, Outcome};
use gettone_core::id::{Item, Rseq};
use gettone_core::notice::Code;
use gettone_mdb::bounds::FILE_LEN_MAX;
use gettone_mdb::cashless::{
    ApprovalState, Event, FileEnd, PriceFault, RequestNumber, SelectionEnd, SessionRefusal,
};
use std::time::Duration;

impl Reflex {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is only told in words comes last"
    )]
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Reset { approval } => self.reset(approval),
            Event::Configured {
                level,
                columns,
                rows,
            } => {
                self.standing.vmc_level = level.number();
                self.tell(News::Display { columns, rows });
                self.tell(News::Standing(self.standing));
            }
            Event::Prices { max, .. } => {
                self.standing.price_max = max.unwrap_or(u32::MAX);
                self.tell(News::Standing(self.standing));
            }
            Event::VmcId(vmc) => {
                self.standing.vmc_id = VmcId::of(&vmc.manufacturer, &vmc.serial, &vmc.model);
                self.tell(News::Standing(self.standing));
            }
            Event::Enabled => self.tell_machine(Machine::Enabled),
            Event::Disabled => self.tell_machine(Machine::Disabled),
            Event::SessionBegan => self.tell_machine(Machine::SessionBegan),
            Event::SessionRefused(refusal) => {
                self.tell_machine(Machine::SessionRefused(match refusal {
                    SessionRefusal::Busy => NoSession::Busy,
                    SessionRefusal::CalledOff => NoSession::CalledOff,
                    SessionRefusal::NotEnabled | _ => NoSession::NotEnabled,
                }));
            }
            Event::VendRequested {
                request,
                price,
                item,
            } => {
                let ask = self.ask(request);
                let item = Item::new(self.numbering.shown(item));
                self.tell_machine(Machine::Asked { ask, price, item });
            }
            Event::VendCancelled { request } | Event::VendTimedOut { request } => {
                self.cancelled(request);
            }
            Event::ApprovalRefused { tag, refusal } => {
                tracing::warn!(?refusal, tag, "an approval went nowhere");
                let rseq = Rseq::new(tag);
                self.tell_machine(Machine::ApprovalRefused { rseq });
            }
            Event::ApprovalDelivered { .. } => self.delivered_at = self.uptime.now(),
            Event::VendSucceeded { tag, .. } => {
                let (rseq, after) = self.ended(tag, Outcome::Delivered);
                self.tell_machine(Machine::Succeeded { rseq, after });
            }
            Event::VendPartly { tag, charged, .. } => {
                let (rseq, after) = self.ended(tag, Outcome::Partly { charged });
                self.tell_machine(Machine::Partly {
                    rseq,
                    charged,
                    after,
                });
            }
            Event::ReturnAsked {
                request,
                value,
                item,
            } => {
                let ask = self.ask(request);
                let item = Item::new(self.numbering.shown(item));
                self.tell_machine(Machine::ReturnAsked { ask, value, item });
            }
            Event::ReturnSucceeded { tag, .. } => {
                let (rseq, after) = self.ended(tag, Outcome::Delivered);
                self.tell_machine(Machine::Succeeded { rseq, after });
            }
            Event::VendFailed { tag } | Event::ReturnFailed { tag } => {
                let (rseq, after) = self.ended(tag, Outcome::Failed);
                self.tell_machine(Machine::Failed { rseq, after });
            }
            Event::SessionCompleted => self.tell_machine(Machine::SessionCompleted),
            Event::EndTimedOut => {
                tracing::error!("the hub did not end the machine's session in time")
            }
            Event::OutOfSequence { command } => {
                tracing::warn!(?command, "the machine's command has no place here");
            }
            Event::VmcSilent => {
                tracing::warn!("the machine is silent");
                self.tell_fault(Code::BUS_LOST, [0; 8]);
            }
            Event::CashSold { item, price } => {
                let item = Item::new(self.numbering.sold(item));
                self.tell_machine(Machine::CashSold { item, price });
            }
            Event::RevalueLimitAsked(request) => {
                let ask = self.ask(request);
                self.tell_machine(Machine::RevalueLimitAsked { ask });
            }
            Event::RevalueAsked { request, amount } => {
                let ask = self.ask(request);
                self.tell_machine(Machine::RevalueAsked { ask, amount });
            }
            Event::RevalueApprovalTaken { request } => {
                if let Some(rseq) = self.cash_ended(request, Outcome::Delivered) {
                    self.tell_machine(Machine::RevalueTaken { rseq });
                }
            }
            Event::RevalueOver { request } => match self.cash_ended(request, Outcome::Failed) {
                Some(rseq) => self.tell_machine(Machine::RevalueOver { rseq }),
                None => self.cancelled(request),
            },
            Event::PriceRefused { item, price, why } => {
                tracing::warn!(item, price, ?why, "a price was refused");
                self.tell_fault(Code::PRICE_REFUSED, refused_price(item, price, why));
            }
            Event::AddressTaken => {
                tracing::error!("another device answers at this reader's address");
                self.tell_fault(Code::OTHER_DEVICE, [0; 8]);
            }
            Event::SelectionOver { item, why } => {
                tracing::info!(
                    item,
                    ?why,
                    "the favourite is not made; the customer may still choose"
                );
                if is_refusal(why) {
                    self.tell_machine(Machine::FavouriteRefused);
                }
            }
            Event::FilePiece { number, piece } => self.gather(number, &piece),
            Event::FileOver(end) => self.gathered(end),
            Event::DenialDelivered { .. } | Event::ReaderCancelled => {}
            other => tracing::debug!(?other, "an event of an option"),
        }
    }

    /// Numbers a question of the machine; the one before has no hearer any more.
    fn ask(&mut self, request: RequestNumber) -> Ask {
        self.asks = self.asks.wrapping_add(1);
        let ask = Ask::new(self.asks);
        self.asked = Some((ask, request));
        ask
    }

    fn cancelled(&mut self, request: RequestNumber) {
        if let Some((ask, _)) = self.asked.filter(|(_, open)| *open == request) {
            self.tell_machine(Machine::Cancelled { ask });
        }
    }

    /// The machine took the approved cash-in, or never will: written down before anything follows.
    fn cash_ended(&mut self, request: RequestNumber, outcome: Outcome) -> Option<Rseq> {
        let cash = self.cash.take_if(|cash| cash.request == request)?;
        self.write_down(&Ending {
            epoch: cash.epoch,
            rseq: cash.rseq,
            outcome,
            after: Duration::ZERO,
        });
        Some(cash.rseq)
    }

    fn reset(&mut self, approval: ApprovalState) {
        self.asked = None;
        let approval = match approval {
            ApprovalState::None => Approval::NotDelivered,
            ApprovalState::NotDelivered { tag } => {
                self.ended(tag, Outcome::Failed);
                Approval::NotDelivered
            }
            ApprovalState::Delivered { tag } => {
                let (rseq, after) = self.ended(tag, Outcome::ByReset);
                Approval::Delivered { rseq, after }
            }
        };
        self.tell_machine(Machine::Reset(approval));
    }

    /// Puts an ending on the result page, before the machine hears that we have it.
    fn ended(&mut self, tag: u64, outcome: Outcome) -> (Rseq, Duration) {
        let rseq = Rseq::new(tag);
        let after = self.uptime.now().saturating_sub(self.delivered_at);
        if let Some((_, epoch)) = self.approved.filter(|(approved, _)| *approved == rseq) {
            self.write_down(&Ending {
                epoch,
                rseq,
                outcome,
                after,
            });
        }
        (rseq, after)
    }

    fn write_down(&mut self, ending: &Ending) {
        if let Err(fault) = self.page.write(ending) {
            tracing::error!(%fault, "the result page cannot be written");
        }
    }

    /// A piece of the machine's audit; the device sees to it that pieces come in their order.
    fn gather(&mut self, number: u8, piece: &[u8]) {
        let audit = self
            .audit
            .get_or_insert_with(|| Vec::with_capacity(FILE_LEN_MAX));
        if number == 0 {
            audit.clear();
        }
        if audit.len().saturating_add(piece.len()) <= FILE_LEN_MAX {
            audit.extend_from_slice(piece);
        }
    }

    fn gathered(&mut self, end: FileEnd) {
        let audit = self.audit.take();
        match (end, audit) {
            (FileEnd::Whole, Some(audit)) => self.tell(News::Audit(audit)),
            (FileEnd::Whole, None) => self.tell(News::NoAudit(FileEnd::Broken)),
            (end, _) => self.tell(News::NoAudit(end)),
        }
    }
}

/// Whether the machine was asked for it and does not make it; what was overtaken or called off is no refusal.
const fn is_refusal(why: SelectionEnd) -> bool {
    matches!(
        why,
        SelectionEnd::NotPossible | SelectionEnd::Denied(_) | SelectionEnd::TimedOut
    )
}

/// The item, the price or FFFFFFFF, and what is wrong with it: 1 outside what SETUP announced, 2 no
/// whole number of the bus's steps.
fn refused_price(item: u16, price: Option<u32>, why: PriceFault) -> [u8; 8] {
    let [i1, i2] = item.to_be_bytes();
    let [p1, p2, p3, p4] = price.unwrap_or(u32::MAX).to_be_bytes();
    let why = match why {
        PriceFault::OutsideSetup => 1,
        PriceFault::NotDivisible => 2,
        _ => 0,
    };
    [i1, i2, p1, p2, p3, p4, why, 0]
}
