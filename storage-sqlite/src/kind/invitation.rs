//! Invitations of an organization, with their access.

use roster_core::home::Record;
use roster_core::id::{InvitationId, UserId};
use roster_core::model::Invitation;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{
    access, account_roles, bad, from_json, from_name, instant, micros, organization_role, parse, parse_some,
    to_json, to_name,
};

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT id AS "id: Uuid", email, name, organization_role, status, invited_by, holds_seat AS "holds_seat: bool",
           link, life, sent_at, expires_at, created_at, accepted_by AS "accepted_by: Uuid", ended_at,
           coalesce((SELECT json_group_array(json_array(hex(a.account_id), a.role)) FROM invitation_access a
            WHERE a.home = i.home AND a.invitation_id = i.id), '[]') AS "accounts!: String",
           version AS "version: Uuid"
           FROM invitations i WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::Invitation(Invitation {
            id: InvitationId::from_uuid(row.id),
            email: parse("email", &row.email)?,
            name: parse_some("name", row.name)?,
            access: access(row.organization_role, &row.accounts)?,
            status: from_name("status", row.status)?,
            invited_by: from_json("invited_by", &row.invited_by)?,
            holds_seat: row.holds_seat,
            link: row.link.try_into().map_err(|error| bad("link", error))?,
            life: row.life.try_into().map_err(|error| bad("life", error))?,
            sent_at: Timestamp::from_micros(row.sent_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            created_at: Timestamp::from_micros(row.created_at),
            accepted_by: row.accepted_by.map(UserId::from_uuid),
            ended_at: instant(row.ended_at),
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(id)) AS "names!: String" FROM invitations WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: InvitationId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM invitations WHERE home = ? AND id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &Invitation,
) -> Result<(), Fault> {
    let (id, email, role) = (it.id.uuid(), it.email.as_str(), organization_role(&it.access));
    let name = it.name.as_ref().map(roster_core::text::Name::as_str);
    let (status, invited_by) = (to_name("status", &it.status)?, to_json("invited_by", &it.invited_by)?);
    let (link, life) = (i64::from(it.link), i64::from(it.life));
    let (sent_at, expires_at) = (it.sent_at.micros(), it.expires_at.micros());
    let (created_at, ended_at) = (it.created_at.micros(), micros(it.ended_at));
    let accepted_by = it.accepted_by.map(UserId::uuid);
    query!(
        "INSERT INTO invitations (home, id, email, name, organization_role, status, invited_by, holds_seat, link, life, sent_at, expires_at, created_at, accepted_by, ended_at, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, id) DO UPDATE SET email = excluded.email, name = excluded.name, organization_role = excluded.organization_role, status = excluded.status, invited_by = excluded.invited_by, holds_seat = excluded.holds_seat, link = excluded.link, life = excluded.life, sent_at = excluded.sent_at, expires_at = excluded.expires_at, created_at = excluded.created_at, accepted_by = excluded.accepted_by, ended_at = excluded.ended_at, version = excluded.version",
        home, id, email, name, role, status, invited_by, it.holds_seat, link, life, sent_at, expires_at, created_at, accepted_by, ended_at, version
    )
    .execute(&mut *connection)
    .await?;
    query!("DELETE FROM invitation_access WHERE home = ? AND invitation_id = ?", home, id)
        .execute(&mut *connection)
        .await?;
    if let Some(roles) = account_roles(&it.access) {
        query!(
            "INSERT INTO invitation_access (home, invitation_id, account_id, role)
             SELECT ?1, ?2, unhex(value ->> 0), value ->> 1 FROM json_each(?3)",
            home,
            id,
            roles
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    home: i64,
    id: InvitationId,
) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM invitations WHERE home = ? AND id = ?", home, id).execute(connection).await?;
    Ok(())
}
