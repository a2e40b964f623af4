//! Adding a member: the person, the pointer in their home, then the membership (rules M6, M11).

use super::create_user::{NewUser, find_or_create_user, fresh_id, look_for};
use super::find_user;
use super::refresh::{refresh_card, tidied};
use crate::facts::Request;
use crate::id::OrganizationId;
use crate::model::{Card, Member};
use crate::op::{Done, Roster, Seal, preflight, run, run_sealed};
use crate::ops::member::{AddMember, Joining};
use crate::ops::pointer::PointToOrganization;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};

/// Who is added.
#[derive(Clone, PartialEq, Debug)]
pub enum Who {
    /// Somebody who exists.
    Known(UserRef),
    /// Somebody by address or external id, made if unknown.
    Person(Person),
}

/// Somebody by address or external id.
pub type Person = NewUser;

/// What a membership is made from.
#[derive(Clone, PartialEq, Debug)]
pub struct NewMember {
    /// Who.
    pub who: Who,
    /// As what.
    pub joining: Joining,
}

/// Adds a member. Operators may give a person an external id; others name people of their own organization by it,
/// and anybody by address.
pub async fn add_member(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    new: &NewMember,
    seal: Option<Seal<'_, Member>>,
) -> Result<Done<Member>, OpError> {
    let operator = request.actor.is_operator();
    let mut taken = None;
    let found = match &new.who {
        Who::Known(named) => look(find_user(roster, named).await)?,
        Who::Person(person) if !operator && person.external_id.is_some() => {
            let external = person.external_id.clone().map(UserRef::External).ok_or(Refusal::NotFound)?;
            look(find_user(roster, &external).await)?
        }
        Who::Person(person) => match look_for(roster, request, person).await {
            // Two people: said when all else could be.
            Err(OpError::Refused(refusal @ Refusal::ExternalIdExists)) => {
                taken = Some(refusal);
                None
            }
            looked => looked?.map(|found| found.user),
        },
    };
    let only_known = match &new.who {
        Who::Known(_) => !operator || found.is_none(),
        Who::Person(person) => !operator && person.external_id.is_some(),
    };
    let (user, card, cuts) = if let Some(user) = &found {
        (user.id, user.card(), user.cuts)
    } else {
        let email = match &new.who {
            Who::Person(person) => person.email.clone(),
            Who::Known(_) => None,
        };
        (fresh_id(&request.step("person 0")), Card { email, ..Card::default() }, 0)
    };
    let joining = new.joining.clone();
    let mut operation = AddMember { organization, user, card, cuts, joining, only_known };
    preflight(roster, request, &operation).await?;
    if let Some(refusal) = taken {
        return Err(refusal.into());
    }
    // One who was there may be given an external id by this, if they have none.
    let named = |person: &Person| {
        found.as_ref().is_some_and(|it| it.external_id.is_some() || person.external_id.is_none())
    };
    if let Who::Person(person) = &new.who
        && !named(person)
    {
        let made = find_or_create_user(roster, request, person).await?.user;
        (operation.user, operation.card) = (made.id, made.card());
    }
    let pointer = PointToOrganization { user: operation.user, organization };
    operation.cuts = run(roster, &request.as_system("pointer"), &pointer).await?.output.number;
    let done = run_sealed(roster, request, &operation, seal).await?;
    tidied(refresh_card(roster, request, organization, operation.user, operation.card).await);
    Ok(done)
}

/// Nobody found is not yet a refusal: whether the actor may ask comes first.
fn look<T>(found: Result<T, OpError>) -> Result<Option<T>, OpError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(OpError::Refused(Refusal::NotFound)) => Ok(None),
        Err(error) => Err(error),
    }
}
