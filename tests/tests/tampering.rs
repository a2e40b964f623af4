//! A log that was changed past Roster, in the database itself: rule X1.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

use roster_core::feed::sweep_once;
use roster_core::flows::resolve_organization;
use roster_core::home::Home;
use roster_core::log::{LogFilter, Logged, chain, digest, hex};
use roster_core::time::Timestamp;
use roster_core::verify::{vanished_logs, verify_all, verify_log};
use roster_storage_redis::keys_of;
use roster_tests::stores::selected;
use roster_tests::world::World;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// Stores into which one can write past Roster in SQL.
const SQL: [&str; 2] = ["sqlite", "postgres"];

/// Stores into which one can write past Roster by commands of Redis.
const REDIS: [&str; 2] = ["redis", "redis-cluster"];

/// Rows of the organization's home.
const LOG: &str = "home = (SELECT home FROM organizations WHERE external_id = 'cloud')";

/// Foreign keys are no hindrance to whoever owns the tables.
const UNTIE: &str = "DO $$ DECLARE it record; BEGIN
    FOR it IN SELECT conrelid::regclass AS tied, conname FROM pg_constraint WHERE contype = 'f' LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', it.tied, it.conname);
    END LOOP; END $$";

/// The log of an organization in a store that speaks SQL.
struct Trail {
    store: &'static str,
    world: World,
    home: Home,
    log: Vec<Logged>,
}

impl Trail {
    /// One that is whole, of more than ten entries.
    async fn on(store: &'static str) -> Self {
        let world = World::on(store).await;
        let roster = &world.service.roster;
        let home =
            Home::Organization(resolve_organization(roster, &"ext:cloud".parse().unwrap()).await.unwrap());
        let clean = verify_log(roster, &home, &mut |_| {}).await.unwrap();
        assert_eq!((clean.first_bad, clean.entries), (None, clean.head.seq));
        assert!(clean.entries > 10);
        let log = roster.store.log(&home, 0, u16::MAX, &LogFilter::ALL).await.unwrap();
        if let Some(database) = &world.test().database {
            database.execute(UNTIE).await;
        }
        Self { store, world, home, log }
    }

    /// Runs statements in the database, past Roster.
    async fn alter(&self, statements: &str) {
        let statements = statements.replace("LOG", LOG);
        for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
            match (&self.world.test().database, &self.world.test().dir) {
                (Some(database), _) => database.execute(statement).await,
                (None, Some(dir)) => {
                    let file =
                        sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("roster.db"));
                    let mut connection = file.foreign_keys(false).connect().await.unwrap();
                    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
                        .execute(&mut connection)
                        .await
                        .unwrap();
                    connection.close().await.unwrap();
                }
                (None, None) => panic!("{} keeps nothing on a disk", self.store),
            }
        }
    }

    /// Bytes as the database writes them.
    fn bytes(&self, bytes: &[u8]) -> String {
        match self.store {
            "sqlite" => format!("x'{}'", hex(bytes)),
            _ => format!("'\\x{}'::bytea", hex(bytes)),
        }
    }

    fn body(&self, seq: u64) -> (&Logged, Vec<u8>) {
        let entry = &self.log[usize::try_from(seq).unwrap() - 1];
        let body = String::from_utf8(entry.body.clone()).unwrap().replace("member.", "nobody.");
        assert_ne!(body.as_bytes(), entry.body.as_slice(), "entry {seq} is about a member");
        (entry, body.into_bytes())
    }

    /// The first bad entry, which `roster verify` sees too.
    async fn first_bad(&self) -> Option<u64> {
        let roster = &self.world.service.roster;
        let verdict = verify_log(roster, &self.home, &mut |_| {}).await.unwrap();
        let all = verify_all(roster, &mut |_| {}).await.unwrap();
        assert!(!all.findings.is_empty(), "verify sees it too");
        verdict.first_bad.map(|(seq, _)| seq)
    }
}

/// Runs a case on every selected store that speaks SQL: what is done, and the first bad entry by then.
async fn shows(expected: u64, alter: impl AsyncFn(&Trail)) {
    for store in selected().into_iter().filter(|store| SQL.contains(store)) {
        let trail = Trail::on(store).await;
        alter(&trail).await;
        assert_eq!(trail.first_bad().await, Some(expected), "on {store}");
    }
}

