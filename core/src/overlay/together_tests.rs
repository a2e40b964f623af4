//! Commits one by one and together, on two homes in memory: what comes of both is the same.

use serde_json::{Value, json};

use super::*;
use crate::actor::Actor;
use crate::home::Record;
use crate::id::{AccountId, OrganizationId, UserId};
use crate::log::{Change, Detached, personal_fits, reveal};
use crate::memory::data::HomeData;
use crate::store::{CommitError, Committed};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn home() -> Home {
    Home::Organization(OrganizationId::from_uuid(Uuid::from_u128(7 << 64)))
}

fn record(name: u32, account: u32) -> Record {
    let id = AccountId::from_uuid(Uuid::from_u128(u128::from(account) << 64));
    Record::AccountExternalId(format!("a{name}").parse().unwrap(), id)
}

/// The n-th commit on what is there: puts or removes one of three names, takes a seat, and says so of somebody.
fn set(there: &HomeData, n: u32, actor: Actor, purchased: i64) -> ChangeSet {
    let id = CommitId::from_uuid(Uuid::from_u128((0x0190_0000 + u128::from(n)) << 80));
    let record = record(n % 3, n);
    let key = record.key();
    let guards = BTreeMap::from([(key.clone(), there.records.get(&key).map(|stored| stored.version))]);
    let write = if n % 5 == 4 { Write::Remove(key) } else { Write::Put(record) };
    let subject = UserId::from_uuid(Uuid::from_u128(u128::from(n) << 64));
    let salts = |k: u16| [u8::try_from(n % 256).unwrap() ^ u8::try_from(k).unwrap(); 16];
    let mut personal = Detached::new(&salts);
    let name = personal.hide(subject, &json!(format!("name {n}")));
    let list = json!([personal.hide(subject, &json!({"n": n})), {"n": 3}]);
    let change = Change {
        action: "member.added".into(),
        target_type: "member".into(),
        target_id: n.to_string(),
        user: Some(subject),
        before: Value::Null,
        after: json!({"name": name, "list": list, "n": n}),
    };
    let body =
        Body { actor, request_id: None, reason: Value::Null, time: NOW, commit: id, changes: vec![change] };
    let entry = LogEntry::new(&body, body.canonical(), personal.into_personal());
    let seats = Write::Add { tally: Tally::Seats, by: 1, within: 0..=purchased };
    ChangeSet { id, home: home(), not_after: None, guards, writes: vec![write, seats], entry: Some(entry) }
}

/// So many commits, one by one, and the home that they make.
fn one_by_one(count: u32, actor: fn(u32) -> Actor) -> (HomeData, Vec<ChangeSet>) {
    let mut there = HomeData::new(&home());
    let mut sets = Vec::new();
    for n in 0..count {
        let set = set(&there, n, actor(n), i64::MAX);
        assert!(matches!(there.commit(&set, NOW), Ok(Committed::Now(Some(_)))));
        sets.push(set);
    }
    (there, sets)
}

fn all_at_once(sets: Vec<ChangeSet>) -> (HomeData, usize) {
    let mut there = HomeData::new(&home());
    let joined = together(sets, &mut Names::default()).concat().concat();
    for set in &joined {
        assert!(matches!(there.commit(set, NOW), Ok(Committed::Now(Some(_)))));
    }
    (there, joined.len())
}

/// What the log says, the values in their places.
fn told(there: &HomeData) -> Vec<(Value, Value)> {
    let entries = there.log.iter().flat_map(|logged| {
        let body: Value = serde_json::from_slice(&logged.body).unwrap();
        assert!(personal_fits(&body, &logged.personal), "each value fits its digest");
        let body = reveal(&body, &logged.personal);
        let actor = body["actor"].clone();
        body["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| (actor.clone(), change.clone()))
            .collect::<Vec<_>>()
    });
    entries.collect()
}

fn kept(there: &HomeData) -> Vec<&Record> {
    there.records.values().map(|stored| &stored.record).collect()
}

#[test]
fn x4_what_is_done_together_is_what_is_done_one_by_one() {
    let (apart, sets) = one_by_one(40, |_| Actor::System);
    let (joined, commits) = all_at_once(sets);
    assert_eq!(commits, 1);
    assert_eq!((kept(&joined), &joined.tallies), (kept(&apart), &apart.tallies));
    assert_eq!(told(&joined), told(&apart));
    assert_eq!((apart.log.len(), joined.log.len()), (40, 1));
}

#[test]
fn what_two_actors_do_stays_two_entries() {
    let turns = |n: u32| if n < 10 { Actor::System } else { Actor::Operator { key: None } };
    let (apart, sets) = one_by_one(20, turns);
    let (joined, commits) = all_at_once(sets);
    assert_eq!(commits, 2);
    assert_eq!(told(&joined), told(&apart));
}

#[test]
fn what_says_nothing_goes_with_whatever_is_beside_it() {
    let turns = |n: u32| if n.is_multiple_of(2) { Actor::System } else { Actor::Operator { key: None } };
    let (_, mut sets) = one_by_one(4, turns);
    for set in sets.iter_mut().step_by(2) {
        let mut body: Body = serde_json::from_slice(&set.entry.as_ref().unwrap().body).unwrap();
        body.changes.clear();
        set.entry = Some(LogEntry::new(&body, body.canonical(), Vec::new()));
    }
    let (joined, commits) = all_at_once(sets);
    assert_eq!(commits, 1);
    let told = told(&joined);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(actor, _)| *actor == json!(Actor::Operator { key: None })));
}

