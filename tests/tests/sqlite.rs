//! What is `SQLite`'s own: one file, clients that go away, several processes, crashes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::presence::Presence;
use roster_core::store::{CommitError, Store, StoreClock, StoreErrorKind};
use roster_storage_sqlite::{SqliteConfig, SqliteStore};
use roster_tests::build::organization_home;
use roster_tests::load::{self, add_account, assert_consistent};
use roster_tests::stores::sqlite_config;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

async fn open(config: &SqliteConfig) -> SqliteStore {
    SqliteStore::open(config.clone(), StoreClock::Server).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_do_not_harm_those_that_stay() {
    let dir = TempDir::new().unwrap();
    let config = SqliteConfig { readers: 1, ..sqlite_config(&dir) };
    let store = Arc::new(open(&config).await);
    let shared: Arc<dyn Store> = store.clone();
    load::clients_that_leave(&shared).await;
    let home = organization_home(1);
    let before = assert_consistent(store.as_ref(), &home).await;
    store.close().await;
    let store = open(&config).await;
    assert_eq!(assert_consistent(&store, &home).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_one_file() {
    let dir = TempDir::new().unwrap();
    let config = sqlite_config(&dir);
    load::two_over_one(&[Arc::new(open(&config).await), Arc::new(open(&config).await)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_in_the_files() {
    let (dir, image) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&sqlite_config(&dir)).await;
    for n in 1..=20 {
        assert!(store.commit(&add_account(n)).await.is_ok());
    }
    let sets: Vec<_> = (21..=60).map(add_account).collect();
    assert!(store.commit_all(&sets).await.iter().all(Result::is_ok));
    // The files as a killed process leaves them: neither closed nor checkpointed.
    for file in ["roster.db", "roster.db-wal"] {
        std::fs::copy(dir.path().join(file), image.path().join(file)).unwrap();
    }
    let revived = open(&sqlite_config(&image)).await;
    assert_eq!(assert_consistent(&revived, &organization_home(1)).await, 60);
    assert!(revived.commit(&add_account(61)).await.is_ok());
    assert!(matches!(revived.commit(&add_account(60)).await, Ok(roster_core::store::Committed::Before)));
}

/// L5: what was erased is out of the write-ahead log before that is said; while somebody reads what is in it, it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_the_log_is_empty_or_that_is_told() {
    let dir = TempDir::new().unwrap();
    let store = open(&sqlite_config(&dir)).await;
    assert!(store.commit(&add_account(1)).await.is_ok());
    let file = SqliteConnectOptions::new().filename(dir.path().join("roster.db"));
    let mut reader = file.connect().await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM homes").execute(&mut reader).await.unwrap();
    assert!(store.commit(&add_account(2)).await.is_ok());
    assert_eq!(store.scrub().await.unwrap_err().kind, StoreErrorKind::Busy);
    reader.close().await.unwrap();
    store.scrub().await.unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("roster.db-wal")).unwrap().len(), 0);
}

/// Whoever moves a backup over the file of a running server, or removes it, loses nothing that is answered afterwards:
/// nothing is, until the file is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_replaced_or_removed_is_written_to_no_more() {
    let dir = TempDir::new().unwrap();
    let store = open(&sqlite_config(&dir)).await;
    let (file, aside, backup) =
        ["roster.db", "aside.db", "backup.db"].map(|name| dir.path().join(name)).into();
    store.commit(&add_account(1)).await.unwrap();
    std::fs::copy(&file, &backup).unwrap();
    for (n, replaced) in [(2, true), (3, false)] {
        std::fs::rename(&file, &aside).unwrap();
        if replaced {
            std::fs::copy(&backup, &file).unwrap();
        }
        let Err(CommitError::Store(error)) = store.commit(&add_account(n)).await else { panic!("{n}") };
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "nothing is done: {error}");
        for error in [store.ping().await.unwrap_err(), store.homes(None, 1).await.unwrap_err(), error] {
            assert_eq!(error.kind, StoreErrorKind::Unavailable);
            assert!(error.detail.contains("was moved, removed or replaced while it was open"), "{error}");
        }
        std::fs::rename(&aside, &file).unwrap();
        store.ping().await.unwrap();
        store.commit(&add_account(n)).await.unwrap();
    }
    // What was answered is in the file with its log, which stays when the server ends meanwhile.
    std::fs::rename(&file, &aside).unwrap();
    store.close().await;
    assert!(std::fs::metadata(dir.path().join("roster.db-wal")).unwrap().len() > 0);
    std::fs::rename(&aside, &file).unwrap();
    let store = open(&sqlite_config(&dir)).await;
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, 3);
}

/// By whatever name it is opened, those who are on a file see each other.
#[tokio::test]
async fn a_link_leads_to_the_same_place() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&sqlite_config(&dir)).await;
    std::os::unix::fs::symlink(dir.path().join("roster.db"), elsewhere.path().join("roster.db")).unwrap();
    let linked = open(&sqlite_config(&elsewhere)).await;
    let serving = store.enter(Presence::Serving).await.unwrap().unwrap();
    assert!(linked.enter(Presence::Alone).await.unwrap().is_none());
    serving.leave().await;
    assert!(linked.enter(Presence::Alone).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_never_empties_makes_nobody_wait_long() {
    let dir = TempDir::new().unwrap();
    let config = SqliteConfig { busy_timeout: Duration::from_secs(1), ..sqlite_config(&dir) };
    let store = Arc::new(open(&config).await);
    let lanes = (0..64).map(|lane| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..40 {
                let outcome = store.commit(&add_account(1_000 * lane + n)).await;
                assert!(outcome.is_ok(), "{outcome:?}");
            }
        })
    });
    assert!(join_all(lanes).await.into_iter().all(|lane| lane.is_ok()));
    assert_eq!(assert_consistent(store.as_ref(), &organization_home(1)).await, 2_560);
}
