//! Keys of the deployment. Only the command line and other operators make them.

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record};
use crate::id::OperatorKeyId;
use crate::model::OperatorKey;
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::secret::{Token, TokenKind};
use crate::store::StoreError;
use crate::text::Name;

/// Makes an operator key. The secret is in the output and nowhere else.
#[derive(Debug)]
pub struct CreateOperatorKey {
    /// What people call it.
    pub name: Name,
}

impl Operation for CreateOperatorKey {
    type State = ();
    type Output = (OperatorKey, Token);

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<(), StoreError> {
        view.fetch([]).await
    }

    fn decide(&self, (): (), facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        if !facts.actor.is_operator() {
            return Err(Refusal::lacks("operator"));
        }
        let id = OperatorKeyId::from_uuid(facts.fresh("operator key"));
        let token = Token::new(TokenKind::Operator(id), facts.seed.derive("operator key secret"));
        let key = OperatorKey {
            id,
            name: self.name.clone(),
            secret_hash: token.hash(),
            prefix: token.prefix(),
            created_at: facts.now,
        };
        let event = Event::new("api_key.created", "operator_key", id)
            .after(json!({"name": self.name, "prefix": key.prefix}));
        Ok(Decision::unchanged((key.clone(), token)).put(Record::OperatorKey(key)).event(event))
    }
}

/// Ends an operator key; 404 for one that is not there.
#[derive(Debug)]
pub struct RevokeOperatorKey {
    /// Which.
    pub key: OperatorKeyId,
}

impl Operation for RevokeOperatorKey {
    type State = Option<OperatorKey>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&self.key).await
    }

    fn decide(&self, found: Option<OperatorKey>, facts: &Facts) -> Result<Decision<()>, Refusal> {
        if !facts.actor.is_operator() {
            return Err(Refusal::lacks("operator"));
        }
        let key = found.ok_or(Refusal::NotFound)?;
        let event = Event::new("api_key.revoked", "operator_key", self.key)
            .before(json!({"name": key.name, "prefix": key.prefix}));
        Ok(Decision::unchanged(()).remove(Key::OperatorKey(self.key)).event(event))
    }
}
