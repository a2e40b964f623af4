//! Importing accounts as a job (rule X4): each made or renamed, with its outcome in the same commit.

use std::collections::BTreeMap;

use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::claims::{self, Taken};
use crate::flows::import::{AccountLine, AccountRow};
use crate::home::{Home, Record, TypedKey};
use crate::id::{AccountId, OrganizationId};
use crate::model::{ClaimName, ClaimTarget, Job, Outcome, OutcomeStatus};
use crate::op::preflight;
use crate::ops::account::{AccountPatch, CreateAccount, UpdateAccount};
use crate::ops::job::{Advance, Row, RowInJob};
use crate::refusal::{OpError, Refusal};
use crate::text::{ExternalId, Name};

impl Held {
    pub(super) async fn import_accounts(
        &self,
        mut job: Job,
        organization: OrganizationId,
        dry_run: bool,
    ) -> Result<(), Interrupted> {
        // What a dry run would have made or renamed so far.
        let mut ahead = BTreeMap::new();
        if dry_run && job.done > 0 {
            for n in 0..job.done / Job::PART as u64 {
                // Somebody is at it still.
                job = self.say(&as_asked(&self.roster, &job), job.id, Advance::default()).await?;
                self.foresee(&job, organization, n, &mut ahead).await?;
            }
        }
        while job.done < job.total {
            self.importer(&job, organization).await?;
            let part = job.done / Job::PART as u64;
            if dry_run {
                let outcomes = self.foresee(&job, organization, part, &mut ahead).await?;
                job = self
                    .say(&as_asked(&self.roster, &job), job.id, Advance { outcomes, ..Advance::default() })
                    .await?;
                continue;
            }
            let lines = self.account_lines(&job, part).await?;
            let within = usize::try_from(job.done % Job::PART as u64).unwrap_or(0);
            for line in &lines[within.min(lines.len())..] {
                job = self.account(&job, organization, line).await?;
            }
        }
        Ok(())
    }

    async fn account_lines(&self, job: &Job, part: u64) -> Result<Vec<AccountLine>, Interrupted> {
        let items = self.items(job.id, part).await?;
        if items.is_empty() {
            return Err(Interrupted::Hopeless("a part of the file is missing".into()));
        }
        let lines = items.iter().map(|item| serde_json::from_str(item)).collect::<Result<_, _>>();
        lines.map_err(|bad: serde_json::Error| Interrupted::Hopeless(bad.to_string()))
    }

