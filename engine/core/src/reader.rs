//! One reader board as the server knows it: the order of its HELLOs, which of its receipts are
//! recorded and applied, and who claimed which of its nonces (protocol section 6.3).
//!
//! Work that spans wallets is a chain of idempotent steps: [`Reader::due`] names the next one from
//! this state alone, so a chain that a crash cut is simply taken up again.

#![expect(
    missing_docs,
    reason = "rkyv derives resolvers for enum fields without docs"
)]

use crate::entity::Entity;
use crate::grant::Terms;
use crate::id::{
    Chain, JournalEpoch, MachineId, Nonce, OperatorId, Order, ReaderKey, Rseq, VendId, WalletId,
};
use crate::money::{Amount, Currency};
use crate::receipt::Receipt;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Receipts in one envelope: 2,000 bytes hold no more.
pub const NEWS_MAX: usize = 32;
/// How far beyond a gap a receipt is kept.
pub const AHEAD_MAX: u64 = 4_096;
/// Journal epochs of one reader that are kept.
pub const EPOCHS_MAX: usize = 8;
/// Chains kept to recognise a receipt that comes again with other content.
pub const CHAINS_KEPT: usize = 256;
/// Claims kept to answer a repeated relay, and to find whose a late receipt is.
pub const CLAIMS_KEPT: usize = 256;

/// Where a reader's life stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Life {
    /// Nobody has enrolled it.
    #[default]
    Unknown,
    /// It is enrolled and has not been heard of.
    Pending,
    /// It has spoken.
    Active,
    /// What it says contradicts itself: its receipts are kept, not applied; no grants.
    Quarantined,
    /// Its operator does not trust it any more.
    Revoked,
}

/// What moves a reader's life on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// An operator enrols it.
    Enrol,
    /// A valid envelope comes.
    Hear,
    /// It contradicts itself.
    Contradict,
    /// Its operator revokes it.
    Revoke,
}

impl Life {
    /// The life of a reader; `None` where a step does not fit.
    #[rustfmt::skip]
    pub fn after(self, step: Step) -> Option<Self> {
        Some(match (self, step) {
            (Self::Unknown,     Step::Enrol)      => Self::Pending,
            (Self::Pending,     Step::Hear)       => Self::Active,
            (Self::Pending,     Step::Contradict) => Self::Quarantined,
            (Self::Pending,     Step::Revoke)     => Self::Revoked,
            (Self::Active,      Step::Hear)       => Self::Active,
            (Self::Active,      Step::Contradict) => Self::Quarantined,
            (Self::Active,      Step::Revoke)     => Self::Revoked,
            (Self::Quarantined, Step::Hear)       => Self::Quarantined,
            (Self::Quarantined, Step::Contradict) => Self::Quarantined,
            (Self::Quarantined, Step::Revoke)     => Self::Revoked,
            _ => return None,
        })
    }
}

/// What the server uses of a HELLO.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The journal that the reader writes now.
    pub epoch: JournalEpoch,
    /// When it was made.
    pub order: Order,
    /// What the answer must name.
    pub nonce: Nonce,
    /// The newest receipt on the reader's flash.
    pub rseq_newest: u64,
    /// The newest receipt that the server has acknowledged, as the reader knows.
    pub acked: u64,
}

/// Whose the purchase is that a HELLO opens, and on what terms.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The HELLO's nonce.
    pub nonce: Nonce,
    /// The hold's name, made from reader and nonce.
    pub vend: VendId,
    /// Who pays.
    pub wallet: WalletId,
    /// What may be held.
    pub terms: Terms,
}

/// One authentic envelope's news.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// The journal epoch of its receipts.
    pub epoch: JournalEpoch,
    /// What that epoch's first receipt links to.
    pub first: Chain,
    /// Its HELLO, when it has one.
    pub hello: Option<Hello>,
    /// Who claims that HELLO, when somebody does with the right link.
    pub ask: Option<Ask>,
    /// Its receipts.
    pub receipts: Vec<Receipt>,
}

