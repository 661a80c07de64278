//! What happened to operators' money.

use super::Fold;
use crate::happening::Subject;
use crate::sql;
use crate::text::money;
use gettone_core::id::{OperatorId, TransferId};
use gettone_core::money::{Amount, Currency};
use gettone_core::operator::Event;
use serde_json::json;

impl Fold<'_> {
    /// Takes in what happened to an operator's money.
    pub(super) fn take_operator(&self, operator: OperatorId, event: &Event) -> sql::Result<()> {
        let (step, key, moved) = match event {
            Event::PaidOut {
                key,
                currency,
                amount,
                ..
            } => ("paid_out", key, Some((*currency, *amount))),
            Event::PayoutSettled {
                key,
                currency,
                amount,
            } => ("payout_settled", key, Some((*currency, *amount))),
            Event::PayoutFailed {
                key,
                currency,
                amount,
            } => ("payout_failed", key, Some((*currency, *amount))),
            Event::Promoted {
                key,
                currency,
                amount,
                ..
            } => ("promoted", key, Some((*currency, *amount))),
            Event::Returned {
                key,
                currency,
                amount,
            } => ("promotion_returned", key, Some((*currency, *amount))),
            Event::Charged {
                key,
                currency,
                amount,
            } => ("charged", key, Some((*currency, *amount))),
            Event::Deposited {
                key,
                currency,
                amount,
            } => ("deposited", key, Some((*currency, *amount))),
            Event::Covered {
                key,
                currency,
                amount,
            } => ("covered", key, Some((*currency, *amount))),
            Event::Delivered { key } => ("promotion_arrived", key, None),
            // It only says how far its earnings are added up.
            Event::Folded { .. } => return Ok(()),
        };
        self.tell_of_money(operator, (step, key), moved)
    }

    fn tell_of_money(
        &self,
        operator: OperatorId,
        (step, key): (&str, &TransferId),
        moved: Option<(Currency, Amount)>,
    ) -> sql::Result<()> {
        let mut body = json!({"step": step, "transfer": key.to_string()});
        if let Some((currency, amount)) = moved {
            body["amount"] = money(amount, currency).into();
            body["currency"] = currency.code().into();
        }
        self.tell(operator, Subject::Money, None, body)
    }
}
