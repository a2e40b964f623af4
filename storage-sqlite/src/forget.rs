//! Dropping what names a person: values and salts beside the entries of a log, and the names of homes that are empty.

use roster_core::home::Home;
use roster_core::id::UserId;
use sqlx::{SqliteConnection, query};

use crate::error::Fault;

/// Within the writer's transaction.
pub(crate) async fn forget(
    connection: &mut SqliteConnection,
    home: &Home,
    subject: UserId,
) -> Result<(), Fault> {
    let (name, subject) = (home.to_string(), subject.uuid());
    if home.has_log() {
        query!(
            "DELETE FROM log_personal WHERE home = (SELECT home FROM homes WHERE name = ?) AND subject = ?",
            name,
            subject
        )
        .execute(connection)
        .await?;
        return Ok(());
    }
    query!(
        "DELETE FROM commits WHERE home = (SELECT home FROM homes h WHERE name = ?
             AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.home = h.home)
             AND NOT EXISTS (SELECT 1 FROM directory_entries d WHERE d.home = h.home)
             AND NOT EXISTS (SELECT 1 FROM feed_lines f WHERE f.home = h.home)
             AND NOT EXISTS (SELECT 1 FROM documents o WHERE o.home = h.home))",
        name
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "DELETE FROM homes WHERE name = ? AND seq = 0
             AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.home = homes.home)
             AND NOT EXISTS (SELECT 1 FROM directory_entries d WHERE d.home = homes.home)
             AND NOT EXISTS (SELECT 1 FROM feed_lines f WHERE f.home = homes.home)
             AND NOT EXISTS (SELECT 1 FROM documents o WHERE o.home = homes.home)",
        name
    )
    .execute(connection)
    .await?;
    Ok(())
}
