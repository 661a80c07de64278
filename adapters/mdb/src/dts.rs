//! The audit a machine gives: counters, prices and events as EVA-DTS text, from a file transport or from a file.
//!
//! A machine may write anything: what is read is bounded, and what makes no sense is left out, never guessed. Amounts are
//! whole numbers of the smallest unit that the machine says it counts in ([`Dts::decimals`]).
//!
//! ```
//! use gettone_mdb::dts::{Dts, Source};
//!
//! let text = b"DXS*GTN0000001*VA*V0/6*1\r\nST*001*0001\r\nID1*M42*Model\r\nID4*2*978*EUR\r\n\
//!     VA1*1250*10*250*2\r\nCA3*400*300*100*0*9000*8000*1000*0\r\nPA1*11*120\r\nPA2*7*840*2*240\r\nSE*8*0001\r\nDXE*1*1\r\n";
//! let audit = Dts::parse(text)?;
//! assert_eq!(audit.decimals(), Some(2));
//! let expected = audit.cash_expected().expect("the machine counts its box");
//! assert_eq!((expected.amount, expected.source), (300, Source::CashBox));
//! // The list says 1.30, the machine asks 1.20.
//! let drifts: Vec<_> = audit.drifts(|product| (product == b"11").then_some(130)).collect();
//! assert_eq!((drifts[0].wanted, drifts[0].seen), (130, 120));
//! # Ok::<(), gettone_mdb::dts::DtsFault>(())
//! ```

use core::fmt;

use crate::bounds::{DTS_FIELDS_MAX, DTS_LEN_MAX, DTS_LINE_MAX, DTS_LINES_MAX};

/// A whole audit, looked through and found readable.
#[derive(Clone, Copy)]
pub struct Dts<'a> {
    text: &'a [u8],
}

/// A text that is no audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtsFault {
    /// Longer than any machine's.
    #[error("the audit has {len} bytes; at most {DTS_LEN_MAX} are read")]
    Long {
        /// Its bytes.
        len: usize,
    },
    /// More lines than any machine's.
    #[error("the audit has more than {DTS_LINES_MAX} lines")]
    Lines,
    /// A line that is too long, or has too many fields.
    #[error(
        "line {line} of the audit is longer than {DTS_LINE_MAX} bytes or {DTS_FIELDS_MAX} fields"
    )]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// Bytes that are no text.
    #[error("line {line} of the audit is no text")]
    Text {
        /// Which, from 1.
        line: usize,
    },
    /// Neither a header nor a machine.
    #[error("the text has no segment of EVA-DTS: neither DXS, ST nor ID1")]
    Foreign,
}

/// One line: its name and its fields.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    line: &'a [u8],
}

/// How whole an audit is, by its own count of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// As many segments as its end says.
    Yes,
    /// It ends before its end.
    Cut,
    /// Its end counts others.
    Miscounted {
        /// What its end says.
        said: u64,
        /// What is there.
        found: u64,
    },
}

/// What was sold, since the machine was made and since somebody last reset the interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sold {
    /// Value since the beginning.
    pub value: Option<u64>,
    /// Vends since the beginning.
    pub vends: Option<u64>,
    /// Value of the interval.
    pub interval_value: Option<u64>,
    /// Vends of the interval.
    pub interval_vends: Option<u64>,
}

/// Cash that came in during the interval, and where it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CashIn {
    /// All of it.
    pub all: Option<u64>,
    /// Into the cash box.
    pub cash_box: Option<u64>,
    /// Into the change tubes.
    pub tubes: Option<u64>,
    /// As notes.
    pub notes: Option<u64>,
}

/// One product of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product<'a> {
    /// Its name on the machine (PA101).
    pub id: &'a [u8],
    /// Its price (PA102).
    pub price: Option<u64>,
    /// What was sold of it (PA2).
    pub sold: Sold,
}

/// Something that happened at the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening<'a> {
    /// Its code, such as `EGS` for an open door.
    pub id: &'a [u8],
    /// The date as the machine writes it, YYMMDD, when it is told.
    pub date: &'a [u8],
    /// The time as the machine writes it, HHMM or HHMMSS.
    pub time: &'a [u8],
    /// How often in the interval, when it is a count.
    pub interval_times: Option<u64>,
    /// How often since the beginning.
    pub times: Option<u64>,
}

