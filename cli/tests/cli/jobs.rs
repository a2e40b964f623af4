//! Jobs by the program: listed, followed, stopped, and ended by another where a process dies or stands still (rules M5,
//! X3); and trails that somebody has changed (rule X1).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use roster_cli::config::Flags;
use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::{self, BulkAct, begin_bulk, find_job};
use roster_core::home::Home;
use roster_core::id::JobId;
use roster_core::model::Job;
use roster_core::op::Roster;
use roster_core::reference::UserRef;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;

use crate::place::{Place, keys, row_keys};
use crate::server::{Server, call_at};
use crate::stores::{here, on, on_every_store};

const JOB: &str = "created_at failure finished_at id kind organization_id progress status summary";
/// More than two chunks of a sweep.
const ORGANIZATIONS: usize = 45;

/// The store of a place, opened here: nobody works on jobs by this.
struct Opened(Runtime, Roster);

impl Opened {
    fn of(place: &Place) -> Self {
        let (config, runtime) = (place.path().join("roster.toml"), Runtime::new().unwrap());
        let flags = Flags {
            config: config.exists().then_some(config),
            data_dir: Some(place.path().join("roster-data")),
            ..Flags::default()
        };
        let roster = runtime.block_on(roster_cli::open_store(&flags)).unwrap();
        Self(runtime, roster)
    }

    fn request(&self) -> Request {
        Request::new(Actor::CLI, self.1.entropy.as_ref())
    }

    /// A job that waits for a worker.
    fn bulk(&self, act: &BulkAct, user: &str) -> JobId {
        self.0.block_on(async {
            let acme = flows::resolve_organization(&self.1, &"ext:acme".parse().unwrap()).await.unwrap();
            let begun = begin_bulk(&self.1, &self.request(), acme, act, vec![user.to_owned()]).await;
            begun.unwrap().output.id
        })
    }

    fn job(&self, id: JobId) -> Job {
        self.0.block_on(find_job(&self.1, &self.request(), id)).unwrap()
    }

    /// The job once it is so, looked at after each pause.
    fn wait(
        &self,
        id: JobId,
        what: &str,
        (pause, patience): (Duration, Duration),
        is_so: impl Fn(&Job) -> bool,
    ) -> Job {
        let until = Instant::now() + patience;
        loop {
            let job = self.job(id);
            if is_so(&job) {
                return job;
            }
            assert!(Instant::now() < until, "{id} is never {what}: {job:?}");
            thread::sleep(pause);
        }
    }

    /// How long the logs of organizations and people are.
    fn entries(&self) -> u64 {
        self.0.block_on(async {
            let mut entries = 0;
            for home in self.1.store.homes(None, 10_000).await.unwrap() {
                if matches!(home, Home::Organization(_) | Home::User(_)) {
                    entries += self.1.store.read(&home, &[], &[]).await.unwrap().head.seq;
                }
            }
            entries
        })
    }
}

on_every_store! {
    fn x3_jobs_are_listed_shown_followed_stopped_and_done_by_a_worker() {
        let place = Place::with_acme();
        place.write("accounts.csv", "account_external_id,name\nnorth,North\neast,East\n");
        let job = place.json("import accounts accounts.csv --organization ext:acme");
        assert_eq!((&job["kind"], &job["status"]), (&json!("import_accounts"), &json!("completed")));
        assert_eq!((keys(&job).as_str(), &job["summary"]), (JOB, &json!({"added": 1, "unchanged": 1})));
        let id = job["id"].as_str().unwrap();
        let listed = place.json("job list --organization ext:acme");
        assert_eq!((row_keys(&listed).as_str(), &listed["data"][0]), (JOB, &job));
        assert_eq!(place.json(&format!("job show {id}")), job);
        assert_eq!(place.json(&format!("job follow {id}")), job);
        assert_eq!(place.refused(&format!("job cancel {id} --yes")), "job_finished");

        let opened = Opened::of(&place);
        let stopped = opened.bulk(&BulkAct::Remove, "ext:bob");
        let done = opened.bulk(&BulkAct::Deactivate, "ext:bob");
        assert_eq!(place.json(&format!("job cancel {stopped} --yes"))["status"], "cancelled");
        let mut worker = place.command().args(["worker", "--log-level", "warn"]).spawn().unwrap();
        let followed = place.json(&format!("job follow {done}"));
        assert_eq!((&followed["status"], &followed["summary"]), (&json!("completed"), &json!({"changed": 1})));
        send(&worker, "TERM");
        assert!(worker.wait().unwrap().success());
        let bob = place.json("member show ext:bob --organization ext:acme");
        assert_eq!(bob["status"], "deactivated", "what was stopped was not done");
    }
}

