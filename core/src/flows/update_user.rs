//! Changing a user: names first, then the record, then what lists show, then the names let go.

use super::claims::{self, Taken};
use super::refresh::{refresh_user, tidied};
use crate::facts::Request;
use crate::id::UserId;
use crate::model::{ClaimName, ClaimTarget, User};
use crate::op::{Done, Roster, preflight, run};
use crate::ops::user::{UpdateUser, UserPatch};
use crate::refusal::{OpError, Refusal};

/// Applies a patch to a user, and refreshes cards and directory entry in the same request.
pub async fn update_user(
    roster: &Roster,
    request: &Request,
    user: UserId,
    patch: &UserPatch,
) -> Result<Done<User>, OpError> {
    let mut operation = UpdateUser { user, patch: patch.clone(), not_after: None };
    let (before, after) = preflight(roster, request, &operation).await?;
    let target = ClaimTarget::User(user);
    let (old, new) = (names(&before), names(&after));
    let fresh: Vec<ClaimName> = new.iter().filter(|name| !old.contains(name)).cloned().collect();
    let leaving: Vec<ClaimName> = old.into_iter().filter(|name| !new.contains(name)).collect();
    let leaving = claims::standing(roster, &leaving, target).await?;
    let held = match claims::take(roster, request, &fresh, target).await? {
        Taken::All(held) => held,
        Taken::Not(ClaimName::UserExternalId(_)) => return Err(Refusal::ExternalIdExists.into()),
        Taken::Not(_) => return Err(Refusal::EmailExists.into()),
    };
    operation.not_after = (!fresh.is_empty()).then_some(held.not_after);
    let done = held.through(roster, request, run(roster, request, &operation)).await?;
    tidied(refresh_user(roster, request, user).await);
    tidied(leaving.give_back(roster, request).await);
    Ok(Done { output: done.output.1, version: done.version })
}

fn names(user: &User) -> Vec<ClaimName> {
    let email = user.email.as_ref().map(ClaimName::email);
    email.into_iter().chain(user.external_id.clone().map(ClaimName::UserExternalId)).collect()
}
