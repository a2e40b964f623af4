//! Servers that Postgres stores refuse to start on, each a real one that is configured so.

use roster_core::store::StoreClock;
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_tests::databases::Database;
use roster_tests::private_server::postgres::Postgres;
use roster_tests::proxy::{Harm, Proxy};
use roster_tests::replicas::server_of;
use roster_tests::stores::{FINGERPRINT, fresh, selected};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Row};

fn is_wanted() -> bool {
    selected().contains(&"postgres")
}

async fn opened(url: &str) -> Result<(), String> {
    let config = PostgresConfig::new(url, FINGERPRINT);
    PostgresStore::open(config, StoreClock::Server).await.map(drop).map_err(|error| error.to_string())
}

async fn refusal(url: &str) -> String {
    opened(url).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_would_lose_data_in_a_crash_is_refused() {
    if !is_wanted() {
        return;
    }
    let mut server = Postgres::new();
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        server.start(&[&format!("{setting}=off")]);
        let said = refusal(&server.url()).await;
        let expected = format!("{setting} is off: a crash would lose what was acknowledged; set it to on");
        assert_eq!(said, expected);
        server.stop();
    }
    server.start(&[]);
    PostgresStore::migrate(&PostgresConfig::new(server.url(), FINGERPRINT)).await.unwrap();
    assert_eq!(opened(&server.url()).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused() {
    if !is_wanted() {
        return;
    }
    let primary = Postgres::with(&["max_wal_senders=2"]);
    PostgresStore::migrate(&PostgresConfig::new(primary.url(), FINGERPRINT)).await.unwrap();
    assert_eq!(opened(&primary.url()).await, Ok(()));
    let standby = primary.standby();
    let said = refusal(&standby.url()).await;
    assert_eq!(
        said,
        "this server is in recovery, a standby: give the address of the primary in storage.postgres.url"
    );
}

#[tokio::test]
async fn a_database_without_an_encoding_is_refused() {
    if !is_wanted() {
        return;
    }
    let ascii = Database::empty("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'").await;
    let said = refusal(&ascii.url()).await;
    assert_eq!(said, "this database has the encoding SQL_ASCII: make one with ENCODING 'UTF8'");
}

/// No server that old is at hand: a new one is made to say that it is, by a proxy that changes its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_older_than_14_is_refused() {
    if !is_wanted() {
        return;
    }
    let test = fresh("postgres").await;
    let options: PgConnectOptions = test.database.as_ref().unwrap().url().parse().unwrap();
    let mut connection = options.clone().connect().await.unwrap();
    let asked = "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
    let row = sqlx::query(asked).fetch_one(&mut connection).await.unwrap();
    let (number, version): (i32, String) = (row.get(0), row.get(1));
    let proxy = Proxy::before(server_of(&test).await).await;
    let options = options.host("127.0.0.1").port(proxy.address.port());
    let url = options.to_url_lossy().to_string();
    assert_eq!(opened(&url).await, Ok(()));
    for (told, is_old) in [(13, true), (14, false)] {
        let older = format!("{told}{}", &version[2..]);
        let column = |number: i32| [[0, 0, 0, 4], number.to_be_bytes()].concat();
        proxy.set(Harm::Replace(vec![
            (column(number), column(told * 10_000 + number % 10_000)),
            (version.clone().into_bytes(), older.clone().into_bytes()),
        ]));
        let ended = opened(&url).await;
        let refused = format!("this is Postgres {older}: use 14 or newer");
        assert_eq!(ended, if is_old { Err(refused) } else { Ok(()) });
    }
}
