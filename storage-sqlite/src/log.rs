//! The log of a home and its end; and the clock.

use std::collections::BTreeMap;

use roster_core::home::Home;
use roster_core::id::{CommitId, UserId};
use roster_core::judge::Appended;
use roster_core::log::{Head, LogFilter, Logged, Personal, hex};
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use serde::Serialize;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, exact, from_json, to_json};

/// A home's number in this file, and the end of its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) home: i64,
    pub(crate) head: Head,
}

/// The instant that rules this call: `SQLite`'s own, or the one handed in.
pub(crate) async fn now(connection: &mut SqliteConnection, clock: &StoreClock) -> Result<Timestamp, Fault> {
    match clock {
        StoreClock::Given(clock) => Ok(clock.now()),
        StoreClock::Server => {
            let micros = query_scalar!(
                r#"SELECT CAST(round(unixepoch('now', 'subsec') * 1000000.0) AS INTEGER) AS "micros!: i64""#
            );
            Ok(Timestamp::from_micros(micros.fetch_one(connection).await?))
        }
    }
}

/// Where a home is, if anything was ever committed to it.
pub(crate) async fn place(connection: &mut SqliteConnection, home: &Home) -> Result<Option<Place>, Fault> {
    let name = home.to_string();
    let row = query!("SELECT home, seq, time, hash FROM homes WHERE name = ?", name);
    let Some(row) = row.fetch_optional(connection).await? else {
        return Ok(None);
    };
    let seq = u64::try_from(row.seq).map_err(|error| bad("seq", error))?;
    let head = Head { seq, time: Timestamp::from_micros(row.time), hash: exact("hash", row.hash)? };
    Ok(Some(Place { home: row.home, head }))
}

/// Makes the rows of homes that are not there, with the heads of empty logs.
pub(crate) async fn settle_in<'a>(
    connection: &mut SqliteConnection,
    homes: &[&'a Home],
) -> Result<Vec<(&'a Home, Place)>, Fault> {
    let heads: BTreeMap<String, (&Home, Head)> =
        homes.iter().map(|home| (home.to_string(), (*home, Head::start(home)))).collect();
    let rows: Vec<_> =
        heads.iter().map(|(name, (_, head))| (name, head.time.micros(), hex(&head.hash))).collect();
    let rows = to_json("homes", &rows)?;
    query!(
        "INSERT INTO homes (name, seq, time, hash)
         SELECT value ->> 0, 0, value ->> 1, unhex(value ->> 2) FROM jsonb_each(?)",
        rows
    )
    .execute(&mut *connection)
    .await?;
    let numbers = query_scalar!(
        r#"SELECT json_group_array(json_array(h.name, h.home)) AS "numbers!: String"
           FROM jsonb_each(?) a CROSS JOIN homes h ON h.name = a.value ->> 0"#,
        rows
    );
    let numbers: Vec<(String, i64)> = from_json("numbers", &numbers.fetch_one(connection).await?)?;
    let placed = numbers.into_iter().map(|(name, home)| {
        let (named, head) = heads.get(&name).ok_or_else(|| bad("name", &name))?;
        Ok((*named, Place { home, head: *head }))
    });
    placed.collect()
}

/// So many bytes of bodies go in one journey.
const MOST_BYTES: usize = 1 << 20;

