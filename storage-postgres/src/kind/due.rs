//! The due index: records that end by themselves.

use roster_core::home::{Due, Key};
use roster_core::id::{InvitationId, UserId};
use roster_core::listing::key_uuid;
use roster_core::model::NoteKey;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::bad;

/// What a note is called in the index; nothing is asked of others.
fn kind(key: &Key) -> &'static str {
    if let Key::Note(note) = key { note.ending().map_or("", |(kind, _)| kind) } else { "" }
}

/// Puts the lines of notes.
pub(super) async fn put_all(connection: &mut PgConnection, lines: &[(i64, Due)]) -> Result<(), Fault> {
    let homes: Vec<i64> = lines.iter().map(|(home, _)| *home).collect();
    let ids: Vec<Uuid> = lines.iter().map(|(_, due)| key_uuid(&due.key)).collect();
    let kinds: Vec<&str> = lines.iter().map(|(_, due)| kind(&due.key)).collect();
    let instants: Vec<i64> = lines.iter().map(|(_, due)| due.at.micros()).collect();
    let seats: Vec<i64> = lines.iter().map(|(_, due)| due.seats).collect();
    query!(
        "INSERT INTO due (home, kind, id, at, seats)
         SELECT home, kind, id, at, seats
         FROM UNNEST($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[]) AS given (home, kind, id, at, seats)
         ON CONFLICT (home, kind, id) DO UPDATE SET at = excluded.at, seats = excluded.seats",
        &homes,
        &kinds as &[&str],
        &ids,
        &instants,
        &seats
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the lines of notes.
pub(super) async fn remove_all(
    connection: &mut PgConnection,
    homes: &[i64],
    kinds: &[&str],
    ids: &[Uuid],
) -> Result<(), Fault> {
    query!(
        "DELETE FROM due USING UNNEST($1::bigint[], $2::text[], $3::uuid[]) AS gone (home, kind, id)
         WHERE due.home = gone.home AND due.kind = gone.kind AND due.id = gone.id",
        homes,
        kinds as &[&str],
        ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The whole index of a home, as it is kept.
pub(crate) async fn all(connection: &mut PgConnection, home: i64) -> Result<Vec<Due>, Fault> {
    let rows = query!(r#"SELECT kind, id, at, seats FROM due WHERE home = $1"#, home);
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
