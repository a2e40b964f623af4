//! The deployment's events: the feed says which entries of which logs come after each other; the logs say what happened.

use futures::{StreamExt as _, stream};

use super::event::{EventPage, EventPlace};
use crate::home::{Home, Key};
use crate::log::{LogFilter, Logged};
use crate::model::{FeedKey, FeedLine, FeedSpan};
use crate::op::Roster;
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;

/// Entries of the feed that are read at a time.
const ENTRIES: u64 = 16;
/// Logs that are read at the same time, and entries of a log that are read at a time.
const LOGS: usize = 8;
const CHUNK: u64 = 200;

/// The events of the deployment from a place on, at most so many.
pub(super) async fn of_deployment(
    roster: &Roster,
    from: EventPlace,
    limit: u16,
) -> Result<EventPage, OpError> {
    let last = last_entry(roster).await?;
    let mut page = EventPage { rows: Vec::new(), next: begin(roster, from, last).await? };
    while page.next.entry <= last {
        let first = page.next.entry;
        let lines = entries(roster, first, (first + ENTRIES - 1).min(last)).await?;
        if lines.is_empty() {
            // Taken out this instant.
            return Err(Refusal::CursorExpired.into());
        }
        for line in lines {
            if !add_entry(roster, &mut page, &line, limit).await? {
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// Where to read from, if that can still be read.
async fn begin(roster: &Roster, from: EventPlace, last: u64) -> Result<EventPlace, OpError> {
    if from == EventPlace::START {
        return Ok(EventPlace { entry: first_live(roster, last).await?, ..EventPlace::FEED });
    }
    let Some(number) = Some(from.entry).filter(|entry| *entry <= last) else {
        // All has been read; one beyond that was given before the store lost what stood there.
        return if from.entry == last + 1 { Ok(from) } else { Err(Refusal::CursorExpired.into()) };
    };
    match entry(roster, number).await? {
        Some((_, true)) => Ok(from),
        Some((_, false)) | None => Err(Refusal::CursorExpired.into()),
    }
}

/// The oldest entry that can still be read, or the one that is to come: found by halving, since time does not go back.
async fn first_live(roster: &Roster, last: u64) -> Result<u64, StoreError> {
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low.midpoint(high);
        match entry(roster, middle).await? {
            Some((_, true)) => high = middle,
            Some((_, false)) | None => low = middle + 1,
        }
    }
    Ok(low)
}

pub(crate) async fn last_entry(roster: &Roster) -> Result<u64, StoreError> {
    let key = Key::Feed(FeedKey::end());
    let read = roster.store.read(&Home::Feed, std::slice::from_ref(&key), &[]).await?;
    let end = read.records.get(&key).and_then(|stored| stored.record.feed_line());
    Ok(end.map_or(0, |end| end.reached))
}

/// An entry, and whether it can still be read.
async fn entry(roster: &Roster, number: u64) -> Result<Option<(FeedLine, bool)>, StoreError> {
    let key = Key::Feed(FeedKey::entry(number));
    let read = roster.store.read(&Home::Feed, std::slice::from_ref(&key), &[]).await?;
    let line = read.records.get(&key).and_then(|stored| stored.record.feed_line());
    Ok(line.map(|line| (line.clone(), line.is_live(read.now()))))
}

/// Entries from one to another, up to the first that is missing.
async fn entries(roster: &Roster, first: u64, last: u64) -> Result<Vec<FeedLine>, StoreError> {
    let keys: Vec<Key> = (first..=last).map(|number| Key::Feed(FeedKey::entry(number))).collect();
    let read = roster.store.read(&Home::Feed, &keys, &[]).await?;
    let line = |key| read.records.get(key).and_then(|stored| stored.record.feed_line()).cloned();
    Ok(keys.iter().map_while(line).collect())
}

/// Adds what an entry holds from the place on; false when the page is full before that.
async fn add_entry(
    roster: &Roster,
    page: &mut EventPage,
    line: &FeedLine,
    limit: u16,
) -> Result<bool, OpError> {
    let begun = page.next;
    let spans: Vec<(usize, &FeedSpan)> = line.spans.iter().enumerate().skip(begun.span).collect();
    let first = |(n, span): (usize, &FeedSpan)| {
        let after = if n == begun.span { begun.seq.max(span.from) } else { span.from } - 1;
        let span = span.clone();
        async move { Ok::<_, StoreError>((n, chunk(roster, &span, after).await?, span)) }
    };
    let first = spans.into_iter().map(first).collect::<Vec<_>>();
    let mut logs = stream::iter(first).buffered(LOGS);
    while let Some(found) = logs.next().await {
        let (n, found, span) = found?;
        page.next.span = n;
        if !add_span(roster, page, &span, found, limit).await? {
            return Ok(false);
        }
        page.next = EventPlace { span: n + 1, seq: 0, n: 0, ..page.next };
    }
    page.next = EventPlace { entry: page.next.entry + 1, ..EventPlace::FEED };
    Ok(true)
}

async fn add_span(
    roster: &Roster,
    page: &mut EventPage,
    span: &FeedSpan,
    first: Vec<Logged>,
    limit: u16,
) -> Result<bool, OpError> {
    let mut found = first;
    while let Some(end) = found.last().map(|logged| logged.seq) {
        for logged in &found {
            if !page.add(&span.home, logged, limit)? {
                return Ok(false);
            }
        }
        found = chunk(roster, span, end).await?;
    }
    Ok(true)
}

/// What follows in a span behind an entry of its log.
async fn chunk(roster: &Roster, span: &FeedSpan, after: u64) -> Result<Vec<Logged>, StoreError> {
    let limit = u16::try_from((span.to - after).min(CHUNK)).unwrap_or(u16::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    roster.store.log(&span.home, after, limit, &LogFilter::ALL).await
}
