//! The worker that evaluates indicators (rule T6).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::actor::Actor;
use crate::facts::Request;
use crate::flows::announce_mail;
use crate::flows::refresh::tidied;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{AlertId, IndicatorId, OrganizationId};
use crate::listing::PageRequest;
use crate::model::customer::{Customer, CustomerKey, Indicator, ReportKind, TheEvaluation, TheView, View};
use crate::op::{Roster, preflight, run};
use crate::ops::customer::{BeginEvaluation, DeleteIndicator, Evaluated, ForgetIndicator, Judge, Seen};
use crate::reads::documents;
use crate::refusal::{OpError, Refusal};
use crate::report::{Filter, Line, Survey};
use crate::stop::Stop;
use crate::time::Timestamp;

/// How often it is looked whether an indicator is due.
const LOOK: Duration = Duration::from_secs(20);
/// How long after its last evaluation an indicator is due where nothing else is set, in seconds.
const EVERY: u32 = 300;
/// How many are judged in one commit.
const CHUNK: usize = 100;

/// Evaluates indicators until it is told to stop, each so many seconds after its last evaluation, which must be every 15
/// minutes.
pub async fn watch(roster: &Roster, every: u32, stop: &Stop) {
    let look = LOOK.min(Duration::from_secs(every.into()));
    // What would be due before the next look is not left till then.
    let every = every.saturating_sub(u32::try_from(look.as_secs()).unwrap_or(u32::MAX));
    while !stop.is_given() {
        if let Err(error) = watch_due(roster, every).await {
            tracing::warn!(%error, "indicators cannot be evaluated; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(look) => {}
            () = stop.heard() => {}
        }
    }
}

/// Evaluates every indicator that is due, by the usual time.
pub async fn watch_once(roster: &Roster) -> Result<(), OpError> {
    watch_due(roster, EVERY).await
}

async fn watch_due(roster: &Roster, every: u32) -> Result<(), OpError> {
    let now = roster.store.read(&Home::Deployment, &[], &[]).await?.now();
    for indicator in all(roster).await? {
        // What is wrong with one does not keep the others waiting.
        if is_due(roster, indicator.id, every, now).await?
            && let Err(error) = evaluate(roster, &indicator).await
        {
            tracing::warn!(indicator = %indicator.id, %error, "an indicator cannot be evaluated; trying again");
        }
    }
    Ok(())
}

async fn is_due(
    roster: &Roster,
    indicator: IndicatorId,
    every: u32,
    now: Timestamp,
) -> Result<bool, OpError> {
    let key = TheEvaluation(indicator).key();
    let mut read = roster.store.read(&Home::Deployment, std::slice::from_ref(&key), &[]).await?;
    let found = read.records.remove(&key).and_then(|stored| TheEvaluation::pick(stored.record));
    Ok(found.and_then(|it| it.evaluated_at).is_none_or(|at| at.plus_seconds(every.into()) <= now))
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

/// Looks at everything that the indicator's view could hold, and at what it knows to be in it, unless another is at it. In
/// a view that is gone there is nothing.
pub async fn evaluate(roster: &Roster, indicator: &Indicator) -> Result<(), OpError> {
    let system = Request::new(Actor::System, roster.entropy.as_ref());
    let (view, holder) = (view_of(roster, indicator).await?, system.seed.uuid("evaluation"));
    let kind = view.as_ref().map(|view| view.kind);
    let taking = BeginEvaluation { indicator: indicator.id, kind, holder };
    let Some(begun) = run(roster, &system.step("begin"), &taking).await?.output else { return Ok(()) };
    let found = match &view {
        Some(view) => look(roster, view).await?,
        None => BTreeMap::new(),
    };
    let mut seen: Vec<Seen> = found
        .iter()
        .map(|(subject, organization)| Seen { subject: *subject, organization: *organization, is_in: true })
        .collect();
    seen.extend(gone(roster, indicator.id, &found).await?);
    // Without a kind there never was a view to look at, and nothing was seen.
    let kind = begun.kind.unwrap_or(ReportKind::Accounts);
    for (n, some) in seen.chunks(CHUNK).enumerate() {
        let readers = u16::try_from(roster.post.alerts_to.len()).unwrap_or(u16::MAX);
        let judge = Judge { indicator: indicator.id, kind, holder, seen: some.to_vec(), mail: None, readers };
        if !tell(roster, &system.step(&format!("judge {n}")), judge).await? {
            return Ok(());
        }
    }
    run(roster, &system.step("evaluated"), &Evaluated { indicator: indicator.id, holder }).await?;
    Ok(())
}

/// Judges some, and has those written to whom alerts are mailed to. Whether this is the one who judges still.
async fn tell(roster: &Roster, request: &Request, mut judge: Judge) -> Result<bool, OpError> {
    let mailed = roster.post.is_set_up() && judge.readers > 0;
    if mailed && preflight(roster, request, &judge).await?.is_some_and(|alerts| alerts > 0) {
        judge.mail = announce_mail(roster, request, &Home::Deployment).await?;
    }
    let told = run(roster, request, &judge).await?.output;
    if judge.mail.is_some() {
        roster.post.wake.notify_one();
    }
    Ok(told.is_some())
}

/// What is in a view.
async fn look(roster: &Roster, view: &View) -> Result<BTreeMap<Uuid, OrganizationId>, OpError> {
    let filter = match view.filter.as_deref().map(serde_json::from_str) {
        Some(Ok(value)) => Some(Filter::read(view.kind, &value, "/filter")?),
        // Not everything, which would be told of as if it had come in.
        Some(Err(bad)) => return Err(Refusal::invalid("/filter", format!("is no filter: {bad}")).into()),
        None => None,
    };
    let survey = Arc::new(Survey::new(view.kind, None, filter, []));
    let mut found: BTreeMap<Uuid, OrganizationId> = BTreeMap::new();
    let mut take = |line: &Line| {
        if survey.wants(line) {
            found.insert(line.id(), line.organization());
        }
    };
    roster.store.survey(&survey, &mut take).await?;
    Ok(found)
}

/// Deletes an indicator, and then what is left of it.
pub async fn delete_indicator(
    roster: &Roster,
    request: &Request,
    indicator: IndicatorId,
) -> Result<(), OpError> {
    run(roster, request, &DeleteIndicator { indicator }).await?;
    tidied(sweep(roster, request, indicator).await);
    Ok(())
}

async fn sweep(roster: &Roster, request: &Request, indicator: IndicatorId) -> Result<(), OpError> {
    let evaluation = ForgetIndicator { indicator, keys: vec![CustomerKey::Evaluation(indicator)] };
    run(roster, &request.as_system("evaluation"), &evaluation).await?;
    let firsts = [
        CustomerKey::Alert(indicator, AlertId::from_uuid(Uuid::nil())),
        CustomerKey::Watched(indicator, Uuid::nil()),
    ];
    for first in firsts {
        loop {
            let found = roster.store.records(&Home::Deployment, Some(&Key::Customer(first)), 400).await?;
            let keys = found.iter().map_while(|stored| match (stored.record.key(), first) {
                (Key::Customer(key @ CustomerKey::Alert(of, _)), CustomerKey::Alert(..))
                | (Key::Customer(key @ CustomerKey::Watched(of, _)), CustomerKey::Watched(..))
                    if of == indicator =>
                {
                    Some(key)
                }
                _ => None,
            });
            let keys: Vec<CustomerKey> = keys.collect();
            if keys.is_empty() {
                break;
            }
            run(roster, &request.as_system("sweep"), &ForgetIndicator { indicator, keys }).await?;
        }
    }
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