fn send(process: &Child, signal: &str) {
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
}

/// Lia, a member of so many organizations, `ext:o0` and so on.
fn with_lia() -> Place {
    let place = Place::with_acme();
    let key = place.done("operator-key create tests").trim().to_owned();
    let server = Server::start(&place);
    thread::scope(|scope| {
        for first in 0..4 {
            let (server, key) = (&server, &key);
            scope.spawn(move || {
                for n in (first..ORGANIZATIONS).step_by(4) {
                    let made = json!({"name": "One", "external_id": format!("o{n}"), "owner": {"external_id": "ada"}});
                    create(server, key, "/v1/organizations", &made);
                    let lia = json!({"external_id": "lia", "access": {"type": "organization", "role": "viewer"}});
                    create(server, key, &format!("/v1/organizations/ext:o{n}/members"), &lia);
                }
            });
        }
    });
    server.kill();
    place
}

/// Creates something; sends it again where a slow machine has taken too long for it, or is still at it.
fn create(server: &Server, key: &str, path: &str, body: &Value) {
    let name = RandomState::new().build_hasher().finish();
    let headers = format!("Authorization: Bearer {key}\r\nIdempotency-Key: {name:x}\r\n");
    for _ in 0..10 {
        match call_at(&server.address, "POST", path, &headers, Some(body)).unwrap() {
            (201, _) => return,
            (503, refused) => {
                assert!(refused["code"] == "outcome_unknown" || refused["code"] == "busy", "{refused}");
                thread::sleep(Duration::from_millis(200));
            }
            (status, answer) => panic!("{status} {answer}"),
        }
    }
    panic!("{path} takes too long");
}

/// Half-way: it has told of some organizations, and not of all.
fn half_way(place: &Place, opened: &Opened, id: JobId, process: &Child, signal: &str) {
    let looks = (Duration::from_millis(2), Duration::from_secs(20));
    opened.wait(id, "begun", looks, |job| job.done > 0);
    send(process, signal);
    while signal == "STOP" && here() == "sqlite" && !can_be_written(place) {
        send(process, "CONT");
        thread::sleep(Duration::from_millis(1));
        send(process, signal);
    }
    let job = opened.job(id);
    assert!(!job.status.is_finished() && job.done < ORGANIZATIONS as u64, "too late: {job:?}");
}