#[test]
fn no_entry_holds_more_than_a_reader_takes_at_once() {
    let (apart, sets) = one_by_one(230, |_| Actor::System);
    let (joined, commits) = all_at_once(sets);
    assert_eq!(commits, 3);
    assert_eq!(told(&joined), told(&apart));
    assert_eq!((kept(&joined), &joined.tallies), (kept(&apart), &apart.tallies));
}

#[test]
fn no_commit_is_larger_than_a_store_takes() {
    let empty = HomeData::new(&home());
    let sets: Vec<ChangeSet> = (0..200)
        .map(|n| {
            let records = (0..7).map(|k| Write::Put(record(n * 7 + k, n)));
            ChangeSet {
                writes: records.collect(),
                guards: BTreeMap::new(),
                ..set(&empty, n, Actor::System, 9)
            }
        })
        .collect();
    let rounds = together(sets, &mut Names::default()).concat();
    assert!(
        rounds.iter().all(|round| round.len() == 1),
        "one after the other: none guards what another writes"
    );
    let joined = rounds.concat();
    assert_eq!(joined.len(), 3);
    assert!(joined.iter().all(|set| set.check().is_ok()));
    assert_eq!(joined.iter().map(|set| set.writes.len()).sum::<usize>(), 1400);
}

#[test]
fn what_rests_on_the_one_before_it_is_sent_with_it() {
    let (_, sets) = one_by_one(230, |_| Actor::System);
    let rounds = together(sets, &mut Names::default());
    assert_eq!(
        rounds.iter().map(|round| round.iter().map(Vec::len).collect()).collect::<Vec<Vec<_>>>(),
        [[3]]
    );
    let mut there = HomeData::new(&home());
    let all = rounds.concat().concat();
    let done: Vec<_> = all.iter().skip(1).map(|set| there.commit(set, NOW)).collect();
    let refused = done.iter().all(|done| matches!(done, Err(CommitError::Conflict(_))));
    assert!(refused, "without the first neither comes: {done:?}");
}

#[test]
fn s1_together_they_take_no_more_seats_than_there_are() {
    let empty = HomeData::new(&home());
    let sets: Vec<ChangeSet> = (0..3).map(|n| set(&empty, n, Actor::System, 2)).collect();
    let joined = together(sets, &mut Names::default()).concat().concat();
    let done = HomeData::new(&home()).commit(&joined[0], NOW);
    assert_eq!(done, Err(CommitError::OutOfBounds(Tally::Seats)));
}

#[test]
fn what_somebody_else_wrote_is_seen_by_all_of_them() {
    let (_, sets) = one_by_one(6, |_| Actor::System);
    let mut there = HomeData::new(&home());
    there.commit(&set(&there.clone(), 1, Actor::System, 9), NOW).unwrap();
    let after = together(sets[3..].to_vec(), &mut Names::default()).concat().concat();
    assert!(matches!(there.commit(&after[0], NOW), Err(CommitError::Conflict(_))));
}

#[test]
fn others_put_together_have_another_name() {
    let (_, sets) = one_by_one(4, |_| Actor::System);
    let of = |sets: &[ChangeSet]| together(sets.to_vec(), &mut Names::default()).concat().concat()[0].id;
    assert_eq!(of(&sets), of(&sets));
    assert_ne!(of(&sets), of(&sets[..3]));
    assert_ne!(of(&sets), sets[0].id);
    assert_eq!(of(&sets[..1]), sets[0].id);
    assert_eq!(of(&sets).unix_millis(), sets[0].id.unix_millis());
}
