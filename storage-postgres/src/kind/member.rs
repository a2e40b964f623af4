//! Members of an organization, with their access and the words that find them.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::listing::{MemberSort, member_search_keys, member_sort_value};
use roster_core::model::{Card, Member};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{access, account_roles, from_name, instant, micros, organization_role, parse_some, to_name};

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query!(
        r#"SELECT user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at,
           email, name, external_id,
           coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text FROM member_access a
            WHERE a.home = m.home AND a.user_id = m.user_id), '[]') AS "accounts!: String",
           version
           FROM members m WHERE home = $1 AND user_id = ANY($2)"#,
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

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT user_id FROM members WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

/// The member, access, words and the line in the due index, in one statement.
pub(super) async fn put(
    connection: &mut PgConnection,
    home: i64,
    version: Uuid,
    it: &Member,
) -> Result<(), Fault> {
    let (accounts, roles) = account_roles(&it.access);
    let words: Vec<Vec<u8>> = member_search_keys(it).into_iter().map(String::into_bytes).collect();
    let due = Record::Member(it.clone()).due();
    query!(
        r#"WITH member AS (
               INSERT INTO members (home, user_id, status, organization_role, starts_at, expires_at, joined_at, left_at,
                   cut_at, email, name, external_id, email_folded, name_folded, joined_sort, version)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
               ON CONFLICT (home, user_id) DO UPDATE SET status = excluded.status,
                   organization_role = excluded.organization_role, starts_at = excluded.starts_at,
                   expires_at = excluded.expires_at, joined_at = excluded.joined_at, left_at = excluded.left_at,
                   cut_at = excluded.cut_at, email = excluded.email, name = excluded.name,
                   external_id = excluded.external_id, email_folded = excluded.email_folded,
                   name_folded = excluded.name_folded, joined_sort = excluded.joined_sort, version = excluded.version
           ), taken AS (
               DELETE FROM member_access WHERE home = $1 AND user_id = $2 AND account_id <> ALL ($17)
           ), given AS (
               INSERT INTO member_access (home, user_id, account_id, role)
               SELECT $1, $2, account, role FROM UNNEST($17::uuid[], $18::text[]) AS given (account, role)
               ON CONFLICT (home, user_id, account_id) DO UPDATE SET role = excluded.role
               WHERE member_access.role <> excluded.role
           ), forgotten AS (
               DELETE FROM member_words WHERE home = $1 AND user_id = $2 AND word <> ALL ($19)
           ), learnt AS (
               INSERT INTO member_words (home, user_id, word) SELECT $1, $2, word FROM UNNEST($19::bytea[]) AS word
               ON CONFLICT DO NOTHING
           ), settled AS (
               DELETE FROM due WHERE home = $1 AND kind = 'member' AND id = $2 AND $20::bigint IS NULL
           )
           INSERT INTO due (home, kind, id, at, seats) SELECT $1, 'member', $2, $20, $21 WHERE $20::bigint IS NOT NULL
           ON CONFLICT (home, kind, id) DO UPDATE SET at = excluded.at, seats = excluded.seats"#,
        home,
        it.user.uuid(),
        to_name("status", &it.status)?,
        organization_role(&it.access),
        micros(it.starts_at),
        micros(it.expires_at),
        it.joined_at.micros(),
        micros(it.left_at),
        micros(it.cut_at),
        it.card.email.as_ref().map(ToString::to_string),
        it.card.name.as_ref().map(ToString::to_string),
        it.card.external_id.as_ref().map(ToString::to_string),
        member_sort_value(it, MemberSort::Email),
        member_sort_value(it, MemberSort::Name),
        member_sort_value(it, MemberSort::JoinedAt),
        version,
        &accounts,
        &roles,
        &words,
        due.as_ref().map(|due| due.at.micros()),
        due.as_ref().map_or(0, |due| due.seats)
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(connection: &mut PgConnection, home: i64, id: UserId) -> Result<(), Fault> {
    query!(
        "WITH settled AS (DELETE FROM due WHERE home = $1 AND kind = 'member' AND id = $2)
         DELETE FROM members WHERE home = $1 AND user_id = $2",
        home,
        id.uuid()
    )
    .execute(connection)
    .await?;
    Ok(())
}
