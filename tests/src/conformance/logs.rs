//! The log of a home: dense, chained, never back in time, read in pages and by person.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use roster_core::home::{Home, Key, Record, Tally};
use roster_core::id::UserId;
use roster_core::log::{Head, chain, genesis};
use roster_core::model::{ClaimName, DirectoryId};
use roster_core::store::{Committed, Store};

use crate::build::{change, claim, commit_id, directory_entry, organization_home, user_id};
use crate::stores::{START, TestStore};

pub async fn the_log_is_dense_and_chained(at: &TestStore) {
    for home in [organization_home(1), organization_home(2), Home::User(user_id(1)), Home::Deployment] {
        let mut head = Head::start(&home);
        for n in 1..=5_u64 {
            let about = [user_id(1), user_id(2)];
            let set = change(n, &home).entry(Some(user_id(3)), &about, START.plus_seconds(1)).done();
            let refused = change(100 + n, &home).add(Tally::Seats, 1, 5..=5).done();
            assert!(at.store.commit(&refused).await.is_err());
            head = head.after(set.entry.as_ref().unwrap());
            assert_eq!(at.store.commit(&set).await, Ok(Committed::Now(Some(head))), "{home}");
            assert_eq!(at.store.commit(&set).await, Ok(Committed::Before));
        }
        assert_eq!(at.store.read(&home, &[], &[]).await.unwrap().head, head);
        assert_eq!(at.store.dump(&home).await.unwrap().head, head);
        verify(at.store.as_ref(), &home, 5).await;
    }
}

/// Recomputes the chain of a home from its first entry.
async fn verify(store: &dyn Store, home: &Home, entries: u64) {
    let log = store.log(home, 0, 1_000, None).await.unwrap();
    let mut previous = genesis(home);
    for (seq, entry) in (1..).zip(&log) {
        assert_eq!(entry.seq, seq);
        let expected =
            crate::build::entry(entry.commit, Some(user_id(3)), &[user_id(1), user_id(2)], entry.time);
        assert_eq!((&entry.body, &entry.personal), (&expected.body, &expected.personal));
        previous = chain(&previous, seq, entry.time, &roster_core::log::digest(&entry.body));
        assert_eq!(entry.hash, previous);
        assert_eq!(entry.commit, commit_id(seq));
    }
    assert_eq!(log.len() as u64, entries);
}

pub async fn time_never_goes_back_in_a_home(at: &TestStore) {
    let home = organization_home(1);
    let times = [(1, 10, 10), (2, 5, 10), (3, 10, 10), (4, 11, 11), (5, 0, 11)];
    for (n, asked, kept) in times {
        let set = change(n, &home).entry(None, &[], START.plus_seconds(asked)).done();
        let Ok(Committed::Now(Some(head))) = at.store.commit(&set).await else { panic!("not committed") };
        assert_eq!(head.time, START.plus_seconds(kept));
    }
    let log = at.store.log(&home, 0, 10, None).await.unwrap();
    let found: Vec<_> = log.iter().map(|entry| entry.time).collect();
    assert_eq!(found, times.map(|(_, _, kept)| START.plus_seconds(kept)));
    let read = at.store.read(&home, &[], &[]).await.unwrap();
    assert_eq!((read.clock, read.now()), (START, START.plus_seconds(11)), "the later of clock and log rules");
    at.clock.advance_seconds(60);
    let read = at.store.read(&home, &[], &[]).await.unwrap();
    assert_eq!((read.clock, read.now()), (START.plus_seconds(60), START.plus_seconds(60)));
}

async fn seqs(store: &dyn Store, after: u64, limit: u16, user: Option<UserId>) -> Vec<u64> {
    let log = store.log(&organization_home(1), after, limit, user).await.unwrap();
    log.iter().map(|entry| entry.seq).collect()
}

pub async fn the_log_is_read_in_pages(at: &TestStore) {
    let store = at.store.as_ref();
    assert_eq!(seqs(store, 0, 10, None).await, [0; 0]);
    for n in 1..=7 {
        store.commit(&change(n, &organization_home(1)).done()).await.unwrap();
        store.commit(&change(n, &organization_home(2)).done()).await.unwrap();
    }
    assert_eq!(seqs(store, 0, 3, None).await, [1, 2, 3]);
    assert_eq!(seqs(store, 3, 3, None).await, [4, 5, 6]);
    assert_eq!(seqs(store, 6, 3, None).await, [7]);
    assert_eq!(seqs(store, 7, 3, None).await, [0; 0]);
    assert_eq!(seqs(store, u64::MAX, 3, None).await, [0; 0]);
    assert_eq!(seqs(store, 0, 0, None).await, [0; 0]);
}

pub async fn the_log_is_filtered_by_person(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let entries: [(Option<u64>, &[u64]); 5] =
        [(None, &[]), (Some(1), &[2]), (Some(2), &[2, 3]), (None, &[1]), (Some(4), &[])];
    for (n, (by, about)) in (1..).zip(entries) {
        let about: Vec<_> = about.iter().map(|user| user_id(*user)).collect();
        store.commit(&change(n, &home).entry(by.map(user_id), &about, START).done()).await.unwrap();
    }
    for (user, expected) in [(1, vec![2, 4]), (2, vec![2, 3]), (3, vec![3]), (4, vec![5]), (5, vec![])] {
        assert_eq!(seqs(store, 0, 10, Some(user_id(user))).await, expected, "user {user}");
    }
    assert_eq!(seqs(store, 2, 1, Some(user_id(1))).await, [4]);
    assert_eq!(seqs(store, 0, 1, Some(user_id(2))).await, [2]);
    let elsewhere = store.log(&organization_home(2), 0, 10, Some(user_id(1))).await.unwrap();
    assert_eq!(elsewhere, vec![]);
}

pub async fn homes_that_only_point_have_no_log(at: &TestStore) {
    let store = at.store.as_ref();
    let claimed = Home::Claim(ClaimName::Slug("north".parse().unwrap()));
    let listed = Home::directory(DirectoryId::User(user_id(5)));
    let sets = [
        change(1, &claimed).put(Record::Claim(claim(1))).done(),
        change(1, &listed).put(Record::DirectoryEntry(directory_entry(5))).done(),
    ];
    for set in sets {
        assert_eq!(store.commit(&set).await, Ok(Committed::Now(None)));
        let read = store
            .read(&set.home, &[Key::Claim, Key::DirectoryEntry(DirectoryId::User(user_id(5)))], &[])
            .await;
        let read = read.unwrap();
        assert_eq!((read.head, read.records.len()), (Head::start(&set.home), 1));
        assert_eq!(read.records.values().next().unwrap().version, commit_id(1));
        assert_eq!(store.log(&set.home, 0, 10, None).await.unwrap(), vec![]);
        assert_eq!(store.dump(&set.home).await.unwrap().head, Head::start(&set.home));
    }
}
