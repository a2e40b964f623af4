//! One change set within a transaction: every check first, in the contract's order, then every write.
//!
//! The home's row is locked before anything is read, so that what the checks see cannot change before COMMIT.

use std::collections::{BTreeMap, HashMap};

use roster_core::home::{Key, Tally};
use roster_core::id::CommitId;
use roster_core::store::{ChangeSet, CommitError, Committed, StoreClock, Write};
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::kind::{self, Kind, Names};
use crate::log::{self, Place};
use crate::row::bad;

/// How long a commit of a home without a log can be found again: 49 hours, in seconds.
const KEPT_SECONDS: i64 = 49 * 3600;

/// Why a set was not applied.
pub(crate) enum Stopped {
    /// Refused by a check, before anything was written; or nothing but this set is concerned.
    Set(CommitError),
    /// The transaction cannot go on.
    Transaction(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        if fault.is_of_one_set() {
            Self::Set(fault.during("commit").into())
        } else {
            Self::Transaction(fault)
        }
    }
}

impl From<CommitError> for Stopped {
    fn from(error: CommitError) -> Self {
        Self::Set(error)
    }
}

/// Applies one set within an open transaction, which must be undone to before this call where it fails.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    changes: &ChangeSet,
    clock: &StoreClock,
) -> Result<Committed, Stopped> {
    changes.check().map_err(CommitError::from)?;
    let place = log::hold(connection, &changes.home).await?;
    let standing = Standing::read(connection, place.home, changes).await?;
    if standing.applied {
        return Ok(Committed::Before);
    }
    let now = if let StoreClock::Given(clock) = clock { clock.now() } else { standing.clock };
    if changes.not_after.is_some_and(|end| now > end) {
        return Err(CommitError::TooLate.into());
    }
    for (key, expected) in &changes.guards {
        if standing.versions.get(&Mark::of(key)).copied() != *expected {
            return Err(CommitError::Conflict(key.clone()).into());
        }
    }
    let sums = sums(changes, &standing)?;
    Ok(write(connection, changes, place, &sums, now).await?)
}

/// A key as columns can hold it.
#[derive(PartialEq, Eq, Hash, Debug)]
struct Mark(i32, Option<Uuid>, Option<String>, Option<Vec<u8>>);

impl Mark {
    fn of(key: &Key) -> Self {
        let mut names = Names::default();
        names.add(key);
        Self(Kind::of(key) as i32, names.ids.pop(), names.texts.pop(), names.bytes.pop())
    }
}

/// What the checks need to know, read in one statement after the lock.
struct Standing {
    clock: Timestamp,
    applied: bool,
    versions: HashMap<Mark, CommitId>,
    tallies: BTreeMap<String, i64>,
}

/// What a row says that is not the version of a record.
const CLOCK: i32 = -1;
const APPLIED: i32 = -2;
const TALLY: i32 = -3;

