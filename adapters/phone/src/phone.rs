//! One customer's phone: a visit at a reader, and what it carries.

use crate::bounds::{ANSWERS_MAX, LINK_MAX, PACKAGES_MAX, RESUME_MAX, SEEK_MAX};
use crate::courier::{Answered, Courier};
use crate::package::Package;
use crate::phase::{Phase, Step};
use crate::shell::{Broken, Input, News, Output};
use crate::told::ForReader;
use core::time::Duration;
use gettone_channel::{
    self as channel, Assembler, BoardState, CAPS_CARRIES, Eid, Ephemeral, Hello1, Initiator,
    LINK_VERSION, Link, LinkMessage, Mtu, Piece, Psk, ReaderId, ResumeSecret, Secret, ServiceUuid,
    Status, Want, segments,
};
use std::collections::VecDeque;

/// A customer's phone (protocol section 9), without light, radio and network. Time and random bytes
/// are handed in.
#[derive(Debug)]
pub struct Phone {
    now: Duration,
    phase: Phase,
    /// When the phase is over.
    until: Duration,
    /// What the reader is looked for with.
    door: Option<Door>,
    line: Option<Line>,
    /// The reader that this visit is at, once it has said anything.
    reader: Option<ReaderId>,
    /// Where the reader stood last.
    state: BoardState,
    /// With what a lost session is taken up again.
    resume: Option<ResumeSecret>,
    courier: Courier,
    /// Answers whose reader is not here just now.
    answers: VecDeque<Vec<u8>>,
    /// What it brings to readers that want it.
    packages: Vec<Package>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Door {
    Code(Secret),
    Resume(ResumeSecret),
}

#[derive(Debug)]
struct Line {
    mtu: Mtu,
    assembler: Assembler,
    link: End,
}

enum End {
    Waiting(Box<Initiator>),
    Up(Box<Link>),
    /// Between the two.
    Closed,
}

impl core::fmt::Debug for End {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Waiting(_) => "Waiting",
            Self::Up(_) => "Up",
            Self::Closed => "Closed",
        })
    }
}

impl Door {
    fn eid(&self) -> Eid {
        match self {
            Self::Code(secret) => secret.eid(),
            Self::Resume(secret) => secret.eid(),
        }
    }

    fn psk(&self) -> Psk {
        match self {
            Self::Code(secret) => secret.psk(),
            Self::Resume(secret) => secret.psk(),
        }
    }
}

impl Default for Phone {
    fn default() -> Self {
        Self::new([])
    }
}

impl Phone {
    /// A phone with the envelopes that it had not delivered when its program ended.
    pub fn new(undelivered: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            now: Duration::ZERO,
            phase: Phase::Away,
            until: Duration::MAX,
            door: None,
            line: None,
            reader: None,
            state: BoardState::Idle,
            resume: None,
            courier: Courier::new(undelivered),
            answers: VecDeque::new(),
            packages: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Has the phone bring these packages to readers that want them: a technician's.
    #[must_use]
    pub fn carrying(mut self, packages: impl IntoIterator<Item = Package>) -> Self {
        self.packages = packages.into_iter().take(PACKAGES_MAX).collect();
        self
    }

    /// Takes one input. Drain [`Phone::poll`] before the next.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = self.now.max(now);
        self.expire();
        match input {
            Input::Tick => {}
            Input::Show(secret) => self.show(secret),
            Input::Connected { mtu, ephemeral } => self.connected(mtu, ephemeral),
            Input::Value(value) => self.value(&value),
            Input::Disconnected => self.disconnected(),
            Input::Answered { status, body } => self.answered(status, &body),
            Input::Unanswered => self.courier.unanswered(self.now),
            Input::Bring(envelope) => self.bring(ForReader::of(envelope).into_iter().collect()),
            Input::Again => self.say(&LinkMessage::Again),
            Input::Leave => self.leave(),
            Input::End => self.end(Step::Ended),
        }
        if let Some(request) = self.courier.next(self.now) {
            self.outputs.push_back(Output::Ask(request));
        }
    }

    /// What the shell has to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the phone wants to be told that time has passed.
    pub fn next_deadline(&self) -> Option<Duration> {
        let visit = (self.until < Duration::MAX).then_some(self.until);
        let courier = self.courier.next_deadline();
        [visit, courier].into_iter().flatten().min()
    }

    /// Where the visit stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The envelopes that the server does not have for certain: worth storing over the end of the
    /// program, and lost without harm.
    pub fn undelivered(&self) -> impl Iterator<Item = &[u8]> {
        self.courier.undelivered()
    }

