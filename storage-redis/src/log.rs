//! Entries of a log: time (20 digits), hash (32 bytes), commit (26 characters), then the body.

use redis::pipe;
use roster_core::home::Home;
use roster_core::log::{LogEntry, LogFilter, Logged, Personal};
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::read::number;
use crate::store::Inner;

type Found = (Vec<String>, Vec<Option<Vec<u8>>>, Vec<Option<Vec<u8>>>);

/// Behind so many numbers without an entry nothing is looked for: the head may name a number that is far off.
const HOLE: usize = 200;

/// An answer of `log`. A number without an entry is passed over, and takes no place in the page.
pub(crate) async fn entries(
    store: &Inner,
    home: &Home,
    mut after: u64,
    limit: u16,
    filter: &LogFilter,
) -> Result<Vec<Logged>, Fault> {
    let limit = usize::from(limit);
    let (mut page, mut most) = (Vec::new(), limit);
    loop {
        let (numbers, entries, personal) = ask(store, home, after, most, filter).await?;
        let before = page.len();
        for ((number, entry), personal) in numbers.iter().zip(entries).zip(personal) {
            if let Some(entry) = entry {
                page.push(logged(number, &entry, personal.as_deref())?);
            }
        }
        let is_hole = page.len() == before && most >= HOLE;
        page.truncate(limit);
        let last = numbers.last().filter(|_| numbers.len() == most && page.len() < limit && !is_hole);
        let Some(last) = last else { return Ok(page) };
        after = seq(last)?;
        most = (limit - page.len()).max(HOLE);
    }
}

/// At most so many numbers with what is kept by them.
async fn ask(
    store: &Inner,
    home: &Home,
    after: u64,
    most: usize,
    filter: &LogFilter,
) -> Result<Found, Fault> {
    // As the script writes the times of entries; none is before the epoch.
    let instant =
        |at: Option<Timestamp>| at.map(|at| format!("{:020}", at.micros().max(0))).unwrap_or_default();
    // Numbers of entries stay below 2^53, so that Lua can hold them.
    let mut arguments =
        vec![after.min(1 << 53).to_string(), most.to_string(), instant(filter.from), instant(filter.to)];
    arguments.extend(filter.user.map(|user| user.to_string()));
    arguments.extend(filter.actor.as_deref().map(by));
    arguments.extend(filter.action.as_deref().map(done));
    let arguments: Vec<Vec<u8>> = arguments.into_iter().map(String::into_bytes).collect();
    store.bulk.ask(&store.scripts.log, store.keys(home).all(), &arguments).await
}

/// An answer of `unfound`.
pub(crate) async fn unfound(store: &Inner, home: &Home, entries: &[Logged]) -> Result<Vec<u64>, Fault> {
    let mut lines = Vec::new();
    for logged in entries {
        // A body that cannot be read fits no name.
        let Ok(entry) = logged.entry() else { continue };
        let line = |term| (logged.seq, format!("{term}\0{:016x}", logged.seq));
        lines.extend(terms(&entry).into_iter().map(line));
    }
    let mut unfound = Vec::new();
    for some in lines.chunks(1_000) {
        let mut look = pipe();
        for (_, line) in some {
            look.cmd("ZSCORE").arg(store.keys(home).who()).arg(line);
        }
        let found: Vec<Option<f64>> = store.bulk.ask_together(&look).await?;
        let missing = some.iter().zip(found).filter(|(_, found)| found.is_none());
        unfound.extend(missing.map(|((seq, _), _)| *seq));
    }
    unfound.dedup();
    Ok(unfound)
}

/// Everything that an entry is found by.
pub(crate) fn terms(entry: &LogEntry) -> Vec<String> {
    let users = entry.users.iter().map(ToString::to_string);
    let actions = entry.actions.iter().map(|action| done(action));
    users.chain([by(&entry.actor)]).chain(actions).collect()
}

fn by(actor: &str) -> String {
    format!("by {actor}")
}

fn done(action: &str) -> String {
    format!("done {action}")
}

fn logged(number: &str, entry: &[u8], personal: Option<&[u8]>) -> Result<Logged, Fault> {
    let short = || bad("entry", "too short");
    let (time, rest) = entry.split_at_checked(20).ok_or_else(short)?;
    let (hash, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let (commit, body) = rest.split_at_checked(26).ok_or_else(short)?;
    let commit = std::str::from_utf8(commit).map_err(|error| bad("commit", error))?;
    Ok(Logged {
        seq: seq(number)?,
        time: Timestamp::from_micros(self::number("time", time)?),
        hash: *hash,
        commit: commit.parse().map_err(|error| bad("commit", error))?,
        body: body.to_vec(),
        personal: match personal {
            Some(values) => values_of(values)?,
            None => Vec::new(),
        },
    })
}

fn seq(number: &str) -> Result<u64, Fault> {
    u64::from_str_radix(number, 16).map_err(|error| bad("number", error))
}

/// An entry as it is kept.
pub(crate) fn value_of(logged: &Logged) -> Vec<u8> {
    let mut value = format!("{:020}", logged.time.micros()).into_bytes();
    value.extend(logged.hash);
    value.extend(logged.commit.to_string().into_bytes());
    value.extend(&logged.body);
    value
}

/// Values beside an entry.
pub(crate) fn text_of(personal: &[Personal]) -> Result<Vec<u8>, Fault> {
    if personal.is_empty() {
        return Ok(Vec::new());
    }
    rmp_serde::to_vec(personal).map_err(|error| bad("personal", error))
}

fn values_of(text: &[u8]) -> Result<Vec<Personal>, Fault> {
    rmp_serde::from_slice(text).map_err(|error| bad("personal", error))
}
