//! The due index: records that end by themselves.

use roster_core::home::{Due, Key};
use roster_core::id::{InvitationId, UserId};
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query};

use crate::error::Fault;
use crate::row::bad;

/// The whole index of a home, as it is kept.
pub(crate) async fn all(connection: &mut PgConnection, home: i64) -> Result<Vec<Due>, Fault> {
    let rows = query!(r#"SELECT kind, id, at, seats FROM due WHERE home = $1"#, home);
    let rows = rows.fetch_all(connection).await?.into_iter();
    let mut due = rows
        .map(|row| {
            let key = match row.kind.as_str() {
                "member" => Key::Member(UserId::from_uuid(row.id)),
                "invitation" => Key::Invitation(InvitationId::from_uuid(row.id)),
                other => return Err(bad("kind", other)),
            };
            Ok(Due { at: Timestamp::from_micros(row.at), key, seats: row.seats })
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    due.sort();
    Ok(due)
}
