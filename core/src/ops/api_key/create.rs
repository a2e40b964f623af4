//! Making a key: never with a right that its maker lacks (rule M11).

use serde_json::json;

use super::{end_of, replanned};
use crate::facts::Facts;
use crate::home::{Home, Record};
use crate::id::{ApiKeyId, OrganizationId};
use crate::model::{Access, ApiKey, Note};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::member::{AccessAsk, AskRead};
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::secret::{Token, TokenKind};
use crate::store::StoreError;
use crate::text::Name;
use crate::time::Timestamp;

/// Makes an organization key. The secret is in the output and nowhere else.
#[derive(Debug)]
pub struct CreateApiKey {
    /// Whose.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: Name,
    /// What it reaches.
    pub access: AccessAsk,
    /// Dead from then on.
    pub expires_at: Option<Timestamp>,
}

impl Operation for CreateApiKey {
    type State = (Visible, AskRead);
    type Output = (ApiKey, Token);

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let asked = self.access.load(view).await?;
        Ok((view.open_organization().await?, asked))
    }

    fn decide(
        &self,
        (visible, asked): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let (_, standing) = visible.open()?;
        check_end(self.expires_at, facts.now)?;
        let granting = self.access.resolve(&asked)?;
        let policy = facts.policies.access.as_ref();
        policy.require(&standing, "api_keys:manage", Reach::Organization)?;
        policy.may_grant(&standing, &granting.access)?;
        granting.none_archived_anew(&Access::NONE)?;
        let id = ApiKeyId::from_uuid(facts.fresh("api key"));
        let token =
            Token::new(TokenKind::Organization(self.organization, id), facts.seed.derive("api key secret"));
        let key = ApiKey {
            id,
            name: self.name.clone(),
            user: None,
            access: granting.access,
            secret_hash: token.hash(),
            old: None,
            prefix: token.prefix(),
            expires_at: self.expires_at,
            created_at: facts.now,
        };
        let event = Event::new("api_key.created", "api_key", id).after(fields(&key));
        let mut decision = Decision::unchanged((key.clone(), token)).event(event);
        decision.puts.extend(end_of(&key).map(Record::Note));
        let maker = facts.actor.user().map(|user| Note::KeyMaker { key: id, user });
        decision.puts.extend(maker.map(Record::Note));
        Ok(replanned(decision.put(Record::ApiKey(key)), facts.actor.user(), facts))
    }
}

pub(super) fn check_end(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    match expires_at {
        Some(end) if end <= now => Err(Refusal::invalid("/expires_at", "must lie in the future")),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn fields(key: &ApiKey) -> serde_json::Value {
    json!({"name": key.name, "user_id": key.user, "access": key.access, "prefix": key.prefix, "expires_at": key.expires_at})
}
