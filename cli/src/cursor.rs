//! Where a list goes on that `--limit` cut: what a command says on stderr, and what the next one is given. It is bound to the
//! list and its filters, so that it leads nowhere else by mistake.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roster_core::facts::hmac_sha256;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

const TAG: usize = 8;

/// The command of this process, which does one.
static COMMAND: OnceLock<String> = OnceLock::new();

/// Cursors that are made and read from now on are of this command. What it says of how much of a list is asked for must not
/// count.
pub fn bind(command: &impl fmt::Debug) {
    COMMAND.get_or_init(|| format!("{command:?}"));
}

fn bound() -> &'static str {
    COMMAND.get().map_or("", String::as_str)
}

/// What stands behind `--cursor`.
#[derive(Debug, Clone)]
pub struct Cursor(Vec<u8>);

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| WRONG.to_owned())
    }
}

const WRONG: &str = "this is no cursor of this list with these filters; begin without one";

impl Cursor {
    /// The cursor to a place in this command's list.
    pub fn to(place: &impl Serialize) -> String {
        Self::within(bound(), place)
    }

    /// The place that it leads to; bad usage for one of another list.
    pub fn place<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        self.place_in(bound()).ok_or_else(|| Failure::Usage(format!("--cursor: {WRONG}")))
    }

    fn within(list: &str, place: &impl Serialize) -> String {
        let mut bytes = serde_json::to_vec(place).unwrap_or_default();
        let tag = tag(list, &bytes);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn place_in<T: DeserializeOwned>(&self, list: &str) -> Option<T> {
        let (place, known) = self.0.split_at_checked(self.0.len().checked_sub(TAG)?)?;
        if tag(list, place) == known { serde_json::from_slice(place).ok() } else { None }
    }
}

/// Against mistakes: who commands holds the store, and could make any cursor.
fn tag(list: &str, place: &[u8]) -> [u8; TAG] {
    let mut tag = [0; TAG];
    tag.copy_from_slice(&hmac_sha256(&[0; 32], &[list.as_bytes(), b"\0", place].concat())[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_place_that_it_was_made_of() {
        let cursor: Cursor = Cursor::within("users named a", &("a", 7)).parse().unwrap();
        assert_eq!(cursor.place_in::<(String, u32)>("users named a").unwrap(), ("a".to_owned(), 7));
        assert_eq!(cursor.place_in::<(String, u32)>("users named b"), None);
        assert_eq!(cursor.place_in::<u32>("users named a"), None);
        assert!(matches!(cursor.place::<(String, u32)>(), Err(Failure::Usage(_))));
        assert!("no cursor".parse::<Cursor>().is_err());
    }
}
