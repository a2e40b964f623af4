//! The worker that evaluates indicators (rule T6).

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use crate::actor::Actor;
use crate::facts::Request;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{IndicatorId, OrganizationId};
use crate::listing::PageRequest;
use crate::model::customer::{Customer, CustomerKey, Indicator, TheView, View};
use crate::op::{Roster, run};
use crate::ops::customer::{Evaluated, Judge, Seen};
use crate::reads::documents;
use crate::refusal::OpError;
use crate::report::{Filter, Needs, each_row};
use crate::stop::Stop;

/// How often it is looked whether an indicator is due.
const LOOK: Duration = Duration::from_secs(20);
/// How long after its last evaluation an indicator is due, in seconds. It must be evaluated every 15 minutes.
const EVERY: i64 = 300;
/// How many are judged in one commit.
const CHUNK: usize = 100;

/// Evaluates indicators until it is told to stop.
pub async fn watch(roster: &Roster, stop: &Stop) {
    while !stop.is_given() {
        if let Err(error) = watch_once(roster).await {
            tracing::warn!(%error, "indicators cannot be evaluated; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.heard() => {}
        }
    }
}

/// Evaluates every indicator that is due.
pub async fn watch_once(roster: &Roster) -> Result<(), OpError> {
    let now = roster.store.read(&Home::Deployment, &[], &[]).await?.now();
    for indicator in all(roster).await? {
        if indicator.evaluated_at.is_none_or(|at| at.plus_seconds(EVERY) <= now) {
            evaluate(roster, &indicator).await?;
        }
    }
    Ok(())
}

async fn all(roster: &Roster) -> Result<Vec<Indicator>, OpError> {
    let key = |id| CustomerKey::Indicator(IndicatorId::from_uuid(id));
    let pick = |it| if let Customer::Indicator(it) = it { Some((it.id.uuid(), it)) } else { None };
    let (mut found, mut page) = (Vec::new(), PageRequest { after: None, limit: 200 });
    loop {
        let rows = documents(roster, &Home::Deployment, key, pick, &page).await?;
        found.extend(rows.rows);
        match rows.next {
            Some(next) => page.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Looks at everything that the indicator's view could hold, and at what it knows to be in it.
pub async fn evaluate(roster: &Roster, indicator: &Indicator) -> Result<(), OpError> {
    let system = Request::new(Actor::System, roster.entropy.as_ref());
    let Some(view) = view_of(roster, indicator).await? else { return Ok(()) };
    let filter = match view.filter.as_deref().map(serde_json::from_str) {
        Some(Ok(value)) => Some(Filter::read(view.kind, &value, "/filter")?),
        Some(Err(_)) | None => None,
    };
    let mut wanted = Vec::new();
    if let Some(filter) = &filter {
        filter.fields(&mut wanted);
    }
    let mut found: BTreeMap<Uuid, OrganizationId> = BTreeMap::new();
    each_row(roster, view.kind, Needs::of(&wanted), None, &mut |row, now| {
        if filter.as_ref().is_none_or(|filter| filter.holds(&mut |field| row.cell(field), now)) {
            found.insert(row.id(), row.organization());
        }
    })
    .await?;
    let mut seen: Vec<Seen> = found
        .iter()
        .map(|(subject, organization)| Seen { subject: *subject, organization: *organization, is_in: true })
        .collect();
    seen.extend(gone(roster, indicator.id, &found).await?);
    for (n, some) in seen.chunks(CHUNK).enumerate() {
        let judge = Judge { indicator: indicator.id, kind: view.kind, seen: some.to_vec() };
        run(roster, &system.step(&format!("judge {n}")), &judge).await?;
    }
    run(roster, &system.step("evaluated"), &Evaluated { indicator: indicator.id }).await?;
    Ok(())
}

/// What was in the view and is not any more.
async fn gone(
    roster: &Roster,
    indicator: IndicatorId,
    found: &BTreeMap<Uuid, OrganizationId>,
) -> Result<Vec<Seen>, OpError> {
    let key = |id| CustomerKey::Watched(indicator, id);
    let pick = |it| match it {
        Customer::Watched(it) if it.indicator == indicator => Some((it.subject, it)),
        _ => None,
    };
    let (mut gone, mut page) = (Vec::new(), PageRequest { after: None, limit: 500 });
    loop {
        let rows = documents(roster, &Home::Deployment, key, pick, &page).await?;
        let left = rows.rows.iter().filter(|watched| !found.contains_key(&watched.subject));
        gone.extend(left.map(|watched| Seen {
            subject: watched.subject,
            organization: watched.organization,
            is_in: false,
        }));
        match rows.next {
            Some(next) => page.after = Some(next),
            None => return Ok(gone),
        }
    }
}

async fn view_of(roster: &Roster, indicator: &Indicator) -> Result<Option<View>, OpError> {
    let key: Key = TheView(indicator.view).key();
    let mut read = roster.store.read(&Home::Deployment, std::slice::from_ref(&key), &[]).await?;
    Ok(match read.records.remove(&key).map(|stored| stored.record) {
        Some(Record::Customer(it)) => match *it {
            Customer::View(view) => Some(view),
            _ => None,
        },
        _ => None,
    })
}
