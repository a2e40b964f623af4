//! Cursors: opaque to clients, signed, bound to the list that they were given for.

use std::fmt;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roster_core::facts::hmac_sha256;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use crate::error::Problem;

const TAG: usize = 16;

/// Makes and reads cursors.
pub struct Cursors {
    key: [u8; 32],
}

impl Cursors {
    /// Replicas must be given the same key.
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The cursor to a position in the list that `scope` names.
    pub fn encode(&self, scope: &str, position: &impl Serialize) -> String {
        let mut bytes = serde_json::to_vec(position).unwrap_or_default();
        let tag = self.tag(scope, &bytes);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position that a cursor of the same list names.
    pub fn decode<T: DeserializeOwned>(&self, scope: &str, text: &str) -> Result<T, Problem> {
        self.open(scope, text).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid_cursor",
                "This is no cursor of this list with these filters; begin without one.",
            )
        })
    }

    fn open<T: DeserializeOwned>(&self, scope: &str, text: &str) -> Option<T> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        let genuine = bool::from(self.tag(scope, payload).ct_eq(tag));
        if genuine { serde_json::from_slice(payload).ok() } else { None }
    }

    fn tag(&self, scope: &str, payload: &[u8]) -> [u8; TAG] {
        let message = [scope.as_bytes(), b"\0", payload].concat();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&hmac_sha256(&self.key, &message)[..TAG]);
        tag
    }
}

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSORS: Cursors = Cursors::new([7; 32]);

    fn refused(cursors: &Cursors, scope: &str, text: &str) {
        let problem = cursors.decode::<(String, u32)>(scope, text).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (400, "invalid_cursor"), "{text}");
    }

    #[test]
    fn comes_back() {
        let text = CURSORS.encode("/v1/users?q=a", &("x", 5));
        assert_eq!(CURSORS.decode::<(String, u32)>("/v1/users?q=a", &text).unwrap(), ("x".to_owned(), 5));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(!format!("{CURSORS:?}").contains('7'));
    }

    #[test]
    fn refuses_what_is_not_its_own() {
        let text = CURSORS.encode("a", &("x", 5));
        refused(&CURSORS, "b", &text);
        refused(&Cursors::new([8; 32]), "a", &text);
        refused(&CURSORS, "a", &CURSORS.encode("a", &5));
        refused(&CURSORS, "a", "");
        refused(&CURSORS, "a", "AAAA");
        refused(&CURSORS, "a", "not base64!");
        refused(&CURSORS, "a", &format!("{text}="));
        for at in 0..text.len() {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            refused(&CURSORS, "a", &format!("{}{other}{}", &text[..at], &text[at + 1..]));
        }
    }
}
