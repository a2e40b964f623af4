//! Indicators: what enters and leaves a view, each told once (rule T6). Operators make them; `judge` is the worker's.

use serde_json::json;

use super::require_operator;
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{IndicatorId, ViewId};
use crate::model::customer::{Indicator, TheIndicator, TheView, View as SavedView};
use crate::op::{Decision, Event, Operation, View};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Name;

/// Makes an indicator on a view.
#[derive(Debug)]
pub struct CreateIndicator {
    /// What people call it.
    pub name: Name,
    /// Which view.
    pub view: ViewId,
    /// For how many days something must be in the view.
    pub holds_for_days: u32,
}

impl Operation for CreateIndicator {
    type State = Option<SavedView>;
    type Output = Indicator;

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheView(self.view)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<Indicator>, Refusal> {
        check_days(self.holds_for_days)?;
        found.ok_or(Refusal::NotFound)?;
        require_operator(facts)?;
        let indicator = Indicator {
            id: IndicatorId::from_uuid(facts.fresh("indicator")),
            name: self.name.clone(),
            view: self.view,
            holds_for_days: self.holds_for_days,
            created_at: facts.now,
        };
        let event = Event::new("indicator.created", "indicator", indicator.id).after(fields(&indicator));
        Ok(Decision::unchanged(indicator.clone()).put(indicator.into()).event(event))
    }
}

/// A merge-patch: `None` keeps. The view stays.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct IndicatorPatch {
    /// What people call it.
    pub name: Option<Name>,
    /// For how many days something must be in the view.
    pub holds_for_days: Option<u32>,
}

/// Changes an indicator.
#[derive(Debug)]
pub struct UpdateIndicator {
    /// Which.
    pub indicator: IndicatorId,
    /// What.
    pub patch: IndicatorPatch,
}

impl Operation for UpdateIndicator {
    type State = Option<Indicator>;
    type Output = Indicator;

    fn home(&self) -> Home {
        Home::Deployment
    }

    fn subject(&self) -> Option<Key> {
        Some(TheIndicator(self.indicator).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheIndicator(self.indicator)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<Indicator>, Refusal> {
        check_days(self.patch.holds_for_days.unwrap_or_default())?;
        let before = found.ok_or(Refusal::NotFound)?;
        require_operator(facts)?;
        let after = Indicator {
            name: self.patch.name.clone().unwrap_or_else(|| before.name.clone()),
            holds_for_days: self.patch.holds_for_days.unwrap_or(before.holds_for_days),
            ..before.clone()
        };
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event = Event::new("indicator.updated", "indicator", after.id)
            .before(fields(&before))
            .after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(after.into()).event(event))
    }
}

/// Deletes an indicator; its alerts, which nothing leads to any more, are swept afterwards.
#[derive(Debug)]
pub struct DeleteIndicator {
    /// Which.
    pub indicator: IndicatorId,
}

impl Operation for DeleteIndicator {
    type State = Option<Indicator>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    fn subject(&self) -> Option<Key> {
        Some(TheIndicator(self.indicator).key())
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheIndicator(self.indicator)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let indicator = found.ok_or(Refusal::NotFound)?;
        require_operator(facts)?;
        let event = Event::new("indicator.deleted", "indicator", indicator.id).before(fields(&indicator));
        Ok(Decision::unchanged(()).remove(TheIndicator(self.indicator).key()).event(event))
    }
}

fn check_days(days: u32) -> Result<(), Refusal> {
    if days <= 365 { Ok(()) } else { Err(Refusal::invalid("/holds_for_days", "must be 0 to 365")) }
}

fn fields(indicator: &Indicator) -> serde_json::Value {
    json!({"name": indicator.name, "view_id": indicator.view, "holds_for_days": indicator.holds_for_days})
}
