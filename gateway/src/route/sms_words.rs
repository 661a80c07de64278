//! What an SMS says, and what is answered: pure.

use super::sign_in::Language;
use crate::bounds::SMS_TEXT_MAX;
use crate::token::Digits;
use core::fmt::Write;
use gettone_core::id::MachineId;
use gettone_relay::TYPED_DIGITS;

/// Letters of a word that is sent back: none that look alike, and no vowels, so that it is no word.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const WORD_LEN: usize = 4;
const CODE_LEN: usize = TYPED_DIGITS as usize;
/// How many words there are.
pub(super) const WORDS: u64 = 160_000;

/// What somebody wants who sent an SMS.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// To buy at a machine; with `+`, for more than they agreed to without being asked.
    Buy {
        machine: MachineId,
        code: Digits,
        more: bool,
    },
    /// To send the word back that they were asked for, with a fresh code.
    Confirm {
        word: String,
        machine: Option<MachineId>,
        code: Digits,
    },
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Say {
    /// Nobody who pays by SMS is known by this number.
    Stranger,
    /// The text makes no sense.
    Help,
    /// The machine has a credit.
    Ready {
        machine: MachineId,
        held: String,
        currency: &'static str,
    },
    /// A word is to be sent back.
    Ask { word: String },
    /// Too many words were asked for.
    AskedOften,
    /// There is no such word, or not any more.
    NoWord,
    /// The digits are not those on the display.
    NoCode,
    /// Too many wrong codes.
    Wait { minutes: u64 },
    /// The day's bound is reached.
    Day,
    /// The money does not suffice.
    Funds,
    /// Another customer is at the machine, or it has no network now.
    Busy,
    /// The machine did not answer.
    Lapsed,
}

/// The word of a number below [`WORDS`].
pub(super) fn word(number: u64) -> String {
    let mut left = number;
    (0..WORD_LEN)
        .map(|_| {
            let letter = LETTERS[(left % 20) as usize];
            left /= 20;
            char::from(letter)
        })
        .collect()
}

impl Wish {
    /// Reads a text: a machine's number and the seven digits, or a word and the seven digits,
    /// however people set them apart.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > SMS_TEXT_MAX {
            return None;
        }
        let runs = |is: fn(&char) -> bool| {
            text.split(move |c| !is(&c))
                .filter(|run| !run.is_empty())
                .collect::<Vec<&str>>()
        };
        let words = runs(char::is_ascii_alphabetic);
        let word = words.iter().find(|word| {
            word.len() == WORD_LEN
                && word
                    .bytes()
                    .all(|letter| LETTERS.contains(&letter.to_ascii_uppercase()))
        });
        let numbers = runs(char::is_ascii_digit);
        let (machine, code) = split(&numbers)?;
        match (word, machine) {
            (Some(word), machine) => Some(Self::Confirm {
                word: word.to_ascii_uppercase(),
                machine,
                code,
            }),
            (None, Some(machine)) => Some(Self::Buy {
                machine,
                code,
                more: text.contains('+'),
            }),
            (None, None) => None,
        }
    }
}

/// The last seven digits are the code; what comes before is the machine's number.
fn split(numbers: &[&str]) -> Option<(Option<MachineId>, Digits)> {
    let all = numbers.concat();
    let at = all.len().checked_sub(CODE_LEN)?;
    let (machine, code) = all.split_at(at);
    // The number has an end of its own, unless nothing is set apart at all.
    let is_apart = match numbers {
        [_] => true,
        [first, ..] => machine.is_empty() || machine == *first,
        [] => false,
    };
    let code = code.parse().ok().filter(|_| is_apart)?;
    let machine = (!machine.is_empty())
        .then(|| machine.parse().ok().map(MachineId::new))
        .map_or(Some(None), |machine| machine.map(Some))?;
    Some((machine, code))
}

impl Language {
    /// Guessed from the country of a number, for those of whom nothing may be told.
    pub(super) fn of_number(number: &str) -> Self {
        let starts = |codes: &[&str]| codes.iter().any(|code| number.starts_with(code));
        if starts(&["+39", "+378"]) {
            Self::It
        } else if starts(&["+33", "+352", "+377"]) {
            Self::Fr
        } else if starts(&["+49", "+43", "+41", "+423"]) {
            Self::De
        } else {
            Self::En
        }
    }

    /// By its two letters.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "fr" => Self::Fr,
            "it" => Self::It,
            "de" => Self::De,
            _ => Self::En,
        }
    }
}

impl Say {
    /// In the words of a language, within one SMS.
    pub(super) fn words(&self, language: Language) -> String {
        let [en, fr, it, de] = self.phrases();
        let phrase = match language {
            Language::En => en,
            Language::Fr => fr,
            Language::It => it,
            Language::De => de,
        };
        self.fill(phrase)
    }