/// What a claim was answered with; kept, so that a repeated relay gets the same.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Money is held.
    Granted {
        /// How much.
        held: Amount,
        /// For at most this many vends.
        vends_max: u8,
        /// What the customer could spend at this operator, this hold included.
        balance: Amount,
    },
    /// The money does not suffice.
    Funds {
        /// What is missing for the cheapest product.
        short_by: Amount,
        /// What earlier vends still hold.
        pending: Amount,
    },
    /// The customer is blocked: debt, or a wallet that cannot pay here.
    Blocked,
}

/// What has happened to a reader.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was enrolled.
    Enrolled {
        /// Its public key.
        key: ReaderKey,
        /// The machine that it serves.
        machine: MachineId,
        /// Whose it is.
        operator: OperatorId,
        /// What its machine sells in.
        currency: Currency,
    },
    /// An envelope's news were taken in.
    Heard {
        /// The journal epoch of the receipts.
        epoch: JournalEpoch,
        /// What that epoch's first receipt links to.
        first: Chain,
        /// Receipts that are new.
        receipts: Vec<Receipt>,
        /// The HELLO, when it is the newest.
        hello: Option<Hello>,
        /// The claim on it, when it is new.
        ask: Option<Ask>,
        /// What contradicts what was known.
        contradiction: Option<Contradiction>,
    },
    /// Receipts up to this one have had their effect.
    Applied {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The last of them.
        rseq: Rseq,
    },
    /// A claim was answered.
    Answered {
        /// The HELLO's nonce.
        nonce: Nonce,
        /// The answer.
        answer: Answer,
    },
    /// Nothing of a claim can vend any more, and its hold is gone.
    Fenced {
        /// The HELLO's nonce.
        nonce: Nonce,
    },
    /// Its operator revoked it.
    Revoked,
}

/// What a reader said that cannot be true beside what it said before.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contradiction {
    /// The same receipt number with other content.
    OtherContent {
        /// The number.
        rseq: u64,
    },
    /// A receipt that does not link to the one before.
    BrokenChain {
        /// The number.
        rseq: u64,
    },
    /// A HELLO that does not know a receipt written before it.
    Rollback {
        /// The receipt.
        rseq: u64,
    },
    /// A newest HELLO in a journal that was replaced before.
    OldEpoch,
}

/// What a reader can be asked to take in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// An operator enrols it.
    Enrol {
        /// Its public key.
        key: ReaderKey,
        /// The machine that it serves.
        machine: MachineId,
        /// Whose it is.
        operator: OperatorId,
        /// What its machine sells in.
        currency: Currency,
    },
    /// An authentic envelope came.
    Hear(News),
    /// A receipt has had its effect.
    Apply {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The receipt.
        rseq: Rseq,
    },
    /// A claim has its answer.
    Answer {
        /// The HELLO's nonce.
        nonce: Nonce,
        /// The answer.
        answer: Answer,
    },
    /// A claim's hold is gone for good.
    Fence {
        /// The HELLO's nonce.
        nonce: Nonce,
    },
    /// Its operator revokes it.
    Revoke,
}

/// A reader's "no".
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody has enrolled it.
    #[error("no such reader is enrolled")]
    Unknown,
    /// It is enrolled already, in another way.
    #[error("the reader is enrolled already, in another way")]
    Enrolled,
    /// Its operator has revoked it.
    #[error("the reader is revoked")]
    Revoked,
    /// More than one envelope can hold.
    #[error("more news than one envelope can hold")]
    TooMuch,
    /// Too many journals.
    #[error("the reader has begun more than {EPOCHS_MAX} journals whose receipts are not all in")]
    TooManyEpochs,
    /// There is no such claim.
    #[error("no such claim")]
    NoSuchClaim,
}

/// One claim on a HELLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Who asked for what.
    pub ask: Ask,
    /// The HELLO's order.
    pub order: Order,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
    /// Whether its hold is gone for good.
    pub state: ClaimState,
}

/// Whether a claim's hold can still be spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimState {
    /// It can, or it has no answer yet.
    Open,
    /// It cannot.
    Over,
}

