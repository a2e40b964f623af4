//! When keys were last used (rule P3): noted in memory by whoever is let in, and written down beside the activity of the
//! key's organization at most once a minute a key. A check waits for nothing, and the record of the key is not touched.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{ApiKeyId, OrganizationId};
use crate::model::{Note, NoteKey};
use crate::op::{Roster, run};
use crate::ops::api_key::{ForgetLastUses, NoteLastUses};
use crate::refusal::OpError;
use crate::stop::Stop;
use crate::store::StoreError;
use crate::time::Timestamp;

/// How often it is looked for uses that nobody has written down.
const LOOK: Duration = Duration::from_secs(2);
/// The least time between two writings of one key.
const EVERY: Duration = Duration::from_mins(1);
/// How many keys one commit writes down.
const AT_ONCE: usize = 100;

/// What this process has seen of keys.
#[derive(Debug, Default)]
pub struct LastUses(Mutex<HashMap<ApiKeyId, Seen>>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    organization: OrganizationId,
    at: Timestamp,
    /// What was written down last, and when.
    written: Option<(Timestamp, Instant)>,
}

/// Uses of keys of one organization.
type Uses = Vec<(ApiKeyId, Timestamp)>;

impl LastUses {
    /// A key has opened something.
    pub(crate) fn note(&self, organization: OrganizationId, key: ApiKeyId, at: Timestamp) {
        let mut keys = self.keys();
        let seen = keys.entry(key).or_insert(Seen { organization, at, written: None });
        seen.at = seen.at.max(at);
    }

    /// When this process saw a key last.
    fn of(&self, key: ApiKeyId) -> Option<Timestamp> {
        self.keys().get(&key).map(|seen| seen.at)
    }

    /// What is to be written down now. What has been, and was not used since, need not be remembered.
    fn due(&self, everything: bool) -> BTreeMap<OrganizationId, Uses> {
        let mut due: BTreeMap<OrganizationId, Uses> = BTreeMap::new();
        self.keys().retain(|key, seen| {
            let waited = seen.written.is_none_or(|(_, when)| when.elapsed() >= EVERY);
            let news = seen.written.is_none_or(|(at, _)| at < seen.at);
            if news && (waited || everything) {
                due.entry(seen.organization).or_default().push((*key, seen.at));
            }
            news || !waited
        });
        due
    }

    fn written(&self, uses: &[(ApiKeyId, Timestamp)]) {
        let mut keys = self.keys();
        for (key, at) in uses {
            if let Some(seen) = keys.get_mut(key) {
                seen.written = Some((*at, Instant::now()));
            }
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<ApiKeyId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes uses down until the word to stop is given. What is noted after that, [`write_down`] takes.
pub async fn keep_last_uses(roster: &Roster, stop: &Stop) {
    while !stop.is_given() {
        if let Err(error) = write(roster, false).await {
            tracing::warn!(%error, "when keys were last used cannot be written down; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.heard() => {}
        }
    }
}

/// Writes down everything that is not written yet.
pub async fn write_down(roster: &Roster) -> Result<(), OpError> {
    Box::pin(write(roster, true)).await
}

/// An organization where that fails keeps none of the others from being written; its error comes last.
async fn write(roster: &Roster, everything: bool) -> Result<(), OpError> {
    let mut outcome = Ok(());
    for (organization, uses) in roster.last_uses.due(everything) {
        for uses in uses.chunks(AT_ONCE) {
            if let Err(error) = write_in(roster, organization, uses).await {
                tracing::warn!(%error, %organization, "when keys of an organization were last used is not written down");
                outcome = Err(error);
            }
        }
    }
    outcome
}

async fn write_in(
    roster: &Roster,
    organization: OrganizationId,
    uses: &[(ApiKeyId, Timestamp)],
) -> Result<(), OpError> {
    let request = Request::new(Actor::System, roster.entropy.as_ref());
    run(roster, &request, &NoteLastUses { organization, uses: uses.to_vec() }).await?;
    roster.last_uses.written(uses);
    let keys = uses.iter().map(|(key, _)| *key).collect();
    forget_gone(roster, &request, organization, keys).await
}

/// What was noted of keys goes with them: whoever writes looks afterwards whether the keys are there, and whoever ends
/// one looks afterwards here.
async fn forget_gone(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    mut keys: Vec<ApiKeyId>,
) -> Result<(), OpError> {
    let names: Vec<Key> = keys.iter().map(|key| Key::ApiKey(*key)).collect();
    let read = roster.store.read(&Home::Organization(organization), &names, &[]).await?;
    keys.retain(|key| !read.records.contains_key(&Key::ApiKey(*key)));
    forget_last_uses(roster, request, organization, keys).await
}

/// Takes away what was noted of keys that are gone.
pub(crate) async fn forget_last_uses(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    keys: Vec<ApiKeyId>,
) -> Result<(), OpError> {
    if keys.is_empty() {
        return Ok(());
    }
    run(roster, &request.as_system("last uses"), &ForgetLastUses { organization, keys }).await.map(drop)
}

/// When keys of an organization were last used, as far as anybody knows here.
pub(crate) async fn last_uses(
    roster: &Roster,
    organization: OrganizationId,
    keys: &[ApiKeyId],
) -> Result<BTreeMap<ApiKeyId, Timestamp>, StoreError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<Key> = keys.iter().map(|key| Key::Note(NoteKey::LastUse(*key))).collect();
    let read = roster.store.read(&Home::Activity(organization), &names, &[]).await?;
    let mut found: BTreeMap<ApiKeyId, Timestamp> = BTreeMap::new();
    for stored in read.records.into_values() {
        if let Record::Note(Note::LastUse { key, at }) = stored.record {
            found.insert(key, at);
        }
    }
    for key in keys {
        if let Some(here) = roster.last_uses.of(*key) {
            let at = found.entry(*key).or_insert(here);
            *at = here.max(*at);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// Rule P3: at most once a minute, the first use at once, nothing that is known already.
    #[tokio::test(start_paused = true)]
    async fn p3_a_use_is_written_down_at_most_once_a_minute() {
        let uses = LastUses::default();
        let (organization, key) =
            (OrganizationId::from_uuid(Uuid::from_u128(1)), ApiKeyId::from_uuid(Uuid::from_u128(2)));
        let at = |seconds: i64| Timestamp::EPOCH.plus_seconds(seconds);
        let due = |everything| uses.due(everything).remove(&organization);
        uses.note(organization, key, at(7));
        uses.note(organization, key, at(5));
        assert_eq!(due(false), Some(vec![(key, at(7))]), "the latest");
        uses.written(&[(key, at(7))]);
        assert_eq!(due(false), None, "known");
        uses.note(organization, key, at(9));
        assert_eq!((due(false), due(true)), (None, Some(vec![(key, at(9))])), "a minute is not over");
        tokio::time::advance(EVERY).await;
        assert_eq!(due(false), Some(vec![(key, at(9))]));
        uses.written(&[(key, at(9))]);
        tokio::time::advance(EVERY).await;
        assert_eq!((due(true), uses.of(key)), (None, None), "nothing is kept that the store knows");
    }
}
