//! The log of a home: dense, chained, never back in time, read in pages and by person.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are the bodies of tests")]

use roster_core::actor::Actor;
use roster_core::home::{Home, Key, Record, Tally};
use roster_core::id::UserId;
use roster_core::log::{Head, LogFilter, chain, genesis};
use roster_core::memory::MemoryStore;
use roster_core::model::{ClaimName, DirectoryId};
use roster_core::store::{Committed, Store};
use roster_core::time::Timestamp;

use crate::build::{
    Dice, api_key_id, by_user, change, claim, commit_id, directory_entry, organization_home, user_id,
};
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
    let log = store.log(home, 0, 1_000, &LogFilter::ALL).await.unwrap();
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
    let log = at.store.log(&home, 0, 10, &LogFilter::ALL).await.unwrap();
    let found: Vec<_> = log.iter().map(|entry| entry.time).collect();
    assert_eq!(found, times.map(|(_, _, kept)| START.plus_seconds(kept)));
    let read = at.store.read(&home, &[], &[]).await.unwrap();
    assert_eq!((read.clock, read.now()), (START, START.plus_seconds(11)), "the later of clock and log rules");
    at.clock.advance_seconds(60);
    let read = at.store.read(&home, &[], &[]).await.unwrap();
    assert_eq!((read.clock, read.now()), (START.plus_seconds(60), START.plus_seconds(60)));
}

async fn seqs(store: &dyn Store, after: u64, limit: u16, user: Option<UserId>) -> Vec<u64> {
    found(store, after, limit, &LogFilter { user, ..LogFilter::ALL }).await
}

async fn found(store: &dyn Store, after: u64, limit: u16, filter: &LogFilter) -> Vec<u64> {
    let log = store.log(&organization_home(1), after, limit, filter).await.unwrap();
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
    let elsewhere = store.log(&organization_home(2), 0, 10, &LogFilter::of_user(user_id(1))).await.unwrap();
    assert_eq!(elsewhere, vec![]);
}

pub async fn the_log_is_filtered_by_actor_action_and_time(at: &TestStore) {
    let store = at.store.as_ref();
    let key = Actor::ApiKey { organization: crate::build::organization_id(1), key: api_key_id(1) };
    let (one, two) = (Some(user_id(1)), Some(user_id(2)));
    let both = [("member.added", one), ("member.removed", two)];
    let set = |n: u64| change(n, &organization_home(1));
    let at_second = |n: i64| START.plus_seconds(n);
    let sets = [
        set(1).says(Actor::CLI, &[("member.added", one)], at_second(0)),
        set(2).says(Actor::System, &[], at_second(5)),
        set(3).says(key, &both, at_second(5)),
        set(4).says(by_user(user_id(1)), &[("member.removed", two)], at_second(9)),
        set(5).says(by_user(user_id(1)), &[("member.removed", two)], at_second(2)),
    ];
    for set in sets {
        store.commit(&set.done()).await.unwrap();
    }
    let actor = |actor: &str| LogFilter { actor: Some(actor.to_owned()), ..LogFilter::ALL };
    assert_eq!(found(store, 0, 9, &actor("operator")).await, [1], "the command line");
    assert_eq!(found(store, 0, 9, &actor("system")).await, [2]);
    assert_eq!(found(store, 0, 9, &actor(&api_key_id(1).to_string())).await, [3]);
    assert_eq!(found(store, 0, 9, &actor(&user_id(1).to_string())).await, [4, 5], "not what is about them");
    assert_eq!(found(store, 0, 9, &actor("nobody")).await, [0; 0]);
    let action = |action: &str| LogFilter { action: Some(action.to_owned()), ..LogFilter::ALL };
    assert_eq!(found(store, 0, 9, &action("member.removed")).await, [3, 4, 5]);
    assert_eq!(found(store, 3, 1, &action("member.removed")).await, [4]);
    assert_eq!(found(store, 0, 9, &action("member")).await, [0; 0], "no part of a name");
    let time = |from: Option<i64>, to: Option<i64>| LogFilter {
        from: from.map(at_second),
        to: to.map(at_second),
        ..LogFilter::ALL
    };
    assert_eq!(found(store, 0, 9, &time(Some(5), None)).await, [2, 3, 4, 5], "from is in");
    assert_eq!(found(store, 0, 9, &time(None, Some(5))).await, [1], "to is out");
    assert_eq!(found(store, 0, 9, &time(Some(2), Some(9))).await, [2, 3], "by the time that the store gave");
    assert_eq!(found(store, 0, 9, &time(Some(9), Some(9))).await, [0; 0]);
    assert_eq!(found(store, 0, 9, &time(Some(10), None)).await, [0; 0]);
    let all = LogFilter { user: two, actor: Some(user_id(1).to_string()), ..time(Some(1), Some(10)) };
    let all = LogFilter { action: Some("member.removed".into()), ..all };
    assert_eq!(found(store, 4, 9, &all).await, [5], "all at once");
}

