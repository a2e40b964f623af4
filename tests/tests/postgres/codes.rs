//! What Postgres says when it refuses something, sorted into the kinds of the contract; and statements that it has
//! forgotten, which are prepared again.

use std::time::{Duration, Instant};

use roster_core::home::Home;
use roster_core::listing::{Listing, PageRequest, Scope};
use roster_core::load::Load;
use roster_core::log::LogFilter;
use roster_core::store::{CommitError, Store, StoreErrorKind};
use roster_storage_postgres::{PostgresConfig, PostgresStore};
use roster_tests::build::{organization_home, organization_id, user_id};
use roster_tests::databases::Database;
use roster_tests::load::{add_account, assert_consistent};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::{config, is_wanted, open, ours};

/// How a commit ends that Postgres refuses; nothing of it is done.
async fn refused(store: &PostgresStore, n: u64) -> StoreErrorKind {
    let ended = store.commit(&add_account(n)).await;
    let Err(CommitError::Store(error)) = ended else { panic!("{n}: {ended:?}") };
    error.kind
}

/// What Postgres says is sorted into the kinds of the contract: a row that is locked, a statement that takes too long,
/// and every class of error that a trigger can bring about.
#[tokio::test]
async fn errors_are_sorted_by_their_class() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let short = PostgresConfig { statement_timeout: Duration::from_millis(300), ..config(&database) };
    let store = open(short).await.unwrap();
    store.commit(&add_account(1)).await.unwrap();

    let options: PgConnectOptions = database.url().parse().unwrap();
    let mut other = options.connect().await.unwrap();
    let held = format!("BEGIN; SELECT 1 FROM homes WHERE name = '{}' FOR UPDATE", organization_home(1));
    sqlx::raw_sql(AssertSqlSafe(held)).execute(&mut other).await.unwrap();
    let begun = Instant::now();
    assert_eq!(refused(&store, 2).await, StoreErrorKind::Busy, "the row is locked");
    assert!(begun.elapsed() < Duration::from_secs(5), "within the limit, and not when the lock is given up");
    other.close().await.unwrap();
    store.commit(&add_account(2)).await.unwrap();

    let does = async |what: &str| {
        let function = "CREATE OR REPLACE FUNCTION does() RETURNS trigger LANGUAGE plpgsql AS";
        database.execute(&format!("{function} $$ BEGIN {what}; RETURN new; END $$")).await;
    };
    does("NULL").await;
    database
        .execute("CREATE TRIGGER does BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION does()")
        .await;
    does("PERFORM pg_sleep(5)").await;
    assert_eq!(refused(&store, 3).await, StoreErrorKind::Busy, "the statement takes too long");
    for (code, kind) in [
        ("55P03", StoreErrorKind::Busy),
        ("57014", StoreErrorKind::Busy),
        ("40001", StoreErrorKind::Busy),
        ("25006", StoreErrorKind::Unavailable),
        ("53100", StoreErrorKind::Unavailable),
        ("54000", StoreErrorKind::Unavailable),
        ("23514", StoreErrorKind::Corrupt),
        ("23503", StoreErrorKind::Corrupt),
    ] {
        does(&format!("RAISE EXCEPTION 'no' USING ERRCODE = '{code}'")).await;
        assert_eq!(refused(&store, 3).await, kind, "{code}");
    }
    // The same where COMMIT itself is refused; only of a connection that the server ends nobody knows.
    database
        .execute(
            "DROP TRIGGER does ON accounts;
             CREATE CONSTRAINT TRIGGER does AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION does()",
        )
        .await;
    for (code, kind) in [
        ("40001", StoreErrorKind::Busy),
        ("53100", StoreErrorKind::Unavailable),
        ("23514", StoreErrorKind::Corrupt),
        ("40003", StoreErrorKind::OutcomeUnknown),
        ("57P01", StoreErrorKind::OutcomeUnknown),
    ] {
        does(&format!("RAISE EXCEPTION 'no' USING ERRCODE = '{code}'")).await;
        assert_eq!(refused(&store, 3).await, kind, "{code} at COMMIT");
    }
    does("NULL").await;
    store.commit(&add_account(3)).await.unwrap();
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, 3);
}

