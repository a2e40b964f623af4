//! What is Postgres' own: what is refused at the start, clients that go away, several processes, connections that
//! break.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod codes;
mod schemas;

use std::sync::Arc;
use std::time::Duration;

use roster_core::health::{Inspection, Reach};
use roster_core::home::{Home, Key, Record};
use roster_core::listing::{Listing, PageRequest, Scope};
use roster_core::load::Load;
use roster_core::model::Access;
use roster_core::permission::RoleRef;
use roster_core::presence::Presence;
use roster_core::store::{CommitError, Store, StoreClock, StoreErrorKind};
use roster_storage_postgres::schema::MIGRATIONS;
use roster_storage_postgres::{OpenError, PostgresConfig, PostgresStore};
use roster_tests::build::{
    account, account_id, change, directory_entry, invitation, invitation_id, member, organization_home,
    organization_id, receipt, text,
};
use roster_tests::databases::{Database, template};
use roster_tests::load::{self, add_account, assert_consistent};
use roster_tests::private_server::postgres::Postgres;
use roster_tests::stores::{FINGERPRINT, selected};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

fn is_wanted() -> bool {
    selected().contains(&"postgres")
}

fn config(database: &Database) -> PostgresConfig {
    PostgresConfig { connections: 4, ..PostgresConfig::new(database.url(), FINGERPRINT) }
}

async fn open(config: PostgresConfig) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(config, StoreClock::Server).await
}

async fn ours() -> Database {
    Database::like(&template().await).await
}

/// The sentence of a refusal.
async fn refusal(config: PostgresConfig) -> String {
    open(config).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_would_lose_data_is_refused_at_the_start() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    assert!(open(config(&database)).await.is_ok());
    let name = database.name();
    database.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    let said = refusal(config(&database)).await;
    assert!(said.starts_with("synchronous_commit is off: ") && said.ends_with("set it to on"), "{said}");
    database.execute(&format!("ALTER DATABASE {name} RESET synchronous_commit")).await;
    let another = PostgresConfig { fingerprint: [9; 32], ..config(&database) };
    assert!(refusal(another).await.starts_with("this database belongs to another master key"));
    let latin = Database::empty("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'").await;
    assert!(refusal(config(&latin)).await.starts_with("this database has the encoding LATIN1"));
}

#[tokio::test]
async fn a_schema_that_is_not_known_is_refused() {
    if !is_wanted() {
        return;
    }
    let empty = Database::empty("ENCODING 'UTF8'").await;
    assert!(refusal(config(&empty)).await.ends_with("run `roster migrate`"));
    let (one, other) = (config(&empty), config(&empty));
    let (one, other) = futures::join!(PostgresStore::migrate(&one), PostgresStore::migrate(&other));
    assert!(one.is_ok() && other.is_ok(), "of two at a time one waits: {one:?} {other:?}");
    assert!(open(config(&empty)).await.is_ok());
    let newer = ours().await;
    newer
        .execute(
            "INSERT INTO roster_migrations (version, description, success, checksum, execution_time)
             VALUES (999, 'later', true, '', 0)",
        )
        .await;
    assert!(refusal(config(&newer)).await.contains("written by a newer Roster (schema 999"));
    let changed = ours().await;
    changed.execute("UPDATE roster_migrations SET checksum = 'x'").await;
    assert!(refusal(config(&changed)).await.contains("migration 1 is not this program's"));
    let older = ours().await;
    older.execute("DELETE FROM roster_migrations").await;
    assert!(refusal(config(&older)).await.contains("older schema (0, this program needs "));
}

