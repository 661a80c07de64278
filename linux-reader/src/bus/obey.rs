//! What the hub has ordered, in the device's words.

use super::{Cash, Reflex, Saying};
use crate::news::News;
use gettone_core::board::{Ask, Machine};
use gettone_mdb::ItemOptions;
use gettone_mdb::cashless::Host;
use gettone_mdb::file::AUDIT_FILE;
use gettone_relay::Order;
use std::time::Duration;

/// How long a text stays on the machine's display.
const SHOWN_FOR: Duration = Duration::from_secs(5);
/// How long what may be typed does: nearly as long as its code, and as a machine can be asked.
const DIGITS_SHOWN_FOR: Duration = Duration::from_secs(25);

impl Reflex {
    /// What the device has to do for it; nothing when the machine cannot be asked.
    pub(super) fn host(&mut self, saying: Saying) -> Option<Host> {
        let order = match saying {
            Saying::Order(order) => order,
            Saying::Show(text) => {
                let during = SHOWN_FOR;
                return Some(Host::Show { text, during });
            }
            Saying::ShowDigits(text) => {
                let during = DIGITS_SHOWN_FOR;
                return Some(Host::Show { text, during });
            }
            Saying::AskAudit => return Some(Host::AskFile { file: AUDIT_FILE }),
        };
        let open = |ask: Ask| self.asked.filter(|(open, _)| *open == ask);
        Some(match order {
            Order::BeginSession { funds } => Host::BeginSession { funds },
            Order::Select {
                item,
                options,
                funds,
            } => {
                let Some(item) = self.numbering.bus(item.number()) else {
                    tracing::warn!(
                        item = item.number(),
                        "the machine has no number for the favourite"
                    );
                    self.tell_machine(Machine::FavouriteRefused);
                    return None;
                };
                Host::Select {
                    item,
                    options: ItemOptions::from_u32(options),
                    funds,
                }
            }
            Order::CancelSession => Host::CancelSession,
            Order::EndSession => Host::EndSession,
            Order::Approve {
                ask,
                rseq,
                amount,
                epoch,
            } => {
                let Some((_, request)) = open(ask) else {
                    // Another question is open: this verdict has no hearer.
                    self.tell(News::Machine(Machine::ApprovalRefused { rseq }));
                    return None;
                };
                self.approved = Some((rseq, epoch));
                Host::Approve {
                    request,
                    amount,
                    tag: rseq.number(),
                }
            }
            Order::Deny { ask } => Host::Deny {
                request: open(ask)?.1,
            },
            Order::ApproveRevalue {
                ask, rseq, epoch, ..
            } => {
                let Some((_, request)) = open(ask) else {
                    self.tell(News::Machine(Machine::RevalueOver { rseq }));
                    return None;
                };
                self.cash = Some(Cash {
                    request,
                    rseq,
                    epoch,
                });
                Host::ApproveRevalue { request }
            }
            Order::DenyRevalue { ask } => Host::DenyRevalue {
                request: open(ask)?.1,
            },
            Order::TellRevalueLimit { ask, limit } => Host::RevalueLimit {
                request: open(ask)?.1,
                limit,
            },
        })
    }
}
