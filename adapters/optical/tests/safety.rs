//! What is shown against WCAG 2.3.1: at most three flashes in any second, or so small an area that any rhythm is safe.

use gettone_optical::{
    Colour, Kind, LADDER, Palette, Payload, RefreshRate, Rgb, colours, encode_in, ladder_in,
};
use std::f64::consts::PI;

/// Side of the patch that the customer page shows, in CSS pixels, and its length at the reference 96 pixels an inch.
const PATCH_SIDE_PX: f64 = 144.0;
const PX_MM: f64 = 25.4 / 96.0;
/// The area that is safe at any rhythm: a quarter of a field of 341 by 256 CSS pixels (WCAG 2.3.1).
const SAFE_PX2: f64 = 341.0 * 256.0 / 4.0;
/// The same as a solid angle.
const SAFE_SR: f64 = 0.006;
/// Flashes allowed in a second.
const FLASHES_MAX: usize = 3;

fn linear(code: u8) -> f64 {
    let code = f64::from(code) / 255.0;
    if code <= 0.040_45 {
        code / 12.92
    } else {
        ((code + 0.055) / 1.055).powf(2.4)
    }
}

fn luminance(frame: &Rgb) -> f64 {
    0.2126 * linear(frame.r) + 0.7152 * linear(frame.g) + 0.0722 * linear(frame.b)
}

/// Whether a colour is a saturated red.
fn is_red(frame: &Rgb) -> bool {
    let (r, g, b) = (linear(frame.r), linear(frame.g), linear(frame.b));
    r > 0.0 && r / (r + g + b) >= 0.8
}

/// CIE 1976 u', v' of an sRGB colour; black is taken for white.
fn chromaticity(frame: &Rgb) -> [f64; 2] {
    let (r, g, b) = (linear(frame.r), linear(frame.g), linear(frame.b));
    let x = 0.4124 * r + 0.3576 * g + 0.1805 * b;
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let z = 0.0193 * r + 0.1192 * g + 0.9505 * b;
    let sum = x + 15.0 * y + 3.0 * z;
    if sum == 0.0 {
        [0.1978, 0.4683]
    } else {
        [4.0 * x / sum, 9.0 * y / sum]
    }
}

/// Greatest number of pairs of opposing changes within a second; `level` says in which of two states a frame is, if either.
fn flashes(frames: &[Rgb], hz: usize, changes: impl Fn(&Rgb, &Rgb) -> bool) -> usize {
    let mut at = Vec::new();
    let mut held = frames[0];
    for (place, frame) in frames.iter().enumerate() {
        if changes(&held, frame) {
            at.push(place);
            held = *frame;
        }
    }
    (0..at.len())
        .map(|first| {
            at[first..]
                .iter()
                .take_while(|place| **place < at[first] + hz)
                .count()
                / 2
        })
        .max()
        .unwrap_or(0)
}

fn general(a: &Rgb, b: &Rgb) -> bool {
    let (a, b) = (luminance(a), luminance(b));
    (a - b).abs() >= 0.1 && a.min(b) < 0.8
}

fn red(a: &Rgb, b: &Rgb) -> bool {
    let ([u, v], [u2, v2]) = (chromaticity(a), chromaticity(b));
    (is_red(a) || is_red(b)) && (u - u2).hypot(v - v2) > 0.2
}

fn patch_sr(distance_mm: f64) -> f64 {
    (PATCH_SIDE_PX * PX_MM).powi(2) / distance_mm.powi(2)
}

#[test]
fn the_counter_counts_flashes() {
    let grey = |code| Rgb {
        r: code,
        g: code,
        b: code,
    };
    let still = vec![grey(200); 120];
    assert_eq!(flashes(&still, 60, general), 0);
    // Four times bright and dark within a second.
    let four: Vec<Rgb> = (0..60)
        .map(|frame| grey(if frame / 7 % 2 == 0 { 0 } else { 255 }))
        .collect();
    assert!(flashes(&four, 60, general) > FLASHES_MAX);
    let saturated = Rgb { r: 255, g: 0, b: 0 };
    let reds: Vec<Rgb> = (0..60)
        .map(|frame| {
            if frame / 7 % 2 == 0 {
                saturated
            } else {
                grey(0)
            }
        })
        .collect();
    assert!(flashes(&reds, 60, red) > FLASHES_MAX);
}

/// The longest symbol that the page shows.
const SYMBOL_PAGE_MAX_S: f64 = 0.065;

