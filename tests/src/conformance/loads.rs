//! What one store holds, in another: nothing is lost or changed on the way, and work goes on from there.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use std::sync::Arc;
use std::time::Duration;

use roster_core::copy::{Copied, CopyError, copy};
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::listing::{Listing, MemberSort, PageRequest, Scope};
use roster_core::load::{Load, MAX_LOAD, Part};
use roster_core::log::LogFilter;
use roster_core::memory::MemoryStore;
use roster_core::model::{Access, ClaimName};
use roster_core::presence::Presence;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreErrorKind, Stored};

use super::reads::records;
use crate::build::{
    change, claim, commit_id, member, operator_key, organization, organization_home, text, user_id,
};
use crate::stores::{ManualClock, START, TestStore};

fn memory() -> MemoryStore {
    MemoryStore::new(Arc::new(ManualClock::default()))
}

/// Every kind of record, a log with people and personal values in every home that has one, tallies, what has ended.
async fn fill(store: &dyn Store) {
    let mut n = 0;
    let mut next = || {
        n += 1;
        n
    };
    for (home, records) in records() {
        for record in records {
            let n = next();
            let set = change(n, &home).put(record);
            let set = if home.has_log() {
                set.entry(
                    Some(user_id(n % 3)),
                    &[user_id(4), user_id(5)],
                    START.plus_seconds(20 - n.cast_signed()),
                )
            } else {
                set
            };
            store.commit(&set.done()).await.unwrap();
        }
    }
    let home = organization_home(1);
    store.commit(&change(next(), &home).add(Tally::Seats, 3, 0..=9).done()).await.unwrap();
    for n in 1_000..1_450 {
        let joined = Record::Member(member(n, Access::NONE));
        store.commit(&change(n, &home).put(joined).done()).await.unwrap();
    }
}

async fn copied(from: &dyn Store, to: &dyn Store) -> Result<Copied, CopyError> {
    copy(from, to, &|| true, &mut |_| {}).await
}

/// Everything that a store says about its homes.
async fn is_the_same(one: &dyn Store, other: &dyn Store) {
    let homes = one.homes(None, 1_000).await.unwrap();
    assert_eq!(other.homes(None, 1_000).await.unwrap(), homes);
    for home in homes {
        assert_eq!(other.dump(&home).await.unwrap(), one.dump(&home).await.unwrap(), "{home}");
        let by = |actor: &str| LogFilter { actor: Some(actor.to_owned()), ..LogFilter::ALL };
        let done = LogFilter { action: Some("member.updated".into()), ..LogFilter::ALL };
        let people = [0, 5, 9].map(|n| LogFilter::of_user(user_id(n)));
        for filter in
            [LogFilter::ALL, by("operator"), by(&user_id(5).to_string()), done].into_iter().chain(people)
        {
            let found = other.log(&home, 0, 1_000, &filter).await.unwrap();
            assert_eq!(found, one.log(&home, 0, 1_000, &filter).await.unwrap(), "{home} {filter:?}");
        }
    }
}

pub async fn a_loaded_store_holds_what_was_there(at: &TestStore) {
    let (reference, back) = (memory(), memory());
    fill(&reference).await;
    let moved = copied(&reference, at.store.as_ref()).await.unwrap();
    assert_eq!((moved.homes, moved.records, moved.entries), (11, 513, 499));
    is_the_same(&reference, at.store.as_ref()).await;
    assert_eq!(copied(at.store.as_ref(), &back).await.unwrap(), moved);
    is_the_same(&reference, &back).await;
}

