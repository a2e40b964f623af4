//! What is refused, and how it is said.

use super::*;

#[test]
fn every_problem_is_said_at_once_with_its_place_and_what_to_do() {
    let toml = "
        colour = 'red'
        data_dir = 5
        storage = { backend = 'mysql', sqlite = 'x.db' }
        [server]
        lisen = '127.0.0.1:1'
        [log]
        level = 'loud'";
    let env = [
        ("ROSTER_PUBLIC_URL", "roster"),
        ("ROSTER_LISTEN", "127.0.0.1:2"),
        ("ROSTER_MASTER_KEY", "c2hvcnQ="),
    ];
    let flags = Flags { listen: Some("localhost".into()), ..Flags::default() };
    let known = "server.listen, server.trusted_proxies, server.followers, public_url, data_dir, master_key, master_key_file, storage.backend, \
                 storage.sqlite.path, storage.postgres.url, storage.postgres.url_file, \
                 storage.postgres.connections, storage.redis.url, storage.redis.url_file, storage.redis.prefix, \
                 storage.redis.durability, storage.redis.appendfsync, links.invitation, \
                 links.password_reset, links.email_change, sessions.idle, sessions.life, passwords.memory, \
                 passwords.passes, passwords.lanes, passwords.at_once, passwords.reset_life, \
                 policy.invitation.shortest, policy.offer.life, mail.url, mail.url_file, mail.from, mail.ca_file, mail.templates, \
                 mail.alerts_to, limits.sign_in, limits.password_reset, limits.accept, limits.email_change, limits.invite, \
                 limits.invite_from, limits.peer, webhooks.allow_private_addresses, \
                 indicators.evaluate_every, log.format, log.level";
    let expected = [
        &format!("./roster.toml: colour: unknown key; remove it or use one of {known}"),
        "./roster.toml: server.lisen: unknown key; did you mean server.listen?",
        "./roster.toml: storage.sqlite: is a section, not a value; write it as a table, [storage.sqlite], with \
         its keys below",
        "ROSTER_LISTEN: unknown variable; did you mean ROSTER_SERVER__LISTEN?",
        "--listen (server.listen): \"localhost\" is not an IP address with a port; write it like 127.0.0.1:8080 \
         or [::1]:8080, with a number and not a host name",
        "ROSTER_PUBLIC_URL (public_url): \"roster\" is not a URL: relative URL without a base; give a whole \
         address such as https://roster.example.com",
        "./roster.toml: data_dir: is not text; put the value in double quotes",
        "ROSTER_MASTER_KEY (master_key): is too short: 5 bytes, and at least 32 are needed; make one with: \
         openssl rand -base64 32",
        "./roster.toml: storage.backend: \"mysql\" is not known; use one of: sqlite, postgres, redis",
        "./roster.toml: log.level: \"loud\" is not known; use one of: error, warn, info, debug, trace",
    ];
    assert_eq!(problems(&flags, toml, &env), expected);
}

