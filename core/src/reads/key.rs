//! Keys, without their secrets.

use super::organization::visible_standing;
use super::{Rows, Shown};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, OrganizationId};
use crate::last_use::last_uses;
use crate::listing::{Listing, PageRequest};
use crate::model::{ApiKey, OperatorKey};
use crate::op::{Roster, View};
use crate::policy::Reach;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;
use crate::time::Timestamp;

/// A key with what stands beside its record.
#[derive(Clone, PartialEq, Debug)]
pub struct SeenKey {
    /// The record.
    pub key: ApiKey,
    /// When it was last used; within a minute, by any replica.
    pub last_used_at: Option<Timestamp>,
}

/// One key of an organization.
pub async fn api_key(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Shown<SeenKey>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    let key = view.get(&id).await?.ok_or(Refusal::NotFound)?;
    if key.user.is_none() || key.user != request.actor.user() {
        roster.policies.access.require(&standing, "api_keys:read", Reach::Organization)?;
    }
    let version = view.version(&Key::ApiKey(id)).ok_or(Refusal::NotFound)?;
    let last_used_at = last_used_at(roster, organization, id).await?;
    Ok(Shown { value: SeenKey { key, last_used_at }, version })
}

/// When a key was last used, for who may see the key.
pub async fn last_used_at(
    roster: &Roster,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Option<Timestamp>, StoreError> {
    Ok(last_uses(roster, organization, &[id]).await?.remove(&id))
}

/// Keys of an organization with what stands beside their records.
pub(super) async fn seen_keys(
    roster: &Roster,
    organization: OrganizationId,
    keys: Vec<ApiKey>,
) -> Result<Vec<SeenKey>, StoreError> {
    let ids: Vec<ApiKeyId> = keys.iter().map(|key| key.id).collect();
    let uses = last_uses(roster, organization, &ids).await?;
    let seen = |key: ApiKey| SeenKey { last_used_at: uses.get(&key.id).copied(), key };
    Ok(keys.into_iter().map(seen).collect())
}

/// The keys of an organization.
pub async fn api_keys(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    page: &PageRequest,
) -> Result<Rows<SeenKey>, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    roster.policies.access.require(&standing, "api_keys:read", Reach::Organization)?;
    let found = roster.store.list(&Listing::ApiKeys { organization }, page).await?;
    let next = found.rows.last().map(|row| row.position.clone()).filter(|_| found.more);
    let keys = found.rows.into_iter().filter_map(|row| match row.stored.record {
        Record::ApiKey(key) => Some(key),
        _ => None,
    });
    Ok(Rows { rows: seen_keys(roster, organization, keys.collect()).await?, next })
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
