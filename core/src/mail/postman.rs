//! Empties the outbox: looks where pointers lead, takes letters under a lease, hands each over, and notes what became of
//! it. Whoever dies is followed by another when the lease ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::{Carrier, Undelivered, writing};
use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::write_down_reset;
use crate::home::{Home, Record};
use crate::id::{MailId, Version};
use crate::model::{MailPointer, OUTBOXES, Sought, Waiting};
use crate::op::{Roster, run};
use crate::ops::mail::{Fate, NoteFate, PutMailPointer, ReleaseMail, RemoveMailPointer, TakeMail, TakenMail};
use crate::ops::pointer::DEAD_AFTER;
use crate::refusal::OpError;
use crate::stop::Stop;
use crate::time::Timestamp;

/// How often the outbox is looked at for what others have put there.
const LOOK: Duration = Duration::from_secs(2);
/// How many senders one process has.
const AT_A_TIME: usize = 4;
/// What is not to be tried yet is looked at again after so many seconds at the latest.
const LONGEST_REST: i64 = 30;
/// Pointers read at a time.
const PAGE: u16 = 200;
/// The longest that handing over one letter may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sends mail until it is told to stop.
#[derive(Clone, Debug)]
pub struct Postman {
    roster: Roster,
    carrier: Arc<dyn Carrier>,
    /// What is not to be looked at before an instant.
    later: Arc<Mutex<BTreeMap<MailId, Timestamp>>>,
}

impl Postman {
    /// A postman on a store; nothing where mail is not set up.
    pub fn new(roster: Roster) -> Option<Self> {
        let carrier = roster.post.carrier.clone()?;
        Some(Self { roster, carrier, later: Arc::default() })
    }

    /// Works until the word to stop is given; then the letter at hand is finished, and what is left is given back.
    pub async fn work(&self, stop: Stop) {
        let mut at_hand = JoinSet::new();
        while !stop.is_given() {
            if let Err(error) = self.look(&mut at_hand, &stop).await {
                tracing::warn!(%error, "the outbox cannot be looked at; trying again");
            }
            tokio::select! {
                () = self.roster.post.wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.heard() => {}
            }
            while let Some(ended) = at_hand.try_join_next() {
                heard(ended);
            }
        }
        while let Some(ended) = at_hand.join_next().await {
            heard(ended);
        }
    }

    /// Sends everything that can be sent now, once.
    pub async fn work_off(&self) -> Result<(), OpError> {
        let mut at_hand = JoinSet::new();
        self.look(&mut at_hand, &Stop::default()).await?;
        while let Some(ended) = at_hand.join_next().await {
            heard(ended);
        }
        Ok(())
    }

    async fn look(&self, at_hand: &mut JoinSet<()>, stop: &Stop) -> Result<(), OpError> {
        let (mut there, mut oldest) = (BTreeSet::new(), u64::MAX);
        for n in 0..OUTBOXES {
            let home = Home::Outbox(n);
            let mut after = None;
            loop {
                let found = self.roster.store.records(&home, after.as_ref(), PAGE).await?;
                let Some(last) = found.last() else { break };
                after = Some(last.record.key());
                for stored in found {
                    let Record::MailPointer(pointer) = stored.record else { continue };
                    if stop.is_given() {
                        return Ok(());
                    }
                    there.insert(pointer.id);
                    oldest = oldest.min(stored.version.unix_millis());
                    while at_hand.len() >= AT_A_TIME {
                        if let Some(ended) = at_hand.join_next().await {
                            heard(ended);
                        }
                    }
                    // What is wrong with one does not keep the others waiting.
                    if let Err(error) = self.attend(pointer, stored.version, at_hand, stop).await {
                        tracing::warn!(%error, "a letter cannot be taken; trying again");
                    }
                }
            }
        }
        self.later().retain(|id, _| there.contains(id));
        let waited = if there.is_empty() {
            0
        } else {
            let now = self.roster.store.read(&Home::Outbox(0), &[], &[]).await?.clock;
            u64::try_from(now.micros() / 1_000).unwrap_or(0).saturating_sub(oldest)
        };
        self.roster.observer.mail_waiting(there.len() as u64, Duration::from_millis(waited));
        Ok(())
    }

