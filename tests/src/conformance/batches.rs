//! Many change sets in one call.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use roster_core::home::{Home, Key, Record, Tally};
use roster_core::model::ClaimName;
use roster_core::store::{ChangeSet, CommitError, Committed, Store};

use crate::build::{account, account_id, change, claim, commit_id, organization_home};
use crate::stores::{START, TestStore};

fn claim_home() -> Home {
    Home::Claim(ClaimName::Email("user.1@example.com".into()))
}

fn put_account(n: u64) -> crate::build::Draft {
    change(n, &organization_home(1)).put(Record::Account(account(n)))
}

async fn seq(store: &dyn Store, home: &Home) -> u64 {
    store.read(home, &[], &[]).await.unwrap().head.seq
}

async fn sum(store: &dyn Store, home: &Home) -> i64 {
    store.read(home, &[], &[Tally::Seats]).await.unwrap().tallies[&Tally::Seats]
}

pub async fn commit_all_answers_each_set_by_itself(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let sets = [
        put_account(1).done(),
        put_account(2).guard(Key::Account(account_id(1)), None).done(),
        put_account(3).add(Tally::Seats, 1, 5..=9).done(),
        put_account(4).not_after(START.plus_seconds(-1)).done(),
        change(5, &claim_home()).put(Record::Claim(claim(1))).done(),
        ChangeSet { entry: None, ..put_account(6).done() },
        put_account(1).done(),
        put_account(7).done(),
    ];
    let outcomes = store.commit_all(&sets).await;
    assert!(matches!(outcomes[0], Ok(Committed::Now(Some(head))) if head.seq == 1));
    assert_eq!(outcomes[1], Err(CommitError::Conflict(Key::Account(account_id(1)))));
    assert_eq!(outcomes[2], Err(CommitError::OutOfBounds(Tally::Seats)));
    assert_eq!(outcomes[3], Err(CommitError::TooLate));
    assert_eq!(outcomes[4], Ok(Committed::Now(None)));
    assert!(matches!(outcomes[5], Err(CommitError::Store(_))));
    assert_eq!(outcomes[6], Ok(Committed::Before));
    assert!(matches!(outcomes[7], Ok(Committed::Now(Some(head))) if head.seq == 2));
    let dump = store.dump(&home).await.unwrap();
    assert_eq!((dump.records.len(), dump.head.seq, outcomes.len()), (2, 2, 8));
    assert_eq!(store.commit_all(&[]).await, vec![]);
}

/// Some of each home are refused, each for another reason; with a claim that is taken and given back between them.
pub async fn commit_all_answers_for_many_homes(at: &TestStore) {
    let mut sets = Vec::new();
    for n in 1..=30_u64 {
        let to = |m: u64| change(10 * n + m, &organization_home(n)).put(Record::Account(account(n)));
        let name = Home::Claim(ClaimName::Email(format!("eva{n}@example.com")));
        sets.push(to(1).done());
        sets.push(change(10 * n + 2, &name).put(Record::Claim(claim(1))).done());
        sets.push(match n % 4 {
            0 => to(3).guard(Key::Account(account_id(n)), None).done(),
            1 => to(3).add(Tally::Seats, 1, 5..=9).done(),
            2 => to(3).not_after(START.plus_seconds(-1)).done(),
            _ => to(1).done(),
        });
        sets.push(change(10 * n + 4, &name).remove(Key::Claim).done());
        sets.push(to(5).guard(Key::Account(account_id(n)), Some(commit_id(10 * n + 1))).done());
    }
    let outcomes = at.store.commit_all(&sets).await;
    assert_eq!(outcomes.len(), sets.len());
    for (n, told) in (1_u64..).zip(outcomes.chunks(5)) {
        let is_entry = |told: &Result<Committed, CommitError>, seq: u64| matches!(told, Ok(Committed::Now(Some(head))) if head.seq == seq);
        assert!(is_entry(&told[0], 1) && is_entry(&told[4], 2), "{told:?}");
        assert_eq!((&told[1], &told[3]), (&Ok(Committed::Now(None)), &Ok(Committed::Now(None))));
        assert_eq!(
            told[2],
            match n % 4 {
                0 => Err(CommitError::Conflict(Key::Account(account_id(n)))),
                1 => Err(CommitError::OutOfBounds(Tally::Seats)),
                2 => Err(CommitError::TooLate),
                _ => Ok(Committed::Before),
            }
        );
    }
    let homes = at.store.homes(None, 100).await.unwrap();
    assert!(homes.len() == 30 && homes.iter().all(Home::has_log), "no name is left: {homes:?}");
}

pub async fn commit_all_applies_sets_of_one_home_in_order(at: &TestStore) {
    let (store, key) = (at.store.as_ref(), Key::Account(account_id(1)));
    let mut sets = Vec::new();
    for n in 1..=40_u64 {
        let before = (n > 1).then(|| commit_id(n - 1));
        let put = |home: u64| change(n, &organization_home(home)).put(Record::Account(account(1)));
        sets.push(put(1).guard(key.clone(), before).done());
        sets.push(put(2).guard(key.clone(), before).done());
    }
    let outcomes = store.commit_all(&sets).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Committed::Now(Some(_))))), "{outcomes:?}");
    assert_eq!((seq(store, &organization_home(1)).await, seq(store, &organization_home(2)).await), (40, 40));
}

pub async fn commit_all_takes_more_than_one_transaction_carries(at: &TestStore) {
    let home = organization_home(1);
    let sets: Vec<_> = (1..=1_100).map(|n| change(n, &home).add(Tally::Seats, 1, 0..=1_050).done()).collect();
    let outcomes = at.store.commit_all(&sets).await;
    assert!(outcomes[..1_050].iter().all(Result::is_ok));
    assert!(outcomes[1_050..].iter().all(|outcome| *outcome == Err(CommitError::OutOfBounds(Tally::Seats))));
    assert_eq!((sum(at.store.as_ref(), &home).await, seq(at.store.as_ref(), &home).await), (1_050, 1_050));
}
