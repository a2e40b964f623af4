//! What is `SQLite`'s own: one file, clients that go away, several processes, crashes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::listing::{Listing, PageRequest, Scope};
use roster_core::log::{chain, digest, genesis};
use roster_core::store::{Store, StoreClock};
use roster_storage_sqlite::{SqliteConfig, SqliteStore};
use roster_tests::build::{account, account_id, change, commit_id, organization_home, organization_id};
use roster_tests::stores::sqlite_config;
use tempfile::TempDir;

async fn open(config: &SqliteConfig) -> SqliteStore {
    SqliteStore::open(config.clone(), StoreClock::Server).await.unwrap()
}

/// The log is dense and chained, and the tally counts the accounts.
async fn assert_consistent(store: &dyn Store, home: &Home) -> u64 {
    let dump = store.dump(home).await.unwrap();
    let log = store.log(home, 0, u16::MAX, None).await.unwrap();
    let mut hash = genesis(home);
    for (seq, entry) in (1..).zip(&log) {
        hash = chain(&hash, seq, entry.time, &digest(&entry.body));
        assert_eq!((entry.seq, entry.hash), (seq, hash));
    }
    assert_eq!((dump.head.seq, dump.head.hash), (log.len() as u64, hash));
    let counted = dump.tallies.get(&Tally::ActiveAccounts).copied().unwrap_or(0);
    assert_eq!(counted, i64::try_from(dump.records.len()).unwrap());
    dump.head.seq
}

fn add_account(n: u64) -> roster_core::store::ChangeSet {
    let put = change(n, &organization_home(1))
        .put(Record::Account(account(n)))
        .guard(Key::Account(account_id(n)), None);
    put.add(Tally::ActiveAccounts, 1, 0..=9_999).done()
}

/// One of the calls, dropped when patience ends.
async fn call_and_leave(store: Arc<SqliteStore>, n: u64) {
    let (home, patience) = (organization_home(1), Duration::from_millis(n * 7 % 51));
    let listing = Listing::Accounts { organization: organization_id(1), status: None, scope: Scope::All };
    let call = async {
        match n % 6 {
            0 => drop(store.read(&home, &[Key::Account(account_id(n))], &[Tally::ActiveAccounts]).await),
            1 => drop(store.list(&listing, &PageRequest { after: None, limit: 100 }).await),
            2 => drop(store.dump(&home).await),
            3 => drop(store.commit_all(&[add_account(10_000 + n), add_account(20_000 + n)]).await),
            _ => drop(store.commit(&add_account(n)).await),
        }
    };
    drop(tokio::time::timeout(patience, call).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_do_not_harm_those_that_stay() {
    let dir = TempDir::new().unwrap();
    let config = SqliteConfig { readers: 1, ..sqlite_config(&dir) };
    let store = Arc::new(open(&config).await);
    for wave in 0..6 {
        let calls = (0..50).map(|n| tokio::spawn(call_and_leave(Arc::clone(&store), 50 * wave + n)));
        assert!(join_all(calls).await.into_iter().all(|call| call.is_ok()));
    }
    for n in 1..=50 {
        let outcome = store.commit(&add_account(50_000 + n)).await;
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    let home = organization_home(1);
    let before = assert_consistent(store.as_ref(), &home).await;
    store.close().await;
    let store = open(&config).await;
    assert_eq!(assert_consistent(&store, &home).await, before);
    let keys: Vec<Key> = (1..=50).map(|n| Key::Account(account_id(50_000 + n))).collect();
    let read = store.read(&home, &keys, &[]).await.unwrap();
    assert_eq!(read.records.len(), 50, "every commit after the disturbance is durable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_one_file() {
    let dir = TempDir::new().unwrap();
    let config = sqlite_config(&dir);
    let stores = [Arc::new(open(&config).await), Arc::new(open(&config).await)];
    let mut writers = Vec::new();
    for (which, store) in (0_u64..).zip(&stores) {
        for lane in 0..4 {
            let store = Arc::clone(store);
            writers.push(tokio::spawn(async move {
                for n in 0..25 {
                    let outcome = store.commit(&add_account(1_000 * (4 * which + lane) + n)).await;
                    assert!(outcome.is_ok(), "{outcome:?}");
                }
            }));
        }
    }
    assert!(join_all(writers).await.into_iter().all(|writer| writer.is_ok()));
    for store in &stores {
        assert_eq!(assert_consistent(store.as_ref(), &organization_home(1)).await, 200);
    }
    // What one has just answered, the other reads; and the guard that one took, the other has lost.
    let key = Key::Account(account_id(9));
    for n in 0..50 {
        let (one, two) = if n % 2 == 0 { (&stores[0], &stores[1]) } else { (&stores[1], &stores[0]) };
        let before = (n > 0).then(|| commit_id(30_000 + n - 1));
        let take = |id| {
            change(id, &organization_home(2))
                .put(Record::Account(account(9)))
                .guard(key.clone(), before)
                .done()
        };
        assert!(one.commit(&take(30_000 + n)).await.is_ok());
        assert!(two.commit(&take(40_000 + n)).await.is_err());
        let read = two.read(&organization_home(2), std::slice::from_ref(&key), &[]).await.unwrap();
        assert_eq!((read.records[&key].version, read.head.seq), (commit_id(30_000 + n), n + 1));
    }
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