/// A role with rights on rows alone serves a database that is up to date, though a schema of its own comes first on its path.
#[tokio::test]
async fn a_role_that_may_make_no_tables_serves_what_is_up_to_date() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    assert!(open(config(&database)).await.is_ok());
    let role = format!("{}_serves", database.name());
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'serves';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role};
             CREATE SCHEMA {role}; GRANT ALL ON SCHEMA {role} TO {role}"
        ))
        .await;
    let url = database.url();
    let place = url.split_once('@').map(|(_, place)| place.to_owned()).unwrap();
    let serves = PostgresConfig { url: format!("postgres://{role}:serves@{place}"), ..config(&database) };
    let migrated = PostgresStore::migrate(&serves).await;
    let opened = open(serves).await.map(drop);
    database.execute(&format!("DROP SCHEMA {role} CASCADE; DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert!(migrated.is_ok() && opened.is_ok(), "{migrated:?} {opened:?}");
}

/// Whoever bears another key changes nothing, migrations included.
#[tokio::test]
async fn an_older_schema_is_not_migrated_under_another_key() {
    if !is_wanted() {
        return;
    }
    let older = ours().await;
    older.execute("DELETE FROM roster_migrations WHERE version > 1").await;
    let other = PostgresConfig { fingerprint: [99; 32], ..config(&older) };
    assert!(matches!(PostgresStore::migrate(&other).await, Err(OpenError::AnotherKey)));
    assert!(refusal(config(&older)).await.contains("older schema (1, this program needs "));
}

/// A migration that waits for a table, as behind a `pg_dump`, lets everybody else to it, and goes on once it is free.
#[tokio::test]
async fn a_migration_that_waits_for_a_lock_stalls_nobody() {
    if !is_wanted() {
        return;
    }
    let older = Database::empty("ENCODING 'UTF8'").await;
    let options: PgConnectOptions = older.url().parse().unwrap();
    let (mut dump, mut server) = (options.connect().await.unwrap(), options.connect().await.unwrap());
    MIGRATIONS.run_direct(Some(50), &mut server, false).await.unwrap();
    let hold = "BEGIN; LOCK TABLE accounts IN ACCESS SHARE MODE";
    sqlx::raw_sql(hold).execute(&mut dump).await.unwrap();
    let short =
        |millis| PostgresConfig { statement_timeout: Duration::from_millis(millis), ..config(&older) };
    let said = PostgresStore::migrate(&short(10)).await.unwrap_err().to_string();
    assert!(said.contains("pg_dump: a migration waits to be applied"), "{said}");
    let migrating = async {
        PostgresStore::migrate(&short(150)).await.unwrap();
    };
    let meanwhile = async {
        // Longer than one try, so that some of these come while the migration waits.
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let read = sqlx::query("SELECT name FROM accounts").execute(&mut server);
            tokio::time::timeout(Duration::from_secs(2), read).await.expect("it waits too").unwrap();
        }
        dump.close().await.unwrap();
    };
    futures::join!(migrating, meanwhile);
    assert!(open(config(&older)).await.is_ok());
}

/// The lines of a look are those of the refusals, and a look changes nothing.
#[tokio::test]
async fn a_look_names_what_would_be_refused() {
    if !is_wanted() {
        return;
    }
    let look = async |config: PostgresConfig| PostgresStore::inspect(&config, true).await.unwrap();
    let bad = |looked: &Inspection| -> Vec<String> {
        looked.checks.iter().filter_map(|check| check.problem.clone()).collect()
    };
    let database = ours().await;
    let good = look(config(&database)).await;
    let names: Vec<_> = good.checks.iter().map(|check| check.name).collect();
    let settings =
        ["Postgres version", "fsync", "full_page_writes", "synchronous_commit", "server", "encoding"];
    assert_eq!(names, [&settings[..], &["schema", "content", "key of the store"]].concat());
    assert_eq!((good.reach, bad(&good)), (Reach::Whole, vec![]));
    database.execute(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name())).await;
    let another = PostgresConfig { fingerprint: [9; 32], ..config(&database) };
    let looked = look(another.clone()).await;
    assert_eq!(bad(&looked)[0], refusal(another.clone()).await, "the sentence of the refusal itself");
    assert_eq!(looked.checks.last().map(|check| check.found.as_str()), Some("another"));
    let empty = look(config(&Database::empty("ENCODING 'UTF8'").await)).await;
    assert_eq!((empty.reach, bad(&empty)), (Reach::Empty, vec![]), "a server puts that right when it starts");
    let older = ours().await;
    older.execute("DELETE FROM roster_migrations WHERE version > 80").await;
    let older = look(config(&older)).await;
    assert_eq!((older.reach, bad(&older)), (Reach::Whole, vec![]), "that too");
    for looked in [empty, older] {
        let said = looked.checks.iter().find_map(|check| check.at_start.as_ref()).unwrap();
        assert!(said.contains("`roster serve` and `roster migrate`") && !looked.is_ready(), "{said}");
    }
    let nowhere =
        look(PostgresConfig::new("postgres://roster:hunter2@127.0.0.1:1/roster", FINGERPRINT)).await;
    assert_eq!(nowhere.reach, Reach::Nothing);
    assert!(!bad(&nowhere)[0].contains("hunter2"));
}

