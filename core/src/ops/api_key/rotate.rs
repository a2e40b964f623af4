//! Turning a key: a new secret, and the old one for a while beside it.

use super::create::fields;
use super::{planned_by, replanned, require_manage, require_own};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::id::{ApiKeyId, OrganizationId, UserId};
use crate::model::{ApiKey, Member, OldSecret};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::policy::custom_roles;
use crate::refusal::Refusal;
use crate::secret::{Token, TokenKind};
use crate::store::StoreError;

/// The longest that an old secret opens beside the new one, in seconds: 30 days.
pub const MAX_OVERLAP: u32 = 2_592_000;

/// Gives a key a new secret, which is in the output and nowhere else. Needs every right that the key holds; a personal
/// key is turned by its own member only.
#[derive(Debug)]
pub struct RotateApiKey {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub key: ApiKeyId,
    /// For so many seconds the old secret opens too.
    pub overlap_seconds: u32,
}

impl Operation for RotateApiKey {
    type State = (Visible, Option<ApiKey>, Option<Member>, Option<UserId>);
    type Output = (ApiKey, Token);

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
        let member = match key.as_ref().and_then(|key| key.user) {
            Some(user) => view.get(&TheMember(user)).await?,
            None => None,
        };
        let planned = planned_by(view, key.as_ref()).await?;
        Ok((view.open_organization().await?, key, member, planned))
    }

    fn decide(
        &self,
        (visible, key, member, planned): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let (_, standing) = visible.open()?;
        if self.overlap_seconds > MAX_OVERLAP {
            return Err(Refusal::invalid("/overlap_seconds", "at most 2592000 seconds, which is 30 days"));
        }
        let before = key.ok_or(Refusal::NotFound)?;
        require_manage(&standing, &before, facts)?;
        if before.user.is_some() && before.user != facts.actor.user() {
            return Err(Refusal::CannotGrantUnheld);
        }
        match before.user {
            Some(_) => require_own(&standing, member.as_ref(), facts)?,
            None => facts.policies.access.may_grant(&standing, &before.access)?,
        }
        let kind = match before.user {
            Some(_) => TokenKind::Personal(self.organization, self.key),
            None => TokenKind::Organization(self.organization, self.key),
        };
        let token = Token::new(kind, facts.seed.derive("api key secret"));
        let until = facts.now.plus_seconds(self.overlap_seconds.into());
        let after = ApiKey {
            secret_hash: token.hash(),
            old: Some(OldSecret { hash: before.secret_hash, until }),
            prefix: token.prefix(),
            ..before.clone()
        };
        let event = Event { user: before.user, ..Event::new("api_key.rotated", "api_key", self.key) }
            .before(fields(&before))
            .after(fields(&after));
        let decision = Decision::unchanged((after.clone(), token)).put(Record::ApiKey(after)).event(event);
        Ok(replanned(decision, planned, facts))
    }
}
