//! Entries of a log: time (20 digits), hash (32 bytes), commit (26 characters), then the body.

use roster_core::home::Home;
use roster_core::id::UserId;
use roster_core::log::{Logged, Personal};
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::read::number;
use crate::store::Inner;

type Found = (Vec<String>, Vec<Option<Vec<u8>>>, Vec<Option<Vec<u8>>>);

/// An answer of `log`.
pub(crate) async fn entries(
    store: &Inner,
    home: &Home,
    after: u64,
    limit: u16,
    user: Option<UserId>,
) -> Result<Vec<Logged>, Fault> {
    let who = user.map(|user| user.to_string()).unwrap_or_default();
    // Numbers of entries stay below 2^53, so that Lua can hold them.
    let arguments = [after.min(1 << 53).to_string(), limit.to_string(), who].map(String::into_bytes);
    let (numbers, entries, personal): Found =
        store.bulk.ask(&store.scripts.log, store.keys(home).all(), &arguments).await?;
    let found = numbers.iter().zip(entries).zip(personal);
    found
        .filter_map(|((number, entry), personal)| Some(logged(number, &entry?, personal.as_deref())))
        .collect()
}

fn logged(number: &str, entry: &[u8], personal: Option<&[u8]>) -> Result<Logged, Fault> {
    let short = || bad("entry", "too short");
    let (time, rest) = entry.split_at_checked(20).ok_or_else(short)?;
    let (hash, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let (commit, body) = rest.split_at_checked(26).ok_or_else(short)?;
    let commit = std::str::from_utf8(commit).map_err(|error| bad("commit", error))?;
    Ok(Logged {
        seq: u64::from_str_radix(number, 16).map_err(|error| bad("number", error))?,
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
