//! The same bytes, read and written by two other Noise implementations: snow with its own resolver, which shares the
//! state machine with this crate but none of the primitives, and clatter, which shares nothing but the curve's authors.

mod scene;

use clatter::bytearray::{ByteArray, SensitiveByteArray};
use clatter::crypto::{cipher::AesGcm, dh::X25519, hash::Sha256};
use clatter::handshakepattern::{HandshakePattern, noise_k, noise_nn_psk0};
use clatter::traits::Dh;
use clatter::{Handshaker, KeyPair, NqHandshake};
use gettone_channel::*;
use scene::*;

/// The other party, in another implementation; payloads and messages are plain bytes.
trait Other: Sized {
    fn new(pattern: Pattern, role: Role) -> Self;
    fn write(&mut self, payload: &[u8]) -> Vec<u8>;
    fn read(&mut self, message: &[u8]) -> Option<Vec<u8>>;
    fn into_link(self) -> impl OtherLink;
}

trait OtherLink {
    fn h(&self) -> Vec<u8>;
    fn send(&mut self, plaintext: &[u8]) -> Vec<u8>;
    fn receive(&mut self, sealed: &[u8]) -> Option<Vec<u8>>;
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Initiator,
    Responder,
}

enum Pattern {
    Link {
        psk: [u8; 32],
    },
    Envelope {
        own: StaticKey,
        peer: PublicKey,
        prologue: Vec<u8>,
    },
}

#[test]
fn snow_with_its_own_resolver_speaks_the_link() {
    speaks_the_link::<Snow>();
}

#[test]
fn clatter_speaks_the_link() {
    speaks_the_link::<Clatter>();
}

#[test]
fn snow_with_its_own_resolver_reads_and_writes_envelopes() {
    reads_and_writes_envelopes::<Snow>();
}

#[test]
fn clatter_reads_and_writes_envelopes() {
    reads_and_writes_envelopes::<Clatter>();
}

fn speaks_the_link<T: Other>() {
    // [scene] the pre-shared key of the scene's light code, derived elsewhere.
    let psk = hex("ead39a17236bc3786028516d6f8ae7cb026b85ecae98408128973d9e56471dad");
    let psk: [u8; 32] = psk.try_into().expect("32 bytes");
    let payload = [1, 0x80, 0x01];

    let mut other = T::new(Pattern::Link { psk }, Role::Responder);
    let (phone, link1) = link1();
    assert_eq!(other.read(&link1).expect("Link 1"), payload);
    let mut phone = phone.finish(&other.write(&[])).expect("Link 2");
    let mut reader = other.into_link();
    assert_eq!(reader.h(), phone.handshake().as_bytes());
    for (message, plaintext) in [(LinkMessage::Leave, vec![3]), (LinkMessage::Again, vec![4])] {
        let sealed = phone.seal(&message).expect("sealed");
        assert_eq!(reader.receive(&sealed), Some(plaintext));
    }
    let carried = [&[1], &report_envelope()[..]].concat();
    let opened = phone.open(&reader.send(&carried));
    assert_eq!(opened, Ok(LinkMessage::Envelope(report_envelope())));
    for kind in [0, 3, 4, 5, 255] {
        assert_eq!(
            phone.open(&reader.send(&[kind])),
            Err(LinkFault::Kind(kind))
        );
    }

    let mut other = T::new(Pattern::Link { psk }, Role::Initiator);
    let (mut reader, link2, said) = accept(&other.write(&payload)).expect("Link 1");
    assert_eq!(said, hello1());
    assert_eq!(other.read(&link2).expect("Link 2"), [0; 0]);
    let mut phone = other.into_link();
    assert_eq!(phone.h(), reader.handshake().as_bytes());
    let sealed = reader
        .seal(&LinkMessage::Envelope(report_envelope()))
        .expect("sealed");
    assert_eq!(phone.receive(&sealed), Some(carried));
    assert_eq!(reader.open(&phone.send(&[4])), Ok(LinkMessage::Again));
    assert_eq!(
        reader.open(&phone.send(&[3, 0])),
        Err(LinkFault::Body),
        "LEAVE has no body"
    );
    assert_eq!(
        reader.open(&phone.send(&[])),
        Err(LinkFault::Body),
        "nor a message no type"
    );
    // 2 and 6 go the other way, 5 has a body.
    for kind in [0, 2, 6, 7, 255] {
        assert_eq!(
            reader.open(&phone.send(&[kind])),
            Err(LinkFault::Kind(kind))
        );
    }
}

