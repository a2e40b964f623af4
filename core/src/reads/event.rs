//! Events: every change, in the order of the log, to be followed by a cursor. A view of the log, as the audit trail is.

use serde::{Deserialize, Serialize};

use super::audit::{AuditRow, rows};
use super::organization::visible_standing;
use crate::facts::Request;
use crate::home::Home;
use crate::id::{EventId, OrganizationId};
use crate::log::{LogFilter, Logged};
use crate::op::Roster;
use crate::policy::Reach;
use crate::refusal::{OpError, Refusal};

/// Entries that are read at a time, at the least.
const CHUNK: u16 = 20;

/// Whose events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventSource {
    /// Those of an organization; needs `audit:read` on the whole.
    Organization(OrganizationId),
}

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// The same for the same event, wherever it is read.
    pub id: EventId,
    /// Where it happened, if it was in one.
    pub organization: Option<OrganizationId>,
    /// What happened.
    pub change: AuditRow,
}

/// The place of an event, or that of the one which is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventPlace {
    /// The number of the entry.
    pub seq: u64,
    /// Which of its changes.
    pub n: usize,
}

impl EventPlace {
    /// Before everything.
    pub const START: Self = Self { seq: 1, n: 0 };
}

/// A page of events.
#[derive(Clone, PartialEq, Debug)]
pub struct EventPage {
    /// In order, each with the place behind it.
    pub rows: Vec<(Event, EventPlace)>,
    /// Where to go on from, at the end too.
    pub next: EventPlace,
}

impl EventSource {
    /// The home whose log grows with them.
    pub const fn home(self) -> Home {
        match self {
            Self::Organization(id) => Home::Organization(id),
        }
    }
}

impl EventPlace {
    /// The last entry that is behind: what is beyond it is new.
    pub const fn behind(self) -> u64 {
        self.seq.saturating_sub(1)
    }
}

/// The events from a place on, at most so many. The right to read is asked for each time.
pub async fn events(
    roster: &Roster,
    request: &Request,
    source: EventSource,
    from: EventPlace,
    limit: u16,
) -> Result<EventPage, OpError> {
    let EventSource::Organization(organization) = source;
    let (_, standing) = visible_standing(roster, request, organization).await?;
    roster.policies.access.require(&standing, "audit:read", Reach::Organization)?;
    of_organization(roster, organization, from, limit).await
}

/// The place of what is still to come. The right to read is asked for when that is read.
pub async fn events_end(roster: &Roster, source: EventSource) -> Result<EventPlace, OpError> {
    let end = roster.store.read(&source.home(), &[], &[]).await?.head.seq;
    Ok(EventPlace { seq: end + 1, n: 0 })
}

async fn of_organization(
    roster: &Roster,
    organization: OrganizationId,
    from: EventPlace,
    limit: u16,
) -> Result<EventPage, OpError> {
    let home = Home::Organization(organization);
    let mut page = EventPage { rows: Vec::new(), next: from };
    let chunk = limit.max(CHUNK);
    loop {
        let entries = roster.store.log(&home, page.next.behind(), chunk, &LogFilter::ALL).await?;
        if entries.is_empty() && page.next == from {
            not_beyond(roster, &home, from).await?;
        }
        for logged in &entries {
            if !page.add(Some(organization), logged, limit)? {
                return Ok(page);
            }
        }
        if entries.len() < usize::from(chunk) {
            return Ok(page);
        }
    }
}

/// A place beyond the end was given before the store lost what stood there, to a restored copy for one. Who waited
/// there would miss what comes until the end is reached again.
async fn not_beyond(roster: &Roster, home: &Home, from: EventPlace) -> Result<(), OpError> {
    let end = roster.store.read(home, &[], &[]).await?.head.seq;
    if from.behind() > end { Err(Refusal::CursorExpired.into()) } else { Ok(()) }
}

impl EventPage {
    /// Adds what an entry holds from the place on; false when the page is full before that.
    fn add(
        &mut self,
        organization: Option<OrganizationId>,
        logged: &Logged,
        limit: u16,
    ) -> Result<bool, OpError> {
        let begin = if logged.seq == self.next.seq { self.next.n } else { 0 };
        for (n, change) in rows(logged)?.into_iter().enumerate().skip(begin) {
            if self.rows.len() == usize::from(limit) {
                return Ok(false);
            }
            let id = EventId::from_uuid(change.id.uuid());
            self.next = EventPlace { seq: logged.seq, n: n + 1 };
            self.rows.push((Event { id, organization, change }, self.next));
        }
        self.next = EventPlace { seq: logged.seq + 1, n: 0 };
        Ok(true)
    }
}
