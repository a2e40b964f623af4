//! Taking away what is not kept any more.

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{DeliveryId, WebhookId};
use crate::model::{Delivery, DeliveryStatus, TheDelivery, TheLine, WebhookLine};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Takes away deliveries, at most 400. Of a webhook that is gone all of them, and in the end how far it had come: then
/// nothing is left, and nothing can come any more.
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
    type Output = bool;

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

    fn decide(&self, (line, found): Self::State, _: &Facts) -> Result<Decision<bool>, Refusal> {
        let waits = |it: &Delivery| it.status == DeliveryStatus::Pending && !self.gone;
        let going: Vec<DeliveryId> = found.iter().filter(|it| !waits(it)).map(|it| it.id).collect();
        // One that was noted meanwhile is still to be taken away.
        let last = self.gone && line.as_ref().is_none_or(|line| found.is_empty() && line.kept == 0);
        let mut decision = Decision::unchanged(last);
        decision.removes.extend(going.iter().map(|id| TheDelivery(self.webhook, *id).key()));
        match line {
            Some(_) if last => decision.removes.push(TheLine(self.webhook).key()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::facts::Seed;
    use crate::time::Timestamp;

    #[test]
    fn how_far_it_had_come_goes_only_when_nothing_is_kept_any_more() {
        let webhook = WebhookId::from_uuid(uuid::Uuid::from_u128(2));
        let forget = ForgetDeliveries { webhook, deliveries: Vec::new(), gone: true };
        let facts = Facts {
            actor: Actor::System,
            now: Timestamp::EPOCH,
            policies: std::sync::Arc::default(),
            seed: Seed { bytes: [0; 32], millis: 0 },
        };
        for kept in [0, 1] {
            let line = WebhookLine { kept, ..WebhookLine::new(webhook, None) };
            let decision = forget.decide((Some(line), Vec::new()), &facts).unwrap();
            let last = kept == 0;
            assert_eq!(
                (decision.output, decision.removes.len()),
                (last, usize::from(last)),
                "noted meanwhile"
            );
        }
        assert!(forget.decide((None, Vec::new()), &facts).unwrap().output);
    }
}