/// Every way in which a payload may be played: each rung alone, the ladder, and the page's slow pace.
fn played(payload: &Payload, rate: RefreshRate, palette: Palette) -> Vec<Vec<Rgb>> {
    let mut played = vec![
        encode_in(payload, rate, palette).repeat(3),
        ladder_in(payload, rate, palette),
    ];
    let longest = (SYMBOL_PAGE_MAX_S * f64::from(rate.hz())) as usize;
    let slow = LADDER.map(|step| (3 * step * rate.frames_per_symbol()).min(longest.max(1)));
    for hold in rate.frames_on_ladder().into_iter().chain(slow) {
        let symbols = colours(payload).into_iter();
        let frames: Vec<Rgb> = symbols
            .flat_map(|colour| core::iter::repeat_n(palette.rgb(colour), hold))
            .collect();
        played.push(frames.repeat(2));
    }
    played
}

fn payloads() -> [Payload; 4] {
    [
        Payload::new(Kind::Pairing, *b"ten bytes!"),
        Payload::new(Kind::LightGrant, [0; 10]),
        Payload::new(Kind::LightGrant, [255; 10]),
        Payload::new(Kind::Pairing, [0x5A; 10]),
    ]
}

const RATES_HZ: [u16; 6] = [24, 48, 60, 90, 120, 240];

#[test]
fn the_full_palette_flashes_too_often_at_any_rung_and_is_therefore_shown_small() {
    for hz in RATES_HZ {
        let rate = RefreshRate::new(hz).expect("a usual rate");
        let [usual, ..] = payloads();
        for (way, frames) in played(&usual, rate, Palette::Full).into_iter().enumerate() {
            // Nothing is claimed by contrast: the area alone makes it safe.
            assert!(
                flashes(&frames, usize::from(hz), general) > FLASHES_MAX,
                "{hz} Hz, {way}"
            );
        }
        let loops = encode_in(&usual, rate, Palette::Full).repeat(3);
        assert!(
            flashes(&loops, usize::from(hz), red) > FLASHES_MAX,
            "{hz} Hz"
        );
    }
    let patch_px2 = PATCH_SIDE_PX * PATCH_SIDE_PX;
    let spare_px2 = SAFE_PX2 - patch_px2;
    assert!(spare_px2.is_sign_positive(), "{patch_px2} px2");
}

#[test]
fn the_gentle_palette_does_not_flash_at_all_and_is_safe_at_any_area() {
    for hz in RATES_HZ {
        let rate = RefreshRate::new(hz).expect("a usual rate");
        for payload in payloads() {
            for frames in played(&payload, rate, Palette::Gentle) {
                assert_eq!(flashes(&frames, usize::from(hz), general), 0, "{hz} Hz");
                assert_eq!(flashes(&frames, usize::from(hz), red), 0, "{hz} Hz");
            }
        }
    }
    // Not by luck of these payloads: no two of its colours are a flash, whatever comes after what.
    for one in Colour::ALL {
        for other in Colour::ALL {
            let [one, other] = [one, other].map(|colour| Palette::Gentle.rgb(colour));
            assert!(
                !general(&one, &other) && !red(&one, &other),
                "{one:?} {other:?}"
            );
        }
    }
}

#[test]
fn the_counter_would_see_a_gentle_palette_that_is_not() {
    // The controls: its green a little brighter is a flash; without the blue that stays on, its red is a saturated one.
    let gentle = |bits| Palette::Gentle.rgb(Colour::from_bits(bits));
    let white = gentle(0b111);
    let brighter = Rgb {
        g: white.g + 8,
        ..white
    };
    assert!(!general(&gentle(0), &white));
    assert!(general(&gentle(0), &brighter));
    assert!(!is_red(&gentle(0b100)));
    assert!(is_red(&Rgb {
        b: 0,
        ..gentle(0b100)
    }));
}

#[test]
fn the_patch_is_within_the_solid_angle_at_arms_length() {
    // The reference of WCAG: 1024 by 768 pixels on a screen of 38 cm at 56 cm.
    assert!(patch_sr(560.0) <= SAFE_SR);
    let nearest_mm = PATCH_SIDE_PX * PX_MM / SAFE_SR.sqrt();
    assert!(nearest_mm < 500.0, "safe from {nearest_mm:.0} mm on");
    // A circle of ten degrees, a quarter of it.
    let field_sr = 2.0 * PI * (1.0 - (5.0_f64).to_radians().cos());
    assert!((field_sr / 4.0 - SAFE_SR).abs() < 2e-4);
}

#[test]
fn the_page_shows_the_declared_patch() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../gateway/pages/customer/flash.js"
    );
    let script = std::fs::read_to_string(page).expect("the customer page's script");
    assert!(script.contains(&format!("PATCH_SIDE = {PATCH_SIDE_PX};")));
}
