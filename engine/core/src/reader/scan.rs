//! Codes on show: their news, their claims and what they prove (protocol section 9.3).

use super::log::{Log, Place};
use super::{
    AHEAD_MAX, Answer, Ask, Claim, ClaimState, Contradiction, Due, Event, Life, Reader, Refusal,
    Road, SCAN_RECEIPTS_MAX, Standing, Step,
};
use crate::id::{Chain, Item, JournalEpoch, Nonce, Order, Rseq, TokenKey, VendId, WalletId};
use crate::money::Amount;
use crate::receipt::{Flags, Receipt, ReceiptKind};
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};

/// A receipt as a code on show has room for it.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// What it reports.
    pub kind: ReceiptKind,
    /// The low half of what the machine did besides.
    pub flags: u8,
    /// The first bytes of its grant.
    pub grant: [u8; 4],
    /// The selection, or the count of a CLOSE.
    pub item: Item,
    /// The price, or the total of a CLOSE.
    pub amount: Amount,
}

impl Form {
    /// What a code on show would say of a whole receipt.
    pub fn of(receipt: &Receipt) -> Self {
        let [flags, _] = receipt.flags.to_wire().to_le_bytes();
        let [a, b, c, d, ..] = *receipt.grant.as_bytes();
        Self {
            kind: receipt.kind,
            flags,
            grant: [a, b, c, d],
            item: receipt.item,
            amount: receipt.amount,
        }
    }
}

/// An authentic code that somebody brought, and its news.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// The step whose code it is.
    pub step: u64,
    /// The code itself: what a grant for it is named by.
    pub nonce: Nonce,
    /// When the reader made it.
    pub order: Order,
    /// The journal that its receipts count in.
    pub epoch: JournalEpoch,
    /// What that epoch's first receipt links to.
    pub first: Chain,
    /// The newest receipt on the reader's flash.
    pub rseq_newest: u64,
    /// Its receipts, by the low half of their places.
    pub receipts: Vec<(u32, Form)>,
    /// Who claims it, when somebody does.
    pub ask: Option<Ask>,
}

/// What was taken in of a code that somebody brought.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// The journal epoch of the receipts.
    pub epoch: JournalEpoch,
    /// What that epoch's first receipt links to.
    pub first: Chain,
    /// Receipts that are new, as far as the code says them: no chain, and the code's own order.
    pub receipts: Vec<Receipt>,
    /// The claim on it, when it is new, and what it proves.
    pub claim: Option<(Ask, Used)>,
    /// What contradicts what was known.
    pub contradiction: Option<Contradiction>,
    /// When.
    pub at: Timestamp,
}

/// A step that somebody claimed: as good a proof as a HELLO of what is over.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// The step.
    pub step: u64,
    /// When its code was made.
    pub order: Order,
    /// The journal that the reader wrote then.
    pub epoch: JournalEpoch,
    /// The newest receipt on its flash.
    pub rseq_newest: u64,
    /// Its code.
    pub nonce: Nonce,
}

/// What the server knows of the codes that a reader shows.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tokens {
    pub(super) key: TokenKey,
    /// No step up to here is taken.
    pub(super) last_used: u64,
    pub(super) used: Option<Used>,
}

impl Reader {
    /// The key of the codes that it shows, once it has told it.
    pub fn token_key(&self) -> Option<TokenKey> {
        self.tokens.as_ref().map(|tokens| tokens.key)
    }

    /// No step up to here is taken.
    pub fn last_step(&self) -> u64 {
        self.tokens.as_ref().map_or(0, |tokens| tokens.last_used)
    }

    /// Up to where receipts of `epoch` have come in, whole or brief, without a gap.
    pub fn known(&self, epoch: JournalEpoch) -> u64 {
        self.log(epoch).map_or(0, |log| log.known)
    }

    /// Whether this hold went out as light and may still be spent. The one for the code `now` itself
    /// does not count, and none that a code of this step and order ends.
    pub fn has_light(&self, vend: VendId, now: Nonce, ended_by: Option<(u64, Order)>) -> bool {
        self.claims.iter().any(|claim| {
            let Road::Light { step } = claim.road else {
                return false;
            };
            let is_ended = ended_by.is_some_and(|(by, order)| ends(claim.order, step, order, by));
            claim.ask.vend == vend
                && claim.ask.nonce != now
                && claim.state == ClaimState::Open
                && !is_ended
        })
    }

    /// How a code stands, for `wallet`.
    pub fn standing_of_code(
        &self,
        step: u64,
        nonce: Nonce,
        order: Order,
        wallet: Option<WalletId>,
    ) -> Standing {
        if self.life != Life::Active {
            return Standing::Distrusted;
        }
        if let Some(claim) = self.claim(nonce) {
            let is_theirs = Some(claim.ask.wallet) == wallet;
            match (claim.answer, claim.state) {
                (Some(answer), _) if is_theirs => return Standing::Answered(answer),
                // What was refused to one is free for another.
                (Some(Answer::Funds { .. } | Answer::Blocked), _) => {}
                _ if !is_theirs => return Standing::Taken,
                (_, ClaimState::Open) => return Standing::Due,
                (_, ClaimState::Over) => return Standing::Stale,
            }
        }
        if self.may_be_claimed(step, nonce, order) {
            Standing::Unclaimed
        } else {
            Standing::Stale
        }
    }

