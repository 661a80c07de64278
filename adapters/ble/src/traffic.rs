//! What a phone's connection has cost.

/// Requests and bytes over the air.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Requests that waited for their response.
    pub round_trips: u32,
    /// Bytes of values, both ways.
    pub value_bytes: u64,
}

impl Traffic {
    pub(crate) const fn request(&mut self) {
        self.round_trips = self.round_trips.saturating_add(1);
    }

    pub(crate) fn value(&mut self, value: &[u8]) {
        let bytes = u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.value_bytes = self.value_bytes.saturating_add(bytes);
    }
}
