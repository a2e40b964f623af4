//! The query of member lists.

use roster_core::listing::MemberSort;
use roster_core::model::MemberStatus;
use roster_core::permission::RoleRef;
use roster_core::reads::MemberFilter;
use roster_core::reference::AccountRef;
use serde::Deserialize;

use crate::error::Problem;

/// As it is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberQuery {
    status: Option<StatusFilter>,
    account: Option<AccountRef>,
    role: Option<RoleRef>,
    q: Option<String>,
    sort: Option<String>,
    /// Page size.
    pub limit: Option<u16>,
    /// Page.
    pub cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusFilter {
    Active,
    Deactivated,
    Former,
    All,
}

impl MemberQuery {
    /// What the core is asked for.
    pub fn filter(&self) -> Result<MemberFilter, Problem> {
        let status = match self.status.unwrap_or(StatusFilter::Active) {
            StatusFilter::Active => Some(MemberStatus::Active),
            StatusFilter::Deactivated => Some(MemberStatus::Deactivated),
            StatusFilter::Former => Some(MemberStatus::Former),
            StatusFilter::All => None,
        };
        let text = self.sort.as_deref().unwrap_or("id");
        let (descending, field) = text.strip_prefix('-').map_or((false, text), |field| (true, field));
        let sort = match field {
            "name" => MemberSort::Name,
            "email" => MemberSort::Email,
            "joined_at" => MemberSort::JoinedAt,
            "last_seen_at" => MemberSort::Id,
            "id" if self.sort.is_none() => MemberSort::Id,
            _ => {
                return Err(Problem::invalid(
                    "#sort",
                    "sort by name, email, joined_at or last_seen_at; `-` in front reverses",
                ));
            }
        };
        let by_last_seen = field == "last_seen_at";
        let (account, role, q) = (self.account.clone(), self.role, self.q.clone());
        Ok(MemberFilter { status, account, role, q, sort, by_last_seen, descending })
    }
}
