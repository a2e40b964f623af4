//! Clearing a home of a source that is gone.

use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::SourceId;
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes records of a deleted source away.
#[derive(Debug)]
pub struct ClearStream {
    /// Whose.
    pub source: SourceId,
    /// In which part.
    pub part: u8,
    /// Which, at most 400.
    pub keys: Vec<Key>,
}

impl Operation for ClearStream {
    type State = Vec<Key>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, self.part)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.keys.iter().cloned()).await?;
        Ok(self.keys.iter().filter(|key| view.version(key).is_some()).cloned().collect())
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        Ok(found.into_iter().fold(Decision::unchanged(()), Decision::remove))
    }
}
