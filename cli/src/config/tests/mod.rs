//! The layers together: what wins.

mod reference;
mod refusals;
mod show;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::ExposeSecret;

use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

type Env<'a> = &'a [(&'a str, &'a str)];

/// A working folder with `roster.toml` if `toml` has text.
fn folder(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if !toml.is_empty() {
        let file = folder.path().join("roster.toml");
        fs::write(&file, toml).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    }
    folder
}

fn load(flags: &Flags, env: Env<'_>, cwd: &Path) -> Result<Config, Problems> {
    Config::load(flags, pairs(env), cwd)
}

fn pairs(env: Env<'_>) -> impl Iterator<Item = (String, String)> {
    env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// The problems as lines, with the working folder written as `.`.
fn problems(flags: &Flags, toml: &str, env: Env<'_>) -> Vec<String> {
    let folder = folder(toml);
    let problems = load(flags, env, folder.path()).unwrap_err().0;
    let cwd = folder.path().display().to_string();
    problems.iter().map(|problem| problem.to_string().replace(&cwd, ".")).collect()
}

fn setting<'a>(config: &'a Config, key: &str) -> &'a Setting {
    config.settings().iter().find(|setting| setting.key == key).unwrap()
}

#[test]
fn nothing_given_is_sqlite_under_roster_data_on_loopback() {
    let folder = folder("");
    let config = load(&Flags::default(), &[("PATH", "/bin"), ("ROSTERX", "1")], folder.path()).unwrap();
    let data = folder.path().join("roster-data");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.data_dir, data);
    assert_eq!(config.storage.backend, Backend::Sqlite);
    assert_eq!(config.storage.sqlite.path, data.join("roster.db"));
    assert!(
        matches!(&config.master_key, MasterKeySource::Generated(path) if *path == data.join("master.key"))
    );
    assert_eq!(config.log, Log { format: LogFormat::Text, level: tracing::Level::INFO });
    assert_eq!(config.file, None);
    assert!(!data.exists(), "reading the configuration writes nothing");
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_defaults() {
    let toml = "[server]\nlisten = '127.0.0.1:1'\n";
    let env = [("ROSTER_SERVER__LISTEN", "127.0.0.1:2")];
    let flag = Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
    let none = Flags::default();
    let variable = Source::Environment("ROSTER_SERVER__LISTEN".into());
    let cases: [(&Flags, &str, Env<'_>, u16, Option<Source>); 5] = [
        (&none, "", &[], 8080, Some(Source::Default)),
        (&none, toml, &[], 1, None),
        (&none, toml, &env, 2, Some(variable.clone())),
        (&none, "", &env, 2, Some(variable)),
        (&flag, toml, &env, 3, Some(Source::Flag("--listen".into()))),
    ];
    for (flags, toml, env, port, source) in cases {
        let folder = folder(toml);
        let config = load(flags, env, folder.path()).unwrap();
        assert_eq!(config.server.listen.port(), port);
        assert_eq!(config.public_url, format!("http://127.0.0.1:{port}"));
        let file = Source::File(folder.path().join("roster.toml"));
        assert_eq!(setting(&config, "server.listen").source, source.unwrap_or(file));
    }
}

#[test]
fn each_documented_variable_works() {
    let env = [
        ("ROSTER_SERVER__LISTEN", "0.0.0.0:80"),
        ("ROSTER_PUBLIC_URL", "https://roster.example.com/"),
        ("ROSTER_DATA_DIR", "/var/lib/roster"),
        ("ROSTER_MASTER_KEY", KEY),
        ("ROSTER_STORAGE__BACKEND", "sqlite"),
        ("ROSTER_STORAGE__SQLITE__PATH", "db/file.db"),
        ("ROSTER_STORAGE__POSTGRES__URL", "postgres://roster:secret@db.example.com/roster"),
        ("ROSTER_STORAGE__POSTGRES__CONNECTIONS", "32"),
        ("ROSTER_STORAGE__REDIS__URL", "redis://:secret@one.example.com,redis://:secret@two.example.com"),
        ("ROSTER_STORAGE__REDIS__PREFIX", "customers/"),
        ("ROSTER_STORAGE__REDIS__DURABILITY", "relaxed"),
        ("ROSTER_STORAGE__REDIS__APPENDFSYNC", "everysec"),
        ("ROSTER_LOG__FORMAT", "json"),
        ("ROSTER_LOG__LEVEL", "debug"),
    ];
    let config = load(&Flags::default(), &env, Path::new("/srv/roster")).unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.public_url, "https://roster.example.com");
    assert_eq!(config.data_dir, Path::new("/var/lib/roster"));
    assert!(matches!(&config.master_key, MasterKeySource::Given(key) if key.expose_secret() == KEY));
    assert_eq!(config.storage.sqlite.path, Path::new("/srv/roster/db/file.db"));
    assert_eq!(config.storage.postgres.connections, 32);
    assert_eq!(config.storage.redis.durability, Durability::Relaxed);
    assert_eq!(config.storage.redis.appendfsync.as_deref(), Some("everysec"));
    assert!(!format!("{config:?}").contains("secret@"), "the password is hidden");
    assert_eq!(config.log, Log { format: LogFormat::Json, level: tracing::Level::DEBUG });
    for (name, _) in env {
        let named = |setting: &&Setting| setting.source == Source::Environment(name.to_owned());
        assert_eq!(config.settings().iter().filter(named).count(), 1, "{name}");
    }
    let env = [("ROSTER_MASTER_KEY_FILE", "/run/secrets/key")];
    let config = load(&Flags::default(), &env, Path::new("/srv/roster")).unwrap();
    assert!(
        matches!(&config.master_key, MasterKeySource::File(path) if path == Path::new("/run/secrets/key"))
    );
}

