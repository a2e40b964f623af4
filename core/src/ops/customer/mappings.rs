//! Saying which traits name owners (rule T2): kept together with the job that looks at everything again.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TypedKey as _};
use crate::model::customer::{Mappings, TheMappings};
use crate::model::{Job, Work};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::job::Asked;
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Sets the mappings of the deployment or of an organization.
#[derive(Debug)]
pub struct PutMappings {
    /// Whose: the deployment's or an organization's home.
    pub home: Home,
    /// Who asks for the job, and under which id.
    pub asked: Asked,
    /// The mappings.
    pub mappings: Mappings,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for PutMappings {
    type State = (Option<Visible>, Option<Mappings>, Option<Job>);
    type Output = Job;

    fn home(&self) -> Home {
        self.home.clone()
    }

    fn subject(&self) -> Option<Key> {
        Some(TheMappings.key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let visible = match self.home {
            Home::Organization(_) => Some(view.open_organization().await?),
            _ => None,
        };
        Ok((visible, view.get(&TheMappings).await?, view.get(&self.asked.id).await?))
    }

    fn decide(&self, (visible, before, found): Self::State, facts: &Facts) -> Result<Decision<Job>, Refusal> {
        match visible {
            Some(visible) => {
                let (_, standing) = visible.open()?;
                facts.policies.access.require(&standing, "customers:manage", Reach::Organization)?;
            }
            None if facts.actor.is_operator() => {}
            None => return Err(Refusal::lacks("operator")),
        }
        if let Some(job) = found {
            return Ok(Decision::unchanged(job));
        }
        let organization = match self.home {
            Home::Organization(id) => Some(id),
            _ => None,
        };
        let job = self.asked.queued(Work::MapOwners { organization }, 0, facts.now);
        let fields = |it: &Mappings| {
            json!({
                "account_owner_trait": it.account_owner_trait,
                "organization_owner_trait": it.organization_owner_trait,
            })
        };
        let decision = Decision::unchanged(job.clone()).put(Record::Job(Box::new(job)));
        let before = before.unwrap_or_default();
        if before == self.mappings {
            return Ok(decision);
        }
        let id = organization.map(|id| id.to_string()).unwrap_or_default();
        let kind = if organization.is_some() { "organization" } else { "deployment" };
        let event = Event::new("trait_mappings.changed", kind, id)
            .before(fields(&before))
            .after(fields(&self.mappings));
        Ok(decision.put(self.mappings.clone().into()).event(event))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