    /// Steps count upwards, and codes and HELLOs stand in one line.
    fn may_be_claimed(&self, step: u64, nonce: Nonce, order: Order) -> bool {
        let is_newer = self.newest.is_none_or(|newest| order > newest.order);
        self.tokens.as_ref().is_some_and(|tokens| {
            let is_last = tokens
                .used
                .is_none_or(|used| order > used.order || used.nonce == nonce);
            step > tokens.last_used && is_newer && is_last
        })
    }

    /// The newest claimed code is not older than something made then.
    pub(super) fn outruns(&self, order: Order) -> bool {
        let used = self.tokens.as_ref().and_then(|tokens| tokens.used);
        used.is_some_and(|used| used.order >= order)
    }

    pub(super) fn keep_tokens(
        &self,
        key: Option<TokenKey>,
        step: u64,
    ) -> Result<Option<Event>, Refusal> {
        match (key, &self.tokens) {
            (Some(key), Some(tokens)) if tokens.key != key => Err(Refusal::OtherTokenKey),
            (None, None) => Err(Refusal::NoTokens),
            (_, Some(tokens)) if step <= tokens.last_used => Ok(None),
            (_, Some(_)) => Ok(Some(Event::TokensKept { key: None, step })),
            (Some(_), None) => Ok(Some(Event::TokensKept { key, step })),
        }
    }

    pub(super) fn tokens_kept(&mut self, key: Option<TokenKey>, step: u64) {
        match (&mut self.tokens, key) {
            (Some(tokens), _) => tokens.last_used = tokens.last_used.max(step),
            (None, Some(key)) => {
                self.tokens = Some(Box::new(Tokens {
                    key,
                    last_used: step,
                    used: None,
                }));
            }
            (None, None) => {}
        }
    }

    /// Its codes are made with another key from here on; the steps count on.
    pub(super) fn tokens_changed(&mut self, key: TokenKey) {
        match &mut self.tokens {
            Some(tokens) => tokens.key = key,
            None => {
                self.tokens = Some(Box::new(Tokens {
                    key,
                    last_used: 0,
                    used: None,
                }));
            }
        }
    }

    pub(super) fn scan(&self, scan: &Scan, at: Timestamp) -> Result<Option<Event>, Refusal> {
        if self.tokens.is_none() {
            return Err(Refusal::NoTokens);
        }
        if scan.receipts.len() > SCAN_RECEIPTS_MAX {
            return Err(Refusal::TooMuch);
        }
        if !self.has_room_for_a_journal(scan.epoch) {
            return Err(Refusal::TooManyEpochs);
        }
        let fresh = Log::begun(scan.epoch, scan.first);
        let log = self.log(scan.epoch).unwrap_or(&fresh);
        let (receipts, mut contradiction) = self.brief(scan, log);
        let is_free = self.may_be_claimed(scan.step, scan.nonce, scan.order)
            && self.claim(scan.nonce).is_none_or(Claim::is_refused);
        let ask = scan
            .ask
            .filter(|ask| self.life == Life::Active && is_free && ask.nonce == scan.nonce);
        if ask.is_some() {
            contradiction =
                contradiction.or_else(|| self.belied_by(scan.epoch, scan.order, scan.rseq_newest));
        }
        let claim = ask
            .filter(|_| contradiction.is_none() && self.has_room_for_a_claim())
            .map(|ask| {
                let used = Used {
                    step: scan.step,
                    order: scan.order,
                    epoch: scan.epoch,
                    rseq_newest: scan.rseq_newest,
                    nonce: scan.nonce,
                };
                (ask, used)
            });
        if receipts.is_empty() && claim.is_none() && contradiction.is_none() {
            return Ok(None);
        }
        Ok(Some(Event::Scanned(Box::new(Scanned {
            epoch: scan.epoch,
            first: scan.first,
            receipts,
            claim,
            contradiction,
            at,
        }))))
    }

    /// Its receipts that are new, and the first that cannot be true.
    fn brief(&self, scan: &Scan, log: &Log) -> (Vec<Receipt>, Option<Contradiction>) {
        let mut receipts = Vec::new();
        let mut contradiction = None;
        for (low, form) in &scan.receipts {
            let Some(rseq) = place_of(*low, scan.rseq_newest) else {
                continue;
            };
            match log.place_brief(rseq, *form) {
                Place::New => {}
                Place::Known | Place::TooFar => continue,
                Place::Contradicts(found) => {
                    contradiction = contradiction.or(Some(found));
                    continue;
                }
            }
            // Two of its grants that begin alike: the whole receipt will tell which.
            let Some(grant) = self.grant_of(form) else {
                continue;
            };
            receipts.push(Receipt {
                rseq: Rseq::new(rseq),
                kind: form.kind,
                grant,
                item: form.item,
                amount: form.amount,
                order: scan.order,
                flags: Flags::from_wire(u16::from(form.flags)),
                after_ms: form.after_ms(),
                prev: Chain::from_bytes([0; 8]),
                chain: Chain::from_bytes([0; 8]),
            });
        }
        (receipts, contradiction)
    }

