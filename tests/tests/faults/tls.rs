//! Encrypted connections to Postgres, checked against a certificate authority of the test's own.

use roster_core::store::{Store, StoreClock};
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_tests::build::organization_home;
use roster_tests::load::{add_account, assert_consistent};
use roster_tests::private_server::certificates::{authority, certified};
use roster_tests::private_server::postgres::Postgres;
use roster_tests::stores::{FINGERPRINT, selected};

/// A server that takes encrypted connections only, whose certificate for `localhost` the authority `ours` has signed.
/// Beside it stands an authority that has signed nothing.
fn server() -> Postgres {
    let mut server = Postgres::new();
    let folder = server.folder();
    authority(folder.path(), "ours");
    authority(folder.path(), "another");
    certified(folder.path());
    for (made, kept) in [("made.crt", "server.crt"), ("made.key", "server.key")] {
        let text = std::fs::read_to_string(folder.path().join(made)).unwrap();
        folder.write(kept, &text);
    }
    folder.write("data/pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n");
    let (certificate, key) = (folder.at("server.crt"), folder.at("server.key"));
    server.start(&["ssl=on", &format!("ssl_cert_file={certificate}"), &format!("ssl_key_file={key}")]);
    server
}

fn config(server: &Postgres, host: &str, parameters: &str) -> PostgresConfig {
    let port = server.address().port();
    PostgresConfig::new(format!("postgres://roster@{host}:{port}/postgres?{parameters}"), FINGERPRINT)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_certificate_is_checked_when_that_is_asked_for() {
    if !selected().contains(&"postgres") {
        return;
    }
    let server = server();
    let root = |name: &str| format!("sslmode=verify-full&sslrootcert={}", server.folder().at(name));
    let ours = config(&server, "localhost", &root("ours.crt"));
    PostgresStore::migrate(&ours).await.unwrap();
    let store = PostgresStore::open(ours, StoreClock::Server).await.unwrap();
    store.commit(&add_account(1)).await.unwrap();
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, 1);

    for (host, parameters, word) in [
        ("localhost", root("another.crt"), "UnknownIssuer"),
        ("127.0.0.1", root("ours.crt"), "not valid for name"),
        ("localhost", "sslmode=disable".to_owned(), "no encryption"),
    ] {
        let refused = PostgresStore::open(config(&server, host, &parameters), StoreClock::Server).await;
        let said = refused.unwrap_err().to_string();
        println!("{said}");
        assert!(said.starts_with("the database cannot be opened: "), "{said}");
        assert!(said.contains(word), "{said}");
    }
}
