//! What a commit checks, in which order, and what it leaves behind.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::collections::BTreeSet;

use roster_core::home::{Home, Key, Record, Tally};
use roster_core::log::LogFilter;
use roster_core::model::{Access, ClaimName};
use roster_core::permission::RoleRef;
use roster_core::store::{ChangeSet, CommitError, Committed, MAX_WRITES, Store, StoreErrorKind};

use crate::build::{
    account, account_id, change, claim, commit_id, entry, member, organization, organization_home, receipt,
    user_id,
};
use crate::stores::{START, TestStore};

fn claim_home() -> Home {
    Home::Claim(ClaimName::Email("user.1@example.com".into()))
}

async fn sum(store: &dyn Store, home: &Home) -> i64 {
    store.read(home, &[], &[Tally::Seats]).await.unwrap().tallies[&Tally::Seats]
}

async fn seq(store: &dyn Store, home: &Home) -> u64 {
    store.read(home, &[], &[]).await.unwrap().head.seq
}

/// A set that any check can be made to fail.
fn put_account(n: u64) -> crate::build::Draft {
    change(n, &organization_home(1)).put(Record::Account(account(n)))
}

pub async fn a_change_set_applies_wholly_or_not_at_all(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let whole = put_account(1).add(Tally::ActiveAccounts, 1, 0..=9).add(Tally::Seats, 5, 0..=4).done();
    assert_eq!(store.commit(&whole).await, Err(CommitError::OutOfBounds(Tally::Seats)));
    let dump = store.dump(&home).await.unwrap();
    assert_eq!((dump.records, dump.tallies.len(), dump.due, dump.head.seq), (vec![], 0, vec![], 0));
    assert_eq!(store.homes(None, 10).await.unwrap(), vec![]);
    assert_eq!(store.log(&home, 0, 10, &LogFilter::ALL).await.unwrap(), vec![]);
    let whole = put_account(1).add(Tally::ActiveAccounts, 1, 0..=9).add(Tally::Seats, 4, 0..=4).done();
    assert!(matches!(store.commit(&whole).await, Ok(Committed::Now(Some(head))) if head.seq == 1));
    let dump = store.dump(&home).await.unwrap();
    assert_eq!((dump.records.len(), dump.tallies.len(), dump.head.seq), (1, 2, 1));
}

pub async fn the_same_id_is_applied_once(at: &TestStore) {
    let store = at.store.as_ref();
    let seats = change(1, &organization_home(1)).add(Tally::Seats, 1, 0..=1).done();
    let pointer = change(1, &claim_home()).put(Record::Claim(claim(1))).guard(Key::Claim, None).done();
    for (set, rest) in [(&seats, organization_home(1)), (&pointer, claim_home())] {
        assert!(matches!(store.commit(set).await, Ok(Committed::Now(_))));
        for _ in 0..2 {
            assert_eq!(store.commit(set).await, Ok(Committed::Before), "{rest}");
        }
    }
    let removed = change(2, &claim_home()).remove(Key::Claim).done();
    assert_eq!(store.commit(&removed).await, Ok(Committed::Now(None)));
    at.clock.advance_seconds(48 * 3_600);
    assert_eq!(store.commit(&pointer).await, Ok(Committed::Before), "after 48 hours");
    assert_eq!(store.commit(&seats).await, Ok(Committed::Before), "after 48 hours");
    assert_eq!((sum(store, &organization_home(1)).await, seq(store, &organization_home(1)).await), (1, 1));
    assert_eq!(store.dump(&claim_home()).await.unwrap().records, vec![]);
    assert_eq!(store.commit_all(&[seats.clone(), pointer]).await, vec![Ok(Committed::Before); 2]);
}

pub async fn the_same_id_in_another_home_is_another_commit(at: &TestStore) {
    for home in [organization_home(1), organization_home(2), Home::Deployment, Home::User(user_id(1))] {
        let set = change(1, &home).add(Tally::Seats, 1, 0..=1).done();
        assert!(matches!(at.store.commit(&set).await, Ok(Committed::Now(Some(_)))), "{home}");
    }
}

pub async fn refusals_come_in_the_order_of_the_contract(at: &TestStore) {
    let store = at.store.as_ref();
    store.commit(&put_account(1).done()).await.unwrap();
    at.clock.advance_seconds(10);
    let everything_wrong = |n: u64| {
        put_account(n).guard(Key::Account(account_id(1)), None).add(Tally::Seats, -1, 0..=9).not_after(START)
    };
    let outcome = store.commit(&everything_wrong(1).done()).await;
    assert_eq!(outcome, Ok(Committed::Before), "done before, though everything else is wrong");
    let outcome = store.commit(&everything_wrong(2).done()).await;
    assert_eq!(outcome, Err(CommitError::TooLate), "too late, though guard and range are wrong");
    let in_time = everything_wrong(2).not_after(START.plus_seconds(10)).done();
    let outcome = store.commit(&in_time).await;
    assert_eq!(outcome, Err(CommitError::Conflict(Key::Account(account_id(1)))), "a guard before a range");
    let guarded = ChangeSet { guards: [].into(), ..in_time };
    assert_eq!(store.commit(&guarded).await, Err(CommitError::OutOfBounds(Tally::Seats)));
    let right = put_account(2).done();
    assert!(matches!(store.commit(&right).await, Ok(Committed::Now(_))), "a refused id can be used");
}

