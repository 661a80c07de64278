//! Records of a sensor's device file, as its scan elements describe them.

/// Most bytes of a record.
const RECORD_MAX: usize = 256;
/// Most elements of a record.
const ELEMENTS_MAX: usize = 16;

/// What an element of a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// Red counts.
    Red,
    /// Green counts.
    Green,
    /// Blue counts.
    Blue,
    /// Counts of all light.
    Clear,
    /// When, in nanoseconds.
    Timestamp,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Red,
        Self::Green,
        Self::Blue,
        Self::Clear,
        Self::Timestamp,
    ];

    /// What the kernel calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "in_intensity_red",
            Self::Green => "in_intensity_green",
            Self::Blue => "in_intensity_blue",
            Self::Clear => "in_intensity_clear",
            Self::Timestamp => "in_timestamp",
        }
    }
}

/// One row of counts: red, green, blue, clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The counts; clear is 0 where there is none.
    pub counts: [u16; 4],
    /// When, on the clock that the device was given.
    pub t_ns: Option<u64>,
}

/// How records are laid out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    elements: Vec<(Channel, Element)>,
    record_len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Element {
    offset: usize,
    form: Form,
}

/// `[be|le]:[s|u]BITS/STORAGE>>SHIFT`, the kernel's own notation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Form {
    endian: Endian,
    sign: Sign,
    bits: u32,
    storage_len: usize,
    shift: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Endian {
    Big,
    Little,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sign {
    Signed,
    Unsigned,
}

impl Layout {
    /// Takes the elements that are switched on, each with its index and its form. All three colours have to be among them.
    ///
    /// # Errors
    /// What makes no record.
    pub fn new(elements: &[(Channel, usize, String)]) -> Result<Self, LayoutFault> {
        if elements.len() > ELEMENTS_MAX {
            return Err(LayoutFault::TooLong);
        }
        let mut elements: Vec<&(Channel, usize, String)> = elements.iter().collect();
        elements.sort_by_key(|(_, index, _)| *index);
        let mut placed: Vec<(Channel, Element)> = Vec::with_capacity(elements.len());
        let (mut end, mut widest) = (0_usize, 1);
        for (channel, _, text) in elements {
            let form = Form::parse(text).ok_or_else(|| LayoutFault::Form(text.clone()))?;
            if placed.iter().any(|(known, _)| known == channel) {
                return Err(LayoutFault::Twice(*channel));
            }
            // Each element lies at a multiple of its own size, and the record is a multiple of the widest.
            let offset = end.next_multiple_of(form.storage_len);
            end = offset + form.storage_len;
            widest = widest.max(form.storage_len);
            placed.push((*channel, Element { offset, form }));
        }
        for colour in [Channel::Red, Channel::Green, Channel::Blue] {
            if !placed.iter().any(|(known, _)| *known == colour) {
                return Err(LayoutFault::Missing(colour));
            }
        }
        let record_len = end.next_multiple_of(widest);
        if record_len > RECORD_MAX {
            return Err(LayoutFault::TooLong);
        }
        Ok(Self {
            elements: placed,
            record_len,
        })
    }

    /// Bytes of a record.
    pub const fn record_len(&self) -> usize {
        self.record_len
    }

    /// Reads one record; nothing when it is cut off.
    pub fn row(&self, record: &[u8]) -> Option<Row> {
        let mut row = Row {
            counts: [0; 4],
            t_ns: None,
        };
        for (channel, Element { offset, form }) in &self.elements {
            let stored = record.get(*offset..*offset + form.storage_len)?;
            let value = form.value(stored);
            let count = u16::try_from(value.clamp(0, i128::from(u16::MAX))).unwrap_or(u16::MAX);
            match channel {
                Channel::Red => row.counts[0] = count,
                Channel::Green => row.counts[1] = count,
                Channel::Blue => row.counts[2] = count,
                Channel::Clear => row.counts[3] = count,
                Channel::Timestamp => row.t_ns = u64::try_from(value).ok(),
            }
        }
        Some(row)
    }
}

impl Form {
    fn parse(text: &str) -> Option<Self> {
        let (endian, rest) = text.split_once(':')?;
        let endian = match endian {
            "be" => Endian::Big,
            "le" => Endian::Little,
            _ => return None,
        };
        let (sign, rest) = match rest.split_at_checked(1)? {
            ("s", rest) => (Sign::Signed, rest),
            ("u", rest) => (Sign::Unsigned, rest),
            _ => return None,
        };
        let (bits, rest) = rest.split_once('/')?;
        let (storage, shift) = rest.split_once(">>").unwrap_or((rest, "0"));
        let bits: u32 = bits.parse().ok()?;
        let storage: u32 = storage.parse().ok()?;
        let shift: u32 = shift.parse().ok()?;
        let fits = [8, 16, 32, 64].contains(&storage)
            && bits >= 1
            && bits.checked_add(shift).is_some_and(|end| end <= storage);
        fits.then_some(Self {
            endian,
            sign,
            bits,
            storage_len: usize::try_from(storage / 8).ok()?,
            shift,
        })
    }

    fn value(&self, stored: &[u8]) -> i128 {
        let gather = |whole: u64, byte: &u8| whole << 8 | u64::from(*byte);
        let whole = match self.endian {
            Endian::Big => stored.iter().fold(0, gather),
            Endian::Little => stored.iter().rev().fold(0, gather),
        };
        let above = 64 - self.bits;
        let value = (whole >> self.shift) << above >> above;
        match self.sign {
            Sign::Unsigned => i128::from(value),
            Sign::Signed if value >> (self.bits - 1) == 0 => i128::from(value),
            Sign::Signed => i128::from(value) - (1 << self.bits),
        }
    }
}

/// Why scan elements make no record.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LayoutFault {
    /// A form that nobody knows.
    #[error("{0:?} is no form of a scan element, such as le:u16/16>>0")]
    Form(String),
    /// A channel twice.
    #[error("{0:?} is there twice")]
    Twice(Channel),
    /// A colour is not there.
    #[error("{0:?} is not there")]
    Missing(Channel),
    /// A record of more bytes than any sensor has.
    #[error("a record is longer than {RECORD_MAX} bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    fn elements(forms: &[(Channel, usize, &str)]) -> Vec<(Channel, usize, String)> {
        forms
            .iter()
            .map(|(channel, index, form)| (*channel, *index, (*form).to_owned()))
            .collect()
    }

    /// What the kernel's tcs3472 driver says of itself: clear first, then the colours, then the time.
    fn tcs3472() -> Layout {
        Layout::new(&elements(&[
            (Channel::Red, 1, "le:u16/16>>0"),
            (Channel::Green, 2, "le:u16/16>>0"),
            (Channel::Blue, 3, "le:u16/16>>0"),
            (Channel::Clear, 0, "le:u16/16>>0"),
            (Channel::Timestamp, 4, "le:s64/64>>0"),
        ]))
        .expect("a layout")
    }

    #[test]
    fn a_record_of_the_usual_sensor_is_read() {
        let layout = tcs3472();
        assert_eq!(layout.record_len(), 16);
        let record = [
            0x34, 0x12, 0x00, 0x04, 0x00, 0x03, 0x00, 0x02, 0x00, 0xca, 0x9a, 0x3b, 0, 0, 0, 0,
        ];
        let row = layout.row(&record).expect("whole");
        assert_eq!(row.counts, [0x400, 0x300, 0x200, 0x1234]);
        assert_eq!(row.t_ns, Some(1_000_000_000));
        for len in 0..16 {
            assert_eq!(layout.row(&record[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn elements_lie_at_multiples_of_their_size() {
        let layout = Layout::new(&elements(&[
            (Channel::Red, 0, "be:u12/16>>4"),
            (Channel::Green, 1, "le:s24/32>>8"),
            (Channel::Blue, 2, "le:u8/8"),
            (Channel::Timestamp, 3, "le:s64/64>>0"),
        ]))
        .expect("a layout");
        assert_eq!(layout.record_len(), 24);
        let mut record = [0; 24];
        record[..2].copy_from_slice(&[0xab, 0xcd]);
        record[4..8].copy_from_slice(&[0xee, 0xff, 0xff, 0xff]);
        record[8] = 0x7f;
        record[16..].copy_from_slice(&(-1_i64).to_le_bytes());
        let row = layout.row(&record).expect("whole");
        assert_eq!(row.counts, [0xabc, 0, 0x7f, 0], "less than nothing is none");
        assert_eq!(row.t_ns, None, "no time is before the first");
    }

    #[test]
    fn what_makes_no_record_is_refused() {
        for form in [
            "",
            "le",
            "le:",
            "xx:u16/16>>0",
            "le:x16/16>>0",
            "le:u17/16>>0",
            "le:u16/17>>0",
            "le:u0/16>>0",
            "le:u16/16>>1",
            "le:u16/16>>99999999999",
            "le:u16/16X2>>0",
            "le:u4294967295/64>>4294967295",
            "le:ü16/16>>0",
        ] {
            let fault = Layout::new(&elements(&[(Channel::Red, 0, form)]));
            assert_eq!(fault, Err(LayoutFault::Form(form.to_owned())));
        }
        let colours = elements(&[
            (Channel::Red, 0, "le:u16/16"),
            (Channel::Blue, 1, "le:u16/16"),
        ]);
        assert_eq!(
            Layout::new(&colours),
            Err(LayoutFault::Missing(Channel::Green))
        );
        let twice = elements(&[
            (Channel::Red, 0, "le:u16/16"),
            (Channel::Red, 1, "le:u16/16"),
        ]);
        assert_eq!(Layout::new(&twice), Err(LayoutFault::Twice(Channel::Red)));
    }

    /// Seeds 1 to 3,000: records and forms of a broken driver, cut, flipped and made up.
    #[test]
    fn no_form_and_no_record_of_a_broken_driver_breaks_anything() {
        let alphabet = b"lbe:su0123456789/>X ";
        for seed in 1..=3_000 {
            let mut random = Random::new(seed);
            let mut below = |end: usize| random.below(end);
            let mut list = Vec::new();
            for channel in Channel::ALL {
                let mut form: Vec<u8> = b"le:u16/16>>0".to_vec();
                for _ in 0..below(4) {
                    let place = below(form.len());
                    match below(3) {
                        0 => form[place] = alphabet[below(alphabet.len())],
                        1 => form.insert(place, alphabet[below(alphabet.len())]),
                        _ => form.truncate(place.max(1)),
                    }
                }
                let form = String::from_utf8(form).expect("ASCII");
                list.push((channel, below(6), form));
            }
            let Ok(layout) = Layout::new(&list) else {
                continue;
            };
            assert!(layout.record_len() <= RECORD_MAX, "seed {seed}");
            let record: Vec<u8> = (0..below(64)).map(|_| below(256) as u8).collect();
            let is_whole = record.len() >= layout.record_len();
            // A record may lack its last padding and nothing else.
            assert!(layout.row(&record).is_some() || !is_whole, "seed {seed}");
        }
    }
}
