//! Making a user, or finding the one that the names belong to.

use super::claims::{self, Lookup, Taken};
use super::find_user;
use crate::facts::Request;
use crate::id::UserId;
use crate::model::{ClaimName, ClaimTarget, DirectoryEntry, DirectoryId, TraitPatch, User};
use crate::op::{Roster, run};
use crate::ops::pointer::PutDirectoryEntry;
use crate::ops::user::{CreateUser, UserPatch};
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::text::{Email, ExternalId, Name, search_keys};

/// What is known of a person. One of address and external id at least.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NewUser {
    /// Their address.
    pub email: Option<Email>,
    /// The vendor's id.
    pub external_id: Option<ExternalId>,
    /// Their name.
    pub name: Option<Name>,
    /// Their traits.
    pub traits: TraitPatch,
}

impl NewUser {
    fn claims(&self) -> Vec<ClaimName> {
        let email = self.email.as_ref().map(ClaimName::email);
        let external = self.external_id.clone().map(ClaimName::UserExternalId);
        email.into_iter().chain(external).collect()
    }

    /// Whether there can be somebody like this.
    fn check(&self) -> Result<(), Refusal> {
        if self.email.is_none() && self.external_id.is_none() {
            return Err(Refusal::invalid("/email", "give an e-mail address, an external id, or both"));
        }
        Ok(self.traits.check()?)
    }
}

/// Somebody who was looked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// Who.
    pub user: User,
    /// Whether they were made now.
    pub created: bool,
    /// Whether they bear another external id than the one that was asked for (rule X4).
    pub external_id_differs: bool,
}

/// Makes a user; 409 where a name is taken.
pub async fn create_user(roster: &Roster, request: &Request, new: &NewUser) -> Result<User, OpError> {
    new.check()?;
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    match make(roster, request, new).await? {
        Ok(user) => Ok(user),
        Err(ClaimName::UserExternalId(_)) => Err(Refusal::ExternalIdExists.into()),
        Err(_) => Err(Refusal::EmailExists.into()),
    }
}

/// The user whom the names belong to, made if there is none. An address and an external id of two different people
/// are refused; a known address with an unknown external id is that person, who keeps the external id they have.
pub async fn find_or_create_user(
    roster: &Roster,
    request: &Request,
    new: &NewUser,
) -> Result<Found, OpError> {
    new.check()?;
    for attempt in 0..crate::op::TRIES {
        if let Some(found) = find(roster, request, new).await? {
            return Ok(found);
        }
        match make(roster, &request.step(&format!("person {attempt}")), new).await? {
            Ok(user) => return Ok(Found { user, created: true, external_id_differs: false }),
            // It never is anybody's again (rule L5).
            Err(ClaimName::UserExternalId(id)) if claims::is_erased(roster, &id).await? => {
                return Err(Refusal::ExternalIdExists.into());
            }
            Err(_) => {}
        }
    }
    Err(Refusal::Conflict.into())
}

/// The id that [`find_or_create_user`] would give to somebody new on its first try.
pub(crate) fn fresh_id(request: &Request) -> UserId {
    UserId::from_uuid(request.seed.uuid("user"))
}

/// Finds without making, and gives one who has none the external id.
pub(super) async fn find(
    roster: &Roster,
    request: &Request,
    new: &NewUser,
) -> Result<Option<Found>, OpError> {
    let Some(found) = look_for(roster, request, new).await? else { return Ok(None) };
    match (&found.user.external_id, &new.external_id) {
        (None, Some(external)) if request.actor.names_people() => {
            let patch = UserPatch { external_id: Some(external.clone()), ..UserPatch::default() };
            let step = request.step("external id");
            let user = super::update_user(roster, &step, found.user.id, &patch).await?.output;
            Ok(Some(Found { user, ..found }))
        }
        (_, _) => Ok(Some(found)),
    }
}

/// Finds without making or changing anybody.
pub(super) async fn look_for(
    roster: &Roster,
    request: &Request,
    new: &NewUser,
) -> Result<Option<Found>, OpError> {
    let by_external = match &new.external_id {
        Some(external) => user_of(roster, request, ClaimName::UserExternalId(external.clone())).await?,
        None => None,
    };
    let by_email = match &new.email {
        Some(email) => user_of(roster, request, ClaimName::email(email)).await?,
        None => None,
    };
    let found =
        |user: User, external_id_differs: bool| Some(Found { user, created: false, external_id_differs });
    Ok(match (by_external, by_email) {
        (Some(one), Some(other)) if one.id != other.id => return Err(Refusal::ExternalIdExists.into()),
        (Some(user), _) => found(user, false),
        (None, Some(user)) => {
            let differs = user.external_id.is_some() && new.external_id.is_some();
            found(user, differs)
        }
        (None, None) => None,
    })
}

async fn user_of(roster: &Roster, request: &Request, name: ClaimName) -> Result<Option<User>, OpError> {
    let ours = ClaimTarget::User(fresh_id(&request.step("person 0")));
    match claims::look_up(roster, &name, ours).await? {
        Lookup::Found(ClaimTarget::User(id)) => Ok(Some(find_user(roster, &UserRef::Id(id)).await?)),
        Lookup::Found(ClaimTarget::Organization(_)) | Lookup::Free | Lookup::Dead(_) => Ok(None),
    }
}

/// Pointers, then the user; the name that is another's, if one is.
async fn make(roster: &Roster, request: &Request, new: &NewUser) -> Result<Result<User, ClaimName>, OpError> {
    let id = fresh_id(request);
    let held = match claims::take(roster, request, &new.claims(), ClaimTarget::User(id)).await? {
        Taken::All(held) => held,
        Taken::Not(name) => return Ok(Err(name)),
    };
    let operation = CreateUser {
        id,
        email: new.email.clone(),
        external_id: new.external_id.clone(),
        name: new.name.clone(),
        traits: new.traits.clone(),
        not_after: Some(held.not_after),
    };
    let made = held.through(roster, request, async {
        let search = search_keys(new.name.as_ref(), new.email.as_ref(), new.external_id.as_ref());
        let entry = DirectoryEntry { id: DirectoryId::User(id), search, active: true };
        let entry = PutDirectoryEntry { entry, anew: true };
        run(roster, &request.as_system("directory"), &entry).await?;
        run(roster, &request.step("user"), &operation).await
    });
    Ok(Ok(made.await?.output))
}
