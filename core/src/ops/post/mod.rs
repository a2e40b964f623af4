//! Posts: account owners and key roles, set by hand; emptied when their holder goes (rules T3, T4).

mod clear;
mod forget;
mod held;
mod map;
mod set;

pub use clear::ClearPost;
pub use forget::ForgetMapped;
pub use held::HeldRead;
pub use map::{MapOwner, MappedOwner};
pub use set::SetPost;

use serde_json::{Value, json};

use crate::facts::Facts;
use crate::home::{Key, Record};
use crate::model::{Account, Organization, Post, PostName, Posts};
use crate::op::{Event, SOMEBODY};
use crate::policy::{Reach, Standing};
use crate::refusal::Refusal;
use crate::text::KeyRole;

/// What posts are on.
#[derive(Clone, PartialEq, Debug)]
pub enum Place {
    /// The organization itself.
    Organization(Box<Organization>),
    /// One of its accounts.
    Account(Box<Account>),
}

impl Place {
    /// The posts on it.
    pub fn posts(&self) -> &Posts {
        match self {
            Self::Organization(it) => &it.posts,
            Self::Account(it) => &it.posts,
        }
    }

    /// The same with a post as given.
    #[must_use]
    fn with(self, key_role: Option<&KeyRole>, post: Option<Post>) -> Self {
        match self {
            Self::Organization(it) => {
                let posts = it.posts.clone().with(key_role, post);
                Self::Organization(Box::new(Organization { posts, ..*it }))
            }
            Self::Account(it) => {
                let posts = it.posts.clone().with(key_role, post);
                Self::Account(Box::new(Account { posts, ..*it }))
            }
        }
    }

    fn record(self) -> Record {
        match self {
            Self::Organization(it) => Record::Organization(*it),
            Self::Account(it) => Record::Account(*it),
        }
    }
}

/// The record that the version of a post belongs to.
fn subject(name: &PostName) -> Key {
    name.account.map_or(Key::Organization, Key::Account)
}

/// What setting or clearing a post needs, and where.
fn needs(name: &PostName) -> (&'static str, Reach) {
    let reach = name.account.map_or(Reach::Organization, Reach::Account);
    let permission = match (&name.key_role, name.account) {
        (None, _) => "customers:manage",
        (Some(_), None) => "organization:update",
        (Some(_), Some(_)) => "accounts:update",
    };
    (permission, reach)
}

/// Whether an actor may set or clear a post.
pub(crate) fn require(name: &PostName, standing: &Standing, facts: &Facts) -> Result<(), Refusal> {
    let (permission, reach) = needs(name);
    facts.policies.access.require(standing, permission, reach)
}

/// What the log says of a post that changes.
fn event(name: &PostName, place: &Place, before: Option<&Post>, after: Option<&Post>) -> Event {
    let resolved = after.is_some_and(|post| post.holder().is_some());
    let action = match (&name.key_role, after, resolved) {
        (None, None, _) => "account_owner.cleared",
        (None, Some(_), true) => "account_owner.set",
        (None, Some(_), false) => "account_owner.unresolved",
        (Some(_), None, _) => "key_role.cleared",
        (Some(_), Some(_), _) => "key_role.set",
    };
    let about = match place {
        Place::Account(it) => Event::new(action, "account", it.id),
        Place::Organization(it) => Event::new(action, "organization", it.id),
    };
    let user = after.and_then(Post::holder).or_else(|| before.and_then(Post::holder));
    let fields = |post: Option<&Post>| match (post, &name.key_role) {
        (None, None) => Value::Null,
        (post, Some(role)) => json!({"key_role": role, "user_id": post.and_then(Post::holder)}),
        (Some(Post::Manual { user, .. }), None) => json!({"source": "manual", "user_id": user}),
        (Some(Post::Mapping { external_id, user, .. }), None) => {
            json!({"source": "mapping", "user_id": user, SOMEBODY: external_id})
        }
    };
    Event { user, ..about }.before(fields(before)).after(fields(after))
}
