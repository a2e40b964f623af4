//! Sending an event again.

use crate::facts::Facts;
use crate::home::Home;
use crate::id::{DeliveryId, WebhookId};
use crate::model::{Delivery, DeliveryStatus, Pending, TheDelivery, TheLine, WebhookLine};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Has an event sent again at once, and as often as a new one if it fails. Whoever asks was judged already.
#[derive(Debug)]
pub struct Redeliver {
    /// By which webhook.
    pub webhook: WebhookId,
    /// Which.
    pub delivery: DeliveryId,
}

impl Operation for Redeliver {
    type State = (Option<WebhookLine>, Option<Delivery>);
    type Output = Delivery;

    fn home(&self) -> Home {
        self.webhook.part()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let line = view.get(&TheLine(self.webhook)).await?;
        Ok((line, view.get(&TheDelivery(self.webhook, self.delivery)).await?))
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<Delivery>, Refusal> {
        let (Some(mut line), Some(found)) = read else { return Err(Refusal::NotFound) };
        let delivery = Delivery {
            status: DeliveryStatus::Pending,
            tries: 0,
            next_attempt_at: Some(facts.now),
            delivered_at: None,
            ..found
        };
        line.pending.retain(|it| it.delivery != delivery.id);
        line.pending.push(Pending { at: facts.now, delivery: delivery.id });
        // Whoever asks for it knows that the receiver is there.
        line.rest = None;
        Ok(Decision::unchanged(delivery.clone()).put(line.into()).put(delivery.into()))
    }
}
