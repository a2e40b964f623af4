//! When sources last said what: the later instant wins, in whatever order it comes (rule G4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, UserId};
use crate::time::Timestamp;

/// When each field or trait was last set by a source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instants(pub BTreeMap<String, Timestamp>);

/// The most names that are remembered; beyond, the oldest are forgotten.
const MOST: usize = 400;

impl Instants {
    /// Whether something said at an instant is news of a name. What was said at the same instant is settled by `greater`:
    /// whether the new value comes behind the one that is there.
    pub fn take(&mut self, name: &str, at: Timestamp, greater: bool) -> bool {
        let news = match self.0.get(name) {
            None => true,
            Some(known) => at > *known || (at == *known && greater),
        };
        if news {
            self.0.insert(name.to_owned(), at);
            while self.0.len() > MOST {
                let oldest = self.0.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone());
                oldest.map(|name| self.0.remove(&name));
            }
        }
        news
    }
}

/// Of a user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UserClock {
    /// By `.name` and `.email`, and by the names of traits.
    pub at: Instants,
}

/// Of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountClock {
    /// Which.
    pub account: AccountId,
    /// By `.name`, and by the names of traits.
    pub at: Instants,
}

/// What sources last said about a user and an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkMark {
    /// When.
    pub at: Timestamp,
    /// Whether they belong together.
    pub linked: bool,
}

/// Of a user in an organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkClock {
    /// Who.
    pub user: UserId,
    /// By account.
    pub accounts: BTreeMap<AccountId, LinkMark>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g4_the_later_instant_wins_whatever_the_order() {
        let mut at = Instants::default();
        let time = Timestamp::from_micros;
        assert!(at.take("plan", time(5), false));
        assert!(!at.take("plan", time(4), true), "earlier");
        assert!(!at.take("plan", time(5), false), "the same, and not behind it");
        assert!(at.take("plan", time(5), true));
        assert!(at.take("plan", time(6), false));
    }
}
