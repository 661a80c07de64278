//! Every bound of this crate.

/// Segments that may wait for a phone that only reads.
#[cfg(any(feature = "local", feature = "bluez"))]
pub(crate) const WAITING_MAX: usize = 4 * gettone_channel::SEGMENTS_MAX;

/// Bounds of the radio over BlueZ.
#[cfg(feature = "bluez")]
pub(crate) use bluez::*;

#[cfg(feature = "bluez")]
mod bluez {
    use core::time::Duration;

    /// Orders that may wait for the radio's task.
    pub(crate) const ORDERS_MAX: usize = 64;
    /// Reads and writes of centrals that may wait for it.
    pub(crate) const REQUESTS_MAX: usize = 64;
    /// Connections that may wait to be taken.
    pub(crate) const PIPES_MAX: usize = 4;
    /// Devices whose connections are followed.
    pub(crate) const DEVICES_MAX: usize = 64;
    /// A call that BlueZ has not answered by then is not answered.
    pub(crate) const CALL_MAX: Duration = Duration::from_secs(5);
    /// A connection, or a write over the air, has failed by then.
    pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(20);
    /// How often a connection is tried.
    pub(crate) const CONNECT_TRIES: u32 = 3;
    /// A scan begins anew after so long.
    pub(crate) const SCAN_ROUND: Duration = Duration::from_secs(3);
    /// How often the adapter is asked whether it is still there.
    pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);
    /// The first pause before the radio is tried again; each one is twice the one before.
    pub(crate) const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
    /// The longest pause before the radio is tried again.
    pub(crate) const BACK_OFF_MAX: Duration = Duration::from_secs(30);
}
