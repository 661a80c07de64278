//! A customer's phone: it links, and carries what it cannot read.

use super::{PATIENCE, wait_for};
use gettone_ble::ServiceUuid;
use gettone_ble::local::{Phone as Radio, Traffic};
use gettone_channel::{
    BoardState, CAPS_CARRIES, Ephemeral, Hello1, Initiator, LINK_VERSION, Link, LinkMessage, Psk,
    ResumeSecret, Secret, Status, Want,
};
use std::path::Path;

pub(crate) struct Phone {
    radio: Radio,
    link: Link,
    pub(crate) resume: Option<ResumeSecret>,
}

impl Phone {
    /// Links by the code it has shown.
    pub(crate) async fn link(air: &Path, secret: [u8; 10]) -> Self {
        Self::link_by(air, &Secret::light(secret)).await
    }

    /// Links by a secret, whatever road it came.
    pub(crate) async fn link_by(air: &Path, secret: &Secret) -> Self {
        Self::link_with(air, secret.eid().as_bytes(), &secret.psk(), 0).await
    }

    /// Links as a phone that carries packages.
    pub(crate) async fn link_as_technician(air: &Path, secret: [u8; 10]) -> Self {
        let secret = Secret::light(secret);
        Self::link_with(air, secret.eid().as_bytes(), &secret.psk(), CAPS_CARRIES).await
    }

    /// Links anew after a lost connection.
    pub(crate) async fn come_back(air: &Path, resume: &ResumeSecret) -> Self {
        Self::link_with(air, resume.eid().as_bytes(), &resume.psk(), 0).await
    }

    async fn link_with(air: &Path, eid: &[u8; 8], psk: &Psk, caps: u16) -> Self {
        let service = ServiceUuid::for_eid(eid);
        wait_for("the reader on the air", || Radio::sees(air, service));
        let mut radio = Radio::connect(air, service, 247).await.expect("a reader");
        let hello = Hello1 {
            version: LINK_VERSION,
            caps,
        };
        let ephemeral = Ephemeral::from_bytes([0x33; 32]);
        let (initiator, link_1) = Initiator::start(psk, ephemeral, hello).expect("a good key");
        radio.send(&link_1).await.expect("a reader");
        let link_2 = radio.receive().await.expect("the right secret");
        let link = initiator.finish(&link_2).expect("the right reader");
        Self {
            radio,
            link,
            resume: None,
        }
    }

    pub(crate) async fn say(&mut self, message: &LinkMessage) {
        let sealed = self.link.seal(message).expect("a good message");
        self.radio.send(&sealed).await.expect("a reader");
    }

    pub(crate) async fn bring(&mut self, envelope: Vec<u8>) {
        self.say(&LinkMessage::Envelope(envelope)).await;
    }

    pub(crate) async fn hear(&mut self) -> LinkMessage {
        let sealed = tokio::time::timeout(PATIENCE, self.radio.receive()).await;
        let sealed = sealed.expect("something in time").expect("a reader");
        let message = self.link.open(&sealed).expect("sealed by the reader");
        if let LinkMessage::Status(status) = &message
            && status.resume.is_some()
        {
            self.resume = status.resume.clone();
        }
        message
    }

    /// The next envelope, past any STATUS.
    pub(crate) async fn envelope(&mut self) -> Vec<u8> {
        loop {
            if let LinkMessage::Envelope(envelope) = self.hear().await {
                return envelope;
            }
        }
    }

    /// What the reader wants of a package, past anything else.
    pub(crate) async fn want(&mut self) -> Want {
        loop {
            if let LinkMessage::Want(want) = self.hear().await {
                return want;
            }
        }
    }

    /// The next STATUS that `fits`, past anything else.
    pub(crate) async fn status(&mut self, fits: impl Fn(&Status) -> bool) -> Status {
        loop {
            if let LinkMessage::Status(status) = self.hear().await
                && fits(&status)
            {
                return status;
            }
        }
    }

    pub(crate) async fn state(&mut self, state: BoardState) -> Status {
        self.status(|status| status.state == state).await
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.radio.traffic()
    }
}
