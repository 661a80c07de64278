//! Boards that are connected by a road of their own, and the calls that wait for them (protocol
//! sections 6.4 and 9.2). What is here is lost with the process: boards come again.

use crate::bounds::{ROADS_MAX, ROADS_UNPROVEN_MAX, TYPED_KEPT};
use crate::gateway::later;
use crate::request::Customer;
use actix_ws::Session;
use gettone_channel::{Bind, CallId};
use gettone_core::id::{ReaderId, TransferId};
use gettone_core::money::Amount;
use gettone_core::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Every road, by its reader. `T` is what becomes of a typed code.
#[derive(Debug)]
pub(crate) struct Roads<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    roads: HashMap<ReaderId, Road<T>>,
    unproven: usize,
    turns: u64,
}

struct Road<T> {
    turn: Turn,
    session: Session,
    call: Option<Call<T>>,
    /// The last code that was answered, for who did not hear it.
    answered: Option<Typed<T>>,
}

/// One connection among all of this start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Turn(u64);

/// A customer who typed a code, and waits for the reader's HELLO.
#[derive(Debug)]
pub(crate) struct Call<T> {
    /// What the reader was told.
    pub id: CallId,
    /// Who pays.
    pub customer: Customer,
    /// Which code it was.
    pub step: u64,
    /// How much may be held, where that is bounded beside the machine's own bounds.
    pub allowance: Option<Allowance>,
    /// Where the customer waits.
    pub told: oneshot::Sender<T>,
}

/// The room that was made for a hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowance {
    /// Under which name.
    pub name: TransferId,
    /// How much.
    pub cap: Amount,
}

/// An answer that is kept.
struct Typed<T> {
    who: String,
    code: u32,
    at: Timestamp,
    told: T,
}

/// Why a reader cannot be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Uncalled {
    /// It has no road.
    Away,
    /// Another customer's call is waiting.
    Taken,
}

/// All places are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// Whether a newcomer may take the place of the road that stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// It brought the reader's newest HELLO.
    Newest,
    /// It brought something that its reader sealed once.
    Authentic,
}

impl<T> Default for Roads<T> {
    fn default() -> Self {
        let inner = Inner {
            roads: HashMap::new(),
            unproven: 0,
            turns: 0,
        };
        Self {
            inner: Mutex::new(inner),
        }
    }
}

impl<T> core::fmt::Debug for Inner<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} roads", self.roads.len())
    }
}

impl<T: Clone> Roads<T> {
    /// Lets somebody show that they are a reader, until what is given is dropped.
    ///
    /// # Errors
    /// `Full` when too many try at once.
    pub(crate) fn knock(&self) -> Result<Knock<'_, T>, Full> {
        let mut inner = self.lock();
        if inner.unproven >= ROADS_UNPROVEN_MAX {
            return Err(Full);
        }
        inner.unproven += 1;
        Ok(Knock { roads: self })
    }

    /// Opens a road that its reader has shown to be its own; gives the one that it replaces.
    ///
    /// # Errors
    /// `Full` when there are too many, or when one stands and the newcomer's claim is no better.
    pub(crate) fn open(
        &self,
        reader: ReaderId,
        claim: Claim,
        session: Session,
    ) -> Result<(Turn, Option<Session>), Full> {
        let mut inner = self.lock();
        let stands = inner.roads.contains_key(&reader);
        if (stands && claim == Claim::Authentic) || (!stands && inner.roads.len() >= ROADS_MAX) {
            return Err(Full);
        }
        inner.turns += 1;
        let turn = Turn(inner.turns);
        let before = inner.roads.remove(&reader);
        let (before, answered) = before.map_or((None, None), |before| {
            (Some(before.session), before.answered)
        });
        let road = Road {
            turn,
            session,
            call: None,
            answered,
        };
        inner.roads.insert(reader, road);
        Ok((turn, before))
    }

    /// Whether this road is still the reader's.
    pub(crate) fn stands(&self, reader: ReaderId, turn: Turn) -> bool {
        let inner = self.lock();
        inner
            .roads
            .get(&reader)
            .is_some_and(|road| road.turn == turn)
    }

    /// Closes a road, unless another has taken its place.
    pub(crate) fn close(&self, reader: ReaderId, turn: Turn) {
        let mut inner = self.lock();
        if inner
            .roads
            .get(&reader)
            .is_some_and(|road| road.turn == turn)
        {
            inner.roads.remove(&reader);
        }
    }

    /// Puts a call to a reader down; gives the road to say it on, and what takes it back.
    ///
    /// # Errors
    /// `Uncalled` when it is away, or called already.
    pub(crate) fn call(
        &self,
        reader: ReaderId,
        call: Call<T>,
    ) -> Result<(Session, Waiting<'_, T>), Uncalled> {
        let mut inner = self.lock();
        let road = inner.roads.get_mut(&reader).ok_or(Uncalled::Away)?;
        if road.call.is_some() {
            return Err(Uncalled::Taken);
        }
        let id = call.id;
        road.call = Some(call);
        let waiting = Waiting {
            roads: self,
            reader,
            id,
        };
        Ok((road.session.clone(), waiting))
    }

    /// Takes the call that a HELLO with this bind answers.
    pub(crate) fn answered(&self, reader: ReaderId, bind: Bind) -> Option<Call<T>> {
        let mut inner = self.lock();
        let road = inner.roads.get_mut(&reader)?;
        road.call.take_if(|call| Bind::of_call(call.id) == bind)
    }

    /// Keeps what somebody was told, who may not have heard it.
    pub(crate) fn keep(&self, reader: ReaderId, typed: (String, u32), at: Timestamp, told: T) {
        let (who, code) = typed;
        if let Some(road) = self.lock().roads.get_mut(&reader) {
            road.answered = Some(Typed {
                who,
                code,
                at,
                told,
            });
        }
    }

    /// What somebody was told of the same code a short while ago.
    pub(crate) fn kept(&self, reader: ReaderId, who: &str, code: u32, now: Timestamp) -> Option<T> {
        let inner = self.lock();
        let typed = inner.roads.get(&reader)?.answered.as_ref()?;
        let is_same = typed.who == who && typed.code == code && now < later(typed.at, TYPED_KEPT);
        is_same.then(|| typed.told.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who has not shown yet that they are a reader.
pub(crate) struct Knock<'a, T: Clone> {
    roads: &'a Roads<T>,
}

impl<T: Clone> Drop for Knock<'_, T> {
    fn drop(&mut self) {
        let mut inner = self.roads.lock();
        inner.unproven = inner.unproven.saturating_sub(1);
    }
}

/// A call that lapses when this is dropped: whoever waited does so no more.
pub(crate) struct Waiting<'a, T: Clone> {
    roads: &'a Roads<T>,
    reader: ReaderId,
    id: CallId,
}

impl<T: Clone> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let mut inner = self.roads.lock();
        if let Some(road) = inner.roads.get_mut(&self.reader) {
            road.call.take_if(|call| call.id == self.id);
        }
    }
}
