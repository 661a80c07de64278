//! Payload to colours: the loop a phone plays.

use crate::colour::{Colour, Rgb};
use crate::palette::Palette;
use crate::payload::{CHECKED_BYTES, Payload};
use crate::symbols::{self, DATA_SYMBOLS, Word};
use crate::words::Words;

/// Colours that open every loop: they calibrate the reader (offset twice, the sum, each primary).
pub const PREAMBLE: [Colour; 6] = [
    Colour::BLACK,
    Colour::WHITE,
    Colour::BLACK,
    Colour::RED,
    Colour::GREEN,
    Colour::BLUE,
];
/// Symbols of one loop: preamble, data, one guard.
pub const LOOP_SYMBOLS: usize = PREAMBLE.len() + DATA_SYMBOLS + 1;
/// Shortest symbol a reader accepts, in microseconds.
pub const SYMBOL_MIN_US: u32 = 8_000;
/// Longest symbol a reader accepts, in microseconds.
pub const SYMBOL_MAX_US: u32 = 70_000;

/// What a longest symbol leaves to a display that is slower than it says.
const SPARE_US: u32 = 5_000;

/// A display's refresh rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRate(u16);

impl RefreshRate {
    /// The rate of most displays.
    pub const HZ_60: Self = Self(60);
    /// The rate of quick ones.
    pub const HZ_120: Self = Self(120);

    /// Takes a rate from 24 to 240 Hz.
    pub const fn new(hz: u16) -> Option<Self> {
        if hz >= 24 && hz <= 240 {
            Some(Self(hz))
        } else {
            None
        }
    }

    /// Returns the rate in hertz.
    pub const fn hz(self) -> u16 {
        self.0
    }

    /// Returns the least number of frames that makes a symbol long enough for the sensor.
    pub const fn frames_per_symbol(self) -> usize {
        SYMBOL_MIN_US.div_ceil(self.frame_us()) as usize
    }

    /// Returns how many frames a symbol lasts at each step of the ladder.
    pub fn frames_on_ladder(self) -> [usize; LADDER.len()] {
        let longest = ((SYMBOL_MAX_US - SPARE_US) / self.frame_us()).max(1) as usize;
        LADDER.map(|step| (step * self.frames_per_symbol()).min(longest))
    }

    const fn frame_us(self) -> u32 {
        1_000_000 / self.0 as u32
    }
}

/// Returns one loop, one frame per symbol.
///
/// The player shows the frames in order, one per refresh it really gets (counted, never by the clock), and repeats.
pub fn encode(payload: &Payload) -> Vec<Rgb> {
    colours(payload).iter().map(|colour| colour.rgb()).collect()
}

/// Returns one loop for a display of this rate: fast displays show each symbol for several frames.
pub fn encode_at(payload: &Payload, rate: RefreshRate) -> Vec<Rgb> {
    encode_in(payload, rate, Palette::Full)
}

/// Returns one loop for a display of this rate, in the colours of a palette.
pub fn encode_in(payload: &Payload, rate: RefreshRate, palette: Palette) -> Vec<Rgb> {
    held(&colours(payload), rate.frames_per_symbol(), palette).collect()
}

/// Frames per symbol of the loops of a ladder, in units of the least one; then it begins again.
pub const LADDER: [usize; 4] = [1, 1, 2, 3];

/// Returns a whole ladder: two quick loops, and slower ones for displays that stumble and sensors that are slow.
///
/// A player shows it once, or over and over.
pub fn ladder_at(payload: &Payload, rate: RefreshRate) -> Vec<Rgb> {
    ladder_in(payload, rate, Palette::Full)
}

/// Returns a whole ladder in the colours of a palette.
pub fn ladder_in(payload: &Payload, rate: RefreshRate, palette: Palette) -> Vec<Rgb> {
    let colours = colours(payload);
    rate.frames_on_ladder()
        .into_iter()
        .flat_map(|frames| held(&colours, frames, palette))
        .collect()
}

fn held(colours: &[Colour], frames: usize, palette: Palette) -> impl Iterator<Item = Rgb> {
    colours
        .iter()
        .flat_map(move |colour| std::iter::repeat_n(palette.rgb(*colour), frames))
}

/// Returns the colours of one loop.
pub fn colours(payload: &Payload) -> [Colour; LOOP_SYMBOLS] {
    colours_of(&payload.to_checked())
}

/// Returns the colours of one loop that carries these bytes, whatever they say.
pub(crate) fn colours_of(checked: &[u8; CHECKED_BYTES]) -> [Colour; LOOP_SYMBOLS] {
    let word: Word = Words::new().encode(checked);
    let mut colours = [Colour::BLACK; LOOP_SYMBOLS];
    colours[..PREAMBLE.len()].copy_from_slice(&PREAMBLE);
    let mut last = Colour::BLUE;
    for (place, change) in colours[PREAMBLE.len()..]
        .iter_mut()
        .zip(symbols::changes(&word))
    {
        last = last.changed_by(change);
        *place = last;
    }
    // The guard keeps the last data colour apart from the black that opens the next loop.
    colours[LOOP_SYMBOLS - 1] = if last == Colour::WHITE {
        Colour::GREEN
    } else {
        Colour::WHITE
    };
    colours
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Kind;

    #[test]
    fn fast_displays_show_a_symbol_for_at_least_eight_milliseconds() {
        let frames = |hz| RefreshRate::new(hz).map(RefreshRate::frames_per_symbol);
        assert_eq!(frames(24), Some(1));
        assert_eq!(frames(60), Some(1));
        assert_eq!(frames(90), Some(1));
        assert_eq!(frames(120), Some(1));
        assert_eq!(frames(240), Some(2));
        assert_eq!(frames(23), None);
        assert_eq!(frames(241), None);
        let payload = Payload::new(Kind::Pairing, [1; 10]);
        let rate = RefreshRate::new(240).expect("240 is in range");
        assert_eq!(encode_at(&payload, rate).len(), 2 * LOOP_SYMBOLS);
    }

    #[test]
    fn no_two_neighbours_are_equal_also_where_the_loop_closes() {
        for seed in 0..2_000_u64 {
            let mut secret = [0; 10];
            secret[..8].copy_from_slice(&seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
            let colours = colours(&Payload::new(Kind::LightGrant, secret));
            for place in 0..LOOP_SYMBOLS {
                let next = colours[(place + 1) % LOOP_SYMBOLS];
                assert_ne!(colours[place], next, "seed {seed} place {place}");
            }
        }
    }
}
