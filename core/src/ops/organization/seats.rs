//! How many seats are paid for (rules S1, S3).

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, Tally};
use crate::id::OrganizationId;
use crate::model::Organization;
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Sets the number of purchased seats: none is unlimited, else at least 1 and no fewer than are used.
#[derive(Debug)]
pub struct SetSeats {
    /// Whose.
    pub organization: OrganizationId,
    /// How many.
    pub purchased: Option<u32>,
}

impl Operation for SetSeats {
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
        let (organization, standing) = visible.open()?;
        if self.purchased == Some(0) {
            return Err(Refusal::invalid("/purchased", "must be at least 1, or null for unlimited"));
        }
        facts.policies.access.require(&standing, "billing:manage", Reach::Organization)?;
        if organization.purchased == self.purchased {
            return Ok(Decision::unchanged(()));
        }
        let event = Event::new("seats.changed", "organization", self.organization)
            .before(json!({"purchased": organization.purchased}))
            .after(json!({"purchased": self.purchased}));
        let record = Record::Organization(Organization { purchased: self.purchased, ..organization });
        let decision = Decision::unchanged(()).put(record).event(event);
        Ok(Decision { checks: vec![Tally::Seats], ..decision })
    }

    fn out_of_bounds(&self, _: Tally) -> Refusal {
        Refusal::SeatsInUse
    }
}
