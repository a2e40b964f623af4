//! The log of a home and its end; and the clock.

use roster_core::home::Home;
use roster_core::id::{CommitId, UserId};
use roster_core::log::{Head, LogEntry, LogFilter, Logged, Personal, hex};
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, exact, to_json, uuid_list};

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

/// Makes a home's row, with the head of an empty log.
pub(crate) async fn settle_in(connection: &mut SqliteConnection, home: &Home) -> Result<Place, Fault> {
    let (name, head) = (home.to_string(), Head::start(home));
    let (time, hash) = (head.time.micros(), head.hash.as_slice());
    let number = query_scalar!(
        r#"INSERT INTO homes (name, seq, time, hash) VALUES (?, 0, ?, ?) RETURNING home AS "home!: i64""#,
        name,
        time,
        hash
    );
    Ok(Place { home: number.fetch_one(connection).await?, head })
}

/// Appends an entry with all that hangs on it, in one journey. `place` has the head that the entry makes.
pub(crate) async fn append(
    connection: &mut SqliteConnection,
    place: Place,
    commit: CommitId,
    entry: &LogEntry,
) -> Result<(), Fault> {
    let Place { home, head } = place;
    let seq = i64::try_from(head.seq).map_err(|error| bad("seq", error))?;
    let (time, hash, commit, body) =
        (head.time.micros(), head.hash.as_slice(), commit.uuid(), entry.body.as_slice());
    let users: Vec<Uuid> = entry.users.iter().map(|user| user.uuid()).collect();
    let (users, actions) = (uuid_list(&users), to_json("actions", &entry.actions)?);
    let personal: Vec<_> = entry.personal.iter().map(personal_row).collect();
    let personal = to_json("personal", &personal)?;
    query!(
        "INSERT INTO log (home, seq, time, hash, commit_id, actor, body) VALUES (?, ?, ?, ?, ?, ?, ?);
         UPDATE homes SET seq = ?, time = ?, hash = ? WHERE home = ?;
         INSERT OR IGNORE INTO log_users (home, user_id, seq) SELECT ?, unhex(value), ? FROM json_each(?);
         INSERT OR IGNORE INTO log_actions (home, action, seq) SELECT ?, value, ? FROM json_each(?);
         INSERT INTO log_personal (home, seq, place, n, subject, salt, value)
             SELECT ?, ?, key, value ->> 0, unhex(value ->> 1), unhex(value ->> 2), value ->> 3 FROM json_each(?)",
        home,
        seq,
        time,
        hash,
        commit,
        entry.actor,
        body,
        seq,
        time,
        hash,
        home,
        home,
        seq,
        users,
        home,
        seq,
        actions,
        home,
        seq,
        personal
    )
    .execute(connection)
    .await?;
    Ok(())
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
