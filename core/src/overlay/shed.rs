//! Letting go of people whom nobody is going to ask for any more.

use std::collections::BTreeSet;

use super::{Layer, Layered, Overlay};
use crate::home::{Home, Key, Record};
use crate::id::UserId;
use crate::model::{Claim, ClaimName, ClaimTarget, DirectoryId};

impl Overlay {
    /// Gives up what was to be flushed, and lets go of every person none of whose names is asked for again: their own homes,
    /// and what organizations and directories say of them. How many seats they took stays. Whoever is let go must not be
    /// asked for again, for here they are as they are in the store below; so `asker` is kept.
    pub(crate) fn shed(&self, asker: Option<UserId>, again: impl Fn(&ClaimName) -> bool) {
        self.forget();
        let layer = &mut *self.layer();
        let mut stay = layer.who_stays(&again);
        stay.extend(asker);
        layer.homes.retain(|home, it| match home {
            Home::User(user) => stay.contains(user),
            Home::Claim(ClaimName::Erased(_)) => false,
            Home::Claim(name @ (ClaimName::Email(_) | ClaimName::UserExternalId(_))) => {
                again(name) || it.leads_to().is_some_and(|user| stay.contains(&user))
            }
            _ => true,
        });
        let listed = &layer.listed;
        for (home, it) in &mut layer.homes {
            it.data.forget_commits();
            let goes = |key: &Key| match key {
                // What has ended by time has ended here, and would end once more.
                _ if listed.contains(&(home.clone(), key.clone())) => false,
                Key::Member(user) | Key::DirectoryEntry(DirectoryId::User(user)) => !stay.contains(user),
                Key::InvitedAddress(address) => !again(&ClaimName::Email(address.clone())),
                _ => false,
            };
            // Of a part of a directory everything is known where it was never made: the store below says so again. Of
            // anything else that is known wholly, more may have changed here than its records tell.
            if it.keys.is_none() && matches!(home, Home::Directory(..)) {
                it.keys = Some(it.data.records.keys().cloned().collect());
            }
            if let Some(keys) = &mut it.keys {
                keys.retain(|key| !goes(key));
                it.data.records.retain(|key, _| !goes(key));
            }
        }
    }
}

impl Layer {
    /// People to whom a name leads that is asked for again, or who bear one.
    fn who_stays(&self, again: &impl Fn(&ClaimName) -> bool) -> BTreeSet<UserId> {
        let mut stay = BTreeSet::new();
        for (home, it) in &self.homes {
            match home {
                Home::Claim(name) if again(name) => stay.extend(it.leads_to()),
                Home::User(user) if it.names().any(|name| again(&name)) => drop(stay.insert(*user)),
                _ => {}
            }
        }
        stay
    }
}

impl Layered {
    /// Of a claim: to whom it leads.
    fn leads_to(&self) -> Option<UserId> {
        match self.data.records.get(&Key::Claim).map(|stored| &stored.record) {
            Some(Record::Claim(Claim { target: ClaimTarget::User(user), .. })) => Some(*user),
            _ => None,
        }
    }

    /// Of a person: the names that they bear.
    fn names(&self) -> impl Iterator<Item = ClaimName> {
        let user = match self.data.records.get(&Key::User).map(|stored| &stored.record) {
            Some(Record::User(user)) => Some(user),
            _ => None,
        };
        let email = user.and_then(|user| user.email.as_ref()).map(ClaimName::email);
        email.into_iter().chain(user.and_then(|user| user.external_id.clone()).map(ClaimName::UserExternalId))
    }
}

#[cfg(test)]
#[path = "shed_tests.rs"]
mod tests;
