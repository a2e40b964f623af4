//! A survey by listings and reads alone, a slice at a time: what a store does that has nothing quicker, and what every
//! other must be equal to.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{try_join, try_join_all};

use super::line::{Counts, Line, People, Place};
use super::survey::Survey;
use crate::home::{Home, Key, Record, Tally, TypedKey};
use crate::id::{AccountId, OrganizationId, UserId};
use crate::listing::{Listing, MemberSort, PageRequest, Position, Row, Scope};
use crate::model::customer::{Presence, ReportKind, ThePresence};
use crate::model::{Access, DirectoryKind, Member, MemberStatus};
use crate::op::unsettled;
use crate::store::{Read, Store, StoreError};

/// How many records are read at a time.
const SLICE: u16 = 1_000;
/// Organizations that are begun at a time.
const AT_A_TIME: usize = 16;
/// So many before it is known how large their traits are.
const FIRST: usize = 4;
/// So many bytes of traits may be read at a time, as far as those that were read before tell.
const BYTES: usize = 64 << 20;

/// Who hears of lines.
pub type Take<'a> = &'a mut (dyn FnMut(&Line) + Send);

/// Hands out every line of a survey that its filter could hold of.
pub async fn listed<S: Store + ?Sized>(store: &S, survey: &Survey, take: Take<'_>) -> Result<(), StoreError> {
    if let Some(within) = &survey.within {
        return each(store, survey, within, take).await;
    }
    let listing = Listing::Directory { kind: DirectoryKind::Organizations, active: None, q: None };
    let mut page = PageRequest { after: None, limit: SLICE };
    loop {
        let found = store.list(&listing, &page).await?;
        let organizations = found.rows.iter().filter_map(|row| match &row.stored.record {
            Record::DirectoryEntry(entry) => entry.id.organization().map(|id| (id, Scope::All)),
            _ => None,
        });
        each(store, survey, &organizations.collect::<Vec<_>>(), take).await?;
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok(());
        }
    }
}

/// An organization, and how far its accounts have been read.
struct Begun<'a> {
    place: Arc<Place>,
    scope: &'a Scope,
    /// Active, then deactivated members by account.
    counts: BTreeMap<AccountId, [i64; 2]>,
    lines: Vec<Line>,
    rest: Option<Position>,
    /// How many bytes of traits its last slice had.
    bytes: usize,
}

/// The first slices of some organizations are read at the same time, of fewer where traits are large; what is left of large
/// ones follows, one by one.
async fn each<S: Store + ?Sized>(
    store: &S,
    survey: &Survey,
    organizations: &[(OrganizationId, Scope)],
    take: Take<'_>,
) -> Result<(), StoreError> {
    let (mut left, mut at_a_time) = (organizations, FIRST);
    while !left.is_empty() {
        let (some, rest) = left.split_at(at_a_time.min(left.len()));
        left = rest;
        let all = some.iter().map(|(id, scope)| begin(store, survey, *id, scope));
        let mut largest = 1;
        for mut begun in try_join_all(all).await?.into_iter().flatten() {
            largest = largest.max(begun.bytes);
            begun.lines.iter().for_each(&mut *take);
            while begun.rest.is_some() {
                let after = begun.rest.take();
                begun.slice(store, survey, after).await?;
                begun.lines.iter().for_each(&mut *take);
            }
        }
        at_a_time = (BYTES / largest).clamp(1, AT_A_TIME);
    }
    Ok(())
}

async fn begin<'a, S: Store + ?Sized>(
    store: &S,
    survey: &Survey,
    id: OrganizationId,
    scope: &'a Scope,
) -> Result<Option<Begun<'a>>, StoreError> {
    let (home, needs) = (Home::Organization(id), survey.needs);
    let read = store.read(&home, &[Key::Organization], &[Tally::Seats, Tally::ActiveAccounts]).await?;
    let now = read.now();
    let tally = |tally| read.tallies.get(&tally).copied().unwrap_or(0);
    let (seats, accounts) = (tally(Tally::Seats), tally(Tally::ActiveAccounts));
    let Some(Record::Organization(organization)) = read.records.into_values().next().map(|it| it.record)
    else {
        return Ok(None);
    };
    let due = if needs.seats { unsettled(store, &home, now).await?.seats } else { 0 };
    let (in_all, counts) = if needs.members { count(store, id).await? } else { Default::default() };
    let place = Arc::new(Place { organization, now, seats: seats - due, accounts, counts: in_all });
    let mut begun = Begun { place, scope, counts, lines: Vec::new(), rest: None, bytes: 0 };
    match survey.kind {
        ReportKind::Accounts => begun.slice(store, survey, None).await?,
        ReportKind::Organizations => {
            let line = Line::new(Arc::clone(&begun.place), None);
            begun.lines = begun.filled(store, survey, vec![line]).await?;
        }
    }
    Ok(Some(begun))
}

