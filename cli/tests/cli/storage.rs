//! Moving to another store, and looking at what a deployment needs (rule X5).

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use roster_cli::config::Flags;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;

use crate::place::{Place, Ran};
use crate::private_server::certificates::{authority, certified};
use crate::private_server::free_port;
use crate::private_server::redis::Redis;
use crate::server::Server;
use crate::stores::{self, on_every_store};

/// A file that names another store, in files in the same folder.
fn with_other() -> Place {
    let place = Place::with_acme();
    place.write("other.toml", "data_dir = \"other\"\n");
    place
}

fn lists(place: &Place, flags: &str) -> Vec<String> {
    [
        "member list --organization ext:acme",
        "account list --organization ext:acme",
        "user list",
        "organization list",
    ]
    .map(|line| place.done(&format!("{line} {flags} --output json")))
    .to_vec()
}

/// X5: a copy holds the same, says so, is clean, and goes on under the same key.
#[test]
fn x5_a_copy_is_the_same_and_goes_on() {
    is_copied_and_goes_on(&with_other(), "sqlite");
}

fn is_copied_and_goes_on(place: &Place, to: &str) {
    let said = place.json("storage copy --to other.toml");
    assert_eq!((&said["from"], &said["to"], &said["compared"]), (&json!("sqlite"), &json!(to), &json!(true)));
    let verified = place.json("verify");
    for counted in ["homes", "records", "entries"] {
        assert_eq!(said[counted], verified[counted], "{counted}");
    }
    let key = std::fs::read(place.path().join("roster-data/master.key")).unwrap();
    let folder = place.path().join("other");
    if !folder.exists() {
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    }
    let other = folder.join("master.key");
    std::fs::write(&other, key).unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(lists(place, "--config other.toml"), lists(place, ""));
    assert_eq!(place.json("verify --config other.toml")["ok"], true);
    place.done("audit verify --organization ext:acme --config other.toml");
    place.done("member remove ext:bob --organization ext:acme --yes --config other.toml");
    place.done("verify --config other.toml");
    assert_eq!(lists(place, "").len(), 4, "the first is as it was");
}

/// The sentence of a copy that is not made.
fn not_copied(ran: &Ran, status: i32, says: &str) {
    assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{ran:?}");
    assert!(ran.stderr.contains(says), "{ran:?}");
}

