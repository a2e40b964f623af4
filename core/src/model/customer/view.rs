//! What is asked about customers again and again.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{AccountId, AlertId, IndicatorId, OrganizationId, ViewId};
use crate::text::{ExternalId, Name};
use crate::time::Timestamp;

/// What a report has a row for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// Each account.
    Accounts,
    /// Each organization.
    Organizations,
}

/// A saved question.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct View {
    /// Its id.
    pub id: ViewId,
    /// What people call it.
    pub name: Name,
    /// What it has a row for.
    pub kind: ReportKind,
    /// Its filter, as JSON text; none keeps all.
    pub filter: Option<String>,
    /// Its columns; none are the usual ones.
    pub columns: Vec<String>,
    /// Its order.
    pub sort: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Watches who is in a view.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Indicator {
    /// Its id.
    pub id: IndicatorId,
    /// What people call it.
    pub name: Name,
    /// Which view.
    pub view: ViewId,
    /// For how many days something must be in the view before it counts.
    pub holds_for_days: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How far the evaluation of an indicator has come, apart from it, so that its own version stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// Of which indicator.
    pub indicator: IndicatorId,
    /// When it was last evaluated; never, if it has not begun: what is in the view then is no news.
    pub evaluated_at: Option<Timestamp>,
    /// What its view had rows for.
    pub kind: Option<ReportKind>,
    /// Who evaluates it, by a number drawn for this time, and until when: nobody else judges meanwhile.
    pub by: Option<(Uuid, Timestamp)>,
}

impl Evaluation {
    /// Of an indicator that nobody has looked at.
    pub const fn none(indicator: IndicatorId) -> Self {
        Self { indicator, evaluated_at: None, kind: None, by: None }
    }

    /// Whether it is this one's to judge.
    pub fn is_by(&self, holder: Uuid) -> bool {
        self.by.is_some_and(|(by, _)| by == holder)
    }
}

/// What an indicator knows about an account or an organization that is in its view.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Watched {
    /// Which indicator.
    pub indicator: IndicatorId,
    /// The account or organization.
    pub subject: Uuid,
    /// In which organization.
    pub organization: OrganizationId,
    /// Since when it was in the view.
    pub since: Timestamp,
    /// Whether it has held long enough, and counts as entered.
    pub entered: bool,
    /// Whether it was there when the indicator began: no alarm about the past.
    pub from_the_start: bool,
}

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It came into the view, and held.
    Entered,
    /// It went out of the view.
    Left,
}

/// Something entered or left.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// Whose.
    pub indicator: IndicatorId,
    /// Which way.
    pub state: AlertState,
    /// Whether it is about accounts or organizations.
    pub kind: ReportKind,
    /// Which.
    pub subject: Uuid,
    /// When.
    pub at: Timestamp,
}

/// Which traits hold the external ids of owners (rule T2). None where nothing is said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mappings {
    /// Of accounts.
    pub account_owner_trait: Option<String>,
    /// Of organizations.
    pub organization_owner_trait: Option<String>,
}

impl Mappings {
    /// These before others, which hold where nothing is said here.
    #[must_use]
    pub fn over(self, others: &Self) -> Self {
        Self {
            account_owner_trait: self.account_owner_trait.or_else(|| others.account_owner_trait.clone()),
            organization_owner_trait: self
                .organization_owner_trait
                .or_else(|| others.organization_owner_trait.clone()),
        }
    }

    /// The trait that names the owner of an account; of the organization for none.
    pub const fn of(&self, account: Option<AccountId>) -> Option<&String> {
        match account {
            Some(_) => self.account_owner_trait.as_ref(),
            None => self.organization_owner_trait.as_ref(),
        }
    }
}

/// What a trait said when the owner that it names was last looked for: a manual setting stays until it says something
/// else (rule T3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mapped {
    /// The account or organization.
    pub subject: Uuid,
    /// Which trait.
    pub by: Option<String>,
    /// What it said.
    pub external: Option<ExternalId>,
}