/// The next step of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Give this receipt its effect, on the hold it belongs to; then `Command::Apply`.
    Apply {
        /// The journal epoch.
        epoch: JournalEpoch,
        /// The receipt.
        receipt: Receipt,
        /// Whose hold it is; none when it is nobody's.
        wallet: Option<WalletId>,
    },
    /// Release this hold; then `Command::Fence`.
    Fence {
        /// The claim.
        ask: Ask,
    },
    /// Hold money; then `Command::Answer`.
    Hold {
        /// The claim.
        ask: Ask,
    },
}

/// How a HELLO stands with a reader that has heard it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// This account's claim, with this answer.
    Answered(Answer),
    /// This account's claim, whose steps are not all done.
    Due,
    /// It may be claimed.
    Unclaimed,
    /// Another account claimed it.
    Taken,
    /// A newer HELLO has come, or the hold is gone for good.
    Stale,
    /// The reader knows of acknowledgements that this server does not: receipts from here on have
    /// to come again.
    Lost {
        /// The first missing receipt.
        from: u64,
    },
    /// The reader gets no grants.
    Distrusted,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Log {
    epoch: JournalEpoch,
    recorded: u64,
    applied: u64,
    chain: Chain,
    chains: VecDeque<(u64, Chain)>,
    ahead: BTreeMap<u64, Receipt>,
    unapplied: VecDeque<Receipt>,
    top: Option<(u64, Order)>,
}

/// One reader board as the server knows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reader {
    life: Life,
    enrolled: Option<(ReaderKey, MachineId, OperatorId, Currency)>,
    logs: Vec<Log>,
    newest: Option<Hello>,
    claims: VecDeque<Claim>,
    contradiction: Option<Contradiction>,
}

impl Reader {
    /// Where its life stands.
    pub const fn life(&self) -> Life {
        self.life
    }

    /// Its public key, once it is enrolled.
    pub fn key(&self) -> Option<ReaderKey> {
        self.enrolled.map(|(key, ..)| key)
    }

    /// The machine that it serves, once it is enrolled.
    pub fn machine(&self) -> Option<MachineId> {
        self.enrolled.map(|(_, machine, ..)| machine)
    }

    /// Whose it is, once it is enrolled.
    pub fn operator(&self) -> Option<OperatorId> {
        self.enrolled.map(|(.., operator, _)| operator)
    }

    /// What its machine sells in, once it is enrolled.
    pub fn currency(&self) -> Option<Currency> {
        self.enrolled.map(|(.., currency)| currency)
    }

    /// Why it is quarantined, when it is.
    pub const fn contradiction(&self) -> Option<Contradiction> {
        self.contradiction
    }

    /// The newest HELLO.
    pub const fn newest(&self) -> Option<Hello> {
        self.newest
    }

    /// Up to where receipts of `epoch` are recorded without a gap, and the chain there: what an
    /// ACK may say.
    pub fn recorded(&self, epoch: JournalEpoch) -> Option<(u64, Chain)> {
        self.log(epoch).map(|log| (log.recorded, log.chain))
    }

    /// Up to where receipts of `epoch` have had their effect.
    pub fn applied(&self, epoch: JournalEpoch) -> u64 {
        self.log(epoch).map_or(0, |log| log.applied)
    }

    /// How `hello` stands, for `wallet`.
    pub fn standing(&self, hello: &Hello, wallet: Option<WalletId>) -> Standing {
        if self.life != Life::Active {
            return Standing::Distrusted;
        }
        if let Some(claim) = self.claim(hello.nonce) {
            return match (claim.answer, claim.state) {
                _ if Some(claim.ask.wallet) != wallet => Standing::Taken,
                (Some(answer), _) => Standing::Answered(answer),
                (None, ClaimState::Open) => Standing::Due,
                (None, ClaimState::Over) => Standing::Stale,
            };
        }
        match self.newest {
            Some(newest) if newest.nonce == hello.nonce => {
                let recorded = self.log(hello.epoch).map_or(0, |log| log.recorded);
                if hello.acked > recorded {
                    Standing::Lost { from: recorded + 1 }
                } else {
                    Standing::Unclaimed
                }
            }
            Some(newest) if hello.order <= newest.order => Standing::Stale,
            _ => Standing::Unclaimed,
        }
    }

