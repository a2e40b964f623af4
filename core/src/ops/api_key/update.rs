//! Changing a key's name, access or end: never beyond what the actor holds.

use super::create::{check_end, fields};
use super::{end_of, planned_by, replanned, require_manage, require_own};
use crate::actor::{Actor, Via};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::id::{ApiKeyId, OrganizationId, UserId};
use crate::model::{ApiKey, Member, NoteKey};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::member::{AccessAsk, AskRead};
use crate::policy::{Reach, custom_roles};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;
use crate::time::Timestamp;

/// A merge-patch: outer `None` keeps, inner `None` clears.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ApiKeyPatch {
    /// The name.
    pub name: Option<Name>,
    /// What it reaches.
    pub access: Option<AccessAsk>,
    /// Its end.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Applies a patch to a key.
#[derive(Debug)]
pub struct UpdateApiKey {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub key: ApiKeyId,
    /// What.
    pub patch: ApiKeyPatch,
}

impl Operation for UpdateApiKey {
    type State = (Visible, Option<ApiKey>, Option<AskRead>, Option<UserId>, Option<Member>);
    type Output = ApiKey;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::ApiKey(self.key))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let key = view.get(&self.key).await?;
        if let Some(key) = &key {
            view.fetch_roles(custom_roles(&key.access).collect::<Vec<_>>()).await?;
        }
        let asked = match &self.patch.access {
            Some(access) => Some(access.load(view).await?),
            None => None,
        };
        view.fetch([Key::Note(NoteKey::KeyEnd(self.key))]).await?;
        let planned = planned_by(view, key.as_ref()).await?;
        let member = match key.as_ref().and_then(|key| key.user) {
            Some(user) => view.get(&TheMember(user)).await?,
            None => None,
        };
        if let Some(member) = &member {
            view.fetch_roles(custom_roles(&member.access).collect::<Vec<_>>()).await?;
        }
        Ok((view.open_organization().await?, key, asked, planned, member))
    }

    fn decide(
        &self,
        (visible, key, asked, planned, member): Self::State,
        facts: &Facts,
    ) -> Result<Decision<ApiKey>, Refusal> {
        let (_, standing) = visible.open()?;
        check_end(self.patch.expires_at.flatten(), facts.now)?;
        let before = key.ok_or(Refusal::NotFound)?;
        if before.user.is_some() && self.patch.access.is_some() {
            return Err(Refusal::invalid("/access", "a personal key has the rights of its member"));
        }
        let granting = match self.patch.access.as_ref().zip(asked.as_ref()) {
            Some((access, asked)) => Some(access.resolve(asked)?),
            None => None,
        };
        let policy = facts.policies.access.as_ref();
        require_manage(&standing, &before, facts)?;
        policy.may_manage(&standing, &before.access, Reach::Organization)?;
        if let Some(granting) = &granting {
            policy.may_grant(&standing, &granting.access)?;
            granting.none_archived_anew(&before.access)?;
        }
        if self.prolongs(&before) && matches!(facts.actor, Actor::User { via: Via::PersonalKey { .. }, .. }) {
            return Err(Refusal::lacks("session"));
        }
        // Whoever acts on their behalf too: with no more than is theirs.
        if self.prolongs(&before) && before.user.is_some() {
            require_own(&standing, member.as_ref(), facts)?;
        }
        let after = ApiKey {
            name: self.patch.name.clone().unwrap_or_else(|| before.name.clone()),
            access: granting.map_or_else(|| before.access.clone(), |granting| granting.access),
            expires_at: self.patch.expires_at.unwrap_or(before.expires_at),
            ..before.clone()
        };
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event = Event { user: before.user, ..Event::new("api_key.updated", "api_key", self.key) }
            .before(fields(&before))
            .after(fields(&after));
        let decision = Decision::unchanged(after.clone()).event(event);
        let decision = match (end_of(&after), end_of(&before)) {
            (Some(end), _) => decision.put(Record::Note(end)),
            (None, Some(_)) => decision.remove(Key::Note(NoteKey::KeyEnd(self.key))),
            (None, None) => decision,
        };
        let decision = decision.put(Record::ApiKey(after));
        Ok(replanned(decision, planned, facts))
    }
}

impl UpdateApiKey {
    /// Whether the key lives longer after it.
    fn prolongs(&self, before: &ApiKey) -> bool {
        match (self.patch.expires_at, before.expires_at) {
            (Some(Some(after)), Some(before)) => after > before,
            (Some(None), Some(_)) => true,
            (Some(_), None) | (None, _) => false,
        }
    }
}
