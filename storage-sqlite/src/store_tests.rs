use std::collections::BTreeMap;
use std::time::Duration;

use roster_core::home::Record;
use roster_core::id::{AccountId, CommitId, OrganizationId};
use roster_core::log::{LogEntry, digest};
use roster_core::model::{Account, AccountStatus};
use roster_core::store::Write;
use roster_core::time::Timestamp;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

async fn fresh() -> (SqliteStore, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = SqliteConfig::new(dir.path().join("roster.db"), [0; 32]);
    config.busy_timeout = Duration::from_millis(200);
    (SqliteStore::open(config, StoreClock::Server).await.unwrap(), dir)
}

fn home() -> Home {
    Home::Organization(OrganizationId::from_uuid(Uuid::from_u128(1)))
}

fn account(n: u128, size: usize) -> Account {
    let patch = serde_json::json!({ "x": "x".repeat(size) });
    Account {
        id: AccountId::from_uuid(Uuid::from_u128(n)),
        external_id: None,
        name: format!("Account {n}").parse().unwrap(),
        status: AccountStatus::Active,
        traits: roster_core::model::Traits::default()
            .merged(&serde_json::from_value(patch).unwrap())
            .unwrap(),
        posts: roster_core::model::Posts::default(),
        created_at: Timestamp::EPOCH,
    }
}

fn put(n: u128, size: usize) -> ChangeSet {
    let entry = LogEntry {
        body: b"{}".to_vec(),
        digest: digest(b"{}"),
        time: Timestamp::EPOCH,
        personal: Vec::new(),
        actor: "operator".into(),
        users: Vec::new(),
        actions: Vec::new(),
    };
    ChangeSet {
        id: CommitId::from_uuid(Uuid::from_u128(n << 16)),
        home: home(),
        not_after: None,
        guards: BTreeMap::new(),
        writes: vec![Write::Put(Record::Account(account(n, size)))],
        entry: Some(entry),
    }
}

async fn by_hand(dir: &TempDir, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("roster.db"));
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn failure(outcome: Result<Committed, CommitError>) -> StoreError {
    match outcome {
        Err(CommitError::Store(error)) => error,
        other => panic!("not a failure of the store: {other:?}"),
    }
}

async fn accounts(store: &SqliteStore) -> usize {
    store.dump(&home()).await.unwrap().records.len()
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_nothing_is_done() {
    let (store, _dir) = fresh().await;
    store.commit(&put(1, 10)).await.unwrap();
    let limit = async |pages: &'static str| {
        let mut held = store.writer.pool().take().await.unwrap();
        sqlx::raw_sql(pages).execute(held.connection()).await.unwrap();
        held.give_back();
    };
    limit("PRAGMA max_page_count = 1").await;
    let error = failure(store.commit(&put(2, 60_000)).await);
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.detail.contains("free some disk space"), "{error}");
    // SQLite rolled back by itself, so the connection was closed; the next one has no limit yet.
    limit("PRAGMA max_page_count = 1").await;
    let all = store.commit_all(&[put(3, 10), put(4, 60_000), put(5, 10)]).await;
    assert!(all.into_iter().all(|outcome| failure(outcome).kind == StoreErrorKind::Unavailable));
    assert_eq!(accounts(&store).await, 1, "reading goes on");
    limit("PRAGMA max_page_count = 1000000").await;
    for set in [put(2, 60_000), put(3, 10)] {
        assert!(matches!(store.commit(&set).await, Ok(Committed::Now(Some(_)))));
    }
    assert_eq!(accounts(&store).await, 3);
}

#[tokio::test]
async fn a_lock_that_is_not_let_go_is_busy() {
    let (store, dir) = fresh().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("roster.db"));
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    assert_eq!(failure(store.commit(&put(1, 10)).await).kind, StoreErrorKind::Busy);
    assert_eq!(accounts(&store).await, 0, "reading goes on");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert!(store.commit(&put(1, 10)).await.is_ok());
}

