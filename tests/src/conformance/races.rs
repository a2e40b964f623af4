//! Many at once.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::log::LogFilter;
use roster_core::model::ClaimName;
use roster_core::store::{ChangeSet, CommitError, Committed, Store};

use crate::build::{account, account_id, change, claim, commit_id, organization, organization_home, user_id};
use crate::stores::TestStore;

type Outcome = Result<Committed, CommitError>;

async fn at_once(store: &Arc<dyn Store>, sets: Vec<ChangeSet>) -> Vec<Outcome> {
    let commit = |set: ChangeSet| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.commit(&set).await })
    };
    join_all(sets.into_iter().map(commit)).await.into_iter().map(Result::unwrap).collect()
}

fn won(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

pub async fn one_of_many_with_the_same_guard_wins(at: &TestStore) {
    let (home, key) = (organization_home(1), Key::Account(account_id(1)));
    for round in 0..5_u64 {
        let version = (round > 0).then(|| at.store.read(&home, std::slice::from_ref(&key), &[]));
        let version = match version {
            Some(read) => Some(read.await.unwrap().records[&key].version),
            None => None,
        };
        let take = |n| {
            change(100 * round + n, &home).put(Record::Account(account(1))).guard(key.clone(), version).done()
        };
        let outcomes = at_once(&at.store, (1..=20).map(take).collect()).await;
        let lost =
            outcomes.iter().filter(|outcome| **outcome == Err(CommitError::Conflict(key.clone()))).count();
        assert_eq!((won(&outcomes), lost), (1, 19), "{outcomes:?}");
    }
    assert_eq!(at.store.read(&home, &[], &[]).await.unwrap().head.seq, 5);
}

pub async fn one_of_many_takes_the_last_place(at: &TestStore) {
    let home = organization_home(1);
    at.store.commit(&change(1, &home).add(Tally::Seats, 9, 0..=10).done()).await.unwrap();
    let take = |n| change(1 + n, &home).put(Record::Account(account(n))).add(Tally::Seats, 1, 0..=10).done();
    let outcomes = at_once(&at.store, (1..=50).map(take).collect()).await;
    let lost =
        outcomes.iter().filter(|outcome| **outcome == Err(CommitError::OutOfBounds(Tally::Seats))).count();
    assert_eq!((won(&outcomes), lost), (1, 49));
    let dump = at.store.dump(&home).await.unwrap();
    assert_eq!((dump.records.len(), dump.tallies[&Tally::Seats], dump.head.seq), (1, 10, 2));
}

pub async fn commits_without_common_guards_do_not_conflict(at: &TestStore) {
    let home = organization_home(1);
    let put = |n| change(n, &home).put(Record::Account(account(n))).guard(Key::Account(account_id(n)), None);
    let outcomes =
        at_once(&at.store, (1..=50).map(|n| put(n).add(Tally::Seats, 1, 0..=50).done()).collect()).await;
    let mut seqs: Vec<u64> = outcomes
        .iter()
        .map(
            |outcome| {
                if let Ok(Committed::Now(Some(head))) = outcome { head.seq } else { panic!("{outcome:?}") }
            },
        )
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
    assert_eq!(at.store.dump(&home).await.unwrap().tallies[&Tally::Seats], 50);
}

pub async fn a_read_is_of_one_instant(at: &TestStore) {
    let home = organization_home(1);
    let keys = [Key::Organization, Key::Account(account_id(1))];
    let writer = {
        let (store, home) = (Arc::clone(&at.store), home.clone());
        tokio::spawn(async move {
            for n in 1..=150 {
                let both = change(n, &home)
                    .put(Record::Organization(organization(1)))
                    .put(Record::Account(account(1)));
                store.commit(&both.add(Tally::Seats, 1, 0..=999).done()).await.unwrap();
            }
        })
    };
    let mut last = 0;
    while last < 150 {
        let read = at.store.read(&home, &keys, &[Tally::Seats]).await.unwrap();
        assert!(read.head.seq >= last);
        last = read.head.seq;
        let versions: Vec<_> = keys.iter().filter_map(|key| Some(read.records.get(key)?.version)).collect();
        let expected = if last == 0 { vec![] } else { vec![commit_id(last); 2] };
        assert_eq!((versions, read.tallies[&Tally::Seats]), (expected, last.try_into().unwrap()));
        let dump = at.store.dump(&home).await.unwrap();
        assert_eq!(
            dump.tallies.get(&Tally::Seats).copied().unwrap_or(0),
            i64::try_from(dump.head.seq).unwrap()
        );
        assert!(dump.records.iter().all(|stored| stored.version == commit_id(dump.head.seq)));
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}

pub async fn a_commit_goes_on_without_its_caller(at: &TestStore) {
    let home = organization_home(1);
    let mut sets = Vec::new();
    for n in 1..=60 {
        let set = change(n, &home).put(Record::Account(account(n))).add(Tally::Seats, 1, 0..=999).done();
        // The caller goes away at once, or a little later: the commit is done wholly or not at all.
        let patience = Duration::from_micros(n % 6 * 400);
        let _left = tokio::time::timeout(patience, at.store.commit(&set)).await;
        sets.push(set);
    }
    for set in &sets {
        assert!(at.store.commit(set).await.is_ok(), "sending it again tells");
    }
    let dump = at.store.dump(&home).await.unwrap();
    assert_eq!((dump.records.len(), dump.tallies[&Tally::Seats], dump.head.seq), (60, 60, 60));
    assert_eq!(at.store.log(&home, 0, 999, &LogFilter::ALL).await.unwrap().len(), 60);
}

pub async fn a_name_is_taken_while_it_is_forgotten(at: &TestStore) {
    let name = |n: u64| Home::Claim(ClaimName::Email(format!("eva{n}@example.com")));
    for n in 0..40_u64 {
        let name = name(n);
        at.store.commit(&change(10 * n + 1, &name).put(Record::Claim(claim(1))).done()).await.unwrap();
        at.store.commit(&change(10 * n + 2, &name).remove(Key::Claim).done()).await.unwrap();
        let forgetting = {
            let (store, name) = (Arc::clone(&at.store), name.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(n % 8 * 250)).await;
                store.forget(&name, user_id(1)).await
            })
        };
        let taken = change(10 * n + 3, &name).put(Record::Claim(claim(2))).done();
        assert_eq!(at.store.commit(&taken).await, Ok(Committed::Now(None)));
        assert_eq!(forgetting.await.unwrap(), Ok(()));
        assert_eq!(at.store.dump(&name).await.unwrap().records.len(), 1, "what is held is not forgotten");
    }
    let mut names: Vec<String> = (0..40).map(|n| name(n).to_string()).collect();
    names.sort();
    let listed = at.store.homes(None, 100).await.unwrap();
    assert_eq!(listed.iter().map(ToString::to_string).collect::<Vec<_>>(), names);
}

