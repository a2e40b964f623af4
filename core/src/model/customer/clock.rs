//! When sources last said what: the later instant wins, in whatever order it comes (rule G4).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::TheAccountClock;
use crate::id::{AccountId, OrganizationId, SourceId, UserId};
use crate::text::Name;
use crate::time::{Timestamp, either_form};

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
                // Those of the name itself and of an address are always remembered.
                let others = self.0.iter().filter(|(name, _)| *name != NAME && *name != EMAIL);
                let oldest = others.min_by_key(|(_, at)| **at).map(|(name, _)| name.clone());
                oldest.map(|name| self.0.remove(&name));
            }
        }
        news
    }
}

/// What the instants call the name of the thing itself.
pub const NAME: &str = ".name";
/// What the instants call the address of a user.
pub const EMAIL: &str = ".email";

/// What the instants call a trait: its name. One that begins as those of fields do is told from them by another dot.
pub fn of_trait(name: &str) -> Cow<'_, str> {
    if name.starts_with('.') { Cow::Owned(format!(".{name}")) } else { Cow::Borrowed(name) }
}

/// What sources say of the name of something, and a hand may have said otherwise since.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SaidName {
    /// The name that was said last, whichever source said it.
    pub said: Option<Name>,
    /// What each source says.
    #[serde(default)]
    pub by: BTreeMap<SourceId, Said>,
    /// When a hand gave another name that stands.
    #[serde(default, deserialize_with = "hand")]
    pub hand: Option<Timestamp>,
}

/// An instant, or what was kept before: the instant with the name that the hand wrote over.
fn hand<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Instant(#[serde(deserialize_with = "either_form")] Timestamp),
        Over {
            #[serde(deserialize_with = "either_form")]
            at: Timestamp,
        },
    }
    let form = Option::<Form>::deserialize(value)?;
    Ok(form.map(|form| match form {
        Form::Instant(at) | Form::Over { at } => at,
    }))
}

/// A name that a source says: its last word. While a hand stands, it has said no other since.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Said {
    /// Which.
    pub name: Name,
    /// As of when; while a hand stands, as of when it was said last before that, or first since.
    pub at: Timestamp,
    /// As of when it was said last.
    pub last: Timestamp,
}

impl Said {
    fn new(name: Name, at: Timestamp) -> Self {
        Self { name, at, last: at }
    }
}

/// The most sources whose word is remembered; beyond, that of the oldest word is forgotten, and its next is its first.
const MOST_SOURCES: usize = 16;

impl SaidName {
    /// What the first source says of something new.
    pub fn first(source: SourceId, name: Name, at: Timestamp) -> Self {
        Self { said: Some(name.clone()), by: [(source, Said::new(name, at))].into(), hand: None }
    }

    /// A name that a source says, as of an instant, where another is kept; the name that is to be set by it, if one is.
    ///
    /// The later instant wins, whatever comes first (rule G4). A name that was given by hand stays until a source says
    /// another name than it said before: that two sources differ is no reason. Where none has said any, it stays until one
    /// does.
    pub fn take(
        &mut self,
        clock: &mut Instants,
        source: SourceId,
        name: &Name,
        kept: Option<&Name>,
        at: Timestamp,
    ) -> Option<Name> {
        let old = self.said.as_ref().or(kept);
        let greater = old.is_none_or(|old| name.as_str() > old.as_str());
        let news = clock.take(NAME, at, greater);
        let changed = news && self.said.as_ref() != Some(name);
        let is_first = self.said.is_none();
        if news {
            self.said = Some(name.clone());
        }
        let is_another = self.note(source, name, at);
        match self.hand {
            None => changed.then(|| name.clone()),
            Some(hand) if is_another || (is_first && at > hand) => {
                self.hand = None;
                self.said.clone()
            }
            Some(_) => None,
        }
    }

    /// Notes what a source says; whether that makes two names of which it said one since the hand.
    fn note(&mut self, source: SourceId, name: &Name, at: Timestamp) -> bool {
        let Some(known) = self.by.get_mut(&source) else {
            self.by.insert(source, Said::new(name.clone(), at));
            if self.by.len() > MOST_SOURCES {
                let oldest = self.by.iter().min_by_key(|(_, said)| said.last).map(|(source, _)| *source);
                oldest.map(|source| self.by.remove(&source));
            }
            return false;
        };
        let is_since = |at: Timestamp| self.hand.is_some_and(|hand| at > hand);
        if known.name == *name {
            known.last = known.last.max(at);
            known.at = match (is_since(known.at), is_since(at)) {
                (true, true) => known.at.min(at),
                (true, false) => at,
                (false, true) => known.at,
                (false, false) => known.at.max(at),
            };
            return false;
        }
        let since = is_since(at) || is_since(known.last);
        // What was said before the word that stands from before the hand says nothing any more.
        let is_another = since && (at > known.at || is_since(known.at));
        if is_another || !since {
            let later = (at, name.as_str()) > (known.last, known.name.as_str());
            *known =
                if later { Said::new(name.clone(), at) } else { Said::new(known.name.clone(), known.last) };
        }
        is_another
    }

