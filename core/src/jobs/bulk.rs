//! One act on each of many members, in the order given: each with its outcome in one commit.

use std::collections::BTreeSet;

use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::{BulkAct, find_living, find_user, mail_password_reset, require_alive};
use crate::id::{OrganizationId, UserId};
use crate::model::{Job, JobPartId, JobSide, Outcome, OutcomeStatus, PartContent, UserStatus};
use crate::op::{Operation, preflight};
use crate::ops::job::{Advance, Row, RowDone, RowInJob};
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
        let mut seen = BTreeSet::new();
        for n in 0..job.done.div_ceil(Job::PART as u64) {
            // Somebody is at it still.
            job = self.say(&as_asked(&self.roster, &job), job.id, Advance::default()).await?;
            let (items, outcomes) = (self.items(job.id, n).await?, self.outcomes(&job, n).await?);
            for (item, outcome) in items.iter().zip(&outcomes) {
                if shows_them(outcome.code.as_deref()) {
                    seen.extend(self.named(item).await.ok().map(|(user, _)| user));
                }
            }
        }
        while job.done < job.total {
            let n = job.done;
            let items = self.items(job.id, n / Job::PART as u64).await?;
            let within = usize::try_from(n % Job::PART as u64).unwrap_or(0);
            let Some(item) = items.get(within) else {
                return Err(Interrupted::Hopeless("a part of the request is missing".into()));
            };
            job = self.one(&job, organization, &act, n, item, &mut seen).await?;
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
        seen: &mut BTreeSet<UserId>,
    ) -> Result<Job, Interrupted> {
        let request =
            self.as_asker(job, !act.takes_away()).await.map(|request| request.step(&format!("row {n}")));
        let row = Row { job: job.id, holder: self.holder, n, item: item.to_owned(), line: None };
        let named = self.named(item).await;
        if let Ok((user, _)) = &named
            && seen.contains(user)
        {
            return self.noted(job, item, OutcomeStatus::Unchanged, None).await;
        }
        if matches!(act, BulkAct::PasswordReset) {
            // A letter cannot be taken back: none is written by a worker that has lost the job while it stood still.
            self.say(&as_asked(&self.roster, job), job.id, Advance::default()).await?;
        }
        let user = named.as_ref().ok().map(|(user, _)| *user);
        let done = match (request, named) {
            (Ok(request), Ok(user)) => self.act(&request, row, organization, act, user).await,
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        };
        let code = match &done {
            Ok(done) => done.refused,
            Err(OpError::Refused(refusal)) => Some(refusal.code()),
            Err(_) => None,
        };
        seen.extend(user.filter(|_| shows_them(code)));
        match done {
            Ok(RowDone { job: Some(job), .. }) => self.going_on(*job),
            Ok(RowDone { job: None, .. }) => Err(Interrupted::Lost),
            Err(error @ OpError::Refused(Refusal::Conflict)) => Err(error.into()),
            Err(OpError::Refused(refusal)) => {
                self.noted(job, item, OutcomeStatus::Refused, Some(&refusal)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What came of the items of a part that are done.
    async fn outcomes(&self, job: &Job, n: u64) -> Result<Vec<Outcome>, Interrupted> {
        if n == job.done / Job::PART as u64 {
            return Ok(job.fresh.clone());
        }
        Ok(match self.part(job.id, JobSide::Results, n).await? {
            Some(PartContent::Outcomes(outcomes)) => outcomes,
            Some(PartContent::Items(_)) | None => Vec::new(),
        })
    }

    /// Who an item names, and how often they have been removed from everything.
    async fn named(&self, item: &str) -> Result<(UserId, u32), OpError> {
        let named =
            item.parse::<UserRef>().map_err(|bad| OpError::from(Refusal::invalid("", bad.to_string())))?;
        find_user(&self.roster, &named).await.map(|user| (user.id, user.cuts))
    }

    /// An outcome of an item on which nothing is done.
    async fn noted(
        &self,
        job: &Job,
        item: &str,
        status: OutcomeStatus,
        refusal: Option<&Refusal>,
    ) -> Result<Job, Interrupted> {
        let code = refusal.map(|refusal| refusal.code().to_owned());
        let detail = refusal.map(ToString::to_string);
        let outcome = Outcome { item: item.to_owned(), line: None, status, code, warning: None, detail };
        let of = Some(JobPartId::of_item(job.id, job.done));
        let advance = Advance { outcomes: vec![outcome], of, ..Advance::default() };
        self.say(&as_asked(&self.roster, job), job.id, advance).await
    }

    /// The request of whoever asked, as they stand now: nothing is done for one who is shut out by now (rules M7, L9), and
    /// nothing given by a key or a session that is no more.
    pub(super) async fn as_asker(&self, job: &Job, gives: bool) -> Result<Request, OpError> {
        let request = as_asked(&self.roster, job);
        if gives {
            require_alive(&self.roster, &job.actor).await?;
        }
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
    ) -> Result<RowDone, OpError> {
        use OutcomeStatus::{Changed, Removed};
        match act {
            BulkAct::Remove => self.in_job(request, row, RemoveMember { organization, user }, Removed).await,
            BulkAct::Deactivate => {
                self.in_job(request, row, DeactivateMember { organization, user }, Changed).await
            }
            BulkAct::Reactivate => {
                self.in_job(request, row, ReactivateMember { organization, user, cuts }, Changed).await
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
                let cuts = find_living(&self.roster, &UserRef::Id(user)).await?.cuts;
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
    ) -> Result<RowDone, OpError> {
        self.row(request, &RowInJob { row, act, changed }).await
    }
}

/// Whether what came of an item tells whom it names. Who is somewhere else is named as little as nobody: naming them a second
/// time answers the same.
fn shows_them(code: Option<&str>) -> bool {
    !matches!(code, Some("not_found" | "unauthenticated"))
}
