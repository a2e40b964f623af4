//! Dead letters (rule G5).

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{DeadLetterId, SourceId};
use crate::model::Names;
use crate::model::customer::{DeadLetter, TheDeadLetter};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Letters as they are, or not there.
async fn there(
    view: &mut View<'_>,
    letters: impl Iterator<Item = DeadLetterId> + Send,
) -> Result<Vec<Option<DeadLetter>>, StoreError> {
    let mut found = Vec::new();
    for letter in letters {
        found.push(view.get(&TheDeadLetter(letter)).await?);
    }
    Ok(found)
}

/// Keeps messages that could not be applied.
#[derive(Debug)]
pub struct PutDeadLetters {
    /// Whose.
    pub source: SourceId,
    /// Which.
    pub letters: Vec<DeadLetter>,
}

impl Operation for PutDeadLetters {
    type State = Vec<Option<DeadLetter>>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 1)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        there(view, self.letters.iter().map(|letter| letter.id)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        Ok(self.letters.iter().zip(found).fold(Decision::unchanged(()), |decision, (letter, found)| {
            let put_at = found.as_ref().map_or(Some(facts.now), |found| found.put_at);
            let letter = DeadLetter { put_at, ..letter.clone() };
            if found.as_ref() == Some(&letter) { decision } else { decision.put(letter.into()) }
        }))
    }
}

/// Leaves out of dead letters about others what names a person who is erased; what cannot be told from theirs goes.
#[derive(Debug)]
pub struct RewordDeadLetters {
    /// Whose.
    pub source: SourceId,
    /// Which.
    pub letters: Vec<DeadLetterId>,
    /// By what the person is named.
    pub names: Names,
}

impl Operation for RewordDeadLetters {
    type State = Vec<Option<DeadLetter>>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 1)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        there(view, self.letters.iter().copied()).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        // As they are now: another erasure may have left something out, and one that was replayed stays away.
        let named = found.into_iter().flatten().filter(|letter| self.names.stand_in(&letter.payload));
        Ok(named.fold(Decision::unchanged(()), |decision, letter| {
            match self.names.taken_out_of(&letter.payload) {
                Some(payload) => decision.put(DeadLetter { payload, ..letter }.into()),
                None => decision.remove(TheDeadLetter(letter.id).key()),
            }
        }))
    }
}

/// Takes dead letters away.
#[derive(Debug)]
pub struct RemoveDeadLetters {
    /// Whose.
    pub source: SourceId,
    /// Which.
    pub letters: Vec<DeadLetterId>,
}

impl Operation for RemoveDeadLetters {
    type State = Vec<Option<DeadLetter>>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 1)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        there(view, self.letters.iter().copied()).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        Ok(found.into_iter().flatten().fold(Decision::unchanged(()), |decision, letter| {
            decision.remove(TheDeadLetter(letter.id).key())
        }))
    }
}