    /// The next step of the chain: receipts first, then fences, then the hold.
    pub fn due(&self) -> Option<Due> {
        if self.life != Life::Active {
            return None;
        }
        for log in &self.logs {
            if let Some(receipt) = log.unapplied.front() {
                return Some(Due::Apply {
                    epoch: log.epoch,
                    receipt: *receipt,
                    wallet: self
                        .claims
                        .iter()
                        .rev()
                        .find(|claim| claim.ask.vend == receipt.grant)
                        .map(|claim| claim.ask.wallet),
                });
            }
        }
        let newest = self.newest?;
        let proven = self.applied(newest.epoch) >= newest.rseq_newest;
        self.claims
            .iter()
            .filter(|claim| claim.state == ClaimState::Open)
            .find_map(|claim| {
                let older = claim.order < newest.order;
                match claim.answer {
                    // No grant ever left for it, so nothing can come of it.
                    None if older => Some(Due::Fence { ask: claim.ask }),
                    None => Some(Due::Hold { ask: claim.ask }),
                    Some(_) if older && proven => Some(Due::Fence { ask: claim.ask }),
                    Some(_) => None,
                }
            })
    }

    fn log(&self, epoch: JournalEpoch) -> Option<&Log> {
        self.logs.iter().find(|log| log.epoch == epoch)
    }

    fn claim(&self, nonce: Nonce) -> Option<&Claim> {
        self.claims
            .iter()
            .rev()
            .find(|claim| claim.ask.nonce == nonce)
    }

    fn hear(&self, news: &News) -> Result<Option<Event>, Refusal> {
        if news.receipts.len() > NEWS_MAX {
            return Err(Refusal::TooMuch);
        }
        let known = self.log(news.epoch);
        if known.is_none()
            && self.logs.len() >= EPOCHS_MAX
            && !self
                .logs
                .iter()
                .any(|log| log.unapplied.is_empty() && log.ahead.is_empty())
        {
            return Err(Refusal::TooManyEpochs);
        }
        let fresh = Log::begun(news.epoch, news.first);
        let log = known.unwrap_or(&fresh);
        let mut contradiction = None;
        let mut receipts: Vec<Receipt> = Vec::new();
        for receipt in &news.receipts {
            match log.place(receipt, &receipts) {
                Place::New => receipts.push(*receipt),
                Place::Known | Place::TooFar => {}
                Place::Contradicts(found) => contradiction = contradiction.or(Some(found)),
            }
        }
        let hello = news.hello.filter(|hello| {
            self.newest
                .is_none_or(|newest| hello.order > newest.order && hello.nonce != newest.nonce)
        });
        if let Some(hello) = hello {
            contradiction = contradiction.or_else(|| self.belied(&hello));
        }
        let newest = hello.or(self.newest).map(|newest| newest.nonce);
        let ask = news.ask.filter(|ask| {
            contradiction.is_none()
                && newest == Some(ask.nonce)
                && self.claim(ask.nonce).is_none()
                && self.has_room_for_a_claim()
                && news.hello.is_some_and(|asked| {
                    asked.nonce == ask.nonce && asked.acked <= log.recorded_with(&receipts)
                })
        });
        if receipts.is_empty()
            && hello.is_none()
            && ask.is_none()
            && contradiction.is_none()
            && self.life != Life::Pending
        {
            return Ok(None);
        }
        Ok(Some(Event::Heard {
            epoch: news.epoch,
            first: news.first,
            receipts,
            hello,
            ask,
            contradiction,
        }))
    }

    /// What a newest HELLO belies: a receipt written before it that it does not know, or a journal
    /// that was replaced.
    fn belied(&self, hello: &Hello) -> Option<Contradiction> {
        match self.logs.iter().position(|log| log.epoch == hello.epoch) {
            Some(at) => {
                if self
                    .newest
                    .is_some_and(|newest| newest.epoch != hello.epoch)
                    && at + 1 < self.logs.len()
                {
                    return Some(Contradiction::OldEpoch);
                }
                let (rseq, written) = self.logs.get(at)?.top?;
                (written < hello.order && rseq > hello.rseq_newest)
                    .then_some(Contradiction::Rollback { rseq })
            }
            None => None,
        }
    }

