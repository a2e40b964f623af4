//! What is printed, and that no secret is.

use super::*;
use crate::config::show;

#[test]
fn secrets_show_nowhere() {
    let folder = folder(&format!("master_key = '{KEY}'"));
    let config = load(&Flags::default(), &[], folder.path()).unwrap();
    let key = master_key::resolve(&config).unwrap();
    assert_eq!(key.bytes(), (0..32).collect::<Vec<u8>>());
    let places =
        [format!("{config:?}"), format!("{key:?}"), show::table(&config), show::to_json(&config).to_string()];
    for place in places {
        assert!(!place.contains(KEY) && !place.contains("0, 1, 2"), "{place}");
    }
}

#[test]
fn show_prints_each_setting_once_with_its_source() {
    let toml = format!("master_key = '{KEY}'\n[log]\nlevel = 'warn'");
    let folder = folder(&toml);
    let flags = Flags { listen: Some("[::1]:80".into()), ..Flags::default() };
    let config = load(&flags, &[("ROSTER_DATA_DIR", "/d")], folder.path()).unwrap();
    let keys: Vec<_> = config.settings().iter().map(|setting| setting.key).collect();
    assert_eq!(keys, keys::KEYS.map(|key| key.path));
    let table = show::table(&config).replace(&folder.path().display().to_string(), ".");
    let lines: Vec<_> =
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "SETTING VALUE SOURCE",
        "server.listen [::1]:80 --listen",
        "server.trusted_proxies (not set) default",
        "server.followers 1000 default",
        "public_url http://[::1]:80 default",
        "data_dir /d ROSTER_DATA_DIR",
        "master_key (hidden) ./roster.toml",
        "master_key_file (not set) default",
        "storage.backend sqlite default",
        "storage.sqlite.path /d/roster.db default",
        "storage.postgres.url (not set) default",
        "storage.postgres.url_file (not set) default",
        "storage.postgres.connections 16 default",
        "storage.redis.url (not set) default",
        "storage.redis.url_file (not set) default",
        "storage.redis.prefix roster: default",
        "storage.redis.durability full default",
        "storage.redis.appendfsync (not set) default",
        "links.invitation (not set) default",
        "links.password_reset (not set) default",
        "links.email_change (not set) default",
        "sessions.idle 14d default",
        "sessions.life 90d default",
        "passwords.memory 19456 default",
        "passwords.passes 2 default",
        "passwords.lanes 1 default",
        "passwords.at_once (not set) default",
        "passwords.reset_life 1h default",
        "policy.invitation.shortest 1h default",
        "policy.offer.life 7d default",
        "mail.url (not set) default",
        "mail.url_file (not set) default",
        "mail.from (not set) default",
        "mail.ca_file (not set) default",
        "mail.templates (not set) default",
        "mail.alerts_to (not set) default",
        "limits.sign_in 50/15m default",
        "limits.password_reset 5/1h default",
        "limits.accept 100/10m default",
        "limits.email_change 5/1h default",
        "limits.invite 20/1h default",
        "limits.invite_from 10000/1h default",
        "limits.peer 300/5m default",
        "webhooks.allow_private_addresses false default",
        "indicators.evaluate_every 5m default",
        "log.format text default",
        "log.level warn ./roster.toml",
    ];
    assert_eq!(lines, expected);
    let json = show::to_json(&config);
    let data_dir = serde_json::json!({
        "key": "data_dir", "value": "/d", "source": { "kind": "environment", "name": "ROSTER_DATA_DIR" },
    });
    assert_eq!(json["settings"][4], data_dir);
    assert_eq!(json["settings"][5]["value"], "(hidden)");
    assert_eq!(json["settings"][6]["value"], serde_json::Value::Null);
    assert_eq!(json["settings"][6]["source"], serde_json::json!({ "kind": "default" }));
}

#[test]
fn check_lists_every_problem_and_writes_nothing() {
    let folder = folder("");
    let check = |env: Env<'_>| show::check(&Flags::default(), pairs(env), folder.path());
    let good = check(&[]);
    assert!(good.is_ok());
    assert_eq!(good.to_json(), serde_json::json!({ "ok": true, "problems": [] }));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let bad = check(&[("ROSTER_LOG__LEVEL", "x"), ("ROSTER_LOG__FORMAT", "y")]);
    assert!(!bad.is_ok());
    assert_eq!(bad.text().lines().count(), 2);
    assert_eq!(bad.to_json()["problems"][0]["key"], "log.format");

    let missing = check(&[("ROSTER_MASTER_KEY_FILE", "none")]);
    assert_eq!(missing.problems[0].key.as_deref(), Some("master_key_file"));
    assert!(missing.text().contains("none does not exist; correct the path, or make one with: openssl"));
}
