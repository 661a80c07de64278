//! Money that is argued about: sales that a customer disputes, and card payments that are charged
//! back.

use super::names::Named;
use super::state::{Wallet, full};
use super::{CAPTURE_KEPT, CARDS_MAX, CHARGEBACKS_MAX, DISPUTES_MAX, Event, Favour, Refusal};
use crate::id::{OperatorId, Rseq, TransferId, VendId};
use crate::money::Amount;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};

/// A sale, or a part of one, whose money neither side has until somebody decides.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dispute {
    /// Its name.
    pub key: TransferId,
    /// The hold that the sale was paid from.
    pub vend: VendId,
    /// The receipt.
    pub rseq: Rseq,
    /// Who was paid.
    pub operator: OperatorId,
    /// How much.
    pub amount: Amount,
}

impl Wallet {
    /// Sales in dispute.
    pub fn disputes(&self) -> &[Dispute] {
        self.rare().map_or(&[], |rare| &rare.disputes)
    }

    /// Payments by card that have not reached the issuer: their names, and what is still to come.
    pub fn cards(&self) -> &[(TransferId, Amount)] {
        self.rare().map_or(&[], |rare| &rare.cards)
    }

    pub(super) fn dispute(
        &self,
        key: TransferId,
        sale: (VendId, Rseq, Amount),
        at: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        let (vend, rseq, amount) = sale;
        if self.is_known(key, &Named::dispute(vend, rseq, amount))? {
            return Ok(None);
        }
        let capture = self
            .captures_kept()
            .find(vend, rseq)
            .filter(|capture| at.since(capture.at) <= CAPTURE_KEPT)
            .ok_or(Refusal::NoSuchCapture)?;
        if !amount.is_positive() {
            return Err(Refusal::BadAmount { amount });
        }
        let left = capture.disputable();
        if amount > left {
            return Err(Refusal::RefundTooLarge { left });
        }
        if self.disputes().len() >= DISPUTES_MAX {
            return Err(full("disputes", DISPUTES_MAX));
        }
        Ok(Some(Event::Disputed {
            key,
            vend,
            rseq,
            operator: capture.operator,
            amount,
            at,
        }))
    }

    pub(super) fn end_dispute(
        &self,
        key: TransferId,
        favour: Favour,
        at: Timestamp,
    ) -> Result<Option<Event>, Refusal> {
        match self.names.find(key) {
            Some(Named::Dispute(_, Some(known))) if *known == favour => return Ok(None),
            Some(Named::Dispute(_, None)) => {}
            _ => return Err(Refusal::NoSuchDispute),
        }
        let open = self.disputes().iter().find(|dispute| dispute.key == key);
        let dispute = open.ok_or(Refusal::NoSuchDispute)?;
        Ok(Some(Event::DisputeEnded {
            key,
            vend: dispute.vend,
            rseq: dispute.rseq,
            operator: dispute.operator,
            amount: dispute.amount,
            favour,
            at,
        }))
    }

    pub(super) fn disputed(&mut self, dispute: Dispute) {
        let Dispute {
            key,
            vend,
            rseq,
            amount,
            ..
        } = dispute;
        self.names.keep(key, Named::dispute(vend, rseq, amount));
        self.trade_mut().captures.dispute(vend, rseq, amount);
        self.rare_mut().disputes.push(dispute);
        self.recount();
    }

    pub(super) fn dispute_ended(&mut self, key: TransferId, favour: Favour) {
        if let Some(Named::Dispute(_, end)) = self.names.find_mut(key) {
            *end = Some(favour);
        }
        let Some(rare) = &mut self.trade_mut().rare else {
            return;
        };
        let Some(at) = rare.disputes.iter().position(|open| open.key == key) else {
            return;
        };
        let Dispute {
            vend, rseq, amount, ..
        } = rare.disputes.swap_remove(at);
        match favour {
            Favour::Operator => self.trade_mut().captures.dispute(vend, rseq, -amount),
            Favour::Customer => self.emoney = self.emoney + amount,
        }
        self.recount();
    }

    pub(super) fn top_up_by_card(
        &self,
        key: TransferId,
        amount: Amount,
    ) -> Result<Option<Event>, Refusal> {
        if self.is_known(key, &Named::Card(amount))? {
            return Ok(None);
        }
        super::state::movable(amount, self.emoney)?;
        if self.cards().len() >= CARDS_MAX {
            return Err(full("payments by card under way", CARDS_MAX));
        }
        Ok(Some(Event::ToppedUpByCard {
            key,
            amount,
            repaid: self.repayments(amount),
        }))
    }

    pub(super) fn settle_card(&self, key: TransferId) -> Result<Option<Event>, Refusal> {
        match (self.names.find(key), self.card_left(key)) {
            (Some(Named::Card(_)), Some(amount)) => Ok(Some(Event::CardSettled { key, amount })),
            (Some(Named::Card(_)), None) => Ok(None),
            _ => Err(Refusal::NoSuchTransfer),
        }
    }

    pub(super) fn charge_back(
        &self,
        key: TransferId,
        payment: (TransferId, Amount),
    ) -> Result<Option<Event>, Refusal> {
        let (top_up, amount) = payment;
        if self.is_known(key, &Named::charged_back(top_up, amount))? {
            return Ok(None);
        }
        let paid = match self.names.find(top_up) {
            Some(Named::TopUp(paid) | Named::Card(paid)) => *paid,
            _ => return Err(Refusal::NoSuchTransfer),
        };
        if !amount.is_positive() {
            return Err(Refusal::BadAmount { amount });
        }
        let rare = self.rare();
        let back = rare.map_or(&[][..], |rare| &rare.charged_back);
        let known = back.iter().find(|(known, _)| *known == top_up);
        let left = paid - known.map_or(Amount::ZERO, |(_, back)| *back);
        if amount > left {
            return Err(Refusal::RefundTooLarge { left });
        }
        if known.is_none() && back.len() >= CHARGEBACKS_MAX {
            return Err(full("payments charged back", CHARGEBACKS_MAX));
        }
        // What is on its way never comes; the rest was the issuer's already.
        let unsettled = self.card_left(top_up).unwrap_or_default().min(amount);
        let taken = amount.min(self.free_emoney().max(Amount::ZERO));
        Ok(Some(Event::ChargedBack {
            key,
            top_up,
            unsettled,
            taken,
            owed: amount - taken,
            settled: amount - unsettled,
        }))
    }

    pub(super) fn charged_back(&mut self, payment: (TransferId, Amount, Amount)) {
        let (top_up, amount, unsettled) = payment;
        let rare = self.rare_mut();
        match rare.charged_back.iter_mut().find(|(key, _)| *key == top_up) {
            Some((_, back)) => *back = *back + amount,
            None => rare.charged_back.push((top_up, amount)),
        }
        if let Some((_, left)) = rare.cards.iter_mut().find(|(key, _)| *key == top_up) {
            *left = *left - unsettled;
        }
        rare.cards.retain(|(_, left)| left.is_positive());
    }

    fn card_left(&self, key: TransferId) -> Option<Amount> {
        let card = self.cards().iter().find(|(card, _)| *card == key);
        card.map(|(_, left)| *left)
    }
}
