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

/// Makes a source. Its write key is in the output and nowhere else.
#[derive(Debug)]
pub struct CreateSource {
    /// What people call it.
    pub name: Name,
    /// Where its groups go; the organization is there.
    pub groups: Groups,
    /// Who owns the organizations that its groups make; they are there.
    pub organization_owner: Option<UserId>,
    /// What it makes people.
    pub default_role: RoleRef,
    /// Which of its events are messages.
    pub events: EventNames,
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
            default_role: self.default_role,
            events: self.events.clone(),
            created_at: facts.now,
        };
        check(&source)?;
        require_operator(facts)?;
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
    /// What it makes people.
    pub default_role: Option<RoleRef>,
    /// Which of its events are messages.
    pub events: Option<EventNames>,
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
        require_operator(facts)?;
        let SourcePatch { name, groups, organization_owner, default_role, events } = self.patch.clone();
        let after = Source {
            name: name.unwrap_or_else(|| before.name.clone()),
            groups: groups.unwrap_or_else(|| before.groups.clone()),
            organization_owner: organization_owner.unwrap_or(before.organization_owner),
            default_role: default_role.unwrap_or(before.default_role),
            events: events.unwrap_or_else(|| before.events.clone()),
            ..before.clone()
        };
        check(&after)?;
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event =
            Event::new("source.updated", "source", after.id).before(fields(&before)).after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(after.into()).event(event))
    }
}

/// Deletes a source: its write key opens nothing from the next request on; what is not applied yet is dropped.
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

fn require_operator(facts: &Facts) -> Result<(), Refusal> {
    if facts.actor.is_operator() { Ok(()) } else { Err(Refusal::lacks("operator")) }
}

/// Nobody becomes the owner by a source (rule G6); a role of an organization's own fits where there is one organization.
fn check(source: &Source) -> Result<(), Refusal> {
    match (source.default_role, &source.groups) {
        (RoleRef::OWNER, _) => Err(Refusal::OwnerByTransferOnly),
        (_, Groups::One(_)) if source.organization_owner.is_some() => Err(Refusal::invalid(
            "/organization_owner",
            "goes only with groups that are organizations, or that name one by a trait",
        )),
        (RoleRef::Custom(_), Groups::Each | Groups::Trait(_)) => Err(Refusal::invalid(
            "/default_role",
            "a role of one organization fits only a source whose groups go to that one",
        )),
        _ if source.events.message_received.len() + source.events.message_sent.len() > 200 => {
            Err(Refusal::invalid("/events", "at most 200 names can be given"))
        }
        _ => Ok(()),
    }
}

fn fields(source: &Source) -> serde_json::Value {
    json!({
        "name": source.name, "groups": source.groups, "organization_owner": source.organization_owner,
        "default_role": source.default_role,
    })
}
