//! Lists that are given page by page.

/// What of a list was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Page<T> {
    /// The lines, newest first.
    pub lines: Vec<T>,
    /// Where the next page begins, when there is one.
    pub next: Option<u64>,
}

/// One line more than wanted tells whether there is a next page.
pub(crate) fn look_ahead(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}

/// Cuts off the line that was only looked for.
pub(crate) fn page<T>(mut lines: Vec<(u64, T)>, limit: usize) -> Page<T> {
    let more = lines.len() > limit;
    lines.truncate(limit);
    Page {
        next: lines.last().map(|(seq, _)| *seq).filter(|_| more),
        lines: lines.into_iter().map(|(_, line)| line).collect(),
    }
}
