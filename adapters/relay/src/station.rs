//! A whole board without I/O: its rules, its link, its envelopes and the server's keys.

mod care;
mod keys;
mod line;
mod report;
mod road;
mod shell;
mod token;

pub use care::{CareOrder, CareStart, FirmwareStart};
pub use report::Lines;
pub use shell::{Connection, Entropy, Input, Notice, Order, Output, Report, Showing, Start};
pub use token::Offer;

use crate::answer::answer_in;
use crate::greeting::{ReaderFacts, Standing, greeting_out, notices_out, receipts_out};
use crate::keyring::KeyRing;
use crate::receipt::chain_of;
use crate::servers::Servers;
use crate::status::{Line, Telling, status_out};
use core::time::Duration;
use gettone_channel as channel;
use gettone_channel::{
    Direction, Ephemeral, Header, LinkMessage, MdbState, Pair, PublicKey, ResumeSecret,
};
use gettone_core::board::{self, Board, LastResult, Life, Note, Outbox};
use gettone_core::money::Amount;
use gettone_core::notice::Code;
use gettone_core::time::Timestamp;
use line::{Door, Visitor};
use road::Way;
use std::collections::VecDeque;

/// A reader board (protocol sections 4 to 7) without radio, flash or machine. Time and random bytes
/// are handed in; many stations can live in one process.
#[derive(Debug)]
pub struct Station {
    board: Board,
    ring: KeyRing,
    /// Keys of its own that are being written.
    coming_ring: Option<KeyRing>,
    /// The time of day of its last HELLO that knew it.
    dated: Option<Timestamp>,
    care: Option<care::Care>,
    facts: ReaderFacts,
    limits: board::Limits,
    servers: Servers,
    /// Of its own keys with those of the servers' keys that were used.
    pairs: Vec<(PublicKey, Pair)>,
    /// The server's keys that are being written.
    coming: Option<Servers>,
    standing: Standing,
    door: Option<Door>,
    visitor: Option<Visitor>,
    tokens: Option<token::Tokens>,
    road: Option<road::Road>,
    /// The server's last call, which is not answered twice.
    last_call: Option<channel::CallId>,
    /// Whether the HELLO that is out went by the board's own road.
    is_called: bool,
    reporting: report::Reporting,
    /// Envelopes sealed in this start.
    sequence: u64,
    line: Line,
    telling: Telling,
    outputs: VecDeque<Output>,
}

impl Station {
    /// A station that has just started, with its journal read and synced.
    pub fn new(start: Start) -> Self {
        let facts = start.facts();
        Self {
            ring: KeyRing::named(start.reader, start.key, None),
            coming_ring: None,
            dated: None,
            care: None,
            facts,
            limits: start.limits,
            reporting: report::Reporting::default(),
            servers: start.servers,
            pairs: Vec::new(),
            coming: None,
            standing: Standing::default(),
            door: None,
            visitor: None,
            tokens: None,
            road: None,
            last_call: None,
            is_called: false,
            sequence: 0,
            line: start.line,
            telling: Telling {
                life: Life::Idle,
                remaining: Amount::ZERO,
                last: LastResult::None,
                note: Note::None,
            },
            outputs: VecDeque::new(),
            board: Board::new(board::Start {
                boot: start.boot,
                past: start.past,
                limits: start.limits,
                sessions: start.sessions,
                currency: start.currency,
                chain_of,
            }),
        }
    }

    /// Takes one input. Drain [`Station::poll`] before the next.
    pub fn handle(&mut self, now: Duration, input: Input, mut entropy: Entropy) {
        self.expire_stranger(now);
        let entropy = &mut entropy;
        match input {
            Input::Tick => self.tell(now, board::Input::Tick, entropy),
            Input::CodeSeen(code) => self.code_seen(now, code, entropy),
            Input::LightSeen(light) => self.light_seen(now, light, entropy),
            Input::Connected(connection) => self.connected(now, connection),
            Input::Disconnected(connection) => self.disconnected(now, connection, entropy),
            Input::Heard(connection, message) => self.heard(now, connection, &message, entropy),
            Input::Took(connection) => {
                if self.linked() == Some(connection) && self.is_boards() {
                    self.tell(now, board::Input::LinkTook, entropy);
                }
            }
            Input::RoadUp => self.road_up(now),
            Input::RoadDown => self.road_down(now, entropy),
            Input::RoadHeard(envelope) => self.envelope(now, &envelope, Way::Road, entropy),
            Input::RoadTook => self.road_took(),
            Input::Machine(machine) => self.tell(now, board::Input::Machine(machine), entropy),
            Input::Standing(standing) => self.stand(now, standing, entropy),
            Input::BusLost => {
                self.standing.mdb_state = MdbState::Inactive;
                let (code, data) = (Code::BUS_LOST, [0; 8]);
                self.tell(now, board::Input::Fault { code, data }, entropy);
            }
            Input::Synced(ticket) => self.tell(now, board::Input::Synced(ticket), entropy),
            Input::JournalFailed => self.tell(now, board::Input::JournalFailed, entropy),
            Input::Fault { code, data } => {
                self.tell(now, board::Input::Fault { code, data }, entropy);
            }
            Input::ServersKept => {
                if let Some(servers) = self.coming.take() {
                    let active = servers.active().epoch;
                    self.servers = servers;
                    self.note(Notice::Servers { active });
                }
            }
            // The server says it again with its next answer.
            Input::ServersLost => self.coming = None,
            Input::Installed(kind, number) => self.installed(kind, number),
            Input::Unfit(kind, number) => self.unfit(kind, number),
            Input::NotInstalled(kind) => self.not_installed(kind),
            Input::ChangeKeys(ring) => self.change_keys(*ring),
            Input::Diagnosed(id, lines) => self.diagnosed(now, id, &lines),
            Input::KeysKept => self.keys_kept(),
            // The server confirms them again with the next HELLO.
            Input::KeysLost => self.coming_ring = None,
        }
        self.use_road(now, entropy);
        self.use_quiet(entropy);
    }

