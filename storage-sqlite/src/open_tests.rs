use std::os::unix::fs::PermissionsExt;

use roster_core::store::{Store, StoreClock};
use tempfile::TempDir;

use super::*;
use crate::SqliteStore;

const FINGERPRINT: [u8; 32] = [1; 32];

fn config(dir: &TempDir) -> SqliteConfig {
    SqliteConfig::new(dir.path().join("data/roster.db"), FINGERPRINT)
}

async fn opened(config: &SqliteConfig) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(config.clone(), StoreClock::Server).await
}

/// Makes a store, closes it, and changes its file by hand.
async fn tampered(dir: &TempDir, statement: &'static str) -> SqliteConfig {
    let config = config(dir);
    opened(&config).await.unwrap().close().await;
    let mut connection = SqliteConnectOptions::new().filename(&config.path).connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    config
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_new_file_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let store = opened(&config).await.unwrap();
    assert_eq!(store.ping().await, Ok(()));
    assert_eq!(mode(&dir.path().join("data")), 0o700);
    for file in ["roster.db", "roster.db-wal", "roster.db-shm"] {
        assert_eq!(mode(&dir.path().join("data").join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn two_may_open_a_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let (one, two) = tokio::join!(opened(&config), opened(&config));
    assert_eq!((one.unwrap().ping().await, two.unwrap().ping().await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn opening_can_be_sent_between_threads() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let boxed: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(opened(&config));
    boxed.await.unwrap();
    let boxed: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> =
        Box::pin(SqliteStore::migrate(&config));
    boxed.await.unwrap();
}

#[tokio::test]
async fn another_master_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let right = config(&dir);
    opened(&right).await.unwrap().close().await;
    let wrong = SqliteConfig { fingerprint: [2; 32], ..right.clone() };
    let refused = opened(&wrong).await.unwrap_err();
    assert!(matches!(refused, OpenError::AnotherKey { .. }));
    assert!(refused.to_string().contains("start with the key that it was made with"), "{refused}");
    assert!(matches!(SqliteStore::migrate(&wrong).await, Err(OpenError::AnotherKey { .. })));
    opened(&right).await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "not a database at all, but long enough to look at".repeat(99)).unwrap();
    let refused = opened(&SqliteConfig::new(&path, FINGERPRINT)).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotADatabase { .. }), "{refused}");
    assert!(refused.to_string().contains("choose another file"));
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(dir.path().join("other.db"), FINGERPRINT);
    let options = SqliteConnectOptions::new().filename(&config.path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE songs (title TEXT)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let refused = opened(&config).await.unwrap_err();
    assert!(matches!(refused, OpenError::AnotherProgram { .. }), "{refused}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let newer = "INSERT INTO roster_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', TRUE, x'00', 0)";
    let config = tampered(&dir, newer).await;
    let refused = opened(&config).await.unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { found: 9999, .. }), "{refused}");
    assert!(refused.to_string().contains("start that version"));
    assert!(matches!(SqliteStore::migrate(&config).await, Err(OpenError::NewerSchema { .. })));
}

#[tokio::test]
async fn an_older_schema_is_refused_until_it_is_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let config = tampered(&dir, "DELETE FROM roster_migrations").await;
    let refused = opened(&config).await.unwrap_err();
    assert!(matches!(refused, OpenError::OlderSchema { found: 0, .. }), "{refused}");
    assert!(refused.to_string().contains("run `roster migrate`"));
}

/// Whoever bears another key changes nothing, migrations included.
#[tokio::test]
async fn an_older_schema_is_not_migrated_under_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = tampered(&dir, "DELETE FROM roster_migrations WHERE version > 1").await;
    let other = SqliteConfig { fingerprint: [2; 32], ..config.clone() };
    assert!(matches!(SqliteStore::migrate(&other).await, Err(OpenError::AnotherKey { .. })));
    let mut connection = SqliteConnectOptions::new().filename(&config.path).connect().await.unwrap();
    assert_eq!(applied(&mut connection).await.unwrap(), 1);
}

#[tokio::test]
async fn an_unknown_schema_is_refused() {
    for statement in [
        "UPDATE roster_migrations SET checksum = x'00'",
        "UPDATE roster_migrations SET success = FALSE",
        "DROP TABLE roster_migrations",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let refused = opened(&tampered(&dir, statement).await).await.unwrap_err();
        assert!(matches!(refused, OpenError::UnknownSchema { .. }), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let config = SqliteConfig::new(dir.path().join("file/roster.db"), FINGERPRINT);
    let refused = opened(&config).await.unwrap_err();
    assert!(matches!(refused, OpenError::File { .. }), "{refused}");
    assert!(refused.to_string().contains("check the path"));
}

#[tokio::test]
async fn what_was_opened_before_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    for _ in 0..3 {
        let store = opened(&config).await.unwrap();
        assert_eq!(store.ping().await, Ok(()));
        store.close().await;
        assert!(store.ping().await.is_err(), "closed");
    }
    SqliteStore::migrate(&config).await.unwrap();
}

#[tokio::test]
async fn half_of_a_deployment_is_refused() {
    use roster_core::load::Load;

    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let store = opened(&config).await.unwrap();
    store.load(Load::Begin).await.unwrap();
    store.close().await;
    let refused = opened(&config).await.unwrap_err();
    assert!(matches!(refused, OpenError::HalfLoaded { .. }), "{refused}");
    assert!(refused.to_string().contains("copy again"));
}
