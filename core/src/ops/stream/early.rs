//! What was said of people before they were in any organization: it waits with its source.

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{SourceId, UserId};
use crate::model::customer::{Early, EarlyPart, TheEarly};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Keeps what one part of a request said of a person; what there is then. Done again it keeps nothing twice.
#[derive(Debug)]
pub struct KeepEarly {
    /// Whose.
    pub source: SourceId,
    /// Who.
    pub user: UserId,
    /// What.
    pub part: EarlyPart,
}

impl Operation for KeepEarly {
    type State = Option<Early>;
    type Output = Early;

    fn home(&self) -> Home {
        Home::Stream(self.source, 1)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheEarly(self.user)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<Early>, Refusal> {
        let before = found.clone();
        let mut early = found.unwrap_or_else(|| Early { user: self.user, parts: Vec::new() });
        early.parts.retain(|part| part.waits(facts.now));
        if self.part.waits(facts.now) {
            early.add(self.part.clone());
        }
        let decision = Decision::unchanged(early.clone());
        Ok(match before {
            Some(_) if early.parts.is_empty() => decision.remove(TheEarly(self.user).key()),
            None if early.parts.is_empty() => decision,
            Some(before) if before == early => decision,
            _ => decision.put(early.into()),
        })
    }
}

/// Forgets what has waited too long.
#[derive(Debug)]
pub struct ForgetEarly {
    /// Whose.
    pub source: SourceId,
    /// Of whom, at most 400.
    pub users: Vec<UserId>,
    /// Whatever has waited, of people who are erased (rule L5).
    pub all: bool,
}

impl Operation for ForgetEarly {
    type State = Vec<Early>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 1)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.users.iter().map(|user| TheEarly(*user).key())).await?;
        let mut found = Vec::new();
        for user in &self.users {
            found.extend(view.get(&TheEarly(*user)).await?);
        }
        Ok(found)
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let old = |early: &Early| self.all || !early.parts.iter().any(|part| part.waits(facts.now));
        let gone = found.into_iter().filter(old);
        Ok(gone.fold(Decision::unchanged(()), |decision, early| decision.remove(TheEarly(early.user).key())))
    }
}