    /// One row. What was made before a crash is not made again: the row's outcome came with it.
    async fn account(
        &self,
        job: &Job,
        organization: OrganizationId,
        line: &AccountLine,
    ) -> Result<Job, Interrupted> {
        let done = match &line.row {
            Ok(row) => self.make_or_rename(job, organization, line, row).await,
            Err(detail) => Err(Refusal::invalid("", detail.clone()).into()),
        };
        match done {
            Ok(Some(job)) => self.going_on(*job),
            Ok(None) => Err(Interrupted::Lost),
            Err(error @ OpError::Refused(Refusal::Conflict)) => Err(error.into()),
            Err(OpError::Refused(refusal)) => {
                let outcomes = vec![outcome(line, OutcomeStatus::Refused, Some(&refusal))];
                self.say(&as_asked(&self.roster, job), job.id, Advance { outcomes, ..Advance::default() })
                    .await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn make_or_rename(
        &self,
        job: &Job,
        organization: OrganizationId,
        line: &AccountLine,
        row: &AccountRow,
    ) -> Result<Option<Box<Job>>, OpError> {
        let request = self.as_asker(job, true).await?.step(&format!("line {}", line.line));
        let place = Row {
            job: job.id,
            holder: self.holder,
            n: job.done,
            item: line.item.clone(),
            line: Some(line.line),
        };
        match self.made_or_renamed(&request, organization, place.clone(), row).await {
            // Another import of the same rows was quicker: it is there now.
            Err(OpError::Refused(Refusal::ExternalIdExists))
                if self.account_of(organization, &row.external_id).await?.is_some() =>
            {
                self.made_or_renamed(&request, organization, place, row).await
            }
            done => done,
        }
    }

    async fn made_or_renamed(
        &self,
        request: &Request,
        organization: OrganizationId,
        place: Row,
        row: &AccountRow,
    ) -> Result<Option<Box<Job>>, OpError> {
        if let Some(account) = self.account_of(organization, &row.external_id).await? {
            let patch = AccountPatch { name: row.name.clone(), ..AccountPatch::default() };
            let act = UpdateAccount { organization, account, patch };
            let act = RowInJob { row: place, act, changed: OutcomeStatus::Changed };
            return self.row(request, &act).await.map(|done| done.job);
        }
        let mut act = new_account(request, organization, row)?;
        preflight(&self.roster, request, &act).await?;
        let (name, target) = (ClaimName::Account(act.id), ClaimTarget::Organization(organization));
        let held = match claims::take(&self.roster, request, &[name], target).await? {
            Taken::All(held) => held,
            Taken::Not(_) => return Err(Refusal::Conflict.into()),
        };
        act.not_after = Some(held.not_after);
        let act = RowInJob { row: place, act, changed: OutcomeStatus::Added };
        let making = async { self.row(request, &act).await.map(|done| done.job) };
        held.through(&self.roster, request, making).await
    }

    /// What would become of a part, behind what would have been done before it.
    async fn foresee(
        &self,
        job: &Job,
        organization: OrganizationId,
        part: u64,
        ahead: &mut BTreeMap<ExternalId, Name>,
    ) -> Result<Vec<Outcome>, Interrupted> {
        let mut outcomes = Vec::new();
        for line in self.account_lines(job, part).await? {
            let status = match &line.row {
                Ok(row) => self.would(job, organization, &line, row, ahead).await,
                Err(detail) => Err(Refusal::invalid("", detail.clone()).into()),
            };
            outcomes.push(match status {
                Ok(status) => outcome(&line, status, None),
                Err(OpError::Refused(refusal)) => outcome(&line, OutcomeStatus::Refused, Some(&refusal)),
                Err(error) => return Err(error.into()),
            });
        }
        Ok(outcomes)
    }

    async fn would(
        &self,
        job: &Job,
        organization: OrganizationId,
        line: &AccountLine,
        row: &AccountRow,
        ahead: &mut BTreeMap<ExternalId, Name>,
    ) -> Result<OutcomeStatus, OpError> {
        let request = self.as_asker(job, true).await?.step(&format!("line {}", line.line));
        let known = self.account_of(organization, &row.external_id).await?;
        let (before, after) = if let Some(account) = known {
            let nothing = UpdateAccount { organization, account, patch: AccountPatch::default() };
            let before = preflight(&self.roster, &request, &nothing).await?.name;
            let patch = AccountPatch { name: row.name.clone(), ..AccountPatch::default() };
            let act = UpdateAccount { organization, account, patch };
            (Some(before), preflight(&self.roster, &request, &act).await?.name)
        } else {
            let act = new_account(&request, organization, row)?;
            (None, preflight(&self.roster, &request, &act).await?.name)
        };
        let before = ahead.get(&row.external_id).cloned().or(before);
        let after = row.name.clone().or_else(|| before.clone()).unwrap_or(after);
        ahead.insert(row.external_id.clone(), after.clone());
        Ok(match before {
            None => OutcomeStatus::Added,
            Some(before) if before == after => OutcomeStatus::Unchanged,
            Some(_) => OutcomeStatus::Changed,
        })
    }

    async fn account_of(
        &self,
        organization: OrganizationId,
        external: &ExternalId,
    ) -> Result<Option<AccountId>, OpError> {
        let (home, key) = (Home::Organization(organization), external.key());
        let read = self.roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
        Ok(match read.records.get(&key).map(|stored| &stored.record) {
            Some(Record::AccountExternalId(_, account)) => Some(*account),
            _ => None,
        })
    }
}

fn new_account(
    request: &Request,
    organization: OrganizationId,
    row: &AccountRow,
) -> Result<CreateAccount, OpError> {
    let named = || {
        let name = row.external_id.as_str().parse();
        name.map_err(|bad: crate::text::BadText| {
            Refusal::invalid("/name", format!("cannot name an account: {bad}"))
        })
    };
    Ok(CreateAccount {
        organization,
        id: AccountId::from_uuid(request.seed.uuid("account")),
        name: row.name.clone().map_or_else(named, Ok)?,
        external_id: Some(row.external_id.clone()),
        traits: crate::model::TraitPatch::default(),
        not_after: None,
    })
}

fn outcome(line: &AccountLine, status: OutcomeStatus, refusal: Option<&Refusal>) -> Outcome {
    Outcome {
        item: line.item.clone(),
        line: Some(line.line),
        status,
        code: refusal.map(|refusal| refusal.code().to_owned()),
        warning: None,
        detail: refusal.map(ToString::to_string),
    }
}
