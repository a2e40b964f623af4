//! Ending a key.

use super::create::fields;
use super::{planned_by, replanned, require_manage};
use crate::facts::Facts;
use crate::home::{Home, Key};
use crate::id::{ApiKeyId, OrganizationId, UserId};
use crate::model::{ApiKey, NoteKey};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Removes a key; 404 for one that is not there.
#[derive(Debug)]
pub struct RevokeApiKey {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub key: ApiKeyId,
}

impl Operation for RevokeApiKey {
    type State = (Visible, Option<ApiKey>, Vec<Key>, Option<UserId>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::ApiKey(self.key))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let notes = [NoteKey::KeyEnd(self.key), NoteKey::KeyMaker(self.key)].map(Key::Note);
        view.fetch(notes.iter().cloned().chain([Key::ApiKey(self.key)]).collect::<Vec<_>>()).await?;
        let visible = view.open_organization().await?;
        let key = view.get(&self.key).await?;
        let planned = planned_by(view, key.as_ref()).await?;
        let notes = notes.into_iter().filter(|note| view.version(note).is_some()).collect();
        Ok((visible, key, notes, planned))
    }

    fn decide(
        &self,
        (visible, key, notes, planned): Self::State,
        facts: &Facts,
    ) -> Result<Decision<()>, Refusal> {
        let (_, standing) = visible.open()?;
        let key = key.ok_or(Refusal::NotFound)?;
        require_manage(&standing, &key, facts)?;
        let event = Event { user: key.user, ..Event::new("api_key.revoked", "api_key", self.key) }
            .before(fields(&key));
        let mut decision = Decision::unchanged(()).remove(Key::ApiKey(self.key)).event(event);
        decision.removes.extend(notes);
        Ok(replanned(decision, planned, facts))
    }
}