/// The same for statements that are alike everywhere.
async fn statements_show(expected: u64, statements: &str) {
    shows(expected, async |trail| trail.alter(statements).await).await;
}

#[tokio::test]
async fn x1_an_edited_entry_shows() {
    shows(5, async |trail| {
        let (_, body) = trail.body(5);
        trail.alter(&format!("UPDATE log SET body = {} WHERE LOG AND seq = 5", trail.bytes(&body))).await;
    })
    .await;
    statements_show(7, "UPDATE log SET time = time + 1 WHERE LOG AND seq = 7").await;
    shows(3, async |trail| {
        trail.alter(&format!("UPDATE log SET hash = {} WHERE LOG AND seq = 3", trail.bytes(&[0; 32]))).await;
    })
    .await;
}

#[tokio::test]
async fn x1_an_entry_given_to_another_commit_shows() {
    shows(6, async |trail| {
        let other = if trail.store == "sqlite" { "randomblob(16)" } else { "gen_random_uuid()" };
        trail.alter(&format!("UPDATE log SET commit_id = {other} WHERE LOG AND seq = 6")).await;
    })
    .await;
    statements_show(4, "UPDATE log_personal SET value = '\"eve@example.com\"' WHERE LOG AND seq = 4").await;
}

/// Whoever edits an entry and reckons its hash anew has broken the chain behind it; the head is the last link.
#[tokio::test]
async fn x1_an_edited_entry_with_a_fitting_hash_shows() {
    for (edited, expected) in [(5, 6), (0, 0)] {
        for store in selected().into_iter().filter(|store| SQL.contains(store)) {
            let trail = Trail::on(store).await;
            let last = u64::try_from(trail.log.len()).unwrap();
            let seq = if edited == 0 { last } else { edited };
            let entry = &trail.log[usize::try_from(seq).unwrap() - 1];
            let body =
                String::from_utf8(entry.body.clone()).unwrap().replace("\"request_id\":", "\"request_id\" :");
            let before = trail.log[usize::try_from(seq).unwrap() - 2].hash;
            let hash = chain(&before, seq, entry.time, &digest(body.as_bytes()));
            let (body, hash) = (trail.bytes(body.as_bytes()), trail.bytes(&hash));
            trail
                .alter(&format!("UPDATE log SET body = {body}, hash = {hash} WHERE LOG AND seq = {seq}"))
                .await;
            let expected = if expected == 0 { last } else { expected };
            assert_eq!(trail.first_bad().await, Some(expected), "on {store}");
        }
    }
}

#[tokio::test]
async fn x1_a_dropped_entry_shows() {
    let dropped = "DELETE FROM log_personal WHERE LOG AND seq = 5;DELETE FROM log WHERE LOG AND seq = 5";
    statements_show(5, dropped).await;
    let closed_up = format!(
        "{dropped};UPDATE log SET seq = -(seq - 1) + 1000 WHERE LOG AND seq > 5;\
         UPDATE log SET seq = 1000 - seq WHERE LOG AND seq > 500"
    );
    statements_show(5, &closed_up).await;
    statements_show(1, &dropped.replace('5', "1")).await;
}

/// What a filter goes by can be changed beside the entry, whose own bytes are as they were.
#[tokio::test]
async fn x1_an_entry_that_filters_do_not_find_shows() {
    statements_show(5, "UPDATE log SET actor = 'nobody' WHERE LOG AND seq = 5").await;
    statements_show(3, "DELETE FROM log_users WHERE LOG AND seq IN (3, 7)").await;
    statements_show(4, "DELETE FROM log_actions WHERE LOG AND seq IN (4, 6)").await;
    redis_shows(5, |trail| {
        let mut all = redis::cmd("ZRANGE");
        let lines: Vec<Vec<u8>> = trail.ask(all.arg(trail.key(":who")).arg(0).arg(-1));
        let of_fifth = lines.into_iter().find(|line| line.ends_with(field(5).as_bytes())).unwrap();
        let gone: u64 = trail.ask(redis::cmd("ZREM").arg(trail.key(":who")).arg(of_fifth));
        assert_eq!(gone, 1);
    })
    .await;
}