    #[rustfmt::skip]
    const fn phrases(&self) -> [&'static str; 4] {
        match self {
            Self::Stranger => [
                "Nothing was paid. Sign in to Gettone with this number and turn on paying by SMS.",
                "Rien n'a été payé. Connectez-vous à Gettone avec ce numéro et activez le paiement par SMS.",
                "Nessun pagamento. Accedi a Gettone con questo numero e attiva il pagamento via SMS.",
                "Nichts wurde bezahlt. Melden Sie sich bei Gettone mit dieser Nummer an und schalten Sie das Bezahlen per SMS ein.",
            ],
            Self::Help => [
                "Nothing was paid. Send the machine's number and the 7 digits on its display, such as: 17 0123456",
                "Rien n'a été payé. Envoyez le numéro du distributeur et les 7 chiffres affichés, par exemple : 17 0123456",
                "Nessun pagamento. Invia il numero del distributore e le 7 cifre sul display, per esempio: 17 0123456",
                "Nichts wurde bezahlt. Senden Sie die Nummer des Automaten und die 7 Ziffern im Display, etwa: 17 0123456",
            ],
            Self::Ready { .. } => [
                "Machine {machine} has up to {held} {currency} from you. Choose.",
                "Le distributeur {machine} a jusqu'à {held} {currency} de votre part. Choisissez.",
                "Il distributore {machine} ha fino a {held} {currency} da te. Scegli.",
                "Der Automat {machine} hat bis zu {held} {currency} von Ihnen. Wählen Sie.",
            ],
            Self::Ask { .. } => [
                "Was it you? Reply {word} and the code that is on the display by then, such as: {word} 0123456. If not, do nothing.",
                "Est-ce vous ? Répondez {word} et le code alors affiché, par exemple : {word} 0123456. Sinon, ne faites rien.",
                "Sei tu? Rispondi {word} e il codice che vedi allora sul display, per esempio: {word} 0123456. Se no, non fare nulla.",
                "Sind Sie es? Antworten Sie {word} und den Code, der dann im Display steht, etwa: {word} 0123456. Wenn nicht, tun Sie nichts.",
            ],
            Self::AskedOften => [
                "Nothing was paid. You were asked too often; please try again in an hour.",
                "Rien n'a été payé. Trop de demandes ; réessayez dans une heure.",
                "Nessun pagamento. Troppe richieste; riprova tra un'ora.",
                "Nichts wurde bezahlt. Zu viele Rückfragen; versuchen Sie es in einer Stunde wieder.",
            ],
            Self::NoWord => [
                "Nothing was paid. That word is wrong or too old. Send the machine's number and its code again.",
                "Rien n'a été payé. Ce mot est faux ou trop ancien. Renvoyez le numéro du distributeur et son code.",
                "Nessun pagamento. La parola è sbagliata o scaduta. Invia di nuovo il numero del distributore e il codice.",
                "Nichts wurde bezahlt. Das Wort ist falsch oder zu alt. Senden Sie Nummer und Code des Automaten noch einmal.",
            ],
            Self::NoCode => [
                "Nothing was paid. That is not the code on the display. Look again and send it at once.",
                "Rien n'a été payé. Ce n'est pas le code affiché. Regardez à nouveau et envoyez-le aussitôt.",
                "Nessun pagamento. Non è il codice sul display. Guarda di nuovo e invialo subito.",
                "Nichts wurde bezahlt. Das ist nicht der Code im Display. Sehen Sie noch einmal hin und senden Sie ihn gleich.",
            ],
            Self::Wait { .. } => [
                "Nothing was paid. Too many wrong codes; please wait {minutes} min.",
                "Rien n'a été payé. Trop de codes faux ; attendez {minutes} min.",
                "Nessun pagamento. Troppi codici sbagliati; aspetta {minutes} min.",
                "Nichts wurde bezahlt. Zu viele falsche Codes; warten Sie {minutes} Min.",
            ],
            Self::Day => [
                "Nothing was paid. You have reached what you may spend by SMS in a day.",
                "Rien n'a été payé. Vous avez atteint votre plafond du jour par SMS.",
                "Nessun pagamento. Hai raggiunto il tuo limite giornaliero via SMS.",
                "Nichts wurde bezahlt. Ihre Tagesgrenze für SMS ist erreicht.",
            ],
            Self::Funds => [
                "Nothing was paid. There is not enough money for this machine in your wallet.",
                "Rien n'a été payé. Votre porte-monnaie ne suffit pas pour ce distributeur.",
                "Nessun pagamento. Il tuo portafoglio non basta per questo distributore.",
                "Nichts wurde bezahlt. Ihr Guthaben reicht für diesen Automaten nicht.",
            ],
            Self::Busy => [
                "Nothing was paid. The machine takes no customer now. Please try again.",
                "Rien n'a été payé. Le distributeur n'accepte personne pour l'instant. Réessayez.",
                "Nessun pagamento. Il distributore ora non accetta clienti. Riprova.",
                "Nichts wurde bezahlt. Der Automat nimmt gerade niemanden an. Versuchen Sie es wieder.",
            ],
            Self::Lapsed => [
                "The machine did not answer. If it shows no credit, nothing is paid. Please try again.",
                "Le distributeur n'a pas répondu. S'il n'affiche aucun crédit, rien n'est payé. Réessayez.",
                "Il distributore non ha risposto. Se non mostra credito, non paghi nulla. Riprova.",
                "Der Automat hat nicht geantwortet. Zeigt er kein Guthaben, ist nichts bezahlt. Versuchen Sie es wieder.",
            ],
        }
    }

