//! Whom a source means by an id that it must not give them.

use crate::facts::Facts;
use crate::home::Home;
use crate::id::SourceId;
use crate::model::customer::{TheWithheld, Withheld};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Notes it; what was said last stands.
#[derive(Debug)]
pub(crate) struct Withhold {
    /// Which source.
    pub source: SourceId,
    /// What it says.
    pub it: Withheld,
}

impl Operation for Withhold {
    type State = Option<Withheld>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 1)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheWithheld(self.it.hash)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        Ok(if found == Some(self.it) { nothing } else { nothing.put(self.it.into()) })
    }
}
