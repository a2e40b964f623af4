//! Reading everything that a report could show, slice by slice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cell::Cell;
use super::field::Field;
use super::filter::Filter;
use crate::facts::Request;
use crate::home::{Home, Key, Record, Tally, TypedKey};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::listing::{Listing, MemberSort, PageRequest, Scope};
use crate::model::customer::{Customer, Presence, ReportKind, ThePresence};
use crate::model::{Account, DirectoryKind, FormerMembers, Member, MemberStatus, Organization, Post, Posts};
use crate::op::Roster;
use crate::permission::Permission;
use crate::reads::{pointers, visible_standing};
use crate::refusal::{OpError, Refusal};
use crate::time::Timestamp;

/// How many records are read at a time.
const SLICE: u16 = 200;

/// What is asked.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// What has a row.
    pub kind: ReportKind,
    /// The columns; the usual ones if there are none.
    pub columns: Vec<Field>,
    /// Which rows; all without one.
    pub filter: Option<Filter>,
    /// In which order: columns, `true` for downwards; then by id.
    pub sort: Vec<(Field, bool)>,
    /// How many rows.
    pub limit: u16,
    /// Behind this row.
    pub after: Option<ReportPosition>,
}

/// Where a row stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReportPosition {
    by: Vec<Cell>,
    id: Uuid,
}

/// A page of a report: the values of each row in the order of the columns.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportPage {
    /// The columns.
    pub columns: Vec<Field>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Where the next page begins.
    pub next: Option<ReportPosition>,
}

/// A page of a report on what the actor may see: operators all, others where they hold `customers:read`.
pub async fn report(roster: &Roster, request: &Request, asked: &Asked) -> Result<ReportPage, OpError> {
    let columns =
        if asked.columns.is_empty() { super::usual_columns(asked.kind) } else { asked.columns.clone() };
    let within =
        if request.actor.is_operator() { None } else { Some(own(roster, request, asked.kind).await?) };
    let mut best: Vec<(ReportPosition, Vec<Cell>)> = Vec::new();
    let most = usize::from(asked.limit) + 1;
    let order = |one: &ReportPosition, other: &ReportPosition| compare(&asked.sort, one, other);
    let mut wanted: Vec<&Field> = columns.iter().chain(asked.sort.iter().map(|(field, _)| field)).collect();
    if let Some(filter) = &asked.filter {
        filter.fields(&mut wanted);
    }
    let needs = Needs::of(&wanted);
    each_row(roster, asked.kind, needs, within.as_deref(), &mut |row, now| {
        if asked.filter.as_ref().is_some_and(|filter| !filter.holds(&mut |field| row.cell(field), now)) {
            return;
        }
        let by = asked.sort.iter().map(|(field, _)| row.cell(field)).collect();
        let position = ReportPosition { by, id: row.id() };
        let passed = asked.after.as_ref().is_some_and(|after| order(&position, after).is_le());
        let full = best.len() == most && order(&best[most - 1].0, &position).is_le();
        if passed || full {
            return;
        }
        let at = best.partition_point(|(known, _)| order(known, &position).is_lt());
        best.insert(at, (position, columns.iter().map(|field| row.cell(field)).collect()));
        best.truncate(most);
    })
    .await?;
    let more = best.len() == most;
    best.truncate(usize::from(asked.limit));
    let next = best.last().filter(|_| more).map(|(position, _)| position.clone());
    Ok(ReportPage { columns, rows: best.into_iter().map(|(_, row)| row).collect(), next })
}

fn compare(sort: &[(Field, bool)], one: &ReportPosition, other: &ReportPosition) -> std::cmp::Ordering {
    let by = sort.iter().zip(one.by.iter().zip(&other.by)).map(|((_, down), (one, other))| {
        let order = one.order(other);
        if *down { order.reverse() } else { order }
    });
    by.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then_with(|| one.id.cmp(&other.id))
}

/// The organizations in which the actor holds `customers:read`, with the accounts on which.
async fn own(
    roster: &Roster,
    request: &Request,
    kind: ReportKind,
) -> Result<Vec<(OrganizationId, Scope)>, OpError> {
    let organizations = match (request.actor.bound_to(), request.actor.user()) {
        (Some(organization), _) => vec![organization],
        (None, Some(user)) => pointers(roster, user).await?,
        (None, None) => Vec::new(),
    };
    let permission = Permission::of("customers:read");
    let mut found = Vec::new();
    for organization in organizations {
        let standing = match visible_standing(roster, request, organization).await {
            Ok((_, standing)) => standing,
            Err(OpError::Refused(_)) => continue,
            Err(error) => return Err(error),
        };
        let scope = standing.scope(&permission);
        let whole = standing.holds(&permission, crate::policy::Reach::Organization);
        match (&scope, kind) {
            (Scope::All, _) if whole => found.push((organization, scope)),
            (Scope::Accounts(accounts), ReportKind::Accounts) if !accounts.is_empty() => {
                found.push((organization, scope));
            }
            _ => {}
        }
    }
    if found.is_empty() { Err(Refusal::lacks("customers:read").into()) } else { Ok(found) }
}