/// Whoever reads page by page takes a short one for the end of the log.
#[tokio::test]
async fn x1_a_page_is_not_short_for_want_of_a_dropped_entry() {
    for store in selected() {
        let trail = match store {
            "memory" => continue,
            "redis" | "redis-cluster" => {
                let redis = RedisTrail::fresh(store).await;
                redis.drop_from(5, 6);
                redis.trail
            }
            _ => {
                let trail = Trail::on(store).await;
                let dropped = "DELETE FROM log_personal WHERE LOG AND seq IN (5, 6);\
                               DELETE FROM log WHERE LOG AND seq IN (5, 6)";
                trail.alter(dropped).await;
                trail
            }
        };
        let last = trail.log.last().unwrap().seq;
        for (after, limit, wanted) in
            [(0, 5, vec![1, 2, 3, 4, 7]), (3, 1, vec![4]), (4, 2, vec![7, 8]), (last - 1, 3, vec![last])]
        {
            let store_of = &trail.world.service.roster.store;
            let page = store_of.log(&trail.home, after, limit, &LogFilter::ALL).await.unwrap();
            let found: Vec<u64> = page.iter().map(|logged| logged.seq).collect();
            assert_eq!(found, wanted, "{limit} behind {after} on {store}");
        }
    }
}

#[tokio::test]
async fn x1_reordered_entries_show() {
    let swapped = "UPDATE log SET seq = 1000 WHERE LOG AND seq = 4;UPDATE log SET seq = 4 WHERE LOG AND seq = 5;\
                   UPDATE log SET seq = 5 WHERE LOG AND seq = 1000";
    statements_show(4, swapped).await;
}

const CUT: &str = "DELETE FROM log_personal WHERE LOG AND seq > 9;DELETE FROM log WHERE LOG AND seq > 9";

#[tokio::test]
async fn x1_a_log_that_was_cut_shows() {
    statements_show(10, CUT).await;
    let all = CUT.replace("seq > 9", "seq > 0");
    statements_show(1, &all).await;
}

/// With its head cut back too, the records still name commits that no entry tells of.
#[tokio::test]
async fn x1_a_log_that_was_cut_with_its_head_shows() {
    let head = "UPDATE homes SET seq = 9, hash = (SELECT hash FROM log WHERE LOG AND seq = 9) WHERE LOG";
    statements_show(10, &format!("{CUT};{head}")).await;
}

/// Where what was cut off left no record, the feed still knows how far the log went.
#[tokio::test]
async fn x1_a_cut_end_that_left_no_record_shows() {
    for store in selected().into_iter().filter(|store| SQL.contains(store)) {
        let trail = Trail::on(store).await;
        let (world, record) = (&trail.world, "/v1/organizations/ext:cloud/records/deal/1");
        world.operator().put(record, serde_json::json!({"owner": "ext:max"})).await.is(201);
        world.operator().delete(record).await.is(204);
        sweep_once(&world.service.roster).await.unwrap();
        let last = u64::try_from(trail.log.len()).unwrap() + 2;
        let kept = last - 1;
        let cut = CUT.replace("> 9", &format!("> {kept}"));
        let head = format!(
            "UPDATE homes SET seq = {kept}, hash = (SELECT hash FROM log WHERE LOG AND seq = {kept}) WHERE LOG"
        );
        trail.alter(&format!("{cut};{head}")).await;
        assert_eq!(trail.first_bad().await, Some(last), "on {store}");
    }
}

/// A trail of which nothing is left, of a user too: nothing lists the home any more, but the feed has told of it.
#[tokio::test]
async fn x1_a_trail_that_has_gone_wholly_shows() {
    for store in selected().into_iter().filter(|store| SQL.contains(store)) {
        let mut trail = Trail::on(store).await;
        let roster = trail.world.service.roster.clone();
        sweep_once(&roster).await.unwrap();
        assert_eq!(vanished_logs(&roster).await.unwrap(), []);
        let user = trail.world.operator().get("/v1/users/ext:max").await.is(200)["id"].clone();
        let user = Home::User(user.as_str().unwrap().parse().unwrap());
        let theirs = format!("home = (SELECT home FROM homes WHERE name = '{user}')");
        let mut gone = Vec::new();
        for (rows, home) in [(LOG.to_owned(), trail.home.clone()), (theirs, user)] {
            let cut = CUT.replace("LOG AND seq > 9", &rows);
            trail.alter(&format!("{cut};UPDATE homes SET seq = 0 WHERE {rows}")).await;
            gone.push(home);
            let mut found = vanished_logs(&roster).await.unwrap();
            found.sort();
            gone.sort();
            assert_eq!(found, gone, "on {store}");
            trail.home = gone[0].clone();
            assert_eq!(trail.first_bad().await, Some(1));
        }
    }
}