    /// The one grant that begins so, of the unresolved ones before the others.
    fn grant_of(&self, form: &Form) -> Option<VendId> {
        let begins = |claim: &&Claim| claim.ask.vend.as_bytes().starts_with(&form.grant);
        let of = |state: ClaimState| {
            let mut found = self
                .claims
                .iter()
                .filter(|claim| claim.state == state)
                .filter(begins)
                .map(|claim| claim.ask.vend);
            (found.next(), found.next())
        };
        match of(ClaimState::Open) {
            (Some(one), None) => Some(one),
            (Some(_), Some(_)) => None,
            (None, _) => match of(ClaimState::Over) {
                (Some(one), None) => Some(one),
                (Some(_), Some(_)) => None,
                (None, _) => {
                    let [a, b, c, d] = form.grant;
                    Some(VendId::from_bytes([
                        a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                    ]))
                }
            },
        }
    }

    pub(super) fn scanned(&mut self, scanned: &Scanned) {
        self.step(Step::Hear);
        self.heard_at = Some(scanned.at);
        if let Some(log) = self.log_mut(scanned.epoch, scanned.first) {
            for receipt in &scanned.receipts {
                log.take_brief(*receipt);
            }
        }
        if let Some((ask, used)) = scanned.claim {
            self.claims.retain(|claim| claim.ask.nonce != ask.nonce);
            self.claim_as(Claim {
                ask,
                order: used.order,
                epoch: used.epoch,
                answer: None,
                state: ClaimState::Open,
                road: Road::Light { step: used.step },
            });
            if let Some(tokens) = &mut self.tokens {
                tokens.used = Some(used);
            }
        }
        if scanned.contradiction.is_some() {
            self.contradiction = scanned.contradiction;
            self.step(Step::Contradict);
        }
    }

    /// A granted hold consumes its step; a refusal does not.
    pub(super) fn consume(&mut self, nonce: Nonce) {
        let step = self
            .claim(nonce)
            .and_then(|claim| match (claim.road, claim.answer) {
                (Road::Light { step }, Some(Answer::Granted { .. })) => Some(step),
                (Road::Light { .. } | Road::Envelope, _) => None,
            });
        if let (Some(step), Some(tokens)) = (step, &mut self.tokens) {
            tokens.last_used = tokens.last_used.max(step);
        }
    }

    /// What the newest claimed code says of a claim: whether it is over for certain.
    pub(super) fn fenced_by_code(&self, claim: &Claim) -> Option<Due> {
        let used = self.tokens.as_ref()?.used?;
        let is_over = match claim.road {
            Road::Envelope => claim.order < used.order,
            Road::Light { step } => ends(claim.order, step, used.order, used.step),
        };
        match claim.answer {
            // No grant ever left for it, so nothing can come of it.
            None => (claim.order < used.order).then_some(Due::Fence { ask: claim.ask }),
            Some(_) if !is_over || self.applied(used.epoch) < used.rseq_newest => None,
            // A journal that is gone tells no more: what it did not bring nobody will know.
            Some(_) if claim.epoch != used.epoch => Some(Due::Orphan { ask: claim.ask }),
            Some(_) => Some(Due::Fence { ask: claim.ask }),
        }
    }
}

/// Whether a light for the code of `step`, made at `order`, is dead by a later code. The reader still
/// takes the step before the one on show.
fn ends(order: Order, step: u64, later: Order, later_step: u64) -> bool {
    order.boot < later.boot || (order < later && step.saturating_add(2) <= later_step)
}

impl Form {
    /// A brief receipt says of the time since the approval only whether it was under a second.
    fn after_ms(&self) -> u16 {
        const UNDER_1000_MS: u8 = 8;
        if self.flags & UNDER_1000_MS == 0 {
            u16::MAX
        } else {
            0
        }
    }
}

impl Claim {
    fn is_refused(&self) -> bool {
        matches!(self.answer, Some(Answer::Funds { .. } | Answer::Blocked))
    }
}

/// The place whose low half this is, at most the newest one.
fn place_of(low: u32, newest: u64) -> Option<u64> {
    let high = newest >> 32 << 32;
    let here = high | u64::from(low);
    let place = if here <= newest {
        here
    } else {
        here.checked_sub(1 << 32)?
    };
    // What lies further back than that was covered long ago.
    (newest - place <= u64::from(u32::MAX) - AHEAD_MAX).then_some(place)
}
