//! The deployment's feed: which entries of which logs come after each other. It holds no copy of what happened, so that
//! nothing in it can be stale, or outlive an erasure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::home::Home;
use crate::text::BadText;
use crate::time::Timestamp;

/// What a line of the feed is called; in the order of its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FeedKey(String);

impl FeedKey {
    /// The line that says where the feed ends.
    pub fn end() -> Self {
        Self("end".to_owned())
    }

    /// The line that says how many entries are not kept any more.
    pub fn gone() -> Self {
        Self("gone".to_owned())
    }

    /// The n-th entry, from 1 on.
    pub fn entry(n: u64) -> Self {
        Self(format!("entry:{n:020}"))
    }

    /// The line that says how far the log of a home has come into the feed.
    pub fn mark(home: &Home) -> Self {
        Self(format!("mark:{home}"))
    }

    /// Of a mark, whose it is.
    pub fn marked(&self) -> Option<Home> {
        self.0.strip_prefix("mark:")?.parse().ok()
    }

    /// Of an entry, which it is.
    pub fn number(&self) -> Option<u64> {
        self.0.strip_prefix("entry:")?.parse().ok()
    }

    /// As stores keep it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FeedKey {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let key = Self(text.to_owned());
        let known = ["end", "gone"].contains(&text) || key.number().is_some() || key.marked().is_some();
        if known { Ok(key) } else { Err(BadText("not a line of the feed")) }
    }
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeedLine {
    /// What it is called.
    pub key: FeedKey,
    /// Of an entry its number; of other lines how far they have come.
    pub reached: u64,
    /// When it was written; of the end and of entries never before the entry before.
    pub at: Timestamp,
    /// Of an entry: what of which logs stands there, in this order.
    pub spans: Vec<FeedSpan>,
}

/// Some entries of one log, one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeedSpan {
    /// Whose log.
    pub home: Home,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl FeedLine {
    /// How long an entry can be read, in seconds.
    pub const LIFE_SECONDS: i64 = 30 * 24 * 3600;

    /// A line that says how far something has come.
    pub const fn reaching(key: FeedKey, reached: u64, at: Timestamp) -> Self {
        Self { key, reached, at, spans: Vec::new() }
    }

    /// Whether it can still be read at an instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.at.plus_seconds(Self::LIFE_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_entries_stand_in_their_order() {
        for key in [FeedKey::end(), FeedKey::gone(), FeedKey::entry(7), FeedKey::mark(&Home::Deployment)] {
            assert_eq!(key.as_str().parse(), Ok(key.clone()));
        }
        assert!(FeedKey::entry(9) < FeedKey::entry(10) && FeedKey::entry(10).number() == Some(10));
        assert_eq!(FeedKey::mark(&Home::Deployment).marked(), Some(Home::Deployment));
        for other in ["", "entry:", "entry:x", "mark:", "start"] {
            assert!(other.parse::<FeedKey>().is_err(), "{other}");
        }
    }
}