/// Copies, and kills that with -9 once the other store is marked as holding half of a deployment.
fn killed_half_way(place: &Place, file: &str) {
    let flags = Flags { config: Some(place.path().join(file)), ..Flags::default() };
    let runtime = Runtime::new().unwrap();
    let mut command = place.command();
    command.args(["storage", "copy", "--to", file]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut copying = command.spawn().unwrap();
    loop {
        match runtime.block_on(roster_cli::open_store(&flags)) {
            Err(why) if why.contains(HALF) => break,
            opened => drop(opened.unwrap()),
        }
        assert!(copying.try_wait().unwrap().is_none(), "it ended before it was killed");
    }
    copying.kill().unwrap();
    assert_eq!(copying.wait().unwrap().code(), None, "it ended before it was killed");
}

const HALF: &str = "holds half of a deployment";

/// The status of a program that must end by itself.
fn ended(mut child: Child) -> Option<i32> {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap().code()
}

/// X5: refused while a server runs, on either; a killed server is known to be gone.
#[test]
fn x5_no_copy_is_made_while_a_server_runs() {
    let place = with_other();
    let server = Server::start(&place);
    not_copied(&place.run("storage copy --to other.toml"), 1, "a server runs on the store that is copied");
    assert!(!place.path().join("other").exists(), "nothing was made");
    drop(server);
    place.done("storage copy --to other.toml");
    not_copied(&place.run("storage copy --to other.toml"), 1, "not empty");
}

/// X5: a file of an older version is not brought up by a copy, which may be refused after that.
#[test]
fn x5_an_older_store_is_not_copied_and_not_changed() {
    let place = with_other();
    let newest = Runtime::new().unwrap().block_on(async {
        let file = SqliteConnectOptions::new().filename(place.path().join("roster-data/roster.db"));
        let mut connection = file.connect().await.unwrap();
        let statement =
            "DELETE FROM roster_migrations WHERE version = (SELECT max(version) FROM roster_migrations)";
        let done = sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    });
    assert_eq!(newest, 1);
    let older = place.json("doctor");
    not_copied(&place.run("storage copy --to other.toml"), 1, "of an older version");
    assert_eq!(line(&place.json("doctor"), "schema"), line(&older, "schema"), "it is as it was");
    assert!(line(&older, "schema")["at_start"].is_string(), "{older}");
    assert!(!place.path().join("other").exists(), "nothing was made");
}

/// X5: the file alone says where to; what the environment says is of the first store.
#[test]
fn x5_the_environment_does_not_say_where_to() {
    let place = with_other();
    let env = [("ROSTER_STORAGE__SQLITE__PATH", "elsewhere.db")];
    place.run_with(&env, "organization create --name North --owner-email n@example.com");
    let ran = place.run_with(&env, "storage copy --to other.toml --output json");
    assert_eq!(ran.status, 0, "{ran:?}");
    let copied: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_ne!(copied["homes"], place.json("verify")["homes"], "elsewhere.db was copied");
    assert!(place.path().join("other/roster.db").exists());
}

#[test]
fn x5_a_copy_needs_a_file_and_the_same_key() {
    let place = with_other();
    not_copied(&place.run("storage copy"), 2, "--to");
    not_copied(&place.run("storage copy --to none.toml"), 2, "none.toml");
    place.write("other.toml", &format!("data_dir = \"other\"\nmaster_key = \"{}\"\n", "QUFB".repeat(12)));
    std::fs::set_permissions(place.path().join("other.toml"), PermissionsExt::from_mode(0o600)).unwrap();
    not_copied(&place.run("storage copy --to other.toml"), 2, "names another master key");
    assert!(!place.path().join("other").exists(), "nothing was made");
    place.write("same.toml", "");
    not_copied(&place.run("storage copy --to same.toml"), 1, "another copy is under way");
}

fn line<'a>(told: &'a Value, name: &str) -> &'a Value {
    let checks = told["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {told}"))
}

/// Looks before anything is there and makes nothing; looks at what is there; says what is bad, and how to put it right.
#[test]
fn the_doctor_says_what_is_bad() {
    let place = Place::empty();
    let told = place.json("doctor");
    assert_eq!((&told["ok"], &line(&told, "database")["found"]), (&json!(true), &json!("not there yet")));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");
    place.done("migrate");
    let told = place.json("doctor");
    for name in
        ["public_url", "master key", "data folder", "file system", "SQLite version", "schema", "content"]
    {
        assert_eq!(line(&told, name)["result"], "ok", "{name}");
    }
    assert_eq!(line(&told, "durability")["found"], "full");
    assert_eq!(line(&told, "clock difference")["result"], "ok");
    let table = place.done("doctor");
    assert!(table.trim_start().starts_with("CHECK") && table.contains("NEEDED"), "{table}");
    let csv = place.done("doctor --output csv");
    assert!(csv.starts_with("name,found,needed,result,problem,at_start"), "{csv}");

    let data = place.path().join("roster-data");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
    let ran = place.run("doctor");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.contains("run: chmod 700 "), "{ran:?}");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::set_permissions(data.join("master.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let ran = place.run("doctor --output json");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.status, &line(&told, "master key")["result"]), (1, &json!("bad")));
    std::fs::set_permissions(data.join("master.key"), PermissionsExt::from_mode(0o600)).unwrap();

    let key = "QUFB".repeat(12);
    let ran = place.run_with(&[("ROSTER_MASTER_KEY", key.as_str())], "doctor --output json");
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.status, &line(&told, "key of the store")["found"]), (1, &json!("another")));
}

#[test]
fn the_doctor_tells_a_store_that_is_not_reached() {
    let place = Place::empty();
    let env = [
        ("ROSTER_STORAGE__BACKEND", "postgres"),
        ("ROSTER_STORAGE__POSTGRES__URL", "postgres://roster:hunter2@127.0.0.1:1/roster"),
    ];
    let ran = place.run_with(&env, "doctor");
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.stdout.contains("does not answer") && !ran.stdout.contains("hunter2"), "{ran:?}");
    let ran = place.run_with(&[("ROSTER_SERVER__LISTEN", "0.0.0.0:80")], "doctor");
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.contains("public_url is not set"), "{ran:?}");
}