/// By dice: entries of every kind, and filters of every mixture.
pub async fn the_log_is_filtered_as_in_memory(at: &TestStore) {
    let (store, home) = (at.store.as_ref(), organization_home(1));
    let memory = MemoryStore::new(at.clock.clone());
    let mut dice = Dice::new(5);
    for n in 1..=120 {
        let set = some_entry(&mut dice, n, &home).done();
        store.commit(&set).await.unwrap();
        memory.commit(&set).await.unwrap();
    }
    let mut wanted = 0;
    for _ in 0..250 {
        let (filter, after) = (some_filter(&mut dice), dice.below(60) * dice.below(2));
        let limit = 1 + u16::try_from(dice.below(40)).unwrap();
        let expected = memory.log(&home, after, limit, &filter).await.unwrap();
        assert_eq!(
            store.log(&home, after, limit, &filter).await.unwrap(),
            expected,
            "{filter:?} after {after}"
        );
        wanted += usize::from(!expected.is_empty());
    }
    assert!((80..240).contains(&wanted), "{wanted} of 250 filters found something");
}

const ACTIONS: [&str; 4] = ["member.added", "member.removed", "seats.changed", "member.access_changed"];

fn some_actor(dice: &mut Dice) -> Actor {
    match dice.below(6) {
        0 => Actor::CLI,
        1 => Actor::System,
        2 => Actor::ApiKey { organization: crate::build::organization_id(1), key: api_key_id(dice.below(2)) },
        _ => by_user(user_id(dice.below(4))),
    }
}

fn some_instant(dice: &mut Dice) -> Timestamp {
    START.plus_seconds(i64::try_from(dice.below(60)).unwrap())
}

fn some_entry(dice: &mut Dice, n: u64, home: &Home) -> crate::build::Draft {
    let many = dice.below(4);
    let changes: Vec<_> = (0..many)
        .map(|_| (*dice.pick(&ACTIONS), (!dice.once_in(5)).then(|| user_id(dice.below(4)))))
        .collect();
    let actor = some_actor(dice);
    change(n, home).says(actor, &changes, START.plus_seconds(i64::try_from(n / 2).unwrap()))
}

fn some_filter(dice: &mut Dice) -> LogFilter {
    let actor = some_actor(dice);
    let term = actor.id().unwrap_or_else(|| actor.kind().to_owned());
    LogFilter {
        user: dice.once_in(3).then(|| user_id(dice.below(5))),
        actor: dice.once_in(3).then_some(term),
        action: dice.once_in(3).then(|| (*dice.pick(&ACTIONS)).to_owned()),
        from: dice.once_in(3).then(|| some_instant(dice)),
        to: dice.once_in(3).then(|| some_instant(dice)),
    }
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
        assert_eq!(store.log(&set.home, 0, 10, &LogFilter::ALL).await.unwrap(), vec![]);
        assert_eq!(store.dump(&set.home).await.unwrap().head, Head::start(&set.home));
    }
}

pub async fn what_names_a_person_is_forgotten_and_the_chain_stays(at: &TestStore) {
    let home = organization_home(1);
    for n in 1..=450_u64 {
        let about = [user_id(1), user_id(2)];
        let about = if n % 3 == 0 { &about[..1] } else { &about[..] };
        let set = change(n, &home).entry(Some(user_id(3)), about, START).done();
        at.store.commit(&set).await.unwrap();
    }
    let before = at.store.log(&home, 0, 1_000, &LogFilter::ALL).await.unwrap();
    at.store.forget(&home, user_id(2)).await.unwrap();
    at.store.forget(&home, user_id(9)).await.unwrap();
    let after = at.store.log(&home, 0, 1_000, &LogFilter::ALL).await.unwrap();
    assert_eq!(after.len(), 450);
    for (before, after) in before.iter().zip(&after) {
        let kept: Vec<_> =
            before.personal.iter().filter(|value| value.subject != user_id(2)).cloned().collect();
        assert_eq!((&after.personal, &after.body), (&kept, &before.body));
        assert_eq!((after.hash, after.seq), (before.hash, before.seq));
    }
    let name = Home::Claim(ClaimName::Email("eva@example.com".into()));
    let taken = change(900, &name).put(Record::Claim(claim(1))).done();
    at.store.commit(&taken).await.unwrap();
    at.store.forget(&name, user_id(1)).await.unwrap();
    assert_eq!(at.store.dump(&name).await.unwrap().records.len(), 1, "what is held is not forgotten");
    at.store.commit(&change(901, &name).remove(Key::Claim).done()).await.unwrap();
    at.store.forget(&name, user_id(1)).await.unwrap();
    let again = change(902, &name).put(Record::Claim(claim(2))).done();
    assert_eq!(at.store.commit(&again).await, Ok(Committed::Now(None)), "it can be taken anew");
}
