//! Posts: places that somebody holds and that confer no permission (rules T2 to T4).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Member;
use crate::id::{AccountId, UserId};
use crate::text::{ExternalId, KeyRole};
use crate::time::Timestamp;

/// The most posts that one person holds in one organization: so many can be emptied in one commit.
pub const MAX_POSTS: usize = 200;

/// Which post.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct PostName {
    /// On which account; on the organization itself if none.
    pub account: Option<AccountId>,
    /// Which key role; the account owner if none.
    pub key_role: Option<KeyRole>,
}

/// Who holds a post, and who said so.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Post {
    /// Set by hand.
    Manual {
        /// The holder.
        user: UserId,
        /// Since when.
        since: Timestamp,
    },
    /// Named by a trait (rule T2).
    Mapping {
        /// Whom the trait names.
        external_id: ExternalId,
        /// Who that is, while they can hold the post; unresolved if nobody (rule T3).
        user: Option<UserId>,
        /// Since when.
        since: Timestamp,
    },
}

impl Post {
    /// Who holds it.
    pub const fn holder(&self) -> Option<UserId> {
        match self {
            Self::Manual { user, .. } => Some(*user),
            Self::Mapping { user, .. } => *user,
        }
    }

    /// Since when it is as it is.
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Manual { since, .. } | Self::Mapping { since, .. } => *since,
        }
    }

    /// What is left of it once its holder is gone: nothing of one that was set by hand, one that a trait names is
    /// unresolved (rule T4).
    #[must_use]
    pub fn vacant(&self, now: Timestamp) -> Option<Self> {
        match self {
            Self::Manual { .. } => None,
            Self::Mapping { external_id, .. } => {
                Some(Self::Mapping { external_id: external_id.clone(), user: None, since: now })
            }
        }
    }

    /// Whether somebody has left since they were put there.
    pub fn is_left_by(&self, member: &Member) -> bool {
        self.holder() == Some(member.user) && member.left_at.is_some_and(|left| self.since() <= left)
    }
}

/// The posts on an organization or an account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Posts {
    /// The customer's side: who owns the buying decision.
    pub account_owner: Option<Post>,
    /// The vendor's side: who is responsible for what.
    pub key_roles: BTreeMap<KeyRole, Post>,
}

impl Posts {
    /// One of them.
    pub fn get(&self, key_role: Option<&KeyRole>) -> Option<&Post> {
        match key_role {
            None => self.account_owner.as_ref(),
            Some(name) => self.key_roles.get(name),
        }
    }

    /// The same with one of them as given.
    #[must_use]
    pub fn with(mut self, key_role: Option<&KeyRole>, post: Option<Post>) -> Self {
        match (key_role, post) {
            (None, post) => self.account_owner = post,
            (Some(name), Some(post)) => drop(self.key_roles.insert(name.clone(), post)),
            (Some(name), None) => drop(self.key_roles.remove(name)),
        }
        self
    }

    /// All that somebody holds, or that is to be held by somebody.
    pub fn all(&self) -> impl Iterator<Item = (Option<&KeyRole>, &Post)> {
        let owner = self.account_owner.iter().map(|post| (None, post));
        owner.chain(self.key_roles.iter().map(|(name, post)| (Some(name), post)))
    }

    /// Everybody who holds one of them.
    pub fn holders(&self) -> impl Iterator<Item = UserId> {
        self.all().filter_map(|(_, post)| post.holder())
    }

    /// What is true of them, given the memberships of those who hold them: time may have ended one that nobody has
    /// settled yet.
    #[must_use]
    pub fn as_held(&self, members: &BTreeMap<UserId, Member>) -> Self {
        let left: Vec<(Option<KeyRole>, Option<Post>)> = self
            .all()
            .filter_map(|(name, post)| {
                let member = members.get(&post.holder()?).filter(|member| post.is_left_by(member))?;
                Some((name.cloned(), post.vacant(member.left_at.unwrap_or(Timestamp::EPOCH))))
            })
            .collect();
        left.into_iter().fold(self.clone(), |posts, (name, post)| posts.with(name.as_ref(), post))
    }
}

/// Which posts somebody holds in an organization.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HeldPosts {
    /// Who.
    pub user: UserId,
    /// Which, at most [`MAX_POSTS`].
    pub posts: BTreeSet<PostName>,
}
