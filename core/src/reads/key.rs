//! Keys, without their secrets.

use super::organization::visible_standing;
use super::{Rows, Shown};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, OrganizationId};
use crate::listing::{Listing, PageRequest};
use crate::model::{ApiKey, OperatorKey};
use crate::op::{Roster, View};
use crate::policy::Reach;
use crate::refusal::{OpError, Refusal};

/// One key of an organization.
pub async fn api_key(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Shown<ApiKey>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    let value = view.get(&id).await?.ok_or(Refusal::NotFound)?;
    if value.user.is_none() || value.user != request.actor.user() {
        roster.policies.access.require(&standing, "api_keys:read", Reach::Organization)?;
    }
    let version = view.version(&Key::ApiKey(id)).ok_or(Refusal::NotFound)?;
    Ok(Shown { value, version })
}

/// The keys of an organization.
pub async fn api_keys(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    page: &PageRequest,
) -> Result<Rows<Shown<ApiKey>>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    roster.policies.access.require(&standing, "api_keys:read", Reach::Organization)?;
    let found = roster.store.list(&Listing::ApiKeys { organization }, page).await?;
    let next = found.rows.last().map(|row| row.position.clone()).filter(|_| found.more);
    let rows = found.rows.into_iter().filter_map(|row| match row.stored.record {
        Record::ApiKey(value) => Some(Shown { value, version: row.stored.version }),
        _ => None,
    });
    Ok(Rows { rows: rows.collect(), next })
}

/// The keys of the deployment. Operators only.
pub async fn operator_keys(
    roster: &Roster,
    request: &Request,
    page: &PageRequest,
) -> Result<Rows<OperatorKey>, OpError> {
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    let found = roster.store.list(&Listing::OperatorKeys, page).await?;
    let next = found.rows.last().map(|row| row.position.clone()).filter(|_| found.more);
    let rows = found.rows.into_iter().filter_map(|row| match row.stored.record {
        Record::OperatorKey(key) => Some(key),
        _ => None,
    });
    Ok(Rows { rows: rows.collect(), next })
}
