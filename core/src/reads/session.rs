//! Sessions of the one who asks.

use super::Rows;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::listing::{Listing, PageRequest};
use crate::model::Session;
use crate::op::Roster;
use crate::refusal::{OpError, Refusal};

/// The acting user's live sessions, by id.
pub async fn sessions(
    roster: &Roster,
    request: &Request,
    page: &PageRequest,
) -> Result<Rows<Session>, OpError> {
    let user = request.actor.user().filter(|_| request.actor.bound_to().is_none());
    let user = user.ok_or(Refusal::lacks("user"))?;
    let read = roster.store.read(&Home::User(user), &[Key::Credential, Key::User], &[]).await?;
    let suspended = |session: &Session| match read.records.get(&Key::User).map(|stored| &stored.record) {
        Some(Record::User(user)) => user.has_cut(session.created_at),
        _ => true,
    };
    let generation = match read.records.get(&Key::Credential).map(|stored| &stored.record) {
        Some(Record::Credential(credential)) => credential.generation,
        _ => return Ok(Rows { rows: Vec::new(), next: None }),
    };
    let mut page = page.clone();
    let mut rows = Vec::new();
    loop {
        let found = roster.store.list(&Listing::Sessions { user }, &page).await?;
        let last = found.rows.last().map(|row| row.position.clone());
        for row in found.rows {
            let Record::Session(session) = row.stored.record else { continue };
            if suspended(&session) || !session.is_live(found.now, generation, roster.sign_in.idle) {
                continue;
            }
            rows.push(session);
            if rows.len() == usize::from(page.limit) {
                let next =
                    Some(row.position).filter(|position| found.more || last.as_ref() != Some(position));
                return Ok(Rows { rows, next });
            }
        }
        if !found.more {
            return Ok(Rows { rows, next: None });
        }
        page.after = last;
    }
}