    fn has_room_for_a_claim(&self) -> bool {
        self.claims.len() < CLAIMS_KEPT
            || self
                .claims
                .iter()
                .any(|claim| claim.state == ClaimState::Over)
    }

    fn step(&mut self, step: Step) {
        self.life = self.life.after(step).unwrap_or(self.life);
    }

    fn log_mut(&mut self, epoch: JournalEpoch, first: Chain) -> Option<&mut Log> {
        let at = match self.logs.iter().position(|log| log.epoch == epoch) {
            Some(at) => at,
            None => {
                if self.logs.len() >= EPOCHS_MAX {
                    let done = self
                        .logs
                        .iter()
                        .position(|log| log.unapplied.is_empty() && log.ahead.is_empty())?;
                    self.logs.remove(done);
                }
                self.logs.push(Log::begun(epoch, first));
                self.logs.len() - 1
            }
        };
        self.logs.get_mut(at)
    }
}

enum Place {
    New,
    Known,
    TooFar,
    Contradicts(Contradiction),
}

impl Log {
    fn begun(epoch: JournalEpoch, first: Chain) -> Self {
        Self {
            epoch,
            recorded: 0,
            applied: 0,
            chain: first,
            chains: VecDeque::new(),
            ahead: BTreeMap::new(),
            unapplied: VecDeque::new(),
            top: None,
        }
    }

    /// The chain at `rseq`, as far as it is known here or in the same news.
    fn chain_at(&self, rseq: u64, news: &[Receipt]) -> Option<Chain> {
        if rseq == self.recorded {
            return Some(self.chain);
        }
        self.ahead
            .get(&rseq)
            .or_else(|| news.iter().find(|receipt| receipt.rseq.number() == rseq))
            .map(|receipt| receipt.chain)
            .or_else(|| {
                self.chains
                    .iter()
                    .find(|(known, _)| *known == rseq)
                    .map(|(_, chain)| *chain)
            })
    }

    fn place(&self, receipt: &Receipt, news: &[Receipt]) -> Place {
        let rseq = receipt.rseq.number();
        if rseq == 0 || rseq > self.recorded.saturating_add(AHEAD_MAX) {
            return Place::TooFar;
        }
        if let Some(chain) = self.chain_at(rseq, news) {
            return if chain == receipt.chain {
                Place::Known
            } else {
                Place::Contradicts(Contradiction::OtherContent { rseq })
            };
        }
        if rseq <= self.recorded {
            return Place::Known;
        }
        let links_back = self
            .chain_at(rseq - 1, news)
            .is_none_or(|before| before == receipt.prev);
        let links_on = self
            .ahead
            .get(&(rseq + 1))
            .or_else(|| news.iter().find(|next| next.rseq.number() == rseq + 1))
            .is_none_or(|next| next.prev == receipt.chain);
        if links_back && links_on {
            Place::New
        } else {
            Place::Contradicts(Contradiction::BrokenChain { rseq })
        }
    }

    fn recorded_with(&self, news: &[Receipt]) -> u64 {
        let mut recorded = self.recorded;
        while self.ahead.contains_key(&(recorded + 1))
            || news
                .iter()
                .any(|receipt| receipt.rseq.number() == recorded + 1)
        {
            recorded += 1;
        }
        recorded
    }

    fn take(&mut self, receipt: Receipt) {
        let rseq = receipt.rseq.number();
        if self.top.is_none_or(|(top, _)| rseq > top) {
            self.top = Some((rseq, receipt.order));
        }
        self.ahead.insert(rseq, receipt);
        while let Some(next) = self.ahead.remove(&(self.recorded + 1)) {
            self.recorded += 1;
            self.chain = next.chain;
            if self.chains.len() >= CHAINS_KEPT {
                self.chains.pop_front();
            }
            self.chains.push_back((self.recorded, next.chain));
            self.unapplied.push_back(next);
        }
    }
}

