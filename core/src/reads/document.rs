//! Lists of what every store keeps by name only.

use uuid::Uuid;

use super::Rows;
use crate::home::{Home, Key, Record};
use crate::listing::{PageRequest, Position};
use crate::model::customer::{Customer, CustomerKey};
use crate::op::Roster;
use crate::store::StoreError;

/// Records of a home whose keys differ in an id only, in the order of that id. `key` names one, `pick` takes it apart.
pub(crate) async fn documents<T>(
    roster: &Roster,
    home: &Home,
    key: impl Fn(Uuid) -> CustomerKey,
    pick: impl Fn(Customer) -> Option<(Uuid, T)>,
    page: &PageRequest,
) -> Result<Rows<T>, StoreError> {
    let after = page.after.as_ref().map_or(Uuid::nil(), |after| after.id);
    let found = roster.store.records(home, Some(&Key::Customer(key(after))), page.limit + 1).await?;
    let mut rows = Vec::new();
    for stored in found {
        let Record::Customer(it) = stored.record else { break };
        let Some(row) = pick(*it) else { break };
        rows.push(row);
    }
    let more = rows.len() > usize::from(page.limit);
    rows.truncate(usize::from(page.limit));
    let next = rows.last().filter(|_| more).map(|(id, _)| Position { by: String::new(), id: *id });
    Ok(Rows { rows: rows.into_iter().map(|(_, row)| row).collect(), next })
}
