//! What waits to be tried again: given up where nothing is sent any more, or tried at once where it goes elsewhere now.

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::home::{Home, TypedKey};
use crate::id::{DeliveryId, WebhookId};
use crate::model::{Delivery, DeliveryError, DeliveryStatus, Pending, TheDelivery, TheLine, WebhookLine};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Deliveries that are settled in one commit.
const TOGETHER: usize = 400;

/// What becomes of what waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// It is given up: the organization is closed.
    GivenUp,
    /// It is tried at once: the receiver is another, and not to be left alone.
    Due,
}

/// Settles what waits to be tried again, at most 400 of it. The line afterwards.
#[derive(Debug)]
pub struct Settle {
    /// By which webhook.
    pub webhook: WebhookId,
    /// How.
    pub settled: Settled,
}

impl Operation for Settle {
    type State = (Option<WebhookLine>, BTreeMap<DeliveryId, Delivery>);
    type Output = Option<WebhookLine>;

    fn home(&self) -> Home {
        self.webhook.part()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let Some(line) = view.get(&TheLine(self.webhook)).await? else { return Ok((None, BTreeMap::new())) };
        let ids: Vec<DeliveryId> = line.pending.iter().take(TOGETHER).map(|it| it.delivery).collect();
        view.fetch(ids.iter().map(|id| TheDelivery(self.webhook, *id).key())).await?;
        let mut found = BTreeMap::new();
        for id in ids {
            found.extend(view.get(&TheDelivery(self.webhook, id)).await?.map(|it| (id, it)));
        }
        Ok((Some(line), found))
    }

    fn decide(&self, (line, found): Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let Some(before) = line else { return Ok(Decision::unchanged(None)) };
        let mut line = before.clone();
        let (first, rest) = before.pending.split_at(before.pending.len().min(TOGETHER));
        // What is not kept any more waits for nothing.
        let there = first.iter().filter(|it| found.contains_key(&it.delivery));
        line.pending = match self.settled {
            Settled::GivenUp => Vec::new(),
            Settled::Due => there.map(|it| Pending { at: facts.now, delivery: it.delivery }).collect(),
        };
        line.pending.extend(rest);
        if self.settled == Settled::Due {
            (line.failures, line.rest) = (0, None);
        }
        if line == before {
            return Ok(Decision::unchanged(Some(line)));
        }
        let mut decision = Decision::unchanged(Some(line.clone())).put(line.into());
        decision.puts.extend(found.into_values().map(|it| self.after(it, facts).into()));
        Ok(decision)
    }
}

impl Settle {
    fn after(&self, delivery: Delivery, facts: &Facts) -> Delivery {
        match self.settled {
            Settled::GivenUp => Delivery {
                status: DeliveryStatus::Failed,
                error: delivery.error.or(Some(DeliveryError::Gone)),
                next_attempt_at: None,
                ..delivery
            },
            Settled::Due => Delivery { next_attempt_at: Some(facts.now), ..delivery },
        }
    }
}
