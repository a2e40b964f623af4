//! Members of an organization, with their access and the words that find them.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::listing::{MemberSort, member_search_keys, member_sort_value};
use roster_core::model::{Card, Member};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{
    access, account_roles, from_name, id_list, instant, micros, organization_role, parse_some, to_name,
};

pub(super) async fn load(
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT user_id AS "user_id: Uuid", status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at,
           deleted_at, epoch AS "epoch: u32", email, name, external_id,
           coalesce((SELECT json_group_array(json_array(hex(a.account_id), a.role)) FROM member_access a
            WHERE a.home = m.home AND a.user_id = m.user_id), '[]') AS "accounts!: String",
           version AS "version: Uuid"
           FROM members m WHERE home = ?1 AND user_id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        names
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let record = Record::Member(Member {
            user: UserId::from_uuid(row.user_id),
            status: from_name("status", row.status)?,
            access: access(row.organization_role, &row.accounts)?,
            starts_at: instant(row.starts_at),
            expires_at: instant(row.expires_at),
            joined_at: Timestamp::from_micros(row.joined_at),
            left_at: instant(row.left_at),
            cut_at: instant(row.cut_at),
            deleted_at: instant(row.deleted_at),
            epoch: row.epoch,
            card: Card {
                email: parse_some("email", row.email)?,
                name: parse_some("name", row.name)?,
                external_id: parse_some("external_id", row.external_id)?,
            },
        });
        Ok(Stored { record, version: crate::row::version(row.version) })
    })
    .collect()
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
    query!(
        "INSERT INTO members (home, user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at, email, name, external_id, email_folded, name_folded, version, deleted_at, epoch)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, user_id) DO UPDATE SET status = excluded.status, organization_role = excluded.organization_role, starts_at = excluded.starts_at, expires_at = excluded.expires_at, joined_at = excluded.joined_at, left_at = excluded.left_at, cut_at = excluded.cut_at, email = excluded.email, name = excluded.name, external_id = excluded.external_id, email_folded = excluded.email_folded, name_folded = excluded.name_folded, version = excluded.version, epoch = excluded.epoch, deleted_at = excluded.deleted_at",
        home, id, status, role, starts_at, expires_at, joined_at, left_at, cut_at, email, name, external_id,
        email_folded, name_folded, version, deleted_at, it.epoch
    )
    .execute(&mut *connection)
    .await?;
    put_access(connection, home, it).await?;
    put_words(connection, home, it).await
}

async fn put_access(connection: &mut SqliteConnection, home: i64, it: &Member) -> Result<(), Fault> {
    let (id, roles) = (it.user.uuid(), account_roles(&it.access));
    query!("DELETE FROM member_access WHERE home = ? AND user_id = ?", home, id)
        .execute(&mut *connection)
        .await?;
    if let Some(roles) = roles {
        query!(
            "INSERT INTO member_access (home, user_id, account_id, role)
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

async fn put_words(connection: &mut SqliteConnection, home: i64, it: &Member) -> Result<(), Fault> {
    let id = it.user.uuid();
    let words = id_list(member_search_keys(it).iter().map(String::as_bytes));
    query!("DELETE FROM member_words WHERE home = ? AND user_id = ?", home, id)
        .execute(&mut *connection)
        .await?;
    query!(
        "INSERT OR IGNORE INTO member_words (home, user_id, word) SELECT ?1, ?2, unhex(value) FROM json_each(?3)",
        home, id, words
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