pub async fn a_refused_commit_leaves_those_beside_it_alone(at: &TestStore) {
    let home = organization_home(1);
    at.store.commit(&change(1, &home).put(Record::Account(account(1))).done()).await.unwrap();
    let guarded = Key::Account(account_id(1));
    let set = |n: u64| {
        let draft = change(1 + n, &home).put(Record::Account(account(1 + n)));
        match n % 3 {
            0 => draft.add(Tally::Seats, 1, 0..=20).done(),
            1 => draft.guard(guarded.clone(), None).done(),
            _ => draft.add(Tally::Seats, 99, 0..=20).done(),
        }
    };
    let outcomes = at_once(&at.store, (1..=60).map(set).collect()).await;
    for (n, outcome) in (1_u64..).zip(&outcomes) {
        match n % 3 {
            0 => assert!(matches!(outcome, Ok(Committed::Now(Some(_)))), "{outcome:?}"),
            1 => assert_eq!(*outcome, Err(CommitError::Conflict(guarded.clone()))),
            _ => assert_eq!(*outcome, Err(CommitError::OutOfBounds(Tally::Seats))),
        }
    }
    let dump = at.store.dump(&home).await.unwrap();
    assert_eq!((dump.records.len(), dump.tallies[&Tally::Seats], dump.head.seq), (21, 20, 21));
}
