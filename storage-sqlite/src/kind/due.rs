//! The due index: records that end by themselves.

use roster_core::home::{Due, Key};
use roster_core::id::{InvitationId, UserId};
use roster_core::model::NoteKey;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::bad;

/// Keeps a key's line as it should be: there, or not there. Only members, invitations and some notes have one.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    key: &Key,
    due: Option<Due>,
) -> Result<(), Fault> {
    let (kind, id) = match key {
        Key::Member(user) => ("member", user.uuid()),
        Key::Invitation(invitation) => ("invitation", invitation.uuid()),
        Key::Note(note) if let Some(ending) = note.ending() => ending,
        _ if due.is_some() => return Err(bad("due", "a kind that does not end by itself")),
        _ => return Ok(()),
    };
    if let Some(due) = due {
        let (at, seats) = (due.at.micros(), due.seats);
        query!(
            "INSERT INTO due (home, kind, id, at, seats) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (home, kind, id) DO UPDATE SET at = excluded.at, seats = excluded.seats",
            home,
            kind,
            id,
            at,
            seats
        )
        .execute(connection)
        .await?;
    } else {
        query!("DELETE FROM due WHERE home = ? AND kind = ? AND id = ?", home, kind, id)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The whole index of a home, as it is kept.
pub(crate) async fn all(connection: &mut SqliteConnection, home: i64) -> Result<Vec<Due>, Fault> {
    let rows = query!(r#"SELECT kind, id AS "id: Uuid", at, seats FROM due WHERE home = ?"#, home);
    let rows = rows.fetch_all(connection).await?.into_iter();
    let mut due = rows
        .map(|row| {
            let key = match row.kind.as_str() {
                "member" => Key::Member(UserId::from_uuid(row.id)),
                "invitation" => Key::Invitation(InvitationId::from_uuid(row.id)),
                other => {
                    let named = |note: &NoteKey| note.ending().is_some_and(|(kind, _)| kind == other);
                    let note = NoteKey::all_ending(row.id).into_iter().find(named);
                    Key::Note(note.ok_or_else(|| bad("kind", other))?)
                }
            };
            Ok(Due { at: Timestamp::from_micros(row.at), key, seats: row.seats })
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    due.sort();
    Ok(due)
}
