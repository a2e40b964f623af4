//! Webhooks without their secrets, and what they sent. To whoever may not manage one it is not there, or forbidden where
//! they are in its organization.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Rows, Shown, pointers, visible_standing};
use crate::facts::Request;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{DeliveryId, OrganizationId, UserId, WebhookId};
use crate::listing::{PageRequest, Position};
use crate::model::{
    Delivery, DeliveryStatus, Organization, OrganizationStatus, TheDelivery, TheLine, TheWebhook,
    TheWebhookList, WEBHOOK_PARTS, Webhook, WebhookKey, WebhookLine, WebhookRecord,
};
use crate::op::{Roster, View};
use crate::ops::webhook::webhook_home;
use crate::permission::Permission;
use crate::policy::{Reach, Standing};
use crate::refusal::{OpError, Refusal};
use crate::store::StoreError;

/// Webhooks that are looked at together.
const TOGETHER: usize = 16;
/// Records that are read at a time.
const CHUNK: u16 = 200;

/// One webhook.
pub async fn webhook(roster: &Roster, request: &Request, id: WebhookId) -> Result<Shown<Webhook>, OpError> {
    let seen = seen(roster, request, id).await?;
    let shown = there(roster, request, &seen, id).await?;
    may(roster, &seen)?;
    Ok(shown)
}

/// One webhook, to whoever may have this delivery sent again; 409 where its organization is closed.
pub async fn redeliverable(
    roster: &Roster,
    request: &Request,
    id: WebhookId,
    delivery: DeliveryId,
) -> Result<Webhook, OpError> {
    let seen = seen(roster, request, id).await?;
    if seen.as_ref().is_some_and(|(organization, _)| organization.status == OrganizationStatus::Closed) {
        return Err(Refusal::OrganizationClosed.into());
    }
    let shown = there(roster, request, &seen, id).await?;
    let key = TheDelivery(id, delivery).key();
    let read = roster.store.read(&id.part(), std::slice::from_ref(&key), &[]).await?;
    if !read.records.contains_key(&key) {
        return Err(Refusal::NotFound.into());
    }
    may(roster, &seen)?;
    Ok(shown.value)
}

/// The organization of a webhook as whoever asks sees it; nothing for one of the deployment.
type Seen = Option<(Organization, Standing)>;

async fn seen(roster: &Roster, request: &Request, id: WebhookId) -> Result<Seen, OpError> {
    match organization_of(roster, id).await? {
        Some(organization) => {
            let (shown, standing) = visible_standing(roster, request, organization).await?;
            Ok(Some((shown.value, standing)))
        }
        None if request.actor.is_operator() => Ok(None),
        None => Err(Refusal::NotFound.into()),
    }
}

async fn there(
    roster: &Roster,
    request: &Request,
    seen: &Seen,
    id: WebhookId,
) -> Result<Shown<Webhook>, OpError> {
    let home = webhook_home(seen.as_ref().map(|(organization, _)| organization.id));
    let mut view = View::new(roster, home, request);
    let value = view.get(&TheWebhook(id)).await?.ok_or(Refusal::NotFound)?;
    let version = view.version(&TheWebhook(id).key()).ok_or(Refusal::NotFound)?;
    Ok(Shown { value, version })
}

fn may(roster: &Roster, seen: &Seen) -> Result<(), Refusal> {
    let Some((_, standing)) = seen else { return Ok(()) };
    roster.policies.access.require(standing, "webhooks:manage", Reach::Organization)
}

/// Whose a webhook is, or would be; 404 where nothing is known of it.
pub(crate) async fn organization_of(
    roster: &Roster,
    id: WebhookId,
) -> Result<Option<OrganizationId>, OpError> {
    let key = TheLine(id).key();
    let mut read = roster.store.read(&id.part(), std::slice::from_ref(&key), &[]).await?;
    let line = read.records.remove(&key).and_then(|stored| TheLine::pick(stored.record));
    Ok(line.ok_or(Refusal::NotFound)?.organization)
}

