//! Reading ahead for the messages of a request: whom and what they speak of, much at a time, so that applying them finds it
//! in the overlay. A message that asks for something else reads it by itself.

use crate::facts::Request;
use crate::flows::claims::erased;
use crate::flows::create_user::fresh_id;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, UserId};
use crate::model::customer::{Groups, Source, TheMappings, ThePresence};
use crate::model::{ClaimName, DirectoryId};
use crate::op::Roster;
use crate::overlay::{Ahead, Overlay};
use crate::store::StoreError;
use crate::text::ExternalId;

use super::message::{self, Message};

/// Reads what messages are about, each with its request: first their names, then what these lead to, or who would be made.
pub(super) async fn read_ahead(
    roster: &Roster,
    overlay: &Overlay,
    source: &Source,
    messages: &[(Request, &Message)],
) -> Result<(), StoreError> {
    let place = match source.groups {
        Groups::One(organization) => Some(organization),
        Groups::Each | Groups::Trait(_) => None,
    };
    let mut names = Ahead::default();
    names.add(Home::Deployment, [TheMappings.key()]);
    for (_, message) in messages {
        for id in message.user.iter().chain(&message.previous) {
            for name in [ClaimName::UserExternalId(id.clone()), erased(roster, id)] {
                names.add(Home::Claim(name), [Key::Claim]);
            }
        }
        if let Some(email) = message::email(&message.traits) {
            names.add(Home::Claim(ClaimName::email(&email)), [Key::Claim]);
        }
        if let Some(organization) = place {
            let known = [Key::Organization, TheMappings.key()];
            let groups = groups(message).map(|group| Key::AccountExternalId(group.clone()));
            names.add(Home::Organization(organization), known.into_iter().chain(groups));
        }
    }
    names.fetch(overlay).await?;
    let mut things = Ahead::default();
    for (request, message) in messages {
        if let Some(external) = &message.user {
            let user = match overlay.user_of(ClaimName::UserExternalId(external.clone())).await? {
                Some(user) => user,
                None => fresh_id(&request.step("user").step("person 0")),
            };
            person(&mut things, place, user);
        }
        for group in groups(message) {
            if let Some(organization) = place
                && let Some(account) = overlay.account_of(organization, group).await?
            {
                things.add(Home::Organization(organization), [Key::Account(account)]);
            }
        }
    }
    things.fetch(overlay).await
}

/// The accounts that a message speaks of.
fn groups(message: &Message) -> impl Iterator<Item = &ExternalId> {
    message.group.iter().chain(message.company.as_ref().map(|company| &company.group))
}

fn person(things: &mut Ahead, place: Option<OrganizationId>, user: UserId) {
    let entry = DirectoryId::User(user);
    things.add(Home::directory(entry), [Key::DirectoryEntry(entry)]);
    things.add(Home::User(user), [Key::User].into_iter().chain(place.map(Key::Membership)));
    if let Some(organization) = place {
        things.add(Home::Organization(organization), [Key::Member(user)]);
        things.add(Home::Activity(organization), [ThePresence(user).key()]);
    }
}
