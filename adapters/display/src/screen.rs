//! Text on a display of so many columns and rows, in the letters that displays have.

use crate::language::Language;
use crate::text::Text;

/// A display's size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Screen {
    columns: u8,
    rows: u8,
}

impl Screen {
    /// So many columns and rows; none of either is a display that shows nothing.
    pub const fn new(columns: u8, rows: u8) -> Self {
        Self { columns, rows }
    }

    /// The sentence, row after row, every place filled: whole when it fits, else in a few words,
    /// cut where even they do not fit.
    pub fn show(self, text: Text, language: Language) -> String {
        self.fill(&self.laid_out(text, language))
    }

    /// The same with its rows as lines, for who fills the places of a display themselves.
    pub fn lines(self, text: Text, language: Language) -> String {
        self.laid_out(text, language).join("\n")
    }

    /// Digits that somebody types, in rows as lines: on one row with a word before them where it has
    /// room, else on two; none where it has no room.
    pub fn digits(self, digits: &str) -> Option<String> {
        let labelled = format!("Code {digits}");
        [labelled.as_str(), digits]
            .iter()
            .find_map(|text| {
                let is_whole = text.len() <= usize::from(self.columns) && self.rows > 0;
                is_whole.then(|| (*text).to_owned())
            })
            .or_else(|| self.wrap(digits).map(|rows| rows.join("\n")))
    }

    /// Somebody's own words, in rows as lines: cut where they do not fit.
    pub fn words(self, words: &str) -> String {
        let words = plain(words);
        let mut rows = self.wrap(&words).unwrap_or_else(|| self.cut(&words));
        rows.truncate(usize::from(self.rows));
        rows.join("\n")
    }

    fn laid_out(self, text: Text, language: Language) -> Vec<String> {
        let whole = plain(&text.say(language));
        let brief = plain(&text.brief(language));
        self.wrap(&whole)
            .or_else(|| self.wrap(&brief))
            .unwrap_or_else(|| self.cut(&brief))
    }

    /// The words in rows, or none when they do not fit.
    fn wrap(self, text: &str) -> Option<Vec<String>> {
        let columns = usize::from(self.columns);
        let mut rows: Vec<String> = Vec::new();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if word.len() > columns {
                return None;
            }
            match rows.last_mut() {
                Some(row) if row.len().saturating_add(1 + word.len()) <= columns => {
                    row.push(' ');
                    row.push_str(word);
                }
                Some(_) | None => rows.push(word.to_owned()),
            }
        }
        (rows.len() <= usize::from(self.rows)).then_some(rows)
    }

    fn cut(self, text: &str) -> Vec<String> {
        let columns = usize::from(self.columns).max(1);
        text.as_bytes()
            .chunks(columns)
            .map(|row| row.iter().copied().map(char::from).collect())
            .collect()
    }

    fn fill(self, rows: &[String]) -> String {
        let columns = usize::from(self.columns);
        let none = String::new();
        (0..usize::from(self.rows))
            .map(|place| {
                let row = rows.get(place).unwrap_or(&none);
                format!("{row:<columns$.columns$}")
            })
            .collect()
    }
}

/// The same in printable ASCII: letters without their accents, German ones by their digraphs.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ' '..='~' => plain.push(letter),
            'à' | 'á' | 'â' => plain.push('a'),
            'ç' => plain.push('c'),
            'è' | 'é' | 'ê' | 'ë' => plain.push('e'),
            'ì' | 'í' | 'î' | 'ï' => plain.push('i'),
            'ò' | 'ó' | 'ô' => plain.push('o'),
            'ù' | 'ú' | 'û' => plain.push('u'),
            'À' | 'Á' | 'Â' => plain.push('A'),
            'È' | 'É' | 'Ê' => plain.push('E'),
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' => plain.push_str("Ae"),
            'Ö' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            '€' => plain.push_str("EUR"),
            '\u{2019}' => plain.push('\''),
            '\u{a0}' | '\u{202f}' => plain.push(' '),
            _ => plain.push('?'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;
    use gettone_core::money::{Amount, Currency};
    use proptest::prelude::*;

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        let shown = Screen::new(20, 2).show(Text::NotDelivered, Language::Fr);
        assert_eq!(shown, "Produit non livre,  non debite          ");
        let shown = Screen::new(16, 1).show(Text::NotDelivered, Language::Fr);
        assert_eq!(shown, "Non debite      ");
    }

    #[test]
    fn letters_that_displays_lack_are_spelt_with_those_they_have() {
        assert_eq!(
            plain("Außer Übung, à l'écran: 3 €"),
            "Ausser Uebung, a l'ecran: 3 EUR"
        );
        assert_eq!(plain("今\u{7}"), "??");
    }

    #[test]
    fn digits_stand_on_one_row_where_they_fit_and_are_never_cut() {
        for (columns, rows, said) in [
            (16, 2, Some("Code 17 0123456")),
            (12, 1, Some("17 0123456")),
            (8, 2, Some("17\n0123456")),
            (8, 1, None),
            (6, 2, None),
            (16, 0, None),
        ] {
            let screen = Screen::new(columns, rows);
            assert_eq!(screen.digits("17 0123456").as_deref(), said, "{columns}");
        }
    }

    #[test]
    fn a_machine_without_a_display_is_shown_nothing() {
        assert_eq!(Screen::new(0, 2).show(Text::Thanks, Language::En), "");
        assert_eq!(Screen::new(16, 0).show(Text::Thanks, Language::En), "");
    }

    proptest! {
        #[test]
        fn every_place_is_filled_with_printable_letters(
            columns in 0..=40_u8,
            rows in 0..=4_u8,
            minor in any::<i64>(),
        ) {
            let screen = Screen::new(columns, rows);
            let left = Money::new(Amount::from_minor(minor), Currency::EUR);
            for language in Language::ALL {
                let shown = screen.show(Text::Choose { left }, language);
                prop_assert_eq!(shown.len(), usize::from(columns) * usize::from(rows));
                prop_assert!(shown.bytes().all(|letter| (b' '..=b'~').contains(&letter)));
            }
        }
    }
}
