//! Listings, from ranges of the index. Which rows belong is for core to say; a range only says where to look.
//!
//! A page is either a walk along the index that has its order, or a gathering of all that a narrower range holds,
//! whichever reads fewer records.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use roster_core::home::{Home, Key};
use roster_core::id::{
    AccountId, ApiKeyId, InvitationId, OperatorKeyId, OrganizationId, RoleId, SessionId, UserId,
};
use roster_core::listing::{Listing, MemberSort, Page, PageRequest, Position, Row, Scope};
use roster_core::model::{DirectoryId, MemberStatus, SHARDS};
use roster_core::text::RecordType;
use roster_core::time::Timestamp;

use crate::error::{Fault, bad};
use crate::index::{self, Range, due_value, value};
use crate::keys::field;
use crate::read::{clock_of, fields};
use crate::store::Inner;
use crate::{head, record};

/// The most lines of one look.
const SLICE: usize = 500;

/// Where to look for the rows of a listing in one home.
struct Plan {
    /// The index that has the order.
    walk: Range,
    /// Sets of ranges, each of which holds all rows.
    narrower: Vec<Vec<Range>>,
    /// Whether a set of one range has the order, too.
    by_id: bool,
}

/// How a page is found.
enum Way {
    Walk(Range),
    Gather(Vec<Range>),
}

/// An answer of `list`.
pub(crate) async fn list(store: &Inner, listing: &Listing, page: &PageRequest) -> Result<Page, Fault> {
    let most = usize::from(page.limit);
    let (now, mut rows) = match (listing, listing.home()) {
        (_, Some(home)) => in_home(store, home, listing, page).await?,
        (Listing::Directory { kind, .. }, None) => {
            let shards =
                (0..SHARDS).map(|shard| in_home(store, Home::Directory(*kind, shard), listing, page));
            let found = try_join_all(shards).await?;
            let now = found.iter().map(|(now, _)| *now).max().unwrap_or(Timestamp::EPOCH);
            let mut rows: Vec<Row> = found.into_iter().flat_map(|(_, rows)| rows).collect();
            rows.sort_by(|a, b| a.position.cmp(&b.position));
            (now, rows)
        }
        (_, None) => (Timestamp::EPOCH, Vec::new()),
    };
    let more = rows.len() > most;
    rows.truncate(most);
    Ok(Page { now, rows, more })
}

/// The first rows in one home, one more than the page holds.
async fn in_home(
    store: &Inner,
    home: Home,
    listing: &Listing,
    page: &PageRequest,
) -> Result<(Timestamp, Vec<Row>), Fault> {
    let now = match listing {
        // Where to look depends on what time has made former.
        Listing::Members { status: Some(MemberStatus::Former), .. } => {
            let found = fields(store, &home, &[]).await?;
            Some(found.clock.max(found.head.time))
        }
        _ => None,
    };
    let plan = plan(listing, now.unwrap_or(Timestamp::EPOCH));
    let descending = matches!(listing, Listing::Members { descending: true, .. });
    let mut look = Look { store, home, listing, page, descending, now, rows: BTreeMap::new() };
    match look.way(plan).await? {
        Way::Walk(range) => look.walk(range).await?,
        Way::Gather(ranges) => look.gather(&ranges).await?,
    }
    let now = look.now.unwrap_or(Timestamp::EPOCH);
    let rows = look.rows.into_values();
    Ok((now, if descending { rows.rev().collect() } else { rows.collect() }))
}

/// What a script answers: the clock, the end of the log, lines, and the records behind them.
type Slice = (String, Option<String>, Vec<Vec<u8>>, Vec<Option<Vec<u8>>>);

/// One look for a page.
struct Look<'a> {
    store: &'a Inner,
    home: Home,
    listing: &'a Listing,
    page: &'a PageRequest,
    descending: bool,
    /// By which times are judged: that of the first answer.
    now: Option<Timestamp>,
    rows: BTreeMap<Position, Row>,
}

