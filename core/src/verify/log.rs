//! The log: dense, chained, in the order of time, complete.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Report;
use crate::home::{Home, Key, Record};
use crate::id::{CommitId, UserId};
use crate::log::{Body, Head, LogFilter, Logged, chain, digest, personal_fits};
use crate::model::FeedKey;
use crate::op::Roster;
use crate::store::{Dump, StoreError};

/// How many entries are read at a time.
const PAGE: u16 = 500;

/// What a walk through a log found.
#[derive(Clone, PartialEq, Debug)]
pub struct LogVerdict {
    /// How many entries were read.
    pub entries: u64,
    /// Where the walk ended.
    pub head: Head,
    /// The first entry that is wrong, and how.
    pub first_bad: Option<(u64, String)>,
    /// Of whom values lie beside entries, with the first of those.
    pub(super) personal: BTreeMap<UserId, u64>,
    commits: BTreeSet<CommitId>,
}

/// Walks the log of a home and compares its end with the head and with the records that the store keeps: an edited,
/// dropped, reordered, added or truncated entry shows. `progress` hears the entries read.
pub async fn verify_log(
    roster: &Roster,
    home: &Home,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<LogVerdict, StoreError> {
    let before = roster.store.read(home, &[], &[]).await?.head;
    let told = fed(roster, home).await?;
    let mut verdict = walk(roster, home, progress).await?;
    if verdict.first_bad.is_none() {
        let dump = roster.store.dump(home).await?;
        verdict.first_bad = cut(&verdict, &before, told).or_else(|| forged(&verdict, &dump));
    }
    Ok(verdict)
}

/// Homes of which nothing is there any more, though the deployment's feed has told of their logs.
pub async fn vanished_logs(roster: &Roster) -> Result<Vec<Home>, StoreError> {
    // Marks stand behind everything else.
    let (mut vanished, mut after) = (Vec::new(), Key::Feed(FeedKey::gone()));
    loop {
        let lines = roster.store.records(&Home::Feed, Some(&after), 500).await?;
        let Some(last) = lines.last() else { return Ok(vanished) };
        after = last.record.key();
        for line in lines.iter().filter_map(|stored| stored.record.feed_line()) {
            let Some(home) = line.key.marked().filter(|_| line.reached > 0) else { continue };
            if roster.store.read(&home, &[], &[]).await?.head.seq == 0 {
                vanished.push(home);
            }
        }
    }
}

/// How far the deployment's feed has told of a log.
async fn fed(roster: &Roster, home: &Home) -> Result<u64, StoreError> {
    let mark = Key::Feed(FeedKey::mark(home));
    let read = roster.store.read(&Home::Feed, std::slice::from_ref(&mark), &[]).await?;
    Ok(match read.records.get(&mark).map(|stored| &stored.record) {
        Some(Record::Feed(line)) => line.reached,
        _ => 0,
    })
}

/// The log ends before a head that was kept when the walk began, or before what the feed had told of by then.
fn cut(log: &LogVerdict, before: &Head, told: u64) -> Option<(u64, String)> {
    let end = before.seq.max(told);
    let missing = log.head.seq < end;
    missing.then(|| (log.head.seq + 1, format!("missing: the log should end at {end}")))
}

/// What a dump from after the walk tells against the log. It may have grown since, and then its end is not judged.
fn forged(log: &LogVerdict, dump: &Dump) -> Option<(u64, String)> {
    let (end, kept) = (log.head.seq, dump.head.seq);
    if kept < end {
        return Some((kept + 1, format!("added: the head says that the log ends at {kept}")));
    }
    if kept == end && dump.head.hash != log.head.hash {
        return Some((end, "the head bears another hash".into()));
    }
    let untold = dump.records.iter().find(|stored| !log.commits.contains(&stored.version));
    untold
        .filter(|_| kept == end)
        .map(|stored| (end + 1, format!("missing: no entry says who wrote {:?}", stored.record.key())))
}

/// Walks the log of a home.
pub(super) async fn walk(
    roster: &Roster,
    home: &Home,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<LogVerdict, StoreError> {
    let mut verdict = LogVerdict {
        entries: 0,
        head: Head::start(home),
        first_bad: None,
        personal: BTreeMap::new(),
        commits: BTreeSet::new(),
    };
    loop {
        let entries = roster.store.log(home, verdict.head.seq, PAGE, &LogFilter::ALL).await?;
        let (mut good, mut bad, mut head) = (0, None, verdict.head);
        for logged in &entries {
            for value in &logged.personal {
                verdict.personal.entry(value.subject).or_insert(logged.seq);
            }
            if let Err(problem) = follows(&head, logged) {
                bad = Some((head.seq + 1, problem));
                break;
            }
            (good, head) = (good + 1, logged.head());
        }
        let follow = &entries[..good];
        let unfound = if follow.is_empty() { Vec::new() } else { roster.store.unfound(home, follow).await? };
        if let Some(seq) = unfound.into_iter().min() {
            let problem = "a filter by who acted, whom it is about or what was done does not find it";
            (good, bad) = (follow.partition_point(|logged| logged.seq < seq), Some((seq, problem.into())));
        }
        for logged in &entries[..good] {
            verdict.entries += 1;
            verdict.head = logged.head();
            verdict.commits.insert(logged.commit);
        }
        if bad.is_some() {
            verdict.first_bad = bad;
            return Ok(verdict);
        }
        if !entries.is_empty() {
            progress(verdict.entries);
        }
        // What is appended from here on is the next walk's.
        if entries.len() < usize::from(PAGE) {
            return Ok(verdict);
        }
    }
}

/// Whether an entry is the one after a head.
fn follows(head: &Head, logged: &Logged) -> Result<(), String> {
    if logged.seq != head.seq + 1 {
        return Err(format!("missing: the next entry that is there is {}", logged.seq));
    }
    if chain(&head.hash, logged.seq, logged.time, &digest(&logged.body)) != logged.hash {
        return Err("its hash does not follow from its content and the entry before".into());
    }
    if logged.time < head.time {
        return Err("its time lies before that of the entry before".into());
    }
    let value: Value = serde_json::from_slice(&logged.body).map_err(|_| "its body is not JSON".to_owned())?;
    let body: Body = serde_json::from_value(value.clone()).map_err(|error| format!("its body: {error}"))?;
    if body.commit != logged.commit {
        return Err("it belongs to another commit".into());
    }
    if !personal_fits(&value, &logged.personal) {
        return Err("a personal value beside it does not fit its digest".into());
    }
    Ok(())
}

/// The end of the log is the head that the store keeps, and every record was written by a commit of the log.
pub(super) fn check_dump(dump: &Dump, log: &LogVerdict, report: Report<'_>) {
    if log.first_bad.is_none() && dump.head.seq > log.head.seq {
        report("log", format!("ends at {}, though the head says {}", log.head.seq, dump.head.seq));
    }
    // What was appended since is there in the head by the second look.
    if log.first_bad.is_none() && dump.head.seq < log.head.seq {
        let (next, end) = (dump.head.seq + 1, dump.head.seq);
        report("log", format!("entry {next}: added, though the head says that the log ends at {end}"));
    }
    if log.first_bad.is_none() && dump.head.seq == log.head.seq && dump.head.hash != log.head.hash {
        report("log", format!("entry {}: the head bears another hash", dump.head.seq));
    }
    for stored in &dump.records {
        if log.first_bad.is_none() && !log.commits.contains(&stored.version) {
            report("log", format!("no entry says who wrote {:?}", stored.record.key()));
        }
    }
}
