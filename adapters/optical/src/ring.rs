//! The newest rows, at most a fixed number of them.

/// Rows kept: more than five seconds of the usual poll: four loops at 60 Hz, or one of the longest symbols.
pub(crate) const RING_ROWS: usize = 1_760;

/// Least end of a scale.
const CEILING_MIN: u16 = 255;
/// Times that the greatest count has to come back.
const CEILING_ROWS: u32 = 8;

/// Time is kept in ticks of this many microseconds: less than any reader's jitter.
const TICK_US: u32 = 32;
/// The count that stands for none; a sensor's own greatest count is taken for one less.
const MISSED: u16 = u16::MAX;

/// One row, or a row that should have been there: eight bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Ticks since the decoder's origin, wrapping after two seconds.
    ticks: u16,
    rgb: [u16; 3],
}

impl Row {
    pub(crate) fn seen(t_us: u64, rgb: [u16; 3]) -> Self {
        Self {
            ticks: ticks(t_us),
            rgb: rgb.map(|count| count.min(MISSED - 1)),
        }
    }

    /// A row that the reader missed; it says nothing, but keeps its place in time.
    pub(crate) const fn missed(t_us: u64) -> Self {
        Self {
            ticks: ticks(t_us),
            rgb: [MISSED; 3],
        }
    }

    /// Returns the counts, if the row was seen.
    pub(crate) fn counts(&self) -> Option<[f32; 3]> {
        (self.rgb[0] != MISSED).then(|| self.rgb.map(f32::from))
    }

    /// Returns the microseconds from an older row to this one, when they are less than two seconds apart.
    pub(crate) const fn since_us(&self, older: &Self) -> u32 {
        self.ticks.wrapping_sub(older.ticks) as u32 * TICK_US
    }
}

/// The low part is enough: only near rows are compared.
const fn ticks(t_us: u64) -> u16 {
    (t_us / TICK_US as u64) as u16
}

/// A ring of rows, addressed by their running number.
pub(crate) struct Ring {
    rows: Vec<Row>,
    next: u64,
    greatest: u16,
    /// Rows that had the greatest count.
    at_greatest: u32,
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self {
            rows: vec![Row::missed(0); RING_ROWS],
            next: 0,
            greatest: 0,
            at_greatest: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.next = 0;
        self.greatest = 0;
        self.at_greatest = 0;
    }

    pub(crate) fn push(&mut self, row: Row) {
        let counts = row.counts().map_or([0; 3], |_| row.rgb);
        for count in counts {
            if count > self.greatest {
                self.greatest = count;
                self.at_greatest = 0;
            }
            self.at_greatest += u32::from(count == self.greatest);
        }
        self.rows[slot(self.next)] = row;
        self.next += 1;
    }

    /// Returns the count from which a channel is at the end of its scale: noise never repeats a great count so often.
    pub(crate) const fn ceiling(&self) -> u16 {
        if self.greatest >= CEILING_MIN && self.at_greatest >= CEILING_ROWS {
            self.greatest
        } else {
            u16::MAX
        }
    }

    /// Returns the number the next row will have.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Returns the number of the oldest row kept.
    pub(crate) const fn oldest(&self) -> u64 {
        self.next.saturating_sub(RING_ROWS as u64)
    }

    /// Returns a row that is kept, by its number.
    pub(crate) fn row(&self, number: u64) -> &Row {
        debug_assert!((self.oldest()..self.next).contains(&number));
        &self.rows[slot(number)]
    }

    /// Returns the newest row.
    pub(crate) fn newest(&self) -> Option<&Row> {
        self.next.checked_sub(1).map(|number| self.row(number))
    }
}

/// Returns where a numbered row lies.
pub(crate) const fn slot(number: u64) -> usize {
    (number % RING_ROWS as u64) as usize
}