/// Webhooks in the order of their ids: of an organization; or without one, to operators all, to others those of every
/// organization in which they may manage them. 403 for one who may nowhere.
pub async fn webhooks(
    roster: &Roster,
    request: &Request,
    organization: Option<OrganizationId>,
    page: &PageRequest,
) -> Result<Rows<Webhook>, OpError> {
    let after = page.after.as_ref().map_or(uuid::Uuid::nil(), |after| after.id);
    let after = WebhookId::from_uuid(after);
    if organization.is_none() && request.actor.is_operator() {
        return all(roster, after, page.limit).await;
    }
    let mut found = Vec::new();
    for organization in managed(roster, request, organization).await? {
        found.extend(of_home(roster, &Home::Organization(organization)).await?);
    }
    found.retain(|webhook| webhook.id > after);
    found.sort_by_key(|webhook| webhook.id);
    Ok(cut(found, page.limit))
}

/// The organizations in which somebody may manage webhooks, at least one.
async fn managed(
    roster: &Roster,
    request: &Request,
    named: Option<OrganizationId>,
) -> Result<Vec<OrganizationId>, OpError> {
    let may = |standing: &Standing| standing.holds(&Permission::of("webhooks:manage"), Reach::Organization);
    if let Some(id) = named.or(request.actor.bound_to()) {
        let (_, standing) = visible_standing(roster, request, id).await?;
        return if may(&standing) { Ok(vec![id]) } else { Err(Refusal::lacks("webhooks:manage").into()) };
    }
    let Some(user) = request.actor.user() else { return Err(Refusal::lacks("webhooks:manage").into()) };
    let mut found = Vec::new();
    for id in pointers(roster, user).await? {
        match visible_standing(roster, request, id).await {
            Ok((_, standing)) if may(&standing) => found.push(id),
            Ok(_) | Err(OpError::Refused(Refusal::NotFound | Refusal::ReauthenticationRequired)) => {}
            Err(error) => return Err(error),
        }
    }
    if found.is_empty() { Err(Refusal::lacks("webhooks:manage").into()) } else { Ok(found) }
}

fn cut(mut rows: Vec<Webhook>, limit: u16) -> Rows<Webhook> {
    let more = rows.len() > usize::from(limit);
    rows.truncate(usize::from(limit));
    let next = rows.last().filter(|_| more).map(|it| Position { by: String::new(), id: it.id.uuid() });
    Rows { rows, next }
}

/// The webhooks of an organization or of the deployment, in the order of their ids.
async fn of_home(roster: &Roster, home: &Home) -> Result<Vec<Webhook>, StoreError> {
    let list = TheWebhookList.key();
    let mut read = roster.store.read(home, std::slice::from_ref(&list), &[]).await?;
    let list = read.records.remove(&list).and_then(|stored| TheWebhookList::pick(stored.record));
    let keys: Vec<Key> = list.unwrap_or_default().0.into_iter().map(|id| TheWebhook(id).key()).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let read = roster.store.read(home, &keys, &[]).await?;
    Ok(read.records.into_values().filter_map(|stored| TheWebhook::pick(stored.record)).collect())
}

/// All of the deployment's, by the lines that lead to them.
async fn all(roster: &Roster, after: WebhookId, limit: u16) -> Result<Rows<Webhook>, OpError> {
    let mut lines = Vec::new();
    for part in 0..WEBHOOK_PARTS {
        lines.extend(lines_of(roster, part, Some(after), limit.saturating_add(1)).await?.0);
    }
    lines.sort_by_key(|line| line.id);
    let more = lines.len() > usize::from(limit);
    lines.truncate(usize::from(limit));
    let next = lines.last().filter(|_| more).map(|it| Position { by: String::new(), id: it.id.uuid() });
    let found = lines.into_iter().map(|line| async move { defined(roster, &line).await });
    // One that never came is not there.
    let found: Vec<Option<Webhook>> =
        stream::iter(found.collect::<Vec<_>>()).buffered(TOGETHER).try_collect().await?;
    Ok(Rows { rows: found.into_iter().flatten().collect(), next })
}

