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
                let oldest = self.0.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone());
                oldest.map(|name| self.0.remove(&name));
            }
        }
        news
    }
}

/// What the instants call the name of the thing itself.
pub const NAME: &str = ".name";

/// What sources say of the name of something, and a hand may say otherwise.
pub trait Named {
    /// When what was set, and the name that sources last said.
    fn parts(&mut self) -> (&mut Instants, &mut Option<Name>);

    /// A name said at an instant, if it is to be set: one that is said later than the others, and is not the one that was
    /// said last. So a name that was given by hand stays until sources say another one.
    fn take_name(&mut self, said: &Name, kept: Option<&Name>, at: Timestamp) -> Option<Name> {
        let (clock, last) = self.parts();
        let old = last.as_ref().or(kept);
        let greater = old.is_none_or(|old| said.as_str() > old.as_str());
        let news = clock.take(NAME, at, greater) && last.as_ref() != Some(said);
        news.then(|| last.insert(said.clone()).clone())
    }

    /// That a hand has given it a name: what was said before is old.
    fn named_by_hand(&mut self, now: Timestamp) {
        let (clock, _) = self.parts();
        clock.take(NAME, now, true);
    }
}

impl Named for UserClock {
    fn parts(&mut self) -> (&mut Instants, &mut Option<Name>) {
        (&mut self.at, &mut self.said_name)
    }
}

impl Named for AccountClock {
    fn parts(&mut self) -> (&mut Instants, &mut Option<Name>) {
        (&mut self.at, &mut self.said_name)
    }
}

/// Of a user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UserClock {
    /// By `.name` and `.email`, and by the names of traits.
    pub at: Instants,
    /// The name that they last said.
    #[serde(default)]
    pub said_name: Option<Name>,
}

/// Of an account, or of an organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountClock {
    /// Which.
    pub account: AccountId,
    /// By `.name`, and by the names of traits.
    pub at: Instants,
    /// The name that they last said.
    #[serde(default)]
    pub said_name: Option<Name>,
}

impl AccountClock {
    /// Of something of which they have said nothing.
    pub fn new(account: AccountId) -> Self {
        Self { account, at: Instants::default(), said_name: None }
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

    #[test]
    fn a_name_given_by_hand_stays_until_another_one_is_said() {
        let time = Timestamp::from_micros;
        let name = |text: &str| text.parse::<Name>().unwrap();
        let (old, new, hand) = (name("Old"), name("New"), name("Hand"));
        let mut clock = UserClock::default();
        assert_eq!(clock.take_name(&old, None, time(5)), Some(old.clone()));
        clock.named_by_hand(time(9));
        assert_eq!(clock.take_name(&old, Some(&hand), time(10)), None, "the same");
        assert_eq!(clock.take_name(&new, Some(&hand), time(8)), None, "from before");
        assert_eq!(clock.take_name(&new, Some(&hand), time(11)), Some(new.clone()));
        assert_eq!(
            clock.take_name(&old, Some(&new), time(11)),
            Some(old.clone()),
            "at the same instant, the greater"
        );
        assert_eq!(clock.take_name(&new, Some(&old), time(11)), None);
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
