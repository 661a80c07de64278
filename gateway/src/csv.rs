//! Lines for spreadsheets (RFC 4180), in which no cell of ours is ever a formula.

/// Adds a line; every cell is quoted where it has to be.
pub(crate) fn line<'a>(out: &mut String, cells: impl IntoIterator<Item = Cell<'a>>) {
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        match cell {
            Cell::Ours(text) => quoted(out, text),
            Cell::Theirs(text) => {
                // A spreadsheet takes a cell that begins like this for a formula, quoted or not;
                // an apostrophe makes it text.
                if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
                    quoted(out, &format!("'{text}"));
                } else {
                    quoted(out, text);
                }
            }
        }
    }
    out.push_str("\r\n");
}

/// A cell, by who wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    /// A number, a time or a word of ours.
    Ours(&'a str),
    /// What somebody typed.
    Theirs(&'a str),
}

fn quoted(out: &mut String, text: &str) {
    if !text.contains(['"', ',', '\r', '\n']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_typed_is_never_a_formula() {
        for (typed, written) in [
            ("espresso", "espresso\r\n"),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"\r\n"),
            ("+1", "'+1\r\n"),
            ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0\r\n"),
            ("@SUM(A1)", "'@SUM(A1)\r\n"),
            ("\t=1", "'\t=1\r\n"),
            ("tea, green", "\"tea, green\"\r\n"),
            ("a\r\nb", "\"a\r\nb\"\r\n"),
        ] {
            let mut out = String::new();
            line(&mut out, [Cell::Theirs(typed)]);
            assert_eq!(out, written, "{typed:?}");
        }
        let mut out = String::new();
        line(&mut out, [Cell::Ours("-0.50"), Cell::Ours("EUR")]);
        assert_eq!(out, "-0.50,EUR\r\n", "a refund stays a number");
    }
}
