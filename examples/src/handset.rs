use gettone_ble::{PipeFault, Traffic, local};

/// A phone's connection, over whichever air.
#[derive(Debug)]
pub enum Handset {
    /// Over the folder that stands for the air.
    Local(local::Phone),
    /// Over a real Bluetooth stack.
    #[cfg(feature = "bluez")]
    Bluez(gettone_ble::bluez::Phone),
}

impl Handset {
    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<(), PipeFault> {
        match self {
            Self::Local(phone) => phone.send(message).await,
            #[cfg(feature = "bluez")]
            Self::Bluez(phone) => phone.send(message).await,
        }
    }

    pub(crate) async fn receive(&mut self) -> Result<Vec<u8>, PipeFault> {
        match self {
            Self::Local(phone) => phone.receive().await,
            #[cfg(feature = "bluez")]
            Self::Bluez(phone) => phone.receive().await,
        }
    }

    pub(crate) const fn traffic(&self) -> Traffic {
        match self {
            Self::Local(phone) => phone.traffic(),
            #[cfg(feature = "bluez")]
            Self::Bluez(phone) => phone.traffic(),
        }
    }
}
