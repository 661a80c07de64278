//! How a world ends: everything that was begun is brought to its end, and everybody is heard.

use super::{ROUNDS_MAX, World, set_up};
use crate::sim::ask::{Ask, Told};
use crate::sim::client::{Client, WALLETS};
use crate::sim::medium::Guard;
use crate::sim::rules::Faults;
use crate::sim::trip;
use core::task::{Context, Poll, Waker};
use gettone_core::id::WalletId;
use gettone_core::port::{Seq, Store};
use gettone_core::wallet::Wallet;

impl World {
    /// No more faults: everything that was begun is brought to its end, and checked.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.zombie = None;
        let life = self.tally.lives;
        self.calls.retain(|call| call.life == life);
        trip::stretch(0);
        // A cut at every record for ever would leave nobody the time to finish.
        if self.rules.faults.is_repeated() {
            self.medium.fail(None);
            self.rules.faults = Faults::NONE;
        }
        if self.life.stopped().is_some() {
            self.crash()?;
        }
        while !self.mail.is_empty() {
            self.post();
            self.settle()?;
        }
        self.settle()?;
        for at in 0..self.clients.len() {
            self.hear_out(at)?;
        }
        if self.rules.take_up == Guard::On {
            self.call(None, 0, Ask::Tend, false);
            self.settle()?;
        }
        let before = self.wallets()?;
        if self.life.gate.in_flight() > 0 {
            return Err(format!("{} credits are gone", self.life.gate.in_flight()));
        }
        let setup = set_up(&mut self.chance, self.rules.rebuild);
        let found = self.begin_again(setup, false)?;
        if !self.life.due.is_empty() {
            return Err(format!("left undone: {:?}", self.life.due));
        }
        let after = self.wallets()?;
        for (number, (before, after)) in (0..).zip(before.into_iter().zip(after)) {
            let told = found.wallets.get(&WalletId::new(number));
            if before.as_deref() != told || after.as_deref() != told {
                return Err(format!(
                    "wallet {number} is {before:?}, then {after:?}, by the journal {told:?}"
                ));
            }
        }
        self.witness.close(&found)?;
        self.tally.records = found.records;
        self.tally.journal = fingerprint(self.life.store())?;
        Ok(())
    }

    /// An honest phone passes by a board until it has told everything, and once more.
    fn hear_out(&mut self, at: usize) -> Result<(), String> {
        for pass in 0..ROUNDS_MAX {
            let Some(client) = self.clients.get_mut(at) else {
                return Ok(());
            };
            let has_more = client.hear_out(&mut self.chance, &mut self.witness);
            self.settle()?;
            if !has_more && pass > 0 {
                return Ok(());
            }
        }
        Err("a board is never heard out".to_owned())
    }

    /// Lets everything run until nobody waits for anything.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            for at in 0..self.clients.len() {
                if !self.calls.iter().any(|call| call.client == Some(at))
                    && let Some(client) = self.clients.get_mut(at)
                    && client.go_on()
                    && let Some(wish) = client.try_again(&mut self.witness, self.rules.dedup)
                {
                    self.call(Some(at), wish.number, wish.ask, wish.attempts == 1);
                }
            }
            for shard in 0..self.life.shards() {
                while self.life.waiting(shard) > 0 {
                    self.life.deliver(shard);
                }
                self.life.end_turn(shard);
                self.life.look(shard);
            }
            self.life.flush();
            while self.life.fetch() {}
            let mut at = 0;
            while at < self.calls.len() {
                if !self.poll(at) {
                    at += 1;
                }
            }
            self.look_after()?;
            if self.calls.is_empty() && self.clients.iter().all(Client::is_idle) {
                return Ok(());
            }
        }
        let waiting: Vec<&Ask> = self.calls.iter().map(|call| &call.ask).collect();
        Err(format!("never answered: {waiting:?}"))
    }

    /// What the shards host.
    fn wallets(&mut self) -> Result<Vec<Option<Box<Wallet>>>, String> {
        let mut wallets = Vec::new();
        for number in 0..WALLETS {
            let wallet = WalletId::new(number);
            let mut going = self.begin(Ask::See(wallet));
            let mut context = Context::from_waker(Waker::noop());
            let mut answers = loop {
                if let Poll::Ready(answers) = going.as_mut().poll(&mut context) {
                    break answers;
                }
                for shard in 0..self.life.shards() {
                    self.life.deliver(shard);
                    self.life.end_turn(shard);
                    self.life.look(shard);
                }
                self.life.flush();
                self.life.fetch();
                // A damaged shelf is found out by whoever looks there first.
                if self.life.stopped().is_some() {
                    self.crash()?;
                    self.settle()?;
                    return self.wallets();
                }
            };
            match answers.pop() {
                Some(Told::Seen(seen)) => wallets.push(seen),
                told => return Err(format!("wallet {wallet} is not shown: {told:?}")),
            }
        }
        Ok(wallets)
    }
}

/// A hash (64-bit FNV-1a) of every record in order.
fn fingerprint(store: &mut dyn Store) -> Result<u64, String> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    store
        .replay(Seq::FIRST, &mut |_, payload| {
            for byte in payload {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            Ok(())
        })
        .map_err(|fault| fault.to_string())?;
    Ok(hash)
}