pub async fn not_after_is_judged_by_the_stores_clock(at: &TestStore) {
    let end = START.plus_seconds(20);
    at.clock.set(end);
    let on_time = put_account(1).not_after(end).done();
    assert!(
        matches!(at.store.commit(&on_time).await, Ok(Committed::Now(_))),
        "the instant itself is in time"
    );
    at.clock.set(roster_core::time::Timestamp::from_micros(end.micros() + 1));
    let late = put_account(2).not_after(end).done();
    assert_eq!(at.store.commit(&late).await, Err(CommitError::TooLate));
    let late = change(1, &claim_home()).put(Record::Claim(claim(1))).not_after(end).done();
    assert_eq!(at.store.commit(&late).await, Err(CommitError::TooLate));
    at.clock.set(START);
    assert!(matches!(at.store.commit(&late).await, Ok(Committed::Now(None))));
}

pub async fn guards_hold_present_keys_to_their_version(at: &TestStore) {
    let (store, key) = (at.store.as_ref(), Key::Account(account_id(1)));
    store.commit(&put_account(1).done()).await.unwrap();
    let change_one = |n: u64| change(n, &organization_home(1)).put(Record::Account(account(1)));
    let other = change_one(2).guard(key.clone(), Some(commit_id(9))).done();
    assert_eq!(store.commit(&other).await, Err(CommitError::Conflict(key.clone())));
    let right = change_one(2).guard(key.clone(), Some(commit_id(1))).done();
    assert!(matches!(store.commit(&right).await, Ok(Committed::Now(_))));
    let stale = change_one(3).guard(key.clone(), Some(commit_id(1))).done();
    assert_eq!(store.commit(&stale).await, Err(CommitError::Conflict(key.clone())));
    let read_only = change(4, &organization_home(1)).guard(key.clone(), Some(commit_id(2))).done();
    assert!(
        matches!(store.commit(&read_only).await, Ok(Committed::Now(_))),
        "a guard may be on what is only read"
    );
    let version = store.read(&organization_home(1), std::slice::from_ref(&key), &[]).await.unwrap().records
        [&key]
        .version;
    assert_eq!(version, commit_id(2));
}

pub async fn guards_hold_absent_keys_to_their_absence(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let it = member(1, Access::Organization(RoleRef::ADMIN));
    let keys = [Key::Member(it.user), Key::Organization, Key::AccountExternalId("X".parse().unwrap())];
    let join = |n: u64| keys.iter().fold(change(n, &home), |draft, key| draft.guard(key.clone(), None));
    let first = join(1).put(Record::Member(it.clone())).done();
    assert!(matches!(store.commit(&first).await, Ok(Committed::Now(_))));
    let second = join(2).put(Record::Member(it.clone())).done();
    assert_eq!(store.commit(&second).await, Err(CommitError::Conflict(Key::Member(it.user))));
    let gone = change(3, &home).guard(Key::Account(account_id(1)), Some(commit_id(1))).done();
    assert_eq!(store.commit(&gone).await, Err(CommitError::Conflict(Key::Account(account_id(1)))));
    let nowhere = change(3, &organization_home(2)).guard(Key::Organization, Some(commit_id(1))).done();
    assert_eq!(store.commit(&nowhere).await, Err(CommitError::Conflict(Key::Organization)));
}

pub async fn tallies_stay_within_their_ranges(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let refused = Err(CommitError::OutOfBounds(Tally::Seats));
    let mut n = 0;
    let mut add = |by: i64, within| {
        n += 1;
        change(n, &home).add(Tally::Seats, by, within).done()
    };
    for (by, within, fits) in [
        (3, 0..=3, true),
        (1, 0..=3, false),
        (-3, 0..=3, true),
        (-1, 0..=3, false),
        (-1, -1..=3, true),
        (9, 0..=7, false),
    ] {
        let outcome = store.commit(&add(by, within)).await;
        assert!(if fits { outcome.is_ok() } else { outcome == refused }, "{by}: {outcome:?}");
    }
    assert_eq!(sum(store, &home).await, -1);
    let there_and_back = change(90, &home).add(Tally::Seats, 5, -9..=3).add(Tally::Seats, -5, -9..=3).done();
    assert_eq!(store.commit(&there_and_back).await, refused, "each addition must lie within its range");
    let overflow = change(91, &home).add(Tally::Seats, i64::MIN, 0..=3).done();
    assert_eq!(store.commit(&overflow).await, refused);
}

