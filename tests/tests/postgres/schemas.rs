//! Several deployments in schemas of one database.

use roster_core::copy::copy;
use roster_core::presence::Presence;
use roster_core::store::Store;
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_tests::build::organization_home;
use roster_tests::load::{add_account, assert_consistent};

use super::{Database, config, is_wanted, open};

/// X5: each has its own place: a server on one neither keeps a copy of another from being made, nor counts as being on it;
/// and one is copied to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x5_deployments_in_schemas_of_one_database_are_apart() {
    if !is_wanted() {
        return;
    }
    let database = Database::empty("ENCODING 'UTF8'").await;
    database.execute("CREATE SCHEMA north; CREATE SCHEMA \"South Pole\"").await;
    let of = async |schema: &str| {
        let url = database.url();
        let joint = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{joint}options[search_path]={schema}");
        let config = PostgresConfig { url, ..config(&database) };
        PostgresStore::migrate(&config).await.unwrap();
        open(config).await.unwrap()
    };
    let stores = [of("public").await, of("north").await, of("%22South%20Pole%22").await];
    let serving = stores[0].enter(Presence::Serving).await.unwrap().unwrap();
    assert!(stores[0].enter(Presence::Alone).await.unwrap().is_none());
    let alone = stores[1].enter(Presence::Alone).await.unwrap().expect("another is served");
    let other = stores[2].enter(Presence::Alone).await.unwrap().expect("another is copied");
    assert!(stores[1].enter(Presence::Serving).await.unwrap().is_none());
    stores[1].commit(&add_account(1)).await.unwrap();
    let copied = copy(&stores[1], &stores[2], &|| true, &mut |_| {}).await.unwrap();
    assert_eq!((copied.homes, copied.entries), (1, 1));
    assert_eq!(assert_consistent(&stores[2], &organization_home(1)).await, 1);
    assert_eq!(stores[0].homes(None, 10).await.unwrap(), []);
    for place in [serving, alone, other] {
        place.leave().await;
    }
}
