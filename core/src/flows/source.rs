//! Sources: what cannot be is refused first, then whoever or whatever is named is looked for, then one commit.

use super::find_user;
use crate::facts::Request;
use crate::id::{SourceId, UserId};
use crate::model::UserStatus;
use crate::model::customer::Source;
use crate::op::{Done, Roster, Seal, run, run_sealed};
use crate::ops::source::{CreateSource, SourcePatch, UpdateSource};
use crate::reads;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::secret::Token;

/// Makes a source whose groups' organizations are owned by whoever is named.
pub async fn create_source(
    roster: &Roster,
    request: &Request,
    new: CreateSource,
    owner: Option<&UserRef>,
    seal: Option<Seal<'_, (Source, Token)>>,
) -> Result<Done<(Source, Token)>, OpError> {
    new.check(owner.is_some())?;
    reads::require_default_role(roster, &new.groups, new.default_role).await?;
    let organization_owner = named(roster, request, owner).await?;
    run_sealed(roster, request, &CreateSource { organization_owner, ..new }, seal).await
}

/// Changes a source; `owner` says who is to own what its groups make, `Some(None)` that nobody is.
pub async fn update_source(
    roster: &Roster,
    request: &Request,
    source: SourceId,
    patch: SourcePatch,
    owner: Option<Option<&UserRef>>,
) -> Result<Done<Source>, OpError> {
    let before = reads::source(roster, request, source).await?.value;
    let after = patch.checked(&before, owner.map(|owner| owner.is_some()))?;
    reads::require_default_role(roster, &after.groups, after.default_role).await?;
    let organization_owner = match owner {
        Some(owner) => Some(named(roster, request, owner).await?),
        None => None,
    };
    let patch = SourcePatch { organization_owner, ..patch };
    run(roster, request, &UpdateSource { source, patch }).await
}

/// Somebody who is there. Nobody is looked for on behalf of one who may not.
async fn named(
    roster: &Roster,
    request: &Request,
    owner: Option<&UserRef>,
) -> Result<Option<UserId>, OpError> {
    let Some(owner) = owner.filter(|_| request.actor.is_operator()) else { return Ok(None) };
    let user = find_user(roster, owner).await?;
    if user.status == UserStatus::Erased {
        return Err(Refusal::NotFound.into());
    }
    Ok(Some(user.id))
}
