//! `roster member list`.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use roster_api::shapes;
use roster_core::id::OrganizationId;
use roster_core::listing::MemberSort;
use roster_core::model::MemberStatus;
use roster_core::permission::RoleRef;
use roster_core::reads::{self, AccountMember, MemberFilter, SeenMember};
use roster_core::reference::AccountRef;

use crate::args::{InOrganization, Limit};
use crate::failure::Failure;
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    within: InOrganization,
    /// Which ones.
    #[arg(long, value_enum, default_value_t = Status::Active)]
    status: Status,
    /// Only those who reach this account, by id or `ext:VALUE`.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountRef>,
    /// Only those who hold this role.
    #[arg(long)]
    role: Option<RoleRef>,
    /// The beginning of a word of the name or of the e-mail, or the whole external id.
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// The order: `name`, `email`, `joined_at` or `last_seen_at`, which is shown then; `-` before it turns it round.
    #[arg(long, allow_hyphen_values = true, value_name = "FIELD")]
    sort: Option<Sort>,
    #[command(flatten)]
    limit: Limit,
}

/// Which members.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Deactivated,
    Former,
    All,
}

#[derive(Debug, Clone, Copy)]
struct Sort {
    by: MemberSort,
    by_last_seen: bool,
    descending: bool,
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, descending) = match text.strip_prefix('-') {
            Some(field) => (field, true),
            None => (text, false),
        };
        let by = match field {
            "name" => MemberSort::Name,
            "email" => MemberSort::Email,
            "joined_at" => MemberSort::JoinedAt,
            "last_seen_at" => MemberSort::Id,
            _ => {
                let usage = "write name, email, joined_at or last_seen_at, with `-` before it to turn the order round";
                return Err(usage.to_owned());
            }
        };
        Ok(Self { by, by_last_seen: field == "last_seen_at", descending })
    }
}

const COLUMNS: &[Column] = &[
    ("USER", "/user_id"),
    ("EMAIL", "/email"),
    ("NAME", "/name"),
    ("EXTERNAL ID", "/external_id"),
    ("STATUS", "/status"),
    ("ACCESS", "/access"),
];

const ACCOUNT_COLUMNS: &[Column] = &[
    ("USER", "/user_id"),
    ("EMAIL", "/email"),
    ("NAME", "/name"),
    ("EXTERNAL ID", "/external_id"),
    ("ROLE", "/role"),
    ("FROM", "/source"),
];

const SEEN_COLUMNS: &[Column] = &[
    ("USER", "/user_id"),
    ("EMAIL", "/email"),
    ("NAME", "/name"),
    ("EXTERNAL ID", "/external_id"),
    ("STATUS", "/status"),
    ("LAST SEEN", "/last_seen_at"),
];

const NONE: &str = "There are no such members.";

/// Lists members, of one account or of the whole.
pub async fn list(session: Session, asked: List) -> Result<(), Failure> {
    let organization = session.organization(&asked.within.organization).await?;
    let sort = asked.sort.unwrap_or(Sort { by: MemberSort::Id, by_last_seen: false, descending: false });
    let filter = MemberFilter {
        status: match asked.status {
            Status::Active => Some(MemberStatus::Active),
            Status::Deactivated => Some(MemberStatus::Deactivated),
            Status::Former => Some(MemberStatus::Former),
            Status::All => None,
        },
        account: None,
        role: asked.role,
        q: asked.q,
        sort: sort.by,
        by_last_seen: sort.by_last_seen,
        descending: sort.descending,
    };
    if filter.by_last_seen {
        let filter = MemberFilter { account: asked.account, ..filter };
        return list_seen(&session, organization, &filter, &asked.limit).await;
    }
    let (roster, request) = (&session.roster, session.request());
    let limit = &asked.limit;
    if let Some(account) = &asked.account {
        let fetch = async |page| {
            reads::account_members(roster, &request, organization, account, &filter, &page).await
        };
        let Listed { rows, next } = all_pages(limit, fetch).await?;
        let shape = |row: &AccountMember| {
            shapes::account_member(organization, &row.member.value, row.role, row.organization_wide)
        };
        let rows = rows.iter().map(shape).collect();
        return session.out.list("AccountMember", &Listed { rows, next }, ACCOUNT_COLUMNS, NONE);
    }
    let fetch = async |page| reads::members(roster, &request, organization, &filter, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let rows = rows.iter().map(|row| shapes::member(organization, &row.value)).collect();
    session.out.list("Member", &Listed { rows, next }, COLUMNS, NONE)
}

/// Lists members by when they were last seen; of one account with the role there and where it comes from.
async fn list_seen(
    session: &Session,
    organization: OrganizationId,
    filter: &MemberFilter,
    limit: &Limit,
) -> Result<(), Failure> {
    let (roster, request) = (&session.roster, session.request());
    let account = match &filter.account {
        Some(named) => Some(reads::account_id(roster, &request, organization, named).await?),
        None => None,
    };
    let fetch = async |page| reads::members_by_last_seen(roster, &request, organization, filter, &page).await;
    let Listed { rows, next } = all_pages(limit, fetch).await?;
    let shape = |row: &SeenMember| shapes::seen_member(organization, row, account);
    let rows = rows.iter().map(shape).collect();
    let schema = if account.is_some() { "AccountMember" } else { "Member" };
    session.out.list_with((schema, &["last_seen_at"]), &Listed { rows, next }, SEEN_COLUMNS, NONE)
}