    /// What the shell has to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the station wants to be told that time has passed.
    pub fn next_deadline(&self) -> Option<Duration> {
        let stranger = self.visitor.as_ref().and_then(Visitor::until);
        [self.board.next_deadline(), stranger, self.road_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Where the board stands.
    pub const fn life(&self) -> Life {
        self.board.life()
    }

    /// Whether an INTENT is open.
    pub const fn has_intent(&self) -> bool {
        self.board.has_intent()
    }

    /// The receipts it keeps.
    pub const fn outbox(&self) -> &Outbox {
        self.board.outbox()
    }

    /// The reader's name.
    pub const fn reader(&self) -> channel::ReaderId {
        self.ring.reader()
    }

    /// What is known of the machine's controller.
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }
}

/// Between the board's rules and the wire.
impl Station {
    fn code_seen(&mut self, now: Duration, code: board::Code, entropy: &mut Entropy) {
        if self.board.life() == Life::Idle {
            self.note(Notice::CodeSeen);
        }
        self.tell(now, board::Input::CodeSeen(code), entropy);
    }

    /// Another controller than before: the board may stand in another machine.
    fn stand(&mut self, now: Duration, standing: Standing, entropy: &mut Entropy) {
        let before = core::mem::replace(&mut self.standing, standing);
        let was_known = before.vmc_id != Standing::default().vmc_id;
        if was_known && before.vmc_id != standing.vmc_id {
            let (code, data) = (Code::VMC_CHANGED, *standing.vmc_id.as_bytes());
            self.tell(now, board::Input::Fault { code, data }, entropy);
        }
    }

    /// Tells the board one thing and follows what it asks for.
    fn tell(&mut self, now: Duration, input: board::Input, entropy: &mut Entropy) {
        self.tell_board(now, input, entropy);
        // A link that cannot seal is no link; the board hears of it once it has been followed.
        if self.visitor.as_ref().is_some_and(Visitor::is_broken) {
            self.drop_visitor();
            self.tell_board(now, board::Input::LinkDown, entropy);
        }
    }

    fn tell_board(&mut self, now: Duration, input: board::Input, entropy: &mut Entropy) {
        let from = self.board.life();
        self.board.handle(now, input);
        while let Some(output) = self.board.poll() {
            self.follow(output, entropy);
        }
        let to = self.board.life();
        self.is_called &= to == Life::Linked;
        if from != to {
            self.note(Notice::Moved { from, to });
        }
        self.show();
    }