#[tokio::test]
async fn a_constraint_that_fires_is_corruption_of_that_set_alone() {
    let (store, dir) = fresh().await;
    by_hand(&dir, "CREATE TRIGGER no BEFORE INSERT ON accounts WHEN NEW.name = 'Account 2' BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    let outcomes = store.commit_all(&[put(1, 10), put(2, 10), put(3, 10)]).await;
    assert_eq!(failure(outcomes[1].clone()).kind, StoreErrorKind::Corrupt);
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(failure(store.commit(&put(2, 10)).await).kind, StoreErrorKind::Corrupt);
    let dump = store.dump(&home()).await.unwrap();
    assert_eq!((dump.records.len(), dump.head.seq), (2, 2));
}

#[tokio::test]
async fn a_commit_that_fails_at_its_end_is_an_unknown_outcome() {
    let (store, dir) = fresh().await;
    by_hand(
        &dir,
        "CREATE TABLE late (home INTEGER REFERENCES homes (home) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER late AFTER INSERT ON accounts BEGIN INSERT INTO late VALUES (-1); END",
    )
    .await;
    let outcomes = store.commit_all(&[put(1, 10), put(2, 10)]).await;
    assert!(outcomes.into_iter().all(|outcome| failure(outcome).kind == StoreErrorKind::OutcomeUnknown));
    by_hand(&dir, "DROP TRIGGER late").await;
    assert!(
        matches!(store.commit(&put(1, 10)).await, Ok(Committed::Now(Some(head))) if head.seq == 1),
        "sent again"
    );
}

#[tokio::test]
async fn a_row_that_core_could_not_have_written_is_corruption() {
    let (store, dir) = fresh().await;
    store.commit(&put(1, 10)).await.unwrap();
    by_hand(&dir, "UPDATE accounts SET name = ''").await;
    assert_eq!(store.dump(&home()).await.unwrap_err().kind, StoreErrorKind::Corrupt);
    by_hand(&dir, "UPDATE accounts SET name = 'Account 1'").await;
    assert_eq!(accounts(&store).await, 1);
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let (store, _dir) = fresh().await;
    store.close().await;
    assert_eq!(store.ping().await.unwrap_err().kind, StoreErrorKind::Unavailable);
    assert_eq!(failure(store.commit(&put(1, 10)).await).kind, StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn the_servers_clock_is_now() {
    let (store, _dir) = fresh().await;
    let clock = store.read(&home(), &[], &[]).await.unwrap().clock;
    assert!(clock > "2026-01-01T00:00:00Z".parse().unwrap());
    let late = ChangeSet { not_after: Some(clock.plus_seconds(-1)), ..put(1, 10) };
    assert_eq!(store.commit(&late).await, Err(CommitError::TooLate));
    let soon = ChangeSet { not_after: Some(clock.plus_seconds(3_600)), ..put(1, 10) };
    assert!(store.commit(&soon).await.is_ok());
    let facts = store.access(&[AccessKey::default()]).await.unwrap();
    assert!(facts[0].now >= clock && facts[0].now < clock.plus_seconds(3_600));
}

/// Those that wait go together, and whoever asks for what cannot be read has the failure for themselves.
#[tokio::test]
async fn a_record_that_cannot_be_read_fails_nobody_elses_read() {
    let (store, dir) = fresh().await;
    for n in [1, 2] {
        store.commit(&put(n, 10)).await.unwrap();
    }
    by_hand(&dir, "UPDATE accounts SET name = CAST(x'ff' AS TEXT) WHERE name = 'Account 2'").await;
    let reads: Vec<_> = (0..40)
        .map(|n| {
            let store = store.clone();
            let key = Key::Account(AccountId::from_uuid(Uuid::from_u128(1 + n % 2)));
            tokio::spawn(async move { store.read(&home(), &[key], &[]).await })
        })
        .collect();
    for (n, read) in reads.into_iter().enumerate() {
        let read = read.await.unwrap();
        if n % 2 == 0 {
            assert_eq!(read.unwrap().records.len(), 1);
        } else {
            assert_eq!(read.unwrap_err().kind, StoreErrorKind::Corrupt);
        }
    }
}