/// An entry that no commit wrote, though it is chained as it should be.
#[tokio::test]
async fn x1_an_added_entry_shows() {
    for store in selected().into_iter().filter(|store| SQL.contains(store)) {
        let trail = Trail::on(store).await;
        let last = trail.log.last().unwrap();
        let seq = last.seq + 1;
        let hash = chain(&last.hash, seq, last.time, &digest(&last.body));
        let other = if store == "sqlite" { "randomblob(16)" } else { "gen_random_uuid()" };
        let columns = "home, seq, time, hash, commit_id, actor, body";
        let statement = format!(
            "INSERT INTO log ({columns}) SELECT home, {seq}, time, {}, {other}, actor, body FROM log
             WHERE LOG AND seq = {}",
            trail.bytes(&hash),
            last.seq
        );
        trail.alter(&statement).await;
        assert_eq!(trail.first_bad().await, Some(seq), "on {store}");
    }
}

/// The log of an organization on Redis or a cluster of it, where an entry is a field of a hash: its time (20 digits), its
/// hash, the name of its commit (26 letters), its body.
struct RedisTrail {
    trail: Trail,
    keys: Vec<String>,
}

impl RedisTrail {
    async fn fresh(store: &'static str) -> Self {
        let trail = Trail::on(store).await;
        let keys = keys_of(trail.world.test().keyspace.as_ref().unwrap().prefix(), &trail.home);
        Self { trail, keys }
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let keyspace = self.trail.world.test().keyspace.as_ref().unwrap();
        keyspace.all(vec![command.to_owned()]).remove(0)
    }

    fn key(&self, part: &str) -> &str {
        self.keys.iter().find(|key| key.ends_with(part)).unwrap()
    }

    fn get(&self, seq: u64) -> Vec<u8> {
        self.ask(redis::cmd("HGET").arg(self.key(":log")).arg(field(seq)))
    }

    fn put(&self, seq: u64, entry: &[u8]) {
        let _new: i64 = self.ask(redis::cmd("HSET").arg(self.key(":log")).arg(field(seq)).arg(entry));
    }

    fn drop_from(&self, first: u64, last: u64) {
        let fields = (first..=last).map(field).collect::<Vec<_>>();
        let gone: u64 = self.ask(redis::cmd("HDEL").arg(self.key(":log")).arg(fields));
        assert_eq!(gone, last - first + 1, "they were there");
    }

    /// An entry with other bytes from a place on.
    fn overwrite(&self, seq: u64, from: usize, bytes: &[u8]) {
        let mut entry = self.get(seq);
        entry.splice(from..from + bytes.len(), bytes.iter().copied());
        self.put(seq, &entry);
    }

    fn last(&self) -> u64 {
        self.trail.log.last().unwrap().seq
    }
}

/// The field of an entry.
fn field(seq: u64) -> String {
    format!("{seq:016x}")
}

/// Runs a case on Redis and on a cluster, where they are selected: what is done past Roster, and the first bad entry by then,
/// counted from behind if it is below 1.
async fn redis_shows(expected: i64, alter: impl Fn(&RedisTrail)) {
    for store in selected().into_iter().filter(|store| REDIS.contains(store)) {
        let trail = RedisTrail::fresh(store).await;
        alter(&trail);
        let last = i64::try_from(trail.last()).unwrap();
        let expected = if expected < 1 { last - expected } else { expected };
        let found = trail.trail.first_bad().await.map(|seq| i64::try_from(seq).unwrap());
        assert_eq!(found, Some(expected), "on {store}");
    }
}