/// A right that is taken away is no mistake of what is kept: the store is unavailable, says which table, and goes on once
/// the right is there.
#[tokio::test]
async fn a_right_that_is_taken_away_is_told_as_unavailable() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let role = format!("{}_clerk", database.name());
    let rows = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public";
    database.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'clerk'; GRANT {rows} TO {role}")).await;
    database
        .execute(&format!("GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role}"))
        .await;
    let place = database.url().split_once('@').map(|(_, place)| place.to_owned()).unwrap();
    let clerk = PostgresConfig { url: format!("postgres://{role}:clerk@{place}"), ..config(&database) };
    let store = open(clerk).await.unwrap();
    store.commit(&add_account(1)).await.unwrap();
    database.execute(&format!("REVOKE ALL ON accounts FROM {role}")).await;
    let Err(CommitError::Store(error)) = store.commit(&add_account(2)).await else { panic!("it is done") };
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    assert!(error.detail.contains("permission denied for table accounts"), "{error}");
    assert_eq!(store.dump(&organization_home(1)).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    database.execute(&format!("GRANT {rows} TO {role}")).await;
    store.commit(&add_account(2)).await.unwrap();
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, 2);
    store.close().await;
    database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// Each call is made on a new session, which has prepared nothing, and once more after a commit, at the end of which the
/// server forgets everything that the session has prepared. It is done all the same, each commit once.
#[tokio::test]
async fn forgotten_statements_are_prepared_again() {
    if !is_wanted() {
        return;
    }
    let database = ours().await;
    let store = open(PostgresConfig { connections: 1, ..config(&database) }).await.unwrap();
    store.commit(&add_account(1)).await.unwrap();
    forgets_at_the_end(&database).await;
    for call in 0..CALLS {
        database.execute(END_SESSIONS).await;
        // By another session before the call that is tried, so that this one does not notice the end.
        store.homes(None, 1).await.unwrap();
        for turn in 0..2 {
            called(&store, call, turn).await;
            store.commit(&add_account(10 + 2 * call + turn)).await.unwrap();
        }
    }
    assert_eq!(assert_consistent(&store, &organization_home(1)).await, 1 + 2 * CALLS + 4);
}

const CALLS: u64 = 12;

/// As soon as a session notices; what has no session yet is none of ours.
const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// One of the calls, on the one connection.
async fn called(store: &PostgresStore, call: u64, turn: u64) {
    let (home, all) = (organization_home(1), LogFilter::ALL);
    let page = PageRequest { after: None, limit: 10 };
    let organization = organization_id(1);
    match call {
        0 => drop(store.read(&home, &[], &[]).await.unwrap()),
        1 => {
            let accounts = Listing::Accounts { organization, status: None, scope: Scope::All };
            store.list(&accounts, &page).await.unwrap();
        }
        2 => {
            let searched = Listing::Members {
                organization,
                status: None,
                account: None,
                role: None,
                q: Some("ada".into()),
                sort: roster_core::listing::MemberSort::Name,
                descending: false,
                scope: Scope::All,
            };
            store.list(&searched, &page).await.unwrap();
        }
        3 => drop(store.log(&home, 0, 10, &all).await.unwrap()),
        4 => drop(store.records(&home, None, 10).await.unwrap()),
        5 => drop(store.ends(&Home::Deployment, 10).await.unwrap()),
        6 => drop(store.dump(&home).await.unwrap()),
        7 => store.ping().await.unwrap(),
        8 => drop(store.missing(std::slice::from_ref(&home)).await.unwrap()),
        9 => store.forget(&home, user_id(1)).await.unwrap(),
        10 => {
            let refused = store.load(Load::Begin).await.unwrap_err();
            assert!(refused.detail.contains("the store is not empty"), "{refused}");
        }
        _ => {
            let sets = [add_account(100 + 2 * turn), add_account(101 + 2 * turn)];
            let outcomes = store.commit_all(&sets).await;
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        }
    }
}

/// In the COMMIT itself, so that no statement of the same transaction notices it.
async fn forgets_at_the_end(database: &Database) {
    database
        .execute(
            "CREATE FUNCTION forgets() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER forgets AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION forgets()",
        )
        .await;
}
