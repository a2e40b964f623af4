//! Exit statuses, settings, and what is asked before something is destroyed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::place::{Place, count};
use crate::stores::on_every_store;

#[test]
fn any_command_makes_the_store_and_a_private_key() {
    let place = Place::empty();
    place.done("migrate");
    let data = place.path().join("roster-data");
    for name in ["roster.db", "master.key"] {
        let mode = std::fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn what_cannot_be_taken_back_needs_yes_off_a_terminal() {
    let place = Place::with_acme();
    let key = place.json("operator-key create laptop")["id"].as_str().unwrap().to_owned();
    let api_key = place.json("api-key create ci --organization ext:acme --role viewer --all-accounts");
    let api_key = api_key["id"].as_str().unwrap();
    for line in [
        "organization close ext:acme".to_owned(),
        "organization transfer ext:acme --to ext:bob".to_owned(),
        "account archive ext:north --organization ext:acme".to_owned(),
        "member remove ext:bob --organization ext:acme".to_owned(),
        "member remove ext:bob --organization ext:acme --account ext:north".to_owned(),
        "member leave ext:bob --organization ext:acme".to_owned(),
        format!("operator-key revoke {key}"),
        format!("api-key revoke {api_key} --organization ext:acme"),
    ] {
        let before = place.json("audit list --organization ext:acme");
        let ran = place.run(&line);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{line}");
        assert!(ran.stderr.contains("--yes"), "{line}: {ran:?}");
        assert_eq!(place.json("audit list --organization ext:acme"), before, "{line}");
    }
    place.done("member leave ext:bob --organization ext:acme --yes");
}

#[test]
fn global_flags_stand_anywhere() {
    let place = Place::empty();
    place.write("here.toml", "data_dir = \"elsewhere\"\n");
    for line in [
        "--config here.toml --output json user list",
        "user --output json --config here.toml list",
        "user list --config here.toml --output=json",
        "user --config here.toml list --output json --yes",
    ] {
        assert!(place.done(line).starts_with('{'), "{line}");
    }
    assert!(place.path().join("elsewhere/roster.db").exists());
    assert!(!place.path().join("roster-data").exists());
}

#[test]
fn bad_usage_ends_with_2() {
    let place = Place::with_acme();
    for line in [
        "",
        "frobnicate",
        "organization",
        "organization show",
        "organization show nonsense",
        "organization show usr_01m85w0myxfbss6yt7q6rcgtr6",
        "organization create --name X",
        "organization create --name X --owner-email nobody",
        "organization create --name X --owner-email ada@example.com --seats 0",
        "member add --organization ext:acme --email x@example.com --role member",
        "member add --organization ext:acme --role member --all-accounts",
        "member list --organization ext:acme --sort age",
        "member set-access ext:bob --organization ext:acme",
        "check --user ext:bob --permission *:read --organization ext:acme",
        "user list --limit 0",
        "user list --output yaml",
    ] {
        let ran = place.run(line);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{line}: {ran:?}");
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn refusals_say_code_and_reason() {
    let place = Place::with_acme();
    let ran = place.run("member remove ext:ada --organization ext:acme --yes");
    assert_eq!(ran.status, 1);
    assert_eq!(
        ran.stderr,
        "refused: owner_must_transfer: The owner is protected; transfer the ownership first.\n"
    );
}

#[test]
fn a_bad_configuration_is_told_whole() {
    let place = Place::empty();
    let env = [
        ("ROSTER_STORAGE__BACKEND", "oracle"),
        ("ROSTER_SERVER__LISTEN", "nowhere"),
        ("ROSTER_LOGG__LEVEL", "info"),
    ];
    let check = place.run_with(&env, "config check");
    assert_eq!(check.status, 1);
    let serve = place.run_with(&env, "migrate");
    assert_eq!(serve.status, 2);
    for text in [&check.stdout, &serve.stderr] {
        assert!(text.contains("use one of: sqlite"), "{text}");
        assert!(text.contains("ROSTER_SERVER__LISTEN") && text.contains("ROSTER_LOGG__LEVEL"), "{text}");
    }
    let problems: serde_json::Value =
        serde_json::from_str(&place.run_with(&env, "config check --output json").stdout).unwrap();
    assert_eq!(problems["problems"].as_array().unwrap().len(), 3);
    assert!(place.done("config check").contains("no problems"));
    assert!(!place.path().join("roster-data").exists(), "checking writes nothing");
}

#[test]
fn the_settings_in_effect_are_shown_without_secrets() {
    let place = Place::empty();
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA==";
    let shown = place.run_with(&[("ROSTER_MASTER_KEY", secret)], "config show");
    assert_eq!(shown.status, 0);
    assert!(shown.stdout.contains("ROSTER_MASTER_KEY") && !shown.stdout.contains(secret));
    assert!(place.json("config show")["settings"].is_array());
}

#[test]
fn another_master_key_does_not_open_the_store() {
    let place = Place::with_acme();
    let other = [("ROSTER_MASTER_KEY", "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI=")];
    for line in ["organization list", "migrate"] {
        let ran = place.run_with(&other, line);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{line}");
        assert!(ran.stderr.contains("belongs to another master key"), "{ran:?}");
    }
    let short = place.run_with(&[("ROSTER_MASTER_KEY", "c2hvcnQ=")], "organization list");
    assert_eq!(short.status, 2);
    assert!(short.stderr.contains("too short") && !short.stderr.contains("c2hvcnQ"));
}

on_every_store! {
    /// A new one would open nothing, and stand in the way of the right one.
    fn no_master_key_is_made_for_a_store_that_was_made_with_another() {
        let place = Place::empty();
        place.done("migrate");
        let key = place.path().join("roster-data/master.key");
        let kept = std::fs::read(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        for line in ["organization list", "migrate", "serve", "doctor"] {
            let ran = place.run_with(&[("ROSTER_SERVER__LISTEN", "127.0.0.1:0")], line);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(ran.status == 1 && said.contains("put that back from its backup"), "{line}: {ran:?}");
            assert!(!key.exists(), "{line} made one");
        }
        std::fs::write(&key, kept).unwrap();
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        place.done("organization list");
    }
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let place = Place::with_acme();
    let key = place.path().join("roster-data/master.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let named = [("ROSTER_MASTER_KEY_FILE", "roster-data/master.key")];
    for ran in [place.run("organization list"), place.run_with(&named, "organization list")] {
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.stderr.contains("chmod 600"), "{ran:?}");
    }
}

#[test]
fn a_store_that_cannot_be_reached_ends_with_3() {
    let place = Place::empty();
    place.write("file", "no folder");
    place.write("other.db", "this is not a database, and it is longer than the header of one would be");
    for env in [
        [("ROSTER_DATA_DIR", "file")],
        [("ROSTER_STORAGE__SQLITE__PATH", "other.db")],
        [("ROSTER_STORAGE__SQLITE__PATH", ".")],
    ] {
        let ran = place.run_with(&env, "organization list");
        assert_eq!((ran.status, ran.stdout.as_str()), (3, ""), "{env:?}: {ran:?}");
        assert!(ran.stderr.starts_with("failed: "), "{ran:?}");
        assert!(!place.path().join("roster-data").exists(), "{env:?}: no key is made before it is seen");
    }
    let env = [
        ("ROSTER_SERVER__LISTEN", "127.0.0.1:0"),
        ("ROSTER_STORAGE__BACKEND", "postgres"),
        ("ROSTER_STORAGE__POSTGRES__URL", "postgres://roster@127.0.0.1:1/roster"),
    ];
    let ran = place.run_with(&env, "serve");
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""), "{ran:?}");
    assert!(!place.path().join("roster-data").exists());
}

#[test]
fn lists_follow_every_page() {
    let place = Place::empty();
    let rows: Vec<_> = (0..450).map(|n| format!("person{n}@example.com,north,viewer\n")).collect();
    let file = format!("email,account_external_id,role\n{}", rows.concat());
    place.done(
        "organization create --name Acme --external-id acme --owner-email ada@example.com --account N=north",
    );
    assert_eq!(place.run_reading(&file, "import members - --organization ext:acme").status, 0);
    assert_eq!(count(&place.json("member list --organization ext:acme")), 451);
    assert_eq!(count(&place.json("member list --organization ext:acme --sort email")), 451);
    assert_eq!(count(&place.json("member list --organization ext:acme --limit 250")), 250);
    assert_eq!(count(&place.json("user list")), 451);
    assert!(count(&place.json("audit list --organization ext:acme")) > 451);
}
