use super::keys::Keys;
use super::log::{Log, Place};
use super::scan::Tokens;
use super::{
    Answer, CLAIMS_KEPT, Claim, ClaimState, Command, Contradiction, Due, EPOCHS_MAX, Event, Hello,
    Life, NEWS_MAX, NOTICES_MAX, News, Refusal, Road, Standing, Step,
};
use crate::entity::Entity;
use crate::id::{
    Chain, JournalEpoch, MachineId, Nonce, OperatorId, Order, ReaderKey, VmcId, WalletId,
};
use crate::money::Currency;
use crate::notice::{Code, Notice};
use crate::receipt::Receipt;
use crate::time::Timestamp;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::VecDeque;

/// One reader board as the server knows it.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Reader {
    pub(super) life: Life,
    enrolled: Option<(ReaderKey, MachineId, OperatorId, Currency)>,
    logs: Vec<Log>,
    pub(super) newest: Option<Hello>,
    pub(super) claims: VecDeque<Claim>,
    pub(super) contradiction: Option<Contradiction>,
    pub(super) heard_at: Option<Timestamp>,
    /// The controller before the present one, once it has changed.
    pub(super) vmc_before: Option<VmcId>,
    /// The controller that nobody has confirmed yet.
    pub(super) doubted: Option<VmcId>,
    /// The last order to lock or open that the board took, and the journal that holds it.
    lock_taken: Option<(JournalEpoch, u32)>,
    /// What is known of the codes that it shows.
    pub(super) tokens: Option<Box<Tokens>>,
    /// What has become of its keys, once there is something to say.
    pub(super) keys: Option<Box<Keys>>,
}

/// When a reader was last heard of, and what it said then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// When its last news came in.
    pub at: Timestamp,
    /// Its newest HELLO, if it has ever made one.
    pub hello: Option<Hello>,
    /// Receipts that it kept then and that had not come in.
    pub receipts_waiting: u64,
    /// The machine's controller before the present one, once it has changed.
    pub vmc_before: Option<VmcId>,
}

impl Reader {
    /// Where its life stands.
    pub const fn life(&self) -> Life {
        self.life
    }

