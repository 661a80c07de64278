//! The two file formats: frames `r,g,b` and samples `t_us,r,g,b,c`, both with a header line.
//!
//! Readers take untrusted text: lines and rows are bounded, and a fault names the line.

use std::io::{self, BufRead, Write};

use thiserror::Error;

use crate::colour::Rgb;
use crate::sample::Sample;

/// Longest line, in bytes.
pub const LINE_MAX_BYTES: usize = 128;
/// Most rows of a frames file: over a minute of frames on a fast display.
pub const FRAMES_MAX: usize = 20_000;
/// Most rows of a samples file: about an hour of a fast sensor.
pub const SAMPLES_MAX: usize = 4_000_000;

const FRAMES_HEADER: &str = "r,g,b";
const SAMPLES_HEADER: &str = "t_us,r,g,b,c";

/// Why a file is not in the format.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CsvFault {
    /// The file could not be read.
    #[error("reading the file")]
    Read(#[from] io::Error),
    /// The first line is not the header of this format.
    #[error("the first line is not `{expected}`")]
    Header {
        /// The header of the format.
        expected: &'static str,
    },
    /// A line is longer than any row.
    #[error("line {line} is longer than {LINE_MAX_BYTES} bytes")]
    Long {
        /// Counted from 1.
        line: usize,
    },
    /// A line does not hold the columns of the format as whole numbers in range.
    #[error("line {line} is not `{expected}` in whole numbers in range")]
    Row {
        /// Counted from 1.
        line: usize,
        /// The columns of the format.
        expected: &'static str,
    },
    /// The file has more rows than the format allows.
    #[error("more than {max} rows")]
    Rows {
        /// Most rows allowed.
        max: usize,
    },
}

/// Writes frames with their header.
///
/// # Errors
/// Passes on what the writer says.
pub fn write_frames(mut out: impl Write, frames: &[Rgb]) -> io::Result<()> {
    writeln!(out, "{FRAMES_HEADER}")?;
    for Rgb { r, g, b } in frames {
        writeln!(out, "{r},{g},{b}")?;
    }
    Ok(())
}

/// Writes samples with their header.
///
/// # Errors
/// Passes on what the writer says.
pub fn write_samples(
    mut out: impl Write,
    samples: impl IntoIterator<Item = Sample>,
) -> io::Result<()> {
    writeln!(out, "{SAMPLES_HEADER}")?;
    for Sample { t_us, r, g, b, c } in samples {
        writeln!(out, "{t_us},{r},{g},{b},{c}")?;
    }
    Ok(())
}

/// Reads all frames of a file.
///
/// # Errors
/// Names the line that is not in the format.
pub fn read_frames(file: impl BufRead) -> Result<Vec<Rgb>, CsvFault> {
    let mut lines = Lines::new(file, FRAMES_HEADER)?;
    let mut frames = Vec::new();
    while let Some(line) = lines.next_row(FRAMES_MAX)? {
        let frame = numbers::<3>(line).and_then(|columns| {
            let [r, g, b] = columns.map(|column| u8::try_from(column).ok());
            Some(Rgb {
                r: r?,
                g: g?,
                b: b?,
            })
        });
        match frame {
            Some(frame) => frames.push(frame),
            None => return Err(lines.fault()),
        }
    }
    Ok(frames)
}

/// Reads the samples of a file one by one.
pub struct Samples<R> {
    lines: Lines<R>,
    failed: bool,
}

impl<R: BufRead> Samples<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Says when the header is another one.
    pub fn new(file: R) -> Result<Self, CsvFault> {
        Ok(Self {
            lines: Lines::new(file, SAMPLES_HEADER)?,
            failed: false,
        })
    }

    fn sample(&mut self) -> Result<Option<Sample>, CsvFault> {
        let Some(line) = self.lines.next_row(SAMPLES_MAX)? else {
            return Ok(None);
        };
        let sample = numbers::<5>(line).and_then(|columns| {
            let [t_us, counts @ ..] = columns;
            let [r, g, b, c] = counts.map(|column| u16::try_from(column).ok());
            Some(Sample {
                t_us,
                r: r?,
                g: g?,
                b: b?,
                c: c?,
            })
        });
        sample.map(Some).ok_or_else(|| self.lines.fault())
    }
}

/// Ends after the first fault.
impl<R: BufRead> Iterator for Samples<R> {
    type Item = Result<Sample, CsvFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let sample = self.sample();
        self.failed = sample.is_err();
        sample.transpose()
    }
}

struct Lines<R> {
    file: R,
    expected: &'static str,
    line: usize,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn new(file: R, expected: &'static str) -> Result<Self, CsvFault> {
        let mut lines = Self {
            file,
            expected,
            line: 0,
            text: Vec::with_capacity(LINE_MAX_BYTES + 1),
        };
        if lines.read()? && lines.text == expected.as_bytes() {
            Ok(lines)
        } else {
            Err(CsvFault::Header { expected })
        }
    }

