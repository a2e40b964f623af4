//! Listings. Beside reports the one file that puts SQL together at run time; every value in it is bound.
//!
//! A page is found in two steps within one snapshot: which rows, in which order; then the records themselves.

use std::collections::BTreeMap;

use roster_core::home::Key;
use roster_core::id::AccountId;
use roster_core::listing::{Listing, MemberSort, Page, PageRequest, Position, Row, Scope, record_uuid};
use roster_core::model::{DirectoryKind, InvitationStatus, MemberStatus, NoteKey};
use roster_core::permission::RoleRef;
use roster_core::store::{StoreClock, Stored};
use roster_core::text::fold;
use roster_core::time::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{self, Kind};
use crate::log;
use crate::row::{bad, to_json, to_name, uuid_list};

type Lines = QueryBuilder<Sqlite>;

/// An answer of `list`.
pub(crate) async fn list(
    connection: &mut SqliteConnection,
    clock: &StoreClock,
    listing: &Listing,
    page: &PageRequest,
) -> Result<Page, Fault> {
    let place = match listing.home() {
        Some(home) => log::place(connection, &home).await?,
        None => None,
    };
    let clock = log::now(connection, clock).await?;
    let now = place.map_or(clock, |place| place.head.time.max(clock));
    let Some((home, lines)) = lines(listing, place.map(|place| place.home), page, now)? else {
        return Ok(Page { now, rows: Vec::new(), more: false });
    };
    let mut found = fetch(connection, lines).await?;
    let more = found.len() > usize::from(page.limit);
    found.truncate(usize::from(page.limit));
    let mut records = records(connection, listing, home, &found).await?;
    let rows = found.into_iter().map(|position| {
        let stored = records.remove(&position.id).ok_or_else(|| bad("id", "a listed record is not there"))?;
        Ok(Row { position, stored })
    });
    Ok(Page { now, rows: rows.collect::<Result<_, Fault>>()?, more })
}

async fn fetch(connection: &mut SqliteConnection, mut lines: Lines) -> Result<Vec<Position>, Fault> {
    let lines: Vec<(String, Uuid)> = lines.build_query_as().fetch_all(connection).await?;
    Ok(lines.into_iter().map(|(by, id)| Position { by, id }).collect())
}

async fn records(
    connection: &mut SqliteConnection,
    listing: &Listing,
    home: i64,
    found: &[Position],
) -> Result<BTreeMap<Uuid, Stored>, Fault> {
    let ids: Vec<Uuid> = found.iter().map(|position| position.id).collect();
    let names = uuid_list(&ids);
    let kind = match listing {
        Listing::Due { .. } => {
            let mut stored = kind::load(connection, home, Kind::Member, &names).await?;
            stored.extend(kind::load(connection, home, Kind::Invitation, &names).await?);
            let notes = ids.iter().flat_map(|id| NoteKey::all_ending(*id)).map(Key::Note);
            let notes = to_json("notes", &notes.filter_map(|note| note.document()).collect::<Vec<_>>())?;
            stored.extend(kind::load(connection, home, Kind::Document, &notes).await?);
            return Ok(by_id(stored));
        }
        Listing::Directory { kind, .. } => {
            let stored = kind::load_directory(connection, *kind, &names).await?;
            return Ok(by_id(stored));
        }
        Listing::Holdings { .. } => {
            let stored = kind::load_holdings(connection, home, &names).await?;
            return Ok(by_id(stored));
        }
        Listing::Accounts { .. } => Kind::Account,
        Listing::Members { .. } => Kind::Member,
        Listing::ApiKeys { .. } => Kind::ApiKey,
        Listing::Roles { .. } => Kind::Role,
        Listing::OperatorKeys => Kind::OperatorKey,
        Listing::Memberships { .. } => Kind::Membership,
        Listing::Sessions { .. } => Kind::Session,
        Listing::Invitations { .. } => Kind::Invitation,
    };
    Ok(by_id(kind::load(connection, home, kind, &names).await?))
}

fn by_id(stored: Vec<Stored>) -> BTreeMap<Uuid, Stored> {
    stored.into_iter().map(|stored| (record_uuid(&stored.record), stored)).collect()
}

