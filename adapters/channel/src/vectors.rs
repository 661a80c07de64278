//! Published vectors, run through the primitives and the patterns as this crate uses them.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::{Builder, HandshakeState, TransportState};

use crate::id::parse;
use crate::key::{Ephemeral, StaticKey};
use crate::secret::derive;
use crate::suite::{self, Suite};

/// A published Noise conversation with the prologue and the messages of the cacophony vector set.
struct Conversation {
    pattern: &'static str,
    prologue: &'static str,
    initiator: Keys,
    responder: Keys,
    psk: Option<&'static str>,
    handshake_hash: Option<&'static str>,
    /// Payload and ciphertext; the sides take turns, or the initiator sends all when the pattern is one-way.
    messages: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy)]
struct Keys {
    own: Option<&'static str>,
    peer: Option<&'static str>,
    ephemeral: Option<&'static str>,
}

// [cacophony test vectors, as packaged with snow 0.10.0: tests/vectors/cacophony.txt]
const CACOPHONY_NNPSK0: Conversation = Conversation {
    pattern: suite::LINK,
    prologue: "4a6f686e2047616c74",
    initiator: Keys {
        own: None,
        peer: None,
        ephemeral: Some("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
    },
    responder: Keys {
        own: None,
        peer: None,
        ephemeral: Some("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"),
    },
    psk: Some("54686973206973206d7920417573747269616e20706572737065637469766521"),
    handshake_hash: Some("9f3b1f9afd7767767b5b9d1069844a6154fdbdcc36dfb3e31c0fffc5c973d530"),
    messages: &[
        (
            "4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944\
             7c37a89fc17813788d30df2d59501d6066f5f8aecc3406bbd9829f2d24a531b1",
        ),
        (
            "4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843\
             2f29d79368ef9de4e1ae7a362fb05bf0ad668e026bf5714554497b3a720461",
        ),
        (
            "462e20412e20486179656b",
            "7c01e898a6201f36aecee532e29cd0b7f8ffa29d3366ad0dce39a6",
        ),
        (
            "4361726c204d656e676572",
            "a9ff535aace3db6a1da1a7fb00fe2de2622bb373abad9fb42c00e0",
        ),
        (
            "4a65616e2d426170746973746520536179",
            "6cfc49a3e65472edc2d0152abe5ce950170a8a47c959f30bd48b5f0aacf29adbfd",
        ),
        (
            "457567656e2042f6686d20766f6e2042617765726b",
            "9bc86e6d974ed21ba04604a94aa68de21677eb409ead070c0cd569b069ee19ba142aa4c1a9",
        ),
    ],
};

// [cacophony test vectors, as packaged with snow 0.10.0: tests/vectors/cacophony.txt]
const CACOPHONY_K: Conversation = Conversation {
    pattern: suite::ENVELOPE,
    prologue: "4a6f686e2047616c74",
    initiator: Keys {
        own: Some("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1"),
        peer: Some("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62"),
        ephemeral: Some("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
    },
    responder: Keys {
        own: Some("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893"),
        peer: Some("6bc3822a2aa7f4e6981d6538692b3cdf3e6df9eea6ed269eb41d93c22757b75a"),
        ephemeral: None,
    },
    psk: None,
    handshake_hash: Some("9b20b0e928f41c5307c239deaa547f0d1f3d8779bd7c896dcf8e8834a7ae892c"),
    messages: &[
        (
            "4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944\
             f75d2d26eb79461435b90a9f4076d5a5277b8d38d1568b56c6b3771d783671a0",
        ),
        (
            "4d757272617920526f746862617264",
            "236767f037ced36a107c5c1bfcd644cd2ae03b869e81a1badcf03356216fd0",
        ),
        (
            "462e20412e20486179656b",
            "8cde7c4f4afd43409d484b1e84a35da1beccaf89f0b39266550c50",
        ),
    ],
};

// [snow 0.10.0: tests/vectors/snow.txt]
const SNOW_K: Conversation = Conversation {
    pattern: suite::ENVELOPE,
    prologue: "5468657265206973206e6f20726967687420616e642077726f6e672e20546865\
               72652773206f6e6c792066756e20616e6420626f72696e672e",
    initiator: Keys {
        own: Some("e28d428e19fdca8e6cddc6c07b44fe2cdb89fc445dafebe5f3f78332921d0df6"),
        peer: Some("b51ab0b53152a7597d1ee2d91ef55b7a1bb27c2b3179fb370ea7bce32f10a549"),
        ephemeral: Some("b68337141ccadc7269d2c5a1b4a53d90871d2e3b6d1fd4e7f3eda449452f119e"),
    },
    responder: Keys {
        own: Some("b2f906944f8b6a170a8f7134a64d13fb7f875c07528c59c336851f38d5f0559c"),
        peer: Some("b9604a0aad4b865cefdb7340cf87d599785589df5f3192036d346b1c7fbe162d"),
        ephemeral: None,
    },
    psk: None,
    handshake_hash: None,
    messages: &[
        (
            "392ce49e940c747c680e92b734756d73b3f6a1948f670395a652e09e8edca29c",
            "6bbaa1ff73a6ce515a9d722b07b889127420ea51d0835629113cb91b87a8f76e\
             f18508e6871afa7aad6271a6ed4dea40066b4ee5915319c6475c74d8f1af7fda\
             e2fc83699827b563fcb119f54f722b61",
        ),
        (
            "19cf923e03d52766a113de3074ccbb3191c7ac12115c33c7724d749389d3b4d9",
            "2d0a67eebd7e6ffc245e7b532b0470d1df33db164890b6a6869d21ca25e571cc\
             58ecbf5a7b83a0b194e7c9e5b23650b6",
        ),
    ],
};

#[test]
fn the_published_nnpsk0_conversation_comes_out_byte_for_byte() {
    play(&CACOPHONY_NNPSK0);
}

#[test]
fn the_published_k_conversations_come_out_byte_for_byte() {
    play(&CACOPHONY_K);
    play(&SNOW_K);
}

#[test]
fn x25519_agrees_with_rfc_7748() {
    // [RFC 7748 §5.2] scalar, u, result
    assert_eq!(
        x25519(
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        ),
        bytes("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
    );
    // [RFC 7748 §6.1] Alice and Bob, and the secret they agree on
    let alice = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    let alice_public = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let bob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    let bob_public = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    let shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    let of_alice = StaticKey::from_bytes(parse(alice).expect("32 bytes"));
    assert_eq!(of_alice.public().as_bytes().as_slice(), bytes(alice_public));
    assert_eq!(x25519(alice, bob_public), bytes(shared));
    assert_eq!(x25519(bob, alice_public), bytes(shared));
}

#[test]
fn hkdf_agrees_with_rfc_5869_where_the_salt_is_empty() {
    // [RFC 5869 A.3] test case 3: salt and info empty, 42 bytes
    let okm = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d\
               9d201395faa4b61a96c8";
    assert_eq!(derive::<42>(&[0x0b; 22], b"").as_slice(), bytes(okm));
    // Noise's HKDF is the same function with an empty info, block by block.
    let mut hash = Suite::of(None)
        .resolve_hash(&HashChoice::SHA256)
        .expect("our hash");
    let (mut first, mut second) = ([0; 64], [0; 64]);
    hash.hkdf(&[], &[0x0b; 22], 2, &mut first, &mut second, &mut []);
    assert_eq!([&first[..32], &second[..10]].concat(), bytes(okm));
}

#[test]
fn aes_256_gcm_agrees_with_the_vectors_of_its_designers() {
    // [McGrew and Viega, The Galois/Counter Mode of Operation, appendix B] test cases 13 and 14
    let mut cipher = Suite::of(None)
        .resolve_cipher(&CipherChoice::AESGCM)
        .expect("ours");
    cipher.set(&[0; 32]);
    for (plaintext, sealed) in [
        (&[][..], "530f8afbc74536b9a963b4f1c4cb738b"),
        (
            &[0; 16][..],
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        ),
    ] {
        let mut out = vec![0; plaintext.len() + 16];
        assert_eq!(cipher.encrypt(0, &[], plaintext, &mut out), out.len());
        assert_eq!(out, bytes(sealed));
        let mut back = vec![0; plaintext.len()];
        assert_eq!(cipher.decrypt(0, &[], &out, &mut back), Ok(plaintext.len()));
        assert_eq!(back, plaintext);
        assert!(
            cipher.decrypt(1, &[], &out, &mut back).is_err(),
            "another nonce"
        );
        assert!(
            cipher.decrypt(0, &[0], &out, &mut back).is_err(),
            "other associated data"
        );
    }
}

#[test]
fn an_ephemeral_is_handed_out_once() {
    let suite = Suite::of(Some(Ephemeral::from_bytes([7; 32])));
    let mut rng = suite.resolve_rng().expect("always there");
    let mut first = [0; 32];
    assert!(rng.try_fill_bytes(&mut first).is_ok());
    assert_eq!(first, [7; 32]);
    assert!(
        rng.try_fill_bytes(&mut [0; 32]).is_err(),
        "not from the same source"
    );
    let mut again = suite.resolve_rng().expect("always there");
    assert!(
        again.try_fill_bytes(&mut [0; 32]).is_err(),
        "not from the same suite"
    );
}

#[test]
fn no_other_suite_is_served() {
    let suite = Suite::of(None);
    assert!(suite.resolve_dh(&DHChoice::Curve448).is_none());
    assert!(suite.resolve_cipher(&CipherChoice::ChaChaPoly).is_none());
    assert!(suite.resolve_hash(&HashChoice::SHA512).is_none());
}

fn x25519(secret: &str, peer: &str) -> Vec<u8> {
    let mut dh = Suite::of(None)
        .resolve_dh(&DHChoice::Curve25519)
        .expect("our curve");
    dh.set(&bytes(secret));
    let mut out = [0; 32];
    dh.dh(&bytes(peer), &mut out).expect("no key of low order");
    out.to_vec()
}

fn play(it: &Conversation) {
    let prologue = bytes(it.prologue);
    let keys = |keys: Keys| (keys.own.map(bytes), keys.peer.map(bytes));
    let (one, two) = (keys(it.initiator), keys(it.responder));
    let psk: Option<[u8; 32]> = it.psk.map(|psk| parse(psk).expect("32 bytes"));
    let mut initiator = dress(it, it.initiator, &one, &prologue, psk.as_ref())
        .build_initiator()
        .expect("a whole vector");
    let mut responder = dress(it, it.responder, &two, &prologue, psk.as_ref())
        .build_responder()
        .expect("a whole vector");

    let mut messages = it.messages.iter().map(|(p, c)| (bytes(p), bytes(c)));
    let mut turn = 0;
    while !initiator.is_handshake_finished() {
        let (payload, ciphertext) = messages.next().expect("a whole handshake");
        let (from, to) = if turn % 2 == 0 {
            (&mut initiator, &mut responder)
        } else {
            (&mut responder, &mut initiator)
        };
        shake(from, to, &payload, &ciphertext);
        turn += 1;
    }
    if let Some(hash) = it.handshake_hash {
        assert_eq!(initiator.get_handshake_hash(), bytes(hash));
    }
    let one_way = turn == 1;
    let mut initiator = initiator.into_transport_mode().expect("finished");
    let mut responder = responder.into_transport_mode().expect("finished");
    for (payload, ciphertext) in messages {
        let (from, to) = if one_way || turn % 2 == 0 {
            (&mut initiator, &mut responder)
        } else {
            (&mut responder, &mut initiator)
        };
        carry(from, to, &payload, &ciphertext);
        turn += 1;
    }
}

type Static = (Option<Vec<u8>>, Option<Vec<u8>>);

fn dress<'b>(
    it: &Conversation,
    keys: Keys,
    (own, peer): &'b Static,
    prologue: &'b [u8],
    psk: Option<&'b [u8; 32]>,
) -> Builder<'b> {
    let ephemeral = keys
        .ephemeral
        .map(|e| Ephemeral::from_bytes(parse(e).expect("32 bytes")));
    let mut builder = suite::builder(it.pattern, ephemeral)
        .prologue(prologue)
        .expect("once");
    if let Some(own) = own {
        builder = builder.local_private_key(own).expect("once");
    }
    if let Some(peer) = peer {
        builder = builder.remote_public_key(peer).expect("once");
    }
    if let Some(psk) = psk {
        builder = builder.psk(0, psk).expect("once");
    }
    builder
}

fn shake(from: &mut HandshakeState, to: &mut HandshakeState, payload: &[u8], ciphertext: &[u8]) {
    let mut buffer = [0; 256];
    let len = from.write_message(payload, &mut buffer).expect("written");
    assert_eq!(&buffer[..len], ciphertext);
    let len = to.read_message(ciphertext, &mut buffer).expect("read");
    assert_eq!(&buffer[..len], payload);
}

fn carry(from: &mut TransportState, to: &mut TransportState, payload: &[u8], ciphertext: &[u8]) {
    let mut buffer = [0; 256];
    let len = from.write_message(payload, &mut buffer).expect("written");
    assert_eq!(&buffer[..len], ciphertext);
    let len = to.read_message(ciphertext, &mut buffer).expect("read");
    assert_eq!(&buffer[..len], payload);
}

fn bytes(hex: &str) -> Vec<u8> {
    let (pairs, odd) = hex.as_bytes().as_chunks::<2>();
    assert!(odd.is_empty(), "whole bytes");
    let byte =
        |pair: &[u8; 2]| parse::<1>(core::str::from_utf8(pair).expect("ASCII")).expect("hex")[0];
    pairs.iter().map(byte).collect()
}
