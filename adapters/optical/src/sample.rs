//! One row of a colour sensor.

/// Raw counts of one reading, on the reader's own monotone clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Microseconds since an arbitrary origin.
    pub t_us: u64,
    /// Red counts.
    pub r: u16,
    /// Green counts.
    pub g: u16,
    /// Blue counts.
    pub b: u16,
    /// Clear counts; may be 0 or saturated, nothing depends on them.
    pub c: u16,
}
