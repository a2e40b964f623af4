//! Encrypted connections to Postgres, checked against a certificate authority of the test's own.

use std::process::Command;

use roster_core::store::{Store, StoreClock};
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_tests::build::organization_home;
use roster_tests::load::{add_account, assert_consistent};
use roster_tests::private_server::Folder;
use roster_tests::private_server::postgres::Postgres;
use roster_tests::stores::{FINGERPRINT, selected};

/// `cargo xtask test` sees to the program.
fn openssl(folder: &Folder, line: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder.path()).args(line.split_whitespace());
    let ran = command.output().unwrap_or_else(|error| panic!("openssl: {error}: apt-get install openssl"));
    assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// An authority: `NAME.key` and `NAME.crt`.
pub(super) fn authority(folder: &Folder, name: &str) {
    openssl(
        folder,
        &format!("req -x509 {NEW_KEY} -days 3650 -subj /CN={name} -keyout {name}.key -out {name}.crt"),
    );
}

/// A certificate for `localhost` that the authority `ours` has signed: `made.key` and `made.crt`.
pub(super) fn certified(folder: &Folder) {
    openssl(folder, &format!("req -new {NEW_KEY} -subj /CN=localhost -keyout made.key -out made.csr"));
    folder.write("san", "subjectAltName = DNS:localhost\nbasicConstraints = CA:FALSE\n");
    openssl(
        folder,
        "x509 -req -in made.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 3650 -extfile san -out made.crt",
    );
}

/// A server that takes encrypted connections only, whose certificate for `localhost` the authority `ours` has signed.
/// Beside it stands an authority that has signed nothing.
fn server() -> Postgres {
    let mut server = Postgres::new();
    let folder = server.folder();
    authority(folder, "ours");
    authority(folder, "another");
    certified(folder);
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
