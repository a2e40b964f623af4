//! Erasing a person: the pointer to the job, then the end of every access and the job in one commit.

use super::jobs::{announce, asked};
use super::refresh::tidied;
use super::sweep::sweep_first;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{SessionId, UserId};
use crate::listing::{Listing, PageRequest};
use crate::model::{Job, OrganizationStatus};
use crate::op::{Done, Roster, preflight, run};
use crate::ops::user::EraseUser;
use crate::reads::pointers;
use crate::refusal::OpError;
use crate::store::StoreError;

/// Erases a person: their access ends when this answers, the job takes away what names them. Owners stay until they
/// have handed over (rule O2).
pub async fn erase_user(roster: &Roster, request: &Request, user: UserId) -> Result<Done<Job>, OpError> {
    let home = Home::User(user);
    let organizations = pointers(roster, user).await?;
    let mut is_owner = false;
    for organization in &organizations {
        let organization = Home::Organization(*organization);
        let read = roster.store.read(&organization, &[Key::Organization], &[]).await?;
        is_owner |= matches!(
            read.records.get(&Key::Organization).map(|stored| &stored.record),
            Some(Record::Organization(it)) if it.owner == user && it.status == OrganizationStatus::Active
        );
    }
    let total = u64::try_from(organizations.len()).unwrap_or(u64::MAX);
    let sessions = sessions_of(roster, user).await?;
    let mut operation = EraseUser { user, asked: asked(request), total, is_owner, sessions, not_after: None };
    preflight(roster, request, &operation).await?;
    operation.not_after = Some(announce(roster, request, operation.asked.id, &home, "erase_user").await?);
    let done = run(roster, request, &operation).await?;
    tidied(sweep_first(roster, &done.output, &organizations).await);
    Ok(done)
}

/// As many as one commit takes; the others are dead as well.
async fn sessions_of(roster: &Roster, user: UserId) -> Result<Vec<SessionId>, StoreError> {
    let page = PageRequest { after: None, limit: 400 };
    let found = roster.store.list(&Listing::Sessions { user }, &page).await?;
    Ok(found
        .rows
        .into_iter()
        .filter_map(|row| match row.stored.record {
            Record::Session(session) => Some(session.id),
            _ => None,
        })
        .collect())
}
