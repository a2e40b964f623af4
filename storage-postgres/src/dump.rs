//! Everything of a home but its log, in one snapshot.

use roster_core::home::{Home, Tally};
use roster_core::log::Head;
use roster_core::store::Dump;
use sqlx::{PgConnection, query};

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::log;
use crate::row::bad;

/// An answer of `dump`, records in the order of their keys.
pub(crate) async fn dump(connection: &mut PgConnection, home: &Home) -> Result<Dump, Fault> {
    let mut dump = Dump { head: Head::start(home), records: Vec::new(), tallies: [].into(), due: Vec::new() };
    let Some(place) = log::place(connection, home).await? else {
        return Ok(dump);
    };
    dump.head = place.head;
    for kind in Kind::of_home(home) {
        dump.records.extend(kind::load_all(connection, place.home, *kind).await?);
    }
    dump.records.sort_by_cached_key(|stored| stored.record.key());
    let rows = query!("SELECT tally, sum FROM tallies WHERE home = $1 AND sum <> 0", place.home);
    for row in rows.fetch_all(&mut *connection).await? {
        let tally = Tally::from_name(&row.tally).ok_or_else(|| bad("tally", &row.tally))?;
        dump.tallies.insert(tally, row.sum);
    }
    dump.due = kind::due::all(connection, place.home).await?;
    Ok(dump)
}