pub async fn what_is_derived_is_derived_again(at: &TestStore) {
    let reference = memory();
    fill(&reference).await;
    copied(&reference, at.store.as_ref()).await.unwrap();
    let members = |q: Option<&str>, sort| Listing::Members {
        organization: crate::build::organization_id(1),
        status: None,
        account: None,
        role: None,
        q: q.map(str::to_owned),
        sort,
        descending: false,
        scope: Scope::All,
    };
    let page = PageRequest { after: None, limit: 300 };
    for listing in [
        members(Some("user.1001@"), MemberSort::Id),
        members(Some("日本"), MemberSort::Id),
        members(None, MemberSort::Name),
        members(None, MemberSort::JoinedAt),
        Listing::Due { home: organization_home(1), until: START.plus_seconds(60) },
    ] {
        let found = at.store.list(&listing, &page).await.unwrap();
        let expected = reference.list(&listing, &page).await.unwrap();
        assert!(!expected.rows.is_empty(), "{listing:?}");
        assert_eq!((found.rows, found.more), (expected.rows, expected.more), "{listing:?}");
    }
}

pub async fn only_an_empty_store_is_loaded(at: &TestStore) {
    let (reference, store) = (memory(), at.store.as_ref());
    fill(&reference).await;
    let held = Home::Claim(ClaimName::Slug(text("north")));
    store.commit(&change(1, &held).put(Record::Claim(claim(1))).done()).await.unwrap();
    assert_eq!(copied(&reference, store).await, Err(CopyError::NotEmpty));
    let error = store.load(Load::Begin).await.unwrap_err();
    assert!(error.detail.contains("not empty"), "{error}");
    assert_eq!(store.homes(None, 10).await.unwrap(), [held], "nothing was added");
    assert!(store.load(Load::End).await.is_err(), "nothing was begun");
}

fn stored(record: Record) -> Stored {
    Stored { record, version: commit_id(9) }
}

pub async fn a_step_out_of_turn_adds_nothing(at: &TestStore) {
    let (reference, store, home) = (memory(), at.store.as_ref(), organization_home(1));
    fill(&reference).await;
    let log = reference.log(&home, 0, 3, &LogFilter::ALL).await.unwrap();
    let whole = Part {
        records: vec![stored(Record::Organization(organization(1)))],
        log: vec![log[0].clone()],
        ..Part::of(home.clone())
    };
    let first = Part { log: vec![log[0].clone()], ..Part::of(organization_home(2)) };
    let refused = async |parts: &[Part]| {
        let error = store.load(Load::Parts(parts)).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
    };
    refused(std::slice::from_ref(&whole)).await;
    assert!(store.load(Load::End).await.is_err());
    store.load(Load::Begin).await.unwrap();
    assert!(store.load(Load::Begin).await.is_err(), "begun before");
    refused(&[whole.clone(), first]).await;
    assert_eq!(store.homes(None, 10).await.unwrap(), [], "the entry of another home is not chained here");
    store.load(Load::Parts(std::slice::from_ref(&whole))).await.unwrap();
    let before = store.dump(&home).await.unwrap();
    refused(&[Part { log: Vec::new(), ..whole.clone() }]).await;
    refused(&[Part { log: vec![log[2].clone()], ..Part::of(home.clone()) }]).await;
    refused(&[Part { records: vec![stored(Record::Claim(claim(1)))], ..Part::of(home.clone()) }]).await;
    let many = (0..=MAX_LOAD as u64).map(|n| stored(Record::Member(member(n, Access::NONE))));
    refused(&[Part { records: many.collect(), ..Part::of(home.clone()) }]).await;
    assert_eq!(store.dump(&home).await.unwrap(), before);
    store.load(Load::End).await.unwrap();
    assert!(store.load(Load::End).await.is_err(), "ended before");
}

pub async fn the_log_goes_on_after_a_load(at: &TestStore) {
    let (reference, store, home) = (memory(), at.store.as_ref(), organization_home(1));
    fill(&reference).await;
    copied(&reference, store).await.unwrap();
    let head = reference.read(&home, &[], &[]).await.unwrap().head;
    let next = |n| change(n, &home).guard(Key::Member(user_id(1_000)), Some(commit_id(1_000)));
    let set: ChangeSet = next(5_000).put(Record::Member(member(1_000, Access::NONE))).done();
    let after = head.after(set.entry.as_ref().unwrap());
    assert_eq!(store.commit(&set).await, Ok(Committed::Now(Some(after))));
    assert_eq!((after.seq, store.dump(&home).await.unwrap().head), (head.seq + 1, after));
    let stale = next(5_001).done();
    assert_eq!(store.commit(&stale).await, Err(CommitError::Conflict(Key::Member(user_id(1_000)))));
    let full = change(5_002, &home).add(Tally::Seats, 1, 0..=3).done();
    assert_eq!(store.commit(&full).await, Err(CommitError::OutOfBounds(Tally::Seats)));
}