impl Look<'_> {
    fn wanted(&self) -> usize {
        usize::from(self.page.limit) + 1
    }

    /// Gathering reads all of a range; a walk reads, for each row, as many records as there are for each that belongs.
    async fn way(&self, plan: Plan) -> Result<Way, Fault> {
        if plan.narrower.is_empty() {
            return Ok(Way::Walk(plan.walk));
        }
        let ranges = plan.narrower.iter().flatten().chain([&plan.walk]);
        let ends = ranges.flat_map(|range| [range.from.clone(), range.to.clone()]).collect::<Vec<_>>();
        let keys = self.store.keys(&self.home);
        let counts: Vec<usize> = self.store.bulk.ask(&self.store.scripts.count, keys.all(), &ends).await?;
        let mut counts = counts.into_iter();
        let size = |set: &Vec<Range>| counts.by_ref().take(set.len()).sum::<usize>();
        let sizes: Vec<usize> = plan.narrower.iter().map(size).collect();
        let whole = counts.next().unwrap_or(0);
        let Some((size, set)) = sizes.into_iter().zip(plan.narrower).min_by_key(|(size, _)| *size) else {
            return Ok(Way::Walk(plan.walk));
        };
        Ok(match <[Range; 1]>::try_from(set) {
            Ok([range]) if plan.by_id => Way::Walk(range),
            Ok(range) if worth(size, self.wanted(), whole) => Way::Gather(range.into()),
            Err(set) if worth(size, self.wanted(), whole) => Way::Gather(set),
            Ok(_) | Err(_) => Way::Walk(plan.walk),
        })
    }

    /// Follows a range until the page is full.
    async fn walk(&mut self, range: Range) -> Result<(), Fault> {
        let after = self.page.after.as_ref().map(|after| row_of(self.listing, after));
        let mut rest = match after {
            Some(row) => range.behind(&row, self.descending),
            None => range,
        };
        let mut slice = self.wanted();
        loop {
            let lines = self.slice(std::slice::from_ref(&rest), slice).await?;
            let Some(last) = lines.last().filter(|_| lines.len() == slice && self.rows.len() < self.wanted())
            else {
                return Ok(());
            };
            rest = rest.behind_line(last, self.descending);
            slice = (slice * 2).min(SLICE);
        }
    }

    /// Reads all of some ranges at one instant: a record may move from one to another at any time.
    async fn gather(&mut self, ranges: &[Range]) -> Result<(), Fault> {
        self.slice(ranges, usize::try_from(i32::MAX).unwrap_or(usize::MAX)).await.map(drop)
    }

    /// Takes in the records behind some lines, and keeps the rows that the page may need.
    async fn slice(&mut self, ranges: &[Range], most: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let way = if self.descending { "down" } else { "up" };
        let mut arguments = vec![most.to_string().into_bytes(), way.into()];
        arguments.extend(ranges.iter().flat_map(|range| [range.from.clone(), range.to.clone()]));
        let keys = self.store.keys(&self.home);
        let (clock, end, lines, values): Slice =
            self.store.bulk.ask(&self.store.scripts.page, keys.all(), &arguments).await?;
        let clock = clock_of(&self.store.clock, &clock)?;
        let end = head::read(&self.home, end.as_deref())?;
        let now = *self.now.get_or_insert(clock.max(end.time));
        for value in values {
            let value = value.ok_or_else(|| bad("index", "a line leads to no record"))?;
            let stored = record::decode(&value)?;
            if let Some(position) = self.listing.position(&stored.record, now)
                && self.is_behind(&position)
            {
                self.rows.insert(position.clone(), Row { position, stored });
            }
        }
        while self.rows.len() > self.wanted() {
            if self.descending {
                self.rows.pop_first()
            } else {
                self.rows.pop_last()
            };
        }
        Ok(lines)
    }

    fn is_behind(&self, position: &Position) -> bool {
        self.page.after.as_ref().is_none_or(
            |after| {
                if self.descending { position < after } else { position > after }
            },
        )
    }
}

/// Whether gathering so many reads less than a walk for so many rows of a whole is likely to.
const fn worth(size: usize, wanted: usize, whole: usize) -> bool {
    size <= SLICE || size.saturating_mul(size) <= wanted.saturating_mul(whole)
}

