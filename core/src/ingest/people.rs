//! People as sources tell of them.

use serde_json::{Map, Value};

use super::apply::Applying;
use super::{Unapplied, message};
use crate::facts::Request;
use crate::flows::claims::{self, Taken};
use crate::flows::refresh::{refresh_user, tidied};
use crate::flows::{NewUser, find_or_create_user, find_user};
use crate::model::{ClaimName, ClaimTarget, User, UserStatus};
use crate::op::{Roster, run};
use crate::ops::user::SetUserBySource;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::text::{Email, ExternalId};
use crate::time::Timestamp;

/// Why nothing is applied about an erased person. Such a letter holds nothing of what was said.
pub(super) const ERASED: &str = "erased";

/// The user of an external id; nobody for one that is not known.
pub(super) async fn known(roster: &Roster, external: &ExternalId) -> Result<Option<User>, Unapplied> {
    match find_user(roster, &UserRef::External(external.clone())).await {
        Ok(user) if user.status == UserStatus::Erased => Err(Unapplied::Dead(ERASED)),
        Ok(user) => Ok(Some(user)),
        Err(OpError::Refused(Refusal::NotFound)) if claims::is_erased(roster, external).await? => {
            Err(Unapplied::Dead(ERASED))
        }
        Err(OpError::Refused(Refusal::NotFound)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The user of an external id, made if there is none. Somebody who is known by their address only is that user from now
/// on; an address of somebody with another id is refused.
pub(super) async fn known_or_new(
    roster: &Roster,
    request: &Request,
    external: &ExternalId,
    email: Option<&Email>,
) -> Result<User, Unapplied> {
    if let Some(user) = known(roster, external).await? {
        return Ok(user);
    }
    let new = NewUser { email: email.cloned(), external_id: Some(external.clone()), ..NewUser::default() };
    match find_or_create_user(roster, &request.step("user"), &new).await {
        Ok(found) if found.external_id_differs => Err(Unapplied::Dead("email_exists")),
        Ok(found) if found.user.status == UserStatus::Erased => Err(Unapplied::Dead(ERASED)),
        Ok(found) => Ok(found.user),
        Err(OpError::Refused(Refusal::ExternalIdExists)) => Err(Unapplied::Dead("email_exists")),
        Err(error) => Err(error.into()),
    }
}

/// Sets what is said about a user.
pub(super) async fn identify(
    applying: &Applying<'_>,
    external: &ExternalId,
    traits: &Map<String, Value>,
    at: Timestamp,
) -> Result<User, Unapplied> {
    let Applying { roster, source, request, .. } = *applying;
    let email = message::email(traits);
    let user = known_or_new(roster, request, external, email.as_ref()).await?;
    let target = ClaimTarget::User(user.id);
    let own = user.email.as_ref().map(ClaimName::email);
    let fresh: Vec<ClaimName> =
        email.as_ref().map(ClaimName::email).into_iter().filter(|name| own.as_ref() != Some(name)).collect();
    let leaving: Vec<ClaimName> = if fresh.is_empty() { Vec::new() } else { own.into_iter().collect() };
    let leaving = claims::standing(roster, &leaving, target).await?;
    let held = match claims::take(roster, request, &fresh, target).await? {
        Taken::All(held) => held,
        Taken::Not(_) => return Err(Unapplied::Dead("email_exists")),
    };
    let operation = SetUserBySource {
        user: user.id,
        source: source.id,
        at,
        email,
        name: message::name(traits),
        traits: message::patch(traits),
        not_after: (!fresh.is_empty()).then_some(held.not_after),
    };
    let step = request.step("identify");
    let act = run(roster, &step, &operation);
    let (before, after, own) = held.through(roster, request, act).await?.output;
    // Of one who died over it before, too.
    if own || before.card() != after.card() {
        tidied(refresh_user(roster, request, user.id).await);
    }
    if !fresh.is_empty() {
        // One of the two names is borne by nobody now.
        tidied(leaving.give_back(roster, request).await);
        tidied(held.give_back(roster, request).await);
    }
    Ok(after)
}
