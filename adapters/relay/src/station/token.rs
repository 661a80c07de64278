//! Token mode: the code on show, a link that begins with it, and the light that answers it.

use super::{Entropy, Notice, Output, Station};
use crate::names::vend_of;
use crate::token::{slip_out, token_nonce};
use core::time::Duration;
use gettone_channel::{
    Eid, LightGrant, LightPlace, Psk, Token, TokenKey, TokenKeyUpdate, TokenLink,
};
use gettone_core::board::{self, LightTerms, TokenNews};

/// Codes that are taken at one time: the one on show, and the one before.
const TAKEN_MAX: usize = 2;

/// A code to put on show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// What a QR or a tag says behind the host.
    pub link: TokenLink,
    /// What the radio says while the code is on show.
    pub eid: Eid,
    /// What it may say beside that, for who scanned the code before.
    pub before: Option<Eid>,
    /// The digits that stand for the code where somebody types; none that the server would refuse.
    pub typed: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Tokens {
    key: TokenKey,
    shown: Vec<Shown>,
    /// Whether a link may begin with a code now.
    is_open: bool,
}

#[derive(Debug)]
struct Shown {
    token: Token,
    /// The key that it was made with.
    key: TokenKey,
    place: LightPlace,
}

impl Station {
    /// Has the station show codes, made with this key.
    #[must_use]
    pub fn with_tokens(mut self, key: TokenKey) -> Self {
        self.board = self.board.with_tokens();
        self.tokens = Some(Tokens {
            key,
            shown: Vec::new(),
            is_open: false,
        });
        self
    }

    /// Has the next codes be made with this key; those on show stay what they are.
    pub(super) fn change_token_key(&mut self, key: TokenKey) {
        if let Some(tokens) = &mut self.tokens {
            tokens.key = key;
        }
    }

    /// The key's item for a HELLO that is to carry it.
    pub(super) fn token_key(&self, news: TokenNews) -> Option<gettone_channel::Item> {
        let (TokenNews::Key(step), Some(tokens)) = (news, &self.tokens) else {
            return None;
        };
        Some(gettone_channel::Item::TokenKey(TokenKeyUpdate {
            k_tok: tokens.key.clone(),
            step,
        }))
    }

    pub(super) fn offer(&mut self, offer: &board::Offer) {
        let reader = self.ring.reader();
        let slip = slip_out(offer, self.facts.boot, self.facts.epoch);
        let Some(tokens) = &mut self.tokens else {
            return;
        };
        let slip = match slip.seal(&tokens.key, reader, offer.step) {
            Ok(slip) => slip,
            Err(fault) => return self.note(Notice::Code(fault)),
        };
        let token = tokens.key.token(offer.step);
        let shown = Shown {
            token,
            key: tokens.key.clone(),
            place: LightPlace {
                boot: self.facts.boot,
                step: offer.step,
                slip: slip.digest(),
            },
        };
        tokens
            .shown
            .retain(|old| Some(old.place.step) == offer.before && old.place.step != offer.step);
        tokens.shown.push(shown);
        debug_assert!(tokens.shown.len() <= TAKEN_MAX, "a step and the one before");
        tokens.is_open = true;
        let typed = offer
            .may_be_typed
            .then(|| tokens.key.typed(offer.step, crate::bounds::TYPED_DIGITS));
        let before = offer.before.map(|before| {
            let mut shown = tokens.shown.iter();
            let found = shown.find(|shown| shown.place.step == before);
            let token = found.map_or_else(|| tokens.key.token(before), |shown| shown.token);
            token.secret().eid()
        });
        self.outputs.push_back(Output::Offer(Box::new(Offer {
            link: TokenLink {
                reader,
                step: offer.step,
                token,
                slip,
            },
            eid: token.secret().eid(),
            before,
            typed,
        })));
    }

    pub(super) fn withdraw(&mut self) {
        if let Some(tokens) = &mut self.tokens {
            tokens.is_open = false;
        }
        self.outputs.push_back(Output::Withdraw);
    }

    /// Takes the ten bytes of a light grant, if the server made it for a code that is still taken.
    pub(super) fn light_seen(&mut self, now: Duration, light: [u8; 10], entropy: &mut Entropy) {
        let light = LightGrant::from_bytes(light);
        let reader = crate::names::reader_in(self.ring.reader());
        let answered = self.tokens.as_ref().and_then(|tokens| {
            let shown = &tokens.shown;
            shown
                .iter()
                .find(|shown| light.is_of(&shown.key, &shown.place))
        });
        let Some(shown) = answered else {
            return self.note(Notice::ForeignLight);
        };
        let step = shown.place.step;
        let terms = LightTerms {
            grant: vend_of(reader, token_nonce(&shown.token)),
            spend_max: light.class.cap_minor(),
            vends_max: light.class.vends_max(),
        };
        let fresh = entropy.fresh;
        let input = board::Input::LightGranted {
            step,
            light: terms,
            fresh,
        };
        self.tell(now, input, entropy);
    }

    /// The secrets with which a link may begin while a code is on show.
    pub(super) fn token_doors(&self) -> Vec<(u64, Psk)> {
        let open = self.tokens.iter().filter(|tokens| tokens.is_open);
        open.flat_map(|tokens| &tokens.shown)
            .map(|shown| (shown.place.step, shown.token.secret().psk()))
            .collect()
    }

    pub(super) fn has_token_door(&self) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| tokens.is_open)
    }
}