impl Standing {
    async fn read(connection: &mut PgConnection, home: i64, changes: &ChangeSet) -> Result<Self, Fault> {
        let mut names: BTreeMap<Kind, Names> = BTreeMap::new();
        for key in changes.guards.keys() {
            names.entry(Kind::of(key)).or_default().add(key);
        }
        let asked = |kind: Kind| names.contains_key(&kind);
        let none = Names::default();
        let of = |kind: Kind| names.get(&kind).unwrap_or(&none);
        let rows = query!(
            r#"SELECT -1 AS "what!", NULL::uuid AS "id?", NULL::text AS "text?", NULL::bytea AS "bytes?",
                   NULL::uuid AS "version?", (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS "number?"
               UNION ALL SELECT -2, NULL, NULL, NULL, NULL, NULL FROM log WHERE home = $1 AND commit_id = $2
               UNION ALL SELECT -2, NULL, NULL, NULL, NULL, NULL FROM commits WHERE home = $1 AND id = $2
               UNION ALL SELECT -3, NULL, tally, NULL, NULL, sum FROM tallies WHERE home = $1
               UNION ALL SELECT 0, NULL, NULL, NULL, version, NULL FROM organizations WHERE home = $1 AND $3
               UNION ALL SELECT 1, id, NULL, NULL, version, NULL FROM accounts WHERE home = $1 AND id = ANY ($4)
               UNION ALL SELECT 2, NULL, external_id, NULL, version, NULL FROM account_external_ids
                   WHERE home = $1 AND external_id = ANY ($5)
               UNION ALL SELECT 3, user_id, NULL, NULL, version, NULL FROM members
                   WHERE home = $1 AND user_id = ANY ($6)
               UNION ALL SELECT 4, id, NULL, NULL, version, NULL FROM api_keys WHERE home = $1 AND id = ANY ($7)
               UNION ALL SELECT 5, id, NULL, NULL, version, NULL FROM transfers WHERE home = $1 AND id = ANY ($8)
               UNION ALL SELECT 6, NULL, NULL, NULL, version, NULL FROM users WHERE home = $1 AND $9
               UNION ALL SELECT 7, organization_id, NULL, NULL, version, NULL FROM memberships
                   WHERE home = $1 AND organization_id = ANY ($10)
               UNION ALL SELECT 8, id, NULL, NULL, version, NULL FROM operator_keys WHERE home = $1 AND id = ANY ($11)
               UNION ALL SELECT 9, NULL, NULL, NULL, version, NULL FROM claims WHERE home = $1 AND $12
               UNION ALL SELECT 10, id, NULL, NULL, version, NULL FROM directory_entries
                   WHERE home = $1 AND id = ANY ($13)
               UNION ALL SELECT 11, NULL, NULL, id, version, NULL FROM receipts WHERE home = $1 AND id = ANY ($14)"#,
            home,
            changes.id.uuid(),
            asked(Kind::Organization),
            &of(Kind::Account).ids,
            &of(Kind::AccountExternalId).texts,
            &of(Kind::Member).ids,
            &of(Kind::ApiKey).ids,
            &of(Kind::Transfer).ids,
            asked(Kind::User),
            &of(Kind::Membership).ids,
            &of(Kind::OperatorKey).ids,
            asked(Kind::Claim),
            &of(Kind::DirectoryEntry).ids,
            &of(Kind::Receipt).bytes
        );
        let (versions, tallies) = (HashMap::new(), BTreeMap::new());
        let mut standing = Self { clock: Timestamp::EPOCH, applied: false, versions, tallies };
        for row in rows.fetch_all(connection).await? {
            match (row.what, row.version, row.number, row.text) {
                (CLOCK, _, Some(micros), _) => standing.clock = Timestamp::from_micros(micros),
                (APPLIED, ..) => standing.applied = true,
                (TALLY, _, Some(sum), Some(tally)) => {
                    standing.tallies.insert(tally, sum);
                }
                (what, Some(version), _, text) => {
                    let mark = Mark(what, row.id, text, row.bytes);
                    standing.versions.insert(mark, CommitId::from_uuid(version));
                }
                (what, ..) => return Err(bad("what", what)),
            }
        }
        Ok(standing)
    }
}

/// What the tallies would be, each within its range after each step.
fn sums(changes: &ChangeSet, standing: &Standing) -> Result<BTreeMap<Tally, i64>, CommitError> {
    let mut sums = BTreeMap::new();
    for write in &changes.writes {
        let Write::Add { tally, by, within } = write else {
            continue;
        };
        let kept = || standing.tallies.get(tally.name()).copied().unwrap_or(0);
        let before: i64 = sums.get(tally).copied().unwrap_or_else(kept);
        let after = before.saturating_add(*by);
        if !within.contains(&after) {
            return Err(CommitError::OutOfBounds(*tally));
        }
        sums.insert(*tally, after);
    }
    Ok(sums)
}

/// How tallies stand.
pub(crate) async fn tallies(
    connection: &mut PgConnection,
    home: i64,
) -> Result<BTreeMap<String, i64>, Fault> {
    let rows = query!("SELECT tally, sum FROM tallies WHERE home = $1", home);
    Ok(rows.fetch_all(connection).await?.into_iter().map(|row| (row.tally, row.sum)).collect())
}

async fn write(
    connection: &mut PgConnection,
    changes: &ChangeSet,
    place: Place,
    sums: &BTreeMap<Tally, i64>,
    now: Timestamp,
) -> Result<Committed, Fault> {
    for write in &changes.writes {
        match write {
            Write::Put(record) => kind::put(connection, place.home, changes.id, record).await?,
            Write::Remove(key) => kind::remove(connection, place.home, key).await?,
            Write::Add { .. } => {}
        }
    }
    if !sums.is_empty() {
        let (names, sums): (Vec<String>, Vec<i64>) =
            sums.iter().map(|(tally, sum)| (tally.name().to_owned(), *sum)).unzip();
        query!(
            "INSERT INTO tallies (home, tally, sum)
             SELECT $1, tally, sum FROM UNNEST($2::text[], $3::bigint[]) AS given (tally, sum)
             ON CONFLICT (home, tally) DO UPDATE SET sum = excluded.sum",
            place.home,
            &names,
            &sums
        )
        .execute(&mut *connection)
        .await?;
    }
    match &changes.entry {
        Some(entry) => Ok(Committed::Now(Some(log::append(connection, place, changes.id, entry).await?))),
        None => remember(connection, place.home, changes.id, now).await.map(|()| Committed::Now(None)),
    }
}

/// Where there is no log, a commit is remembered beside the records; the oldest are let go a few at a time.
async fn remember(
    connection: &mut PgConnection,
    home: i64,
    commit: CommitId,
    now: Timestamp,
) -> Result<(), Fault> {
    query!(
        "WITH old AS (
             SELECT home, id FROM commits WHERE at < $4 ORDER BY at LIMIT 16 FOR UPDATE SKIP LOCKED
         ), forgotten AS (
             DELETE FROM commits USING old WHERE commits.home = old.home AND commits.id = old.id
         )
         INSERT INTO commits (home, id, at) VALUES ($1, $2, $3)",
        home,
        commit.uuid(),
        now.micros(),
        now.plus_seconds(-KEPT_SECONDS).micros()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes and locks the homes of several sets, in one order for everybody, so that no two wait for each other.
pub(crate) async fn hold_all(connection: &mut PgConnection, sets: &[ChangeSet]) -> Result<(), Fault> {
    let homes: BTreeMap<String, &ChangeSet> = sets.iter().map(|set| (set.home.to_string(), set)).collect();
    let names: Vec<String> = homes.keys().cloned().collect();
    let known = query_scalar!("SELECT name FROM homes WHERE name = ANY ($1)", &names);
    let known: Vec<String> = known.fetch_all(&mut *connection).await?;
    for (name, set) in homes.iter().filter(|(name, _)| !known.contains(name)) {
        let start = roster_core::log::Head::start(&set.home);
        query!(
            "INSERT INTO homes (name, seq, time, hash) VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING",
            name,
            start.time.micros(),
            start.hash.as_slice()
        )
        .execute(&mut *connection)
        .await?;
    }
    query!("SELECT home FROM homes WHERE name = ANY ($1) ORDER BY home FOR NO KEY UPDATE", &names)
        .fetch_all(connection)
        .await?;
    Ok(())
}
