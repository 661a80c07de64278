//! From counts to the colour cube: one offset and one column per primary.

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
        Some(Self { black, inverse })
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
