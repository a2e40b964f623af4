//! How far a webhook has come: begun before the webhook, taken by one sender at a time.

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::Home;
use crate::id::{OrganizationId, WebhookId};
use crate::model::{Lease, Reached, TheLine, WebhookLine};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// How long a sender may be silent, in seconds: longer than one attempt takes.
pub const LEASE_SECONDS: i64 = 60;

/// Notes that a webhook is about to be made. What is there already stays.
#[derive(Debug)]
pub struct PutLine {
    /// Which.
    pub webhook: WebhookId,
    /// Whose.
    pub organization: Option<OrganizationId>,
}

impl Operation for PutLine {
    type State = Option<WebhookLine>;
    type Output = ();

    fn home(&self) -> Home {
        self.webhook.part()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheLine(self.webhook)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let line = found.unwrap_or_else(|| WebhookLine::new(self.webhook, self.organization));
        // Written anew where it stands already, so that it counts as young.
        Ok(Decision::unchanged(()).put(line.into()))
    }
}

/// Notes from where on events are sent, once.
#[derive(Debug)]
pub struct BeginLine {
    /// Which.
    pub webhook: WebhookId,
    /// From where on.
    pub from: Reached,
}

impl Operation for BeginLine {
    type State = Option<WebhookLine>;
    type Output = Option<WebhookLine>;

    fn home(&self) -> Home {
        self.webhook.part()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheLine(self.webhook)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        Ok(match found {
            Some(line) if line.reached.is_none() => {
                let line = WebhookLine { reached: Some(self.from), ..line };
                Decision::unchanged(Some(line.clone())).put(line.into())
            }
            found => Decision::unchanged(found),
        })
    }
}

/// Takes a webhook to send its events.
#[derive(Debug)]
pub struct TakeLine {
    /// Which.
    pub webhook: WebhookId,
    /// The sender, by a number drawn for this taking.
    pub holder: Uuid,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TakenLine {
    /// It is the sender's.
    Mine(WebhookLine),
    /// Another has it until this instant.
    NotNow(Timestamp),
    /// It is not there any more.
    Missing,
}

impl Operation for TakeLine {
    type State = Option<WebhookLine>;
    type Output = TakenLine;

    fn home(&self) -> Home {
        self.webhook.part()
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheLine(self.webhook)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<TakenLine>, Refusal> {
        let Some(mut line) = found else { return Ok(Decision::unchanged(TakenLine::Missing)) };
        if let Some(until) = line.lease.map(|lease| lease.until).filter(|until| *until > facts.now) {
            return Ok(Decision::unchanged(TakenLine::NotNow(until)));
        }
        line.lease = Some(lease(self.holder, facts));
        Ok(Decision::unchanged(TakenLine::Mine(line.clone())).put(line.into()))
    }
}

pub(super) fn lease(holder: Uuid, facts: &Facts) -> Lease {
    Lease { holder, until: facts.now.plus_seconds(LEASE_SECONDS) }
}
