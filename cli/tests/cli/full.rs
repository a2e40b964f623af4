//! The disk under a store is full, or its memory: what was answered is there and can be read, what was not done is told so,
//! and once there is room the same server goes on.

use std::cell::RefCell;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::place::Place;
use crate::private_server::Folder;
use crate::private_server::postgres::Postgres;
use crate::private_server::redis::Redis;
use crate::server::Server;
use crate::stores::on;

/// What the least act does not find room in any more after a few.
const ROOM: u64 = 128 << 10;

/// A server, and the ledger of what it has answered.
struct Story {
    server: Server,
    place: Place,
    key: String,
    kept: Vec<u32>,
    next: u32,
}

impl Story {
    fn on(configuration: &str) -> Self {
        let place = Place::with_acme_on(configuration);
        let key = place.done("operator-key create tests").trim().to_owned();
        Self { server: Server::start(&place), place, key, kept: Vec::new(), next: 0 }
    }

    /// Makes a record, or finds it made.
    fn put(&self, n: u32) -> (u16, String) {
        let body = json!({"owner": "ext:bob", "title": title(n)});
        let (status, answer) = self.server.call("PUT", &path(n), &self.key, Some(&body));
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Whether a record is there: all of it.
    fn has(&self, n: u32) -> bool {
        let (status, record) = self.server.call("GET", &path(n), &self.key, None);
        assert!(status == 404 || status == 200 && record["title"] == title(n), "{n}: {record}");
        status == 200
    }

    /// A role, the same however often it is asked for under the same key.
    fn make_role(&self, n: u32) -> (u16, String) {
        let body = json!({"name": format!("Role {n}"), "permissions": ["records:read"]});
        let headers = format!("Authorization: Bearer {}\r\nIdempotency-Key: role-{n}\r\n", self.key);
        let made = self.server.try_call("POST", "/v1/organizations/ext:acme/roles", &headers, Some(&body));
        let (status, answer) = made.unwrap();
        (status, answer[if status == 201 { "id" } else { "code" }].as_str().unwrap().to_owned())
    }

    fn checks_go_on(&self) {
        let asked = json!({
            "user": "ext:bob", "permission": "records:read", "organization": "ext:acme", "account": "ext:north",
        });
        let (status, told) = self.server.call("POST", "/v1/check", &self.key, Some(&asked));
        assert_eq!((status, &told["allowed"]), (200, &json!(true)), "{told}");
    }

    /// Until there is no room, then with none, then with room again. A store that ends for want of room can be asked nothing
    /// meanwhile.
    fn goes_through(&mut self, fill: impl FnOnce(), make_room: impl FnOnce(), is_asked: bool) {
        fill();
        let mut undone = Vec::new();
        while undone.len() < if is_asked { 3 } else { 1 } {
            self.next += 1;
            assert!(self.next < 1_000, "there is always room");
            match self.put(self.next) {
                (201, _) => self.kept.push(self.next),
                told => {
                    is_told(&told);
                    undone.push(self.next);
                }
            }
        }
        if is_asked {
            is_told(&self.make_role(self.next));
            self.checks_go_on();
            assert!(self.kept.iter().all(|n| self.has(*n)), "answered, and not to be read");
        }
        make_room();
        self.goes_on();
        for n in undone {
            // There or not there, and made once either way.
            let made = self.has(n);
            assert_eq!(self.put(n).0, if made { 200 } else { 201 });
            self.kept.push(n);
        }
        let (made, role) = self.make_role(self.next);
        assert_eq!((made, self.make_role(self.next)), (201, (201, role)), "it is made once");
        self.checks_go_on();
        let lost: Vec<_> = self.kept.iter().filter(|n| !self.has(**n)).collect();
        assert!(lost.is_empty(), "answered, then lost: {lost:?}");
    }

    fn goes_on(&mut self) {
        let begun = Instant::now();
        self.next += 1;
        loop {
            let told = self.put(self.next);
            if matches!(told.0, 200 | 201) {
                return self.kept.push(self.next);
            }
            is_told(&told);
            assert!(begun.elapsed() < Duration::from_secs(30), "there is room, and it does not go on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ends(self) {
        self.place.done("audit verify --organization ext:acme");
        self.place.done("verify");
        self.server.signal("TERM");
        assert_eq!(self.server.end().0, Some(0));
    }
}

/// To be tried again, with nothing done or under the same key.
fn is_told((status, code): &(u16, String)) {
    assert!(
        *status == 503 && ["store_unavailable", "outcome_unknown"].contains(&code.as_str()),
        "{status} {code}"
    );
}

fn path(n: u32) -> String {
    format!("/v1/organizations/ext:acme/records/deal/r{n}")
}

fn title(n: u32) -> String {
    format!("{n} {}", "x".repeat(180))
}

/// All that can be full at the same time, since a machine that ends one of them is waited for.
#[test]
fn nothing_that_was_answered_is_lost_where_there_is_no_room() {
    std::thread::scope(|scope| {
        for (store, story) in [("sqlite", sqlite as fn()), ("postgres", postgres), ("redis", redis)] {
            scope.spawn(move || on(store, story));
        }
    });
}

fn sqlite() {
    let Some(disk) = Folder::small(16 << 10) else { return };
    let mut story = Story::on(&format!("data_dir = \"{}\"\n", disk.at("data")));
    story.goes_through(|| disk.fill(ROOM), || disk.make_room(), true);
    story.ends();
}

/// First there is no room for tables and Postgres goes on; then none for its log, which ends it.
fn postgres() {
    let (Some(data), Some(log)) = (Folder::small(64 << 10), Folder::small(16 << 10)) else { return };
    let made_with = [format!("--waldir={}", log.at("wal")), "--wal-segsize=1".to_owned()];
    let mut server = Postgres::of(data, &made_with.each_ref().map(String::as_str));
    // Pieces of the log that are there already need no room.
    let mut pieces: Vec<_> = std::fs::read_dir(log.at("wal")).unwrap().map(|it| it.unwrap().path()).collect();
    pieces.retain(|path| path.is_file());
    pieces.sort();
    pieces.iter().skip(1).for_each(|path| std::fs::remove_file(path).unwrap());
    server.start(&[]);
    let url = server.url();
    let mut story =
        Story::on(&format!("[storage]\nbackend = \"postgres\"\n[storage.postgres]\nurl = \"{url}\"\n"));
    story.goes_through(|| server.folder().fill(0), || server.folder().make_room(), true);
    let start_again = || {
        log.make_room();
        server.kill();
        server.start(&[]);
    };
    let fill = || {
        log.fill(0);
        write_to_the_log(&url);
    };
    story.goes_through(fill, start_again, false);
    story.ends();
}

/// So much that a few acts find room in its last piece of 1 MiB.
fn write_to_the_log(url: &str) {
    let statement = "SELECT pg_logical_emit_message(false, 'tests', repeat('x', (1048576 - 65536 -
                     (pg_current_wal_insert_lsn() - '0/0'::pg_lsn) % 1048576)::int))";
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut connection = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

/// First there is no room in memory and Redis goes on; then none on the disk, which ends it.
fn redis() {
    let Some(disk) = Folder::small(16 << 10) else { return };
    let server = RefCell::new(Redis::of(disk, &[]));
    let url = server.borrow().url();
    let mut story = Story::on(&format!("[storage]\nbackend = \"redis\"\n[storage.redis]\nurl = \"{url}\"\n"));
    let most = |bytes: u8| {
        let told = server.borrow().told(&format!("CONFIG SET maxmemory {bytes}"));
        assert!(told.starts_with("+OK"), "{told}");
    };
    story.goes_through(|| most(1), || most(0), true);
    let start_again = || {
        let mut server = server.borrow_mut();
        server.folder().make_room();
        server.kill();
        server.start(&[]);
    };
    story.goes_through(|| server.borrow().folder().fill(ROOM), start_again, false);
    story.ends();
}

/// The disks of a test that was killed are taken down by the next that makes one; those of one that goes on stay.
#[test]
fn disks_of_the_dead_are_taken_down() {
    let Some(ours) = Folder::small(64) else { return };
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let left = Folder::new();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", &format!("roster-tests-{}", dead.id())]).arg(left.path());
    assert!(mount.status().unwrap().success());
    let _next = Folder::small(64).unwrap();
    let mounted = std::fs::read_to_string("/proc/mounts").unwrap();
    let is_mounted = |folder: &Folder| mounted.contains(&format!(" {} ", folder.path().display()));
    assert_eq!((is_mounted(&ours), is_mounted(&left)), (true, false), "{mounted}");
}
