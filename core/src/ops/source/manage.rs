//! Making, changing and deleting a source. Operators only.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{SourceId, UserId};
use crate::model::customer::{EventNames, Groups, Source, TheSource};
use crate::op::{Decision, Event, Operation, View};
use crate::permission::RoleRef;
use crate::refusal::Refusal;
use crate::secret::{Token, TokenKind};
use crate::store::StoreError;
use crate::text::Name;

/// The most organizations that a source may make a day.
const MOST_NEW_ORGANIZATIONS: u32 = 1_000_000;

/// Makes a source. Its write key is in the output and nowhere else.
#[derive(Debug)]
pub struct CreateSource {
    /// What people call it.
    pub name: Name,
    /// Where its groups go; the organization is there.
    pub groups: Groups,
    /// Who owns the organizations that its groups make; they are there.
    pub organization_owner: Option<UserId>,
    /// How many they make a day at the most.
    pub new_organizations_per_day: u32,
    /// What it makes people.
    pub default_role: RoleRef,
    /// Which of its events are messages.
    pub events: EventNames,
}

impl CreateSource {
    /// Refuses what cannot be, whoever is named as the owner.
    pub(crate) fn check(&self, owned: bool) -> Result<(), Refusal> {
        check(&self.groups, owned, self.default_role, &self.events, self.new_organizations_per_day)
    }
}

impl Operation for CreateSource {
    type State = ();
    type Output = (Source, Token);

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<(), StoreError> {
        view.fetch([]).await
    }

    fn decide(&self, (): (), facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let id = SourceId::from_uuid(facts.fresh("source"));
        let token = Token::new(TokenKind::Write(id), facts.seed.derive("write key"));
        let source = Source {
            id,
            name: self.name.clone(),
            secret_hash: token.hash(),
            groups: self.groups.clone(),
            organization_owner: self.organization_owner,
            new_organizations_per_day: self.new_organizations_per_day,
            default_role: self.default_role,
            events: self.events.clone(),
            created_at: facts.now,
        };
        self.check(self.organization_owner.is_some())?;
        require_operator(facts)?;
        not_the_owner(self.default_role)?;
        let event = Event::new("source.created", "source", id).after(fields(&source));
        Ok(Decision::unchanged((source.clone(), token)).put(source.into()).event(event))
    }
}

/// A merge-patch: `None` keeps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SourcePatch {
    /// What people call it.
    pub name: Option<Name>,
    /// Where its groups go.
    pub groups: Option<Groups>,
    /// Who owns the organizations that its groups make; `Some(None)` for nobody.
    pub organization_owner: Option<Option<UserId>>,
    /// How many they make a day at the most.
    pub new_organizations_per_day: Option<u32>,
    /// What it makes people.
    pub default_role: Option<RoleRef>,
    /// Which of its events are messages.
    pub events: Option<EventNames>,
}

impl SourcePatch {
    /// A source as it is afterwards.
    fn over(&self, before: &Source) -> Source {
        let Self { name, groups, organization_owner, new_organizations_per_day, default_role, events } =
            self.clone();
        Source {
            name: name.unwrap_or_else(|| before.name.clone()),
            groups: groups.unwrap_or_else(|| before.groups.clone()),
            organization_owner: organization_owner.unwrap_or(before.organization_owner),
            new_organizations_per_day: new_organizations_per_day.unwrap_or(before.new_organizations_per_day),
            default_role: default_role.unwrap_or(before.default_role),
            events: events.unwrap_or_else(|| before.events.clone()),
            ..before.clone()
        }
    }

    /// The source as it would be, if it can be, with an owner or without, where one is said.
    pub(crate) fn checked(&self, before: &Source, owned: Option<bool>) -> Result<Source, Refusal> {
        let after = self.over(before);
        let owned = owned.unwrap_or(after.organization_owner.is_some());
        let Source { groups, default_role, events, new_organizations_per_day, .. } = &after;
        check(groups, owned, *default_role, events, *new_organizations_per_day)?;
        Ok(after)
    }
}

/// Changes a source; what it has sent before and is not applied yet goes by the new settings.
#[derive(Debug)]
pub struct UpdateSource {
    /// Which.
    pub source: SourceId,
    /// What.
    pub patch: SourcePatch,
}

