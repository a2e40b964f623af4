//! What somebody holds in an organization, read so that it can be emptied or handed over in the same commit.

use std::collections::{BTreeMap, BTreeSet};

use super::{Place, event, subject};
use crate::home::{Key, Record, TheHeldPosts, TheOrganization};
use crate::id::{AccountId, UserId};
use crate::model::{HeldPosts, MAX_POSTS, Member, Post, PostName};
use crate::op::{Decision, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// The posts of a person, and what they are on.
#[derive(Clone, Debug)]
pub struct HeldRead {
    user: UserId,
    posts: BTreeSet<PostName>,
    places: BTreeMap<Option<AccountId>, Place>,
}

/// Puts a person's list of posts, or takes it away where it is empty.
pub(super) fn put_list<T>(decision: Decision<T>, user: UserId, posts: BTreeSet<PostName>) -> Decision<T> {
    if posts.is_empty() {
        let mut decision = decision;
        decision.puts.retain(|put| put.key() != Key::HeldPosts(user));
        decision.remove(Key::HeldPosts(user))
    } else {
        decision.put_over(Record::HeldPosts(HeldPosts { user, posts }))
    }
}

impl HeldRead {
    /// Nothing, for acts that take nothing from anybody.
    pub const fn none(user: UserId) -> Self {
        Self { user, posts: BTreeSet::new(), places: BTreeMap::new() }
    }

    /// Reads them: one round trip more for one who holds any.
    pub async fn load(view: &mut View<'_>, user: UserId) -> Result<Self, StoreError> {
        let posts = view.get(&TheHeldPosts(user)).await?.map(|held| held.posts).unwrap_or_default();
        let accounts: BTreeSet<AccountId> = posts.iter().filter_map(|name| name.account).collect();
        let mut places = BTreeMap::new();
        if !posts.is_empty() {
            view.fetch(accounts.iter().map(|id| Key::Account(*id)).chain([Key::Organization])).await?;
        }
        for id in accounts {
            if let Some(account) = view.get(&id).await? {
                places.insert(Some(id), Place::Account(Box::new(account)));
            }
        }
        if !posts.is_empty()
            && let Some(organization) = view.get(&TheOrganization).await?
        {
            places.insert(None, Place::Organization(Box::new(organization)));
        }
        Ok(Self { user, posts, places })
    }

    /// Which they hold.
    pub const fn posts(&self) -> &BTreeSet<PostName> {
        &self.posts
    }

    /// The same decision, by which some of their posts are emptied: manual ones for good, those that a trait names
    /// wait for somebody to be found (rule T4).
    pub fn vacated<T>(
        &self,
        decision: Decision<T>,
        now: Timestamp,
        which: impl Fn(&PostName, &Post) -> bool,
    ) -> Decision<T> {
        self.moved(decision, |name, post| which(name, post).then(|| post.vacant(now)))
    }

    /// All of them.
    pub fn all_vacated<T>(&self, decision: Decision<T>, now: Timestamp) -> Decision<T> {
        self.vacated(decision, now, |_, _| true)
    }

    /// All of them emptied for good, those that a trait names as well: nothing names the person any more.
    pub fn forgotten<T>(&self, decision: Decision<T>) -> Decision<T> {
        self.moved(decision, |_, _| Some(None))
    }

    /// Those that they held when they left before, which a new membership does not bring back.
    pub fn left_vacated<T>(
        &self,
        decision: Decision<T>,
        before: Option<&Member>,
        now: Timestamp,
    ) -> Decision<T> {
        match before {
            Some(before) => self.vacated(decision, now, |_, post| post.is_left_by(before)),
            None => decision,
        }
    }

    /// All of them handed to another, who holds each by hand from now on.
    pub fn handed_over<T>(
        &self,
        decision: Decision<T>,
        to: &Self,
        now: Timestamp,
    ) -> Result<Decision<T>, Refusal> {
        let after: BTreeSet<PostName> = to.posts.union(&self.posts).cloned().collect();
        if after.len() > MAX_POSTS {
            return Err(too_many("/posts_to"));
        }
        let decision = self.moved(decision, |_, _| Some(Some(Post::Manual { user: to.user, since: now })));
        Ok(if self.posts.is_empty() { decision } else { put_list(decision, to.user, after) })
    }

    /// What becomes of each post: outer `None` leaves it.
    fn moved<T>(
        &self,
        mut decision: Decision<T>,
        becomes: impl Fn(&PostName, &Post) -> Option<Option<Post>>,
    ) -> Decision<T> {
        let mut kept = self.posts.clone();
        for name in &self.posts {
            let Some(place) = self.place(&decision, name) else { continue };
            let before = place.posts().get(name.key_role.as_ref()).cloned();
            let held = before.as_ref().filter(|post| post.holder() == Some(self.user));
            let Some(after) = held.and_then(|post| becomes(name, post)) else { continue };
            kept.remove(name);
            decision = decision
                .event(event(name, &place, before.as_ref(), after.as_ref()))
                .put_over(place.with(name.key_role.as_ref(), after).record());
        }
        if kept == self.posts { decision } else { put_list(decision, self.user, kept) }
    }

    /// What a post is on, as the decision leaves it so far.
    fn place<T>(&self, decision: &Decision<T>, name: &PostName) -> Option<Place> {
        match decision.find(&subject(name)) {
            Some(Record::Organization(it)) => Some(Place::Organization(Box::new(it.clone()))),
            Some(Record::Account(it)) => Some(Place::Account(Box::new(it.clone()))),
            Some(_) | None => self.places.get(&name.account).cloned(),
        }
    }
}

/// Too many posts for one person.
pub(super) fn too_many(field: &'static str) -> Refusal {
    Refusal::invalid(field, format!("one person holds at most {MAX_POSTS} posts in an organization"))
}