#[test]
fn variables_that_look_like_other_types_stay_text() {
    for text in ["12345", "007", "true", "[abc]", "{a=1}", "1.50", "a,b", "\"quoted\""] {
        let config = load(&Flags::default(), &[("ROSTER_DATA_DIR", text)], Path::new("/srv/roster")).unwrap();
        assert_eq!(config.data_dir, Path::new("/srv/roster").join(text));
        // As a secret the text is taken as it is and only then found too short.
        let found = problems(&Flags::default(), "", &[("ROSTER_MASTER_KEY", text)]);
        let said = |line: &String| line.starts_with("ROSTER_MASTER_KEY (master_key): is ");
        assert!(found.len() == 1 && found.iter().all(said), "{found:?}");
    }
    let digits = "0123456789".repeat(5) + "01";
    let config =
        load(&Flags::default(), &[("ROSTER_MASTER_KEY", &digits)], Path::new("/srv/roster")).unwrap();
    assert_eq!(master_key::resolve(&config).unwrap().bytes().len(), 39);
}

#[test]
fn the_master_key_of_the_higher_layer_counts_and_two_of_one_layer_are_refused() {
    let both = format!("master_key = '{KEY}'\nmaster_key_file = 'k'");
    assert_eq!(
        problems(&Flags::default(), &both, &[]),
        ["./roster.toml: master_key_file: is given beside master_key; keep one of the two"]
    );
    let cases = [
        (format!("master_key = '{KEY}'"), ("ROSTER_MASTER_KEY_FILE", "k"), ["master_key_file", "master_key"]),
        ("master_key_file = 'k'".to_owned(), ("ROSTER_MASTER_KEY", KEY), ["master_key", "master_key_file"]),
    ];
    for (toml, variable, [winner, loser]) in cases {
        let folder = folder(&toml);
        let config = load(&Flags::default(), &[variable], folder.path()).unwrap();
        assert_eq!(matches!(config.master_key, MasterKeySource::File(_)), winner == "master_key_file");
        assert_eq!(setting(&config, winner).source, Source::Environment(variable.0.into()));
        assert_eq!(setting(&config, loser).value, Shown::Unset);
    }
}

#[test]
fn the_default_public_url_follows_the_port_that_was_bound() {
    let bound = "127.0.0.1:49152".parse().unwrap();
    let flags = Flags { listen: Some("127.0.0.1:0".into()), ..Flags::default() };
    let config = load(&flags, &[], Path::new("/srv/roster")).unwrap();
    assert_eq!(config.public_url_at(bound), "http://127.0.0.1:49152");
    let env = [("ROSTER_PUBLIC_URL", "http://localhost")];
    let config = load(&flags, &env, Path::new("/srv/roster")).unwrap();
    assert_eq!(config.public_url_at(bound), "http://localhost");
}

#[test]
fn all_flags_arrive() {
    let flags = Flags {
        config: None,
        listen: Some("10.0.0.1:1".into()),
        public_url: Some("https://example.com".into()),
        data_dir: Some("./data".into()),
        log_format: Some("json".into()),
        log_level: Some("trace".into()),
    };
    let config = load(&flags, &[], Path::new("/srv/roster")).unwrap();
    let from_flags = config.settings().iter().filter(|setting| matches!(setting.source, Source::Flag(_)));
    assert_eq!(from_flags.count(), 5);
    assert_eq!(config.data_dir, Path::new("/srv/roster/data"));
}

#[test]
fn the_address_of_a_server_is_that_of_the_higher_layer_and_files_of_other_stores_are_not_read() {
    let folder = folder("storage.backend = 'postgres'\n[storage.postgres]\nurl_file = 'nowhere'");
    let url = "postgres://roster@db.example.com/roster";
    let env = [("ROSTER_STORAGE__POSTGRES__URL", url)];
    let config = load(&Flags::default(), &env, folder.path()).unwrap();
    assert_eq!(config.storage.postgres.url.as_ref().map(ExposeSecret::expose_secret), Some(url));
    assert_eq!(setting(&config, "storage.postgres.url_file").value, Shown::Unset);
    let env = [("ROSTER_STORAGE__BACKEND", "sqlite")];
    let config = load(&Flags::default(), &env, folder.path()).unwrap();
    assert!(config.storage.postgres.url.is_none(), "the file is not there, and nobody needs it");
    let both = [("ROSTER_STORAGE__POSTGRES__URL", url), ("ROSTER_STORAGE__POSTGRES__URL_FILE", "f")];
    assert!(load(&Flags::default(), &both, folder.path()).is_err());
}

#[test]
fn a_file_that_holds_the_master_key_is_for_this_user_alone() {
    let folder = folder(&format!("master_key = '{KEY}'"));
    load(&Flags::default(), &[], folder.path()).unwrap();
    let file = folder.path().join("roster.toml");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let found = load(&Flags::default(), &[], folder.path()).unwrap_err().to_string();
    assert!(found.contains("can be used by other users (mode 0644); run: chmod 600 "), "{found}");
    fs::write(&file, "log.level = 'debug'").unwrap();
    load(&Flags::default(), &[], folder.path()).unwrap();
}

#[test]
fn a_check_tells_of_the_key_file_beside_everything_else() {
    let folder = folder("master_key_file = 'nowhere'\nlog.level = 'loud'");
    let check = super::show::check(&Flags::default(), pairs(&[]), folder.path());
    let found: Vec<_> = check.problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
    assert_eq!(found, ["log.level", "master_key_file"]);
}
