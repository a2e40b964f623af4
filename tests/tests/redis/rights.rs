//! A user that may do what `docs/STORAGE.md` lists, and one that may not do all of it.

use redis::cmd;
use roster_core::presence::Presence;
use roster_core::store::{CommitError, Store, StoreClock, StoreErrorKind};
use roster_storage_redis::{RedisConfig, RedisStore};
use roster_tests::build::{organization_home, user_id};
use roster_tests::keyspaces::Keyspace;
use roster_tests::load::{add_account, assert_consistent};

use super::{made, wanted};

/// A user on the server of a keyspace, or on every node, gone with this.
pub(super) struct User<'a> {
    keyspace: &'a Keyspace,
    name: String,
}

impl<'a> User<'a> {
    /// With the rights that the documentation lists, for the keys of the keyspace.
    pub(super) fn as_documented(keyspace: &'a Keyspace) -> Self {
        let user = Self { keyspace, name: format!("user-of-{}", keyspace.prefix().trim_end_matches(':')) };
        user.grant(&documented());
        user
    }

    /// Gives or takes rights.
    pub(super) fn grant(&self, words: &[String]) {
        self.grant_on(&mut self.keyspace.nodes(), words);
    }

    /// On the last node alone.
    fn grant_on_the_last(&self, words: &[String]) {
        let mut nodes = self.keyspace.nodes();
        let last = nodes.len() - 1;
        self.grant_on(&mut nodes[last..], words);
    }

    fn grant_on(&self, nodes: &mut [redis::Connection], words: &[String]) {
        let own = |word: &String| word.replace("~roster:", &format!("~{}", self.keyspace.prefix()));
        let words: Vec<String> = words.iter().map(own).collect();
        for node in nodes {
            cmd("ACL").arg("SETUSER").arg(&self.name).arg(&words).exec(node).unwrap();
        }
    }

    pub(super) fn config(&self) -> RedisConfig {
        let named = format!("redis://{}:PASSWORD@", self.name);
        RedisConfig { url: self.keyspace.url().replace("redis://", &named), ..self.keyspace.config() }
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        for node in &mut self.keyspace.nodes() {
            let _gone = cmd("ACL").arg("DELUSER").arg(&self.name).exec(node);
        }
    }
}

/// The words behind the name in the line for an administrator.
fn documented() -> Vec<String> {
    let text = include_str!("../../../docs/STORAGE.md");
    let line = text.lines().find_map(|line| line.strip_prefix("ACL SETUSER roster ")).unwrap();
    line.split(' ').map(str::to_owned).collect()
}

/// What is documented is enough for everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_documented_rights_does_everything() {
    for keyspace in wanted() {
        let user = User::as_documented(&keyspace);
        let store = made(user.config()).await.unwrap();
        let serving = store.enter(Presence::Serving).await.unwrap().unwrap();
        for n in 1..=3 {
            store.commit(&add_account(n)).await.unwrap();
        }
        let (home, sets) = (organization_home(1), [4, 5, 6].map(add_account));
        assert!(store.commit_all(&sets).await.iter().all(Result::is_ok));
        assert_eq!(assert_consistent(&store, &home).await, 6);
        assert_eq!(store.homes(None, 10).await.unwrap(), std::slice::from_ref(&home));
        assert_eq!(store.records(&home, None, 10).await.unwrap().len(), 6);
        store.forget(&home, user_id(1)).await.unwrap();
        store.ping().await.unwrap();
        serving.leave().await;
        store.enter(Presence::Alone).await.unwrap().unwrap().leave().await;
        assert_eq!(RedisStore::upgrade(user.config(), &mut |_| {}).await.unwrap().homes, 1);
        let looked = RedisStore::inspect(&user.config(), true).await.unwrap();
        assert!(looked.checks.iter().all(roster_core::health::Check::is_good), "{looked:?}");
    }
}

/// Whatever is lacking, on one node of a cluster too, is named before anything is opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_lacks_a_command_is_refused_by_its_name() {
    for keyspace in wanted() {
        RedisStore::migrate(&keyspace.config()).await.unwrap();
        let user = User::as_documented(&keyspace);
        let opened = async || RedisStore::open(user.config(), StoreClock::Server).await;
        let granted = documented().into_iter().filter(|word| word.starts_with('+'));
        // Without these a cluster's client does not connect, and durability can be declared.
        let others = ["+cluster|slots", "+ping", "+config|get", "+asking"];
        for word in granted.filter(|word| !others.contains(&word.as_str())) {
            user.grant_on_the_last(&[word.replacen('+', "-", 1)]);
            let said = opened().await.unwrap_err().to_string();
            let name = word[1..].to_uppercase().replace('|', " ");
            assert!(said.contains(&format!("it lacks: {name}; ")), "{word}: {said}");
            user.grant_on_the_last(&[word]);
        }
        let meta = format!("~{}{{meta}}*", keyspace.prefix());
        for (keys, lacks) in [(meta, "keys such as "), ("~elsewhere*".to_owned(), "the keys ")] {
            user.grant_on_the_last(&["resetkeys".to_owned(), keys]);
            let said = opened().await.unwrap_err().to_string();
            assert!(said.contains(&format!("it lacks: {lacks}{}", keyspace.prefix())), "{said}");
            let looked = RedisStore::inspect(&user.config(), true).await.unwrap();
            let told = looked.checks.iter().find(|check| check.name == "commands").unwrap();
            assert_eq!(told.problem, Some(said), "a line of the doctor's");
        }
        user.grant_on_the_last(&["resetkeys".to_owned(), "~roster:*".to_owned()]);
        assert!(opened().await.is_ok());
    }
}

/// What is taken away while the store is used can leave a commit half-way: that is told as unknown, and it is found out
/// by sending it again once the right is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_away_leaves_no_commit_half_done() {
    for keyspace in wanted() {
        let user = User::as_documented(&keyspace);
        let store = made(user.config()).await.unwrap();
        store.commit(&add_account(1)).await.unwrap();
        user.grant(&["-zadd".to_owned()]);
        let Err(CommitError::Store(error)) = store.commit(&add_account(2)).await else {
            panic!("it was done")
        };
        assert_eq!(error.kind, StoreErrorKind::OutcomeUnknown, "{error}");
        user.grant(&["+zadd".to_owned()]);
        store.commit(&add_account(2)).await.unwrap();
        assert_eq!(assert_consistent(&store, &organization_home(1)).await, 2);
    }
}
