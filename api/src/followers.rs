//! Answers that wait for what happens next keep a connection each for as long as they like. A process has so many of them
//! at a time, and nobody more than half, by however many sessions or for however many people, so that there is room for
//! whoever asks for anything else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use roster_core::actor::{Actor, Via};
use roster_core::id::UserId;

use crate::error::Problem;

/// How many there may be unless another number is set.
pub const USUAL: usize = 1_000;
/// When to ask again, in seconds.
const AGAIN: u16 = 5;

/// Who waits.
#[derive(Debug)]
pub struct Followers {
    most: usize,
    waiting: Mutex<HashMap<Asker, usize>>,
}

/// Whose places are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Asker {
    /// A person, by sessions and keys of their own.
    Person(UserId),
    /// Anybody else, such as a key, whomever it speaks for.
    Other(Actor),
}

impl From<Actor> for Asker {
    fn from(actor: Actor) -> Self {
        let Actor::User { user, via } = actor else { return Self::Other(actor) };
        match via {
            Via::Operator { key } => Self::Other(Actor::Operator { key }),
            Via::ApiKey { organization, key } => Self::Other(Actor::ApiKey { organization, key }),
            Via::PersonalKey { .. }
            | Via::Session { .. }
            | Via::Invitation { .. }
            | Via::Reset { .. }
            | Via::EmailChange { .. } => Self::Person(user),
        }
    }
}

/// The place of one who waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    asker: Asker,
    followers: Arc<Followers>,
}

impl Default for Followers {
    fn default() -> Self {
        Self::new(USUAL)
    }
}

impl Followers {
    /// So many at the most.
    pub fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default() }
    }

    /// A place for one more; refused where all are taken, or where half are by the same.
    pub(crate) fn place(self: &Arc<Self>, actor: Actor) -> Result<Place, Problem> {
        let asker = Asker::from(actor);
        let mut waiting = self.waiting();
        let own = waiting.get(&asker).copied().unwrap_or(0);
        if own >= self.most.div_ceil(2) || waiting.values().sum::<usize>() >= self.most {
            let detail = "Too many wait for what happens next. Try again, or ask without waiting.";
            let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
            return Err(Problem { retry_after: AGAIN, ..busy });
        }
        waiting.insert(asker, own + 1);
        drop(waiting);
        Ok(Place { asker, followers: Arc::clone(self) })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Asker, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.followers.waiting();
        if let Some(own) = waiting.get_mut(&self.asker) {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.asker);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use roster_core::id::{ApiKeyId, OperatorKeyId, OrganizationId, SessionId};
    use roster_core::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    /// X2: whoever asks is one, by however many sessions, and a key is one, for however many people.
    #[test]
    fn x2_nobody_takes_more_than_half_by_several_sessions_or_for_several_people() {
        let id = Uuid::from_u128;
        let (since, organization) = (Timestamp::from_micros(0), OrganizationId::from_uuid(id(1)));
        let key = Some(OperatorKeyId::from_uuid(id(2)));
        let by_key = |n| (organization, ApiKeyId::from_uuid(id(n)));
        let user = |n, via| Actor::User { user: UserId::from_uuid(id(n)), via };
        let session = |n| Via::Session { session: SessionId::from_uuid(id(n)), since };
        let (organization, own) = by_key(3);
        let personal = Via::PersonalKey { organization, key: own };
        let (organization, key_of_all) = by_key(4);
        let act_as = Via::ApiKey { organization, key: key_of_all };
        for same in [
            [user(7, session(1)), user(7, session(2)), user(7, personal)],
            [user(7, act_as), user(8, act_as), Actor::ApiKey { organization, key: key_of_all }],
            [user(7, Via::Operator { key }), user(8, Via::Operator { key }), Actor::Operator { key }],
        ] {
            let followers = Arc::new(Followers::new(4));
            let [first, second, third] = same;
            let places = [followers.place(first).unwrap(), followers.place(second).unwrap()];
            assert_eq!(followers.place(third).unwrap_err().code, "busy", "{third:?}");
            let others = [user(9, session(3)), user(10, session(4))].map(|it| followers.place(it).unwrap());
            assert!(followers.place(user(11, session(5))).is_err(), "all are taken");
            drop((places, others));
            assert!(followers.waiting().is_empty(), "given back");
        }
    }
}
