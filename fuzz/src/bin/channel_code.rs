//! What somebody scanned, or typed into a URL: one text for each code, and no code that its reader did not make.
#![cfg_attr(fuzzing, no_main)]

use gettone_channel::{LightGrant, LightPlace, TOKEN_LINK_LEN_MAX, TokenKey, TokenLink};
use gettone_fuzz::target;

fn run(bytes: &[u8]) {
    let key = TokenKey::from_bytes([0xC0; 32]);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(link) = text.parse::<TokenLink>()
    {
        assert_eq!(link.to_string(), text);
        assert!(text.len() <= TOKEN_LINK_LEN_MAX);
        assert!(
            link.open(&key).is_err(),
            "forged under a key that nobody has"
        );
    }
    if let Some(light) = bytes.first_chunk::<10>() {
        let light = LightGrant::from_bytes(*light);
        let place = LightPlace {
            boot: 1,
            step: 2,
            slip: [3; 32],
        };
        assert!(!light.is_of(&key, &place));
        assert_eq!(light.to_bytes(), bytes[..10]);
    }
}

target!(run);
