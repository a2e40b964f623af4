//! The log of a home and its end; and the clock.

use roster_core::home::Home;
use roster_core::id::{CommitId, UserId};
use roster_core::log::{Head, LogEntry, Logged, Personal};
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, exact};

/// A home's number in this file, and the end of its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) home: i64,
    pub(crate) head: Head,
}

/// The instant that rules this call: the server's own, or the one handed in.
pub(crate) async fn now(connection: &mut PgConnection, clock: &StoreClock) -> Result<Timestamp, Fault> {
    match clock {
        StoreClock::Given(clock) => Ok(clock.now()),
        StoreClock::Server => {
            let micros = query_scalar!(
                r#"SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS "micros!""#
            );
            Ok(Timestamp::from_micros(micros.fetch_one(connection).await?))
        }
    }
}

/// Where a home is, if anything was ever committed to it.
pub(crate) async fn place(connection: &mut PgConnection, home: &Home) -> Result<Option<Place>, Fault> {
    let name = home.to_string();
    let row = query!("SELECT home, seq, time, hash FROM homes WHERE name = $1", name);
    match row.fetch_optional(connection).await? {
        Some(row) => Ok(Some(Place { home: row.home, head: head(row.seq, row.time, row.hash)? })),
        None => Ok(None),
    }
}

/// The same, held until the transaction ends. A home that is not there is made, with the head of an empty log.
pub(crate) async fn hold(connection: &mut PgConnection, home: &Home) -> Result<Place, Fault> {
    let name = home.to_string();
    loop {
        let row = query!("SELECT home, seq, time, hash FROM homes WHERE name = $1 FOR NO KEY UPDATE", name);
        if let Some(row) = row.fetch_optional(&mut *connection).await? {
            return Ok(Place { home: row.home, head: head(row.seq, row.time, row.hash)? });
        }
        let start = Head::start(home);
        query!(
            "INSERT INTO homes (name, seq, time, hash) VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING",
            name,
            start.time.micros(),
            start.hash.as_slice()
        )
        .execute(&mut *connection)
        .await?;
    }
}

fn head(seq: i64, time: i64, hash: Vec<u8>) -> Result<Head, Fault> {
    let seq = u64::try_from(seq).map_err(|error| bad("seq", error))?;
    Ok(Head { seq, time: Timestamp::from_micros(time), hash: exact("hash", hash)? })
}

/// Appends an entry with all that hangs on it, in one statement: the next number, a time that never goes back, and the
/// hash that chains it.
pub(crate) async fn append(
    connection: &mut PgConnection,
    place: Place,
    commit: CommitId,
    entry: &LogEntry,
) -> Result<Head, Fault> {
    let head = place.head.after(entry);
    let users: Vec<Uuid> = entry.users.iter().map(|user| user.uuid()).collect();
    let numbers: Vec<i64> = entry.personal.iter().map(|kept| i64::from(kept.n)).collect();
    let subjects: Vec<Uuid> = entry.personal.iter().map(|kept| kept.subject.uuid()).collect();
    let salts: Vec<Vec<u8>> = entry.personal.iter().map(|kept| kept.salt.to_vec()).collect();
    let values: Vec<String> = entry.personal.iter().map(|kept| kept.value.clone()).collect();
    query!(
        "WITH entry AS (
             INSERT INTO log (home, seq, time, hash, commit_id, body) VALUES ($1, $2, $3, $4, $5, $6)
         ), head AS (
             UPDATE homes SET seq = $2, time = $3, hash = $4 WHERE home = $1
         ), people AS (
             INSERT INTO log_users (home, user_id, seq) SELECT $1, id, $2 FROM UNNEST($7::uuid[]) AS id
             ON CONFLICT DO NOTHING
         )
         INSERT INTO log_personal (home, seq, place, n, subject, salt, value)
         SELECT $1, $2, place - 1, n, subject, salt, value
         FROM UNNEST($8::bigint[], $9::uuid[], $10::bytea[], $11::text[])
             WITH ORDINALITY AS kept (n, subject, salt, value, place)",
        place.home,
        i64::try_from(head.seq).map_err(|error| bad("seq", error))?,
        head.time.micros(),
        head.hash.as_slice(),
        commit.uuid(),
        entry.body.as_slice(),
        &users,
        &numbers,
        &subjects,
        &salts,
        &values
    )
    .execute(connection)
    .await?;
    Ok(head)
}

/// An answer of `log`.
pub(crate) async fn entries(
    connection: &mut PgConnection,
    home: &Home,
    after: u64,
    limit: u16,
    user: Option<UserId>,
) -> Result<Vec<Logged>, Fault> {
    let Some(place) = place(connection, home).await? else {
        return Ok(Vec::new());
    };
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let (home, limit) = (place.home, i64::from(limit));
    let seqs = match user {
        None => {
            let seqs = query_scalar!(
                "SELECT seq FROM log WHERE home = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                home,
                after,
                limit
            );
            seqs.fetch_all(&mut *connection).await?
        }
        Some(user) => {
            let user = user.uuid();
            let seqs = query_scalar!(
                "SELECT seq FROM log_users WHERE home = $1 AND user_id = $2 AND seq > $3 ORDER BY seq LIMIT $4",
                home,
                user,
                after,
                limit
            );
            seqs.fetch_all(&mut *connection).await?
        }
    };
    load(connection, home, &seqs).await
}

async fn load(connection: &mut PgConnection, home: i64, seqs: &[i64]) -> Result<Vec<Logged>, Fault> {
    let rows = query!(
        r#"SELECT seq, time, hash, commit_id, body FROM log
           WHERE home = $1 AND seq = ANY($2) ORDER BY seq"#,
        home,
        seqs
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
    attach_personal(connection, home, seqs, &mut entries).await?;
    Ok(entries)
}

async fn attach_personal(
    connection: &mut PgConnection,
    home: i64,
    seqs: &[i64],
    entries: &mut [Logged],
) -> Result<(), Fault> {
    let rows = query!(
        r#"SELECT seq, n, subject, salt, value FROM log_personal
           WHERE home = $1 AND seq = ANY($2) ORDER BY seq, place"#,
        home,
        seqs
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
