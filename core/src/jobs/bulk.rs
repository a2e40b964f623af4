//! One act on each of many members, in the order given: each with its outcome in one commit.

use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::{BulkAct, find_user, mail_password_reset};
use crate::id::{OrganizationId, UserId};
use crate::model::{Job, Outcome, OutcomeStatus, UserStatus};
use crate::op::{Operation, preflight, run};
use crate::ops::job::{Advance, Row, RowInJob};
use crate::ops::member::{
    DeactivateMember, DeleteMember, ReactivateMember, RemoveMember, ReplaceAccess, ResetMemberPassword,
};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};

impl Held {
    pub(super) async fn bulk(
        &self,
        mut job: Job,
        organization: OrganizationId,
        action: &str,
    ) -> Result<(), Interrupted> {
        let act: BulkAct =
            serde_json::from_str(action).map_err(|bad| Interrupted::Hopeless(bad.to_string()))?;
        while job.done < job.total {
            let n = job.done;
            let items = self.items(job.id, n / Job::PART as u64).await?;
            let within = usize::try_from(n % Job::PART as u64).unwrap_or(0);
            let Some(item) = items.get(within) else {
                return Err(Interrupted::Hopeless("a part of the request is missing".into()));
            };
            job = self.one(&job, organization, &act, n, item).await?;
        }
        Ok(())
    }

    async fn one(
        &self,
        job: &Job,
        organization: OrganizationId,
        act: &BulkAct,
        n: u64,
        item: &str,
    ) -> Result<Job, Interrupted> {
        let request = self.as_asker(job).await.map(|request| request.step(&format!("row {n}")));
        let row = Row { job: job.id, holder: self.holder, n, item: item.to_owned() };
        let named = match item.parse::<UserRef>() {
            Ok(named) => find_user(&self.roster, &named).await.map(|user| (user.id, user.cuts)),
            Err(bad) => Err(Refusal::invalid("", bad.to_string()).into()),
        };
        let done = match (request, named) {
            (Ok(request), Ok(user)) => self.act(&request, row, organization, act, user).await,
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        };
        match done {
            Ok(Some(job)) => self.going_on(*job),
            Ok(None) => Err(Interrupted::Lost),
            Err(error @ OpError::Refused(Refusal::Conflict)) => Err(error.into()),
            Err(OpError::Refused(refusal)) => {
                let code = Some(refusal.code().to_owned());
                let status = OutcomeStatus::Refused;
                let outcome = Outcome { item: item.to_owned(), line: None, status, code, warning: None };
                let advance = Advance { outcomes: vec![outcome], ..Advance::default() };
                self.say(&as_asked(job), job.id, advance).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The request of whoever asked, as they stand now: nothing is done for one who is shut out by now (rules M7, L9).
    async fn as_asker(&self, job: &Job) -> Result<Request, OpError> {
        let request = as_asked(job);
        let Some(user) = job.actor.user() else { return Ok(request) };
        let user = find_user(&self.roster, &UserRef::Id(user)).await?;
        if user.status == UserStatus::Active && !user.has_cut(job.created_at) {
            Ok(Request { cuts: user.cuts, ..request })
        } else {
            Err(Refusal::Unauthenticated.into())
        }
    }

    async fn act(
        &self,
        request: &Request,
        row: Row,
        organization: OrganizationId,
        act: &BulkAct,
        (user, cuts): (UserId, u32),
    ) -> Result<Option<Box<Job>>, OpError> {
        use OutcomeStatus::{Changed, Removed};
        match act {
            BulkAct::Remove => self.in_job(request, row, RemoveMember { organization, user }, Removed).await,
            BulkAct::Deactivate => {
                self.in_job(request, row, DeactivateMember { organization, user }, Changed).await
            }
            BulkAct::Reactivate => {
                self.in_job(request, row, ReactivateMember { organization, user }, Changed).await
            }
            BulkAct::Delete => {
                let act = DeleteMember { organization, user, confirmed: true };
                self.in_job(request, row, act, Removed).await
            }
            BulkAct::PasswordReset => {
                let mail = self.roster.post.is_set_up();
                let act = ResetMemberPassword { organization, user, cuts, mail };
                preflight(&self.roster, request, &act).await?;
                // The same letter if this is done again after a crash.
                mail_password_reset(&self.roster, request, user).await?;
                self.in_job(request, row, act, Changed).await
            }
            BulkAct::SetWideAccess { .. } | BulkAct::SetAccess { .. } => {
                let access = act.access().ok_or(Refusal::NotFound)?;
                let act = ReplaceAccess { organization, user, cuts, access };
                self.in_job(request, row, act, Changed).await
            }
        }
    }

    async fn in_job<O: Operation>(
        &self,
        request: &Request,
        row: Row,
        act: O,
        changed: OutcomeStatus,
    ) -> Result<Option<Box<Job>>, OpError> {
        Ok(run(&self.roster, request, &RowInJob { row, act, changed }).await?.output)
    }
}
