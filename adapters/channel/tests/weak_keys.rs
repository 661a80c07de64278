//! Keys of low order, which make a secret that everybody knows, are refused wherever they appear.
//!
//! Each refusal stands beside its negative control: snow's own resolver, which has no such check, takes the same key.

mod scene;

use core::cell::Cell;

use gettone_channel::*;
use scene::*;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

const LINK: &str = "Noise_NNpsk0_25519_AESGCM_SHA256";
const ENVELOPE: &str = "Noise_K_25519_AESGCM_SHA256";

/// Every encoding of a point of low order. [D. J. Bernstein, cr.yp.to/ecdh.html, "How do I validate Curve25519 public
/// keys?"] names seven below 2^255; bit 255 is ignored [RFC 7748 §5], so each has a twin with that bit set.
fn low_order() -> Vec<[u8; 32]> {
    let listed = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let listed = listed.map(|key| <[u8; 32]>::try_from(hex(key)).expect("32 bytes"));
    let twin = |mut key: [u8; 32]| {
        key[31] |= 0x80;
        key
    };
    listed.into_iter().chain(listed.map(twin)).collect()
}

#[test]
fn a_reader_that_answers_with_a_weak_key_is_refused() {
    for weak in low_order() {
        let (phone, link1) = link1();
        let (mut attacker, link2) = attacker_answers(weak, &link1);
        assert_eq!(phone.finish(&link2).err(), Some(LinkFault::WeakKey));

        // Control: without the check the phone talks to someone who holds no private key at all.
        let mut unchecked = unchecked_phone(&link1);
        unchecked
            .read_message(&link2, &mut [])
            .expect("taken without the check");
        let mut unchecked = unchecked.into_transport_mode().expect("finished");
        let mut buffer = [0; 64];
        let len = unchecked
            .write_message(b"secret", &mut buffer)
            .expect("sealed");
        let mut heard = [0; 64];
        let len = attacker
            .read_message(&buffer[..len], &mut heard)
            .expect("opened");
        assert_eq!(&heard[..len], b"secret");
    }
}

#[test]
fn a_phone_that_comes_with_a_weak_key_is_refused() {
    for weak in low_order() {
        let psk = psk();
        let mut attacker = builder(LINK, Weak::both(weak))
            .psk(0, &psk)
            .expect("once")
            .build_initiator()
            .expect("built");
        let mut link1 = [0; LINK_1_LEN];
        attacker
            .write_message(&[1, 0, 0], &mut link1)
            .expect("Link 1");
        assert_eq!(accept(&link1).err(), Some(LinkFault::WeakKey));

        // Control.
        let mut unchecked = unchecked(LINK)
            .psk(0, &psk)
            .expect("once")
            .build_responder()
            .expect("built");
        unchecked.read_message(&link1, &mut [0; 3]).expect("taken");
        unchecked
            .write_message(&[], &mut [0; LINK_2_LEN])
            .expect("answered without the check");
    }
}

#[test]
fn nothing_is_sealed_to_a_weak_key() {
    for weak in low_order() {
        let peer = PublicKey::from_bytes(weak);
        let items = [Item::Epoch(EPOCH)];
        let sealed = seal(
            addressed(Direction::ToServer),
            &reader(),
            &peer,
            ephemeral(),
            &items,
        );
        assert_eq!(sealed, Err(EnvelopeFault::WeakKey));

        // Control: without the check anyone reads the envelope, with no private key at all.
        let own = reader().to_bytes();
        let mut unchecked = keyed(unchecked(ENVELOPE), own.as_slice(), &weak)
            .build_initiator()
            .expect("built");
        let mut message = [0; 64];
        let len = unchecked
            .write_message(b"secret", &mut message)
            .expect("sealed without the check");
        let mut anyone = keyed(
            builder(ENVELOPE, Weak::both(weak)),
            &[0; 32],
            reader().public().as_bytes(),
        )
        .build_responder()
        .expect("built");
        let mut heard = [0; 64];
        let len = anyone
            .read_message(&message[..len], &mut heard)
            .expect("opened");
        assert_eq!(&heard[..len], b"secret");
    }
}

#[test]
fn nothing_opens_from_a_weak_key() {
    for weak in low_order() {
        let forged = forged(Weak::both(weak), &[0; 32]);
        let peer = PublicKey::from_bytes(weak);
        assert_eq!(open(&forged, &server(), &peer), Err(EnvelopeFault::WeakKey));
        assert!(taken_without_the_check(&forged, &weak), "control");
    }
}