#[test]
fn single_slips_are_refused() {
    let cases: [(&str, Env<'_>, &str); 20] = [
        (
            "server = 5",
            &[],
            "./roster.toml: server: is a section, not a value; write it as a table, [server]",
        ),
        ("[storage.mysql]\nurl = 'x'", &[], "./roster.toml: storage.mysql: unknown key; remove it"),
        (
            "[storage.redis]\nurl = 'redis://a,b'",
            &[],
            "./roster.toml: storage.redis.url: is no address of Redis; write it like redis://USER:PASSWORD@HOST:PORT",
        ),
        (
            "storage.backend = 'redis'",
            &[],
            "storage.redis.url (default): is needed for this backend; set storage.redis.url to redis://",
        ),
        (
            "[storage.redis]\ndurability = 'none'",
            &[],
            "./roster.toml: storage.redis.durability: \"none\" is not known; use one of: full, relaxed",
        ),
        (
            "[storage.redis]\nprefix = '{a}'",
            &[],
            "./roster.toml: storage.redis.prefix: \"{a}\" cannot begin a key; use at most 64 of",
        ),
        (
            "[storage.postgres]\nurl = 'hunter2'",
            &[],
            "./roster.toml: storage.postgres.url: is no address of a Postgres database; write it like postgres://",
        ),
        (
            "storage.backend = 'postgres'",
            &[],
            "storage.postgres.url (default): is needed for this backend; set storage.postgres.url to postgres://",
        ),
        (
            "[storage.postgres]\nurl = 'postgres://a:hunter2@h/d'\nurl_file = 'f'",
            &[],
            "./roster.toml: storage.postgres.url_file: is given beside storage.postgres.url; keep one of the two",
        ),
        (
            "storage.backend = 'postgres'\n[storage.postgres]\nurl_file = 'nowhere'",
            &[],
            "./roster.toml: storage.postgres.url_file: ./nowhere does not exist; make it",
        ),
        (
            "[storage.postgres]\nconnections = 1",
            &[],
            "./roster.toml: storage.postgres.connections: \"1\" is no number of connections; give a number",
        ),
        (
            "policy.invitation.shortest = '91d'",
            &[],
            "./roster.toml: policy.invitation.shortest: \"91d\" is longer than an invitation may live; give at most 90d",
        ),
        ("passwords.lanes = 4294967295", &[], "passwords.memory (default): not a cost that Argon2id knows: "),
        ("data_dir = ''", &[], "./roster.toml: data_dir: is empty"),
        ("data_dir = '~/data'", &[], "./roster.toml: data_dir: ~ is not expanded here"),
        ("a = 1\nmaster_key = 'hunter2\n", &[], "./roster.toml: is not TOML at line 2: "),
        ("", &[("ROSTER_MASTER_KEY", "")], "ROSTER_MASTER_KEY (master_key): is empty"),
        ("", &[("ROSTER_DATA_DIR", "a\u{fffd}")], "ROSTER_DATA_DIR (data_dir): is not UTF-8"),
        (
            "",
            &[("ROSTER_SERVER_LISTEN", "x")],
            "ROSTER_SERVER_LISTEN: unknown variable; did you mean ROSTER_SERVER__L",
        ),
        (
            "",
            &[("ROSTER_PORT", "80")],
            "ROSTER_PORT: unknown variable; remove it or use one of ROSTER_SERVER__LISTEN",
        ),
    ];
    for (toml, env, start) in cases {
        let found = problems(&Flags::default(), toml, env);
        assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
        assert!(!found[0].contains("hunter2"));
    }
}

#[test]
fn test_variables_and_service_links_are_passed_over() {
    let env = [
        ("ROSTER_TEST_POSTGRES_URL", "postgres://x"),
        ("ROSTER_SERVICE_HOST", "10.0.0.1"),
        ("ROSTER_SERVICE_PORT", "8080"),
        ("ROSTER_SERVICE_PORT_HTTP", "8080"),
        ("ROSTER_PORT", "tcp://10.0.0.1:8080"),
        ("ROSTER_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("ROSTER_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("ROSTER_API_SERVICE_HOST", "10.0.0.1"),
    ];
    load(&Flags::default(), &env, Path::new("/srv/roster")).unwrap();
}

#[test]
fn a_listener_beyond_loopback_needs_a_public_url() {
    let cases = [
        ("127.0.0.1:80", true),
        ("127.8.9.1:80", true),
        ("[::1]:80", true),
        ("[::ffff:127.0.0.1]:80", true),
        ("0.0.0.0:80", false),
        ("[::]:80", false),
        ("10.0.0.5:80", false),
        ("[::ffff:10.0.0.5]:80", false),
    ];
    for (listen, allowed) in cases {
        let env = [("ROSTER_SERVER__LISTEN", listen), ("ROSTER_PUBLIC_URL", "https://roster.example.com")];
        assert!(load(&Flags::default(), &env, Path::new("/srv/roster")).is_ok());
        let result = load(&Flags::default(), &env[..1], Path::new("/srv/roster"));
        assert_eq!(result.is_ok(), allowed, "{listen}");
        if let Err(problems) = result {
            assert_eq!(problems.0[0].source, Source::Environment("ROSTER_SERVER__LISTEN".into()));
            assert!(problems.to_string().contains("set public_url to the address"), "{problems}");
        }
    }
}

#[test]
fn the_named_file_must_exist_and_no_parent_folder_is_searched() {
    let folder = folder("data_dir = 'parent'");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let config = load(&Flags::default(), &[], &inner).unwrap();
    assert_eq!(config.data_dir, inner.join("roster-data"));

    let named = |path: &str| Flags { config: Some(path.into()), ..Flags::default() };
    let config = load(&named("../roster.toml"), &[], &inner).unwrap();
    assert_eq!(config.data_dir, inner.join("parent"));
    for wrong in ["none.toml", "../inner"] {
        let problems = load(&named(wrong), &[("ROSTER_X", "")], &inner).unwrap_err().0;
        assert_eq!(problems[0].source, Source::File(inner.join(wrong)));
        assert!(problems[0].problem.starts_with("cannot be read: "));
        assert_eq!(problems.len(), 2, "the rest is checked too");
    }
}
