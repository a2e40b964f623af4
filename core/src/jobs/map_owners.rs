//! Everything looked at again after a mapping has changed (rule T2).

use super::{Held, Interrupted, as_asked};
use crate::facts::Request;
use crate::flows::map_owner;
use crate::home::Record;
use crate::id::{AccountId, OrganizationId};
use crate::listing::{Listing, PageRequest, Position, Scope};
use crate::model::{DirectoryKind, Job, Outcome, OutcomeStatus};
use crate::ops::job::Advance;
use crate::ops::post::MappedOwner;
use crate::refusal::OpError;

/// How many accounts are looked at before the job says so.
const CHUNK: u16 = 50;

impl Held {
    pub(super) async fn map_owners(
        &self,
        mut job: Job,
        within: Option<OrganizationId>,
    ) -> Result<(), Interrupted> {
        let request = as_asked(&self.roster, &job);
        let (mut organization, mut account) = place(job.cursor.as_deref());
        loop {
            let at = match (organization, account) {
                (Some(organization), Some(_)) => Some(organization),
                (reached, _) => self.next_organization(within, reached).await?,
            };
            let Some(at) = at else { return Ok(()) };
            let mut outcomes = Vec::new();
            if account.is_none() {
                outcomes.push(self.mapped(&request, at, None).await?);
            }
            let accounts = self.next_accounts(at, account).await?;
            for account in &accounts {
                outcomes.push(self.mapped(&request, at, Some(*account)).await?);
            }
            (organization, account) = (Some(at), accounts.last().copied());
            let reached = account.map(|account| account.to_string()).unwrap_or_default();
            let cursor = Some(format!("{at}/{reached}"));
            job = self.say(&request, job.id, Advance { outcomes, cursor, ..Advance::default() }).await?;
        }
    }

    async fn mapped(
        &self,
        request: &Request,
        organization: OrganizationId,
        account: Option<AccountId>,
    ) -> Result<Outcome, Interrupted> {
        let item = account.map_or_else(|| organization.to_string(), |account| account.to_string());
        let done = map_owner(&self.roster, &request.step(&item), organization, account, None).await;
        let (status, code) = match done {
            Ok(MappedOwner::Changed(_)) => (OutcomeStatus::Changed, None),
            Ok(MappedOwner::Unchanged | MappedOwner::Outdated) => (OutcomeStatus::Unchanged, None),
            Err(OpError::Refused(refusal)) => (OutcomeStatus::Refused, Some(refusal.code().to_owned())),
            Err(error) => return Err(error.into()),
        };
        Ok(Outcome { item, line: None, status, code, warning: None, detail: None })
    }

    /// The one after; the only one, once, for a job about one.
    async fn next_organization(
        &self,
        within: Option<OrganizationId>,
        after: Option<OrganizationId>,
    ) -> Result<Option<OrganizationId>, Interrupted> {
        if let Some(only) = within {
            return Ok(Some(only).filter(|_| after.is_none()));
        }
        let after = after.map(|id| Position { by: String::new(), id: id.uuid() });
        let listing = Listing::Directory { kind: DirectoryKind::Organizations, active: Some(true), q: None };
        let found = self.roster.store.list(&listing, &PageRequest { after, limit: 1 }).await?;
        Ok(found.rows.first().and_then(|row| match &row.stored.record {
            Record::DirectoryEntry(entry) => entry.id.organization(),
            _ => None,
        }))
    }

    async fn next_accounts(
        &self,
        organization: OrganizationId,
        after: Option<AccountId>,
    ) -> Result<Vec<AccountId>, Interrupted> {
        let after = after.map(|id| Position { by: String::new(), id: id.uuid() });
        let listing = Listing::Accounts { organization, status: None, scope: Scope::All };
        let found = self.roster.store.list(&listing, &PageRequest { after, limit: CHUNK }).await?;
        let accounts = found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::Account(account) => Some(account.id),
            _ => None,
        });
        Ok(accounts.collect())
    }
}

/// Which organization was looked at last, and up to which account; no account once it is done.
fn place(cursor: Option<&str>) -> (Option<OrganizationId>, Option<AccountId>) {
    let Some((organization, account)) = cursor.and_then(|cursor| cursor.split_once('/')) else {
        return (None, None);
    };
    (organization.parse().ok(), account.parse().ok())
}
