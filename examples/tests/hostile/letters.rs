//! What the gateway does with an envelope, whoever brings it: a phone, or a reader's own road. And
//! with a code that somebody types, which calls a reader by its road.

use crate::desk::{Desk, Down, EPOCH};
use crate::dice::Dice;
use crate::release;
use gettone::core::grant::Terms;
use gettone::core::id::{MachineId, Order, ReaderId, Rseq, WalletId};
use gettone::core::money::{Amount, Currency};
use gettone::core::reader::{Command, NextKeys, Standing};
use gettone::core::token::typed_steps;
use gettone::core::wallet::{self, Proof};
use gettone_channel::{
    self as channel, Bind, CallId, Direction, Ephemeral, Header, Item, PublicKey, ServerKey,
};
use gettone_relay::{
    Asked, Letter, Outcome, Place, Reply, TYPED_DIGITS, claim, key_ack_out, key_out, next_keys_in,
    nonce_in, reader_in, reader_out, reply_out, token_key_out, tokens_in, vend_of,
};
use std::collections::BTreeMap;

/// Where the copies of a receipt lie that a server without dedup makes of it.
const COPY: u64 = 1 << 32;

/// The roads that stand.
pub(crate) type Roads = BTreeMap<ReaderId, Road>;

/// Somebody at the other end of a WebSocket.
#[derive(Debug)]
pub(crate) struct Road {
    pub(crate) whose: Whose,
    call: Option<Call>,
}

/// Who has opened a road.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    /// The reader itself.
    Own,
    /// Somebody with an envelope that a phone once carried.
    Stranger,
}

/// A customer who typed a code, and waits for the reader's HELLO.
#[derive(Debug)]
struct Call {
    id: CallId,
    wallet: WalletId,
    step: u64,
}

/// An envelope that opened.
struct Authentic {
    id: ReaderId,
    letter: Letter,
    machine: MachineId,
    currency: Currency,
    to: Addressee,
}

/// Where an answer goes.
#[derive(Clone, Copy)]
struct Addressee {
    reader: ReaderId,
    key: PublicKey,
    epoch: u16,
}

/// Who brings an envelope.
#[derive(Clone, Copy)]
struct Carrier {
    account: Option<WalletId>,
    link: Option<Bind>,
    is_called: bool,
}

/// What became of an envelope.
struct Taken {
    sealed: Vec<Vec<u8>>,
    is_granted: bool,
    is_newest: bool,
}

impl Desk {
    /// One envelope of a reader, carried by anybody; gives the server's for the reader.
    pub(crate) fn relay(
        &mut self,
        bytes: &[u8],
        account: Option<WalletId>,
        link: Option<Bind>,
    ) -> Result<Vec<Vec<u8>>, Down> {
        let carrier = Carrier {
            account,
            link,
            is_called: false,
        };
        let Some(authentic) = self.open(bytes)? else {
            return Ok(Vec::new());
        };
        Ok(self.take(&authentic, carrier)?.sealed)
    }

    /// One envelope by the road of this reader; junk ends it.
    pub(crate) fn by_road(
        &mut self,
        reader: ReaderId,
        whose: Whose,
        bytes: &[u8],
    ) -> Result<Vec<Vec<u8>>, Down> {
        let opened = self.open(bytes)?.filter(|authentic| authentic.id == reader);
        let Some(authentic) = opened else {
            self.close_road(reader, whose);
            return Ok(Vec::new());
        };
        let hello = authentic.letter.hello.as_ref();
        let bind = hello.map(|hello| hello.bind);
        let is_bound = self.guards.call;
        let road = self.roads.get_mut(&reader);
        let road = road.filter(|road| road.whose == whose);
        let call = road.zip(bind).and_then(|(road, bind)| {
            let call = &mut road.call;
            call.take_if(|call| !is_bound || Bind::of_call(call.id) == bind)
        });
        let carrier = Carrier {
            account: call.as_ref().map(|call| call.wallet),
            link: bind.filter(|_| call.is_some()),
            is_called: true,
        };
        let taken = self.take(&authentic, carrier)?;
        if let (true, Some(call)) = (taken.is_granted, call) {
            let step = call.step;
            self.called += 1;
            self.command(reader, Command::KeepTokens { key: None, step })?;
        }
        let stands = self.roads.get(&reader);
        let is_theirs = stands.is_some_and(|road| road.whose == whose);
        if !is_theirs && (stands.is_none() || taken.is_newest) {
            self.roads.insert(reader, Road { whose, call: None });
        }
        Ok(taken.sealed)
    }

    /// A road falls, and the server sees it.
    pub(crate) fn close_road(&mut self, reader: ReaderId, whose: Whose) {
        if self
            .roads
            .get(&reader)
            .is_some_and(|road| road.whose == whose)
        {
            self.roads.remove(&reader);
        }
    }

