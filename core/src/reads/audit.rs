//! The audit trail: one row a change, read from the log.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::organization::visible_standing;
use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::{find_user, resolve_user};
use crate::home::{Home, Key};
use crate::id::{ApiKeyId, AuditId, OperatorKeyId, OrganizationId, SourceId, UserId};
use crate::log::{Body, Change, LogFilter, Logged, reveal};
use crate::op::Roster;
use crate::policy::Reach;
use crate::reference::UserRef;
use crate::refusal::{OpError, Refusal};
use crate::store::{StoreError, StoreErrorKind};
use crate::text::BadText;
use crate::time::Timestamp;

/// In so many homes a page looks at the most.
const HOMES_A_PAGE: u32 = 1_000;

/// One change.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditRow {
    /// Its id.
    pub id: AuditId,
    /// The sequence number of its entry.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// Who acted.
    pub actor: Actor,
    /// Under which request.
    pub request_id: Option<String>,
    /// What changed, personal values put back while they are there.
    pub change: Change,
    /// Why.
    pub reason: Option<String>,
    /// The hash of its entry.
    pub hash: [u8; 32],
}

/// Where a page begins: behind the n-th change of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditPosition {
    /// Whose log.
    pub home: Home,
    /// Of this entry.
    pub seq: u64,
    /// This change.
    pub n: usize,
}

/// A page of the trail.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditPage {
    /// Oldest first.
    pub rows: Vec<AuditRow>,
    /// Behind this the next page begins; none at the end.
    pub next: Option<AuditPosition>,
    last: Option<AuditPosition>,
}

/// How an actor is named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActorRef {
    /// A user.
    User(UserRef),
    /// A key of an organization.
    ApiKey(ApiKeyId),
    /// A key of the deployment.
    OperatorKey(OperatorKeyId),
    /// A source.
    Source(SourceId),
    /// The operator at the command line.
    Operator,
    /// Roster itself.
    System,
}

impl FromStr for ActorRef {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        match text {
            "operator" => Ok(Self::Operator),
            "system" => Ok(Self::System),
            other => (other.parse().map(Self::User).ok())
                .or_else(|| other.parse().map(Self::ApiKey).ok())
                .or_else(|| other.parse().map(Self::OperatorKey).ok())
                .or_else(|| other.parse().map(Self::Source).ok())
                .ok_or(BadText(
                    "not an actor: expected a user by id or `ext:` and the external id, the id of a key or a source, \
                     `operator` for the command line, or `system`",
                )),
        }
    }
}

impl<'de> Deserialize<'de> for ActorRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What is done, as the log names it: a noun and what was done to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action(String);