/// The statement that finds a page, and the number of its home; nothing where no row can be.
fn lines(
    listing: &Listing,
    home: Option<i64>,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Option<(i64, Lines)>, Fault> {
    if let Listing::Directory { kind, active, q } = listing {
        return Ok(by_default(directory(*kind, *active, q.as_deref()), "id", page).map(|lines| (0, lines)));
    }
    let Some(home) = home else { return Ok(None) };
    let lines = match listing {
        Listing::Directory { .. } => None,
        Listing::Accounts { status, scope, .. } => {
            let mut lines = of_home("SELECT '', id FROM accounts WHERE home = ", home);
            if let Some(status) = status {
                lines.push(" AND status = ").push_bind(to_name("status", status)?);
            }
            if let Scope::Accounts(accounts) = scope {
                lines.push(" AND id IN ");
                push_accounts(&mut lines, accounts);
            }
            by_default(lines, "id", page)
        }
        Listing::Members { .. } => members(listing, home, page, now)?,
        Listing::Invitations { .. } => invitations(listing, home, page, now)?,
        Listing::Holdings { .. } => holdings(listing, home, page),
        Listing::Sessions { .. } => {
            by_default(of_home("SELECT '', id FROM sessions WHERE home = ", home), "id", page)
        }
        Listing::ApiKeys { .. } => {
            by_default(of_home("SELECT '', id FROM api_keys WHERE home = ", home), "id", page)
        }
        Listing::Roles { .. } => {
            by_default(of_home("SELECT '', id FROM roles WHERE home = ", home), "id", page)
        }
        Listing::OperatorKeys => {
            by_default(of_home("SELECT '', id FROM operator_keys WHERE home = ", home), "id", page)
        }
        Listing::Memberships { .. } => {
            let lines = of_home("SELECT '', organization_id FROM memberships WHERE home = ", home);
            by_default(lines, "organization_id", page)
        }
        Listing::Due { until, .. } => Some(due(home, *until, page)),
    };
    Ok(lines.map(|lines| (home, lines)))
}

fn of_home(start: &'static str, home: i64) -> Lines {
    let mut lines = Lines::new(start);
    lines.push_bind(home);
    lines
}

/// The default order, by id. A position of another order stands behind every row.
fn by_default(mut lines: Lines, id: &'static str, page: &PageRequest) -> Option<Lines> {
    if let Some(after) = &page.after {
        if !after.by.is_empty() {
            return None;
        }
        lines.push(format_args!(" AND {id} > ")).push_bind(after.id);
    }
    lines.push(format_args!(" ORDER BY {id}"));
    Some(limited(lines, page))
}

/// One row more than asked for, to know whether more follow.
fn limited(mut lines: Lines, page: &PageRequest) -> Lines {
    lines.push(" LIMIT ").push_bind(i64::from(page.limit) + 1);
    lines
}

fn push_accounts(lines: &mut Lines, accounts: &[AccountId]) {
    push_ids(lines, accounts.iter().map(|account| account.uuid()));
}

fn push_ids(lines: &mut Lines, ids: impl Iterator<Item = Uuid>) {
    let ids: Vec<Uuid> = ids.collect();
    lines.push("(SELECT unhex(value) FROM json_each(").push_bind(uuid_list(&ids)).push("))");
}

fn directory(kind: DirectoryKind, active: Option<bool>, q: Option<&str>) -> Lines {
    let mut lines = Lines::new("SELECT '', id FROM directory_entries WHERE kind = ");
    lines.push_bind(kind.to_string());
    if let Some(active) = active {
        lines.push(" AND active = ").push_bind(active);
    }
    if let Some(q) = q {
        lines.push(" AND id IN (SELECT id FROM directory_words WHERE kind = ").push_bind(kind.to_string());
        push_words(&mut lines, q);
        lines.push(")");
    }
    lines
}

/// Words that begin with the text, or the whole external id, which stands behind a NUL. No word holds the byte 0xFF.
fn push_words(lines: &mut Lines, q: &str) {
    let query = fold(q.trim()).into_bytes();
    let whole = [&[0], query.as_slice()].concat();
    let end = [query.as_slice(), &[0xff]].concat();
    let start = query.max(vec![1]);
    lines.push(" AND ((word >= ").push_bind(start).push(" AND word < ").push_bind(end);
    lines.push(") OR word = ").push_bind(whole).push(")");
}

fn due(home: i64, until: Timestamp, page: &PageRequest) -> Lines {
    let mut lines = of_home("SELECT printf('%020d', max(at, 0)), id FROM due WHERE home = ", home);
    lines.push(" AND at <= ").push_bind(until.micros());
    if let Some(after) = &page.after {
        let at: i64 = after.by.parse().unwrap_or(i64::MAX);
        lines.push(" AND (at, id) > (").push_bind(at).push(", ").push_bind(after.id).push(")");
    }
    lines.push(" ORDER BY at, id");
    limited(lines, page)
}

/// That time has not ended the membership yet.
const STANDS: &str = "(m.status = 'former' OR m.expires_at IS NULL OR m.expires_at > ";

fn members(listing: &Listing, home: i64, page: &PageRequest, now: Timestamp) -> Result<Option<Lines>, Fault> {
    let Listing::Members { status, account, role, q, sort, descending, scope, .. } = listing else {
        return Ok(None);
    };
    let by = match sort {
        MemberSort::Id => "''",
        MemberSort::Name => "m.name_folded",
        MemberSort::Email => "m.email_folded",
        MemberSort::JoinedAt => "printf('%020d', max(joined_at, 0))",
    };
    let mut lines = Lines::new(format!("SELECT {by}, m.user_id FROM members m WHERE m.home = "));
    lines.push_bind(home);
    if let Some(status) = status {
        push_status(&mut lines, *status, now)?;
    }
    if account.is_some() || role.is_some() || *scope != Scope::All {
        lines.push(" AND ").push(STANDS).push_bind(now.micros()).push(")");
        push_access(&mut lines, *account, *role, scope);
    }
    if let Some(q) = q {
        lines.push(" AND m.user_id IN (SELECT user_id FROM member_words WHERE home = ").push_bind(home);
        push_words(&mut lines, q);
        lines.push(")");
    }
    Ok(sorted(lines, *sort, by, *descending, page))
}

fn invitations(
    listing: &Listing,
    home: i64,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Option<Lines>, Fault> {
    let Listing::Invitations { status, scope, .. } = listing else {
        return Ok(None);
    };
    let mut lines = of_home("SELECT '', id FROM invitations i WHERE home = ", home);
    match status {
        Some(InvitationStatus::Expired) => {
            lines.push(" AND (status = 'expired' OR status = 'pending' AND expires_at <= ");
            lines.push_bind(now.micros()).push(")");
        }
        Some(InvitationStatus::Pending) => {
            lines.push(" AND status = 'pending' AND expires_at > ").push_bind(now.micros());
        }
        Some(status) => drop(lines.push(" AND status = ").push_bind(to_name("status", status)?)),
        None => {}
    }
    if let Scope::Accounts(accounts) = scope {
        lines
            .push(" AND (")
            .push_bind(!accounts.is_empty())
            .push(" AND organization_role IS NOT NULL OR EXISTS (");
        lines.push("SELECT 1 FROM invitation_access a WHERE a.home = i.home AND a.invitation_id = i.id");
        lines.push(" AND a.account_id IN ");
        push_accounts(&mut lines, accounts);
        lines.push("))");
    }
    Ok(by_default(lines, "id", page))
}

fn holdings(listing: &Listing, home: i64, page: &PageRequest) -> Option<Lines> {
    let Listing::Holdings { owners, kind, scope, .. } = listing else { return None };
    let mut lines = of_home("SELECT '', id FROM holdings WHERE home = ", home);
    match owners.as_slice() {
        [] => {}
        [one] => drop(lines.push(" AND owner_id = ").push_bind(one.uuid())),
        many => {
            lines.push(" AND owner_id IN ");
            push_ids(&mut lines, many.iter().map(|owner| owner.uuid()));
        }
    }
    if let Some(kind) = kind {
        lines.push(" AND kind = ").push_bind(kind.to_string());
    }
    if let Scope::Accounts(accounts) = scope {
        lines.push(" AND account_id IN ");
        push_ids(&mut lines, accounts.iter().map(|account| account.uuid()));
    }
    by_default(lines, "id", page)
}

fn push_status(lines: &mut Lines, status: MemberStatus, now: Timestamp) -> Result<(), Fault> {
    match status {
        MemberStatus::Former => {
            lines.push(" AND (m.status = 'former' OR m.expires_at <= ").push_bind(now.micros()).push(")");
        }
        MemberStatus::Active | MemberStatus::Deactivated => {
            lines.push(" AND m.status = ").push_bind(to_name("status", &status)?);
            lines.push(" AND ").push(STANDS).push_bind(now.micros()).push(")");
        }
    }
    Ok(())
}

fn push_access(lines: &mut Lines, account: Option<AccountId>, role: Option<RoleRef>, scope: &Scope) {
    const GRANTS: &str =
        " EXISTS (SELECT 1 FROM member_access a WHERE a.home = m.home AND a.user_id = m.user_id";
    if account.is_some() || role.is_some() {
        lines.push(" AND (m.organization_role ");
        match role {
            Some(role) => lines.push("= ").push_bind(role.to_string()),
            None => lines.push("IS NOT NULL"),
        };
        lines.push(" OR").push(GRANTS);
        if let Some(account) = account {
            lines.push(" AND a.account_id = ").push_bind(account.uuid());
        }
        if let Some(role) = role {
            lines.push(" AND a.role = ").push_bind(role.to_string());
        }
        if let (None, Scope::Accounts(accounts)) = (account, scope) {
            lines.push(" AND a.account_id IN ");
            push_accounts(lines, accounts);
        }
        lines.push("))");
    }
    if let Scope::Accounts(accounts) = scope {
        lines.push(" AND (").push_bind(!accounts.is_empty()).push(" AND m.organization_role IS NOT NULL OR");
        lines.push(GRANTS).push(" AND a.account_id IN ");
        push_accounts(lines, accounts);
        lines.push("))");
    }
}

fn sorted(
    mut lines: Lines,
    sort: MemberSort,
    by: &str,
    descending: bool,
    page: &PageRequest,
) -> Option<Lines> {
    let (beyond, order) = if descending { ("<", "DESC") } else { (">", "ASC") };
    if sort == MemberSort::Id {
        match &page.after {
            // A position of another order stands behind every row of this one.
            Some(after) if !after.by.is_empty() && !descending => return None,
            Some(after) if after.by.is_empty() => {
                lines.push(format_args!(" AND m.user_id {beyond} ")).push_bind(after.id);
            }
            Some(_) | None => {}
        }
        lines.push(format_args!(" ORDER BY m.user_id {order}"));
        return Some(limited(lines, page));
    }
    if let Some(after) = &page.after {
        lines.push(format_args!(" AND ({by}, m.user_id) {beyond} (")).push_bind(after.by.clone());
        lines.push(", ").push_bind(after.id).push(")");
    }
    lines.push(format_args!(" ORDER BY {by} {order}, m.user_id {order}"));
    Some(limited(lines, page))
}

/// The names of records of a kind after one, in their order; `None` where there can be none. Of the kinds with one
/// record a home the name is empty.
pub(crate) async fn names(
    connection: &mut SqliteConnection,
    home: i64,
    kind: Kind,
    after: Option<&str>,
    limit: i64,
) -> Result<Option<Vec<String>>, Fault> {
    let Some((table, column)) = kind.table() else {
        return Ok((after.is_none() && limit > 0).then(Vec::new));
    };
    let text = matches!(
        kind,
        Kind::AccountExternalId | Kind::Document | Kind::Feed | Kind::InvitedAddress | Kind::Holding
    );
    let name = if text { column.to_owned() } else { format!("hex({column})") };
    let mut lines = Lines::new(format!("SELECT {name} FROM {table} WHERE home = "));
    lines.push_bind(home);
    if let Some(after) = after {
        lines.push(format_args!(" AND {column} > ")).push(if text { "(" } else { "unhex(" });
        lines.push_bind(after.to_owned()).push(")");
    }
    lines.push(format_args!(" ORDER BY {column} LIMIT ")).push_bind(limit);
    Ok(Some(lines.build_query_scalar().fetch_all(connection).await?))
}