/// What must be read for the columns that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a read of its own")]
pub(crate) struct Needs {
    seats: bool,
    members: bool,
    owners: bool,
    presence: bool,
    accounts: bool,
}

impl Needs {
    pub(crate) fn of(fields: &[&Field]) -> Self {
        let any = |fits: &dyn Fn(&str) -> bool| fields.iter().any(|field| fits(field.own()));
        Self {
            seats: any(&|name| name.starts_with("seats.")),
            members: any(&|name| name.starts_with("members")),
            owners: any(&|name| name.starts_with("owner") || name.starts_with("governor")),
            presence: any(&|name| {
                name.starts_with("owner.last_") || ["owner.first_seen_at", "owner.sessions"].contains(&name)
            }),
            accounts: any(&|name| name == "accounts"),
        }
    }
}

/// What is known of an organization.
#[derive(Debug)]
struct Place {
    organization: Organization,
    used: i64,
    counts: Counts,
    accounts: i64,
}

/// How many members, in all and by account.
#[derive(Debug, Default)]
struct Counts {
    active: i64,
    deactivated: i64,
    former: i64,
    wide: [i64; 2],
    accounts: BTreeMap<AccountId, [i64; 2]>,
}

/// One row, as far as it was read.
#[derive(Debug)]
pub(crate) struct ReportRow<'a> {
    place: &'a Place,
    account: Option<&'a Account>,
    owner: Option<&'a Owner>,
    governor: Option<&'a Member>,
}

/// Whoever holds the post of the owner.
#[derive(Clone, Debug, Default)]
struct Owner {
    state: &'static str,
    source: Option<&'static str>,
    external: Option<String>,
    member: Option<Member>,
    presence: Option<Presence>,
}

impl ReportRow<'_> {
    /// The id of the account or the organization.
    pub(crate) fn id(&self) -> Uuid {
        self.account.map_or_else(|| self.place.organization.id.uuid(), |account| account.id.uuid())
    }

    /// In which organization.
    pub(crate) const fn organization(&self) -> OrganizationId {
        self.place.organization.id
    }

    /// The value in a column.
    pub(crate) fn cell(&self, field: &Field) -> Cell {
        let organization = &self.place.organization;
        match (field, self.account) {
            (Field::Trait(name), Some(account)) => Cell::json(account.traits.get(name)),
            (Field::Trait(name), None) | (Field::OrganizationTrait(name), _) => {
                Cell::json(organization.traits.get(name))
            }
            (Field::Own(name), _) => match name.split_once('.') {
                Some(("owner", name)) => self.owner_cell(name),
                Some(("organization", name)) => organization_cell(organization, name),
                Some(("governor", name)) => match name {
                    "user_id" => Cell::text(Some(organization.owner)),
                    _ => Cell::text(self.governor.and_then(|member| member.card.email.as_ref())),
                },
                Some(("seats", "used")) => Cell::count(self.place.used),
                Some(("seats", _)) => {
                    organization.purchased.map_or(Cell::Nothing, |it| Cell::count(it.into()))
                }
                Some(("members", name)) => self.members(name),
                _ => self.own_cell(name),
            },
        }
    }

    fn own_cell(&self, name: &str) -> Cell {
        match (name, self.account) {
            ("owner", _) => self.owner_cell("user_id"),
            ("members", _) => self.members("active"),
            ("accounts", _) => Cell::count(self.place.accounts),
            ("organization_id", _) => Cell::text(Some(self.place.organization.id)),
            ("id", Some(account)) => Cell::text(Some(account.id)),
            ("external_id", Some(account)) => Cell::text(account.external_id.as_ref()),
            ("name", Some(account)) => Cell::text(Some(&account.name)),
            ("status", Some(account)) => Cell::json(serde_json::to_value(account.status).ok().as_ref()),
            ("created_at", Some(account)) => Cell::Time(account.created_at),
            (name, _) => organization_cell(&self.place.organization, name),
        }
    }

    fn members(&self, name: &str) -> Cell {
        let counts = &self.place.counts;
        if name == "former" && self.place.organization.settings.former_members == FormerMembers::Hide {
            return Cell::Nothing;
        }
        let on = |n: usize| match self.account {
            Some(account) => counts.wide[n] + counts.accounts.get(&account.id).map_or(0, |own| own[n]),
            None => [counts.active, counts.deactivated][n],
        };
        Cell::count(match name {
            "active" => on(0),
            "deactivated" => on(1),
            _ => counts.former,
        })
    }

    fn owner_cell(&self, name: &str) -> Cell {
        let Some(owner) = self.owner else {
            return if name == "state" { Cell::text(Some("none")) } else { Cell::Nothing };
        };
        let (member, presence) = (owner.member.as_ref(), owner.presence.as_ref());
        let seen = |pick: &dyn Fn(&Presence) -> Option<Timestamp>| Cell::time(presence.and_then(pick));
        match name {
            "state" => Cell::text(Some(owner.state)),
            "source" => Cell::text(owner.source),
            "user_id" => Cell::text(member.map(|member| member.user)),
            "external_id" => {
                let own = member.and_then(|member| member.card.external_id.as_ref()).map(ToString::to_string);
                Cell::text(own.or_else(|| owner.external.clone()))
            }
            "email" => Cell::text(member.and_then(|member| member.card.email.as_ref())),
            "name" => Cell::text(member.and_then(|member| member.card.name.as_ref())),
            "joined_at" => Cell::time(member.map(|member| member.joined_at)),
            "first_seen_at" => seen(&|presence| presence.first_seen_at),
            "last_seen_at" => seen(&|presence| presence.last_seen_at),
            "last_message_received_at" => seen(&|presence| presence.last_message_received_at),
            "last_message_sent_at" => seen(&|presence| presence.last_message_sent_at),
            // Nobody's sessions are no number; somebody who was never seen had none.
            _ => member
                .map_or(Cell::Nothing, |_| Cell::count(presence.map_or(0, |presence| presence.sessions))),
        }
    }
}

