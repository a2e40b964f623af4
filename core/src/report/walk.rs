//! What a store that numbers its homes keeps of a survey while it goes through it.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::line::{Counts, Line, People, Place};
use super::survey::Survey;
use crate::id::{OrganizationId, UserId};
use crate::listing::Scope;
use crate::model::MemberStatus;

/// Lines of a slice.
pub const SLICE: i64 = 1_000;

/// So many accounts at most are looked through in one go for what traits must hold.
pub const LOOKED_THROUGH: i64 = 4_000;

/// How far a survey has come.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Of the organizations that are named, those that have been gone through.
    done: usize,
    /// The last home.
    pub home: i64,
    /// The last account in it.
    pub id: Uuid,
    /// What is known of that home.
    spot: Option<(i64, Spot)>,
}

/// An organization.
#[derive(Clone, Debug)]
pub struct Spot {
    /// It.
    pub place: Arc<Place>,
    /// The number of its home of activity, if it has one.
    pub activity: Option<i64>,
}

/// Organizations by the number of their home.
pub type Spots = BTreeMap<i64, Spot>;

/// A line that is not complete yet.
#[derive(Debug)]
pub struct Draft {
    /// The number of its home.
    pub home: i64,
    /// The account; nil for a line of an organization.
    pub id: Uuid,
    /// As far as it is.
    pub line: Line,
    /// Who holds posts on it, in JSON.
    pub posts: String,
}

impl Draft {
    /// Whom some name, by home, each once.
    pub fn users(drafts: &[Self]) -> Vec<(i64, UserId)> {
        let all = drafts.iter().flat_map(|draft| draft.line.users().map(|user| (draft.home, user)));
        let mut users: Vec<(i64, UserId)> = all.collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Puts in whom some name, from all who were found, by home.
    pub fn meet(drafts: &mut [Self], people: &BTreeMap<i64, People>) {
        let nobody = People::default();
        for draft in drafts {
            draft.line.meet(people.get(&draft.home).unwrap_or(&nobody));
        }
    }

    /// Puts in how many members have access to accounts by name, from numbers by home, account and status.
    pub fn count(drafts: &mut [Self], found: impl IntoIterator<Item = (i64, Uuid, MemberStatus, i64)>) {
        let mut counts: BTreeMap<(i64, Uuid), Counts> = BTreeMap::new();
        for (home, id, status, number) in found {
            counts.entry((home, id)).or_default().add(status, false, number);
        }
        for draft in drafts {
            let found = counts.get(&(draft.home, draft.id)).copied().unwrap_or_default();
            draft.line.count([found.active, found.deactivated]);
        }
    }
}

impl Walk {
    /// The organization whose turn it is, where some are named; nothing in it after the last one.
    pub fn turn<'a>(&self, survey: &'a Survey) -> Option<Option<&'a (OrganizationId, Scope)>> {
        survey.within.as_ref().map(|within| within.get(self.done))
    }

    /// What is known of homes already. A home of activity may have come since.
    pub fn known(&mut self, survey: &Survey, homes: &[i64]) -> Spots {
        let stands = |spot: &Spot| spot.activity.is_some() || !survey.needs.presence;
        let known = self.spot.take().filter(|(home, spot)| homes.contains(home) && stands(spot));
        known.into_iter().collect()
    }

    /// Goes on behind an account, or to the organization after it; whether there can be more.
    pub fn step(&mut self, survey: &Survey, last: Option<(i64, Uuid)>, spots: &Spots) -> bool {
        let more = if let Some((home, id)) = last {
            (self.home, self.id) = (home, id);
            true
        } else {
            (self.done, self.id) = (self.done + 1, Uuid::nil());
            survey.within.as_ref().is_some_and(|within| self.done < within.len())
        };
        self.spot = spots.get(&self.home).map(|spot| (self.home, spot.clone()));
        more
    }
}