    fn fill(&self, phrase: &str) -> String {
        match self {
            Self::Ready {
                machine,
                held,
                currency,
            } => phrase
                .replace("{machine}", &machine.number().to_string())
                .replace("{held}", held)
                .replace("{currency}", currency),
            Self::Ask { word } => phrase.replace("{word}", word),
            Self::Wait { minutes } => {
                let mut text = String::new();
                write!(text, "{minutes}").expect("a String takes everything");
                phrase.replace("{minutes}", &text)
            }
            Self::Stranger
            | Self::Help
            | Self::AskedOften
            | Self::NoWord
            | Self::NoCode
            | Self::Day
            | Self::Funds
            | Self::Busy
            | Self::Lapsed => phrase.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buys(text: &str) -> Option<(u32, u32, bool)> {
        match Wish::read(text)? {
            Wish::Buy {
                machine,
                code,
                more,
            } => Some((machine.number(), code.number(), more)),
            Wish::Confirm { .. } => None,
        }
    }

    fn confirms(text: &str) -> Option<(String, Option<u32>, u32)> {
        match Wish::read(text)? {
            Wish::Buy { .. } => None,
            Wish::Confirm {
                word,
                machine,
                code,
            } => Some((word, machine.map(MachineId::number), code.number())),
        }
    }

    #[test]
    fn a_purchase_is_read_however_its_digits_are_set_apart() {
        for text in [
            "17 0123456",
            "17-0123456",
            "17.0123456",
            " 17\n0123456 ",
            "17 012 3456",
            "17 012-34-56",
            "170123456",
            "machine 17, code 0123456",
            "Automat 17: 0123456!",
        ] {
            assert_eq!(buys(text), Some((17, 123_456, false)), "{text:?}");
        }
        assert_eq!(buys("17 0123456 +"), Some((17, 123_456, true)));
    }

    #[test]
    fn a_word_that_is_sent_back_needs_no_machine() {
        for text in [
            "KXTB 0123456",
            "kxtb0123456",
            "0123456 Kxtb",
            "KXTB 012 3456",
        ] {
            let read = Some(("KXTB".to_owned(), None, 123_456));
            assert_eq!(confirms(text), read, "{text:?}");
        }
        let read = Some(("KXTB".to_owned(), Some(17), 123_456));
        assert_eq!(confirms("KXTB 17 0123456"), read);
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        let long = "1".repeat(1_000_000);
        for text in [
            "",
            "17",
            "0123456",
            "hello",
            "17 012345",
            "17 18 0123456",
            "99999999999 0123456",
            "KXTB",
            "KXTB 17",
            "\0\u{202e}💰",
            "١٧ ٠١٢٣٤٥٦",
            &long,
        ] {
            assert!(
                Wish::read(text).is_none(),
                "{} bytes: {text:.20?}",
                text.len()
            );
        }
    }

    #[test]
    fn every_word_is_one_that_is_read_and_no_two_numbers_have_the_same() {
        assert_eq!(WORDS, (LETTERS.len() as u64).pow(WORD_LEN as u32));
        assert_eq!(
            (word(0), word(WORDS - 1)),
            ("BBBB".to_owned(), "ZZZZ".to_owned())
        );
        assert_ne!(word(1), word(20));
        let text = format!("{} 0123456", word(123_456));
        assert_eq!(confirms(&text), Some((word(123_456), None, 123_456)));
    }

    #[test]
    fn every_answer_fits_into_one_sms_and_leaves_no_place_open() {
        let says = [
            Say::Stranger,
            Say::Help,
            Say::Ready {
                machine: MachineId::new(u32::MAX),
                held: "99999.99".to_owned(),
                currency: "EUR",
            },
            Say::Ask { word: word(7) },
            Say::AskedOften,
            Say::NoWord,
            Say::NoCode,
            Say::Wait { minutes: 60 },
            Say::Day,
            Say::Funds,
            Say::Busy,
            Say::Lapsed,
        ];
        for say in says {
            for language in [Language::En, Language::Fr, Language::It, Language::De] {
                let words = say.words(language);
                assert!(words.chars().count() <= 160, "{words}");
                assert!(!words.contains(['{', '’']), "{words}");
            }
        }
    }
}
