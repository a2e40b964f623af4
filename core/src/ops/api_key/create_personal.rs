//! Making a key of one's own: its rights are the member's, whatever they are when it is used (rule P3).

use super::create::{check_end, fields};
use super::{replanned, require_own};
use crate::actor::{Actor, Via};
use crate::facts::Facts;
use crate::home::{Home, Record, TheMember};
use crate::id::{ApiKeyId, OrganizationId};
use crate::model::{Access, ApiKey, Member};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::secret::{Token, TokenKind};
use crate::store::StoreError;
use crate::text::Name;
use crate::time::Timestamp;

/// Makes a personal key for the member who acts, by whatever speaks for them with all their rights: a key of their own does
/// not make others. The secret is in the output and nowhere else.
#[derive(Debug)]
pub struct CreatePersonalKey {
    /// Where.
    pub organization: OrganizationId,
    /// What the member calls it.
    pub name: Name,
    /// Dead from then on.
    pub expires_at: Option<Timestamp>,
}

impl Operation for CreatePersonalKey {
    type State = (Visible, Option<Member>);
    type Output = (ApiKey, Token);

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let member = match view.actor().user() {
            Some(user) => view.get(&TheMember(user)).await?,
            None => None,
        };
        Ok((view.open_organization().await?, member))
    }

    fn decide(
        &self,
        (visible, member): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let (_, standing) = visible.open()?;
        check_end(self.expires_at, facts.now)?;
        let Some(user) = facts.actor.user() else {
            return Err(Refusal::invalid(
                "/kind",
                "a personal key is made by the member: act on their behalf",
            ));
        };
        if matches!(facts.actor, Actor::User { via: Via::PersonalKey { .. }, .. }) {
            return Err(Refusal::lacks("session"));
        }
        require_own(&standing, member.as_ref(), facts)?;
        let id = ApiKeyId::from_uuid(facts.fresh("api key"));
        let kind = TokenKind::Personal(self.organization, id);
        let token = Token::new(kind, facts.seed.derive("api key secret"));
        let key = ApiKey {
            id,
            name: self.name.clone(),
            user: Some(user),
            access: Access::NONE,
            secret_hash: token.hash(),
            old: None,
            prefix: token.prefix(),
            expires_at: self.expires_at,
            created_at: facts.now,
        };
        let event =
            Event { user: Some(user), ..Event::new("api_key.created", "api_key", id) }.after(fields(&key));
        let decision = Decision::unchanged((key.clone(), token)).put(Record::ApiKey(key)).event(event);
        Ok(replanned(decision, Some(user), facts))
    }
}
