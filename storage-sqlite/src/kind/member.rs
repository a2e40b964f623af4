//! Members of an organization, with their access and the words that find them.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::listing::{MemberSort, member_search_keys, member_sort_value};
use roster_core::log::hex;
use roster_core::model::{Access, Card, Member};
use roster_core::store::Stored;
use roster_core::text::{ExternalId, Name};
use roster_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{access, from_name, instant, micros, organization_role, parse_some, to_json, to_name};

/// One row.
#[derive(Deserialize)]
pub(super) struct Row {
    user_id: Uuid,
    status: String,
    organization_role: Option<String>,
    starts_at: Option<i64>,
    expires_at: Option<i64>,
    joined_at: i64,
    left_at: Option<i64>,
    cut_at: Option<i64>,
    deleted_at: Option<i64>,
    epoch: u32,
    email: Option<String>,
    name: Option<String>,
    external_id: Option<String>,
    accounts: String,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Member(Member {
            user: UserId::from_uuid(self.user_id),
            status: from_name("status", self.status)?,
            access: access(self.organization_role, &self.accounts)?,
            starts_at: instant(self.starts_at),
            expires_at: instant(self.expires_at),
            joined_at: Timestamp::from_micros(self.joined_at),
            left_at: instant(self.left_at),
            cut_at: instant(self.cut_at),
            deleted_at: instant(self.deleted_at),
            epoch: self.epoch,
            card: Card {
                email: parse_some("email", self.email)?,
                name: parse_some("name", self.name)?,
                external_id: parse_some("external_id", self.external_id)?,
            },
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT user_id AS "user_id: Uuid", status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at,
           deleted_at, epoch AS "epoch: u32", email, name, external_id,
           coalesce((SELECT json_group_array(json_array(hex(a.account_id), a.role)) FROM member_access a
            WHERE a.home = m.home AND a.user_id = m.user_id), '[]') AS "accounts!: String",
           version AS "version: Uuid"
           FROM members m WHERE home = ?1 AND user_id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(hex(user_id)) AS "names!: String" FROM members WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    id: UserId,
) -> Result<Option<Uuid>, Fault> {
    let id = id.uuid();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM members WHERE home = ? AND user_id = ?"#,
        home,
        id
    );
    Ok(version.fetch_optional(connection).await?)
}

/// A row as it is sent, with what hangs on it.
#[derive(Serialize)]
struct Sent<'a> {
    home: i64,
    user: String,
    status: String,
    role: Option<String>,
    starts_at: Option<i64>,
    expires_at: Option<i64>,
    joined_at: i64,
    left_at: Option<i64>,
    cut_at: Option<i64>,
    deleted_at: Option<i64>,
    epoch: u32,
    email: Option<String>,
    name: Option<&'a str>,
    external_id: Option<&'a str>,
    email_folded: String,
    name_folded: String,
    version: String,
    accounts: Vec<(String, String)>,
    words: Vec<String>,
    due: Option<(i64, i64)>,
}

impl<'a> Sent<'a> {
    fn new(put: &Put<'a, Member>) -> Result<Self, Fault> {
        let it = put.it;
        let accounts = match &it.access {
            Access::Accounts(roles) => roles
                .iter()
                .map(|(account, role)| (account.uuid().simple().to_string(), role.to_string()))
                .collect(),
            Access::Organization(_) => Vec::new(),
        };
        Ok(Self {
            home: put.home,
            user: it.user.uuid().simple().to_string(),
            status: to_name("status", &it.status)?,
            role: organization_role(&it.access),
            starts_at: micros(it.starts_at),
            expires_at: micros(it.expires_at),
            joined_at: it.joined_at.micros(),
            left_at: micros(it.left_at),
            cut_at: micros(it.cut_at),
            deleted_at: micros(it.deleted_at),
            epoch: it.epoch,
            email: it.card.email.as_ref().map(ToString::to_string),
            name: it.card.name.as_ref().map(Name::as_str),
            external_id: it.card.external_id.as_ref().map(ExternalId::as_str),
            email_folded: member_sort_value(it, MemberSort::Email),
            name_folded: member_sort_value(it, MemberSort::Name),
            version: put.version(),
            accounts,
            words: member_search_keys(it).iter().map(|word| hex(word.as_bytes())).collect(),
            due: Record::Member(it.clone()).due().map(|due| (due.at.micros(), due.seats)),
        })
    }
}

