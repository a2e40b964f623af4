//! The sweep after a person was removed from everything (rule M5).

use super::{Held, Interrupted, as_asked};
use crate::flows::sweep::sweep;
use crate::home::Record;
use crate::id::{OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Position};
use crate::model::{Job, Outcome, OutcomeStatus};
use crate::ops::job::Advance;
use crate::ops::member::Swept;
use crate::refusal::Refusal;

/// How many organizations are swept before the job says so.
const CHUNK: u16 = 20;

impl Held {
    pub(super) async fn remove_everywhere(
        &self,
        mut job: Job,
        user: UserId,
        cuts: u32,
    ) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job);
        loop {
            let organizations = self.next_organizations(user, job.cursor.as_deref()).await?;
            let Some(last) = organizations.last() else { return Ok(()) };
            let mut outcomes = Vec::with_capacity(organizations.len());
            for organization in &organizations {
                let swept = sweep(&self.roster, &request, &job, *organization, (user, cuts)).await?;
                outcomes.push(outcome_of(*organization, swept));
            }
            let advance = Advance { outcomes, cursor: Some(last.to_string()), ..Advance::default() };
            job = self.say(&request, job.id, advance).await?;
        }
    }

    /// By id, behind the one that was swept last. Organizations that come later are behind the cut.
    pub(super) async fn next_organizations(
        &self,
        user: UserId,
        after: Option<&str>,
    ) -> Result<Vec<OrganizationId>, Interrupted> {
        let after = after.and_then(|id| id.parse::<OrganizationId>().ok());
        let after = after.map(|id| Position { by: String::new(), id: id.uuid() });
        let page = PageRequest { after, limit: CHUNK };
        let found = self.roster.store.list(&Listing::Memberships { user }, &page).await?;
        Ok(found
            .rows
            .into_iter()
            .filter_map(|row| match row.stored.record {
                Record::Membership(at) => Some(at.organization),
                _ => None,
            })
            .collect())
    }
}

/// What is said of an organization in which it was written down.
pub(super) fn outcome_of(organization: OrganizationId, swept: Swept) -> Outcome {
    let (status, code) = match swept {
        Swept::Removed => (OutcomeStatus::Removed, None),
        Swept::Unchanged | Swept::Awaited(_) => (OutcomeStatus::Unchanged, None),
        Swept::Owner => (OutcomeStatus::Refused, Some(Refusal::OwnerMustTransfer.code().to_owned())),
    };
    Outcome { item: organization.to_string(), line: None, status, code, warning: None, detail: None }
}