#[test]
fn a_weak_ephemeral_is_refused_even_from_the_true_sender() {
    for weak in low_order() {
        let own = reader();
        let forged = forged(Weak::ephemeral(weak), own.to_bytes().as_slice());
        assert_eq!(
            open(&forged, &server(), &own.public()),
            Err(EnvelopeFault::WeakKey)
        );
        assert!(
            taken_without_the_check(&forged, own.public().as_bytes()),
            "control"
        );
    }
}

/// An envelope to the server, by someone whose keys are weak.
fn forged(by: Weak, own: &[u8]) -> Vec<u8> {
    let clear = report_envelope()[..HEADER_LEN].to_vec();
    let prologue = [b"gettone-env-1", &clear[..]].concat();
    let mut sealed = vec![0; NOISE_K_OVERHEAD];
    keyed(builder(ENVELOPE, by), own, server().public().as_bytes())
        .prologue(&prologue)
        .expect("once")
        .build_initiator()
        .expect("built")
        .write_message(&[], &mut sealed)
        .expect("sealed");
    [clear, sealed].concat()
}

fn taken_without_the_check(envelope: &[u8], peer: &[u8; 32]) -> bool {
    let (clear, sealed) = envelope.split_at(HEADER_LEN);
    let prologue = [b"gettone-env-1", clear].concat();
    keyed(unchecked(ENVELOPE), server().to_bytes().as_slice(), peer)
        .prologue(&prologue)
        .expect("once")
        .build_responder()
        .expect("built")
        .read_message(sealed, &mut [])
        .is_ok()
}

fn attacker_answers(weak: [u8; 32], link1: &[u8]) -> (snow::TransportState, [u8; LINK_2_LEN]) {
    let psk = psk();
    let mut attacker = builder(LINK, Weak::both(weak))
        .psk(0, &psk)
        .expect("once")
        .build_responder()
        .expect("built");
    attacker.read_message(link1, &mut [0; 3]).expect("Link 1");
    let mut link2 = [0; LINK_2_LEN];
    attacker.write_message(&[], &mut link2).expect("Link 2");
    (attacker.into_transport_mode().expect("finished"), link2)
}

/// A phone that has sent this Link 1, without the check.
fn unchecked_phone(link1: &[u8]) -> snow::HandshakeState {
    let psk = psk();
    let mut phone = unchecked(LINK)
        .psk(0, &psk)
        .expect("once")
        .fixed_ephemeral_key_for_testing_only(&bytes::<32>(0x31))
        .build_initiator()
        .expect("built");
    let mut written = [0; LINK_1_LEN];
    phone
        .write_message(&[1, 0x80, 0x01], &mut written)
        .expect("Link 1");
    assert_eq!(written, link1);
    phone
}

fn psk() -> [u8; 32] {
    hex("ead39a17236bc3786028516d6f8ae7cb026b85ecae98408128973d9e56471dad")
        .try_into()
        .expect("32 bytes")
}

fn unchecked<'b>(pattern: &str) -> snow::Builder<'b> {
    snow::Builder::new(pattern.parse().expect("a Noise name"))
}

fn builder<'b>(pattern: &str, by: Weak) -> snow::Builder<'b> {
    snow::Builder::with_resolver(pattern.parse().expect("a Noise name"), Box::new(by))
}

fn keyed<'b>(builder: snow::Builder<'b>, own: &'b [u8], peer: &'b [u8; 32]) -> snow::Builder<'b> {
    builder
        .local_private_key(own)
        .expect("once")
        .remote_public_key(peer)
        .expect("once")
}

/// An attacker's resolver: its keys are of low order, and it computes the zeros that everybody can compute.
struct Weak {
    key: [u8; 32],
    /// snow asks for the static key's curve first, then for the ephemeral's.
    honest: Cell<usize>,
}

impl Weak {
    fn both(key: [u8; 32]) -> Self {
        Weak {
            key,
            honest: Cell::new(0),
        }
    }

    fn ephemeral(key: [u8; 32]) -> Self {
        Weak {
            key,
            honest: Cell::new(1),
        }
    }
}

impl CryptoResolver for Weak {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match self.honest.get() {
            0 => Some(Box::new(WeakDh(self.key))),
            more => {
                self.honest.set(more - 1);
                DefaultResolver.resolve_dh(choice)
            }
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct WeakDh([u8; 32]);

impl Dh for WeakDh {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, _: &[u8]) {}

    fn generate(&mut self, _: &mut dyn Random) -> Result<(), snow::Error> {
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.0
    }

    fn privkey(&self) -> &[u8] {
        &[0; 32]
    }

    fn dh(&self, _: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        out[..32].fill(0);
        Ok(())
    }
}