/// The members, their access, words and lines in the due index, in one journey.
pub(super) async fn put_all(
    connection: &mut SqliteConnection,
    puts: &[Put<'_, Member>],
) -> Result<(), Fault> {
    let rows: Vec<Sent<'_>> = puts.iter().map(Sent::new).collect::<Result<_, _>>()?;
    let rows = to_json("members", &rows)?;
    query!(
        "INSERT INTO members (home, user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at, email, name, external_id, email_folded, name_folded, version, deleted_at, epoch)
         SELECT value ->> 'home', unhex(value ->> 'user'), value ->> 'status', value ->> 'role', value ->> 'starts_at',
             value ->> 'expires_at', value ->> 'joined_at', value ->> 'left_at', value ->> 'cut_at', value ->> 'email',
             value ->> 'name', value ->> 'external_id', value ->> 'email_folded', value ->> 'name_folded',
             unhex(value ->> 'version'), value ->> 'deleted_at', value ->> 'epoch'
         FROM jsonb_each(?) WHERE true
         ON CONFLICT (home, user_id) DO UPDATE SET status = excluded.status, organization_role = excluded.organization_role, starts_at = excluded.starts_at, expires_at = excluded.expires_at, joined_at = excluded.joined_at, left_at = excluded.left_at, cut_at = excluded.cut_at, email = excluded.email, name = excluded.name, external_id = excluded.external_id, email_folded = excluded.email_folded, name_folded = excluded.name_folded, version = excluded.version, deleted_at = excluded.deleted_at, epoch = excluded.epoch;
         DELETE FROM member_access WHERE (home, user_id, account_id) IN (
             SELECT a.home, a.user_id, a.account_id FROM jsonb_each(?) m
             CROSS JOIN member_access a ON a.home = m.value ->> 'home' AND a.user_id = unhex(m.value ->> 'user')
             WHERE a.account_id NOT IN (SELECT unhex(value ->> 0) FROM jsonb_each(m.value, '$.accounts')));
         INSERT INTO member_access (home, user_id, account_id, role)
             SELECT m.value ->> 'home', unhex(m.value ->> 'user'), unhex(a.value ->> 0), a.value ->> 1
             FROM jsonb_each(?) m CROSS JOIN jsonb_each(m.value, '$.accounts') a WHERE true
             ON CONFLICT (home, user_id, account_id) DO UPDATE SET role = excluded.role WHERE role <> excluded.role;
         DELETE FROM member_words WHERE (home, user_id, word) IN (
             SELECT w.home, w.user_id, w.word FROM jsonb_each(?) m
             CROSS JOIN member_words w ON w.home = m.value ->> 'home' AND w.user_id = unhex(m.value ->> 'user')
             WHERE w.word NOT IN (SELECT unhex(value) FROM jsonb_each(m.value, '$.words')));
         INSERT OR IGNORE INTO member_words (home, user_id, word)
             SELECT m.value ->> 'home', unhex(m.value ->> 'user'), unhex(w.value)
             FROM jsonb_each(?) m CROSS JOIN jsonb_each(m.value, '$.words') w;
         DELETE FROM due WHERE (home, kind, id) IN (
             SELECT value ->> 'home', 'member', unhex(value ->> 'user') FROM jsonb_each(?) WHERE value ->> 'due' IS NULL);
         INSERT INTO due (home, kind, id, at, seats)
             SELECT value ->> 'home', 'member', unhex(value ->> 'user'), value ->> '$.due[0]', value ->> '$.due[1]'
             FROM jsonb_each(?) WHERE value ->> 'due' IS NOT NULL
             ON CONFLICT (home, kind, id) DO UPDATE SET at = excluded.at, seats = excluded.seats",
        rows, rows, rows, rows, rows, rows, rows
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut SqliteConnection, home: i64, id: UserId) -> Result<(), Fault> {
    let id = id.uuid();
    query!("DELETE FROM members WHERE home = ? AND user_id = ?", home, id).execute(connection).await?;
    Ok(())
}