fn organization_cell(it: &Organization, name: &str) -> Cell {
    match name {
        "id" => Cell::text(Some(it.id)),
        "external_id" => Cell::text(it.external_id.as_ref()),
        "name" => Cell::text(Some(&it.name)),
        "slug" => Cell::text(Some(&it.slug)),
        "status" => Cell::json(serde_json::to_value(it.status).ok().as_ref()),
        "created_at" => Cell::Time(it.created_at),
        _ => Cell::Nothing,
    }
}

/// Every row that there is, in no order, with the instant by which it is judged.
pub(crate) async fn each_row(
    roster: &Roster,
    kind: ReportKind,
    needs: Needs,
    within: Option<&[(OrganizationId, Scope)]>,
    take: &mut (dyn FnMut(&ReportRow<'_>, Timestamp) + Send),
) -> Result<(), OpError> {
    if let Some(within) = within {
        for (organization, scope) in within {
            of_organization(roster, kind, needs, *organization, scope, take).await?;
        }
        return Ok(());
    }
    let listing = Listing::Directory { kind: DirectoryKind::Organizations, active: None, q: None };
    let mut page = PageRequest { after: None, limit: SLICE };
    loop {
        let found = roster.store.list(&listing, &page).await?;
        for row in &found.rows {
            if let Record::DirectoryEntry(entry) = &row.stored.record
                && let Some(organization) = entry.id.organization()
            {
                of_organization(roster, kind, needs, organization, &Scope::All, take).await?;
            }
        }
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(());
        }
    }
}

async fn of_organization(
    roster: &Roster,
    kind: ReportKind,
    needs: Needs,
    id: OrganizationId,
    scope: &Scope,
    take: &mut (dyn FnMut(&ReportRow<'_>, Timestamp) + Send),
) -> Result<(), OpError> {
    let home = Home::Organization(id);
    let tallies: &[Tally] =
        if needs.seats || needs.accounts { &[Tally::Seats, Tally::ActiveAccounts] } else { &[] };
    let read = roster.store.read(&home, &[Key::Organization], tallies).await?;
    let now = read.now();
    let Some(Record::Organization(organization)) = read.records.get(&Key::Organization).map(|it| &it.record)
    else {
        return Ok(());
    };
    let tally = |tally| read.tallies.get(&tally).copied().unwrap_or(0);
    let due = if needs.seats { crate::op::due_seats(roster, &home, now).await? } else { 0 };
    let counts = if needs.members { count(roster, id).await? } else { Counts::default() };
    let place = Place {
        organization: organization.clone(),
        used: tally(Tally::Seats) - due,
        counts,
        accounts: tally(Tally::ActiveAccounts),
    };
    if kind == ReportKind::Organizations {
        let owners = owners(roster, id, needs, &[&place.organization.posts]).await?;
        let governor = if needs.owners {
            members(roster, id, &[place.organization.owner]).await?
        } else {
            BTreeMap::new()
        };
        let governor = governor.values().next();
        take(&ReportRow { place: &place, account: None, owner: owners[0].as_ref(), governor }, now);
        return Ok(());
    }
    let listing = Listing::Accounts { organization: id, status: None, scope: scope.clone() };
    let mut page = PageRequest { after: None, limit: SLICE };
    loop {
        let found = roster.store.list(&listing, &page).await?;
        let accounts: Vec<Account> = found
            .rows
            .iter()
            .filter_map(|row| match &row.stored.record {
                Record::Account(account) => Some(account.clone()),
                _ => None,
            })
            .collect();
        let posts: Vec<&Posts> = accounts.iter().map(|account| &account.posts).collect();
        let owners = owners(roster, id, needs, &posts).await?;
        for (account, owner) in accounts.iter().zip(&owners) {
            take(
                &ReportRow { place: &place, account: Some(account), owner: owner.as_ref(), governor: None },
                now,
            );
        }
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(());
        }
    }
}

/// Whoever holds posts of owners, with when they were seen, in two round trips.
async fn owners(
    roster: &Roster,
    organization: OrganizationId,
    needs: Needs,
    posts: &[&Posts],
) -> Result<Vec<Option<Owner>>, OpError> {
    if !needs.owners {
        return Ok(posts.iter().map(|_| None).collect());
    }
    let mut users: Vec<UserId> =
        posts.iter().filter_map(|posts| posts.account_owner.as_ref()).filter_map(Post::holder).collect();
    users.sort_unstable();
    users.dedup();
    let members =
        if users.is_empty() { BTreeMap::new() } else { members(roster, organization, &users).await? };
    let seen =
        if needs.presence { presences(roster, organization, &members).await? } else { BTreeMap::new() };
    let owner = |posts: &&Posts| {
        // One who has left holds it no more, whether or not it was written down.
        let post = posts.as_held(&members).account_owner?;
        let (source, external) = match &post {
            Post::Manual { .. } => ("manual", None),
            Post::Mapping { external_id, .. } => ("mapping", Some(external_id.to_string())),
        };
        let state = if post.holder().is_some() { "resolved" } else { "unresolved" };
        let member = post.holder().and_then(|user| members.get(&user).cloned());
        let presence = post.holder().and_then(|user| seen.get(&user).cloned());
        Some(Owner { state, source: Some(source), external, member, presence })
    };
    Ok(posts.iter().map(owner).collect())
}

async fn members(
    roster: &Roster,
    organization: OrganizationId,
    users: &[UserId],
) -> Result<BTreeMap<UserId, Member>, OpError> {
    let keys: Vec<Key> = users.iter().map(|user| Key::Member(*user)).collect();
    let read = roster.store.read(&Home::Organization(organization), &keys, &[]).await?;
    let now = read.now();
    let found = read.records.into_values().filter_map(|stored| match stored.record.at(now) {
        Record::Member(member) => Some((member.user, member)),
        _ => None,
    });
    Ok(found.collect())
}

/// When users were seen in an organization, as far as it counts still (rule L4).
pub(crate) async fn presences(
    roster: &Roster,
    organization: OrganizationId,
    members: &BTreeMap<UserId, Member>,
) -> Result<BTreeMap<UserId, Presence>, OpError> {
    if members.is_empty() {
        return Ok(BTreeMap::new());
    }
    let keys: Vec<Key> = members.keys().map(|user| ThePresence(*user).key()).collect();
    let read = roster.store.read(&Home::Activity(organization), &keys, &[]).await?;
    let found = read.records.into_values().filter_map(|stored| match stored.record {
        Record::Customer(it) => match *it {
            Customer::Presence(presence) => Some((presence.user, presence)),
            _ => None,
        },
        _ => None,
    });
    let counts = |presence: &Presence| {
        members
            .get(&presence.user)
            .is_some_and(|member| !member.is_deleted() && presence.since >= member.deleted_at)
    };
    Ok(found.filter(|(_, presence)| counts(presence)).collect())
}

/// Members of an organization, by status and account.
async fn count(roster: &Roster, organization: OrganizationId) -> Result<Counts, OpError> {
    let listing = Listing::Members {
        organization,
        status: None,
        account: None,
        role: None,
        q: None,
        sort: MemberSort::Id,
        descending: false,
        scope: Scope::All,
    };
    let mut page = PageRequest { after: None, limit: SLICE };
    let mut counts = Counts::default();
    loop {
        let found = roster.store.list(&listing, &page).await?;
        for row in &found.rows {
            let Record::Member(member) = row.stored.record.clone().at(found.now) else { continue };
            let n = match member.status {
                MemberStatus::Active => {
                    counts.active += 1;
                    0
                }
                MemberStatus::Deactivated => {
                    counts.deactivated += 1;
                    1
                }
                MemberStatus::Former => {
                    counts.former += 1;
                    continue;
                }
            };
            match &member.access {
                crate::model::Access::Organization(_) => counts.wide[n] += 1,
                crate::model::Access::Accounts(roles) => {
                    for account in roles.keys() {
                        counts.accounts.entry(*account).or_default()[n] += 1;
                    }
                }
            }
        }
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(counts);
        }
    }
}