fn reads_and_writes_envelopes<T: Other>() {
    let report = vec![Item::Epoch(EPOCH), Item::Receipt(receipt())];
    let answer = vec![ack(), time(), grant()];
    for (direction, items, ours, theirs) in [
        (Direction::ToServer, report, reader(), server()),
        (Direction::ToReader, answer, server(), reader()),
    ] {
        let header = addressed(direction);
        let plaintext = encode(direction, &items).expect("fits");
        let envelope = seal(header, &ours, &theirs.public(), ephemeral(), &items).expect("sealed");
        let (clear, sealed) = envelope.split_at(HEADER_LEN);
        let prologue = [b"gettone-env-1", clear].concat();

        let (own, peer) = (theirs.public(), ours.public());
        let pattern = Pattern::Envelope {
            own: theirs,
            peer,
            prologue: prologue.clone(),
        };
        assert_eq!(
            T::new(pattern, Role::Responder).read(sealed),
            Some(plaintext.clone())
        );

        let pattern = Pattern::Envelope {
            own: ours,
            peer: own,
            prologue,
        };
        let written = T::new(pattern, Role::Initiator).write(&plaintext);
        let envelope = [clear, &written].concat();
        let theirs = match direction {
            Direction::ToServer => server(),
            Direction::ToReader => reader(),
        };
        assert_eq!(open(&envelope, &theirs, &peer), Ok((header, items)));
    }
}

struct Snow(snow::HandshakeState);
struct SnowLink(snow::TransportState, Vec<u8>);

impl Other for Snow {
    fn new(pattern: Pattern, role: Role) -> Self {
        let build = |builder: snow::Builder<'_>| match role {
            Role::Initiator => builder.build_initiator(),
            Role::Responder => builder.build_responder(),
        };
        let named = |name: &str| snow::Builder::new(name.parse().expect("a Noise name"));
        let state = match pattern {
            Pattern::Link { psk } => named("Noise_NNpsk0_25519_AESGCM_SHA256")
                .psk(0, &psk)
                .and_then(build),
            Pattern::Envelope {
                own,
                peer,
                prologue,
            } => named("Noise_K_25519_AESGCM_SHA256")
                .local_private_key(own.to_bytes().as_slice())
                .and_then(|builder| builder.remote_public_key(peer.as_bytes()))
                .and_then(|builder| builder.prologue(&prologue))
                .and_then(build),
        };
        Snow(state.expect("built"))
    }

    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        filled(|buffer| self.0.write_message(payload, buffer).ok()).expect("written")
    }

    fn read(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        filled(|buffer| self.0.read_message(message, buffer).ok())
    }

    fn into_link(self) -> impl OtherLink {
        let h = self.0.get_handshake_hash().to_vec();
        SnowLink(self.0.into_transport_mode().expect("finished"), h)
    }
}

impl OtherLink for SnowLink {
    fn h(&self) -> Vec<u8> {
        self.1.clone()
    }

    fn send(&mut self, plaintext: &[u8]) -> Vec<u8> {
        filled(|buffer| self.0.write_message(plaintext, buffer).ok()).expect("sent")
    }

    fn receive(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        filled(|buffer| self.0.read_message(sealed, buffer).ok())
    }
}

type Core = NqHandshake<X25519, AesGcm, Sha256>;
struct Clatter(Core);
struct ClatterLink(clatter::transportstate::TransportState<AesGcm, Sha256>);

impl Other for Clatter {
    fn new(pattern: Pattern, role: Role) -> Self {
        let pair = |private: &[u8; 32]| {
            let secret = SensitiveByteArray::from_slice(private);
            KeyPair::new(X25519::pubkey(&secret), secret)
        };
        let build = |pattern: HandshakePattern, prologue: &[u8], s, rs| {
            let e = Some(pair(&bytes(0xC1)));
            Core::new(pattern, prologue, role == Role::Initiator, s, e, rs, None).expect("built")
        };
        Clatter(match pattern {
            Pattern::Link { psk } => {
                let mut core = build(noise_nn_psk0(), &[], None, None);
                core.push_psk(&psk);
                core
            }
            Pattern::Envelope {
                own,
                peer,
                prologue,
            } => build(
                noise_k(),
                &prologue,
                Some(pair(&own.to_bytes())),
                Some(*peer.as_bytes()),
            ),
        })
    }

    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        filled(|buffer| self.0.write_message(payload, buffer).ok()).expect("written")
    }

    fn read(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        filled(|buffer| self.0.read_message(message, buffer).ok())
    }

    fn into_link(self) -> impl OtherLink {
        ClatterLink(self.0.finalize().expect("finished"))
    }
}

impl OtherLink for ClatterLink {
    fn h(&self) -> Vec<u8> {
        self.0.get_handshake_hash().as_slice().to_vec()
    }

    fn send(&mut self, plaintext: &[u8]) -> Vec<u8> {
        filled(|buffer| self.0.send(plaintext, buffer).ok()).expect("sent")
    }

    fn receive(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        filled(|buffer| self.0.receive(sealed, buffer).ok())
    }
}

fn filled(fill: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 4_096];
    let len = fill(&mut buffer)?;
    buffer.truncate(len);
    Some(buffer)
}
