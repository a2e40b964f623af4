//! Members of an organization, with their access and the words that find them.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::listing::{MemberSort, member_search_keys, member_sort_value};
use roster_core::model::{Card, Member};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{
    access, account_roles, from_name, id_list, instant, micros, organization_role, parse_some, to_name,
};

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

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &Member,
) -> Result<(), Fault> {
    let (id, status, role) = (it.user.uuid(), to_name("status", &it.status)?, organization_role(&it.access));
    let (starts_at, expires_at, joined_at) =
        (micros(it.starts_at), micros(it.expires_at), it.joined_at.micros());
    let (left_at, cut_at, deleted_at) = (micros(it.left_at), micros(it.cut_at), micros(it.deleted_at));
    let email = it.card.email.as_ref().map(ToString::to_string);
    let name = it.card.name.as_ref().map(ToString::to_string);
    let external_id = it.card.external_id.as_ref().map(ToString::to_string);
    let email_folded = member_sort_value(it, MemberSort::Email);
    let name_folded = member_sort_value(it, MemberSort::Name);
    let roles = account_roles(&it.access).unwrap_or_else(|| "[]".to_owned());
    let words = id_list(member_search_keys(it).iter().map(String::as_bytes));
    query!(
        "INSERT INTO members (home, user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at, email, name, external_id, email_folded, name_folded, version, deleted_at, epoch)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, user_id) DO UPDATE SET status = excluded.status, organization_role = excluded.organization_role, starts_at = excluded.starts_at, expires_at = excluded.expires_at, joined_at = excluded.joined_at, left_at = excluded.left_at, cut_at = excluded.cut_at, email = excluded.email, name = excluded.name, external_id = excluded.external_id, email_folded = excluded.email_folded, name_folded = excluded.name_folded, version = excluded.version, deleted_at = excluded.deleted_at, epoch = excluded.epoch;
         DELETE FROM member_access WHERE home = ? AND user_id = ?
             AND account_id NOT IN (SELECT unhex(value ->> 0) FROM json_each(?));
         INSERT INTO member_access (home, user_id, account_id, role)
             SELECT ?, ?, unhex(value ->> 0), value ->> 1 FROM json_each(?) WHERE true
             ON CONFLICT (home, user_id, account_id) DO UPDATE SET role = excluded.role WHERE role <> excluded.role;
         DELETE FROM member_words WHERE home = ? AND user_id = ?
             AND word NOT IN (SELECT unhex(value) FROM json_each(?));
         INSERT OR IGNORE INTO member_words (home, user_id, word) SELECT ?, ?, unhex(value) FROM json_each(?)",
        home, id, status, role, starts_at, expires_at, joined_at, left_at, cut_at, email, name, external_id,
        email_folded, name_folded, version, deleted_at, it.epoch, home, id, roles, home, id, roles, home, id, words, home, id, words
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