    /// Whoever waits for a HELLO waits no more.
    pub(crate) fn lapse(&mut self) {
        for road in self.roads.values_mut() {
            road.call = None;
        }
    }

    /// Somebody types digits; gives the CALL for the reader, its id, and who has the road.
    pub(crate) fn typed(
        &mut self,
        reader: ReaderId,
        wallet: WalletId,
        digits: u32,
        dice: &mut Dice,
    ) -> Result<Option<(Vec<u8>, Bind, Whose)>, Down> {
        let Some(known) = self.reader(reader)? else {
            return Ok(None);
        };
        let (Some(key), Some(tokens)) = (known.key(), known.token_key()) else {
            return Ok(None);
        };
        let tokens = token_key_out(&tokens);
        let mut steps = typed_steps(known.last_step(), self.now());
        let step = steps.find(|step| tokens.typed(*step, TYPED_DIGITS) == digits);
        let road = self.roads.get_mut(&reader);
        let (Some(step), Some(road)) = (step, road.filter(|road| road.call.is_none())) else {
            return Ok(None);
        };
        let id = CallId::from_bytes(dice.bytes());
        road.call = Some(Call { id, wallet, step });
        let whose = road.whose;
        let to = Addressee {
            reader,
            key: key_out(key),
            epoch: known.server_epoch().max(EPOCH),
        };
        Ok(Some((
            self.seal(to, &[Item::Call(id)]),
            Bind::of_call(id),
            whose,
        )))
    }

    fn open(&mut self, bytes: &[u8]) -> Result<Option<Authentic>, Down> {
        let Ok(header) = channel::header(bytes) else {
            return Ok(None);
        };
        let id = reader_in(header.reader_id);
        let Some(reader) = self.reader(id)? else {
            return Ok(None);
        };
        let known = (reader.key(), reader.machine(), reader.currency());
        let (Some(key), Some(machine), Some(currency)) = known else {
            return Ok(None);
        };
        let own = self.key_of(header.server_epoch).cloned();
        let Some(own) = own.filter(|_| header.direction == Direction::ToServer) else {
            return Ok(None);
        };
        let key = key_out(key);
        let (key, items) = match (channel::open(bytes, &own, &key), reader.next_keys()) {
            (Ok((_, items)), _) => (key, items),
            (Err(_), Some(next)) => {
                let key = key_out(next.key);
                let Ok((_, items)) = channel::open(bytes, &own, &key) else {
                    return Ok(None);
                };
                let epoch = next.epoch;
                self.command(id, Command::Switch { epoch })?;
                (key, items)
            }
            (Err(_), None) => return Ok(None),
        };
        let epoch = reader.server_epoch().max(header.server_epoch);
        if header.server_epoch > reader.server_epoch().max(EPOCH) {
            let server = header.server_epoch;
            self.command(id, Command::Follow { server })?;
        }
        Ok(Some(Authentic {
            id,
            letter: Letter::of(items).expect("no reader seals what makes no sense"),
            machine,
            currency,
            to: Addressee {
                reader: id,
                key,
                epoch,
            },
        }))
    }

    fn take(&mut self, authentic: &Authentic, carrier: Carrier) -> Result<Taken, Down> {
        let (id, letter) = (authentic.id, &authentic.letter);
        if let Some(hello) = &letter.hello {
            let vend = vend_of(id, nonce_in(hello.nonce));
            self.heard.push((vend, hello.bind));
        }
        if let Some(command) = tokens_in(letter) {
            self.command(id, command)?;
        }
        let next = self.announced(id, letter)?;
        if let Some(command) = letter.forgotten() {
            self.command(id, command)?;
        }
        let (ask, asked) = match (&letter.hello, carrier.account) {
            (Some(hello), Some(wallet))
                if carrier.link == Some(hello.bind) || !self.guards.bind =>
            {
                let state = self.machine(authentic.machine)?;
                let place = Place {
                    reader: id,
                    machine: authentic.machine,
                    state: &state,
                };
                match claim(hello, place, wallet) {
                    Ok(mut ask) => {
                        if carrier.is_called {
                            ask.terms = without_phone(ask.terms, hello.max_price);
                        }
                        self.came_with.entry(ask.vend).or_insert(wallet);
                        (Some(ask), Asked::Yes)
                    }
                    Err(reason) => (None, Asked::Barred(reason)),
                }
            }
            _ => (None, Asked::No),
        };
        let mut news = letter.news(ask);
        if let Some(hello) = news.hello.as_mut().filter(|_| !self.guards.order) {
            self.come += 1;
            hello.order = Order {
                boot: u32::MAX,
                uptime_ms: self.come,
            };
        }
        let account = carrier.account.filter(|_| asked != Asked::No);
        let engine = self.engine().clone();
        let relayed = self.wait(engine.relay(id, news, account));
        let relayed = self.told(relayed)?.map(gettone::Durable::into_inner);
        if !self.guards.once {
            self.charge_again(letter)?;
        }
        let standing = match relayed {
            Some(relayed) => relayed.standing,
            None => Some(Standing::Distrusted),
        };
        let outcome = Outcome::of(standing, asked);
        let reply = Reply {
            reader: id,
            currency: authentic.currency,
            ack: relayed.and_then(|relayed| relayed.ack),
            noticed: relayed.and_then(|relayed| relayed.noticed),
            lock: relayed.and_then(|relayed| relayed.lock),
            verdict: outcome.verdict(),
            now: self.now(),
        };
        let mut items = reply_out(letter, &reply);
        if let Some(hello) = &letter.hello {
            items.extend(self.named(hello).map(Item::Config));
            items.extend(self.server_key(authentic.to.epoch).map(Item::ServerKey));
        }
        let mut sealed = Vec::new();
        if !items.is_empty() {
            sealed.push(self.seal(authentic.to, &items));
        }
        if let Some(next) = next {
            let to = Addressee {
                key: key_out(next.key),
                ..authentic.to
            };
            sealed.push(self.seal(to, &[Item::KeyAck(key_ack_out(&next))]));
        }
        Ok(Taken {
            sealed,
            is_granted: matches!(outcome, Outcome::Granted(_)),
            is_newest: matches!(
                relayed.and_then(|relayed| relayed.standing),
                Some(Standing::Unclaimed | Standing::Lost { .. })
            ),
        })
    }