    /// A hand has given another name.
    pub fn overrule(&mut self, now: Timestamp) {
        self.hand = Some(now);
        for said in self.by.values_mut() {
            said.at = said.last;
        }
    }
}

/// Of a user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UserClock {
    /// By [`NAME`] and [`EMAIL`], and by traits as [`of_trait`] calls them.
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
    /// By [`NAME`], and by traits as [`of_trait`] calls them.
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

    /// Old, New, Hand, `b:New` of another source; what is kept after each said or done thing.
    fn kept(acts: &[(&str, i64)]) -> Vec<String> {
        let (mut clock, mut said) = (Instants::default(), SaidName::default());
        let mut kept: Option<Name> = None;
        let mut seen = Vec::new();
        for (what, at) in acts {
            let (by, what) = what.split_once(':').unwrap_or(("a", what));
            let source = SourceId::from_uuid(uuid::Uuid::from_u128(by.as_bytes()[0].into()));
            let (name, at): (Name, _) = (what.parse().unwrap(), Timestamp::from_micros(*at));
            if what == "Hand" {
                said.overrule(at);
                kept = Some(name);
            } else if let Some(name) = said.take(&mut clock, source, &name, kept.as_ref(), at) {
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
    fn g4_that_two_sources_differ_does_not_undo_a_hand() {
        let told = [("Bob", 1), ("b:Rob", 2), ("Bob", 3), ("Hand", 5)];
        let goes_on =
            [("Bob", 6), ("b:Rob", 7), ("Bob", 8), ("c:Robert", 9), ("c:Robert", 10), ("b:Rob", 11)];
        let seen = kept(&[&told[..], &goes_on].concat());
        assert_eq!(seen[..4], ["Bob", "Rob", "Bob", "Hand"]);
        assert!(seen[4..].iter().all(|name| name == "Hand"), "{seen:?}");
        for (another, last) in [("Rob", "Rob"), ("b:Bob", "Bob"), ("c:Bob", "Bob")] {
            let seen = kept(&[&told[..], &goes_on, &[(another, 12)]].concat());
            assert_eq!(seen.last().unwrap(), last, "{another}");
        }
    }

    #[test]
    fn g4_what_a_source_says_first_since_the_hand_is_held_against_what_comes_late() {
        let late = |at| kept(&[("Bob", 1), ("Hand", 5), ("b:Rob", 9), ("b:Robert", at), ("b:Rob", 10)]);
        for at in [3, 8] {
            assert_eq!(late(at)[2..], ["Hand", "Rob", "Rob"], "{at}");
        }
        let same =
            kept(&[("Bob", 1), ("Hand", 5), ("b:Rob", 9), ("b:Rob", 3), ("b:Robert", 4), ("b:Robert", 10)]);
        assert_eq!(same[2..], ["Hand", "Hand", "Rob", "Robert"]);
    }

    #[test]
    fn a_hand_is_held_against_what_a_source_had_said_last() {
        let told = [("Bob", 1), ("Hand", 5), ("Bob", 100), ("Rob", 50), ("Hand", 200), ("Bob", 201)];
        assert_eq!(kept(&told)[2..], ["Hand", "Bob", "Hand", "Hand"]);
    }

    #[test]
    fn a_hand_that_was_kept_with_what_it_wrote_over_is_read() {
        let read = |hand: serde_json::Value| {
            serde_json::from_value::<SaidName>(serde_json::json!({"said": "Bob", "hand": hand})).unwrap()
        };
        let five = Timestamp::from_micros(5_000);
        let over = serde_json::json!({"at": five, "instead_of": "Bob"});
        for (hand, found) in
            [(over, Some(five)), (serde_json::json!(5_000), Some(five)), (serde_json::Value::Null, None)]
        {
            assert_eq!(read(hand).hand, found);
        }
        let now = SaidName { hand: Some(five), ..SaidName::default() };
        assert_eq!(serde_json::from_value::<SaidName>(serde_json::to_value(&now).unwrap()).unwrap(), now);
    }

    #[test]
    fn the_word_of_so_many_sources_is_remembered() {
        let (mut clock, mut said) = (Instants::default(), SaidName::default());
        let name: Name = "Bob".parse().unwrap();
        for n in 0..40 {
            let source = SourceId::from_uuid(uuid::Uuid::from_u128(n));
            let at = Timestamp::from_micros(i64::try_from(n).unwrap());
            said.take(&mut clock, source, &name, None, at);
        }
        let first = said.by.keys().next().unwrap().uuid().as_u128();
        assert_eq!((said.by.len(), first), (MOST_SOURCES, 40 - MOST_SOURCES as u128));
    }

    #[test]
    fn no_trait_is_called_as_a_field_or_as_another_trait_is() {
        let names = [".name", "..name", "name", ".email", "", "."];
        let called: std::collections::BTreeSet<_> = names.into_iter().map(of_trait).collect();
        assert_eq!(called.len(), names.len());
        assert!([NAME, EMAIL].iter().all(|field| !called.contains(*field)), "{called:?}");
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
