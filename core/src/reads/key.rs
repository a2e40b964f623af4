//! Keys, without their secrets.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::organization::visible_standing;
use super::{Rows, Shown};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, OrganizationId, UserId};
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

/// One key of an organization; whether it has ended with something that its version tells nothing of.
pub async fn api_key(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<(Shown<SeenKey>, bool), OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    let mut view = View::new(roster, Home::Organization(organization), request);
    let key = view.get(&id).await?.ok_or(Refusal::NotFound)?;
    if key.user.is_none() || key.user != request.actor.user() {
        roster.policies.access.require(&standing, "api_keys:read", Reach::Organization)?;
    }
    let version = view.version(&Key::ApiKey(id)).ok_or(Refusal::NotFound)?;
    let last_used_at = last_used_at(roster, organization, id).await?;
    let own_end = key.expires_at;
    let key = as_they_stand(roster, organization, vec![key]).await?.pop().ok_or(Refusal::NotFound)?;
    let has_ended = key.expires_at != own_end;
    Ok((Shown { value: SeenKey { key, last_used_at }, version }, has_ended))
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

/// Homes of people that are read side by side.
const TOGETHER: usize = 16;

/// Keys with the ends that they have: a personal key from before a cut or a suspension of its member has ended with that,
/// whatever its own end is (rules M7, L9).
pub(crate) async fn as_they_stand(
    roster: &Roster,
    organization: OrganizationId,
    mut keys: Vec<ApiKey>,
) -> Result<Vec<ApiKey>, StoreError> {
    let users: BTreeSet<UserId> = keys.iter().filter_map(|key| key.user).collect();
    if users.is_empty() {
        return Ok(keys);
    }
    let members: Vec<Key> = users.iter().map(|user| Key::Member(*user)).collect();
    let read = roster.store.read(&Home::Organization(organization), &members, &[]).await?;
    let heads = stream::iter(users).map(|user| async move {
        let mut head = roster.store.read(&Home::User(user), &[Key::User], &[]).await?;
        Ok::<_, StoreError>(head.records.remove(&Key::User).map(|stored| stored.record))
    });
    let heads: Vec<Option<Record>> = heads.buffered(TOGETHER).try_collect().await?;
    let mut ends = BTreeMap::new();
    for head in heads {
        let Some(Record::User(user)) = head else { continue };
        let member = match read.records.get(&Key::Member(user.id)).map(|stored| &stored.record) {
            Some(Record::Member(member)) => member.at(read.now()),
            _ => continue,
        };
        let member = member.after_cuts(user.cuts, user.cut_at.unwrap_or(member.joined_at));
        ends.insert(user.id, member.cut_at.max(user.suspended_at));
    }
    for key in &mut keys {
        let end = key.user.and_then(|user| *ends.get(&user)?).filter(|end| key.created_at <= *end);
        key.expires_at = key.expires_at.into_iter().chain(end).min();
    }
    Ok(keys)
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
    let keys = as_they_stand(roster, organization, keys.collect()).await?;
    Ok(Rows { rows: seen_keys(roster, organization, keys).await?, next })
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
