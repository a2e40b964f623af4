//! Ending a key: the deciding commit, then what was noted of it goes.

use super::refresh::tidied;
use crate::facts::Request;
use crate::id::{ApiKeyId, OrganizationId};
use crate::last_use::forget_last_uses;
use crate::op::{Roster, run};
use crate::ops::api_key::RevokeApiKey;
use crate::refusal::OpError;

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
