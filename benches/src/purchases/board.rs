//! One machine with its reader, without air, flash or bus: what they say reaches the phone at once.

use super::Bought;
use super::server::{Asker, Server, hex, random};
use crate::fault::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::time::Duration;
use gettone_channel::{
    self as channel, Ephemeral, Hello1, Initiator, LINK_VERSION, Link, LinkMessage, MdbState,
    Secret, StaticKey,
};
use gettone_core::board::{Ask, Code, Machine};
use gettone_core::id::{Item, JournalEpoch};
use gettone_relay::{
    Connection, Entropy, Flash, Input, Order, Output, Report, Servers, Standing, Station,
};
use serde_json::json;
use std::collections::VecDeque;
use std::time::Instant;

const PRICE_MINOR: u32 = 120;
/// What one purchase takes of the board's own time.
const PACE: Duration = Duration::from_secs(5);

pub(super) struct Board {
    station: Station,
    customer: Asker,
    now: Duration,
    orders: VecDeque<Order>,
    messages: VecDeque<(Vec<u8>, Report)>,
    connections: u64,
    asks: u32,
}

impl Board {
    /// Registers a machine, and a reader for it.
    pub(super) fn enrol(server: &Server, number: usize, customer: &Asker) -> Result<Self, Fault> {
        let key = StaticKey::from_bytes(random()?);
        let servers = Servers::installed(&[server.enrol(number, &key)?])
            .ok_or_else(|| Fault::call("enrolling a reader")("the server has no key"))?;
        let mut flash = Flash::new(JournalEpoch::from_bytes(random()?));
        let start = flash.start(key, servers);
        let mut board = Self {
            station: Station::new(start.map_err(Fault::call("starting a board"))?),
            customer: customer.clone(),
            now: Duration::from_secs(1),
            orders: VecDeque::new(),
            messages: VecDeque::new(),
            connections: 0,
            asks: 0,
        };
        board.tell(Input::Standing(Standing {
            mdb_state: MdbState::Enabled,
            price_max: 500,
            vmc_level: 2,
            vmc_id: channel::VmcId::from_bytes([8; 8]),
        }))?;
        board.tell(Input::Machine(Machine::Enabled))?;
        Ok(board)
    }

    /// One whole purchase: code, link, HELLO, GRANT, vend, receipt, CLOSE, ACK.
    pub(super) fn purchase(&mut self) -> Result<Bought, Fault> {
        self.now += PACE;
        let code: [u8; 10] = random()?;
        self.tell(Input::CodeSeen(Code::from_bytes(code)))?;
        let mut phone = Phone::link(self, &Secret::light(code).psk())?;
        let grant = phone.carry(self)?;
        self.vend()?;
        let receipt = phone.carry(self)?;
        phone.say(self, &LinkMessage::Leave)?;
        if self.station.outbox().unacked() > 0 {
            return Err(Fault::call("buying")("receipts were not acknowledged"));
        }
        Ok(Bought { grant, receipt })
    }

    /// The machine takes the session, and one espresso falls.
    fn vend(&mut self) -> Result<(), Fault> {
        self.expect(|order| matches!(order, Order::BeginSession { .. }))?;
        self.tell(Input::Machine(Machine::SessionBegan))?;
        self.asks = self.asks.wrapping_add(1);
        self.tell(Input::Machine(Machine::Asked {
            ask: Ask::new(self.asks),
            price: PRICE_MINOR,
            item: Item::new(1),
        }))?;
        let approved = self.expect(|order| matches!(order, Order::Approve { .. }))?;
        if let Order::Approve { rseq, .. } = approved {
            self.tell(Input::Machine(Machine::Succeeded {
                rseq,
                after: Duration::from_secs(3),
            }))?;
        }
        self.expect(|order| matches!(order, Order::CancelSession))?;
        self.tell(Input::Machine(Machine::SessionCompleted))?;
        self.expect(|order| matches!(order, Order::EndSession))?;
        Ok(())
    }

