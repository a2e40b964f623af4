//! The log of a home and its end; and the clock.

use std::collections::BTreeMap;

use roster_core::home::Home;
use roster_core::id::{CommitId, UserId};
use roster_core::judge::Appended;
use roster_core::log::{Head, LogFilter, Logged, Personal};
use roster_core::store::StoreClock;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_as, query_scalar};
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

/// Where homes are, held until the transaction ends; those that are not there are left out. Everybody locks in the
/// order of the numbers, so that no two wait for each other.
pub(crate) async fn hold(
    connection: &mut PgConnection,
    homes: &BTreeMap<String, &Home>,
) -> Result<BTreeMap<Home, Place>, Fault> {
    let names: Vec<String> = homes.keys().cloned().collect();
    let rows = query_as!(
        HomeRow,
        "SELECT name, home, seq, time, hash FROM homes WHERE name = ANY ($1) ORDER BY home FOR NO KEY UPDATE",
        &names
    );
    rows.fetch_all(connection).await?.into_iter().map(|row| row.placed(homes)).collect()
}

/// The same without waiting: those that somebody else holds are left out as well.
pub(crate) async fn hold_free(
    connection: &mut PgConnection,
    homes: &BTreeMap<String, &Home>,
) -> Result<BTreeMap<Home, Place>, Fault> {
    let names: Vec<String> = homes.keys().cloned().collect();
    let rows = query_as!(
        HomeRow,
        "SELECT name, home, seq, time, hash FROM homes WHERE name = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED",
        &names
    );
    rows.fetch_all(connection).await?.into_iter().map(|row| row.placed(homes)).collect()
}

struct HomeRow {
    name: String,
    home: i64,
    seq: i64,
    time: i64,
    hash: Vec<u8>,
}

impl HomeRow {
    fn placed(self, homes: &BTreeMap<String, &Home>) -> Result<(Home, Place), Fault> {
        let home = homes.get(&self.name).ok_or_else(|| bad("name", &self.name))?;
        Ok(((*home).clone(), Place { home: self.home, head: head(self.seq, self.time, self.hash)? }))
    }
}