/// A path that is wrong makes nothing, and ties no other store to a new key.
#[test]
fn x5_what_is_not_there_is_not_copied() {
    let place = Place::empty();
    place.write("other.toml", "data_dir = \"other\"\n");
    not_copied(
        &place.run("storage copy --to other.toml"),
        3,
        "there is nothing to copy: there is no master key",
    );
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing was made");
    place.done("migrate");
    std::fs::remove_file(place.path().join("roster-data/roster.db")).unwrap();
    not_copied(
        &place.run("storage copy --to other.toml"),
        3,
        "there is nothing to copy: the store holds nothing",
    );
    assert!(!place.path().join("other").exists(), "nothing was made");
}

/// A store that may lose the newest changes says so, before it serves and while it does.
#[test]
fn a_relaxed_store_says_so() {
    stores::on("redis", || {
        let redis = Redis::with(&["--appendfsync", "everysec"]);
        let section = format!("[storage.redis]\nurl = \"{}\"\ndurability = \"relaxed\"\n", redis.url());
        let place = Place::with_acme_on(&format!("[storage]\nbackend = \"redis\"\n{section}"));
        let told = place.json("doctor");
        let found = line(&told, "durability")["found"].as_str().unwrap();
        assert!(found.starts_with("relaxed, as configured"), "{found}");
        let server = Server::start(&place);
        let (status, told) = server.call("GET", "/readyz?verbose", "", None);
        assert!(status == 200 && told.to_string().contains("relaxed"), "{told}");
    });
}

/// An encrypted connection to Redis, checked against the authority that `SSL_CERT_FILE` names.
#[test]
fn a_redis_is_reached_by_tls() {
    stores::on("redis", || {
        let place = Place::empty();
        authority(place.path(), "ours");
        authority(place.path(), "another");
        certified(place.path());
        // Read before it changes its user.
        let at = |name: &str| place.path().join(name).display().to_string();
        for name in ["made.key", "made.crt", "ours.crt"] {
            std::fs::set_permissions(at(name), PermissionsExt::from_mode(0o644)).unwrap();
        }
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let port = free_port().to_string();
        let (key, certificate, authority) = (at("made.key"), at("made.crt"), at("ours.crt"));
        let tls = ["--tls-auth-clients", "no", "--tls-ca-cert-file", &authority];
        let tls = [tls.as_slice(), &["--tls-key-file", &key, "--tls-cert-file", &certificate]].concat();
        let _redis = Redis::with(&[tls.as_slice(), &["--tls-port", &port]].concat());
        let by_url = |url: &str, file: &str, line: &str| {
            let store = [("ROSTER_STORAGE__BACKEND", "redis"), ("ROSTER_STORAGE__REDIS__URL", url)];
            place.run_with(&[store.as_slice(), &[("SSL_CERT_FILE", &at(file))]].concat(), line)
        };
        let by = |host: &str, file: &str, line: &str| by_url(&format!("rediss://{host}:{port}"), file, line);
        assert_eq!(by("localhost", "ours.crt", "migrate").status, 0);
        let made =
            by("localhost", "ours.crt", "organization create --name North --owner-email n@example.com");
        assert_eq!(made.status, 0, "{made:?}");
        let looked = by("localhost", "ours.crt", "doctor");
        assert_eq!(looked.status, 0, "{looked:?}");
        for (host, file, word) in
            [("localhost", "another.crt", "UnknownIssuer"), ("127.0.0.1", "ours.crt", "not valid for name")]
        {
            let refused = by(host, file, "migrate");
            assert!(refused.status == 3 && refused.stderr.contains(word), "{refused:?}");
        }

        // The nodes of a cluster tell by which names they are reached.
        let (port, bus) = (free_port().to_string(), free_port().to_string());
        let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--tls-cluster", "yes"];
        let named =
            ["--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname"];
        let node = Redis::with(&[tls.as_slice(), &["--tls-port", &port], &cluster, &named].concat());
        assert!(node.told("CLUSTER ADDSLOTSRANGE 0 16383").starts_with("+OK"));
        let begun = Instant::now();
        while !node.told("CLUSTER INFO").contains("cluster_state:ok") {
            assert!(begun.elapsed() < Duration::from_secs(20), "the cluster does not come together");
            sleep(Duration::from_millis(20));
        }
        let url = format!("rediss://localhost:{port},rediss://localhost:{port}");
        let refused = by_url(&url, "another.crt", "migrate");
        assert!(refused.status == 3 && refused.stderr.contains("UnknownIssuer"), "{refused:?}");
        assert_eq!(by_url(&url, "ours.crt", "migrate").status, 0);
        let made = by_url(&url, "ours.crt", "organization create --name North --owner-email n@example.com");
        assert_eq!(made.status, 0, "{made:?}");
    });
}

