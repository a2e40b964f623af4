//! Webhooks: made, changed and deleted in the home whose events they tell; how far each has come, in a home without a log.

mod create;
mod delete;
mod disable;
mod forget;
mod line;
mod note;
mod pending;
mod redeliver;
mod rotate;
mod update;

pub use create::CreateWebhook;
pub use delete::DeleteWebhook;
pub use disable::DisableWebhook;
pub use forget::ForgetDeliveries;
pub use line::{BeginLine, LEASE_SECONDS, PutLine, TakeLine, TakenLine};
pub use note::{Attempt, LONGEST_REST, Note, TRIES, Tried, rest};
pub use pending::{Settle, Settled};
pub use redeliver::Redeliver;
pub use rotate::RotateWebhookSecret;
pub use update::{UpdateWebhook, WebhookPatch};

use serde_json::{Value, json};

use crate::facts::Facts;
use crate::home::Home;
use crate::id::OrganizationId;
use crate::model::Webhook;
use crate::op::{View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// The home of a webhook.
pub fn webhook_home(organization: Option<OrganizationId>) -> Home {
    organization.map_or(Home::Deployment, Home::Organization)
}

/// The organization of a webhook as the actor sees it; nothing for one of the deployment.
async fn seen(
    view: &mut View<'_>,
    organization: Option<OrganizationId>,
) -> Result<Option<Visible>, StoreError> {
    match organization {
        Some(_) => Ok(Some(view.open_organization().await?)),
        None => view.fetch([]).await.map(|()| None),
    }
}

/// Who may manage what: whoever holds `webhooks:manage` on the whole organization; operators those of the deployment. To
/// others those of the deployment are not there, once they are made.
fn require(visible: Option<Visible>, there: bool, facts: &Facts) -> Result<(), Refusal> {
    match visible {
        Some(visible) => {
            let (_, standing) = visible.open()?;
            if !there {
                return Err(Refusal::NotFound);
            }
            facts.policies.access.require(&standing, "webhooks:manage", Reach::Organization)
        }
        None if facts.actor.is_operator() && there => Ok(()),
        None => Err(Refusal::NotFound),
    }
}

/// What the log says of one: of the URL nothing that may be a secret.
fn fields(webhook: &Webhook) -> Value {
    let reason = webhook.disabled.map(|disabled| disabled.reason.name());
    json!({
        "url": webhook.url.origin(), "types": webhook.types, "status": webhook.status(),
        "disabled_reason": reason,
    })
}
