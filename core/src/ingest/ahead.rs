//! Reading ahead for the messages of a request: whom and what they speak of, much at a time, so that applying them finds it
//! in the overlay. A message that asks for something else reads it by itself.

use serde_json::{Map, Value};

use crate::facts::Request;
use crate::flows::claims::erased;
use crate::flows::create_user::fresh_id;
use crate::home::{Home, Key, TypedKey};
use crate::id::{OrganizationId, UserId};
use crate::model::customer::{
    AccountClock, Groups, Source, TheAccountClock, TheActivity, TheEarly, TheLinkClock, TheMappings,
    ThePresence, TheUserClock,
};
use crate::model::{ClaimName, DirectoryId};
use crate::op::Roster;
use crate::ops::stream::months_around;
use crate::overlay::{Ahead, Overlay};
use crate::store::StoreError;
use crate::text::ExternalId;

use super::message::{self, Kind, Message};
use super::places::named_by;
use super::reach::withheld_key;

/// Reads what messages are about, each with its request: first their names, then where these lead, then what is there, or
/// who would be made.
pub(super) async fn read_ahead(
    roster: &Roster,
    overlay: &Overlay,
    source: &Source,
    messages: &[(Request, &Message)],
) -> Result<(), StoreError> {
    names(roster, source, messages).fetch(overlay).await?;
    let (mut accounts, mut found) = (Ahead::default(), Vec::new());
    for (request, message) in messages {
        let mut place = one(source);
        for (group, traits) in groups(message) {
            if let Some(name) = organization(source, group, traits) {
                place = overlay.organization_of(name).await?;
                account(&mut accounts, place, group);
            }
            found.push((place, group));
        }
        if let Some(external) = &message.user {
            let user = match overlay.user_of(ClaimName::UserExternalId(external.clone())).await? {
                Some(user) => user,
                None => fresh_id(&request.step("user").step("person 0")),
            };
            person(&mut accounts, place, user, message);
            if one(source).is_none() {
                accounts.add(Home::Stream(source.id, 1), [TheEarly(user).key()]);
            }
        }
    }
    accounts.fetch(overlay).await?;
    let mut things = Ahead::default();
    for (place, group) in found {
        let Some(organization) = place else { continue };
        let home = Home::Organization(organization);
        if let Some(account) = overlay.account_of(organization, group).await? {
            things.add(home.clone(), [Key::Account(account), TheAccountClock(account).key()]);
        }
        if source.groups == Groups::Each {
            things.add(home, [AccountClock::of(organization).key()]);
        }
    }
    things.fetch(overlay).await
}

/// The names that messages bear; of accounts where it is known in which organization they are.
fn names(roster: &Roster, source: &Source, messages: &[(Request, &Message)]) -> Ahead {
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
        if let Some(organization) = one(source) {
            let withheld = message.user.iter().map(|id| withheld_key(roster, id));
            names.add(Home::Stream(source.id, 1), withheld);
            names.add(Home::Organization(organization), [Key::Organization, TheMappings.key()]);
        }
        for (group, traits) in groups(message) {
            match organization(source, group, traits) {
                Some(name) => names.add(Home::Claim(name), [Key::Claim]),
                None => account(&mut names, one(source), group),
            }
        }
    }
    names
}

/// The organization of all groups of a source.
const fn one(source: &Source) -> Option<OrganizationId> {
    match source.groups {
        Groups::One(organization) => Some(organization),
        Groups::Each | Groups::Trait(_) => None,
    }
}

/// The name of the organization of a group, where that is not always the same one.
fn organization(source: &Source, group: &ExternalId, traits: &Map<String, Value>) -> Option<ClaimName> {
    named_by(source, group, traits).map(ClaimName::OrganizationExternalId)
}

/// The accounts that a message speaks of, with what it says of them.
fn groups(message: &Message) -> impl Iterator<Item = (&ExternalId, &Map<String, Value>)> {
    let own = message.group.iter().map(|group| (group, &message.traits));
    own.chain(message.company.as_ref().map(|company| (&company.group, &company.traits)))
}

/// What is known of a group by its name.
fn account(names: &mut Ahead, place: Option<OrganizationId>, group: &ExternalId) {
    if let Some(organization) = place {
        let known = [Key::Organization, TheMappings.key(), Key::AccountExternalId(group.clone())];
        names.add(Home::Organization(organization), known);
    }
}

/// What is known of a person, as far as a message of this kind looks at it.
fn person(things: &mut Ahead, place: Option<OrganizationId>, user: UserId, message: &Message) {
    let entry = DirectoryId::User(user);
    things.add(Home::directory(entry), [Key::DirectoryEntry(entry)]);
    things.add(Home::User(user), [Key::User].into_iter().chain(place.map(Key::Membership)));
    if message.kind == Kind::Identify {
        things.add(Home::User(user), [Key::Credential, Key::PasswordReset, TheUserClock.key()]);
    }
    let Some(organization) = place else { return };
    things.add(Home::Organization(organization), [Key::Member(user)]);
    match message.kind {
        Kind::Track | Kind::Page | Kind::Screen => {
            let months = months_around(message.at).map(|month| TheActivity(user, month).key());
            things.add(Home::Activity(organization), months.chain([ThePresence(user).key()]));
        }
        Kind::Identify | Kind::Group | Kind::Link | Kind::Unlink => {
            things.add(Home::Organization(organization), [TheLinkClock(user).key()]);
        }
        Kind::Alias => {}
    }
}
