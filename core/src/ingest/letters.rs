//! Dead letters: read and replayed by operators (rule G5).

use std::collections::BTreeSet;

use super::people::ERASED;
use super::receive::{find_source, store};
use super::signs::counts_somewhere;
use crate::actor::Actor;
use crate::facts::{Request, Seed};
use crate::home::{Home, Record, TypedKey};
use crate::id::{DeadLetterId, SourceId};
use crate::listing::PageRequest;
use crate::log::digest;
use crate::model::customer::{Customer, CustomerKey, DeadLetter, Source, TheDeadLetter};
use crate::op::{Roster, run};
use crate::ops::stream::RemoveDeadLetters;
use crate::reads::{Rows, documents};
use crate::refusal::{OpError, Refusal};

/// How many are replayed with one request.
const AT_ONCE: u16 = 50;

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

/// Puts dead letters back into the inbox: those named, or all that there are. How many.
pub async fn replay(
    roster: &Roster,
    request: &Request,
    id: SourceId,
    named: Option<&[DeadLetterId]>,
) -> Result<u64, OpError> {
    let source = source_for(roster, request, id).await?;
    if let Some(named) = named {
        let named: Vec<_> = named.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let letters = find(roster, id, &named).await?;
        return put_back(roster, request, &source, letters).await;
    }
    let all = async |after| {
        let page = PageRequest { after, limit: 200 };
        dead_letters(roster, request, id, &page).await
    };
    // What falls back meanwhile stays: only what is there now is replayed.
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = all(after).await?;
        found.extend(page.rows.iter().map(|letter| letter.id));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut count = 0;
    for some in found.chunks(usize::from(AT_ONCE)) {
        let letters = find_there(roster, id, some).await?;
        count += put_back(roster, request, &source, letters).await?;
    }
    Ok(count)
}

async fn put_back(
    roster: &Roster,
    request: &Request,
    source: &Source,
    letters: Vec<DeadLetter>,
) -> Result<u64, OpError> {
    // Of what was said about an erased person nothing is left that could be said again, and what counts somewhere would
    // count there twice.
    let told = |letter: &DeadLetter| letter.reason == ERASED || counts_somewhere(&letter.reason);
    let letters: Vec<_> = letters.into_iter().filter(|letter| !told(letter)).collect();
    for letter in &letters {
        let message = (letter.kind.clone(), letter.payload.clone());
        let came = Some(letter.received_at);
        store(roster, source, vec![message], letter.sent_at.clone(), came, seed_of(letter)).await?;
        let system = Request { actor: Actor::System, ..request.step("replay") };
        let gone = RemoveDeadLetters { source: source.id, letters: vec![letter.id] };
        run(roster, &system, &gone).await?;
    }
    Ok(letters.len() as u64)
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