    fn follow(&mut self, output: board::Output, entropy: &mut Entropy) {
        match output {
            board::Output::Advertise(door) => self.open_door(&door),
            board::Output::Hush => self.shut_door(),
            board::Output::DropLink => self.drop_visitor(),
            board::Output::Greet(greeting) => {
                let mut items = greeting_out(&greeting, &self.facts, &self.standing);
                items.extend(self.token_key(greeting.token));
                self.dated = greeting.wall.map(|(utc, _)| utc).or(self.dated);
                self.announce_keys(&greeting, &mut items);
                self.send_envelope(&items, entropy);
            }
            board::Output::SendReceipts(receipts) => {
                let items = receipts_out(&receipts, self.facts.epoch);
                self.send_envelope(&items, entropy);
            }
            board::Output::SendNotices(notices) => {
                let items = notices_out(&notices, self.facts.epoch);
                self.send_envelope(&items, entropy);
            }
            board::Output::Tell {
                life,
                remaining,
                last,
                note,
                resume,
            } => {
                self.telling = Telling {
                    life,
                    remaining,
                    last,
                    note,
                };
                let resume = resume.map(|fresh| ResumeSecret::from_bytes(*fresh.as_bytes()));
                let status = status_out(&self.telling, self.facts.currency, self.line, resume);
                self.send(&LinkMessage::Status(status), Report::Nothing);
                self.put_show();
            }
            board::Output::Journal(ticket, record) => {
                self.outputs.push_back(Output::Journal(ticket, record));
            }
            board::Output::BeginSession { funds } => self.order(Order::BeginSession { funds }),
            board::Output::Select {
                item,
                options,
                funds,
            } => self.order(Order::Select {
                item,
                options,
                funds,
            }),
            board::Output::CancelSession => self.order(Order::CancelSession),
            board::Output::EndSession => self.order(Order::EndSession),
            board::Output::Approve { ask, rseq, amount } => self.order(Order::Approve {
                ask,
                rseq,
                amount,
                epoch: self.facts.epoch,
            }),
            board::Output::Deny { ask } => self.order(Order::Deny { ask }),
            board::Output::ApproveRevalue { ask, rseq, amount } => {
                self.order(Order::ApproveRevalue {
                    ask,
                    rseq,
                    amount,
                    epoch: self.facts.epoch,
                });
            }
            board::Output::DenyRevalue { ask } => self.order(Order::DenyRevalue { ask }),
            board::Output::TellRevalueLimit { ask, limit } => {
                self.order(Order::TellRevalueLimit { ask, limit });
            }
            board::Output::Service(state) => self.outputs.push_back(Output::Service(state)),
            board::Output::Offer(offer) => self.offer(&offer),
            board::Output::Withdraw => self.withdraw(),
            board::Output::Report(fault) => self.note(Notice::Board(fault)),
        }
    }

    /// Takes the server's word, or a stranger's.
    fn envelope(&mut self, now: Duration, envelope: &[u8], way: Way, entropy: &mut Entropy) {
        let items = match self.open(envelope) {
            Ok(items) => items,
            Err(notice) => return self.note(notice),
        };
        let Some(items) = self.without_key_ack(items) else {
            return;
        };
        let mut answers = Vec::new();
        let mut call = None;
        for item in &items {
            match (answer_in(item), item) {
                (Some(answer), _) => answers.push(answer),
                (None, channel::Item::ServerKey(told)) => self.server_key(told),
                (None, channel::Item::Config(told)) => self.named(told),
                (None, channel::Item::Diagnose(told)) => self.asked(told.id, way),
                // A phone has no call to bring: it would be somebody's of long ago.
                (None, channel::Item::Call(id)) if way == Way::Road => call = Some(*id),
                (None, other) => self.note(Notice::Unused { kind: other.kind() }),
            }
        }
        let fresh = entropy.fresh;
        self.tell(now, board::Input::Answered { answers, fresh }, entropy);
        if let Some(id) = call {
            self.called(now, id, entropy);
        }
    }

    fn server_key(&mut self, told: &channel::ServerKey) {
        // One change at a time: what is not yet on flash is no ground for the next.
        if self.coming.is_some() {
            return;
        }
        if let Some(servers) = self.servers.after(told) {
            self.coming = Some(servers.clone());
            self.outputs.push_back(Output::KeepServers(servers));
        }
    }

    fn send_envelope(&mut self, items: &[channel::Item], entropy: &mut Entropy) {
        let Some(ephemeral) = entropy.envelope.take() else {
            debug_assert!(false, "one input makes one envelope");
            return;
        };
        let Some(envelope) = self.seal(items, ephemeral) else {
            return;
        };
        if self.is_called {
            self.road_send(envelope);
        } else {
            self.send(&LinkMessage::Envelope(envelope), Report::Took);
        }
    }

    /// Seals an envelope for the server.
    fn seal(&mut self, items: &[channel::Item], ephemeral: Ephemeral) -> Option<Vec<u8>> {
        let server = *self.servers.active();
        self.sequence = self.sequence.saturating_add(1);
        let header = Header {
            direction: Direction::ToServer,
            server_epoch: server.epoch,
            reader_id: self.ring.reader(),
            sequence: self.sequence,
        };
        let own = self.ring.key().clone();
        let sealed = self
            .pair(&own, &server.key)
            .and_then(|pair| pair.seal(header, ephemeral, items));
        match sealed {
            Ok(envelope) => Some(envelope),
            Err(fault) => {
                self.note(Notice::Seal(fault));
                None
            }
        }
    }

    fn order(&mut self, order: Order) {
        self.outputs.push_back(Output::Order(order));
    }

    fn note(&mut self, notice: Notice) {
        self.count(&notice);
        self.outputs.push_back(Output::Note(notice));
    }

    /// Shows a state that no phone was told of.
    fn show(&mut self) {
        let life = self.board.life();
        if life != self.telling.life {
            self.telling = Telling {
                life,
                remaining: self.board.grant().map_or(Amount::ZERO, |g| g.remaining()),
                last: LastResult::None,
                note: Note::None,
            };
            self.put_show();
        }
    }

    fn put_show(&mut self) {
        self.outputs.push_back(Output::Show(Showing {
            telling: self.telling,
            balance: self.board.grant().map(|grant| grant.balance()),
        }));
    }
}
