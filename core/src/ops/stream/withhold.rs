//! Whom a source means by an id that it must not give them.

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{SourceId, UserId};
use crate::model::customer::{TheWithheld, Withheld};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Notes it; what was said last stands.
#[derive(Debug)]
pub(crate) struct Withhold {
    /// Which source.
    pub source: SourceId,
    /// A keyed hash of the id.
    pub hash: Uuid,
    /// Whom it means; nothing where it means nobody any more.
    pub user: Option<UserId>,
}

impl Operation for Withhold {
    type State = Option<Withheld>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 1)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheWithheld(self.hash)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let (nothing, hash) = (Decision::unchanged(()), self.hash);
        Ok(match self.user {
            user if found.map(|it| it.user) == user => nothing,
            Some(user) => nothing.put(Withheld { hash, user }.into()),
            None => nothing.remove(TheWithheld(hash).key()),
        })
    }
}