    /// The key of its enrolment, which gave it its name.
    pub(super) fn first_key(&self) -> Option<ReaderKey> {
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

    /// When it was last heard of, and what it said then.
    pub fn heard(&self) -> Option<Heard> {
        Some(Heard {
            at: self.heard_at?,
            hello: self.newest,
            receipts_waiting: self.newest.map_or(0, |newest| {
                newest.rseq_newest.saturating_sub(self.known(newest.epoch))
            }),
            vmc_before: self.vmc_before,
        })
    }

    /// Up to where notices of `epoch` are recorded without a gap: what an AUDIT_ACK may say.
    pub fn noticed(&self, epoch: JournalEpoch) -> u64 {
        self.log(epoch).map_or(0, |log| log.noticed)
    }

    /// The last order to lock or open that its present journal holds; 0 when it holds none.
    pub fn lock_taken(&self) -> u32 {
        let present = self.newest.map(|newest| newest.epoch);
        self.lock_taken
            .filter(|(epoch, _)| present.is_none_or(|present| present == *epoch))
            .map_or(0, |(_, version)| version)
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
            _ if self.outruns(hello.order) => Standing::Stale,
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
        match self.life {
            Life::Active => {}
            Life::Revoked => return self.abandoned(),
            Life::Unknown | Life::Pending | Life::Quarantined => return None,
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
        let has_codes = self.tokens.is_some();
        self.claims
            .iter()
            .filter(|claim| claim.state == ClaimState::Open)
            .find_map(|claim| {
                if has_codes && let Some(due) = self.fenced_by_code(claim) {
                    return Some(due);
                }
                let older = claim.order < newest.order;
                // A journal that is gone tells no more: what it did not bring nobody will know.
                let is_lost = claim.epoch != newest.epoch;
                match claim.answer {
                    // No grant ever left for it, so nothing can come of it.
                    None if older => Some(Due::Fence { ask: claim.ask }),
                    None => Some(Due::Hold { ask: claim.ask }),
                    Some(_) if older && proven && is_lost => Some(Due::Orphan { ask: claim.ask }),
                    Some(_) if older && proven => Some(Due::Fence { ask: claim.ask }),
                    Some(_) => None,
                }
            })
    }

    /// What a reader that nobody trusts any more leaves behind.
    fn abandoned(&self) -> Option<Due> {
        let claim = self
            .claims
            .iter()
            .find(|claim| claim.state == ClaimState::Open)?;
        Some(match claim.answer {
            None => Due::Fence { ask: claim.ask },
            Some(_) => Due::Orphan { ask: claim.ask },
        })
    }

    pub(super) fn log(&self, epoch: JournalEpoch) -> Option<&Log> {
        self.logs.iter().find(|log| log.epoch == epoch)
    }

    pub(super) fn claim(&self, nonce: Nonce) -> Option<&Claim> {
        self.claims
            .iter()
            .rev()
            .find(|claim| claim.ask.nonce == nonce)
    }

    fn hear(&self, news: &News, at: Timestamp) -> Result<Option<Event>, Refusal> {
        if news.receipts.len() > NEWS_MAX || news.notices.len() > NOTICES_MAX {
            return Err(Refusal::TooMuch);
        }
        if !self.has_room_for_a_journal(news.epoch) {
            return Err(Refusal::TooManyEpochs);
        }
        let known = self.log(news.epoch);
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
            let is_newest = self
                .newest
                .is_none_or(|newest| hello.order > newest.order && hello.nonce != newest.nonce);
            is_newest && !self.outruns(hello.order)
        });
        if let Some(hello) = hello {
            contradiction = contradiction
                .or_else(|| self.belied_by(hello.epoch, hello.order, hello.rseq_newest));
        }
        let newest = hello.or(self.newest).map(|newest| newest.nonce);
        let ask = news.ask.filter(|ask| {
            contradiction.is_none()
                && newest == Some(ask.nonce)
                && self.claim(ask.nonce).is_none()
                && self.has_room_for_a_claim()
                && news.hello.is_some_and(|asked| {
                    asked.nonce == ask.nonce
                        && asked.acked <= log.recorded_with(&receipts)
                        && !self.outruns(asked.order)
                })
        });
        let mut noticed = log.noticed;
        let mut notices: Vec<Notice> = Vec::new();
        for notice in &news.notices {
            if notice.aseq > noticed && notice.first() <= noticed.saturating_add(1) {
                noticed = notice.aseq;
                notices.push(*notice);
            }
        }
        if receipts.is_empty()
            && notices.is_empty()
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
            notices,
            contradiction,
            at,
        }))
    }

    /// Whether receipts of this journal can be taken in.
    pub(super) fn has_room_for_a_journal(&self, epoch: JournalEpoch) -> bool {
        self.log(epoch).is_some()
            || self.logs.len() < EPOCHS_MAX
            || self.logs.iter().any(Log::is_done)
    }

    /// What a newest HELLO or code belies: a receipt written before it that it does not know, or a journal
    /// that was replaced.
    pub(super) fn belied_by(
        &self,
        epoch: JournalEpoch,
        order: Order,
        rseq_newest: u64,
    ) -> Option<Contradiction> {
        match self.logs.iter().position(|log| log.epoch == epoch) {
            Some(at) => {
                if self.newest.is_some_and(|newest| newest.epoch != epoch)
                    && at + 1 < self.logs.len()
                {
                    return Some(Contradiction::OldEpoch);
                }
                let (rseq, written) = self.logs.get(at)?.top?;
                (written < order && rseq > rseq_newest).then_some(Contradiction::Rollback { rseq })
            }
            None => None,
        }
    }

    pub(super) fn claim_as(&mut self, claim: Claim) {
        if self.claims.len() >= CLAIMS_KEPT
            && let Some(over) = self
                .claims
                .iter()
                .position(|claim| claim.state == ClaimState::Over)
        {
            self.claims.remove(over);
        }
        self.claims.push_back(claim);
    }

    pub(super) fn has_room_for_a_claim(&self) -> bool {
        self.claims.len() < CLAIMS_KEPT
            || self
                .claims
                .iter()
                .any(|claim| claim.state == ClaimState::Over)
    }

    pub(super) fn step(&mut self, step: Step) {
        self.life = self.life.after(step).unwrap_or(self.life);
    }

    pub(super) fn log_mut(&mut self, epoch: JournalEpoch, first: Chain) -> Option<&mut Log> {
        let at = match self.logs.iter().position(|log| log.epoch == epoch) {
            Some(at) => at,
            None => {
                if self.logs.len() >= EPOCHS_MAX {
                    let done = self.logs.iter().position(Log::is_done)?;
                    self.logs.remove(done);
                }
                self.logs.push(Log::begun(epoch, first));
                self.logs.len() - 1
            }
        };
        self.logs.get_mut(at)
    }
}