pub async fn adding_nothing_checks_the_range_alone(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    assert!(store.commit(&change(1, &home).add(Tally::Seats, 0, 0..=0).done()).await.is_ok());
    let outcome = store.commit(&change(2, &home).add(Tally::Seats, 0, 1..=9).done()).await;
    assert_eq!(outcome, Err(CommitError::OutOfBounds(Tally::Seats)));
    assert_eq!(store.dump(&home).await.unwrap().tallies, [].into(), "a tally of 0 is not dumped");
}

pub async fn writes_apply_in_order(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let renamed = roster_core::model::Account { name: "Renamed".parse().unwrap(), ..account(1) };
    let set = change(1, &home)
        .put(Record::Account(account(1)))
        .put(Record::Account(renamed.clone()))
        .put(Record::Account(account(2)))
        .remove(Key::Account(account_id(2)))
        .remove(Key::Account(account_id(3)))
        .put(Record::Organization(organization(1)))
        .done();
    store.commit(&set).await.unwrap();
    let records: Vec<_> =
        store.dump(&home).await.unwrap().records.into_iter().map(|stored| stored.record).collect();
    assert_eq!(records, vec![Record::Organization(organization(1)), Record::Account(renamed)]);
}

pub async fn nothing_is_missing_that_was_made(at: &TestStore) {
    let store = at.store.as_ref();
    let (made, never) = ([organization_home(1), claim_home()], organization_home(2));
    store.commit(&change(1, &made[0]).put(Record::Account(account(1))).done()).await.unwrap();
    let sets = [change(2, &made[1]).put(Record::Claim(claim(1))).done(), change(3, &made[0]).done()];
    assert!(store.commit_all(&sets).await.iter().all(Result::is_ok));
    let asked = [made[0].clone(), never.clone(), made[1].clone()];
    let missing = store.missing(&asked).await.unwrap();
    assert!(missing.iter().all(|home| *home == never), "{missing:?}");
    // A cluster may leave all to be read.
    assert!(missing.len() == 1 || at.name == "redis-cluster");
}

pub async fn no_receipt_is_passed_over(at: &TestStore) {
    let store = at.store.as_ref();
    let [holds, held, never] = [1, 2, 3].map(|n| Home::User(user_id(n)));
    let other = organization_home(1);
    for (n, home) in [(1, &holds), (2, &held), (3, &other)] {
        let two = change(n, home).put(Record::Receipt(receipt(1))).put(Record::Receipt(receipt(2)));
        store.commit(&two.done()).await.unwrap();
    }
    let first = change(4, &held).remove(Key::Receipt(receipt(1).id));
    store.commit(&first.done()).await.unwrap();
    let asked = [other.clone(), holds.clone(), never.clone(), held.clone()];
    let without = store.without_receipts(&asked).await.unwrap();
    assert!(without.iter().all(|home| *home == never), "{without:?}");
    let second = change(5, &held).remove(Key::Receipt(receipt(2).id));
    store.commit(&second.done()).await.unwrap();
    let without = store.without_receipts(&asked).await.unwrap();
    // A cluster may leave all to be read.
    let wanted: BTreeSet<Home> = [held, never].into_iter().filter(|_| at.name != "redis-cluster").collect();
    assert_eq!(without, wanted);
}

pub async fn malformed_change_sets_are_refused(at: &TestStore) {
    let store = at.store.as_ref();
    let add = |draft: crate::build::Draft, _| draft.add(Tally::Seats, 0, 0..=9);
    let most = (0..MAX_WRITES).fold(change(1, &organization_home(1)), add);
    let silent = ChangeSet { entry: None, ..change(2, &organization_home(1)).done() };
    let pointer = change(3, &claim_home()).put(Record::Claim(claim(1)));
    let loud = ChangeSet { entry: Some(entry(commit_id(3), None, &[], START)), ..pointer.done() };
    let stray = change(4, &claim_home()).put(Record::Account(account(1))).done();
    let elsewhere = change(5, &organization_home(1)).remove(Key::User).done();
    for set in [most.clone().add(Tally::Seats, 0, 0..=9).done(), silent, loud, stray, elsewhere] {
        let outcome = store.commit(&set).await;
        let malformed =
            |error: &CommitError| matches!(error, CommitError::Store(e) if e.kind == StoreErrorKind::Corrupt);
        assert!(outcome.as_ref().is_err_and(malformed), "{outcome:?}");
    }
    assert_eq!(store.homes(None, 9).await.unwrap(), vec![]);
    assert!(store.commit(&most.done()).await.is_ok(), "512 writes are not too many");
}