    /// Returns the next row; none at the end of the file.
    fn next_row(&mut self, rows_max: usize) -> Result<Option<&[u8]>, CsvFault> {
        if !self.read()? {
            return Ok(None);
        }
        // The header is one line more.
        if self.line > rows_max + 1 {
            return Err(CsvFault::Rows { max: rows_max });
        }
        Ok(Some(&self.text))
    }

    fn read(&mut self) -> Result<bool, CsvFault> {
        self.text.clear();
        self.line += 1;
        let limit = LINE_MAX_BYTES as u64 + 1;
        let read = io::Read::take(&mut self.file, limit).read_until(b'\n', &mut self.text)?;
        if read == 0 {
            return Ok(false);
        }
        if self.text.last() == Some(&b'\n') {
            self.text.pop();
        } else if self.text.len() > LINE_MAX_BYTES {
            return Err(CsvFault::Long { line: self.line });
        }
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        Ok(true)
    }

    fn fault(&self) -> CsvFault {
        CsvFault::Row {
            line: self.line,
            expected: self.expected,
        }
    }
}

/// Returns the columns of a row, exactly as many as asked for.
fn numbers<const COLUMNS: usize>(line: &[u8]) -> Option<[u64; COLUMNS]> {
    let mut numbers = [0; COLUMNS];
    let mut columns = std::str::from_utf8(line).ok()?.split(',');
    for number in &mut numbers {
        let column = columns.next()?.trim();
        // `parse` would also take a plus sign.
        if !column.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        *number = column.parse().ok()?;
    }
    columns.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let samples = match Samples::new(text.as_bytes()) {
            Ok(samples) => samples,
            Err(fault) => return fault.to_string(),
        };
        samples
            .filter_map(Result::err)
            .map(|fault| fault.to_string())
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn what_is_written_is_read_back() {
        let frames = [Rgb { r: 0, g: 255, b: 7 }, Rgb { r: 1, g: 2, b: 3 }];
        let mut file = Vec::new();
        write_frames(&mut file, &frames).expect("memory takes it");
        assert_eq!(read_frames(file.as_slice()).expect("own format"), frames);

        let samples = [Sample {
            t_us: u64::MAX,
            r: 1,
            g: u16::MAX,
            b: 0,
            c: 9,
        }];
        let mut file = Vec::new();
        write_samples(&mut file, samples).expect("memory takes it");
        let read: Result<Vec<_>, _> = Samples::new(file.as_slice()).expect("own header").collect();
        assert_eq!(read.expect("own format"), samples);
    }

    #[test]
    fn windows_line_ends_and_a_missing_last_one_are_taken() {
        assert_eq!(fault("t_us,r,g,b,c\r\n1,2,3,4,5\r\n6,7,8,9,10"), "");
    }

    #[test]
    fn every_bad_line_is_named_and_nothing_after_it_is_read() {
        let row = "line 3 is not `t_us,r,g,b,c` in whole numbers in range";
        for bad in [
            "",
            "1,2,3,4",
            "1,2,3,4,5,6",
            "1,2,3,4,65536",
            "-1,2,3,4,5",
            "+1,2,3,4,5",
            "1,,3,4,5",
            "1,2,3,4,x",
            "1,2,3,4,5.0",
            "18446744073709551616,2,3,4,5",
            "\u{661},2,3,4,5",
        ] {
            let text = format!("t_us,r,g,b,c\n1,2,3,4,5\n{bad}\nbad again\n");
            assert_eq!(fault(&text), row, "{bad:?}");
        }
        assert_eq!(
            fault("r,g,b\n1,2,3\n"),
            "the first line is not `t_us,r,g,b,c`"
        );
        assert_eq!(fault(""), "the first line is not `t_us,r,g,b,c`");
    }

    #[test]
    fn a_line_without_end_is_not_read_to_its_end() {
        let endless = io::Read::chain("t_us,r,g,b,c\n".as_bytes(), io::repeat(b'1'));
        let mut samples = Samples::new(io::BufReader::new(endless)).expect("a good header");
        let fault = samples.next().expect("a fault").expect_err("too long");
        assert_eq!(fault.to_string(), "line 2 is longer than 128 bytes");
        assert!(samples.next().is_none());
    }

    #[test]
    fn a_file_with_too_many_rows_is_refused() {
        let text = "r,g,b\n".to_owned() + &"1,2,3\n".repeat(FRAMES_MAX + 1);
        let fault = read_frames(text.as_bytes()).expect_err("one row too many");
        assert_eq!(fault.to_string(), "more than 20000 rows");
    }
}