/// A load that did not come to its end leaves a database that is not opened.
#[tokio::test]
async fn half_of_a_deployment_is_refused() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let store = open(config(&database)).await.unwrap();
    store.load(Load::Begin).await.unwrap();
    assert!(refusal(config(&database)).await.contains("half of a deployment"));
    store.load(Load::End).await.unwrap();
    assert!(open(config(&database)).await.is_ok());
}

/// A server that loses its connection takes its place again; one that is killed leaves it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_taken_again_after_the_connection_broke() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let store = open(config(&database)).await.unwrap();
    let _serving = store.enter(Presence::Serving).await.unwrap().unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database
               WHERE locktype = 'advisory' AND d.datname = current_database()";
    database.execute(cut).await;
    for _ in 0..300 {
        match store.enter(Presence::Alone).await.unwrap() {
            None => return,
            Some(alone) => drop(alone),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server did not take its place again within 30 seconds");
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_said_to() {
    let config = |url: &str| PostgresConfig::new(url, FINGERPRINT);
    let said = refusal(config("postgres://roster:hunter2@127.0.0.1:1/roster")).await;
    assert!(said.starts_with("the database cannot be opened: ") && !said.contains("hunter2"), "{said}");
    let said = refusal(config("nonsense")).await;
    assert!(said.starts_with("storage.postgres.url is no address"), "{said}");
}

/// With one connection only, which everybody needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_do_not_harm_those_that_stay() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let config = PostgresConfig {
        connections: 1,
        acquire_timeout: Duration::from_secs(30),
        ..PostgresConfig::new(database.url(), FINGERPRINT)
    };
    let store: Arc<dyn Store> = Arc::new(open(config).await.unwrap());
    load::clients_that_leave(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_one_database() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let stores = [open(config(&database)).await.unwrap(), open(config(&database)).await.unwrap()];
    load::two_over_one(&stores.map(|store| Arc::new(store) as Arc<dyn Store>)).await;
}

/// The server ends every connection again and again: what is answered is there, what is not may be, and sending it
/// again tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_lose_nothing() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let store: Arc<dyn Store> = Arc::new(open(config(&database)).await.unwrap());
    let lanes = (0..4_u64).map(|lane| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let (mut told, mut unknown) = (0, 0);
            for n in 0..60 {
                let set = add_account(1_000 * (lane + 1) + n);
                loop {
                    match store.commit(&set).await {
                        Ok(_) => break told += 1,
                        Err(CommitError::Store(error)) => {
                            assert_ne!(error.kind, StoreErrorKind::Corrupt, "{error}");
                            unknown += u32::from(error.kind == StoreErrorKind::OutcomeUnknown);
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            (told, unknown)
        })
    });
    let lanes = futures::future::join_all(lanes);
    let breaking = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
            database.execute(others).await;
        }
    };
    let (lanes, ()) = futures::join!(lanes, breaking);
    let told: i32 = lanes.into_iter().map(|lane| lane.unwrap().0).sum();
    assert_eq!(told, 240);
    assert_eq!(assert_consistent(store.as_ref(), &organization_home(1)).await, 240, "each once");
}

