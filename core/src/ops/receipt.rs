//! Taking receipts away that count no more.

use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::model::{Receipt, ReceiptId};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes those away that are void at the instant of the commit; a key that was used again meanwhile keeps its own.
#[derive(Debug)]
pub(crate) struct DropReceipts {
    /// Where they lie.
    pub home: Home,
    /// Which, as they were listed.
    pub ids: Vec<ReceiptId>,
}

impl Operation for DropReceipts {
    type State = Vec<Receipt>;
    /// How many were taken away.
    type Output = usize;

    fn home(&self) -> Home {
        self.home.clone()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.ids.iter().map(|id| Key::Receipt(*id)).collect::<Vec<_>>()).await?;
        let mut found = Vec::with_capacity(self.ids.len());
        for id in &self.ids {
            found.extend(view.get(id).await?);
        }
        Ok(found)
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<usize>, Refusal> {
        let void: Vec<Key> =
            found.iter().filter(|it| !it.is_live(facts.now)).map(|it| Key::Receipt(it.id)).collect();
        Ok(void.iter().cloned().fold(Decision::unchanged(void.len()), Decision::remove))
    }
}