impl Entity for Reader {
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: &Command, now: Timestamp) -> Result<Option<Event>, Refusal> {
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
            (Command::Hear(news), _) => self.hear(news, now),
            (
                Command::KeepTokens { .. }
                | Command::Scan(_)
                | Command::Announce(_)
                | Command::Switch { .. }
                | Command::Follow { .. }
                | Command::DoubtController { .. },
                Life::Revoked,
            ) => Err(Refusal::Revoked),
            (Command::Announce(told), _) => self.announce(told),
            (Command::Switch { epoch }, _) => Ok(self.switch(*epoch)),
            (Command::Follow { server }, _) => Ok(self.follow(*server)),
            (Command::DoubtController { vmc }, _) => Ok(self.doubt(*vmc)),
            // What a revoked reader sold before waits for somebody to look as well.
            (Command::TrustController, _) => Ok(self.trust()),
            (Command::KeepTokens { key, step }, _) => self.keep_tokens(*key, *step),
            (Command::Scan(scan), _) => self.scan(scan, now),
            (Command::Forget { .. }, Life::Revoked) => Err(Refusal::Revoked),
            (
                Command::Forget {
                    epoch,
                    oldest,
                    chain,
                },
                _,
            ) => Ok(self
                .log(*epoch)
                .filter(|log| log.may_pass(*oldest))
                .map(|_| Event::Forgotten {
                    epoch: *epoch,
                    oldest: *oldest,
                    chain: *chain,
                })),
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
                notices,
                contradiction,
                at,
            } => {
                self.step(Step::Hear);
                self.heard_at = Some(*at);
                let has_codes = self.tokens.is_some();
                if let Some(log) = self.log_mut(*epoch, *first) {
                    for receipt in receipts {
                        log.take(*receipt);
                        if has_codes {
                            log.keep_form(receipt);
                        }
                    }
                    for notice in notices {
                        log.noticed = log.noticed.max(notice.aseq);
                    }
                }
                for notice in notices
                    .iter()
                    .filter(|notice| notice.code == Code::LOCK_TAKEN)
                {
                    let before = self.lock_taken.filter(|(journal, _)| journal == epoch);
                    let version = before.map_or(0, |(_, version)| version).max(notice.n);
                    self.lock_taken = Some((*epoch, version));
                }
                if let Some(hello) = hello {
                    let before = self.newest.map(|newest| newest.facts.vmc);
                    if before.is_some_and(|before| before != hello.facts.vmc) {
                        self.vmc_before = before;
                    }
                    self.newest = Some(*hello);
                }
                if let (Some(ask), Some(newest)) = (ask, self.newest) {
                    self.claim_as(Claim {
                        ask: *ask,
                        order: newest.order,
                        epoch: newest.epoch,
                        answer: None,
                        state: ClaimState::Open,
                        road: Road::Envelope,
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
                self.consume(*nonce);
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
            Event::KeyAnnounced(next) => self.announced(*next),
            Event::KeyDisputed { epoch } => self.disputed(*epoch),
            Event::KeySwitched { .. } => self.switched(),
            Event::ServerFollowed { epoch } => self.followed(*epoch),
            Event::ControllerDoubted { vmc } => self.doubted = Some(*vmc),
            Event::ControllerTrusted => self.doubted = None,
            Event::TokensKept { key, step } => self.tokens_kept(*key, *step),
            Event::Scanned(scanned) => self.scanned(scanned),
            Event::Forgotten {
                epoch,
                oldest,
                chain,
            } => {
                if let Some(log) = self.logs.iter_mut().find(|log| log.epoch == *epoch) {
                    log.pass(*oldest, *chain);
                }
            }
        }
    }
}
