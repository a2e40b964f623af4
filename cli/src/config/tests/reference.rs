//! The page that describes every setting, held to the settings that there are.

use super::*;

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIGURATION.md")).unwrap()
}

#[test]
fn each_setting_has_one_row_with_its_variable_default_and_flag() {
    let page = page();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> =
        rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let quoted = |text: &str| format!("`{text}`");
    let expected = keys::KEYS.map(|key| {
        let default = key.default.map_or_else(|| "(none)".to_owned(), quoted);
        [quoted(key.path), quoted(&key.variable()), default].join(" | ")
    });
    let found: Vec<String> = rows.iter().map(|row| row[..3].join(" | ")).collect();
    assert_eq!(found, expected, "in the order of `config show`");
    for (key, row) in keys::KEYS.iter().zip(&rows) {
        assert!(row.len() == 4 && !row[3].is_empty(), "{}: {} cells", key.path, row.len());
        assert_eq!(key.flag.is_some(), row[3].contains("Flag `--"), "{}", key.path);
        assert!(key.flag.is_none_or(|flag| row[3].contains(&format!("Flag {}.", quoted(flag)))));
    }
}

#[test]
fn the_example_is_a_configuration_without_problems() {
    let page = page();
    let (_, behind) = page.split_once("\n## An example\n").unwrap();
    let (_, behind) = behind.split_once("```toml\n").unwrap();
    let (example, _) = behind.split_once("```").unwrap();
    let secrets = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("master.key", KEY),
        ("postgres-url", "postgres://roster:hunter2@db.example.com:5432/roster?sslmode=verify-full"),
        ("mail-url", "smtps://roster:hunter2@mail.example.com"),
    ] {
        let file = secrets.path().join(name);
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let here = example.replace("/etc/roster", &secrets.path().display().to_string());
    let folder = folder(&here);
    let config = load(&Flags::default(), &[], folder.path()).unwrap();
    master_key::check(&config).unwrap();
    assert_eq!(config.storage.backend, Backend::Postgres);
    assert!(config.storage.postgres.url.is_some() && config.mail.is_some());
    assert_eq!(config.file, Some(folder.path().join("roster.toml")));
}
