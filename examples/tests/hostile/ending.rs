//! The end: everything comes to rest, and one honest phone passes.

use crate::desk::{PURSE, vend_of_code};
use crate::place::bind_of;
use crate::street::{HONEST, PHONES, Street};
use core::time::Duration;
use gettone::core::board::{Code, Life};
use gettone::core::id::WalletId;
use gettone_channel::{LinkMessage, Secret};
use gettone_relay::Input;

/// Rounds of envelopes in one honest visit.
const ROUNDS_MAX: u32 = 50;
/// Longer than a code is on show.
const STEP: Duration = Duration::from_secs(31);
/// Codes that somebody without Bluetooth scans until everything is in.
const CODES_MAX: u32 = 40;

impl Street {
    /// Everything comes to rest, and one honest phone passes each reader.
    pub(crate) fn heal(&mut self) -> Result<(), String> {
        for who in 0..self.phones.len() {
            self.vanish(who);
        }
        self.fell_roads();
        for at in 0..self.places.len() {
            self.places[at].rest(&mut self.truth, &mut self.dice)?;
            self.look()?;
            // Who has no Bluetooth buys with light alone, and needs more than one code. Where the
            // board has a road, nobody has to come at all.
            match self.dice.below(3) {
                0 if self.places[at].sign.is_some() => self.honest_by_light(at)?,
                1 => self.honest_by_road(at)?,
                _ => self.honest(at)?,
            }
            if self.dice.is_in(1, 4) {
                self.technician(at)?;
            }
        }
        self.books.settled(&self.truth)?;
        let wallets: Vec<WalletId> = (1..=PHONES).map(WalletId::new).chain([HONEST]).collect();
        let left = self.desk.money(&wallets);
        let all = PURSE * i64::try_from(wallets.len()).expect("few");
        let all = all + self.books.put_in();
        if left + self.books.paid() != all {
            return Err(format!(
                "of {all}, {left} are left and {} are paid",
                self.books.paid()
            ));
        }
        Ok(())
    }

    /// Scans a code, shows its light, buys nothing; and the next one, until nothing is held there.
    fn honest_by_light(&mut self, at: usize) -> Result<(), String> {
        let mut before = None;
        for _ in 0..CODES_MAX {
            let offer = self.places[at].sign.as_ref();
            let code = offer.map(|offer| offer.link.clone());
            let code = code.ok_or("for ever: an idle reader shows no code")?;
            // A reader whose clock was set back shows the step that it had come to until the clock
            // is there again; when that code is used up, it takes a link.
            if before.replace(code.step) == Some(code.step) {
                return self.honest(at);
            }
            let payers = self.truth.payers.entry(vend_of_code(&code)).or_default();
            payers.insert(HONEST);
            // The news that come with a code may be all that is missing.
            let brought = (0..3).find_map(|_| self.desk.bring(&code).ok());
            brought.ok_or("for ever: the server crashes again and again")?;
            self.look()?;
            if !self.books.holds_at(self.places[at].machine_id()) {
                return Ok(());
            }
            let scanned = (0..3).find_map(|_| self.desk.light(&code, HONEST).ok());
            let light = scanned.ok_or("for ever: the server crashes again and again")?;
            self.look()?;
            match light {
                Some(light) => {
                    self.lights_made += 1;
                    self.places[at].tell(Input::LightSeen(light), &mut self.dice);
                }
                // The code is used up, or something is still missing: the next one says more.
                None => self.places[at].pass(STEP, &mut self.dice),
            }
            self.places[at].rest(&mut self.truth, &mut self.dice)?;
        }
        Err(format!(
            "for ever: after {CODES_MAX} codes reader {at} still has news"
        ))
    }

    fn honest(&mut self, at: usize) -> Result<(), String> {
        let code: [u8; 10] = self.dice.bytes();
        let place = &mut self.places[at];
        place.tell(Input::CodeSeen(Code::from_bytes(code)), &mut self.dice);
        let linked = place.link(&Secret::light(code).psk(), 0, &mut self.dice);
        let (connection, mut link) = linked.ok_or("for ever: an honest phone is not let in")?;
        let bind = bind_of(&link);
        self.owners.insert(*bind.as_bytes(), HONEST);
        let mut has_left = false;
        for _ in 0..ROUNDS_MAX {
            let place = &mut self.places[at];
            place.sync(usize::MAX, &mut self.dice);
            let Some(message) = place.message(connection, &mut self.dice) else {
                if has_left && place.life() == Life::Linked && place.unacked() == 0 {
                    place.tell(Input::Disconnected(connection), &mut self.dice);
                    return place.rest(&mut self.truth, &mut self.dice);
                }
                if !has_left {
                    has_left = true;
                    let leave = link.seal(&LinkMessage::Leave).expect("a good link");
                    place.tell(Input::Heard(connection, leave), &mut self.dice);
                }
                place.sync(usize::MAX, &mut self.dice);
                place.machine(&mut self.truth, &mut self.dice);
                continue;
            };
            let opened = link.open(&message).map_err(|fault| fault.to_string())?;
            let LinkMessage::Envelope(envelope) = opened else {
                continue;
            };
            // A phone asks again until it has an answer.
            let answered = (0..3).find_map(|_| {
                let relayed = self.desk.relay(&envelope, Some(HONEST), Some(bind));
                relayed.ok()
            });
            let answer = answered.ok_or("for ever: the server crashes again and again")?;
            self.look()?;
            for envelope in answer {
                let sealed = link.seal(&LinkMessage::Envelope(envelope));
                let heard = Input::Heard(connection, sealed.expect("a good link"));
                self.places[at].tell(heard, &mut self.dice);
            }
        }
        Err(format!(
            "for ever: an honest phone leaves reader {at} {:?} with {} receipts",
            self.places[at].life(),
            self.places[at].unacked()
        ))
    }
}