on_every_store! {
    /// X5: from files to a server.
    fn x5_a_copy_on_a_server_is_the_same_and_goes_on() {
        let Some((there, _database)) = stores::configuration() else { return };
        let place = Place::with_acme_on("");
        place.write("other.toml", &format!("data_dir = \"other\"\n{there}"));
        is_copied_and_goes_on(&place, stores::here().trim_end_matches("-cluster"));
    }

    /// X5: what is left of a copy that was killed is neither served nor added to; the next into an empty store ends well.
    fn x5_what_a_killed_copy_has_left_is_not_served() {
        let place = Place::with_acme_on("");
        let mut people = "user_external_id,account_external_id,role\n".to_owned();
        for n in 0..200 {
            writeln!(people, "p{n},north,viewer").unwrap();
        }
        place.write("people.csv", &people);
        place.done("organization seats ext:acme --purchased unlimited");
        place.done("import members people.csv --organization ext:acme");
        let at = |name: &str| place.path().join(name).display().to_string();
        let mut databases = Vec::new();
        for name in ["other", "third"] {
            let there = stores::configuration().map(|(there, database)| {
                databases.push(database);
                there
            });
            let (folder, key, there) = (at(name), at("roster-data/master.key"), there.unwrap_or_default());
            let text = format!("data_dir = \"{folder}\"\nmaster_key_file = \"{key}\"\n{there}");
            place.write(&format!("{name}.toml"), &text);
            // Or looking at it would make it.
            place.done(&format!("migrate --config {name}.toml"));
        }
        killed_half_way(&place, "other.toml");
        not_copied(&place.run("storage copy --to other.toml"), 1, HALF);
        let mut serve = place.command();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--config", "other.toml"]).stderr(Stdio::null());
        assert_eq!(ended(serve.spawn().unwrap()), Some(1));
        assert_eq!(place.json("storage copy --to third.toml")["compared"], true);
        assert_eq!(lists(&place, "--config third.toml"), lists(&place, ""));
        place.done("verify --config third.toml");
        drop(databases);
    }

    /// A place is left at once: after an orderly stop a copy can begin, and after the copy a server.
    fn x5_after_a_stop_a_copy_and_after_a_copy_a_server() {
        let place = with_other();
        let server = Server::start(&place);
        not_copied(&place.run("storage copy --to other.toml"), 1, "a server runs on the store that is copied");
        server.signal("TERM");
        assert_eq!(server.end().0, Some(0));
        place.done("storage copy --to other.toml");
        drop(Server::start(&place));
    }

    fn an_upgrade_goes_through_what_is_kept() {
        let place = Place::with_acme();
        let done = place.json("storage upgrade");
        assert_eq!(done["records"], 0, "all is of this program's schema");
        assert!(place.done("storage upgrade").starts_with("Every record is of the newest schema"));
    }

    /// Every line of the doctor's that speaks of the store is good on a store of the tests.
    fn the_doctor_finds_nothing_wrong_with_a_store_that_serves() {
        let place = Place::with_acme();
        let found = place.json("doctor");
        let checks = found["checks"].as_array().unwrap();
        assert!(checks.len() >= 6, "{found}");
        assert!(checks.iter().all(|check| check["result"] == "ok"), "{found}");
    }
}
