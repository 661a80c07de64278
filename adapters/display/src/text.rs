//! Every sentence a reader says.

use crate::language::Language;
use crate::money::Money;
use gettone_core::board::{LastResult, Life, Note, Refusal};
use gettone_core::money::{Amount, Currency};

/// Bytes of a sentence on a phone: the line of a STATUS. [protocol §6.1]
pub const LINE_LEN_MAX: usize = 64;

/// One sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    /// The reader starts.
    Starting,
    /// It waits for a phone's colours.
    Ready,
    /// It is reading a phone's colours.
    Watching,
    /// It had seen them, and they are gone.
    HoldStill,
    /// They are too weak.
    TooDark,
    /// There is too much light.
    TooBright,
    /// They flicker, or show no code.
    Flicker,
    /// It has read a code and waits for the phone.
    Connecting,
    /// It waits for the server's word.
    Asking,
    /// The customer may choose.
    Choose {
        /// Up to this price.
        left: Money,
    },
    /// What is on the account.
    Balance {
        /// So much.
        balance: Money,
    },
    /// The machine is at work.
    Wait,
    /// The product was given.
    Thanks,
    /// It was not, and costs nothing.
    NotDelivered,
    /// Nobody can say; it will be put right.
    InDoubt,
    /// The price is above what is left.
    Short {
        /// By so much.
        by: Money,
    },
    /// The grant allows no more products.
    NoVendLeft,
    /// The session is over.
    StartAgain,
    /// The account is too low.
    NotEnough,
    /// Something has to come first.
    OneMoment,
    /// The machine does not sell at present.
    MachineOff,
    /// The account may not buy.
    Blocked,
    /// The reader serves nobody.
    OutOfService,
    /// The machine does not answer.
    Silent,
    /// The machine was restarted.
    Restarted,
    /// The time is over.
    TimedOut,
    /// The customer has ended the session.
    Ended,
    /// Coins were added to the account.
    Added,
    /// Coins are not taken now.
    NoCash,
}

impl Text {
    /// What a board that stands so has to say; none when there is nothing to say.
    pub fn telling(
        life: Life,
        last: LastResult,
        note: Note,
        remaining: Amount,
        currency: Currency,
    ) -> Option<Self> {
        Some(match (note, last, life) {
            (Note::Short(by), ..) => Self::Short {
                by: Money::new(Amount::from_minor(i64::from(by)), currency),
            },
            (Note::NoVendLeft, ..) => Self::NoVendLeft,
            (Note::NoGrant, ..) => Self::StartAgain,
            (Note::Refused(refusal), ..) => Self::refusal(refusal),
            (Note::JournalFull | Note::JournalFailed | Note::Locked, ..) => Self::OutOfService,
            (Note::CashRefused, ..) => Self::NoCash,
            (Note::Silent, ..) => Self::Silent,
            (_, _, Life::Vending) => Self::Wait,
            (_, LastResult::Vended, _) => Self::Thanks,
            (_, LastResult::CashTaken, _) => Self::Added,
            (_, LastResult::Failed, _) => Self::NotDelivered,
            (_, LastResult::Unknown, _) => Self::InDoubt,
            (Note::Reset, ..) => Self::Restarted,
            (Note::TimedOut, ..) => Self::TimedOut,
            (_, _, Life::Granted) => Self::Choose {
                left: Money::new(remaining, currency),
            },
            (Note::Left | Note::Returned | Note::Spent, ..) => Self::Ended,
            (_, _, Life::Linked) => Self::Asking,
            (_, _, Life::Advertising) => Self::Connecting,
            (_, _, Life::Idle | Life::Waiting | Life::Closing) => return None,
        })
    }