impl Entity for Reader {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: &Command, _now: Timestamp) -> Result<Option<Event>, Refusal> {
        match (command, self.life) {
            (
                Command::Enrol {
                    key,
                    machine,
                    operator,
                    currency,
                },
                _,
            ) => {
                let wanted = (*key, *machine, *operator, *currency);
                match self.enrolled {
                    Some(enrolled) if enrolled == wanted => Ok(None),
                    Some(_) => Err(Refusal::Enrolled),
                    None => Ok(Some(Event::Enrolled {
                        key: *key,
                        machine: *machine,
                        operator: *operator,
                        currency: *currency,
                    })),
                }
            }
            (_, Life::Unknown) => Err(Refusal::Unknown),
            (Command::Revoke, Life::Revoked) => Ok(None),
            (Command::Revoke, _) => Ok(Some(Event::Revoked)),
            (Command::Hear(_), Life::Revoked) => Err(Refusal::Revoked),
            (Command::Hear(news), _) => self.hear(news),
            (Command::Apply { epoch, rseq }, _) => {
                let next = self.log(*epoch).and_then(|log| log.unapplied.front());
                Ok(next
                    .filter(|receipt| receipt.rseq == *rseq)
                    .map(|_| Event::Applied {
                        epoch: *epoch,
                        rseq: *rseq,
                    }))
            }
            (Command::Answer { nonce, answer }, _) => {
                let claim = self.claim(*nonce).ok_or(Refusal::NoSuchClaim)?;
                let unanswered = claim.answer.is_none() && claim.state == ClaimState::Open;
                Ok(unanswered.then_some(Event::Answered {
                    nonce: *nonce,
                    answer: *answer,
                }))
            }
            (Command::Fence { nonce }, _) => {
                let claim = self.claim(*nonce).ok_or(Refusal::NoSuchClaim)?;
                Ok((claim.state == ClaimState::Open).then_some(Event::Fenced { nonce: *nonce }))
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Enrolled {
                key,
                machine,
                operator,
                currency,
            } => {
                self.enrolled = Some((*key, *machine, *operator, *currency));
                self.step(Step::Enrol);
            }
            Event::Heard {
                epoch,
                first,
                receipts,
                hello,
                ask,
                contradiction,
            } => {
                self.step(Step::Hear);
                if let Some(log) = self.log_mut(*epoch, *first) {
                    for receipt in receipts {
                        log.take(*receipt);
                    }
                }
                if hello.is_some() {
                    self.newest = *hello;
                }
                if let (Some(ask), Some(newest)) = (ask, self.newest) {
                    if self.claims.len() >= CLAIMS_KEPT
                        && let Some(over) = self
                            .claims
                            .iter()
                            .position(|claim| claim.state == ClaimState::Over)
                    {
                        self.claims.remove(over);
                    }
                    self.claims.push_back(Claim {
                        ask: *ask,
                        order: newest.order,
                        answer: None,
                        state: ClaimState::Open,
                    });
                }
                if contradiction.is_some() {
                    self.contradiction = *contradiction;
                    self.step(Step::Contradict);
                }
            }
            Event::Applied { epoch, rseq } => {
                if let Some(log) = self.logs.iter_mut().find(|log| log.epoch == *epoch) {
                    log.unapplied.retain(|receipt| receipt.rseq > *rseq);
                    log.applied = log.applied.max(rseq.number());
                }
            }
            Event::Answered { nonce, answer } => {
                if let Some(claim) = self
                    .claims
                    .iter_mut()
                    .find(|claim| claim.ask.nonce == *nonce)
                {
                    claim.answer = Some(*answer);
                    // A refusal holds nothing that could be fenced.
                    if !matches!(answer, Answer::Granted { .. }) {
                        claim.state = ClaimState::Over;
                    }
                }
            }
            Event::Fenced { nonce } => {
                if let Some(claim) = self
                    .claims
                    .iter_mut()
                    .find(|claim| claim.ask.nonce == *nonce)
                {
                    claim.state = ClaimState::Over;
                }
            }
            Event::Revoked => self.step(Step::Revoke),
        }
    }
}
