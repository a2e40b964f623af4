use roster_core::store::StoreClock;
use tempfile::TempDir;

use super::*;
use crate::SqliteStore;

fn config(dir: &TempDir) -> SqliteConfig {
    SqliteConfig::new(dir.path().join("data/roster.db"), [1; 32])
}

/// How each line stands, and what is said about those that are bad.
fn told(looked: &Inspection) -> (Vec<(&'static str, &str)>, Vec<&str>) {
    let found = looked.checks.iter().map(|check| (check.name, check.found.as_str())).collect();
    (found, looked.checks.iter().filter_map(|check| check.problem.as_deref()).collect())
}

#[tokio::test]
async fn a_look_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let looked = SqliteStore::inspect(&config(&dir), true).await;
    assert_eq!(looked.reach, Reach::Empty);
    let lines = vec![("file system", "of this machine"), ("database", "not there yet")];
    assert_eq!(told(&looked), (lines, vec![]));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_look_names_what_would_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let store = SqliteStore::open(config.clone(), StoreClock::Server).await.unwrap();
    let good = SqliteStore::inspect(&config, true).await;
    let (found, bad) = told(&good);
    let known = newest().to_string();
    assert_eq!(
        found[2..],
        [("schema", known.as_str()), ("content", "whole"), ("key of the store", "the same")]
    );
    assert_eq!((good.reach, bad), (Reach::Whole, vec![]));
    let wrong = SqliteConfig { fingerprint: [2; 32], ..config.clone() };
    let looked = SqliteStore::inspect(&wrong, true).await;
    let refused = SqliteStore::open(wrong.clone(), StoreClock::Server).await.unwrap_err().to_string();
    assert_eq!(told(&looked).1, [refused.as_str()], "the sentence of the refusal itself");
    let forget = sqlx::raw_sql("DELETE FROM roster_migrations WHERE version > 80");
    let file = SqliteConnectOptions::new().filename(&config.path);
    let mut other = file.connect().await.unwrap();
    forget.execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let older = SqliteStore::inspect(&config, true).await;
    assert_eq!((told(&older).1, older.is_ready()), (vec![], false), "any command puts that right");
    assert!(older.checks.iter().any(|check| check.at_start.is_some()), "and that is said");
    assert!(SqliteStore::inspect(&wrong, false).await.checks.iter().all(Check::is_good), "no key to look at");
    store.close().await;
    std::fs::write(&config.path, "no database at all, but long enough to be looked at".repeat(99)).unwrap();
    let looked = SqliteStore::inspect(&config, true).await;
    assert_eq!(looked.reach, Reach::Nothing);
    assert!(told(&looked).1[0].contains("is not a SQLite database"), "{looked:?}");
}

#[test]
fn libraries_before_3_51_3_are_refused() {
    for old in ["3.51.2", "3.40.1", "2.99.9", "", "x.y.z"] {
        assert!(is_too_old(old), "{old}");
    }
    for new in ["3.51.3", "3.51.10", "3.52.0", "4.0.0"] {
        assert!(!is_too_old(new), "{new}");
    }
}

#[test]
fn network_file_systems_are_refused() {
    let network = [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB2"), (0x6573_5546, "FUSE")];
    for (magic, name) in network {
        assert_eq!(network_file_system(magic), Some(name));
    }
    assert_eq!(
        network_file_system(i64::from(0xff53_4d42_u32.cast_signed())),
        Some("CIFS"),
        "as 32 bits with a sign"
    );
    for local in [0xef53, 0x9123_683e, 0x5846_5342, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
        assert_eq!(network_file_system(local), None, "{local:x}");
    }
}
