//! Leaving plans: what goes with a member, read before they go, and the one act that does it (rules L6, L7).

mod execute;
mod plan;

pub use execute::{InvitationFate, LeaveByPlan, Left};
pub use plan::PlanRead;

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// How somebody goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeavingMode {
    /// For now, with everything kept for the way back.
    Deactivate,
    /// Out of the organization.
    Remove,
    /// The same, and out of the statistics.
    Delete,
}

impl LeavingMode {
    /// What is recommended: it can be taken back.
    pub const RECOMMENDED: Self = Self::Deactivate;

    /// The name in the API contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Remove => "remove",
            Self::Delete => "delete",
        }
    }

    /// What it needs on the whole organization.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Deactivate => "members:deactivate",
            Self::Remove => "members:remove",
            Self::Delete => "members:delete",
        }
    }
}

impl fmt::Display for LeavingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LeavingMode {
    type Err = crate::text::BadText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Deactivate, Self::Remove, Self::Delete];
        let found = known.into_iter().find(|mode| mode.name() == text);
        found.ok_or(crate::text::BadText("a mode is deactivate, remove or delete"))
    }
}
