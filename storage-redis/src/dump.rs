//! Everything of a home but its log, by one script, during which Redis answers nobody else.

use roster_core::home::{Due, Home};
use roster_core::log::Head;
use roster_core::store::Dump;
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::read::number;
use crate::store::Inner;
use crate::{head, keys, record};

/// An answer of `dump`, records in the order of their keys.
pub(crate) async fn dump(store: &Inner, home: &Home) -> Result<Dump, Fault> {
    let (fields, due): (Vec<Vec<u8>>, Vec<String>) =
        store.bulk.ask(&store.scripts.dump, store.keys(home).all(), &[]).await?;
    let mut dump = Dump { head: Head::start(home), records: Vec::new(), tallies: [].into(), due: Vec::new() };
    for pair in fields.chunks_exact(2) {
        let name = std::str::from_utf8(&pair[0]).map_err(|error| bad("field", error))?;
        if name == ".head" {
            dump.head = head::read(home, std::str::from_utf8(&pair[1]).ok())?;
        } else if let Some(tally) = keys::tally(name) {
            dump.tallies.insert(tally, number("tally", &pair[1])?);
        } else if keys::key(name).is_some() {
            dump.records.push(record::decode(&pair[1])?);
        } else {
            return Err(bad("field", name));
        }
    }
    dump.tallies.retain(|_, sum| *sum != 0);
    dump.records.sort_by_cached_key(|stored| stored.record.key());
    dump.due = due.iter().map(|line| due_of(line)).collect::<Result<_, Fault>>()?;
    dump.due.sort();
    Ok(dump)
}

fn due_of(line: &str) -> Result<Due, Fault> {
    let parts: Vec<&str> = line.split('\0').collect();
    let wrong = || bad("due", line);
    let [_, value, field, seats] = parts[..] else { return Err(wrong()) };
    let at = value.split(' ').next().and_then(|at| at.parse().ok()).ok_or_else(wrong)?;
    Ok(Due {
        at: Timestamp::from_micros(at),
        key: keys::key(field).ok_or_else(wrong)?,
        seats: seats.parse().map_err(|_| wrong())?,
    })
}