/// Whether nobody stands still in the middle of a transaction: a file has one writer, however long that takes.
fn can_be_written(place: &Place) -> bool {
    Runtime::new().unwrap().block_on(async {
        let file = place.path().join("roster-data/roster.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut connection = options.busy_timeout(Duration::from_millis(100)).connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut connection).await.is_ok()
    })
}

/// All is done, within the minute; nobody is in that was removed.
fn is_ended(place: &Place, opened: &Opened, id: JobId) {
    // Seldom: a lease has to end first, and others wait for the cores.
    let looks = (Duration::from_millis(500), Duration::from_mins(3));
    let job = opened.wait(id, "ended", looks, |job| job.status.is_finished());
    assert_eq!((job.status.name(), job.done), ("completed", ORGANIZATIONS as u64), "{job:?}");
    let lia = place.json("member show ext:lia --organization ext:o7");
    assert_eq!(lia["status"], "former");
    let removals = place.json("audit list --organization ext:o7 --action member.removed");
    assert_eq!(removals["data"].as_array().unwrap().len(), 1);
    place.done("verify");
}

/// `remove-everywhere` is killed with -9 half-way: the next server ends the sweep.
fn killed() {
    let place = with_lia();
    let mut command = place.command();
    command.args(["user", "remove-everywhere", "ext:lia", "--yes"]).stderr(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let (mut said, mut stderr) = (String::new(), BufReader::new(child.stderr.take().unwrap()));
    let id: JobId = loop {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        if let Some(id) = said.split_whitespace().find(|word| word.starts_with("job_")) {
            break id.parse().unwrap();
        }
    };
    let opened = Opened::of(&place);
    half_way(&place, &opened, id, &child, "KILL");
    child.wait().unwrap();
    let _server = Server::start(&place);
    is_ended(&place, &opened, id);
}

/// A worker stands still half-way: another ends the sweep, and the first changes nothing more when it goes on.
fn stood_still() {
    let (place, worker) = (with_lia(), ["worker", "--log-level", "error"]);
    let opened = Opened::of(&place);
    let id = opened.0.block_on(async {
        let lia: UserRef = "ext:lia".parse().unwrap();
        let lia = flows::find_user(&opened.1, &lia).await.unwrap().id;
        flows::remove_everywhere(&opened.1, &opened.request(), lia).await.unwrap().output.id
    });
    let mut first = place.command().args(worker).spawn().unwrap();
    half_way(&place, &opened, id, &first, "STOP");
    let mut second = place.command().args(worker).spawn().unwrap();
    is_ended(&place, &opened, id);
    let entries = opened.entries();
    send(&first, "CONT");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(opened.entries(), entries, "changed by a worker that had lost the job");
    for worker in [&mut first, &mut second] {
        send(worker, "TERM");
        assert!(worker.wait().unwrap().success());
    }
    place.done("verify");
}

/// Leases last half a minute: whatever has to wait for the end of one waits at the same time. Postgres lets go of one that
/// stands still in the middle of a transaction after ten seconds.
#[test]
fn m5_a_sweep_that_is_killed_or_stands_still_is_ended_by_another() {
    thread::scope(|scope| {
        for store in ["sqlite", "postgres", "redis", "redis-cluster"] {
            scope.spawn(move || on(store, killed));
            scope.spawn(move || on(store, stood_still));
        }
    });
}

/// X1: the status is 1, and the first bad entry is named.
#[test]
fn x1_a_trail_that_somebody_has_changed_is_refused_with_its_first_bad_entry() {
    let place = Place::with_acme();
    let verify = "audit verify --organization ext:acme";
    assert_eq!(place.json(verify)["first_bad"], json!(null));
    Runtime::new().unwrap().block_on(async {
        let file = place.path().join("roster-data/roster.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut connection = options.connect().await.unwrap();
        let home = "home = (SELECT home FROM organizations WHERE external_id = 'acme')";
        let statement = format!("UPDATE log SET time = time + 1 WHERE seq = 2 AND {home}");
        let edited = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        assert_eq!(edited.rows_affected(), 1);
        connection.close().await.unwrap();
    });
    let ran = place.run(&format!("{verify} --output json"));
    let verdict: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.status, &verdict["first_bad"]["seq"]), (1, &json!(2)), "{ran:?}");
    for line in [verify, "audit verify"] {
        let ran = place.run(line);
        assert!(ran.status == 1 && ran.stdout.contains("entry 2"), "{line}: {ran:?}");
    }
    place.write("accounts.csv", "account_external_id,name\nwest,\"a\nb\"\n");
    let import = "import accounts accounts.csv --organization ext:acme";
    assert_eq!(place.run("verify").status, 1);
    // A verdict that nobody reads is the same one.
    for line in ["verify", "audit verify", verify, import] {
        for line in [line.to_owned(), format!("{line} --output json"), format!("{line} --output csv")] {
            let ran = place.run_unread(&line);
            assert_eq!(ran.status, 1, "{line}: {ran:?}");
        }
    }
}