impl FromStr for Action {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let word =
            |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        match text.split_once('.') {
            Some((noun, verb)) if word(noun) && word(verb) => Ok(Self(text.to_owned())),
            _ => Err(BadText("not an action: expected one such as `member.removed`")),
        }
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Which part of a trail is asked for: what fits everything that is given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditAsk {
    /// By this actor.
    pub actor: Option<ActorRef>,
    /// About or by this person.
    pub user: Option<UserRef>,
    /// Exactly this action.
    pub action: Option<Action>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
}

/// What is asked for, in ids; within an organization, or in the deployment. 404 for a person who does not exist or, for
/// all but operators, never was in the organization.
pub async fn audit_filter(
    roster: &Roster,
    request: &Request,
    within: Option<OrganizationId>,
    ask: &AuditAsk,
) -> Result<LogFilter, OpError> {
    let user = match &ask.user {
        None => None,
        Some(named) => Some(person(roster, request, within, named).await?),
    };
    let actor = match &ask.actor {
        None => None,
        Some(ActorRef::User(named)) => Some(person(roster, request, within, named).await?.to_string()),
        Some(ActorRef::ApiKey(key)) => Some(key.to_string()),
        Some(ActorRef::OperatorKey(key)) => Some(key.to_string()),
        Some(ActorRef::Source(source)) => Some(source.to_string()),
        Some(ActorRef::Operator) => Some(Actor::CLI.kind().to_owned()),
        Some(ActorRef::System) => Some(Actor::System.kind().to_owned()),
    };
    let action = ask.action.as_ref().map(|action| action.0.clone());
    Ok(LogFilter { user, actor, action, from: ask.from, to: ask.to })
}

/// The user whom a filter names. Whether somebody exists who never was in the organization is told to operators only.
pub(super) async fn person(
    roster: &Roster,
    request: &Request,
    within: Option<OrganizationId>,
    named: &UserRef,
) -> Result<UserId, OpError> {
    let Some(organization) = within.filter(|_| !request.actor.is_operator()) else {
        return Ok(find_user(roster, named).await?.id);
    };
    let id = resolve_user(roster, named).await?;
    let member = Key::Member(id);
    let read =
        roster.store.read(&Home::Organization(organization), std::slice::from_ref(&member), &[]).await?;
    if read.records.contains_key(&member) { Ok(id) } else { Err(Refusal::NotFound.into()) }
}

/// The trail of an organization; needs `audit:read` on the whole.
pub async fn organization_audit(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    filter: &LogFilter,
    after: Option<AuditPosition>,
    limit: u16,
) -> Result<AuditPage, OpError> {
    let (_, standing) = visible_standing(roster, request, organization).await?;
    roster.policies.access.require(&standing, "audit:read", Reach::Organization)?;
    let mut page = AuditPage { rows: Vec::new(), next: None, last: None };
    fill(roster, &mut page, Home::Organization(organization), filter, after, limit).await?;
    Ok(page)
}

/// The trail of the deployment and of users' homes, home by home. Operators only. A page ends early, with a place to go
/// on from, when very many homes hold nothing that is asked for.
pub async fn deployment_audit(
    roster: &Roster,
    request: &Request,
    filter: &LogFilter,
    after: Option<AuditPosition>,
    limit: u16,
) -> Result<AuditPage, OpError> {
    if !request.actor.is_operator() {
        return Err(Refusal::lacks("operator").into());
    }
    let mut page = AuditPage { rows: Vec::new(), next: None, last: None };
    let first = after.as_ref().map_or(Home::Deployment, |after| after.home.clone());
    fill(roster, &mut page, first.clone(), filter, after, limit).await?;
    // In the order of homes, users come after the last organization.
    let behind = Home::Organization(OrganizationId::from_uuid(uuid::Uuid::max()));
    let mut at = if first == Home::Deployment { behind } else { first };
    let mut looked = 0;
    while page.next.is_none() {
        let homes = roster.store.homes(Some(&at), 500).await?;
        let Some(last) = homes.last().cloned() else {
            return Ok(page);
        };
        for home in homes.into_iter().filter(|home| matches!(home, Home::User(_))) {
            fill(roster, &mut page, home.clone(), filter, None, limit).await?;
            looked += 1;
            if looked == HOMES_A_PAGE && page.next.is_none() {
                page.next = Some(AuditPosition { home, seq: u64::MAX, n: 0 });
            }
            if page.next.is_some() {
                return Ok(page);
            }
        }
        at = last;
    }
    Ok(page)
}

/// Adds rows of one log until the page is full; sets `next` only when more rows are known to follow.
async fn fill(
    roster: &Roster,
    page: &mut AuditPage,
    home: Home,
    filter: &LogFilter,
    after: Option<AuditPosition>,
    limit: u16,
) -> Result<(), OpError> {
    let mut seq = after.as_ref().map_or(0, |after| after.seq.saturating_sub(1));
    loop {
        let entries = roster.store.log(&home, seq, 200, filter).await?;
        for logged in &entries {
            for (n, row) in rows(logged)?.into_iter().enumerate() {
                let place = AuditPosition { home: home.clone(), seq: logged.seq, n };
                let behind = after.as_ref().is_some_and(|after| (place.seq, place.n) <= (after.seq, after.n));
                if behind || !wanted(&row, filter) {
                    continue;
                }
                if page.rows.len() == usize::from(limit) {
                    page.next.clone_from(&page.last);
                    return Ok(());
                }
                page.last = Some(place);
                page.rows.push(row);
            }
        }
        match entries.last() {
            Some(last) if entries.len() == 200 => seq = last.seq,
            Some(_) | None => return Ok(()),
        }
    }
}

/// Of an entry that is wanted, the changes that are.
pub(super) fn wanted(row: &AuditRow, filter: &LogFilter) -> bool {
    let concerns = |user| row.change.user == Some(user) || row.actor.user() == Some(user);
    filter.user.is_none_or(concerns)
        && filter.action.as_ref().is_none_or(|action| row.change.action == *action)
}

/// The changes of an entry.
pub(super) fn rows(logged: &Logged) -> Result<Vec<AuditRow>, StoreError> {
    let body: Body = serde_json::from_slice(&logged.body).map_err(|error| StoreError {
        kind: StoreErrorKind::Corrupt,
        operation: "log",
        detail: format!("entry {}: {error}", logged.seq),
    })?;
    let reason = match reveal(&body.reason, &logged.personal) {
        Value::String(reason) => Some(reason),
        _ => None,
    };
    let row = |(n, change): (usize, &Change)| AuditRow {
        id: logged.commit.change(u16::try_from(n).unwrap_or(u16::MAX)),
        seq: logged.seq,
        time: logged.time,
        change: Change {
            before: reveal(&change.before, &logged.personal),
            after: reveal(&change.after, &logged.personal),
            ..change.clone()
        },
        actor: body.actor,
        request_id: body.request_id.clone(),
        reason: reason.clone(),
        hash: logged.hash,
    };
    Ok(body.changes.iter().enumerate().map(row).collect())
}