/// Appends entries with all that hangs on them, many in one journey. The heads are those that the entries make, and those
/// of a home follow one another.
pub(crate) async fn append(
    connection: &mut SqliteConnection,
    mut entries: &[Appended<'_>],
) -> Result<(), Fault> {
    while !entries.is_empty() {
        let mut bytes = 0;
        let fit = entries.iter().take_while(|appended| {
            bytes += appended.entry.body.len();
            bytes <= MOST_BYTES
        });
        let (some, rest) = entries.split_at(fit.count().max(1));
        append_some(connection, some).await?;
        entries = rest;
    }
    Ok(())
}

async fn append_some(connection: &mut SqliteConnection, entries: &[Appended<'_>]) -> Result<(), Fault> {
    let rows: Vec<Row<'_>> = entries.iter().map(Row::new).collect::<Result<_, _>>()?;
    let ends: BTreeMap<i64, &Row<'_>> = rows.iter().map(|row| (row.home, row)).collect();
    let ends = to_json(
        "heads",
        &ends.values().map(|row| (row.home, row.seq, row.time, &row.hash)).collect::<Vec<_>>(),
    )?;
    let rows = to_json("log", &rows)?;
    query!(
        "INSERT INTO log (home, seq, time, hash, commit_id, actor, body)
             SELECT value ->> 'home', value ->> 'seq', value ->> 'time', unhex(value ->> 'hash'),
                 unhex(value ->> 'commit'), value ->> 'actor', CAST(value ->> 'body' AS BLOB) FROM jsonb_each(?);
         UPDATE homes SET seq = tip.value ->> 1, time = tip.value ->> 2, hash = unhex(tip.value ->> 3)
             FROM jsonb_each(?) AS tip WHERE homes.home = tip.value ->> 0;
         INSERT OR IGNORE INTO log_users (home, user_id, seq)
             SELECT e.value ->> 'home', unhex(u.value), e.value ->> 'seq'
             FROM jsonb_each(?) e CROSS JOIN jsonb_each(e.value, '$.users') u;
         INSERT OR IGNORE INTO log_actions (home, action, seq)
             SELECT e.value ->> 'home', a.value, e.value ->> 'seq'
             FROM jsonb_each(?) e CROSS JOIN jsonb_each(e.value, '$.actions') a;
         INSERT INTO log_personal (home, seq, place, n, subject, salt, value)
             SELECT e.value ->> 'home', e.value ->> 'seq', p.key, p.value ->> 0, unhex(p.value ->> 1),
                 unhex(p.value ->> 2), p.value ->> 3
             FROM jsonb_each(?) e CROSS JOIN jsonb_each(e.value, '$.personal') p",
        rows,
        ends,
        rows,
        rows,
        rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An entry as it is sent.
#[derive(Serialize)]
struct Row<'a> {
    home: i64,
    seq: i64,
    time: i64,
    hash: String,
    commit: String,
    actor: &'a str,
    body: &'a str,
    users: Vec<String>,
    actions: &'a [String],
    personal: Vec<(u16, String, String, &'a str)>,
}

impl<'a> Row<'a> {
    fn new(appended: &Appended<'a>) -> Result<Self, Fault> {
        let Appended { home, head, commit, entry } = *appended;
        Ok(Self {
            home,
            seq: i64::try_from(head.seq).map_err(|error| bad("seq", error))?,
            time: head.time.micros(),
            hash: hex(&head.hash),
            commit: commit.uuid().simple().to_string(),
            actor: &entry.actor,
            body: std::str::from_utf8(&entry.body).map_err(|error| bad("body", error))?,
            users: entry.users.iter().map(|user| user.uuid().simple().to_string()).collect(),
            actions: &entry.actions,
            personal: entry.personal.iter().map(personal_row).collect(),
        })
    }
}

fn personal_row(kept: &Personal) -> (u16, String, String, &str) {
    (kept.n, kept.subject.uuid().simple().to_string(), hex(&kept.salt), &kept.value)
}

/// An answer of `log`.
pub(crate) async fn entries(
    connection: &mut SqliteConnection,
    home: &Home,
    after: u64,
    limit: u16,
    filter: &LogFilter,
) -> Result<Vec<Logged>, Fault> {
    let Some(place) = place(connection, home).await? else {
        return Ok(Vec::new());
    };
    let Some(span) = span(connection, place.home, after, filter).await? else {
        return Ok(Vec::new());
    };
    let seqs = find(connection, place.home, span, i64::from(limit), filter).await?;
    load(connection, place.home, &seqs).await
}

/// An answer of `unfound`.
pub(crate) async fn unfound(
    connection: &mut SqliteConnection,
    home: &Home,
    entries: &[Logged],
) -> Result<Vec<u64>, Fault> {
    let home = home.to_string();
    let (mut actors, mut users, mut actions) = (Vec::new(), Vec::new(), Vec::new());
    for logged in entries {
        // A body that cannot be read fits no name.
        let Ok(entry) = logged.entry() else { continue };
        actors.push((logged.seq, entry.actor));
        users.extend(entry.users.iter().map(|user| (logged.seq, user.uuid().simple().to_string())));
        actions.extend(entry.actions.into_iter().map(|action| (logged.seq, action)));
    }
    let (actors, users) = (to_json("actor", &actors)?, to_json("user", &users)?);
    let actions = to_json("action", &actions)?;
    let unfound = query_scalar!(
        r#"WITH place AS MATERIALIZED (SELECT home FROM homes WHERE name = ?1)
           SELECT json_group_array(seq) AS "seqs!: String" FROM (
               SELECT a.value ->> 0 AS seq FROM json_each(?2) a WHERE NOT EXISTS (
                   SELECT 1 FROM place JOIN log USING (home)
                   WHERE log.seq = a.value ->> 0 AND log.actor = a.value ->> 1)
               UNION SELECT u.value ->> 0 FROM json_each(?3) u WHERE NOT EXISTS (
                   SELECT 1 FROM place JOIN log_users l USING (home)
                   WHERE l.user_id = unhex(u.value ->> 1) AND l.seq = u.value ->> 0)
               UNION SELECT d.value ->> 0 FROM json_each(?4) d WHERE NOT EXISTS (
                   SELECT 1 FROM place JOIN log_actions l USING (home)
                   WHERE l.action = d.value ->> 1 AND l.seq = d.value ->> 0)
               ORDER BY 1)"#,
        home,
        actors,
        users,
        actions
    );
    from_json("seq", &unfound.fetch_one(connection).await?)
}

/// What lies between two numbers, both left out.
#[derive(Clone, Copy, Debug)]
struct Span {
    after: i64,
    before: i64,
}

/// Between which numbers entries can be wanted: their times never fall, so instants are places in the log.
async fn span(
    connection: &mut SqliteConnection,
    home: i64,
    after: u64,
    filter: &LogFilter,
) -> Result<Option<Span>, Fault> {
    let mut span = Span { after: i64::try_from(after).unwrap_or(i64::MAX), before: i64::MAX };
    if let Some(from) = filter.from {
        match first_at(connection, home, from).await? {
            Some(first) => span.after = span.after.max(first - 1),
            None => return Ok(None),
        }
    }
    if let Some(to) = filter.to {
        span.before = first_at(connection, home, to).await?.unwrap_or(i64::MAX);
    }
    Ok(Some(span))
}

/// The first entry at an instant or after it.
async fn first_at(
    connection: &mut SqliteConnection,
    home: i64,
    instant: Timestamp,
) -> Result<Option<i64>, Fault> {
    let micros = instant.micros();
    let first = query_scalar!(
        "SELECT seq FROM log WHERE home = ? AND time >= ? ORDER BY time, seq LIMIT 1",
        home,
        micros
    );
    Ok(first.fetch_optional(connection).await?)
}

/// The numbers of what is wanted, by the index of one name in the filter; the other names are looked up by number.
async fn find(
    connection: &mut SqliteConnection,
    home: i64,
    Span { after, before }: Span,
    limit: i64,
    filter: &LogFilter,
) -> Result<Vec<i64>, Fault> {
    let (actor, action) = (filter.actor.as_deref(), filter.action.as_deref());
    let found = if let Some(user) = filter.user {
        let user = user.uuid();
        query_scalar!(
            "SELECT seq FROM log_users AS found
             WHERE home = ?1 AND user_id = ?2 AND seq > ?3 AND seq < ?4
               AND (?5 IS NULL OR EXISTS (
                   SELECT 1 FROM log WHERE log.home = found.home AND log.seq = found.seq AND log.actor = ?5))
               AND (?6 IS NULL OR EXISTS (
                   SELECT 1 FROM log_actions AS done
                   WHERE done.home = found.home AND done.action = ?6 AND done.seq = found.seq))
             ORDER BY seq LIMIT ?7",
            home,
            user,
            after,
            before,
            actor,
            action,
            limit
        )
        .fetch_all(connection)
        .await
    } else if let Some(actor) = actor {
        query_scalar!(
            "SELECT seq FROM log AS found
             WHERE home = ?1 AND actor = ?2 AND seq > ?3 AND seq < ?4
               AND (?5 IS NULL OR EXISTS (
                   SELECT 1 FROM log_actions AS done
                   WHERE done.home = found.home AND done.action = ?5 AND done.seq = found.seq))
             ORDER BY seq LIMIT ?6",
            home,
            actor,
            after,
            before,
            action,
            limit
        )
        .fetch_all(connection)
        .await
    } else {
        find_action(connection, home, Span { after, before }, limit, action).await
    };
    Ok(found?)
}

async fn find_action(
    connection: &mut SqliteConnection,
    home: i64,
    Span { after, before }: Span,
    limit: i64,
    action: Option<&str>,
) -> Result<Vec<i64>, sqlx::Error> {
    if let Some(action) = action {
        return query_scalar!(
            "SELECT seq FROM log_actions WHERE home = ? AND action = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?",
            home,
            action,
            after,
            before,
            limit
        )
        .fetch_all(connection)
        .await;
    }
    query_scalar!(
        "SELECT seq FROM log WHERE home = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?",
        home,
        after,
        before,
        limit
    )
    .fetch_all(connection)
    .await
}

async fn load(connection: &mut SqliteConnection, home: i64, seqs: &[i64]) -> Result<Vec<Logged>, Fault> {
    let wanted = to_json("seq", &seqs)?;
    let rows = query!(
        r#"SELECT seq, time, hash, commit_id AS "commit_id: Uuid", body FROM log
           WHERE home = ?1 AND seq IN (SELECT value FROM json_each(?2)) ORDER BY seq"#,
        home,
        wanted
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        entries.push(Logged {
            seq: u64::try_from(row.seq).map_err(|error| bad("seq", error))?,
            time: Timestamp::from_micros(row.time),
            hash: exact("hash", row.hash)?,
            commit: CommitId::from_uuid(row.commit_id),
            body: row.body,
            personal: Vec::new(),
        });
    }
    attach_personal(connection, home, &wanted, &mut entries).await?;
    Ok(entries)
}

async fn attach_personal(
    connection: &mut SqliteConnection,
    home: i64,
    wanted: &str,
    entries: &mut [Logged],
) -> Result<(), Fault> {
    let rows = query!(
        r#"SELECT seq, n, subject AS "subject: Uuid", salt, value FROM log_personal
           WHERE home = ?1 AND seq IN (SELECT value FROM json_each(?2)) ORDER BY seq, place"#,
        home,
        wanted
    );
    for row in rows.fetch_all(connection).await? {
        let kept = Personal {
            n: u16::try_from(row.n).map_err(|error| bad("n", error))?,
            subject: UserId::from_uuid(row.subject),
            salt: exact("salt", row.salt)?,
            value: row.value,
        };
        let seq = u64::try_from(row.seq).map_err(|error| bad("seq", error))?;
        if let Ok(at) = entries.binary_search_by_key(&seq, |entry| entry.seq) {
            entries[at].personal.push(kept);
        }
    }
    Ok(())
}