    /// Keeps the keys that a letter announces; gives them when they are to be confirmed.
    fn announced(&mut self, id: ReaderId, letter: &Letter) -> Result<Option<NextKeys>, Down> {
        let Some(told) = next_keys_in(letter) else {
            return Ok(None);
        };
        self.command(id, Command::Announce(told))?;
        if !self.guards.old_key {
            let epoch = told.epoch;
            self.command(id, Command::Switch { epoch })?;
        }
        let kept = self.reader(id)?;
        Ok(kept.filter(|reader| reader.has_keys(&told)).map(|_| told))
    }

    fn server_key(&self, epoch: u16) -> Option<ServerKey> {
        let next = epoch.checked_add(1)?;
        Some(ServerKey {
            epoch: next,
            s_pub: self.key_of(next)?.public(),
            activate: next <= self.active,
        })
    }

    /// The packages that are newer than what a reader says it has.
    fn named(&self, hello: &channel::Hello) -> impl Iterator<Item = channel::Config> {
        let text =
            (self.configuration > hello.cfg).then(|| release::configuration(self.configuration));
        let program = (self.firmware > hello.fw).then(|| release::firmware(self.firmware));
        let packages = [text, program].into_iter().flatten().flatten();
        packages.map(|package| package.manifest.config())
    }

    /// What a server does that takes each receipt as often as it comes.
    fn charge_again(&mut self, letter: &Letter) -> Result<(), Down> {
        for receipt in &letter.receipts {
            if receipt.kind != channel::ReceiptKind::VendOk {
                continue;
            }
            let vend = gettone_relay::vend_in(receipt.grant);
            let came = self.came_again.entry((vend, receipt.rseq)).or_default();
            *came += 1;
            let (copy, wallet) = (*came - 1, self.came_with.get(&vend).copied());
            let Some(wallet) = wallet.filter(|_| copy > 0) else {
                continue;
            };
            let again = wallet::Command::Settle {
                vend,
                rseq: Rseq::new(receipt.rseq + copy * COPY),
                outcome: wallet::Outcome::Vended {
                    item: gettone::core::id::Item::new(receipt.item),
                    amount: Amount::from_minor(i64::from(receipt.amount)),
                    proof: Proof::Told,
                },
            };
            let engine = self.engine().clone();
            let done = self.wait(engine.wallet_command(wallet, again));
            self.told(done)?;
        }
        Ok(())
    }

    fn seal(&mut self, to: Addressee, items: &[Item]) -> Vec<u8> {
        self.sealed += 1;
        let mut random = [0x77; 32];
        random[..8].copy_from_slice(&self.sealed.to_be_bytes());
        let header = Header {
            direction: Direction::ToReader,
            server_epoch: to.epoch,
            reader_id: reader_out(to.reader),
            sequence: self.sealed,
        };
        let ephemeral = Ephemeral::from_bytes(random);
        let own = self.key_of(to.epoch).expect("readers use its keys");
        channel::seal(header, own, &to.key, ephemeral, items).expect("items of this road")
    }
}

/// What is left after the first product would be the next person's.
fn without_phone(terms: Terms, max_price: u32) -> Terms {
    Terms {
        cap: terms.cap.min(Amount::from_minor(i64::from(max_price))),
        vends_max: terms.vends_max.min(1),
        revalue_max: Amount::ZERO,
        ..terms
    }
}