impl Operation for UpdateSource {
    type State = Option<Source>;
    type Output = Source;

    fn home(&self) -> Home {
        Home::Deployment
    }

    fn subject(&self) -> Option<Key> {
        Some(TheSource(self.source).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheSource(self.source)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<Source>, Refusal> {
        let before = found.ok_or(Refusal::NotFound)?;
        let after = self.patch.checked(&before, None)?;
        require_operator(facts)?;
        not_the_owner(after.default_role)?;
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event =
            Event::new("source.updated", "source", after.id).before(fields(&before)).after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(after.into()).event(event))
    }
}

/// Deletes a source: its write key opens nothing from the next request on; what is not applied yet is dropped, and within the
/// hour what it has left: dead letters, and what was counted and remembered.
#[derive(Debug)]
pub struct DeleteSource {
    /// Which.
    pub source: SourceId,
}

impl Operation for DeleteSource {
    type State = Option<Source>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    fn subject(&self) -> Option<Key> {
        Some(TheSource(self.source).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheSource(self.source)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let source = found.ok_or(Refusal::NotFound)?;
        require_operator(facts)?;
        let event = Event::new("source.deleted", "source", source.id).before(fields(&source));
        Ok(Decision::unchanged(()).remove(TheSource(self.source).key()).event(event))
    }
}

/// Nobody becomes the owner by a source (rule G6).
fn not_the_owner(role: RoleRef) -> Result<(), Refusal> {
    if role == RoleRef::OWNER { Err(Refusal::OwnerByTransferOnly) } else { Ok(()) }
}

pub(super) fn require_operator(facts: &Facts) -> Result<(), Refusal> {
    if facts.actor.is_operator() { Ok(()) } else { Err(Refusal::lacks("operator")) }
}

/// What cannot be, whoever asks: a role of an organization's own fits where there is one organization.
fn check(
    groups: &Groups,
    owned: bool,
    role: RoleRef,
    events: &EventNames,
    new_organizations_per_day: u32,
) -> Result<(), Refusal> {
    match (role, groups) {
        (_, Groups::One(_)) if owned => Err(Refusal::invalid(
            "/organization_owner",
            "goes only with groups that are organizations, or that name one by a trait",
        )),
        (RoleRef::Custom(_), Groups::Each | Groups::Trait(_)) => Err(Refusal::invalid(
            "/default_role",
            "a role of one organization fits only a source whose groups go to that one",
        )),
        _ => check_groups(groups)
            .and_then(|()| check_names(events))
            .and_then(|()| check_bound(new_organizations_per_day)),
    }
}

/// Whether groups can go there, but for what is to be looked for.
pub fn check_groups(groups: &Groups) -> Result<(), Refusal> {
    match groups {
        Groups::Trait(name) if name.is_empty() || name.chars().count() > 200 => {
            Err(Refusal::invalid("/groups/trait", "name a trait, of 1 to 200 characters"))
        }
        Groups::Trait(_) | Groups::One(_) | Groups::Each => Ok(()),
    }
}

/// Whether so many names of events can be.
pub fn check_names(events: &EventNames) -> Result<(), Refusal> {
    if events.message_received.len() + events.message_sent.len() > 200 {
        return Err(Refusal::invalid("/events", "at most 200 names can be given"));
    }
    Ok(())
}

/// Whether a bound on organizations a day can be.
pub fn check_bound(new_organizations_per_day: u32) -> Result<(), Refusal> {
    if (1..=MOST_NEW_ORGANIZATIONS).contains(&new_organizations_per_day) {
        return Ok(());
    }
    let detail = format!(
        "give a number from 1 to {MOST_NEW_ORGANIZATIONS}; a source without `organization_owner` makes none"
    );
    Err(Refusal::invalid("/new_organizations_per_day", detail))
}

fn fields(source: &Source) -> serde_json::Value {
    json!({
        "name": source.name, "groups": source.groups, "organization_owner": source.organization_owner,
        "new_organizations_per_day": source.new_organizations_per_day, "default_role": source.default_role,
        "events": source.events,
    })
}