impl Begun<'_> {
    /// The next accounts.
    async fn slice<S: Store + ?Sized>(
        &mut self,
        store: &S,
        survey: &Survey,
        after: Option<Position>,
    ) -> Result<(), StoreError> {
        let organization = self.place.organization.id;
        let listing = Listing::Accounts { organization, status: None, scope: self.scope.clone() };
        let found = store.list(&listing, &PageRequest { after, limit: SLICE }).await?;
        self.bytes = found.rows.iter().map(size).sum();
        self.rest = found.rows.last().filter(|_| found.more).map(|row| row.position.clone());
        let lines = found.rows.into_iter().filter_map(|row| match row.stored.record {
            Record::Account(account) => {
                let own = self.counts.get(&account.id).copied().unwrap_or_default();
                let mut line = Line::new(Arc::clone(&self.place), Some(account));
                line.count(own);
                Some(line)
            }
            _ => None,
        });
        self.lines = self.filled(store, survey, lines.collect()).await?;
        Ok(())
    }

    /// Those that could belong, with the people that they name.
    async fn filled<S: Store + ?Sized>(
        &self,
        store: &S,
        survey: &Survey,
        mut lines: Vec<Line>,
    ) -> Result<Vec<Line>, StoreError> {
        lines.retain(|line| survey.wants(line));
        if survey.needs.people {
            let mut users: Vec<UserId> = lines.iter().flat_map(Line::users).collect();
            users.sort_unstable();
            users.dedup();
            let people = people(store, survey, &self.place, &users).await?;
            for line in &mut lines {
                line.meet(&people);
            }
        }
        Ok(lines)
    }
}

/// How many bytes of traits a row has, more or less.
fn size(row: &Row) -> usize {
    match &row.stored.record {
        Record::Account(account) => account.traits.size(),
        _ => 0,
    }
}

/// Members of an organization by name, with when they were seen.
async fn people<S: Store + ?Sized>(
    store: &S,
    survey: &Survey,
    place: &Place,
    users: &[UserId],
) -> Result<People, StoreError> {
    let organization = place.organization.id;
    let keys = users.iter().map(|user| Key::Member(*user)).collect();
    let seen = if survey.needs.presence { users } else { &[] };
    let (members, mut seen) =
        try_join(of(store, Home::Organization(organization), keys), presences(store, organization, seen))
            .await?;
    let mut people = People::default();
    if let Some(read) = members {
        let now = read.now().max(place.now);
        for stored in read.records.into_values() {
            if let Record::Member(member) = stored.record {
                let presence = seen.remove(&member.user);
                people.add(member.at(now), presence);
            }
        }
    }
    Ok(people)
}

/// When people were seen in an organization, whether or not it counts still.
pub async fn presences<S: Store + ?Sized>(
    store: &S,
    organization: OrganizationId,
    users: &[UserId],
) -> Result<BTreeMap<UserId, Presence>, StoreError> {
    let keys = users.iter().map(|user| ThePresence(*user).key()).collect();
    let read = of(store, Home::Activity(organization), keys).await?;
    let found = read.into_iter().flat_map(|read| read.records.into_values());
    Ok(found.filter_map(|it| ThePresence::pick(it.record)).map(|it| (it.user, it)).collect())
}

/// A read, unless it is of nothing.
async fn of<S: Store + ?Sized>(store: &S, home: Home, keys: Vec<Key>) -> Result<Option<Read>, StoreError> {
    Ok(if keys.is_empty() { None } else { Some(store.read(&home, &keys, &[]).await?) })
}

/// Members of an organization: in all, and by account.
async fn count<S: Store + ?Sized>(
    store: &S,
    organization: OrganizationId,
) -> Result<(Counts, BTreeMap<AccountId, [i64; 2]>), StoreError> {
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
    let (mut counts, mut accounts) = (Counts::default(), BTreeMap::new());
    loop {
        let found = store.list(&listing, &page).await?;
        for row in &found.rows {
            if let Record::Member(member) = &row.stored.record {
                counted(&member.at(found.now), &mut counts, &mut accounts);
            }
        }
        page.after = found.rows.last().map(|row| row.position.clone());
        if !found.more {
            return Ok((counts, accounts));
        }
    }
}

fn counted(member: &Member, counts: &mut Counts, accounts: &mut BTreeMap<AccountId, [i64; 2]>) {
    counts.add(member.status, matches!(member.access, Access::Organization(_)), 1);
    let n = match member.status {
        MemberStatus::Active => 0,
        MemberStatus::Deactivated => 1,
        MemberStatus::Former => return,
    };
    if let Access::Accounts(roles) = &member.access {
        for account in roles.keys() {
            accounts.entry(*account).or_default()[n] += 1;
        }
    }
}
