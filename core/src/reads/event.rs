//! Events: every change, in the order of the log, to be followed by a cursor. A view of the log, as the audit trail is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::audit::{AuditRow, rows};
use super::feed;
use super::organization::visible_standing;
use crate::facts::Request;
use crate::home::Home;
use crate::id::{EventId, OrganizationId};
use crate::log::{LogFilter, Logged};
use crate::model::Reached;
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
    /// Those of the deployment, by its feed, for 30 days; operators only.
    Deployment,
}

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// The same for the same event, wherever it is read.
    pub id: EventId,
    /// Where it happened, if it was in one.
    pub organization: Option<OrganizationId>,
    /// Whose log it stands in.
    pub home: Home,
    /// Which of the changes of its entry it is.
    pub n: usize,
    /// What happened.
    pub change: AuditRow,
}

impl Event {
    fn of(home: &Home, n: usize, change: AuditRow) -> Self {
        let organization = if let Home::Organization(id) = home { Some(*id) } else { None };
        Self { id: EventId::from_uuid(change.id.uuid()), organization, home: home.clone(), n, change }
    }

    /// As it is told: `{id, type, time, organization_id, seq, data}`; the data is what the audit trail says of the change.
    pub fn told(&self) -> Value {
        let (row, change) = (&self.change, &self.change.change);
        let actor = &row.actor;
        json!({
            "id": self.id, "type": change.action, "time": row.time, "organization_id": self.organization,
            "seq": row.seq,
            "data": {
                "actor": {"type": actor.kind(), "id": actor.id(), "via": actor.via()},
                "target": {"type": change.target_type, "id": change.target_id},
                "user_id": change.user, "before": change.before, "after": change.after,
                "request_id": row.request_id, "reason": row.reason,
            },
        })
    }
}

/// The place of an event, or that of the one which is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventPlace {
    /// In the feed, the number of its entry; 0 in an organization's log.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entry: u64,
    /// In the feed, which of the logs in that entry.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub span: usize,
    /// The number of the entry in its log.
    pub seq: u64,
    /// Which of its changes.
    pub n: usize,
}

impl EventPlace {
    /// Before everything.
    pub const START: Self = Self { entry: 0, span: 0, seq: 1, n: 0 };

    /// Before everything in an entry of the feed.
    pub(super) const FEED: Self = Self { seq: 0, ..Self::START };
}

impl From<EventPlace> for Reached {
    fn from(place: EventPlace) -> Self {
        Self { entry: place.entry, span: place.span as u64, seq: place.seq, n: place.n as u64 }
    }
}

impl From<Reached> for EventPlace {
    fn from(reached: Reached) -> Self {
        let small = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self { entry: reached.entry, span: small(reached.span), seq: reached.seq, n: small(reached.n) }
    }
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
            Self::Deployment => Home::Feed,
        }
    }

    /// The last entry that is behind a place: what is beyond it is new.
    pub const fn behind(self, place: EventPlace) -> u64 {
        match self {
            Self::Organization(_) => place.seq.saturating_sub(1),
            Self::Deployment => place.entry.saturating_sub(1),
        }
    }
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// The events from a place on, at most so many. The right to read is asked for each time.
pub async fn events(
    roster: &Roster,
    request: &Request,
    source: EventSource,
    from: EventPlace,
    limit: u16,
) -> Result<EventPage, OpError> {
    require_events(roster, request, source).await?;
    events_behind(roster, source, from, limit).await
}

/// Refuses whoever may not read the events.
pub async fn require_events(roster: &Roster, request: &Request, source: EventSource) -> Result<(), OpError> {
    match source {
        EventSource::Organization(organization) => {
            let (_, standing) = visible_standing(roster, request, organization).await?;
            Ok(roster.policies.access.require(&standing, "audit:read", Reach::Organization)?)
        }
        EventSource::Deployment if request.actor.is_operator() => Ok(()),
        EventSource::Deployment => Err(Refusal::lacks("operator").into()),
    }
}

/// The same for those who may read all, such as whoever sends them on.
pub(crate) async fn events_behind(
    roster: &Roster,
    source: EventSource,
    from: EventPlace,
    limit: u16,
) -> Result<EventPage, OpError> {
    match source {
        EventSource::Organization(organization) => of_organization(roster, organization, from, limit).await,
        EventSource::Deployment => feed::of_deployment(roster, from, limit).await,
    }
}

/// One event by its place in a log; nothing if there is none.
pub(crate) async fn event_at(
    roster: &Roster,
    home: &Home,
    seq: u64,
    n: u64,
) -> Result<Option<Event>, OpError> {
    let found = roster.store.log(home, seq.saturating_sub(1), 1, &LogFilter::ALL).await?;
    let Some(logged) = found.first().filter(|logged| logged.seq == seq) else { return Ok(None) };
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    Ok(rows(logged)?.into_iter().nth(n).map(|change| Event::of(home, n, change)))
}

/// The place of what is still to come. The right to read is asked for when that is read.
pub async fn events_end(roster: &Roster, source: EventSource) -> Result<EventPlace, OpError> {
    Ok(match source {
        EventSource::Organization(id) => {
            let end = roster.store.read(&Home::Organization(id), &[], &[]).await?.head.seq;
            EventPlace { seq: end + 1, ..EventPlace::START }
        }
        EventSource::Deployment => {
            EventPlace { entry: feed::last_entry(roster).await? + 1, ..EventPlace::FEED }
        }
    })
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
        let entries =
            roster.store.log(&home, page.next.seq.saturating_sub(1), chunk, &LogFilter::ALL).await?;
        if entries.is_empty() && page.next == from {
            not_beyond(roster, &home, from).await?;
        }
        for logged in &entries {
            if !page.add(&home, logged, limit)? {
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
    if from.seq > end + 1 { Err(Refusal::CursorExpired.into()) } else { Ok(()) }
}

impl EventPage {
    /// Adds what an entry holds from the place on; false when the page is full before that.
    pub(super) fn add(&mut self, home: &Home, logged: &Logged, limit: u16) -> Result<bool, OpError> {
        let begin = if logged.seq == self.next.seq { self.next.n } else { 0 };
        for (n, change) in rows(logged)?.into_iter().enumerate().skip(begin) {
            if self.rows.len() == usize::from(limit) {
                return Ok(false);
            }
            self.next = EventPlace { seq: logged.seq, n: n + 1, ..self.next };
            self.rows.push((Event::of(home, n, change), self.next));
        }
        self.next = EventPlace { seq: logged.seq + 1, n: 0, ..self.next };
        Ok(true)
    }
}