/// Makes homes that are not there, with the heads of empty logs. Whoever makes homes holds none yet, and makes them in
/// the order of their names.
pub(crate) async fn make(
    connection: &mut PgConnection,
    homes: &BTreeMap<String, &Home>,
) -> Result<(), Fault> {
    let names: Vec<String> = homes.keys().cloned().collect();
    let heads: Vec<Head> = homes.values().map(|home| Head::start(home)).collect();
    let times: Vec<i64> = heads.iter().map(|head| head.time.micros()).collect();
    let hashes: Vec<Vec<u8>> = heads.iter().map(|head| head.hash.to_vec()).collect();
    query!(
        "INSERT INTO homes (name, seq, time, hash)
         SELECT name, 0, time, hash FROM UNNEST($1::text[], $2::bigint[], $3::bytea[]) WITH ORDINALITY
             AS given (name, time, hash, place) ORDER BY place
         ON CONFLICT DO NOTHING",
        &names,
        &times,
        &hashes
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn head(seq: i64, time: i64, hash: Vec<u8>) -> Result<Head, Fault> {
    let seq = u64::try_from(seq).map_err(|error| bad("seq", error))?;
    Ok(Head { seq, time: Timestamp::from_micros(time), hash: exact("hash", hash)? })
}

/// What hangs on entries, a row each.
#[derive(Default)]
struct Hanging {
    homes: Vec<i64>,
    seqs: Vec<i64>,
    people: Vec<Uuid>,
    places: Vec<i64>,
    numbers: Vec<i64>,
    salts: Vec<Vec<u8>>,
    values: Vec<String>,
}

impl Hanging {
    fn users(entries: &[Appended<'_>], seqs: &[i64]) -> Self {
        let mut rows = Self::default();
        for (appended, seq) in entries.iter().zip(seqs) {
            for user in &appended.entry.users {
                rows.homes.push(appended.home);
                rows.seqs.push(*seq);
                rows.people.push(user.uuid());
            }
        }
        rows
    }

    fn actions(entries: &[Appended<'_>], seqs: &[i64]) -> Self {
        let mut rows = Self::default();
        for (appended, seq) in entries.iter().zip(seqs) {
            for action in &appended.entry.actions {
                rows.homes.push(appended.home);
                rows.seqs.push(*seq);
                rows.values.push(action.clone());
            }
        }
        rows
    }

    fn personal(entries: &[Appended<'_>], seqs: &[i64]) -> Self {
        let mut rows = Self::default();
        for (appended, seq) in entries.iter().zip(seqs) {
            for (place, kept) in (0_i64..).zip(&appended.entry.personal) {
                rows.homes.push(appended.home);
                rows.seqs.push(*seq);
                rows.people.push(kept.subject.uuid());
                rows.places.push(place);
                rows.numbers.push(i64::from(kept.n));
                rows.salts.push(kept.salt.to_vec());
                rows.values.push(kept.value.clone());
            }
        }
        rows
    }
}

/// Appends entries with all that hangs on them, in one statement. Those of one home come in their order.
pub(crate) async fn append(connection: &mut PgConnection, entries: &[Appended<'_>]) -> Result<(), Fault> {
    let seqs = entries.iter().map(|appended| i64::try_from(appended.head.seq));
    let seqs: Vec<i64> = seqs.collect::<Result<_, _>>().map_err(|error| bad("seq", error))?;
    let (users, personal) = (Hanging::users(entries, &seqs), Hanging::personal(entries, &seqs));
    let actions = Hanging::actions(entries, &seqs);
    query!(
        "WITH given AS MATERIALIZED (
             SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::uuid[], $6::bytea[],
                                  $17::text[])
                 AS given (home, seq, time, hash, commit_id, body, actor)
         ), entry AS (
             INSERT INTO log (home, seq, time, hash, commit_id, body, actor)
             SELECT home, seq, time, hash, commit_id, body, actor FROM given
         ), head AS (
             UPDATE homes SET seq = last.seq, time = last.time, hash = last.hash
             FROM (SELECT DISTINCT ON (home) home, seq, time, hash FROM given ORDER BY home, seq DESC) last
             WHERE homes.home = last.home
         ), people AS (
             INSERT INTO log_users (home, seq, user_id)
             SELECT home, seq, id FROM UNNEST($7::bigint[], $8::bigint[], $9::uuid[]) AS people (home, seq, id)
             ON CONFLICT DO NOTHING
         ), actions AS (
             INSERT INTO log_actions (home, seq, action)
             SELECT home, seq, action FROM UNNEST($18::bigint[], $19::bigint[], $20::text[])
                 AS actions (home, seq, action)
             ON CONFLICT DO NOTHING
         )
         INSERT INTO log_personal (home, seq, place, n, subject, salt, value)
         SELECT home, seq, place, n, subject, salt, value
         FROM UNNEST($10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::uuid[], $15::bytea[], $16::text[])
             AS kept (home, seq, place, n, subject, salt, value)",
        &entries.iter().map(|appended| appended.home).collect::<Vec<_>>(),
        &seqs,
        &entries.iter().map(|appended| appended.head.time.micros()).collect::<Vec<_>>(),
        &entries.iter().map(|appended| appended.head.hash.to_vec()).collect::<Vec<_>>(),
        &entries.iter().map(|appended| appended.commit.uuid()).collect::<Vec<_>>(),
        &entries.iter().map(|appended| appended.entry.body.clone()).collect::<Vec<_>>(),
        &users.homes,
        &users.seqs,
        &users.people,
        &personal.homes,
        &personal.seqs,
        &personal.places,
        &personal.numbers,
        &personal.people,
        &personal.salts,
        &personal.values,
        &entries.iter().map(|appended| appended.entry.actor.clone()).collect::<Vec<_>>(),
        &actions.homes,
        &actions.seqs,
        &actions.values
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An answer of `log`.
pub(crate) async fn entries(
    connection: &mut PgConnection,
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
    connection: &mut PgConnection,
    home: &Home,
    entries: &[Logged],
) -> Result<Vec<u64>, Fault> {
    let home = home.to_string();
    let (mut acting, mut actors) = (Vec::new(), Vec::new());
    let (mut about, mut users) = (Vec::new(), Vec::new());
    let (mut doing, mut actions) = (Vec::new(), Vec::new());
    for logged in entries {
        // A body that cannot be read fits no name.
        let Ok(entry) = logged.entry() else { continue };
        let seq = i64::try_from(logged.seq).map_err(|error| bad("seq", error))?;
        acting.push(seq);
        actors.push(entry.actor);
        about.extend(entry.users.iter().map(|_| seq));
        users.extend(entry.users.iter().map(|user| user.uuid()));
        doing.extend(entry.actions.iter().map(|_| seq));
        actions.extend(entry.actions);
    }
    let unfound = query_scalar!(
        r#"SELECT a.seq AS "seq!" FROM UNNEST($2::bigint[], $3::text[]) AS a (seq, name) WHERE NOT EXISTS (
               SELECT 1 FROM log l WHERE l.home = (SELECT home FROM homes WHERE name = $1)
                   AND l.seq = a.seq AND l.actor = a.name)
           UNION SELECT u.seq FROM UNNEST($4::bigint[], $5::uuid[]) AS u (seq, id) WHERE NOT EXISTS (
               SELECT 1 FROM log_users l WHERE l.home = (SELECT home FROM homes WHERE name = $1)
                   AND l.user_id = u.id AND l.seq = u.seq)
           UNION SELECT d.seq FROM UNNEST($6::bigint[], $7::text[]) AS d (seq, name) WHERE NOT EXISTS (
               SELECT 1 FROM log_actions l WHERE l.home = (SELECT home FROM homes WHERE name = $1)
                   AND l.action = d.name AND l.seq = d.seq)
           ORDER BY 1"#,
        home,
        &acting,
        &actors,
        &about,
        &users,
        &doing,
        &actions
    );
    let unfound = unfound.fetch_all(connection).await?.into_iter();
    unfound.map(|seq| u64::try_from(seq).map_err(|error| bad("seq", error))).collect()
}

/// What lies between two numbers, both left out.
#[derive(Clone, Copy, Debug)]
struct Span {
    after: i64,
    before: i64,
}

/// Between which numbers entries can be wanted: their times never fall, so instants are places in the log.
async fn span(
    connection: &mut PgConnection,
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
    connection: &mut PgConnection,
    home: i64,
    instant: Timestamp,
) -> Result<Option<i64>, Fault> {
    let micros = instant.micros();
    let first = query_scalar!(
        "SELECT seq FROM log WHERE home = $1 AND time >= $2 ORDER BY time, seq LIMIT 1",
        home,
        micros
    );
    Ok(first.fetch_optional(connection).await?)
}

/// The numbers of what is wanted, by the index of one name in the filter; the other names are looked up by number.
async fn find(
    connection: &mut PgConnection,
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
             WHERE home = $1 AND user_id = $2 AND seq > $3 AND seq < $4
               AND ($5::text IS NULL OR EXISTS (
                   SELECT 1 FROM log WHERE log.home = found.home AND log.seq = found.seq AND log.actor = $5))
               AND ($6::text IS NULL OR EXISTS (
                   SELECT 1 FROM log_actions AS done
                   WHERE done.home = found.home AND done.action = $6 AND done.seq = found.seq))
             ORDER BY seq LIMIT $7",
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
             WHERE home = $1 AND actor = $2 AND seq > $3 AND seq < $4
               AND ($5::text IS NULL OR EXISTS (
                   SELECT 1 FROM log_actions AS done
                   WHERE done.home = found.home AND done.action = $5 AND done.seq = found.seq))
             ORDER BY seq LIMIT $6",
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
    connection: &mut PgConnection,
    home: i64,
    Span { after, before }: Span,
    limit: i64,
    action: Option<&str>,
) -> Result<Vec<i64>, sqlx::Error> {
    if let Some(action) = action {
        return query_scalar!(
            "SELECT seq FROM log_actions WHERE home = $1 AND action = $2 AND seq > $3 AND seq < $4 ORDER BY seq LIMIT $5",
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
        "SELECT seq FROM log WHERE home = $1 AND seq > $2 AND seq < $3 ORDER BY seq LIMIT $4",
        home,
        after,
        before,
        limit
    )
    .fetch_all(connection)
    .await
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
