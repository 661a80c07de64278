//! What nobody may be able to do.

use super::Street;
use gettone_channel::{Chain, Ephemeral, Header, Item};

impl Street {
    /// Seals a sale that never was, in the name of the reader that sealed `envelope`.
    pub(super) fn forge(&mut self, envelope: &mut Vec<u8>) {
        let Ok(header) = gettone_channel::header(envelope) else {
            return;
        };
        let mut places = self.places.iter();
        let Some(place) = places.find(|place| place.reader() == header.reader_id) else {
            return;
        };
        let key = place.key();
        let Ok(items) = self.desk.peek(envelope, &key) else {
            return;
        };
        let forged: Vec<Item> = items
            .into_iter()
            .map(|item| match item {
                Item::Receipt(mut receipt) => {
                    receipt.kind = gettone_channel::ReceiptKind::VendOk;
                    receipt.amount = receipt.amount.max(10);
                    // A forger who knows the key knows the chain.
                    let _ = Chain::of(&receipt);
                    Item::Receipt(receipt)
                }
                other => other,
            })
            .collect();
        let ephemeral = Ephemeral::from_bytes(self.dice.bytes());
        let header = Header { ..header };
        let Some(server) = self.desk.key_of(header.server_epoch) else {
            return;
        };
        let server = server.public();
        if let Ok(sealed) = gettone_channel::seal(header, &key, &server, ephemeral, &forged) {
            *envelope = sealed;
        }
    }
}
