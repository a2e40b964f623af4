//! Many change sets in one call, to one of which the store gives no answer: nothing that comes after it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roster_core::home::{Key, Record};
use roster_core::model::Account;
use roster_core::store::{ChangeSet, CommitError, Committed, Store, StoreErrorKind, Write};
use roster_tests::build::{account, account_id, change, organization_home, text};
use roster_tests::load::{add_account, assert_consistent};
use roster_tests::proxy::{Harm, Proxy};
use roster_tests::replicas::{by_way_of, server_of};
use roster_tests::stores::{TestStore, fresh, selected};

/// More than two times what one transaction, or one conversation, carries.
const MANY: u64 = 1_100;
/// What goes at a time.
const CHUNK: usize = 500;
/// To this one there is no answer.
const LOST: u64 = 4;
const NAME: &str = "No answer to this";

fn sets() -> Vec<ChangeSet> {
    let set = |n| {
        let mut set = add_account(n);
        if n == LOST {
            let named = Record::Account(Account { name: text(NAME), ..account(n) });
            set.writes.iter_mut().filter(|write| matches!(write, Write::Put(_))).for_each(|write| {
                *write = Write::Put(named.clone());
            });
        }
        set
    };
    (1..=MANY).map(set).collect()
}

/// One that no store takes, to an organization that has what it would remove.
fn ill_formed() -> ChangeSet {
    change(MANY + 1, &organization_home(1)).remove(Key::User).done()
}

fn word(outcome: &Result<Committed, CommitError>) -> &'static str {
    match outcome {
        Ok(_) => "told",
        Err(CommitError::Store(error)) => match error.kind {
            StoreErrorKind::OutcomeUnknown => "unknown",
            StoreErrorKind::Corrupt => "refused",
            _ if error.detail.starts_with("not sent") => "not sent",
            _ => "not done",
        },
        Err(other) => panic!("{other}"),
    }
}

/// How often each word was heard in a row, from a call in which the connection is cut behind some bytes, whenever they go.
/// What is there then is as was told, and what was not sent can be sent.
async fn heard(test: &TestStore, sets: &[ChangeSet], cut_behind: &str) -> Vec<(&'static str, usize)> {
    let proxy = Proxy::before(server_of(test).await).await;
    let store: Arc<dyn Store> = by_way_of(test, proxy.address, Duration::from_secs(10)).await;
    proxy.set(Harm::CutBehind(cut_behind.as_bytes().to_vec()));
    let outcomes = store.commit_all(sets).await;
    let home = organization_home(1);
    assert_consistent(test.store.as_ref(), &home).await;
    let there = test.store.dump(&home).await.unwrap().records;
    let there: BTreeMap<_, _> = there.iter().map(|it| (it.record.key(), it.version)).collect();
    let mut words: Vec<(&str, usize)> = Vec::new();
    for (set, outcome) in sets.iter().zip(&outcomes) {
        let key = set.writes.iter().find_map(Write::key).unwrap();
        let (is_there, said) = (there.get(&key) == Some(&set.id), word(outcome));
        assert!(
            said == "unknown" || is_there == (said == "told"),
            "{key:?} is there: {is_there}, but {said}"
        );
        match words.last_mut() {
            Some((last, times)) if *last == said => *times += 1,
            _ => words.push((said, 1)),
        }
    }
    words
}

/// The next connection works at once, so that whatever is sent after it would be done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_after_a_set_without_an_answer() {
    let rest = usize::try_from(MANY).unwrap() - CHUNK;
    if selected().contains(&"redis") {
        let test = fresh("redis").await;
        let told = heard(&test, &sets(), NAME).await;
        assert_eq!(told, [("told", 3), ("unknown", CHUNK - 3), ("not sent", rest)], "asked one by one");
        // One that cannot go with the others has them sent one by one.
        let test = fresh("redis").await;
        let each = [vec![ill_formed()], sets()].concat();
        let told = heard(&test, &each, NAME).await;
        assert_eq!(told, [("refused", 1), ("told", 3), ("unknown", 1), ("not sent", rest + CHUNK - 4)]);
        // Those of another home that go along are unknown as well.
        let test = fresh("redis").await;
        let beside = change(MANY + 2, &organization_home(2)).put(Record::Account(account(1))).done();
        let told = heard(&test, &[sets()[..40].to_vec(), vec![beside]].concat(), NAME).await;
        assert_eq!(told, [("told", 3), ("unknown", 38)]);
    }
    if selected().contains(&"postgres") {
        let test = fresh("postgres").await;
        let told = heard(&test, &sets(), NAME).await;
        assert_eq!(told, [("not done", CHUNK), ("not sent", rest)], "before the COMMIT");
        let test = fresh("postgres").await;
        let told = heard(&test, &sets(), "COMMIT\0").await;
        assert_eq!(told, [("told", CHUNK + rest)], "behind the COMMIT: it is asked what became of it");
        // One that spoils it for the others has them committed one by one. The first can be asked about, and is.
        let test = fresh("postgres").await;
        refuses(&test, 2).await;
        let told = heard(&test, &sets(), "COMMIT\0").await;
        assert_eq!(told, [("told", 1), ("not sent", rest + CHUNK - 1)]);
    }
}

/// The database takes no such account.
async fn refuses(test: &TestStore, n: u64) {
    let refused = account_id(n).uuid();
    let database = test.database.as_ref().unwrap();
    database
        .execute(&format!(
            "CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END $$;
             CREATE TRIGGER refuses BEFORE INSERT ON accounts FOR EACH ROW
                 WHEN (NEW.id = '{refused}') EXECUTE FUNCTION refuses()"
        ))
        .await;
}