/// How many statements a server was sent, by its log.
fn statements(server: &Postgres) -> usize {
    let said = server.folder().said();
    said.matches("LOG:  execute ").count() + said.matches("LOG:  statement: ").count()
}

/// A commit takes a few statements, however much it writes, and so does one that removes it all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_500_writes_takes_few_statements() {
    if !is_wanted() {
        return;
    }
    let server = Postgres::with(&["log_statement=all"]);
    let config = || PostgresConfig::new(server.url(), FINGERPRINT);
    PostgresStore::migrate(&config()).await.unwrap();
    let store = open(config()).await.unwrap();
    let home = organization_home(1);
    store.commit(&change(1, &home).done()).await.unwrap();
    let access = || Access::Organization(RoleRef::ADMIN);
    let records: Vec<Record> = (1..=100_u64)
        .flat_map(|n| {
            [
                Record::Account(account(n)),
                Record::AccountExternalId(text(&format!("a{n}")), account_id(n)),
                Record::Invitation(invitation(n, access())),
                Record::InvitedAddress(format!("guest{n}@example.com"), invitation_id(n)),
                Record::Receipt(receipt(n)),
            ]
        })
        .collect();
    let put = records.iter().fold(change(2, &home), |set, record| set.put(record.clone())).done();
    let removed = records.iter().fold(change(3, &home), |set, record| set.remove(record.key())).done();
    for (set, left) in [(put, 500), (removed, 0)] {
        let before = statements(&server);
        store.commit(&set).await.unwrap();
        let sent = statements(&server) - before;
        assert!((5..=16).contains(&sent), "{sent} statements");
        assert_eq!(store.dump(&home).await.unwrap().records.len(), left);
    }
}

/// No foreign key takes them along.
#[tokio::test]
async fn words_of_a_search_go_with_what_they_find() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let store = open(config(&database)).await.unwrap();
    let options: PgConnectOptions = database.url().parse().unwrap();
    let mut raw = options.connect().await.unwrap();
    let mut words = async || {
        let count = "SELECT (SELECT count(*) FROM member_words) + (SELECT count(*) FROM directory_words)";
        sqlx::query_scalar::<_, i64>(count).fetch_one(&mut raw).await.unwrap()
    };
    let before = words().await;
    let (entry, member) = (directory_entry(1), member(1, Access::Organization(RoleRef::ADMIN)));
    let directory = Home::directory(entry.id);
    let (known, joined) = (Key::DirectoryEntry(entry.id), Key::Member(member.user));
    store.commit(&change(1, &directory).put(Record::DirectoryEntry(entry)).done()).await.unwrap();
    store.commit(&change(2, &organization_home(1)).put(Record::Member(member)).done()).await.unwrap();
    assert!(words().await > before + 2, "both are found by words");
    store.commit(&change(3, &directory).remove(known).done()).await.unwrap();
    store.commit(&change(4, &organization_home(1)).remove(joined).done()).await.unwrap();
    assert_eq!(words().await, before);
}

/// N-1: a server goes on while a newer one has added to the tables, and is refused when it starts again.
#[tokio::test]
async fn an_older_server_goes_on_beside_an_additive_migration() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let store = open(config(&database)).await.unwrap();
    let listing = Listing::Accounts { organization: organization_id(1), status: None, scope: Scope::All };
    let page = PageRequest { after: None, limit: 100 };
    store.commit(&add_account(1)).await.unwrap();
    assert_eq!(store.list(&listing, &page).await.unwrap().rows.len(), 1);
    database
        .execute(
            "ALTER TABLE accounts ADD COLUMN later text;
             INSERT INTO roster_migrations (version, description, success, checksum, execution_time)
             VALUES (999, 'later', true, '', 0)",
        )
        .await;
    store.commit(&add_account(2)).await.unwrap();
    assert_eq!(store.list(&listing, &page).await.unwrap().rows.len(), 2);
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, 2);
    assert_eq!(store.describe().await.unwrap().schema, 999);
    assert!(refusal(config(&database)).await.contains("written by a newer Roster (schema 999"));
}
