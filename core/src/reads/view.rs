//! Saved views, indicators and their alerts. Operators only.

use super::source::require_operator;
use super::{Rows, Shown, documents};
use crate::facts::Request;
use crate::home::{Home, TypedKey};
use crate::id::{AlertId, IndicatorId, ViewId};
use crate::listing::PageRequest;
use crate::model::customer::{
    Alert, Customer, CustomerKey, Indicator, TheIndicator, TheView, View as SavedView,
};
use crate::op::{Roster, View};
use crate::refusal::{OpError, Refusal};

/// One view.
pub async fn view(roster: &Roster, request: &Request, id: ViewId) -> Result<Shown<SavedView>, OpError> {
    let mut view = View::new(roster, Home::Deployment, request);
    let value = view.get(&TheView(id)).await?.ok_or(Refusal::NotFound)?;
    require_operator(request)?;
    let version = view.version(&TheView(id).key()).ok_or(Refusal::NotFound)?;
    Ok(Shown { value, version })
}

/// All views.
pub async fn views(
    roster: &Roster,
    request: &Request,
    page: &PageRequest,
) -> Result<Rows<SavedView>, OpError> {
    require_operator(request)?;
    let key = |id| CustomerKey::View(ViewId::from_uuid(id));
    let pick = |it| if let Customer::View(it) = it { Some((it.id.uuid(), it)) } else { None };
    Ok(documents(roster, &Home::Deployment, key, pick, page).await?)
}

/// One indicator.
pub async fn indicator(
    roster: &Roster,
    request: &Request,
    id: IndicatorId,
) -> Result<Shown<Indicator>, OpError> {
    let mut view = View::new(roster, Home::Deployment, request);
    let value = view.get(&TheIndicator(id)).await?.ok_or(Refusal::NotFound)?;
    require_operator(request)?;
    let version = view.version(&TheIndicator(id).key()).ok_or(Refusal::NotFound)?;
    Ok(Shown { value, version })
}

/// All indicators.
pub async fn indicators(
    roster: &Roster,
    request: &Request,
    page: &PageRequest,
) -> Result<Rows<Indicator>, OpError> {
    require_operator(request)?;
    let key = |id| CustomerKey::Indicator(IndicatorId::from_uuid(id));
    let pick = |it| if let Customer::Indicator(it) = it { Some((it.id.uuid(), it)) } else { None };
    Ok(documents(roster, &Home::Deployment, key, pick, page).await?)
}

/// Alerts of an indicator, the oldest first.
pub async fn alerts(
    roster: &Roster,
    request: &Request,
    id: IndicatorId,
    page: &PageRequest,
) -> Result<Rows<Alert>, OpError> {
    indicator(roster, request, id).await?;
    let key = |alert| CustomerKey::Alert(id, AlertId::from_uuid(alert));
    let pick = |it| match it {
        Customer::Alert(it) if it.indicator == id => Some((it.id.uuid(), it)),
        _ => None,
    };
    Ok(documents(roster, &Home::Deployment, key, pick, page).await?)
}
