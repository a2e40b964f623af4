//! The names of homes, which a program lists: each is in exactly while its home holds something, since it may be somebody's
//! address, and since what is not listed is neither copied nor verified.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::cmd;
use roster_core::home::{Home, Key, Record};
use roster_core::model::ClaimName;
use roster_core::store::{CommitError, Store};
use roster_storage_redis::keys_beside;
use roster_tests::build::{change, claim, user_id};
use roster_tests::keyspaces::Keyspace;

use super::rights::User;
use super::{made, wanted};

/// What is in the sets, believed or not.
fn names(keyspace: &Keyspace) -> BTreeSet<String> {
    let sets = keys_beside(keyspace.prefix()).into_iter().filter(|key| key.contains("{homes:"));
    let look = sets.map(|key| cmd("ZRANGE").arg(key).arg(0).arg(-1).to_owned()).collect();
    keyspace.all::<Vec<String>>(look).into_iter().flatten().collect()
}

fn home(n: u64) -> Home {
    Home::Claim(ClaimName::Email(format!("eva{n}@example.com")))
}

/// Two processes take one name and give it back, and it is forgotten meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_in_exactly_while_its_home_holds_something() {
    const HOMES: u64 = 12;
    for keyspace in wanted() {
        let first = Arc::new(made(keyspace.config()).await.unwrap());
        let second = Arc::new(made(keyspace.config()).await.unwrap());
        let mut tasks = Vec::new();
        for n in 0..HOMES {
            for (m, store) in [&first, &second].into_iter().enumerate() {
                let store = Arc::clone(store);
                let base = n * 1_000 + 500 * u64::try_from(m).unwrap();
                tasks.push(tokio::spawn(async move {
                    // Half of them end as taken.
                    for step in 0..20 + n % 2 {
                        let draft = change(base + step + 1, &home(n));
                        let set = if step % 2 == 0 {
                            draft.put(Record::Claim(claim(1)))
                        } else {
                            draft.remove(Key::Claim)
                        };
                        store.commit(&set.done()).await.unwrap();
                        if step % 5 == 0 {
                            store.forget(&home(n), user_id(1)).await.unwrap();
                        }
                    }
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        let mut held = BTreeSet::new();
        for home in (0..HOMES).map(home) {
            if !first.dump(&home).await.unwrap().records.is_empty() {
                held.insert(home.to_string());
            }
        }
        assert!(held.len() >= 6, "{held:?}");
        assert_eq!(names(&keyspace), held);
        let listed = first.homes(None, 100).await.unwrap();
        assert_eq!(listed.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), held);
    }
}

/// Where the home's own write is refused behind its name, the name goes again. A cluster may still do what it has refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_stays_of_a_home_that_could_not_be_made() {
    for keyspace in wanted().into_iter().filter(|keyspace| !keyspace.url().contains(',')) {
        let user = User::as_documented(&keyspace);
        let store = made(user.config()).await.unwrap();
        user.grant(&["-hset".to_owned()]);
        let taken = change(1, &home(1)).guard(Key::Claim, None).put(Record::Claim(claim(1))).done();
        assert!(matches!(store.commit(&taken).await, Err(CommitError::Store(_))));
        assert_eq!(names(&keyspace), BTreeSet::new());
        user.grant(&["+hset".to_owned()]);
        store.commit(&taken).await.unwrap();
        assert_eq!(names(&keyspace), [home(1).to_string()].into());
    }
}
