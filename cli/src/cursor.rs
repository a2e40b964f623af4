//! Where a list goes on that `--limit` cut: what a command says on stderr, and what the next one is given.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// What stands behind `--cursor`.
#[derive(Debug, Clone)]
pub struct Cursor(Vec<u8>);

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| WRONG.to_owned())
    }
}

const WRONG: &str = "this is no cursor of this list; begin without one";

impl Cursor {
    /// The cursor to a place.
    pub fn to(place: &impl Serialize) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
    }

    /// The place that it leads to; bad usage for one of another kind of list.
    pub fn place<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.0).map_err(|_| Failure::Usage(format!("--cursor: {WRONG}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_place_that_it_was_made_of() {
        let cursor: Cursor = Cursor::to(&("a", 7)).parse().unwrap();
        assert_eq!(cursor.place::<(String, u32)>().unwrap(), ("a".to_owned(), 7));
        assert!(matches!(cursor.place::<u32>(), Err(Failure::Usage(_))));
        assert!("no cursor".parse::<Cursor>().is_err());
    }
}
