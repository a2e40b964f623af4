//! What lists show of a person after their record has changed. It is owed from the commit of the change on, as a job that
//! stands in it: whoever makes the change does the work at once where it is little, and leaves it to workers where it is
//! much. If they die over it, a worker does it when their lease has ended.

use super::jobs::{announced, asked};
use super::refresh::{refresh_user, refresh_user_entry, tidied};
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{UserId, Version};
use crate::listing::{Listing, PageRequest};
use crate::model::DirectoryId;
use crate::op::{Roster, run};
use crate::ops::job::{Advance, AdvanceJob, Ending, WithdrawJob, is_free};
use crate::ops::pointer::RemoveDirectoryEntry;
use crate::ops::user::OwedCards;
use crate::reads::pointers;
use crate::refusal::OpError;
use crate::store::StoreError;

/// In how many organizations at most lists are brought up to date before the change is answered.
const AT_ONCE: u16 = 20;

/// A job that is about to be asked for.
#[derive(Debug)]
pub(crate) struct Owed {
    /// What the change asks for.
    pub(crate) cards: OwedCards,
    entry: Option<Version>,
}

/// Notes where workers find the job that a change of what lists show asks for.
pub(crate) async fn owe_cards(roster: &Roster, request: &Request, user: UserId) -> Result<Owed, OpError> {
    let some = first_memberships(roster, user).await?;
    owe(roster, request, user, some).await
}

/// In how many organizations a person may be, counted up to one more than is done at once.
async fn first_memberships(roster: &Roster, user: UserId) -> Result<usize, StoreError> {
    let first = PageRequest { after: None, limit: AT_ONCE + 1 };
    Ok(roster.store.list(&Listing::Memberships { user }, &first).await?.rows.len())
}

async fn owe(roster: &Roster, request: &Request, user: UserId, mut total: usize) -> Result<Owed, OpError> {
    let many = total > usize::from(AT_ONCE);
    if many {
        total = pointers(roster, user).await?.len();
    }
    let step = request.step(&format!("cards {user}"));
    let (asked, home) = (asked(&step), Home::User(user));
    let (not_after, entry) = announced(roster, &step, asked.id, &home, "refresh_cards").await?;
    let holder = (!many).then(|| step.seed.uuid("holder"));
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    Ok(Owed { cards: OwedCards { asked, total, holder, not_after }, entry })
}

/// What is left of the same request, where it has made the change before and died over what comes after it.
pub(crate) async fn owed_before(roster: &Roster, request: &Request, user: UserId) -> Option<Owed> {
    match find_owed(roster, request, user).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "whether cards are owed since before is left to workers");
            None
        }
    }
}

async fn find_owed(roster: &Roster, request: &Request, user: UserId) -> Result<Option<Owed>, StoreError> {
    let step = request.step(&format!("cards {user}"));
    let (asked, holder) = (asked(&step), step.seed.uuid("holder"));
    let id = DirectoryId::Job(asked.id);
    let key = Key::DirectoryEntry(id);
    let noted = roster.store.read(&Home::directory(id), std::slice::from_ref(&key), &[]).await?;
    let Some(entry) = noted.records.get(&key).map(|stored| stored.version) else { return Ok(None) };
    let key = Key::Job(asked.id);
    let found = roster.store.read(&Home::User(user), std::slice::from_ref(&key), &[]).await?;
    match found.records.get(&key).map(|stored| &stored.record) {
        Some(Record::Job(job)) if job.total > u64::from(AT_ONCE) || !is_free(job, holder) => return Ok(None),
        Some(_) | None => {}
    }
    let (entry, not_after) = (Some(entry), found.now());
    Ok(Some(Owed { cards: OwedCards { asked, total: 0, holder: Some(holder), not_after }, entry }))
}

/// After the change: everything at once where that is little, else only what finds the person.
pub(crate) async fn bring_up(roster: &Roster, request: &Request, user: UserId, owed: Option<Owed>) {
    let Some(owed) = owed else { return tidied(refresh_user(roster, request, user).await) };
    if owed.cards.holder.is_none() {
        return tidied(refresh_user_entry(roster, request, user).await.map(|_| ()));
    }
    let refreshed = refresh_user(roster, request, user).await;
    let done = refreshed.is_ok();
    tidied(refreshed);
    tidied(owed.settle(roster, request, user, done).await);
}

impl Owed {
    /// Withdraws the job where nothing is left of it, else leaves it to workers.
    async fn settle(
        self,
        roster: &Roster,
        request: &Request,
        user: UserId,
        done: bool,
    ) -> Result<(), OpError> {
        let (home, id) = (Home::User(user), self.cards.asked.id);
        let Some(holder) = self.cards.holder else { return Ok(()) };
        if !done {
            let ending = Ending::Released { after: 0, why: None };
            let advance = Advance { ending, ..Advance::default() };
            let release = AdvanceJob { home, id, holder, advance };
            return run(roster, &request.as_system("leave cards"), &release).await.map(|_| ());
        }
        let withdraw = WithdrawJob { home, id, holder };
        let gone = run(roster, &request.as_system("cards done"), &withdraw).await?.output;
        if let (true, Some(version)) = (gone, self.entry) {
            let entry = RemoveDirectoryEntry { id: DirectoryId::Job(id), version };
            run(roster, &request.as_system("cards noted"), &entry).await?;
        }
        Ok(())
    }
}