/// Where a figure comes from, to be shown beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// CA302: what the coin mechanism sent to the cash box in the interval.
    CashBox,
    /// CA302 and CA304: the same, and notes.
    CashBoxAndNotes,
    /// CA203: what was sold for cash in the interval; change from the tubes is not seen.
    CashSales,
}

impl Source {
    /// The fields of EVA-DTS it stands for.
    #[must_use]
    pub const fn fields(self) -> &'static str {
        match self {
            Self::CashBox => "CA302",
            Self::CashBoxAndNotes => "CA302 + CA304",
            Self::CashSales => "CA203",
        }
    }
}

/// Cash that ought to be in the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How much.
    pub amount: u64,
    /// How it is known.
    pub source: Source,
}

/// A product whose price on the machine is not the one wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift<'a> {
    /// The product (PA101).
    pub id: &'a [u8],
    /// What it ought to cost.
    pub wanted: u64,
    /// What it costs on the machine (PA102).
    pub seen: u64,
}

impl<'a> Dts<'a> {
    /// Looks an audit through.
    ///
    /// # Errors
    /// When it is too large, no text, or no EVA-DTS.
    pub fn parse(text: &'a [u8]) -> Result<Self, DtsFault> {
        if text.len() > DTS_LEN_MAX {
            return Err(DtsFault::Long { len: text.len() });
        }
        let mut known = false;
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if at >= DTS_LINES_MAX {
                return Err(DtsFault::Lines);
            }
            let at = at + 1;
            let segment = Segment::of(line);
            if segment.line.len() > DTS_LINE_MAX || segment.fields().count() > DTS_FIELDS_MAX {
                return Err(DtsFault::Line { line: at });
            }
            // A product's name may be in any code page; nothing below a blank is text in any of them.
            if segment
                .line
                .iter()
                .any(|byte| *byte < b' ' || *byte == 0x7F)
            {
                return Err(DtsFault::Text { line: at });
            }
            known |= [&b"DXS"[..], b"ST", b"ID1"].contains(&segment.name());
        }
        known.then_some(Self { text }).ok_or(DtsFault::Foreign)
    }

    /// Every segment, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        let lines = self.text.split(|byte| *byte == b'\n').map(Segment::of);
        lines.filter(|segment| !segment.line.is_empty())
    }

    /// The first segment of this name.
    #[must_use]
    pub fn segment(&self, name: &[u8]) -> Option<Segment<'a>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// Whether anything is missing, by the audit's own count of the segments from ST to SE.
    #[must_use]
    pub fn whole(&self) -> Whole {
        let mut found = 0_u64;
        for segment in self.segments() {
            match segment.name() {
                b"ST" => found = 1,
                b"SE" => {
                    found += 1;
                    return match segment.number(1) {
                        Some(said) if said != found => Whole::Miscounted { said, found },
                        Some(_) | None => Whole::Yes,
                    };
                }
                _ => found += 1,
            }
        }
        Whole::Cut
    }

    /// The machine's serial number (ID101).
    #[must_use]
    pub fn serial(&self) -> Option<&'a [u8]> {
        self.segment(b"ID1")?.field(1)
    }

    /// How many decimals its amounts have (ID401).
    #[must_use]
    pub fn decimals(&self) -> Option<u8> {
        let decimals = self.segment(b"ID4")?.number(1)?;
        u8::try_from(decimals)
            .ok()
            .filter(|decimals| *decimals <= 4)
    }

    /// The letters of its currency (ID403).
    #[must_use]
    pub fn currency(&self) -> Option<&'a [u8]> {
        self.segment(b"ID4")?.field(3)
    }

    /// Everything that was paid for (VA1).
    #[must_use]
    pub fn sold(&self) -> Sold {
        self.counters(b"VA1")
    }

    /// What was paid for in cash (CA2).
    #[must_use]
    pub fn sold_for_cash(&self) -> Sold {
        self.counters(b"CA2")
    }

    /// What was paid for with the first cashless device (DA2).
    #[must_use]
    pub fn sold_by_first_cashless(&self) -> Sold {
        self.counters(b"DA2")
    }

    /// What was paid for with the second cashless device (DB2).
    #[must_use]
    pub fn sold_by_second_cashless(&self) -> Sold {
        self.counters(b"DB2")
    }

    /// Cash of the interval (CA3).
    #[must_use]
    pub fn cash_in(&self) -> CashIn {
        let Some(cash) = self.segment(b"CA3") else {
            return CashIn::default();
        };
        CashIn {
            all: cash.number(1),
            cash_box: cash.number(2),
            tubes: cash.number(3),
            notes: cash.number(4),
        }
    }

    /// How often the power was cut in the interval (EA701).
    #[must_use]
    pub fn power_cuts(&self) -> Option<u64> {
        self.segment(b"EA7")?.number(1)
    }

    /// Every product, with the counters that follow it.
    pub fn products(&self) -> impl Iterator<Item = Product<'a>> + use<'a> {
        let mut segments = self.segments().peekable();
        core::iter::from_fn(move || {
            loop {
                let first = segments.find(|segment| segment.name() == b"PA1")?;
                // Its counters stand before the next product.
                let mut sold = None;
                while let Some(own) = segments.next_if(|segment| segment.name() != b"PA1") {
                    if own.name() == b"PA2" {
                        sold.get_or_insert(Sold {
                            vends: own.number(1),
                            value: own.number(2),
                            interval_vends: own.number(3),
                            interval_value: own.number(4),
                        });
                    }
                }
                if let Some(id) = first.field(1) {
                    return Some(Product {
                        id,
                        price: first.number(2),
                        sold: sold.unwrap_or_default(),
                    });
                }
            }
        })
    }

    /// Every event, single (EA1) or counted (EA2).
    pub fn events(&self) -> impl Iterator<Item = Happening<'a>> + use<'a> {
        self.segments().filter_map(|segment| match segment.name() {
            b"EA1" => Some(Happening {
                id: segment.field(1)?,
                date: segment.field(2).unwrap_or_default(),
                time: segment.field(3).unwrap_or_default(),
                interval_times: None,
                times: None,
            }),
            b"EA2" => Some(Happening {
                id: segment.field(1)?,
                date: &[],
                time: &[],
                interval_times: segment.number(2),
                times: segment.number(3),
            }),
            _ => None,
        })
    }

    /// The cash that ought to be in the box, by the best figure the machine has.
    #[must_use]
    pub fn cash_expected(&self) -> Option<Expected> {
        let cash = self.cash_in();
        let expected = match (cash.cash_box, cash.notes) {
            (Some(coins), Some(notes)) if notes > 0 => Expected {
                amount: coins.checked_add(notes)?,
                source: Source::CashBoxAndNotes,
            },
            (Some(amount), _) => Expected {
                amount,
                source: Source::CashBox,
            },
            (None, _) => Expected {
                amount: self.sold_for_cash().interval_value?,
                source: Source::CashSales,
            },
        };
        Some(expected)
    }

    /// The products whose price is not the one that `wanted` gives; products without one are left out.
    pub fn drifts<W>(&self, wanted: W) -> impl Iterator<Item = Drift<'a>> + use<'a, W>
    where
        W: Fn(&[u8]) -> Option<u64>,
    {
        self.products().filter_map(move |product| {
            let (wanted, seen) = (wanted(product.id)?, product.price?);
            let id = product.id;
            (wanted != seen).then_some(Drift { id, wanted, seen })
        })
    }

    fn counters(&self, name: &[u8]) -> Sold {
        self.segment(name).map_or(Sold::default(), |it| Sold {
            value: it.number(1),
            vends: it.number(2),
            interval_value: it.number(3),
            interval_vends: it.number(4),
        })
    }
}

impl fmt::Debug for Dts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an audit of {} bytes", self.text.len())
    }
}

impl<'a> Segment<'a> {
    fn of(line: &'a [u8]) -> Self {
        Self {
            line: line.trim_ascii(),
        }
    }

    /// Its name, such as `PA1`.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.fields().next().unwrap_or_default()
    }

    /// The field of this number, from 1; `None` when it is empty or missing.
    #[must_use]
    pub fn field(&self, at: usize) -> Option<&'a [u8]> {
        self.fields().nth(at).filter(|field| !field.is_empty())
    }

    /// The same as a number: digits only, as large as 64 bits hold.
    #[must_use]
    pub fn number(&self, at: usize) -> Option<u64> {
        let digits = self.field(at)?;
        digits.iter().try_fold(0_u64, |sum, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        })
    }

    fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.line.split(|byte| *byte == b'*')
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line.escape_ascii())
    }
}