    async fn attend(
        &self,
        pointer: MailPointer,
        version: Version,
        at_hand: &mut JoinSet<()>,
        stop: &Stop,
    ) -> Result<(), OpError> {
        let id = pointer.id;
        let now = self.roster.store.read(&id.outbox(), &[], &[]).await?.clock;
        if self.later().get(&id).is_some_and(|until| *until > now) {
            return Ok(());
        }
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        let (home, version) = match &pointer.to {
            Sought::Letters(home) => (home.clone(), version),
            Sought::Reset(email) => {
                let Some(home) =
                    write_down_reset(&self.roster, &system, id, email, age(version, now)).await?
                else {
                    return self.forget(&system, id, version).await;
                };
                let pointer = MailPointer { id, to: Sought::Letters(home.clone()) };
                let put = run(&self.roster, &system.step("found"), &PutMailPointer { pointer }).await?;
                (home, put.version.unwrap_or(version))
            }
        };
        let holder = system.seed.uuid("holder");
        let take = TakeMail { home: home.clone(), id, holder };
        match run(&self.roster, &system, &take).await?.output {
            TakenMail::Mine(mail) => {
                let round = Round {
                    roster: self.roster.clone(),
                    carrier: Arc::clone(&self.carrier),
                    home,
                    id,
                    version,
                    holder,
                    stop: stop.clone(),
                    later: Arc::clone(&self.later),
                };
                let due: Vec<Waiting> = mail.letters.into_iter().filter(|it| it.not_before <= now).collect();
                at_hand.spawn(async move { round.send(due).await });
            }
            TakenMail::NotNow(until) => {
                let soon = now.plus_seconds(LONGEST_REST);
                self.later().insert(id, until.min(soon));
            }
            TakenMail::Missing if age(version, now) > DEAD_AFTER => self.forget(&system, id, version).await?,
            TakenMail::Missing => {}
        }
        Ok(())
    }

    async fn forget(&self, system: &Request, id: MailId, version: Version) -> Result<(), OpError> {
        let operation = RemoveMailPointer { id, version };
        run(&self.roster, &system.step("forget"), &operation).await.map(drop)
    }

    fn later(&self) -> std::sync::MutexGuard<'_, BTreeMap<MailId, Timestamp>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How old a pointer is, in seconds.
fn age(version: Version, now: Timestamp) -> i64 {
    let made_at = i64::try_from(version.unix_millis()).unwrap_or(i64::MAX);
    (now.micros() / 1_000).saturating_sub(made_at) / 1_000
}

/// What fell over is taken again when its lease has ended.
fn heard(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(panicked = error.is_panic(), "sending mail fell over");
    }
}

/// Letters that this process is at.
#[derive(Debug)]
struct Round {
    roster: Roster,
    carrier: Arc<dyn Carrier>,
    home: Home,
    id: MailId,
    version: Version,
    holder: Uuid,
    stop: Stop,
    later: Arc<Mutex<BTreeMap<MailId, Timestamp>>>,
}

impl Round {
    async fn send(&self, due: Vec<Waiting>) {
        self.try_due(due).await;
        self.later.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }

    async fn try_due(&self, due: Vec<Waiting>) {
        let system = Request::new(Actor::System, self.roster.entropy.as_ref());
        if let Err(error) = self.try_all(&system, due).await {
            // The lease ends by itself.
            tracing::warn!(mail = %self.id, %error, "what became of a letter could not be written down");
        }
    }

    async fn try_all(&self, system: &Request, due: Vec<Waiting>) -> Result<(), OpError> {
        let mut left = true;
        for (n, waiting) in due.into_iter().enumerate() {
            if self.stop.is_given() {
                break;
            }
            let fate = self.one(&waiting).await?;
            let note = NoteFate {
                home: self.home.clone(),
                id: self.id,
                holder: self.holder,
                letter: waiting.letter,
                fate,
            };
            let Some(after) = run(&self.roster, &system.step(&format!("fate {n}")), &note).await?.output
            else {
                // Another has taken over.
                return Ok(());
            };
            if after.given_up {
                tracing::error!(mail = %self.id, letter = ?waiting.letter, "a letter is given up");
            }
            left = !after.mail.letters.is_empty();
        }
        if left {
            let release = ReleaseMail { home: self.home.clone(), id: self.id, holder: self.holder };
            return run(&self.roster, &system.step("release"), &release).await.map(drop);
        }
        let forget = RemoveMailPointer { id: self.id, version: self.version };
        run(&self.roster, &system.step("forget"), &forget).await.map(drop)
    }

    async fn one(&self, waiting: &Waiting) -> Result<Fate, OpError> {
        let Some(written) = writing::write(&self.roster, &self.home, self.id, waiting.letter).await? else {
            return Ok(Fate::Overtaken);
        };
        let carried = tokio::time::timeout(PATIENCE, self.carrier.carry(&written)).await;
        let late = || Undelivered { why: "it took too long".to_owned(), for_good: false };
        match carried.unwrap_or_else(|_| Err(late())) {
            Ok(()) => Ok(Fate::Sent),
            Err(failed) => {
                tracing::warn!(
                    mail = %self.id, letter = written.kind, attempt = waiting.attempts + 1, why = failed.why,
                    "a letter was not taken"
                );
                Ok(Fate::Refused { for_good: failed.for_good })
            }
        }
    }
}
