use gettone_ble::{PipeFault, Traffic, local};
use gettone_channel::Mtu;

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

    pub(crate) async fn write(&mut self, value: &[u8]) -> Result<(), PipeFault> {
        match self {
            Self::Local(phone) => phone.write(value).await,
            #[cfg(feature = "bluez")]
            Self::Bluez(phone) => phone.write(value).await,
        }
    }

    pub(crate) async fn value(&mut self) -> Result<Vec<u8>, PipeFault> {
        match self {
            Self::Local(phone) => phone.value().await,
            #[cfg(feature = "bluez")]
            Self::Bluez(phone) => phone.value().await,
        }
    }

    pub(crate) const fn mtu(&self) -> Mtu {
        match self {
            Self::Local(phone) => phone.mtu(),
            #[cfg(feature = "bluez")]
            Self::Bluez(phone) => phone.mtu(),
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