    fn expect(&mut self, wanted: impl Fn(&Order) -> bool) -> Result<Order, Fault> {
        while let Some(order) = self.orders.pop_front() {
            if wanted(&order) {
                return Ok(order);
            }
        }
        Err(Fault::call("buying")("the board did not go on"))
    }

    /// Tells the station one thing; its flash is as quick as memory.
    fn tell(&mut self, input: Input) -> Result<(), Fault> {
        let mut waiting = VecDeque::from([input]);
        while let Some(input) = waiting.pop_front() {
            let entropy = Entropy::take(&mut random()?);
            self.station.handle(self.now, input, entropy);
            while let Some(output) = self.station.poll() {
                match output {
                    Output::Send(_, message, report) => self.messages.push_back((message, report)),
                    Output::Journal(ticket, _) => waiting.push_back(Input::Synced(ticket)),
                    Output::KeepServers(_) => waiting.push_back(Input::ServersKept),
                    Output::KeepKeys(_) => waiting.push_back(Input::KeysKept),
                    Output::Order(order) => self.orders.push_back(order),
                    Output::Advertise(_)
                    | Output::Hush
                    | Output::Drop(_)
                    | Output::Show(_)
                    | Output::Service(_)
                    | Output::Offer(_)
                    | Output::RoadSend(_)
                    | Output::Withdraw
                    | Output::Diagnose(_)
                    | Output::Care(_)
                    | Output::Note(_) => {}
                }
            }
        }
        Ok(())
    }
}

struct Phone {
    connection: Connection,
    link: Link,
    h: String,
}

impl Phone {
    fn link(board: &mut Board, psk: &channel::Psk) -> Result<Self, Fault> {
        board.connections += 1;
        let connection = Connection::new(board.connections);
        board.tell(Input::Connected(connection))?;
        let hello = Hello1 {
            version: LINK_VERSION,
            caps: 0,
        };
        let ephemeral = Ephemeral::from_bytes(random()?);
        let (waiting, link_1) =
            Initiator::start(psk, ephemeral, hello).map_err(Fault::call("linking"))?;
        board.tell(Input::Heard(connection, link_1))?;
        let (link_2, _) = board
            .messages
            .pop_front()
            .ok_or_else(|| Fault::call("linking")("the board says nothing"))?;
        let link = waiting.finish(&link_2).map_err(Fault::call("linking"))?;
        let h = hex(link.handshake().as_bytes());
        Ok(Self {
            connection,
            link,
            h,
        })
    }

    /// Carries all that the board has to say to the server and back; the time of the request.
    fn carry(&mut self, board: &mut Board) -> Result<Duration, Fault> {
        let mut envelopes = Vec::new();
        while let Some((sealed, report)) = board.messages.pop_front() {
            if report == Report::Took {
                board.tell(Input::Took(self.connection))?;
            }
            let message = self.link.open(&sealed).map_err(Fault::call("listening"))?;
            if let LinkMessage::Envelope(envelope) = message {
                envelopes.push(BASE64.encode(envelope));
            }
        }
        if envelopes.is_empty() {
            return Err(Fault::call("carrying")("the board has no envelope"));
        }
        let body = json!({"envelopes": envelopes, "h": self.h});
        let began = Instant::now();
        let answer = board.customer.post("/v1/app/relay", &body)?;
        let took = began.elapsed();
        for text in answer["envelopes"].as_array().into_iter().flatten() {
            let envelope = BASE64
                .decode(text.as_str().unwrap_or_default())
                .map_err(Fault::call("reading the gateway's answer"))?;
            self.say(board, &LinkMessage::Envelope(envelope))?;
        }
        Ok(took)
    }

    fn say(&mut self, board: &mut Board, message: &LinkMessage) -> Result<(), Fault> {
        let sealed = self.link.seal(message).map_err(Fault::call("speaking"))?;
        board.tell(Input::Heard(self.connection, sealed))
    }
}