    /// The handshake hash of the link that is up.
    pub fn handshake(&self) -> Option<channel::Handshake> {
        match &self.line.as_ref()?.link {
            End::Up(link) => Some(link.handshake()),
            End::Waiting(_) | End::Closed => None,
        }
    }
}

/// The visit.
impl Phone {
    fn show(&mut self, secret: Secret) {
        self.end(Step::Ended);
        if self.step(Step::Shown) {
            self.reader = None;
            self.state = BoardState::Idle;
            self.courier.trust_again();
            self.until = self.now.saturating_add(SEEK_MAX);
            self.seek(Door::Code(secret));
        }
    }

    fn seek(&mut self, door: Door) {
        let name = ServiceUuid::for_eid(door.eid().as_bytes());
        self.door = Some(door);
        self.outputs.push_back(Output::Seek(name));
    }

    fn connected(&mut self, mtu: Mtu, ephemeral: Ephemeral) {
        let Some(door) = &self.door else {
            return self.outputs.push_back(Output::HangUp);
        };
        let hello = Hello1 {
            version: LINK_VERSION,
            caps: match self.packages.is_empty() {
                true => 0,
                false => CAPS_CARRIES,
            },
        };
        let started = Initiator::start(&door.psk(), ephemeral, hello);
        if !self.step(Step::Connected) {
            return self.outputs.push_back(Output::HangUp);
        }
        // A code, or a session to come back to, is good for as long as before.
        self.until = self.until.min(self.now.saturating_add(LINK_MAX));
        match started {
            Ok((initiator, link_1)) => {
                self.line = Some(Line {
                    mtu,
                    assembler: Assembler::new(),
                    link: End::Waiting(Box::new(initiator)),
                });
                self.write(&link_1);
            }
            Err(fault) => self.broken(fault.into()),
        }
    }

    fn value(&mut self, value: &[u8]) {
        // A read without a subscription gives nothing when nothing waits.
        let Some(line) = self.line.as_mut().filter(|_| !value.is_empty()) else {
            return;
        };
        match line.assembler.push(value) {
            Ok(Some(message)) => self.message(&message),
            Ok(None) => {}
            Err(fault) => self.broken(fault.into()),
        }
    }

    fn message(&mut self, message: &[u8]) {
        let Some(line) = &mut self.line else { return };
        match core::mem::replace(&mut line.link, End::Closed) {
            End::Waiting(initiator) => match initiator.finish(message) {
                Ok(link) => {
                    line.link = End::Up(Box::new(link));
                    self.link_up();
                }
                Err(fault) => self.broken(fault.into()),
            },
            End::Up(mut link) => {
                let opened = link.open(message);
                line.link = End::Up(link);
                match opened {
                    Ok(message) => self.said(message),
                    Err(fault) => self.broken(fault.into()),
                }
            }
            End::Closed => {}
        }
    }

    fn link_up(&mut self) {
        self.step(Step::LinkUp);
        self.until = Duration::MAX;
        // A code opens one link, and so does a resume secret.
        self.door = None;
        while let Some(envelope) = self.answers.pop_front() {
            self.say(&LinkMessage::Envelope(envelope));
        }
    }

    fn said(&mut self, message: LinkMessage) {
        match message {
            LinkMessage::Envelope(envelope) => {
                if let Ok(header) = channel::header(&envelope) {
                    self.reader = Some(header.reader_id);
                }
                let link = self.handshake();
                self.courier.take(envelope, link);
                self.outputs.push_back(Output::Keep);
            }
            LinkMessage::Status(status) => self.status(status),
            LinkMessage::Want(want) => self.wanted(&want),
            // The channel refuses these from a reader.
            LinkMessage::Leave | LinkMessage::Again | LinkMessage::Piece(_) => {}
        }
    }

    fn wanted(&mut self, want: &Want) {
        let pieces: Vec<Piece> = self
            .packages
            .iter()
            .find(|package| package.version() == want.version)
            .map(|package| package.pieces(want).collect())
            .unwrap_or_default();
        self.outputs.push_back(Output::News(News::Wanted(*want)));
        for piece in pieces {
            self.say(&LinkMessage::Piece(piece));
        }
    }

    fn status(&mut self, mut status: Status) {
        self.state = status.state;
        // It is this phone's alone: it is shown to nobody.
        if let Some(resume) = status.resume.take() {
            self.resume = Some(resume);
        }
        self.outputs.push_back(Output::News(News::Status(status)));
    }

