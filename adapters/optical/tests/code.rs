//! The code as it is documented, checked against a second, plain implementation and one pinned loop.

use gettone_optical::{Kind, LOOP_SYMBOLS, Payload, colours, csv, encode};

/// Product in GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1, bit by bit.
fn product(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut sum) = (u16::from(a), b, 0_u16);
    while b != 0 {
        if b & 1 != 0 {
            sum ^= a;
        }
        a <<= 1;
        if a & 0x100 != 0 {
            a ^= 0x11D;
        }
        b >>= 1;
    }
    sum as u8
}

/// The eight parity bytes: remainder by the product of (x - 2^i), i from 0 to 7.
fn parity(data: &[u8]) -> Vec<u8> {
    let mut generator = vec![1_u8];
    let mut root = 1;
    for _ in 0..8 {
        let mut next = generator.clone();
        next.push(0);
        for (place, factor) in generator.iter().enumerate() {
            next[place + 1] ^= product(*factor, root);
        }
        generator = next;
        root = product(root, 2);
    }
    assert_eq!(generator, [1, 255, 11, 81, 54, 239, 173, 200, 24]);
    let mut remainder = data.to_vec();
    remainder.extend([0; 8]);
    for place in 0..data.len() {
        let lead = remainder[place];
        for (step, factor) in generator.iter().enumerate() {
            remainder[place + step] ^= product(*factor, lead);
        }
    }
    remainder.split_off(data.len())
}

fn check(data: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in data {
        for bit in 0..8 {
            let low = crc & 1 ^ u32::from(byte >> bit & 1);
            crc >>= 1;
            if low != 0 {
                crc ^= 0x82F6_3B78;
            }
        }
    }
    (!crc).to_be_bytes()
}

fn plainly_encoded(payload: &[u8; 12]) -> String {
    let mut word = payload.to_vec();
    word.extend(check(payload));
    word.extend(parity(&word));
    let mut letters = "KWKRGB".to_owned();
    let mut colour = 0b001;
    for byte in word {
        for digit in [byte / 49, byte / 7 % 7, byte % 7] {
            colour ^= digit + 1;
            letters.push(['K', 'B', 'G', 'C', 'R', 'M', 'Y', 'W'][usize::from(colour)]);
        }
    }
    letters.push(if colour == 0b111 { 'G' } else { 'W' });
    letters
}

fn letters(payload: &Payload) -> String {
    colours(payload)
        .iter()
        .map(|colour| colour.letter())
        .collect()
}

#[test]
fn one_payload_has_this_loop_for_ever() {
    let payload = Payload::from_hex("01000102030405060708ff00").expect("a pairing payload");
    assert_eq!(
        letters(&payload),
        "KWKRGBKBCGCGCGKBKCGCWYWGCGRMRCGKBKGKYRKBKBKGMYWYWGKBMGYCWBKBCKWCKBMKBRGMYGCGKCW"
    );
}

#[test]
fn the_documented_code_is_the_code() {
    for seed in 0..500_u64 {
        let mut secret = [0; 10];
        secret[..8].copy_from_slice(&seed.wrapping_mul(0xD1B5_4A32_D192_ED03).to_be_bytes());
        let kind = if seed % 2 == 0 {
            Kind::Pairing
        } else {
            Kind::LightGrant
        };
        let payload = Payload::new(kind, secret);
        assert_eq!(
            letters(&payload),
            plainly_encoded(&payload.to_bytes()),
            "seed {seed}"
        );
    }
}

#[test]
fn the_frames_of_a_loop_are_the_corners_of_the_cube() {
    let frames = encode(&Payload::new(Kind::Pairing, [0x5A; 10]));
    assert_eq!(frames.len(), LOOP_SYMBOLS);
    let mut file = Vec::new();
    csv::write_frames(&mut file, &frames).expect("memory takes it");
    let text = String::from_utf8(file).expect("plain text");
    let head: Vec<&str> = text.lines().take(7).collect();
    assert_eq!(
        head,
        [
            "r,g,b",
            "0,0,0",
            "255,255,255",
            "0,0,0",
            "255,0,0",
            "0,255,0",
            "0,0,255"
        ]
    );
}
