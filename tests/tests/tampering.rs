//! A log that was changed past Roster, in the database itself: rule X1.
#![expect(clippy::unwrap_used, reason = "these are the bodies of tests")]

use roster_core::flows::resolve_organization;
use roster_core::home::Home;
use roster_core::verify::{verify_all, verify_log};
use roster_tests::world::World;
use sqlx::{ConnectOptions, Connection};

/// Rows of the organization's home.
const LOG: &str = "home = (SELECT home FROM organizations WHERE external_id = 'cloud')";

/// The first bad entry after a statement was run on the files, and what `verify` says of it.
async fn after(statements: &[String]) -> (Option<u64>, Vec<String>) {
    let world = World::on("sqlite").await;
    let organization =
        resolve_organization(&world.service.roster, &"ext:cloud".parse().unwrap()).await.unwrap();
    let home = Home::Organization(organization);
    let clean = verify_log(&world.service.roster, &home, &mut |_| {}).await.unwrap();
    assert_eq!((clean.first_bad, clean.entries), (None, clean.head.seq));
    assert!(clean.entries > 10);
    let file = world.test().dir.as_ref().unwrap().path().join("roster.db");
    let mut connection =
        sqlx::sqlite::SqliteConnectOptions::new().filename(file).foreign_keys(false).connect().await.unwrap();
    for statement in statements {
        let changed = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&mut connection).await;
        let done = changed.unwrap().rows_affected() > 0 || statement.starts_with("DELETE FROM log_personal");
        assert!(done, "{statement}");
    }
    connection.close().await.unwrap();
    let verdict = verify_log(&world.service.roster, &home, &mut |_| {}).await.unwrap();
    let all = verify_all(&world.service.roster, &mut |_| {}).await.unwrap();
    let findings = all.findings.iter().map(ToString::to_string).collect();
    (verdict.first_bad.map(|(seq, _)| seq), findings)
}

async fn first_bad(statement: &str) -> Option<u64> {
    let statement = statement.replace("LOG", LOG);
    let statements: Vec<String> = statement.split(';').map(str::to_owned).collect();
    let (bad, findings) = after(&statements).await;
    assert!(!findings.is_empty(), "verify sees it too: {statement}");
    bad
}

#[tokio::test]
async fn an_edited_entry_shows() {
    let body = "UPDATE log SET body = CAST(replace(CAST(body AS TEXT), 'added', 'found') AS BLOB) WHERE LOG AND seq = 5";
    assert_eq!(first_bad(body).await, Some(5));
    let time = "UPDATE log SET time = time + 1 WHERE LOG AND seq = 7";
    assert_eq!(first_bad(time).await, Some(7));
    let hash = "UPDATE log SET hash = zeroblob(32) WHERE LOG AND seq = 3";
    assert_eq!(first_bad(hash).await, Some(3));
    let commit = "UPDATE log SET commit_id = randomblob(16) WHERE LOG AND seq = 6";
    assert_eq!(first_bad(commit).await, Some(6));
    let personal = "UPDATE log_personal SET value = '\"eve@example.com\"' WHERE LOG AND seq = 4";
    assert_eq!(first_bad(personal).await, Some(4));
}

#[tokio::test]
async fn a_dropped_entry_shows() {
    let middle = "DELETE FROM log_personal WHERE LOG AND seq = 5;DELETE FROM log WHERE LOG AND seq = 5";
    assert_eq!(first_bad(middle).await, Some(5));
    let closed_up = "DELETE FROM log_personal WHERE LOG AND seq = 5;DELETE FROM log WHERE LOG AND seq = 5;\
                     UPDATE log SET seq = -(seq - 1) + 1000 WHERE LOG AND seq > 5;\
                     UPDATE log SET seq = 1000 - seq WHERE LOG AND seq > 500";
    assert_eq!(first_bad(closed_up).await, Some(5));
}

#[tokio::test]
async fn reordered_entries_show() {
    let swapped = "UPDATE log SET seq = 1000 WHERE LOG AND seq = 4;UPDATE log SET seq = 4 WHERE LOG AND seq = 5;\
                   UPDATE log SET seq = 5 WHERE LOG AND seq = 1000";
    assert_eq!(first_bad(swapped).await, Some(4));
}

#[tokio::test]
async fn a_log_that_was_cut_shows() {
    let tail = "DELETE FROM log_personal WHERE LOG AND seq > 9;DELETE FROM log WHERE LOG AND seq > 9";
    assert_eq!(first_bad(tail).await, Some(10));
}

/// With its head cut back too, the records still name commits that no entry tells of.
#[tokio::test]
async fn a_log_that_was_cut_with_its_head_shows() {
    let tail = format!(
        "DELETE FROM log_personal WHERE {LOG} AND seq > 9;DELETE FROM log WHERE {LOG} AND seq > 9;\
         UPDATE homes SET seq = 9, hash = (SELECT hash FROM log WHERE {LOG} AND seq = 9) WHERE {LOG}"
    );
    let (_, findings) = after(&tail.split(';').map(str::to_owned).collect::<Vec<_>>()).await;
    assert!(findings.iter().any(|finding| finding.contains("log")), "{findings:?}");
}
