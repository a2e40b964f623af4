//! Noting when keys were last used, beside the activity of their organization. The later instant stands, so that writers
//! may come in any order; the keys themselves are not touched.

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{ApiKeyId, OrganizationId};
use crate::model::{Note, NoteKey};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Notes it.
#[derive(Debug)]
pub(crate) struct NoteLastUses {
    /// Whose.
    pub organization: OrganizationId,
    /// Which, and when.
    pub uses: Vec<(ApiKeyId, Timestamp)>,
}

impl Operation for NoteLastUses {
    type State = Vec<Option<Note>>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Activity(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let notes: Vec<NoteKey> = self.uses.iter().map(|(key, _)| NoteKey::LastUse(*key)).collect();
        view.fetch(notes.iter().map(TypedKey::key).collect::<Vec<_>>()).await?;
        let mut found = Vec::with_capacity(notes.len());
        for note in notes {
            found.push(view.get(&note).await?);
        }
        Ok(found)
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let news = self.uses.iter().zip(found).filter(|((_, at), found)| match found {
            Some(Note::LastUse { at: known, .. }) => known < at,
            Some(_) | None => true,
        });
        Ok(news.fold(nothing, |decision, ((key, at), _)| {
            decision.put(Record::Note(Note::LastUse { key: *key, at: *at }))
        }))
    }
}

/// Takes away what was noted of keys.
#[derive(Debug)]
pub(crate) struct ForgetLastUses {
    /// Whose.
    pub organization: OrganizationId,
    /// Which.
    pub keys: Vec<ApiKeyId>,
}

impl Operation for ForgetLastUses {
    type State = Vec<Key>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Activity(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let notes: Vec<Key> = self.keys.iter().map(|key| Key::Note(NoteKey::LastUse(*key))).collect();
        view.fetch(notes.clone()).await?;
        Ok(notes.into_iter().filter(|note| view.version(note).is_some()).collect())
    }

    fn decide(&self, notes: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        Ok(notes.into_iter().fold(Decision::unchanged(()), Decision::remove))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::facts::Seed;
    use uuid::Uuid;

    /// Rule P3: replicas write late and in any order.
    #[test]
    fn p3_the_later_use_stands() {
        let key = ApiKeyId::from_uuid(Uuid::from_u128(2));
        let at = |seconds: i64| Timestamp::EPOCH.plus_seconds(seconds);
        let facts = Facts {
            actor: Actor::System,
            now: at(100),
            policies: std::sync::Arc::default(),
            seed: Seed { bytes: [0; 32], millis: 0 },
        };
        for (known, used, stands) in
            [(None, 5, Some(5)), (Some(4), 5, Some(5)), (Some(5), 5, None), (Some(6), 5, None)]
        {
            let organization = OrganizationId::from_uuid(Uuid::from_u128(1));
            let operation = NoteLastUses { organization, uses: vec![(key, at(used))] };
            let known = known.map(|known| Note::LastUse { key, at: at(known) });
            let decision = operation.decide(vec![known], &facts).unwrap();
            let written = stands.map(|stands| Record::Note(Note::LastUse { key, at: at(stands) }));
            assert_eq!(decision.puts, Vec::from_iter(written), "{known:?}");
        }
    }
}
