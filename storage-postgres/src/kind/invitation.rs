//! Invitations of an organization, with their access and their lines in the due index.

use roster_core::home::Record;
use roster_core::id::{InvitationId, UserId};
use roster_core::model::Invitation;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{
    access, account_roles, bad, from_json, from_name, instant, micros, organization_role, parse, parse_some,
    to_json, to_name,
};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    id: Uuid,
    email: String,
    name: Option<String>,
    organization_role: Option<String>,
    status: String,
    invited_by: String,
    holds_seat: bool,
    link: i64,
    life: i64,
    sent_at: i64,
    expires_at: i64,
    created_at: i64,
    accepted_by: Option<Uuid>,
    ended_at: Option<i64>,
    accounts: String,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Invitation(Invitation {
            id: InvitationId::from_uuid(self.id),
            email: parse("email", &self.email)?,
            name: parse_some("name", self.name)?,
            access: access(self.organization_role, &self.accounts)?,
            status: from_name("status", self.status)?,
            invited_by: from_json("invited_by", &self.invited_by)?,
            holds_seat: self.holds_seat,
            link: self.link.try_into().map_err(|error| bad("link", error))?,
            life: self.life.try_into().map_err(|error| bad("life", error))?,
            sent_at: Timestamp::from_micros(self.sent_at),
            expires_at: Timestamp::from_micros(self.expires_at),
            created_at: Timestamp::from_micros(self.created_at),
            accepted_by: self.accepted_by.map(UserId::from_uuid),
            ended_at: instant(self.ended_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id, email, name, organization_role, status, invited_by, holds_seat, link, life, sent_at, expires_at,
           created_at, accepted_by, ended_at,
           coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text FROM invitation_access a
            WHERE a.home = i.home AND a.invitation_id = i.id), '[]') AS "accounts!: String",
           version
           FROM invitations i WHERE home = $1 AND id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT id FROM invitations WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put(
    connection: &mut PgConnection,
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
    let (accounts, roles) = account_roles(&it.access);
    query!(
        "WITH invitation AS (
             INSERT INTO invitations (home, id, email, name, organization_role, status, invited_by, holds_seat, link, life, sent_at, expires_at, created_at, accepted_by, ended_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
             ON CONFLICT (home, id) DO UPDATE SET email = excluded.email, name = excluded.name, organization_role = excluded.organization_role, status = excluded.status, invited_by = excluded.invited_by, holds_seat = excluded.holds_seat, link = excluded.link, life = excluded.life, sent_at = excluded.sent_at, expires_at = excluded.expires_at, created_at = excluded.created_at, accepted_by = excluded.accepted_by, ended_at = excluded.ended_at, version = excluded.version
         ), taken AS (
             DELETE FROM invitation_access WHERE home = $1 AND invitation_id = $2 AND account_id <> ALL ($17)
         )
         INSERT INTO invitation_access (home, invitation_id, account_id, role)
         SELECT $1, $2, account, role FROM UNNEST($17::uuid[], $18::text[]) AS given (account, role)
         ON CONFLICT (home, invitation_id, account_id) DO UPDATE SET role = excluded.role",
        home, id, email, name, role, status, invited_by, it.holds_seat, link, life, sent_at, expires_at, created_at, accepted_by, ended_at, version,
        &accounts, &roles
    )
    .execute(&mut *connection)
    .await?;
    put_due(connection, home, it).await
}

async fn put_due(connection: &mut PgConnection, home: i64, it: &Invitation) -> Result<(), Fault> {
    let id = it.id.uuid();
    let Some(at) = it.due().map(Timestamp::micros) else {
        query!("DELETE FROM due WHERE home = $1 AND kind = 'invitation' AND id = $2", home, id)
            .execute(connection)
            .await?;
        return Ok(());
    };
    query!(
        "INSERT INTO due (home, kind, id, at, seats) VALUES ($1, 'invitation', $2, $3, $4)
         ON CONFLICT (home, kind, id) DO UPDATE SET at = excluded.at, seats = excluded.seats",
        home,
        id,
        at,
        it.seats()
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: InvitationId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM due WHERE home = $1 AND kind = 'invitation' AND id = $2", home, id)
        .execute(&mut *connection)
        .await?;
    query!("DELETE FROM invitations WHERE home = $1 AND id = $2", home, id).execute(connection).await?;
    Ok(())
}
