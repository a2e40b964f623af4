//! What a request brought, from its storing to its end. Each step done again changes nothing.

use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::SourceId;
use crate::model::customer::{DRAINER_SECONDS, Drainer, Inbox, Seen, TheDrainer, TheInbox, TheSeen};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// For how long a message is remembered, in seconds (rule G4).
pub const REMEMBERED: i64 = 7 * 86_400;

/// Stores what a request brought.
#[derive(Debug)]
pub struct StoreInbox {
    /// Whose.
    pub source: SourceId,
    /// What; when it came is filled in, unless it came before.
    pub inbox: Inbox,
}

impl Operation for StoreInbox {
    type State = Option<Inbox>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 0)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheInbox(self.inbox.id)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let received_at = if self.inbox.again { self.inbox.received_at } else { facts.now };
        let inbox = Inbox { received_at, ..self.inbox.clone() };
        Ok(if found.is_some() { nothing } else { nothing.put(inbox.into()) })
    }
}

/// Becomes the one who applies what a source sends; whether it is.
#[derive(Debug)]
pub struct TakeInbox {
    /// Which source.
    pub source: SourceId,
    /// By a number of the worker's.
    pub holder: Uuid,
}

impl Operation for TakeInbox {
    type State = Option<Drainer>;
    type Output = bool;

    fn home(&self) -> Home {
        Home::Stream(self.source, 0)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheDrainer).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<bool>, Refusal> {
        let half = facts.now.plus_seconds(DRAINER_SECONDS / 2);
        Ok(match found {
            Some(other) if other.holder != self.holder && other.until > facts.now => {
                Decision::unchanged(false)
            }
            Some(own) if own.holder == self.holder && own.until > half => Decision::unchanged(true),
            _ => {
                let until = facts.now.plus_seconds(DRAINER_SECONDS);
                Decision::unchanged(true).put(Drainer { holder: self.holder, until }.into())
            }
        })
    }
}

/// Lets another become the one who applies what a source sends.
#[derive(Debug)]
pub struct ReleaseInbox {
    /// Which source.
    pub source: SourceId,
    /// By a number of the worker's.
    pub holder: Uuid,
}

impl Operation for ReleaseInbox {
    type State = Option<Drainer>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 0)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheDrainer).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let own = found.is_some_and(|found| found.holder == self.holder);
        Ok(if own { nothing.remove(TheDrainer.key()) } else { nothing })
    }
}

/// Takes messages in, each for one request: those that came with another one, within seven days, are not.
#[derive(Debug)]
pub struct TakeMessages {
    /// Whose.
    pub source: SourceId,
    /// Which part remembers them.
    pub part: u8,
    /// By the hash of their id, with the request and the number within it.
    pub messages: Vec<(Uuid, (Uuid, u32))>,
}

impl Operation for TakeMessages {
    type State = Vec<Option<Seen>>;
    type Output = Vec<bool>;

    fn home(&self) -> Home {
        Home::Stream(self.source, self.part)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.messages.iter().map(|(hash, _)| TheSeen(*hash).key())).await?;
        let mut found = Vec::with_capacity(self.messages.len());
        for (hash, _) in &self.messages {
            found.push(view.get(&TheSeen(*hash)).await?);
        }
        Ok(found)
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<Vec<bool>>, Refusal> {
        let mut decision = Decision::unchanged(Vec::with_capacity(found.len()));
        let mut taken = std::collections::BTreeMap::new();
        for ((hash, by), seen) in self.messages.iter().zip(found) {
            let live = seen.filter(|seen| seen.at.plus_seconds(REMEMBERED) > facts.now).map(|seen| seen.by);
            let owner = *taken.entry(*hash).or_insert_with(|| live.unwrap_or(*by));
            if owner == *by && live.is_none() {
                decision = decision.put(Seen { hash: *hash, at: facts.now, by: *by }.into());
            }
            decision.output.push(owner == *by);
        }
        Ok(decision)
    }
}

/// Forgets messages that came more than seven days ago.
#[derive(Debug)]
pub struct ForgetMessages {
    /// Whose.
    pub source: SourceId,
    /// Which part remembers them.
    pub part: u8,
    /// By the hash of their id, at most 400.
    pub hashes: Vec<Uuid>,
}

impl Operation for ForgetMessages {
    type State = Vec<Seen>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, self.part)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.hashes.iter().map(|hash| TheSeen(*hash).key())).await?;
        let mut found = Vec::new();
        for hash in &self.hashes {
            found.extend(view.get(&TheSeen(*hash)).await?);
        }
        Ok(found)
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let old = found.into_iter().filter(|seen| seen.at.plus_seconds(REMEMBERED) <= facts.now);
        Ok(old.fold(Decision::unchanged(()), |decision, seen| decision.remove(TheSeen(seen.hash).key())))
    }
}

/// Takes what a request brought out of the inbox, all of it being applied.
#[derive(Debug)]
pub struct FinishInbox {
    /// Whose.
    pub source: SourceId,
    /// Which.
    pub id: Uuid,
}

impl Operation for FinishInbox {
    type State = Option<Inbox>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 0)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheInbox(self.id)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let key: Key = TheInbox(self.id).key();
        Ok(if found.is_some() { nothing.remove(key) } else { nothing })
    }
}

/// Takes messages about an erased person out of a request that is not applied yet (rule L5). The others keep their number.
#[derive(Debug)]
pub struct ForgetInInbox {
    /// Whose.
    pub source: SourceId,
    /// Which request.
    pub id: Uuid,
    /// Which of its messages.
    pub messages: Vec<usize>,
}

impl Operation for ForgetInInbox {
    type State = Option<Inbox>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Stream(self.source, 0)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheInbox(self.id)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        let Some(mut inbox) = found else { return Ok(nothing) };
        for n in &self.messages {
            if let Some((_, text)) = inbox.messages.get_mut(*n) {
                text.clear();
            }
        }
        Ok(nothing.put(inbox.into()))
    }
}
