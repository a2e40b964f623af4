//! Many callers at a time, and what must hold afterwards.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::listing::{Listing, PageRequest, Scope};
use roster_core::log::{LogFilter, chain, digest, genesis};
use roster_core::store::{ChangeSet, Store};

use crate::build::{account, account_id, change, commit_id, organization_home, organization_id};

/// The log is dense and chained, and the tally counts the accounts. How many entries there are.
///
/// # Panics
/// Where it is not so.
pub async fn assert_consistent(store: &dyn Store, home: &Home) -> u64 {
    let dump = store.dump(home).await.unwrap();
    let log = store.log(home, 0, u16::MAX, &LogFilter::ALL).await.unwrap();
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

/// The n-th account of the first organization, with its place in the tally.
pub fn add_account(n: u64) -> ChangeSet {
    let put = change(n, &organization_home(1))
        .put(Record::Account(account(n)))
        .guard(Key::Account(account_id(n)), None);
    put.add(Tally::ActiveAccounts, 1, 0..=9_999).done()
}

/// One of the calls, dropped when patience ends.
async fn call_and_leave(store: Arc<dyn Store>, n: u64) {
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

/// Calls that are dropped after 0 to 50 ms, in waves; then as many as must be done.
///
/// # Panics
/// Where one of those is not.
pub async fn clients_that_leave(store: &Arc<dyn Store>) {
    for wave in 0..6 {
        let calls = (0..50).map(|n| tokio::spawn(call_and_leave(Arc::clone(store), 50 * wave + n)));
        assert!(join_all(calls).await.into_iter().all(|call| call.is_ok()));
    }
    for n in 1..=50 {
        let outcome = store.commit(&add_account(50_000 + n)).await;
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    assert_consistent(store.as_ref(), &organization_home(1)).await;
    let keys: Vec<Key> = (1..=50).map(|n| Key::Account(account_id(50_000 + n))).collect();
    let read = store.read(&organization_home(1), &keys, &[]).await.unwrap();
    assert_eq!(read.records.len(), 50, "every commit after the disturbance is there");
}

/// Two stores over the same data: both write, each reads what the other has answered, and the guard that one took the
/// other has lost.
///
/// # Panics
/// Where it is not so.
pub async fn two_over_one(stores: &[Arc<dyn Store>; 2]) {
    let mut writers = Vec::new();
    for (which, store) in (0_u64..).zip(stores) {
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
    for store in stores {
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
