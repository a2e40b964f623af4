//! Acts on one key: what other homes say of it is read before, what was noted of it goes afterwards.

use super::refresh::tidied;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, OrganizationId};
use crate::last_use::forget_last_uses;
use crate::model::ApiKey;
use crate::op::{Done, Roster, Seal, preflight, run, run_sealed};
use crate::ops::api_key::{RevokeApiKey, RotateApiKey, UpdateApiKey};
use crate::reads::as_they_stand;
use crate::refusal::{OpError, Refusal};
use crate::secret::Token;
use crate::time::Timestamp;

/// Gives a key a new secret; 422 for one that has ended, by itself or with a cut or a suspension of its member: what it would be
/// given would open nothing.
pub async fn rotate_api_key(
    roster: &Roster,
    request: &Request,
    operation: &RotateApiKey,
    seal: Option<Seal<'_, (ApiKey, Token)>>,
) -> Result<Done<(ApiKey, Token)>, OpError> {
    let ends = ends(roster, operation.organization, operation.key).await?;
    if ends.is_past(ends.own) || ends.is_past(ends.cut) {
        // Nobody learns of it who may not turn it.
        preflight(roster, request, operation).await?;
        return Err(Refusal::invalid("/key", "this key has ended: make another").into());
    }
    run_sealed(roster, request, operation, seal).await
}

/// Changes a key, and shows it with the end that it has; 422 where one that ended with a cut or a suspension of its member
/// would be given another end.
pub async fn update_api_key(
    roster: &Roster,
    request: &Request,
    operation: &UpdateApiKey,
) -> Result<Done<ApiKey>, OpError> {
    let ends = ends(roster, operation.organization, operation.key).await?;
    if operation.patch.expires_at.is_some() && ends.is_past(ends.cut) {
        preflight(roster, request, operation).await?;
        return Err(
            Refusal::invalid("/expires_at", "this key has ended with its member: make another").into()
        );
    }
    let mut done = run(roster, request, operation).await?;
    done.output.expires_at = done.output.expires_at.into_iter().chain(ends.cut).min();
    Ok(done)
}

/// Ends a key; 404 for one that is not there.
pub async fn revoke_api_key(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    key: ApiKeyId,
) -> Result<(), OpError> {
    run(roster, request, &RevokeApiKey { organization, key }).await?;
    tidied(forget_last_uses(roster, request, organization, vec![key]).await);
    Ok(())
}

/// When a key ends: by itself, and with its member.
struct Ends {
    own: Option<Timestamp>,
    cut: Option<Timestamp>,
    now: Timestamp,
}

impl Ends {
    fn is_past(&self, end: Option<Timestamp>) -> bool {
        end.is_some_and(|end| end <= self.now)
    }
}

/// None of both for a key that is not there.
async fn ends(roster: &Roster, organization: OrganizationId, id: ApiKeyId) -> Result<Ends, OpError> {
    let (home, key) = (Home::Organization(organization), Key::ApiKey(id));
    let mut read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    let now = read.now();
    let Some(Record::ApiKey(key)) = read.records.remove(&key).map(|stored| stored.record) else {
        return Ok(Ends { own: None, cut: None, now });
    };
    let own = key.expires_at;
    let endless = vec![ApiKey { expires_at: None, ..key }];
    let cut = as_they_stand(roster, organization, endless).await?.pop().and_then(|key| key.expires_at);
    Ok(Ends { own, cut, now })
}
