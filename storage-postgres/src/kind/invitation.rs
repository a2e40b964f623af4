//! Invitations of an organization, with their access and their lines in the due index.

use roster_core::home::Record;
use roster_core::id::{InvitationId, UserId};
use roster_core::model::Invitation;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
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

/// The invitations, their access and lines in the due index, in one statement.
pub(super) async fn put_all(
    connection: &mut PgConnection,
    puts: &[Put<'_, Invitation>],
) -> Result<(), Fault> {
    let numbers = |of: fn(&Invitation) -> i64| puts.iter().map(|put| of(put.it)).collect::<Vec<_>>();
    let maybe = |of: fn(&Invitation) -> Option<i64>| puts.iter().map(|put| of(put.it)).collect::<Vec<_>>();
    let texts = |of: fn(&Invitation) -> Option<String>| puts.iter().map(|put| of(put.it)).collect::<Vec<_>>();
    let statuses = puts.iter().map(|put| to_name("status", &put.it.status));
    let inviters = puts.iter().map(|put| to_json("invited_by", &put.it.invited_by));
    let accepted: Vec<Option<Uuid>> = puts.iter().map(|put| put.it.accepted_by.map(UserId::uuid)).collect();
    let (mut homes, mut ids) = (Vec::new(), Vec::new());
    let (mut accounts, mut roles) = (Vec::new(), Vec::new());
    for put in puts {
        let (some, theirs) = account_roles(&put.it.access);
        homes.extend(some.iter().map(|_| put.home));
        ids.extend(some.iter().map(|_| put.it.id.uuid()));
        accounts.extend(some);
        roles.extend(theirs);
    }
    query!(
        r#"WITH given AS MATERIALIZED (
               SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                   $8::boolean[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::uuid[],
                   $15::bigint[], $16::uuid[], $17::bigint[], $18::bigint[]) AS given (home, id, email, name,
                   organization_role, status, invited_by, holds_seat, link, life, sent_at, expires_at, created_at,
                   accepted_by, ended_at, version, due_at, due_seats)
           ), granted AS MATERIALIZED (
               SELECT * FROM UNNEST($19::bigint[], $20::uuid[], $21::uuid[], $22::text[])
                   AS granted (home, invitation_id, account_id, role)
           ), invitation AS (
               INSERT INTO invitations (home, id, email, name, organization_role, status, invited_by, holds_seat, link,
                   life, sent_at, expires_at, created_at, accepted_by, ended_at, version)
               SELECT home, id, email, name, organization_role, status, invited_by, holds_seat, link, life, sent_at,
                   expires_at, created_at, accepted_by, ended_at, version FROM given
               ON CONFLICT (home, id) DO UPDATE SET email = excluded.email, name = excluded.name,
                   organization_role = excluded.organization_role, status = excluded.status,
                   invited_by = excluded.invited_by, holds_seat = excluded.holds_seat, link = excluded.link,
                   life = excluded.life, sent_at = excluded.sent_at, expires_at = excluded.expires_at,
                   created_at = excluded.created_at, accepted_by = excluded.accepted_by,
                   ended_at = excluded.ended_at, version = excluded.version
           ), taken AS (
               DELETE FROM invitation_access a USING given g WHERE a.home = g.home AND a.invitation_id = g.id
                   AND NOT EXISTS (SELECT 1 FROM granted w WHERE w.home = a.home
                       AND w.invitation_id = a.invitation_id AND w.account_id = a.account_id)
           ), kept AS (
               INSERT INTO invitation_access (home, invitation_id, account_id, role)
               SELECT home, invitation_id, account_id, role FROM granted
               ON CONFLICT (home, invitation_id, account_id) DO UPDATE SET role = excluded.role
           ), settled AS (
               DELETE FROM due d USING given g WHERE g.due_at IS NULL AND d.home = g.home
                   AND d.kind = 'invitation' AND d.id = g.id
           )
           INSERT INTO due (home, kind, id, at, seats)
           SELECT home, 'invitation', id, due_at, due_seats FROM given WHERE due_at IS NOT NULL
           ON CONFLICT (home, kind, id) DO UPDATE SET at = excluded.at, seats = excluded.seats"#,
        &puts.iter().map(|put| put.home).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.it.id.uuid()).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.it.email.to_string()).collect::<Vec<_>>(),
        &texts(|it| it.name.as_ref().map(ToString::to_string)) as &[Option<String>],
        &texts(|it| organization_role(&it.access)) as &[Option<String>],
        &statuses.collect::<Result<Vec<_>, _>>()?,
        &inviters.collect::<Result<Vec<_>, _>>()?,
        &puts.iter().map(|put| put.it.holds_seat).collect::<Vec<_>>(),
        &numbers(|it| it.link.into()),
        &numbers(|it| it.life.into()),
        &numbers(|it| it.sent_at.micros()),
        &numbers(|it| it.expires_at.micros()),
        &numbers(|it| it.created_at.micros()),
        &accepted as &[Option<Uuid>],
        &maybe(|it| micros(it.ended_at)) as &[Option<i64>],
        &puts.iter().map(|put| put.commit.uuid()).collect::<Vec<_>>(),
        &maybe(|it| micros(it.due())) as &[Option<i64>],
        &numbers(Invitation::seats),
        &homes,
        &ids,
        &accounts,
        &roles
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(
    connection: &mut PgConnection,
    homes: &[i64],
    names: &[Uuid],
) -> Result<(), Fault> {
    query!(
        "WITH gone AS MATERIALIZED (
             SELECT * FROM UNNEST($1::bigint[], $2::uuid[]) AS gone (home, id)
         ), settled AS (
             DELETE FROM due USING gone WHERE due.home = gone.home AND due.kind = 'invitation' AND due.id = gone.id
         )
         DELETE FROM invitations kept USING gone WHERE kept.home = gone.home AND kept.id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
