//! Closing an organization for good (rule O7).

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::OrganizationId;
use crate::model::{Organization, OrganizationStatus};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Ends every access and key in one commit. Closing a closed one changes nothing.
#[derive(Debug)]
pub struct CloseOrganization {
    /// Which.
    pub organization: OrganizationId,
    /// Whether the request said so.
    pub confirmed: bool,
}

impl Operation for CloseOrganization {
    type State = Visible;
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Visible, StoreError> {
        view.open_organization().await
    }

    fn decide(&self, visible: Visible, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let (organization, standing) = match visible.open() {
            Err(Refusal::OrganizationClosed) => return Ok(Decision::unchanged(())),
            opened => opened?,
        };
        if !self.confirmed {
            return Err(Refusal::ConfirmationRequired);
        }
        facts.policies.access.require(&standing, "organization:close", Reach::Organization)?;
        if !facts.actor.is_fresh(facts.now) {
            return Err(Refusal::ReauthenticationRequired);
        }
        let event = Event::new("organization.closed", "organization", self.organization)
            .before(json!({"status": OrganizationStatus::Active}))
            .after(json!({"status": OrganizationStatus::Closed}));
        let closed = Organization { status: OrganizationStatus::Closed, ..organization };
        Ok(Decision::unchanged(()).put(Record::Organization(closed)).event(event))
    }
}