fn plan(listing: &Listing, now: Timestamp) -> Plan {
    let whole = |index: &str| Plan { walk: Range::whole(index), narrower: Vec::new(), by_id: true };
    match listing {
        Listing::Directory { q, .. } => {
            Plan { narrower: q.iter().map(|q| Range::search(q).to_vec()).collect(), ..whole("entry") }
        }
        Listing::Accounts { .. } => whole("account"),
        Listing::Members { sort, .. } => Plan {
            narrower: narrower(listing, now),
            by_id: *sort == MemberSort::Id,
            ..whole(index::order_of(*sort))
        },
        Listing::ApiKeys { .. } => whole("api_key"),
        Listing::Roles { .. } => whole("custom_role"),
        Listing::OperatorKeys => whole("operator_key"),
        Listing::Memberships { .. } => whole("membership"),
        Listing::Sessions { .. } => whole("session"),
        Listing::Invitations { .. } => whole("invitation"),
        Listing::Holdings { owners, kind, .. } => {
            Plan { narrower: of_holdings(owners, kind.as_ref()), ..whole("holding") }
        }
        Listing::Due { until, .. } => Plan { walk: Range::due(*until), ..whole("due") },
    }
}

/// For each filter of a member list, the ranges in which whoever passes it stands.
fn narrower(listing: &Listing, now: Timestamp) -> Vec<Vec<Range>> {
    let Listing::Members { status, account, role, q, scope, .. } = listing else { return Vec::new() };
    let on = |account: &AccountId| Range::whole(&index::of_account(*account));
    let mut sets: Vec<Vec<Range>> = Vec::new();
    sets.extend(status.map(|status| {
        let stored = Range::whole(index::of_status(status));
        // Time may have made a former member of one who is stored as something else.
        if status == MemberStatus::Former { vec![stored, Range::due(now)] } else { vec![stored] }
    }));
    sets.extend(account.iter().map(|account| vec![on(account), Range::whole(index::WIDE)]));
    sets.extend(role.map(|role| vec![Range::whole(&index::of_role(role))]));
    sets.extend(q.iter().map(|q| Range::search(q).to_vec()));
    if let Scope::Accounts(accounts) = scope {
        sets.push(accounts.iter().map(on).chain([Range::whole(index::WIDE)]).collect());
    }
    sets
}

/// For each filter of a list of records, the ranges in which those that pass it stand.
fn of_holdings(owners: &[UserId], kind: Option<&RecordType>) -> Vec<Vec<Range>> {
    let owned = owners.iter().map(|owner| Range::whole(&index::of_owner(*owner, kind))).collect::<Vec<_>>();
    match (owned.is_empty(), kind) {
        (false, _) => vec![owned],
        (true, Some(kind)) => vec![vec![Range::whole(&index::of_type(kind))]],
        (true, None) => Vec::new(),
    }
}

/// What stands in a line behind the name of its index, for a row of a listing.
fn row_of(listing: &Listing, at: &Position) -> String {
    let key = match listing {
        Listing::Directory { kind, .. } => Key::DirectoryEntry(DirectoryId::from_uuid(*kind, at.id)),
        Listing::Accounts { .. } => Key::Account(AccountId::from_uuid(at.id)),
        Listing::Members { .. } => Key::Member(UserId::from_uuid(at.id)),
        Listing::ApiKeys { .. } => Key::ApiKey(ApiKeyId::from_uuid(at.id)),
        Listing::Roles { .. } => Key::Role(RoleId::from_uuid(at.id)),
        Listing::OperatorKeys => Key::OperatorKey(OperatorKeyId::from_uuid(at.id)),
        Listing::Memberships { .. } => Key::Membership(OrganizationId::from_uuid(at.id)),
        Listing::Sessions { .. } => Key::Session(SessionId::from_uuid(at.id)),
        Listing::Invitations { .. } => Key::Invitation(InvitationId::from_uuid(at.id)),
        Listing::Holdings { .. } => return format!("{}\0", at.id.simple()),
        Listing::Due { .. } => return format!("{}\0", due_value(&at.by, at.id)),
    };
    format!("{}\0{}", value(&at.by), field(&key))
}