#[tokio::test]
async fn x1_an_edited_entry_shows_on_redis() {
    redis_shows(5, |trail| {
        let (entry, body) = trail.trail.body(5);
        let length = entry.body.len();
        let kept = trail.get(5);
        trail.put(5, &[&kept[..kept.len() - length], body.as_slice()].concat());
    })
    .await;
    // Its time: the last of 20 digits.
    redis_shows(7, |trail| trail.overwrite(7, 19, if trail.get(7)[19] == b'9' { b"8" } else { b"9" })).await;
    redis_shows(3, |trail| trail.overwrite(3, 20, &[0; 32])).await;
    // The last letter of its commit's name.
    redis_shows(6, |trail| trail.overwrite(6, 77, if trail.get(6)[77] == b'1' { b"0" } else { b"1" })).await;
    // A value beside it: its last letter within the quotes.
    redis_shows(4, |trail| {
        let value = trail.trail.log[3].personal[0].value.as_bytes();
        let mut get = redis::cmd("HGET");
        let mut kept: Vec<u8> = trail.ask(get.arg(trail.key(":personal")).arg(field(4)));
        let at = kept.windows(value.len()).position(|found| found == value).unwrap() + value.len() - 2;
        kept[at] = if kept[at] == b'x' { b'y' } else { b'x' };
        let mut put = redis::cmd("HSET");
        let _new: i64 = trail.ask(put.arg(trail.key(":personal")).arg(field(4)).arg(kept));
    })
    .await;
}

/// An entry as it is kept, with another body, and a hash that fits it and the entry before.
fn fitting(trail: &RedisTrail, seq: u64, body: &[u8]) -> Vec<u8> {
    let (like, before) =
        (trail.get(seq.min(trail.last())), &trail.trail.log[usize::try_from(seq).unwrap() - 2]);
    let time = std::str::from_utf8(&like[..20]).unwrap().parse().unwrap();
    let hash = chain(&before.hash, seq, Timestamp::from_micros(time), &digest(body));
    [&like[..20], &hash, &like[52..78], body].concat()
}

/// The chain behind an edited entry is broken; the head is the last link. What no commit wrote is one too many.
#[tokio::test]
async fn x1_an_edited_or_added_entry_with_a_fitting_hash_shows_on_redis() {
    let edited = |trail: &RedisTrail, seq: u64| {
        let body = &trail.trail.log[usize::try_from(seq).unwrap() - 1].body;
        let body = String::from_utf8(body.clone()).unwrap().replace("\"request_id\":", "\"request_id\" :");
        trail.put(seq, &fitting(trail, seq, body.as_bytes()));
    };
    redis_shows(6, |trail| edited(trail, 5)).await;
    redis_shows(0, |trail| edited(trail, trail.last())).await;
    redis_shows(-1, |trail| {
        let seq = trail.last() + 1;
        trail.put(seq, &fitting(trail, seq, &trail.trail.log.last().unwrap().body));
    })
    .await;
}

#[tokio::test]
async fn x1_a_dropped_entry_shows_on_redis() {
    redis_shows(5, |trail| trail.drop_from(5, 5)).await;
    redis_shows(1, |trail| trail.drop_from(1, 1)).await;
    // Those behind it moved up, and the last one gone.
    redis_shows(5, |trail| {
        for seq in 5..trail.last() {
            let next = trail.get(seq + 1);
            trail.put(seq, &next);
        }
        trail.drop_from(trail.last(), trail.last());
    })
    .await;
}

#[tokio::test]
async fn x1_reordered_entries_show_on_redis() {
    redis_shows(4, |trail| {
        let (fourth, fifth) = (trail.get(4), trail.get(5));
        trail.put(4, &fifth);
        trail.put(5, &fourth);
    })
    .await;
}

#[tokio::test]
async fn x1_a_log_that_was_cut_shows_on_redis() {
    redis_shows(10, |trail| trail.drop_from(10, trail.last())).await;
    redis_shows(1, |trail| trail.drop_from(1, trail.last())).await;
    // By a head that names an entry far behind the last.
    redis_shows(-1, |trail| {
        let last = trail.trail.log.last().unwrap();
        let head = format!("9007199254740000 {} {}", last.time.micros(), hex(&last.hash));
        let mut put = redis::cmd("HSET");
        let _new: i64 = trail.ask(put.arg(&trail.keys[0]).arg(".head").arg(head));
    })
    .await;
    // With its head cut back too, the records still name commits that no entry tells of.
    redis_shows(10, |trail| {
        trail.drop_from(10, trail.last());
        let ninth = &trail.trail.log[8];
        let head = format!("9 {} {}", ninth.time.micros(), hex(&ninth.hash));
        let mut put = redis::cmd("HSET");
        let _new: i64 = trail.ask(put.arg(&trail.keys[0]).arg(".head").arg(head));
    })
    .await;
}
