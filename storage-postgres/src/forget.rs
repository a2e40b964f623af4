//! Dropping what names a person: values and salts beside the entries of a log, and the names of homes that are empty.

use roster_core::home::Home;
use roster_core::id::UserId;
use sqlx::{PgConnection, query, query_scalar};

use crate::error::Fault;

/// Within a transaction.
pub(crate) async fn forget(connection: &mut PgConnection, home: &Home, subject: UserId) -> Result<(), Fault> {
    let (name, subject) = (home.to_string(), subject.uuid());
    if home.has_log() {
        query!(
            "DELETE FROM log_personal WHERE home = (SELECT home FROM homes WHERE name = $1) AND subject = $2",
            name,
            subject
        )
        .execute(connection)
        .await?;
        return Ok(());
    }
    // Held before it is looked at: whoever takes the name meanwhile waits, and then makes the home anew.
    let held = query_scalar!("SELECT home FROM homes WHERE name = $1 AND seq = 0 FOR UPDATE", name);
    let Some(home) = held.fetch_optional(&mut *connection).await? else { return Ok(()) };
    let holds_something = query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM claims WHERE home = $1)
             OR EXISTS (SELECT 1 FROM directory_entries WHERE home = $1)
             OR EXISTS (SELECT 1 FROM feed_lines WHERE home = $1)
             OR EXISTS (SELECT 1 FROM documents WHERE home = $1) AS "holds_something!""#,
        home
    );
    if holds_something.fetch_one(&mut *connection).await? {
        return Ok(());
    }
    query!("DELETE FROM commits WHERE home = $1", home).execute(&mut *connection).await?;
    query!("DELETE FROM homes WHERE home = $1", home).execute(connection).await?;
    Ok(())
}