    const fn refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Funds => Self::NotEnough,
            Refusal::Stale => Self::StartAgain,
            Refusal::Pending => Self::OneMoment,
            Refusal::MachineOff => Self::MachineOff,
            Refusal::Blocked => Self::Blocked,
            Refusal::Reader => Self::OutOfService,
        }
    }

    /// The whole sentence, for a phone: at most [`LINE_LEN_MAX`] bytes.
    pub fn say(self, language: Language) -> String {
        let (whole, _) = self.words(language);
        match self.money() {
            Some(money) => whole.replace("{}", &money.say(language)),
            None => whole.to_owned(),
        }
    }

    /// The sentence in a few words, for the sixteen places of a small display.
    pub fn brief(self, language: Language) -> String {
        let (_, brief) = self.words(language);
        match self.money() {
            Some(money) => brief.replace("{}", &money.figures(language)),
            None => brief.to_owned(),
        }
    }

    const fn money(self) -> Option<Money> {
        match self {
            Self::Choose { left: money }
            | Self::Balance { balance: money }
            | Self::Short { by: money } => Some(money),
            Self::Starting
            | Self::Ready
            | Self::Watching
            | Self::HoldStill
            | Self::TooDark
            | Self::TooBright
            | Self::Flicker
            | Self::Connecting
            | Self::Asking
            | Self::Wait
            | Self::Thanks
            | Self::NotDelivered
            | Self::InDoubt
            | Self::NoVendLeft
            | Self::StartAgain
            | Self::NotEnough
            | Self::OneMoment
            | Self::MachineOff
            | Self::Blocked
            | Self::OutOfService
            | Self::Silent
            | Self::Restarted
            | Self::TimedOut
            | Self::Ended
            | Self::Added
            | Self::NoCash => None,
        }
    }

    /// The sentence and its few words; `{}` is where the amount goes.
    #[rustfmt::skip]
    const fn words(self, language: Language) -> (&'static str, &'static str) {
        use Language::{De, En, Fr, It};
        match (self, language) {
            (Self::Starting, En) => ("Starting, one moment", "Starting"),
            (Self::Starting, Fr) => ("Démarrage en cours", "Démarrage"),
            (Self::Starting, It) => ("Avvio in corso", "Avvio in corso"),
            (Self::Starting, De) => ("Wird gestartet, einen Moment", "Startet"),

            (Self::Ready, En) => ("Show the phone's colours to the reader", "Show your phone"),
            (Self::Ready, Fr) => ("Montrez les couleurs au lecteur", "Montrez l'écran"),
            (Self::Ready, It) => ("Mostra i colori al lettore", "Mostra i colori"),
            (Self::Ready, De) => ("Farben vor den Leser halten", "Farben zeigen"),

            (Self::Watching, En) => ("Reading your colours, hold still", "Hold still"),
            (Self::Watching, Fr) => ("Lecture en cours, ne bougez pas", "Ne bougez pas"),
            (Self::Watching, It) => ("Lettura in corso, tieni fermo", "Tieni fermo"),
            (Self::Watching, De) => ("Farben werden gelesen, still halten", "Still halten"),

            (Self::HoldStill, En) => ("Lost your colours, hold still", "Hold still"),
            (Self::HoldStill, Fr) => ("Couleurs perdues, ne bougez pas", "Ne bougez pas"),
            (Self::HoldStill, It) => ("Colori persi, tieni fermo", "Tieni fermo"),
            (Self::HoldStill, De) => ("Farben verloren, still halten", "Still halten"),

            (Self::TooDark, En) => ("Too dark: come closer, screen brighter", "Closer, brighter"),
            (Self::TooDark, Fr) => ("Trop sombre : plus près, plus clair", "Approchez"),
            (Self::TooDark, It) => ("Troppo scuro: avvicina, schermo chiaro", "Avvicina"),
            (Self::TooDark, De) => ("Zu dunkel: näher heran, Bildschirm heller", "Näher, heller"),

            (Self::TooBright, En) => ("Too much light: shade the reader", "Shade the reader"),
            (Self::TooBright, Fr) => ("Trop de lumière : couvrez le lecteur", "Trop de lumière"),
            (Self::TooBright, It) => ("Troppa luce: copri il lettore", "Troppa luce"),
            (Self::TooBright, De) => ("Zu viel Licht: Leser abschatten", "Zu viel Licht"),

            (Self::Flicker, En) => ("Not readable: set the screen to full brightness", "Full brightness"),
            (Self::Flicker, Fr) => ("Illisible : luminosité de l'écran au maximum", "Luminosité max."),
            (Self::Flicker, It) => ("Illeggibile: luminosità dello schermo al massimo", "Luminosità max"),
            (Self::Flicker, De) => ("Nicht lesbar: Bildschirm auf volle Helligkeit", "Volle Helligkeit"),

            (Self::Connecting, En) => ("Code read, connecting", "Connecting"),
            (Self::Connecting, Fr) => ("Code lu, connexion en cours", "Connexion"),
            (Self::Connecting, It) => ("Codice letto, connessione", "Connessione"),
            (Self::Connecting, De) => ("Code gelesen, wird verbunden", "Wird verbunden"),

            (Self::Asking, En) => ("Asking your account", "One moment"),
            (Self::Asking, Fr) => ("Consultation de votre compte", "Un instant"),
            (Self::Asking, It) => ("Verifica del conto", "Un momento"),
            (Self::Asking, De) => ("Ihr Konto wird gefragt", "Einen Moment"),

            (Self::Choose { .. }, En) => ("Please choose, up to {}", "Up to {}"),
            (Self::Choose { .. }, Fr) => ("Choisissez, jusqu'à {}", "Max. {}"),
            (Self::Choose { .. }, It) => ("Scegli, fino a {}", "Fino a {}"),
            (Self::Choose { .. }, De) => ("Bitte wählen, bis {}", "Bis {}"),

            (Self::Balance { .. }, En) => ("Your balance: {}", "Balance {}"),
            (Self::Balance { .. }, Fr) => ("Votre solde : {}", "Solde {}"),
            (Self::Balance { .. }, It) => ("Il tuo saldo: {}", "Saldo {}"),
            (Self::Balance { .. }, De) => ("Ihr Guthaben: {}", "Konto {}"),

            (Self::Wait, En) => ("Please wait", "Please wait"),
            (Self::Wait, Fr) => ("Veuillez patienter", "Patientez"),
            (Self::Wait, It) => ("Attendere prego", "Attendere"),
            (Self::Wait, De) => ("Bitte warten", "Bitte warten"),

            (Self::Thanks, En) => ("Thank you", "Thank you"),
            (Self::Thanks, Fr) => ("Merci", "Merci"),
            (Self::Thanks, It) => ("Grazie", "Grazie"),
            (Self::Thanks, De) => ("Vielen Dank", "Vielen Dank"),

            (Self::NotDelivered, En) => ("Not delivered, not charged", "Not charged"),
            (Self::NotDelivered, Fr) => ("Produit non livré, non débité", "Non débité"),
            (Self::NotDelivered, It) => ("Non erogato, non addebitato", "Non addebitato"),
            (Self::NotDelivered, De) => ("Nicht ausgegeben, nicht berechnet", "Nicht berechnet"),

            (Self::InDoubt, En) => ("Outcome unknown, it will be put right", "Will be checked"),
            (Self::InDoubt, Fr) => ("Résultat inconnu, il sera vérifié", "Sera vérifié"),
            (Self::InDoubt, It) => ("Esito incerto, sarà verificato", "Verifica segue"),
            (Self::InDoubt, De) => ("Ausgang unklar, wird geprüft", "Wird geprüft"),

            (Self::Short { .. }, En) => ("{} short", "{} short"),
            (Self::Short { .. }, Fr) => ("Il manque {}", "Manque {}"),
            (Self::Short { .. }, It) => ("Mancano {}", "Mancano {}"),
            (Self::Short { .. }, De) => ("Es fehlen {}", "Fehlen {}"),

            (Self::NoVendLeft, En) => ("No purchase left, please start again", "No more now"),
            (Self::NoVendLeft, Fr) => ("Plus d'achat possible, recommencez", "Recommencez"),
            (Self::NoVendLeft, It) => ("Acquisti esauriti, ricominciare", "Ricominciare"),
            (Self::NoVendLeft, De) => ("Kein Kauf mehr frei, bitte neu beginnen", "Neu beginnen"),

            (Self::StartAgain, En) => ("Please start again", "Start again"),
            (Self::StartAgain, Fr) => ("Veuillez recommencer", "Recommencez"),
            (Self::StartAgain, It) => ("Ricominciare prego", "Ricominciare"),
            (Self::StartAgain, De) => ("Bitte neu beginnen", "Neu beginnen"),

            (Self::NotEnough, En) => ("Not enough money on the account", "Balance too low"),
            (Self::NotEnough, Fr) => ("Solde du compte insuffisant", "Solde trop bas"),
            (Self::NotEnough, It) => ("Saldo del conto insufficiente", "Saldo basso"),
            (Self::NotEnough, De) => ("Guthaben reicht nicht aus", "Konto zu niedrig"),

            (Self::OneMoment, En) => ("One moment please", "One moment"),
            (Self::OneMoment, Fr) => ("Un instant s'il vous plaît", "Un instant"),
            (Self::OneMoment, It) => ("Un momento prego", "Un momento"),
            (Self::OneMoment, De) => ("Einen Moment bitte", "Einen Moment"),

            (Self::MachineOff, En) => ("The machine is not ready to sell", "Not ready"),
            (Self::MachineOff, Fr) => ("Le distributeur n'est pas prêt", "Pas prêt"),
            (Self::MachineOff, It) => ("Il distributore non è pronto", "Non pronto"),
            (Self::MachineOff, De) => ("Der Automat ist nicht bereit", "Nicht bereit"),

            (Self::Blocked, En) => ("This account cannot buy at present", "Account blocked"),
            (Self::Blocked, Fr) => ("Ce compte ne peut pas acheter", "Compte bloqué"),
            (Self::Blocked, It) => ("Questo conto non può acquistare", "Conto bloccato"),
            (Self::Blocked, De) => ("Dieses Konto ist gesperrt", "Konto gesperrt"),

            (Self::OutOfService, En) => ("Out of service", "Out of service"),
            (Self::OutOfService, Fr) => ("Hors service", "Hors service"),
            (Self::OutOfService, It) => ("Fuori servizio", "Fuori servizio"),
            (Self::OutOfService, De) => ("Außer Betrieb", "Außer Betrieb"),

            (Self::Silent, En) => ("The machine does not answer", "No answer"),
            (Self::Silent, Fr) => ("Le distributeur ne répond pas", "Sans réponse"),
            (Self::Silent, It) => ("Il distributore non risponde", "Nessuna risposta"),
            (Self::Silent, De) => ("Der Automat antwortet nicht", "Keine Antwort"),

            (Self::Restarted, En) => ("The machine was restarted", "Restarted"),
            (Self::Restarted, Fr) => ("Le distributeur a redémarré", "Redémarré"),
            (Self::Restarted, It) => ("Il distributore è ripartito", "Ripartito"),
            (Self::Restarted, De) => ("Der Automat wurde neu gestartet", "Neu gestartet"),

            (Self::TimedOut, En) => ("The time is over", "Time is over"),
            (Self::TimedOut, Fr) => ("Le temps est écoulé", "Temps écoulé"),
            (Self::TimedOut, It) => ("Il tempo è scaduto", "Tempo scaduto"),
            (Self::TimedOut, De) => ("Die Zeit ist abgelaufen", "Zeit abgelaufen"),

            (Self::Ended, En) => ("Goodbye", "Goodbye"),
            (Self::Ended, Fr) => ("Au revoir", "Au revoir"),
            (Self::Ended, It) => ("Arrivederci", "Arrivederci"),
            (Self::Ended, De) => ("Auf Wiedersehen", "Auf Wiedersehen"),

            (Self::Added, En) => ("Added to your account, thank you", "Coins added"),
            (Self::Added, Fr) => ("Versé sur votre compte, merci", "Versé, merci"),
            (Self::Added, It) => ("Accreditato sul conto, grazie", "Accreditato"),
            (Self::Added, De) => ("Dem Konto gutgeschrieben, danke", "Gutgeschrieben"),

            (Self::NoCash, En) => ("No coins are taken now", "No coins now"),
            (Self::NoCash, Fr) => ("Les pièces ne sont pas acceptées", "Pas de pièces"),
            (Self::NoCash, It) => ("Le monete non sono accettate", "Niente monete"),
            (Self::NoCash, De) => ("Münzen werden nicht genommen", "Keine Münzen"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Screen;
    use gettone_core::money::AMOUNT_MAX;

    fn all(money: Money) -> [Text; 29] {
        [
            Text::Starting,
            Text::Ready,
            Text::Watching,
            Text::HoldStill,
            Text::TooDark,
            Text::TooBright,
            Text::Flicker,
            Text::Connecting,
            Text::Asking,
            Text::Choose { left: money },
            Text::Balance { balance: money },
            Text::Wait,
            Text::Thanks,
            Text::NotDelivered,
            Text::InDoubt,
            Text::Short { by: money },
            Text::NoVendLeft,
            Text::StartAgain,
            Text::NotEnough,
            Text::OneMoment,
            Text::MachineOff,
            Text::Blocked,
            Text::OutOfService,
            Text::Silent,
            Text::Restarted,
            Text::TimedOut,
            Text::Ended,
            Text::Added,
            Text::NoCash,
        ]
    }

    #[test]
    fn every_sentence_fits_the_phones_line_with_the_largest_amount_there_is() {
        let money = Money::new(Amount::from_minor(AMOUNT_MAX), Currency::EUR);
        for text in all(money) {
            for language in Language::ALL {
                let said = text.say(language);
                assert!((1..=LINE_LEN_MAX).contains(&said.len()), "{said}");
                assert!(!said.contains("{}"), "{said}");
            }
        }
    }

    #[test]
    fn a_display_of_sixteen_places_shows_every_sentence_uncut_with_amounts_below_ten_thousand() {
        let money = Money::new(Amount::from_minor(999_999), Currency::EUR);
        for text in all(money) {
            for language in Language::ALL {
                let brief = crate::screen::plain(&text.brief(language));
                assert!(brief.len() <= 16, "{brief}: {}", brief.len());
                assert!(!brief.contains('?'), "{brief}");
                let shown = Screen::new(16, 2).show(text, language);
                assert_eq!(shown.len(), 32, "{shown}");
            }
        }
    }

    #[test]
    fn a_board_says_first_what_its_customer_has_to_know() {
        let tell = |life, last, note| {
            Text::telling(life, last, note, Amount::from_minor(280), Currency::EUR)
                .map(|text| text.say(Language::En))
                .unwrap_or_default()
        };
        use LastResult::{Failed, None, Unknown, Vended};
        for (life, last, note, said) in [
            (Life::Idle, None, Note::None, ""),
            (Life::Advertising, None, Note::None, "Code read, connecting"),
            (Life::Linked, None, Note::None, "Asking your account"),
            (
                Life::Linked,
                None,
                Note::Refused(Refusal::Funds),
                "Not enough money on the account",
            ),
            (
                Life::Granted,
                None,
                Note::None,
                "Please choose, up to 2.80 EUR",
            ),
            (Life::Granted, None, Note::Short(90), "0.90 EUR short"),
            (Life::Vending, None, Note::None, "Please wait"),
            (Life::Granted, Vended, Note::None, "Thank you"),
            (
                Life::Closing,
                Failed,
                Note::Reset,
                "Not delivered, not charged",
            ),
            (
                Life::Closing,
                Unknown,
                Note::Reset,
                "Outcome unknown, it will be put right",
            ),
            (Life::Closing, None, Note::TimedOut, "The time is over"),
            (Life::Closing, None, Note::Left, "Goodbye"),
            (Life::Idle, None, Note::JournalFailed, "Out of service"),
        ] {
            assert_eq!(tell(life, last, note), said, "{life:?} {last:?} {note:?}");
        }
    }
}
