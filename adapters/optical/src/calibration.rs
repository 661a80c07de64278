//! From counts to the colour cube: one offset and one column per primary.

use crate::colour::Colour;

/// Counts of one row, red, green, blue.
pub(crate) type Counts = [f32; 3];

/// Least share of the white swing that every primary must bring to its own channel.
const OWN_SHARE_MIN: f32 = 0.2;
/// Least determinant of the columns, each channel scaled to a white swing of one.
const DETERMINANT_MIN: f32 = 0.04;

/// The affine map a preamble gives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calibration {
    black: Counts,
    /// What each primary adds to the channels.
    columns: [Counts; 3],
    /// Rows give the share of red, green and blue in a colour.
    inverse: [[f32; 3]; 3],
}

impl Calibration {
    /// Makes the map from black and the swing of each primary.
    ///
    /// None when a primary does not lead in its own channel, or when they are not told apart well enough.
    pub(crate) fn new(black: Counts, red: Counts, green: Counts, blue: Counts) -> Option<Self> {
        let columns = [red, green, blue];
        let mut white = [0.0; 3];
        for channel in 0..3 {
            white[channel] = red[channel] + green[channel] + blue[channel];
            if white[channel] <= 0.0 {
                return None;
            }
        }
        let mut scaled = [[0.0; 3]; 3];
        for channel in 0..3 {
            for primary in 0..3 {
                scaled[channel][primary] = columns[primary][channel] / white[channel];
            }
        }
        for (primary, column) in columns.iter().enumerate() {
            let own = column[primary];
            if scaled[primary][primary] < OWN_SHARE_MIN || column.iter().any(|other| *other > own) {
                return None;
            }
        }
        let mut inverse = inverted(&scaled)?;
        for row in &mut inverse {
            for (channel, share) in row.iter_mut().enumerate() {
                *share /= white[channel];
            }
        }
        Some(Self {
            black,
            columns,
            inverse,
        })
    }

    /// Returns the counts of black.
    pub(crate) const fn black(&self) -> Counts {
        self.black
    }

    /// Returns what each primary adds, red, green, blue.
    pub(crate) const fn columns(&self) -> &[Counts; 3] {
        &self.columns
    }

    /// Returns where counts lie in the colour cube: each share 0 when a primary is off, 1 when it is on.
    pub(crate) fn shares(&self, counts: Counts) -> [f32; 3] {
        let above = [
            counts[0] - self.black[0],
            counts[1] - self.black[1],
            counts[2] - self.black[2],
        ];
        self.inverse
            .map(|row| row[0] * above[0] + row[1] * above[1] + row[2] * above[2])
    }
}

/// Sums from which a calibration is fitted to rows of known colours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fit {
    /// Products of the unknowns' factors: one for black, then red, green, blue.
    normal: [[f32; 4]; 4],
    counts: [Counts; 4],
}

impl Fit {
    /// Adds a row that showed a colour.
    pub(crate) fn add(&mut self, colour: Colour, counts: Counts) {
        let bits = colour.bits();
        let factors = [
            1.0,
            f32::from(bits >> 2 & 1),
            f32::from(bits >> 1 & 1),
            f32::from(bits & 1),
        ];
        for (a, factor) in factors.iter().enumerate() {
            for (b, other) in factors.iter().enumerate() {
                self.normal[a][b] += factor * other;
            }
            for (channel, count) in counts.iter().enumerate() {
                self.counts[a][channel] += factor * count;
            }
        }
    }

    /// Returns the calibration with the least squares, when the rows tell all four unknowns.
    pub(crate) fn solve(&self) -> Option<Calibration> {
        let (mut normal, mut counts) = (self.normal, self.counts);
        // Gauss-Jordan without exchange: the products are symmetric and positive when they can be solved.
        for pivot in 0..4 {
            let scale = normal[pivot][pivot];
            if scale < 1.0 {
                return None;
            }
            for value in &mut normal[pivot] {
                *value /= scale;
            }
            for value in &mut counts[pivot] {
                *value /= scale;
            }
            let (pivot_normal, pivot_counts) = (normal[pivot], counts[pivot]);
            for row in (0..4).filter(|row| *row != pivot) {
                let factor = normal[row][pivot];
                for (value, above) in normal[row].iter_mut().zip(pivot_normal) {
                    *value -= factor * above;
                }
                for (value, above) in counts[row].iter_mut().zip(pivot_counts) {
                    *value -= factor * above;
                }
            }
        }
        let [black, red, green, blue] = counts;
        Calibration::new(black, red, green, blue)
    }
}

fn inverted(m: &[[f32; 3]; 3]) -> Option<[[f32; 3]; 3]> {
    let minor =
        |r0: usize, c0: usize, r1: usize, c1: usize| m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0];
    let first = minor(1, 1, 2, 2);
    let second = minor(1, 0, 2, 2);
    let third = minor(1, 0, 2, 1);
    let determinant = m[0][0] * first - m[0][1] * second + m[0][2] * third;
    if determinant < DETERMINANT_MIN {
        return None;
    }
    let adjugate = [
        [first, -minor(0, 1, 2, 2), minor(0, 1, 1, 2)],
        [-second, minor(0, 0, 2, 2), -minor(0, 0, 1, 2)],
        [third, -minor(0, 0, 2, 1), minor(0, 0, 1, 1)],
    ];
    Some(adjugate.map(|row| row.map(|entry| entry / determinant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibrated_colour_lies_on_its_corner() {
        let black = [10.0, 12.0, 9.0];
        let (red, green, blue) = ([90.0, 5.0, 12.0], [14.0, 70.0, 20.0], [6.0, 18.0, 60.0]);
        let calibration = Calibration::new(black, red, green, blue).expect("three clear primaries");
        let magenta = [106.0, 35.0, 81.0];
        let shares = calibration.shares(magenta);
        for (share, expected) in shares.iter().zip([1.0, 0.0, 1.0]) {
            assert!((share - expected).abs() < 1e-4, "{shares:?}");
        }
    }

    #[test]
    fn swapped_or_dependent_primaries_are_no_calibration() {
        let (red, green, blue) = ([90.0, 5.0, 12.0], [14.0, 70.0, 20.0], [6.0, 18.0, 60.0]);
        assert!(Calibration::new([0.0; 3], green, red, blue).is_none());
        assert!(Calibration::new([0.0; 3], red, red, blue).is_none());
        assert!(Calibration::new([0.0; 3], [0.0; 3], [0.0; 3], [0.0; 3]).is_none());
    }
}