pub async fn commits_are_known_after_a_load(at: &TestStore) {
    let (reference, store) = (memory(), at.store.as_ref());
    fill(&reference).await;
    copied(&reference, store).await.unwrap();
    for home in reference.homes(None, 1_000).await.unwrap() {
        let dump = reference.dump(&home).await.unwrap();
        let logged = reference.log(&home, 0, 1_000, &LogFilter::ALL).await.unwrap();
        let mut known: Vec<_> = dump.records.iter().map(|stored| stored.version).collect();
        known.extend(logged.iter().map(|logged| logged.commit));
        for id in known.into_iter().take(20) {
            let again = ChangeSet { id, ..change(1, &home).done() };
            assert_eq!(store.commit(&again).await, Ok(Committed::Before), "{id} in {home}");
        }
    }
}

pub async fn records_come_in_pages_in_the_order_of_their_keys(at: &TestStore) {
    fill(at.store.as_ref()).await;
    let operators = Home::Deployment;
    for n in 2..=4 {
        let key = Record::OperatorKey(operator_key(n));
        at.store.commit(&change(n, &operators).put(key).done()).await.unwrap();
    }
    for home in at.store.homes(None, 100).await.unwrap() {
        let dump = at.store.dump(&home).await.unwrap();
        let all: Vec<_> = dump.records.iter().map(|stored| stored.record.key()).collect();
        assert!(all.is_sorted(), "{home}");
        for limit in [1, 2, 3, 200, 1_000] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = at.store.records(&home, after.as_ref(), limit).await.unwrap();
                assert!(page.len() <= limit.into());
                let Some(last) = page.last() else { break };
                after = Some(last.record.key());
                found.extend(page);
                if limit < 3 && found.len() > 25 {
                    break;
                }
            }
            assert_eq!(found, dump.records[..found.len()], "{home} by {limit}");
            assert!(found.len() == dump.records.len() || limit < 3);
        }
    }
    assert_eq!(at.store.records(&organization_home(9), None, 10).await.unwrap(), []);
    assert_eq!(at.store.records(&operators, None, 0).await.unwrap(), []);
}

pub async fn many_serve_or_one_is_alone(at: &TestStore) {
    let enter = async |presence| at.store.enter(presence).await.unwrap();
    // A place is left soon after it is given up, not at once: a server hears of it by a connection that ends.
    let enter_soon = async |presence| {
        for _ in 0..600 {
            if let Some(stay) = enter(presence).await {
                return stay;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{presence:?} is still forbidden after 30 seconds")
    };
    let first = enter(Presence::Serving).await.expect("nobody is there");
    let second = enter(Presence::Serving).await.expect("servers stand beside each other");
    assert!(enter(Presence::Alone).await.is_none(), "two servers are there");
    drop(first);
    assert!(enter(Presence::Alone).await.is_none(), "a server is there");
    drop(second);
    let alone = enter_soon(Presence::Alone).await;
    assert!(enter(Presence::Serving).await.is_none(), "somebody is alone");
    assert!(enter(Presence::Alone).await.is_none(), "somebody is alone");
    assert!(alone.is_held());
    alone.leave().await;
    enter_soon(Presence::Serving).await.leave().await;
    enter_soon(Presence::Alone).await.leave().await;
}

pub async fn a_store_describes_itself(at: &TestStore) {
    let described = at.store.describe().await.unwrap();
    assert!(at.name.starts_with(described.backend), "{described:?} is {}", at.name);
    assert!(described.is_current() && described.known_schema > 0, "{described:?}");
}
