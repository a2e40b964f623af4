//! Indicators: what enters and leaves a view, each told once (rule T6). Operators make them, the worker judges.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::require_operator;
use crate::facts::Facts;
use crate::home::{Home, Key, TypedKey};
use crate::id::{AccountId, AlertId, IndicatorId, OrganizationId, ViewId};
use crate::model::customer::{
    Alert, AlertState, Indicator, ReportKind, TheIndicator, TheView, TheWatched, View as SavedView, Watched,
};
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
        require_operator(facts)?;
        found.ok_or(Refusal::NotFound)?;
        check_days(self.holds_for_days)?;
        let indicator = Indicator {
            id: IndicatorId::from_uuid(facts.fresh("indicator")),
            name: self.name.clone(),
            view: self.view,
            holds_for_days: self.holds_for_days,
            created_at: facts.now,
            evaluated_at: None,
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
        require_operator(facts)?;
        let before = found.ok_or(Refusal::NotFound)?;
        let after = Indicator {
            name: self.patch.name.clone().unwrap_or_else(|| before.name.clone()),
            holds_for_days: self.patch.holds_for_days.unwrap_or(before.holds_for_days),
            ..before.clone()
        };
        check_days(after.holds_for_days)?;
        if after == before {
            return Ok(Decision::unchanged(after));
        }
        let event = Event::new("indicator.updated", "indicator", after.id)
            .before(fields(&before))
            .after(fields(&after));
        Ok(Decision::unchanged(after.clone()).put(after.into()).event(event))
    }
}

/// Deletes an indicator; its alerts go with it.
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
        require_operator(facts)?;
        let indicator = found.ok_or(Refusal::NotFound)?;
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

/// An account or an organization as an evaluation found it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Which.
    pub subject: Uuid,
    /// In which organization.
    pub organization: OrganizationId,
    /// Whether it is in the view.
    pub is_in: bool,
}

/// Judges some of them. Done again it tells nothing twice: what is known of each is read and written with the alert.
#[derive(Debug)]
pub struct Judge {
    /// Which indicator.
    pub indicator: IndicatorId,
    /// What its view has rows for.
    pub kind: ReportKind,
    /// What was found, at most 100.
    pub seen: Vec<Seen>,
}

impl Operation for Judge {
    type State = (Option<Indicator>, BTreeMap<Uuid, Watched>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let keys = self.seen.iter().map(|seen| TheWatched(self.indicator, seen.subject).key());
        view.fetch(keys.chain([TheIndicator(self.indicator).key()]).collect::<Vec<_>>()).await?;
        let mut known = BTreeMap::new();
        for seen in &self.seen {
            if let Some(watched) = view.get(&TheWatched(self.indicator, seen.subject)).await? {
                known.insert(seen.subject, watched);
            }
        }
        Ok((view.get(&TheIndicator(self.indicator)).await?, known))
    }

    fn decide(&self, (indicator, known): Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let mut decision = Decision::unchanged(());
        let Some(indicator) = indicator else { return Ok(decision) };
        // What is in the view when the indicator begins is no news.
        let begins = indicator.evaluated_at.is_none();
        let holds = i64::from(indicator.holds_for_days) * 86_400;
        for seen in &self.seen {
            let key = TheWatched(self.indicator, seen.subject);
            match (known.get(&seen.subject), seen.is_in) {
                (None, true) => {
                    let entered = begins || holds == 0;
                    let watched = Watched {
                        indicator: self.indicator,
                        subject: seen.subject,
                        organization: seen.organization,
                        since: facts.now,
                        entered,
                        from_the_start: begins,
                    };
                    decision = decision.put(watched.into());
                    if entered && !begins {
                        decision = self.told(decision, seen, AlertState::Entered, facts);
                    }
                }
                (Some(watched), true)
                    if !watched.entered && watched.since.plus_seconds(holds) <= facts.now =>
                {
                    decision = decision.put(Watched { entered: true, ..*watched }.into());
                    decision = self.told(decision, seen, AlertState::Entered, facts);
                }
                (Some(watched), false) => {
                    decision = decision.remove(key.key());
                    if watched.entered {
                        decision = self.told(decision, seen, AlertState::Left, facts);
                    }
                }
                (Some(_), true) | (None, false) => {}
            }
        }
        Ok(decision)
    }
}

impl Judge {
    fn told(&self, decision: Decision<()>, seen: &Seen, state: AlertState, facts: &Facts) -> Decision<()> {
        let alert = Alert {
            id: AlertId::from_uuid(facts.fresh(&format!("alert {}", seen.subject))),
            indicator: self.indicator,
            state,
            kind: self.kind,
            subject: seen.subject,
            at: facts.now,
        };
        let action = match state {
            AlertState::Entered => "indicator.entered",
            AlertState::Left => "indicator.left",
        };
        let event = match self.kind {
            ReportKind::Accounts => Event::new(action, "account", AccountId::from_uuid(seen.subject)),
            ReportKind::Organizations => {
                Event::new(action, "organization", OrganizationId::from_uuid(seen.subject))
            }
        };
        let event = event.after(json!({
            "indicator_id": self.indicator, "alert_id": alert.id, "organization_id": seen.organization,
        }));
        decision.put(alert.into()).event(event)
    }
}

/// Notes that everything was looked at.
#[derive(Debug)]
pub struct Evaluated {
    /// Which indicator.
    pub indicator: IndicatorId,
}

impl Operation for Evaluated {
    type State = Option<Indicator>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.get(&TheIndicator(self.indicator)).await
    }

    fn decide(&self, found: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        Ok(match found {
            Some(it) => nothing.put(Indicator { evaluated_at: Some(facts.now), ..it }.into()),
            None => nothing,
        })
    }
}
