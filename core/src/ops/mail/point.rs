//! Pointers to what waits in the outbox.

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::{MailId, Version};
use crate::model::MailPointer;
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Notes where letters are about to be.
#[derive(Debug)]
pub struct PutMailPointer {
    /// The pointer.
    pub pointer: MailPointer,
}

impl Operation for PutMailPointer {
    type State = ();
    type Output = ();

    fn home(&self) -> Home {
        self.pointer.id.outbox()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<(), StoreError> {
        view.get(&self.pointer.id).await.map(drop)
    }

    fn decide(&self, (): (), _: &Facts) -> Result<Decision<()>, Refusal> {
        Ok(Decision::unchanged(()).put(Record::MailPointer(self.pointer.clone())))
    }
}

/// Takes a pointer away, as it was read.
#[derive(Debug)]
pub struct RemoveMailPointer {
    /// Which.
    pub id: MailId,
    /// Only as it was read.
    pub version: Version,
}

impl Operation for RemoveMailPointer {
    type State = Option<Version>;
    type Output = ();

    fn home(&self) -> Home {
        self.id.outbox()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.id).await?;
        Ok(view.version(&Key::MailPointer(self.id)))
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let same = found == Some(self.version);
        Ok(if same { nothing.remove(Key::MailPointer(self.id)) } else { nothing })
    }
}
