//! What waits for the phone: notified as it comes, or kept for its next read.

use crate::bounds::WAITING_MAX;
use crate::port::PipeFault;
use bluer::gatt::local::{CharacteristicNotifier, ReqError};
use std::collections::VecDeque;

/// The values on their way to the one phone.
#[derive(Default)]
pub(super) struct Outlet {
    notifier: Option<CharacteristicNotifier>,
    waiting: VecDeque<Vec<u8>>,
    last: Vec<u8>,
}

impl Outlet {
    /// Another phone has come: it gets nothing that was meant for the one before.
    ///
    /// Its subscription may have been heard of before its connection, and stays.
    pub(super) fn empty(&mut self) {
        self.waiting.clear();
        self.last.clear();
    }

    /// Takes a subscription; what has waited goes out with it, for a phone may subscribe and write
    /// in one breath and be heard in the other order.
    pub(super) async fn subscribe(
        &mut self,
        notifier: CharacteristicNotifier,
    ) -> Result<(), PipeFault> {
        self.notifier = Some(notifier);
        while let Some(value) = self.waiting.pop_front() {
            self.push(value).await?;
        }
        Ok(())
    }

    pub(super) async fn push(&mut self, value: Vec<u8>) -> Result<(), PipeFault> {
        if let Some(notifier) = self.subscription() {
            let sent = notifier.notify(value.clone()).await;
            self.last = value;
            return sent.map_err(|_| PipeFault::Gone);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(PipeFault::Slow);
        }
        self.waiting.push_back(value);
        Ok(())
    }

    /// A read: what was notified last, or without a subscription the next value.
    pub(super) fn read(&mut self, offset: usize) -> Result<Vec<u8>, ReqError> {
        if offset == 0 && self.subscription().is_none() {
            self.last = self.waiting.pop_front().unwrap_or_default();
        }
        self.last
            .get(offset..)
            .map(<[u8]>::to_vec)
            .ok_or(ReqError::InvalidOffset)
    }

    fn subscription(&mut self) -> Option<&mut CharacteristicNotifier> {
        self.notifier
            .as_mut()
            .filter(|notifier| !notifier.is_stopped())
    }
}
