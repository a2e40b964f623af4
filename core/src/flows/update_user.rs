//! Changing a user: names first, then the record, then what lists show, then the names let go.

use super::cards::{bring_up, owe_cards, owed_before};
use super::claims::{self, Taken};
use super::refresh::tidied;
use crate::facts::Request;
use crate::id::UserId;
use crate::model::{ClaimName, ClaimTarget, User};
use crate::op::{Done, Roster, preflight, run};
use crate::ops::user::{UpdateUser, UserPatch};
use crate::refusal::{OpError, Refusal};

/// Applies a patch to a user. Lists show it when this answers, or soon where the person is in many organizations.
pub async fn update_user(
    roster: &Roster,
    request: &Request,
    user: UserId,
    patch: &UserPatch,
) -> Result<Done<User>, OpError> {
    let mut operation = UpdateUser { user, patch: patch.clone(), not_after: None, cards: None };
    let (before, after) = preflight(roster, request, &operation).await?;
    let target = ClaimTarget::User(user);
    let (old, new) = (names(&before), names(&after));
    let fresh: Vec<ClaimName> = new.iter().filter(|name| !old.contains(name)).cloned().collect();
    let leaving: Vec<ClaimName> = old.into_iter().filter(|name| !new.contains(name)).collect();
    let leaving = claims::standing(roster, &leaving, target).await?;
    let shows = before.card() != after.card();
    let owed = if shows { Some(owe_cards(roster, request, user).await?) } else { None };
    let held = match claims::take(roster, request, &fresh, target).await? {
        Taken::All(held) => held,
        Taken::Not(ClaimName::UserExternalId(_)) => return Err(Refusal::ExternalIdExists.into()),
        Taken::Not(_) => return Err(Refusal::EmailExists.into()),
    };
    operation.cards = owed.as_ref().map(|owed| owed.cards.clone());
    let claimed = (!fresh.is_empty()).then_some(held.not_after);
    operation.not_after = claimed.into_iter().chain(owed.as_ref().map(|owed| owed.cards.not_after)).min();
    let done = held.through(roster, request, run(roster, request, &operation)).await?;
    let owed = if shows { owed } else { owed_before(roster, request, user).await };
    bring_up(roster, request, user, owed).await;
    tidied(leaving.give_back(roster, request).await);
    Ok(Done { output: done.output.1, version: done.version })
}

fn names(user: &User) -> Vec<ClaimName> {
    let email = user.email.as_ref().map(ClaimName::email);
    email.into_iter().chain(user.external_id.clone().map(ClaimName::UserExternalId)).collect()
}
