//! What an evaluation does: one at a time looks at a view, and tells once what enters and what leaves (rule T6).

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TypedKey};
use crate::id::{AccountId, AlertId, IndicatorId, OrganizationId};
use crate::model::customer::{
    Alert, AlertState, Customer, CustomerKey, Evaluation, Indicator, ReportKind, TheEvaluation, TheIndicator,
    TheWatched, Watched,
};
use crate::model::{Letter, Mail};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::mail::Posting;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

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
    /// Who evaluates it: one who has lost that tells nothing.
    pub holder: Uuid,
    /// What was found, at most 100.
    pub seen: Vec<Seen>,
    /// The letters that tell of it, if there are to be any.
    pub mail: Option<Posting>,
    /// To how many people.
    pub readers: u16,
}

impl Operation for Judge {
    type State = (Option<Indicator>, Option<Evaluation>, BTreeMap<Uuid, Watched>);
    /// How much there is to tell; nothing for one who has lost the evaluation.
    type Output = Option<usize>;

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let keys = self.seen.iter().map(|seen| TheWatched(self.indicator, seen.subject).key());
        let own = [TheIndicator(self.indicator).key(), TheEvaluation(self.indicator).key()];
        view.fetch(keys.chain(own).collect::<Vec<_>>()).await?;
        let mut known = BTreeMap::new();
        for seen in &self.seen {
            if let Some(watched) = view.get(&TheWatched(self.indicator, seen.subject)).await? {
                known.insert(seen.subject, watched);
            }
        }
        let indicator = view.get(&TheIndicator(self.indicator)).await?;
        Ok((indicator, view.get(&TheEvaluation(self.indicator)).await?, known))
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let (indicator, evaluation, known) = read;
        let evaluation = evaluation.filter(|it| it.is_by(self.holder));
        let (Some(indicator), Some(evaluation)) = (indicator, evaluation) else {
            return Ok(Decision::unchanged(None));
        };
        let mut decision = Decision::unchanged(());
        // What is in the view when the indicator begins is no news.
        let begins = evaluation.evaluated_at.is_none();
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
        Ok(self.posted(decision, facts))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.mail.map(|posting| posting.not_after)
    }
}

impl Judge {
    /// The same with a letter of each alert to everybody who reads them.
    fn posted(&self, decision: Decision<()>, facts: &Facts) -> Decision<Option<usize>> {
        let alerts: Vec<AlertId> = decision.puts.iter().filter_map(alert_of).collect();
        let letters = alerts.iter().flat_map(|alert| {
            (0..self.readers).map(|to| Letter::Alert { indicator: self.indicator, alert: *alert, to })
        });
        let mail = self.mail.and_then(|posting| Mail::of(posting.id, letters, facts.now));
        let decision = mail.into_iter().map(Record::Mail).fold(decision, Decision::put);
        decision.giving(Some(alerts.len()))
    }

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

fn alert_of(record: &Record) -> Option<AlertId> {
    let Record::Customer(it) = record else { return None };
    if let Customer::Alert(alert) = &**it { Some(alert.id) } else { None }
}

/// Becomes the one who evaluates an indicator. How far it had come before; nothing while another is at it.
#[derive(Debug)]
pub struct BeginEvaluation {
    /// Which indicator.
    pub indicator: IndicatorId,
    /// What its view has rows for; nothing if the view is gone.
    pub kind: Option<ReportKind>,
    /// By a number drawn for this time.
    pub holder: Uuid,
}

/// For how long others wait for one who evaluates, in seconds.
const LEASE: i64 = 300;

impl Operation for BeginEvaluation {
    type State = (Option<Indicator>, Option<Evaluation>);
    type Output = Option<Evaluation>;

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([TheIndicator(self.indicator).key(), TheEvaluation(self.indicator).key()]).await?;
        let indicator = view.get(&TheIndicator(self.indicator)).await?;
        Ok((indicator, view.get(&TheEvaluation(self.indicator)).await?))
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<Self::Output>, Refusal> {
        let (indicator, found) = read;
        let before = found.unwrap_or(Evaluation::none(self.indicator));
        let others = before.by.is_some_and(|(_, until)| until > facts.now) && !before.is_by(self.holder);
        if indicator.is_none() || others {
            return Ok(Decision::unchanged(None));
        }
        let by = Some((self.holder, facts.now.plus_seconds(LEASE)));
        let now = Evaluation { by, kind: self.kind.or(before.kind), ..before };
        Ok(Decision::unchanged(Some(now)).put(now.into()))
    }
}

/// Notes that everything was looked at, and lets others.
#[derive(Debug)]
pub struct Evaluated {
    /// Which indicator.
    pub indicator: IndicatorId,
    /// Who did.
    pub holder: Uuid,
}

impl Operation for Evaluated {
    type State = (Option<Indicator>, Option<Evaluation>);
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch([TheIndicator(self.indicator).key(), TheEvaluation(self.indicator).key()]).await?;
        let indicator = view.get(&TheIndicator(self.indicator)).await?;
        Ok((indicator, view.get(&TheEvaluation(self.indicator)).await?))
    }

    fn decide(&self, read: Self::State, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let nothing = Decision::unchanged(());
        Ok(match read {
            (Some(_), Some(it)) if it.is_by(self.holder) => {
                nothing.put(Evaluation { evaluated_at: Some(facts.now), by: None, ..it }.into())
            }
            _ => nothing,
        })
    }
}

/// Takes away what is left of an indicator that was deleted.
#[derive(Debug)]
pub struct ForgetIndicator {
    /// Which.
    pub indicator: IndicatorId,
    /// Records of it, as they were listed: at most 400.
    pub keys: Vec<CustomerKey>,
}

impl Operation for ForgetIndicator {
    type State = Option<Indicator>;
    type Output = ();

    fn home(&self) -> Home {
        Home::Deployment
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        view.fetch(self.keys.iter().map(|key| Key::Customer(*key))).await?;
        view.get(&TheIndicator(self.indicator)).await
    }

    fn decide(&self, found: Self::State, _: &Facts) -> Result<Decision<()>, Refusal> {
        let mut decision = Decision::unchanged(());
        if found.is_none() {
            decision.removes.extend(self.keys.iter().map(|key| Key::Customer(*key)));
        }
        Ok(decision)
    }
}
