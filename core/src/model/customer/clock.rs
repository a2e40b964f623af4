//! When sources last said what: the later instant wins, in whatever order it comes (rule G4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TheAccountClock;
use crate::id::{AccountId, OrganizationId, UserId};
use crate::text::Name;
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
                // That of the name itself is always remembered.
                let others = self.0.iter().filter(|(name, _)| *name != NAME);
                let oldest = others.min_by_key(|(_, at)| **at).map(|(name, _)| name.clone());
                oldest.map(|name| self.0.remove(&name));
            }
        }
        news
    }
}

/// What the instants call the name of the thing itself.
pub const NAME: &str = ".name";

/// What sources last said of the name of something, and a hand may have said otherwise since.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SaidName {
    /// The name that they last said.
    pub said: Option<Name>,
    /// The hand that stands against it.
    pub hand: Option<Hand>,
}

/// A name that was given by hand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hand {
    /// When.
    pub at: Timestamp,
    /// What sources had said until then, and may go on saying.
    pub instead_of: Option<Name>,
}

impl SaidName {
    /// A name that a source says, as of an instant, where another is kept; the name that is to be set by it, if one is.
    ///
    /// The later instant wins, whatever comes first (rule G4). A name that was given by hand stays until a name is said after
    /// it that is not the one from before it.
    pub fn take(
        &mut self,
        clock: &mut Instants,
        name: &Name,
        kept: Option<&Name>,
        at: Timestamp,
    ) -> Option<Name> {
        let old = self.said.as_ref().or(kept);
        let greater = old.is_none_or(|old| name.as_str() > old.as_str());
        let news = clock.take(NAME, at, greater);
        let changed = news && self.said.as_ref() != Some(name);
        if news {
            self.said = Some(name.clone());
        }
        match &mut self.hand {
            None => changed.then(|| name.clone()),
            Some(hand) if at <= hand.at => {
                // It was said before, and comes late.
                if news {
                    hand.instead_of = Some(name.clone());
                }
                None
            }
            Some(hand) if hand.instead_of.as_ref() == Some(name) => None,
            Some(_) => {
                self.hand = None;
                self.said.clone()
            }
        }
    }

    /// A hand has given another name.
    pub fn overrule(&mut self, now: Timestamp) {
        self.hand = Some(Hand { at: now, instead_of: self.said.clone() });
    }
}

/// Of a user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UserClock {
    /// By `.name` and `.email`, and by the names of traits.
    pub at: Instants,
    /// What they say of the name.
    #[serde(default)]
    pub name: SaidName,
    /// Whether the address is one that a source gave, and nobody else since. Whoever holds a write key may have said it: it
    /// is nobody's proof of who the person is.
    #[serde(default)]
    pub gave_email: bool,
}

/// Of an account, or of an organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountClock {
    /// Which.
    pub account: AccountId,
    /// By `.name`, and by the names of traits.
    pub at: Instants,
    /// What they say of the name.
    #[serde(default)]
    pub name: SaidName,
}

impl AccountClock {
    /// Of something of which they have said nothing.
    pub fn new(account: AccountId) -> Self {
        Self { account, at: Instants::default(), name: SaidName::default() }
    }

    /// The key of the one of an organization itself: no account bears the id of its organization.
    pub fn of(organization: OrganizationId) -> TheAccountClock {
        TheAccountClock(AccountId::from_uuid(organization.uuid()))
    }
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

    /// Old, New, Hand; what is kept after each said or done thing.
    fn kept(acts: &[(&str, i64)]) -> Vec<String> {
        let (mut clock, mut said) = (Instants::default(), SaidName::default());
        let mut kept: Option<Name> = None;
        let mut seen = Vec::new();
        for (what, at) in acts {
            let (name, at): (Name, _) = (what.parse().unwrap(), Timestamp::from_micros(*at));
            if *what == "Hand" {
                said.overrule(at);
                kept = Some(name);
            } else if let Some(name) = said.take(&mut clock, &name, kept.as_ref(), at) {
                kept = Some(name);
            }
            seen.push(kept.as_ref().map_or("", |name| name.as_str()).to_owned());
        }
        seen
    }

    #[test]
    fn a_name_given_by_hand_stays_until_another_one_is_said() {
        let said = [("Old", 5), ("Hand", 9), ("Old", 10), ("New", 11), ("Old", 11), ("New", 11), ("New", 12)];
        assert_eq!(kept(&said), ["Old", "Hand", "Hand", "New", "Old", "Old", "New"]);
        assert_eq!(kept(&[("Hand", 9), ("Old", 10)]), ["Hand", "Old"], "the first that is said");
    }

    #[test]
    fn what_was_said_before_the_hand_and_comes_late_is_not_another_name() {
        let late = [("Old", 5), ("Hand", 9), ("New", 8), ("New", 20), ("Old", 21)];
        assert_eq!(kept(&late), ["Old", "Hand", "Hand", "Hand", "Old"]);
    }

    #[test]
    fn g4_a_hand_gives_way_in_whatever_order_the_other_name_comes() {
        let one = kept(&[("Old", 5), ("Hand", 7), ("New", 8), ("Old", 10)]);
        let other = kept(&[("Old", 5), ("Hand", 7), ("Old", 10), ("New", 8)]);
        assert_eq!((one.last(), other.last()), (Some(&"Old".to_owned()), Some(&"Old".to_owned())));
    }

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
