//! The audit trail: one row a change, read from the log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::organization::visible_standing;
use crate::facts::Request;
use crate::home::Home;
use crate::id::{AuditId, OrganizationId, UserId};
use crate::log::{Body, Change, Logged, reveal};
use crate::op::Roster;
use crate::policy::Reach;
use crate::refusal::{OpError, Refusal};
use crate::store::{StoreError, StoreErrorKind};
use crate::time::Timestamp;

/// One change.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditRow {
    /// Its id.
    pub id: AuditId,
    /// The sequence number of its entry.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// Who acted, and under which request.
    pub body: Body,
    /// What changed, personal values put back while they are there.
    pub change: Change,
    /// Why.
    pub reason: Option<String>,
    /// The hash of its entry.
    pub hash: [u8; 32],
}

/// Where a page begins: behind the n-th change of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditPosition {
    /// Whose log.
    pub home: Home,
    /// Of this entry.
    pub seq: u64,
    /// This change.
    pub n: usize,
}

/// A page of the trail.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditPage {
    /// Oldest first.
    pub rows: Vec<AuditRow>,
    /// Behind this the next page begins; none at the end.
    pub next: Option<AuditPosition>,
    last: Option<AuditPosition>,
}

/// The trail of an organization; needs `audit:read` on the whole. `user` keeps what is about or by a person.
pub async fn organization_audit(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    user: Option<UserId>,
    after: Option<AuditPosition>,
    limit: u16,
) -> Result<AuditPage, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    roster.policies.access.require(&standing, "audit:read", Reach::Organization)?;
    let mut page = AuditPage { rows: Vec::new(), next: None, last: None };
    fill(roster, &mut page, Home::Organization(organization), user, after, limit).await?;
    Ok(page)
}

/// The trail of the deployment and of users' homes, home by home. Operators only.
pub async fn deployment_audit(
    roster: &Roster,
    request: &Request,
    user: Option<UserId>,
    after: Option<AuditPosition>,
    limit: u16,
) -> Result<AuditPage, OpError> {
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    let mut page = AuditPage { rows: Vec::new(), next: None, last: None };
    let mut at = after.as_ref().map(|after| after.home.clone());
    if let Some(after) = after {
        fill(roster, &mut page, after.home.clone(), user, Some(after), limit).await?;
    } else {
        fill(roster, &mut page, Home::Deployment, user, None, limit).await?;
        at = Some(Home::Deployment);
    }
    while page.next.is_none() {
        let homes = roster.store.homes(at.as_ref(), 500).await?;
        let Some(last) = homes.last().cloned() else {
            return Ok(page);
        };
        for home in homes.into_iter().filter(|home| matches!(home, Home::User(_))) {
            if page.next.is_none() {
                fill(roster, &mut page, home, user, None, limit).await?;
            }
        }
        at = Some(last);
    }
    Ok(page)
}

/// Adds rows of one log until the page is full; sets `next` only when more rows are known to follow.
async fn fill(
    roster: &Roster,
    page: &mut AuditPage,
    home: Home,
    user: Option<UserId>,
    after: Option<AuditPosition>,
    limit: u16,
) -> Result<(), OpError> {
    let mut seq = after.as_ref().map_or(0, |after| after.seq.saturating_sub(1));
    loop {
        let entries = roster.store.log(&home, seq, 200, user).await?;
        for logged in &entries {
            for (n, row) in rows(logged)?.into_iter().enumerate() {
                let place = AuditPosition { home: home.clone(), seq: logged.seq, n };
                let behind = after.as_ref().is_some_and(|after| (place.seq, place.n) <= (after.seq, after.n));
                if behind || user.is_some_and(|user| !concerns(&row, user)) {
                    continue;
                }
                if page.rows.len() == usize::from(limit) {
                    page.next.clone_from(&page.last);
                    return Ok(());
                }
                page.last = Some(place);
                page.rows.push(row);
            }
        }
        match entries.last() {
            Some(last) if entries.len() == 200 => seq = last.seq,
            Some(_) | None => return Ok(()),
        }
    }
}

fn concerns(row: &AuditRow, user: UserId) -> bool {
    row.change.user == Some(user) || row.body.actor.user() == Some(user)
}

fn rows(logged: &Logged) -> Result<Vec<AuditRow>, StoreError> {
    let body: Body = serde_json::from_slice(&logged.body).map_err(|error| StoreError {
        kind: StoreErrorKind::Corrupt,
        operation: "log",
        detail: format!("entry {}: {error}", logged.seq),
    })?;
    let reason = match reveal(&body.reason, &logged.personal) {
        Value::String(reason) => Some(reason),
        _ => None,
    };
    let row = |(n, change): (usize, &Change)| AuditRow {
        id: logged.commit.change(u16::try_from(n).unwrap_or(u16::MAX)),
        seq: logged.seq,
        time: logged.time,
        change: Change {
            before: reveal(&change.before, &logged.personal),
            after: reveal(&change.after, &logged.personal),
            ..change.clone()
        },
        body: body.clone(),
        reason: reason.clone(),
        hash: logged.hash,
    };
    Ok(body.changes.iter().enumerate().map(row).collect())
}
