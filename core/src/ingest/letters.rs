//! Dead letters: read and replayed by operators (rule G5).

use std::collections::BTreeSet;

use super::people::ERASED;
use super::receive::{find_source, store};
use super::signs::counts_somewhere;
use crate::actor::Actor;
use crate::facts::{Request, Seed};
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{DeadLetterId, SourceId};
use crate::listing::PageRequest;
use crate::log::digest;
use crate::model::customer::{Customer, CustomerKey, DeadLetter, Source, TheDeadLetter};
use crate::model::{Outcome, OutcomeStatus};
use crate::op::{Roster, run};
use crate::ops::stream::RemoveDeadLetters;
use crate::reads::{Rows, documents};
use crate::refusal::{OpError, Refusal};

/// Dead letters of a source, the oldest first.
pub async fn dead_letters(
    roster: &Roster,
    request: &Request,
    source: SourceId,
    page: &PageRequest,
) -> Result<Rows<DeadLetter>, OpError> {
    source_for(roster, request, source).await?;
    let key = |id| CustomerKey::DeadLetter(DeadLetterId::from_uuid(id));
    let pick = |it| if let Customer::DeadLetter(it) = it { Some((it.id.uuid(), it)) } else { None };
    Ok(documents(roster, &Home::Stream(source, 1), key, pick, page).await?)
}

/// Puts dead letters back into the inbox, by id. How many.
pub async fn replay(
    roster: &Roster,
    request: &Request,
    id: SourceId,
    named: &[DeadLetterId],
) -> Result<u64, OpError> {
    let source = source_for(roster, request, id).await?;
    let named: Vec<_> = named.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let mut count = 0;
    for letter in find(roster, id, &named).await? {
        count += u64::from(put_back(roster, request, &source, &letter).await?);
    }
    Ok(count)
}

/// So many are put back by one request that names none, and so many looked at.
const AT_ONCE: u64 = 200;
const LOOKED_AT: usize = 2_000;

/// Puts back the oldest dead letters that can be, a few hundred at the most. How many, and whether there may be more.
pub async fn replay_oldest(roster: &Roster, request: &Request, id: SourceId) -> Result<(u64, bool), OpError> {
    let source = source_for(roster, request, id).await?;
    let (mut count, mut looked_at, mut after) = (0, 0, None);
    while count < AT_ONCE && looked_at < LOOKED_AT {
        let Some((letters, last)) = letters_behind(roster, id, after, 100).await? else {
            return Ok((count, false));
        };
        for letter in &letters {
            count += u64::from(put_back(roster, request, &source, letter).await?);
        }
        looked_at += letters.len();
        after = Some(last);
    }
    Ok((count, letters_behind(roster, id, after, 1).await?.is_some()))
}

/// The next letters of a source behind one, and the last of them; nothing where there are no more.
pub(crate) async fn letters_behind(
    roster: &Roster,
    source: SourceId,
    after: Option<DeadLetterId>,
    limit: u16,
) -> Result<Option<(Vec<DeadLetter>, DeadLetterId)>, OpError> {
    let after = TheDeadLetter(after.unwrap_or_else(|| DeadLetterId::from_uuid(uuid::Uuid::nil()))).key();
    let found = roster.store.records(&Home::Stream(source, 1), Some(&after), limit).await?;
    let letters: Vec<_> = found.into_iter().map_while(|stored| TheDeadLetter::pick(stored.record)).collect();
    Ok(letters.last().map(|last| last.id).map(|last| (letters, last)))
}

/// Puts letters back into the inbox, and what came of each; nothing where the source is gone. One that is gone was put back
/// before.
pub(crate) async fn put_back_named(
    roster: &Roster,
    request: &Request,
    id: SourceId,
    named: &[DeadLetterId],
) -> Result<Option<Vec<Outcome>>, OpError> {
    let Some(source) = find_source(roster, id).await? else { return Ok(None) };
    let found = find_there(roster, id, named).await?;
    let mut outcomes = Vec::with_capacity(named.len());
    for id in named {
        let letter = found.iter().find(|letter| letter.id == *id);
        let (status, code) = match letter {
            Some(letter) if !put_back(roster, request, &source, letter).await? => {
                (OutcomeStatus::Unchanged, letter.reason.split(':').next().map(str::to_owned))
            }
            Some(_) | None => (OutcomeStatus::Changed, None),
        };
        outcomes.push(Outcome {
            item: id.to_string(),
            line: None,
            status,
            code,
            warning: None,
            detail: None,
        });
    }
    Ok(Some(outcomes))
}

/// Whether letters that were put back wait to be applied before all that has come since.
pub(crate) async fn waits_again(roster: &Roster, source: SourceId) -> Result<bool, OpError> {
    let first = Key::Customer(CustomerKey::Inbox(uuid::Uuid::nil()));
    let found = roster.store.records(&Home::Stream(source, 0), Some(&first), 1).await?;
    let again = |record: &Record| match record {
        Record::Customer(it) => matches!(&**it, Customer::Inbox(inbox) if inbox.again),
        _ => false,
    };
    Ok(found.iter().any(|stored| again(&stored.record)))
}

/// Whether it may be put back. Of what was said about an erased person nothing is left that could be said again, and what
/// counts somewhere would count there twice.
async fn put_back(
    roster: &Roster,
    request: &Request,
    source: &Source,
    letter: &DeadLetter,
) -> Result<bool, OpError> {
    if letter.reason == ERASED || counts_somewhere(&letter.reason) {
        return Ok(false);
    }
    let message = (letter.kind.clone(), letter.payload.clone());
    let came = Some(letter.received_at);
    store(roster, source, vec![message], letter.sent_at.clone(), came, seed_of(letter)).await?;
    let system = Request { actor: Actor::System, ..request.step("replay") };
    let gone = RemoveDeadLetters { source: source.id, letters: vec![letter.id] };
    run(roster, &system, &gone).await?;
    Ok(true)
}

/// Always the same for a letter: however often it is put back, by two at once or after a crash, it counts once.
fn seed_of(letter: &DeadLetter) -> Seed {
    let mut text = b"replay ".to_vec();
    text.extend(letter.id.uuid().as_bytes());
    let millis = u64::try_from(letter.received_at.micros() / 1_000).unwrap_or(0);
    Seed { bytes: digest(&text), millis }
}

/// Those that are there; 404 for one that is not.
async fn find(roster: &Roster, source: SourceId, ids: &[DeadLetterId]) -> Result<Vec<DeadLetter>, OpError> {
    let found = find_there(roster, source, ids).await?;
    if found.len() == ids.len() { Ok(found) } else { Err(Refusal::NotFound.into()) }
}

async fn find_there(
    roster: &Roster,
    source: SourceId,
    ids: &[DeadLetterId],
) -> Result<Vec<DeadLetter>, OpError> {
    let keys: Vec<_> = ids.iter().map(|id| TheDeadLetter(*id).key()).collect();
    let read = roster.store.read(&Home::Stream(source, 1), &keys, &[]).await?;
    let letters = read.records.into_values().filter_map(|stored| match stored.record {
        Record::Customer(it) => match *it {
            Customer::DeadLetter(letter) => Some(letter),
            _ => None,
        },
        _ => None,
    });
    Ok(letters.collect())
}

async fn source_for(roster: &Roster, request: &Request, id: SourceId) -> Result<Source, OpError> {
    let source = find_source(roster, id).await?.ok_or(Refusal::NotFound)?;
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    Ok(source)
}
