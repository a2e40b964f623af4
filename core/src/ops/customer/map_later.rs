//! Having owners looked at again once somebody's time has come (rules T3, M12).

use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::OrganizationId;
use crate::model::{Job, Work};
use crate::op::{Decision, Operation, View, Visible};
use crate::ops::job::Asked;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Queues it; once for the same id, unless it was over before its time.
#[derive(Debug)]
pub(crate) struct MapLater {
    /// Where.
    pub organization: OrganizationId,
    /// Under which id.
    pub asked: Asked,
    /// Not before this instant.
    pub at: Timestamp,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

impl Operation for MapLater {
    type State = (Visible, Option<Job>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        Ok((view.open_organization().await?, view.get(&self.asked.id).await?))
    }

    fn decide(&self, (visible, found): Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        // One that was over before its time, because somebody cancelled it, looks at nobody.
        let stands = found.is_some_and(|job| !job.status.is_finished() || self.at <= facts.now);
        if stands || visible.open().is_err() {
            return Ok(nothing);
        }
        let work = Work::MapOwners { organization: Some(self.organization) };
        let job = Job { not_before: self.at, ..self.asked.queued(work, 0, facts.now) };
        Ok(nothing.put(Record::Job(Box::new(job))))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }
}
