//! Who asks: operators and the platform by API keys, customers by tokens that need no table, and
//! whoever signed in by the token in a cookie.

use crate::bounds::CREDENTIAL_LEN_MAX;
use crate::text::{hex, unhex};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use gettone_core::id::WalletId;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

const TOKEN_LABEL: &[u8] = b"gettone app token v1";
const ID_LEN: usize = 8;
const TAG_LEN: usize = 32;

/// The SHA-256 of an API key; the key itself is nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads a digest from 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl ToSql for KeyDigest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

/// A secret that is given away once, in an answer or a cookie; here only its digest is kept.
pub(crate) struct Ticket(Zeroizing<String>);

impl Ticket {
    /// Makes one from fresh random bytes; `prefix` tells people what they found.
    pub(crate) fn new(prefix: &str, bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(format!(
            "{prefix}{}",
            URL_SAFE_NO_PAD.encode(bytes)
        )))
    }

    /// What is given away.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept.
    pub(crate) fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.0.as_bytes())
    }
}

/// A keyed digest: without the key nobody finds out by trying what it was made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sealed([u8; 32]);

impl Sealed {
    /// Compares in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

impl ToSql for Sealed {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Sealed {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(Self)
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.0;
        write!(f, "KeyDigest({}..)", hex(&[first, second]))
    }
}

/// What came after `Bearer`; it is never shown.
pub(crate) struct Bearer<'a>(&'a str);

impl<'a> Bearer<'a> {
    /// Takes the value of an `Authorization` header.
    pub(crate) fn from_header(value: &'a str) -> Option<Self> {
        let (scheme, credential) = value.split_once(' ')?;
        let credential = credential.trim();
        (scheme.eq_ignore_ascii_case("bearer")
            && !credential.is_empty()
            && credential.len() <= CREDENTIAL_LEN_MAX)
            .then_some(Self(credential))
    }

    /// Takes the value of a cookie.
    pub(crate) fn from_cookie(value: &'a str) -> Option<Self> {
        (!value.is_empty() && value.len() <= CREDENTIAL_LEN_MAX).then_some(Self(value))
    }

    /// The digest by which a key is found in a table.
    pub(crate) fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.0.as_bytes())
    }

    /// Finds whose key it is. It looks at every key, so that time tells nothing.
    pub(crate) fn find<'k, T>(
        &self,
        keys: impl IntoIterator<Item = (&'k KeyDigest, T)>,
    ) -> Option<T> {
        let given = self.digest();
        let mut found = None;
        for (key, owner) in keys {
            if bool::from(key.is(&given)) {
                found = Some(owner);
            }
        }
        found
    }
}

/// Seals customers' addresses and the codes that prove them.
pub(crate) struct Seals {
    secret: Zeroizing<[u8; 32]>,
}

impl Seals {
    /// Derives the secret from the 32 bytes of the app key.
    pub(crate) fn from_key(key: &[u8; 32]) -> Self {
        Self {
            secret: derived(key, b"gettone people secret v1"),
        }
    }

    /// What an address is found by.
    pub(crate) fn address(&self, address: &str) -> Sealed {
        self.seal(&[b"address", address.as_bytes()])
    }

    /// What a code of an address is compared by.
    pub(crate) fn code(&self, address: &Sealed, code: &str) -> Sealed {
        self.seal(&[b"code", &address.0, code.as_bytes()])
    }

    fn seal(&self, parts: &[&[u8]]) -> Sealed {
        let mac = parts.iter().fold(keyed(&self.secret), |mac, part| {
            let len = u64::try_from(part.len()).unwrap_or(u64::MAX);
            mac.chain_update(len.to_be_bytes()).chain_update(part)
        });
        Sealed(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seals(..)")
    }
}

fn derived(key: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key)
        .expand(label, secret.as_mut_slice())
        .expect("HKDF-SHA256 yields up to 8,160 bytes");
    secret
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length")
}

/// Makes and checks customers' tokens: `base64url(wallet || HMAC(secret, label || wallet))`.
pub(crate) struct Tokens {
    secret: Zeroizing<[u8; 32]>,
}

impl Tokens {
    /// Derives the secret from the 32 bytes of the app key.
    pub(crate) fn from_key(key: &[u8; 32]) -> Self {
        Self {
            secret: derived(key, b"gettone app token secret v1"),
        }
    }

    /// Makes the token of a wallet; it is always the same one.
    pub(crate) fn mint(&self, wallet: WalletId) -> String {
        let id = wallet.number().to_be_bytes();
        let mut bytes = id.to_vec();
        bytes.extend_from_slice(&self.mac(&id).finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Finds whose token it is.
    pub(crate) fn check(&self, bearer: &Bearer<'_>) -> Option<WalletId> {
        let bytes = URL_SAFE_NO_PAD.decode(bearer.0).ok()?;
        let (id, tag) = bytes.split_first_chunk::<ID_LEN>()?;
        let tag: &[u8; TAG_LEN] = tag.try_into().ok()?;
        self.mac(id).verify(tag.into()).ok()?;
        Some(WalletId::new(u64::from_be_bytes(*id)))
    }

    fn mac(&self, id: &[u8; ID_LEN]) -> Hmac<Sha256> {
        keyed(&self.secret)
            .chain_update(TOKEN_LABEL)
            .chain_update(id)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::from_key(&[7; 32])
    }

    fn check(tokens: &Tokens, token: &str) -> Option<WalletId> {
        tokens.check(&Bearer::from_header(&format!("Bearer {token}"))?)
    }

    #[test]
    fn a_token_names_its_wallet_and_no_other() {
        let wallet = WalletId::new(1_000_000_042);
        let token = tokens().mint(wallet);
        assert_eq!(check(&tokens(), &token), Some(wallet));
        assert_eq!(check(&Tokens::from_key(&[8; 32]), &token), None);
    }

    #[test]
    fn a_token_with_any_bit_changed_is_nobodys() {
        let tokens = tokens();
        let token = tokens.mint(WalletId::new(42));
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(check(&tokens, &changed), None, "bit {bit}");
        }
        for len in 0..token.len() {
            assert_eq!(check(&tokens, &token[..len]), None, "{len} characters");
        }
        assert_eq!(check(&tokens, &format!("{token}AA")), None);
    }

    #[test]
    fn an_api_key_opens_for_its_owner_only() {
        let keys = [(KeyDigest::of(b"one"), 1), (KeyDigest::of(b"two"), 2)];
        let find = |header: &str| {
            Bearer::from_header(header)?.find(keys.iter().map(|(key, owner)| (key, *owner)))
        };
        assert_eq!(find("Bearer one"), Some(1));
        assert_eq!(find("bearer  two"), Some(2));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Basic one",
            "one",
            "Bearer One",
            "Bearer one two",
        ] {
            assert_eq!(find(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn no_secret_shows_in_what_is_printed_for_people() {
        assert_eq!(format!("{:?}", tokens()), "Tokens(..)");
        assert_eq!(format!("{:?}", KeyDigest([0xab; 32])), "KeyDigest(abab..)");
    }
}