    fn is_in_session(&self) -> bool {
        matches!(
            self.state,
            BoardState::Granted | BoardState::Vending | BoardState::Closing
        )
    }

    fn broken(&mut self, why: Broken) {
        self.outputs.push_back(Output::News(News::Broken(why)));
        self.outputs.push_back(Output::HangUp);
        self.disconnected();
    }

    fn disconnected(&mut self) {
        if self.line.take().is_none() {
            return;
        }
        self.courier.unlink();
        match self.phase {
            Phase::Linked => match self.resume.take().filter(|_| self.is_in_session()) {
                Some(resume) => {
                    self.step(Step::LostInSession);
                    self.until = self.now.saturating_add(RESUME_MAX);
                    self.seek(Door::Resume(resume));
                }
                None => self.end(Step::Lost),
            },
            Phase::Linking | Phase::Relinking => {
                self.step(Step::Lost);
                if let Some(door) = self.door.take() {
                    self.seek(door);
                }
            }
            Phase::Away | Phase::Seeking | Phase::Resuming => {}
        }
    }

    fn leave(&mut self) {
        match self.phase {
            Phase::Linked => self.say(&LinkMessage::Leave),
            Phase::Away | Phase::Seeking | Phase::Linking | Phase::Resuming | Phase::Relinking => {
                self.end(Step::Ended);
            }
        }
    }

    /// No visit any more; what it brought is carried on.
    fn end(&mut self, step: Step) {
        if !self.step(step) {
            return;
        }
        if self.line.take().is_some() {
            self.outputs.push_back(Output::HangUp);
        }
        if self.door.take().is_some() {
            self.outputs.push_back(Output::Rest);
        }
        self.until = Duration::MAX;
        self.resume = None;
        self.answers.clear();
        self.courier.unlink();
    }

    fn expire(&mut self) {
        if self.now < self.until {
            return;
        }
        if matches!(self.phase, Phase::Linking | Phase::Relinking) {
            let silent = News::Broken(Broken::Silent);
            self.outputs.push_back(Output::News(silent));
        }
        self.end(Step::TimedOut);
    }

    fn step(&mut self, step: Step) -> bool {
        let Some(next) = self.phase.after(step) else {
            return false;
        };
        self.phase = next;
        self.outputs.push_back(Output::News(News::Phase(next)));
        true
    }
}

/// What goes out.
impl Phone {
    fn answered(&mut self, status: u16, body: &[u8]) {
        let Some(answered) = self.courier.answered(self.now, status, body) else {
            return;
        };
        match answered {
            Answered::Taken(envelopes, told) => {
                self.outputs.push_back(Output::Keep);
                self.bring(envelopes);
                self.tell(told);
            }
            Answered::Unfinished(envelopes, told) => {
                self.bring(envelopes);
                self.tell(told);
            }
            Answered::Later => {}
            Answered::SignedOut => self.outputs.push_back(Output::News(News::SignedOut)),
            Answered::GivenUp => {
                self.outputs.push_back(Output::Keep);
                let refused = News::Refused { status };
                self.outputs.push_back(Output::News(refused));
            }
        }
    }

    /// Brings the server's answers to the reader that is here, or that may come back.
    fn bring(&mut self, envelopes: Vec<ForReader>) {
        for told in envelopes {
            if Some(told.reader) != self.reader {
                continue;
            }
            match self.phase {
                Phase::Linked => self.say(&LinkMessage::Envelope(told.envelope)),
                Phase::Resuming | Phase::Relinking if self.answers.len() < ANSWERS_MAX => {
                    self.answers.push_back(told.envelope);
                }
                Phase::Resuming | Phase::Relinking => {}
                // Its next HELLO is answered anew.
                Phase::Away | Phase::Seeking | Phase::Linking => {}
            }
        }
    }

    fn tell(&mut self, told: Vec<crate::Told>) {
        for one in told {
            let told = News::Told(Box::new(one));
            self.outputs.push_back(Output::News(told));
        }
    }

    fn say(&mut self, message: &LinkMessage) {
        let Some(Line {
            link: End::Up(link),
            ..
        }) = &mut self.line
        else {
            return;
        };
        match link.seal(message) {
            Ok(sealed) => self.write(&sealed),
            Err(fault) => self.broken(fault.into()),
        }
    }

    fn write(&mut self, message: &[u8]) {
        let Some(line) = &self.line else { return };
        match segments(message, line.mtu) {
            Ok(values) => self.outputs.extend(values.into_iter().map(Output::Write)),
            Err(fault) => self.broken(fault.into()),
        }
    }
}
