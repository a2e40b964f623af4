//! The sweep after a person was removed from everything (rule M5).

use super::invited::has_begun;
use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::sweep::sweep;
use crate::home::Record;
use crate::id::{OrganizationId, UserId};
use crate::listing::{Listing, PageRequest, Position};
use crate::model::{Job, Outcome, OutcomeStatus};
use crate::ops::job::{Advance, MAX_ATTEMPTS};
use crate::ops::member::Swept;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreErrorKind;

/// How many organizations are swept before the job says so.
const CHUNK: u16 = 20;

impl Held {
    pub(super) async fn remove_everywhere(
        &self,
        job: Job,
        user: UserId,
        cuts: u32,
    ) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job);
        let (job, failed) = self.end_memberships(&request, job, (user, cuts), false).await?;
        let (job, invited) = self.end_invitations(&request, job, user).await?;
        let passing = self.give_up(&request, &job, failed).await?;
        // What cannot be read holds its seat until somebody looks at it.
        let invited = invited.filter(|failure| job.attempts < MAX_ATTEMPTS || !will_last(failure));
        passing.or(invited).map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Tells of organizations that are not tried again; why one of the others failed.
    pub(super) async fn give_up(
        &self,
        request: &Request,
        job: &Job,
        failed: Vec<Failed>,
    ) -> Result<Option<OpError>, Interrupted> {
        let (outcomes, passing) = given_up(job, failed);
        if !outcomes.is_empty() {
            let passed_over = Some(passing.iter().map(|(at, _)| *at).collect());
            self.say(request, job.id, Advance { outcomes, passed_over, ..Advance::default() }).await?;
        }
        Ok(passing.into_iter().next().map(|(_, failure)| failure))
    }

    /// Writes down in every organization that the membership has ended, behind the last one in which that was done. Where it
    /// cannot be, the others come first; then it is tried once more, and why it failed again is told. An erasure waits for one
    /// who was about to own an organization when they were erased: they may until their pointer to it is dead.
    pub(super) async fn end_memberships(
        &self,
        request: &Request,
        mut job: Job,
        who: (UserId, u32),
        waits: bool,
    ) -> Result<(Job, Vec<Failed>), Interrupted> {
        while !has_begun(job.cursor.as_deref()) {
            let organizations = self.next_organizations(who.0, job.cursor.as_deref()).await?;
            let Some(last) = organizations.last() else { break };
            let (outcomes, failed) = self.sweep_each(request, &job, &organizations, who, waits).await?;
            let failed = failed.into_iter().map(|(at, _)| at);
            let passed_over = Some(job.passed_over.iter().copied().chain(failed).collect());
            let cursor = Some(last.to_string());
            let advance = Advance { outcomes, cursor, passed_over, ..Advance::default() };
            job = self.say(request, job.id, advance).await?;
        }
        if job.passed_over.is_empty() {
            return Ok((job, Vec::new()));
        }
        let again = job.passed_over.clone();
        let (outcomes, failed) = self.sweep_each(request, &job, &again, who, waits).await?;
        if !outcomes.is_empty() {
            let passed_over = Some(failed.iter().map(|(at, _)| *at).collect());
            job = self.say(request, job.id, Advance { outcomes, passed_over, ..Advance::default() }).await?;
        }
        Ok((job, failed))
    }

    /// In some organizations: what came of it, and where it failed.
    async fn sweep_each(
        &self,
        request: &Request,
        job: &Job,
        organizations: &[OrganizationId],
        who: (UserId, u32),
        waits: bool,
    ) -> Result<(Vec<Outcome>, Vec<Failed>), Interrupted> {
        let (mut outcomes, mut failed, mut awaited) = (Vec::new(), Vec::new(), None);
        for organization in organizations {
            match sweep(&self.roster, request, job, *organization, who).await {
                Ok(Swept::Awaited(seconds)) if waits => awaited = awaited.max(Some(seconds)),
                Ok(swept) => outcomes.push(outcome_of(*organization, swept)),
                Err(failure) => {
                    tracing::warn!(job = %job.id, %organization, error = %failure, "passed over for now");
                    failed.push((*organization, failure));
                    // It may have taken long to fail: somebody is at it still.
                    self.say(request, job.id, Advance::default()).await?;
                }
            }
        }
        match awaited {
            Some(seconds) => Err(Interrupted::Early(seconds)),
            None => Ok((outcomes, failed)),
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

/// An organization in which it could not be written down, and why.
pub(super) type Failed = (OrganizationId, OpError);

/// What is told, after many attempts, of organizations that waiting does not mend, and those that are waited for. The person has
/// no access there, whatever is written down; whoever mends the store asks for it again.
pub(super) fn given_up(job: &Job, failed: Vec<Failed>) -> (Vec<Outcome>, Vec<Failed>) {
    let (lasting, passing): (Vec<_>, Vec<_>) =
        failed.into_iter().partition(|(_, failure)| job.attempts >= MAX_ATTEMPTS && will_last(failure));
    (lasting.iter().map(|(at, failure)| refused(*at, failure.code())).collect(), passing)
}

/// Whether waiting does not mend it.
pub(super) fn will_last(failure: &OpError) -> bool {
    match failure {
        OpError::Store(failure) => failure.kind == StoreErrorKind::Corrupt,
        OpError::Refused(refusal) => *refusal != Refusal::Conflict,
        OpError::Busy | OpError::Lost | OpError::Replay(_) => false,
    }
}

/// What is said of an organization in which it was written down.
pub(super) fn outcome_of(organization: OrganizationId, swept: Swept) -> Outcome {
    let status = match swept {
        Swept::Removed => OutcomeStatus::Removed,
        Swept::Unchanged | Swept::Awaited(_) => OutcomeStatus::Unchanged,
        Swept::Owner => return refused(organization, Refusal::OwnerMustTransfer.code()),
    };
    Outcome { status, code: None, ..refused(organization, "") }
}

fn refused(organization: OrganizationId, code: &str) -> Outcome {
    let (item, code) = (organization.to_string(), Some(code.to_owned()));
    Outcome { item, line: None, status: OutcomeStatus::Refused, code, warning: None, detail: None }
}
