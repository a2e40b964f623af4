//! Taking away what is not kept any more.

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{DeliveryId, WebhookId};
use crate::model::{Delivery, DeliveryStatus, TheDelivery, TheLine, WebhookLine};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes away deliveries, at most 400. Of a webhook that is gone all of them, and in the end how far it had come.
#[derive(Debug)]
pub struct ForgetDeliveries {
    /// Of which webhook.
    pub webhook: WebhookId,
    /// Which.
    pub deliveries: Vec<DeliveryId>,
    /// Whether the webhook is gone: also those go that are still to be tried, and the line.
    pub gone: bool,
}

impl Operation for ForgetDeliveries {
    type State = (Option<WebhookLine>, Vec<Delivery>);
    type Output = ();

    fn home(&self) -> Home {
        self.webhook.part()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let keys = self.deliveries.iter().map(|id| TheDelivery(self.webhook, *id).key());
        view.fetch(keys.chain([TheLine(self.webhook).key()])).await?;
        let mut found = Vec::new();
        for id in &self.deliveries {
            found.extend(view.get(&TheDelivery(self.webhook, *id)).await?);
        }
        Ok((view.get(&TheLine(self.webhook)).await?, found))
    }

    fn decide(&self, (line, found): Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let waits = |it: &Delivery| it.status == DeliveryStatus::Pending && !self.gone;
        let going: Vec<DeliveryId> = found.iter().filter(|it| !waits(it)).map(|it| it.id).collect();
        let mut decision = Decision::unchanged(());
        decision.removes.extend(going.iter().map(|id| TheDelivery(self.webhook, *id).key()));
        match line {
            Some(_) if self.gone && found.is_empty() => decision.removes.push(TheLine(self.webhook).key()),
            Some(mut line) if !going.is_empty() => {
                line.kept = line.kept.saturating_sub(u32::try_from(going.len()).unwrap_or(u32::MAX));
                line.pending.retain(|it| !going.contains(&it.delivery));
                decision.puts.push(line.into());
            }
            Some(_) | None => {}
        }
        Ok(decision)
    }
}