/// Lines of a part behind a webhook, at most so many, and whether there may be more.
pub(crate) async fn lines_of(
    roster: &Roster,
    part: u8,
    after: Option<WebhookId>,
    limit: u16,
) -> Result<(Vec<WebhookLine>, bool), StoreError> {
    let after = Key::Webhook(WebhookKey::Line(after.unwrap_or(WebhookId::from_uuid(uuid::Uuid::nil()))));
    let found = roster.store.records(&Home::Webhooks(part), Some(&after), limit).await?;
    let read = found.len();
    let lines: Vec<_> = found.into_iter().map_while(|stored| TheLine::pick(stored.record)).collect();
    // Deliveries stand behind the lines.
    let more = read == usize::from(limit) && lines.len() == read;
    Ok((lines, more))
}

/// The webhook that a line leads to.
pub(crate) async fn defined(roster: &Roster, line: &WebhookLine) -> Result<Option<Webhook>, StoreError> {
    let key = TheWebhook(line.id).key();
    let home = webhook_home(line.organization);
    let mut read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    Ok(read.records.remove(&key).and_then(|stored| TheWebhook::pick(stored.record)))
}

/// Webhooks that somebody made. They belong to the organization, and stay when their maker goes.
pub(crate) async fn made_by(
    roster: &Roster,
    organization: OrganizationId,
    user: UserId,
) -> Result<Vec<Webhook>, StoreError> {
    let mut found = of_home(roster, &Home::Organization(organization)).await?;
    found.retain(|webhook| webhook.created_by == Some(user));
    Ok(found)
}

/// What a webhook sent, in the order in which it was begun.
pub async fn deliveries(
    roster: &Roster,
    request: &Request,
    id: WebhookId,
    status: Option<DeliveryStatus>,
    page: &PageRequest,
) -> Result<Rows<Delivery>, OpError> {
    webhook(roster, request, id).await?;
    let wanted = usize::from(page.limit) + 1;
    let mut after = page.after.as_ref().map(|after| DeliveryId::from_uuid(after.id));
    let mut rows: Vec<Delivery> = Vec::new();
    while rows.len() < wanted {
        let found = deliveries_behind(roster, id, after, CHUNK).await?;
        after = found.last().map(|delivery| delivery.id);
        let last = found.len() < usize::from(CHUNK);
        rows.extend(found.into_iter().filter(|it| status.is_none_or(|status| it.status == status)));
        if last {
            break;
        }
    }
    let more = rows.len() >= wanted;
    rows.truncate(usize::from(page.limit));
    let next = rows.last().filter(|_| more).map(|it| Position { by: String::new(), id: it.id.uuid() });
    Ok(Rows { rows, next })
}

/// Deliveries of a webhook behind one, at most so many.
pub(crate) async fn deliveries_behind(
    roster: &Roster,
    id: WebhookId,
    after: Option<DeliveryId>,
    limit: u16,
) -> Result<Vec<Delivery>, StoreError> {
    let first = after.unwrap_or(DeliveryId::from_uuid(uuid::Uuid::nil()));
    let after = Key::Webhook(WebhookKey::Delivery(id, first));
    let found = roster.store.records(&id.part(), Some(&after), limit).await?;
    let own = |stored: crate::store::Stored| match stored.record {
        Record::Webhook(it) => match *it {
            WebhookRecord::Delivery(it) if it.webhook == id => Some(it),
            _ => None,
        },
        _ => None,
    };
    Ok(found.into_iter().map_while(own).collect())
}

/// The deliveries that are too many, the oldest of those that are not to be tried again.
pub(crate) async fn surplus(
    roster: &Roster,
    id: WebhookId,
    keep: u32,
) -> Result<Vec<DeliveryId>, StoreError> {
    let (mut over, mut seen, mut after) = (BTreeSet::new(), 0_usize, None);
    loop {
        let found = deliveries_behind(roster, id, after, CHUNK).await?;
        after = found.last().map(|delivery| delivery.id);
        let last = found.len() < usize::from(CHUNK);
        for delivery in found.iter().filter(|it| it.status != DeliveryStatus::Pending) {
            seen += 1;
            over.insert(delivery.id);
        }
        if last {
            break;
        }
    }
    let surplus = seen.saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
    Ok(over.into_iter().take(surplus.min(400)).collect())
}
