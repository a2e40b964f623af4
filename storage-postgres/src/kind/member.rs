//! Members of an organization, with their access and the words that find them.

use roster_core::home::Record;
use roster_core::id::UserId;
use roster_core::listing::{MemberSort, member_search_keys, member_sort_value};
use roster_core::model::{Card, Member};
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{
    access, account_roles, count, from_name, instant, micros, organization_role, parse_some, to_name,
};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) user_id: Uuid,
    pub(crate) status: String,
    pub(crate) organization_role: Option<String>,
    pub(crate) starts_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) joined_at: i64,
    pub(crate) left_at: Option<i64>,
    pub(crate) cut_at: Option<i64>,
    pub(crate) deleted_at: Option<i64>,
    pub(crate) epoch: i64,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) accounts: String,
    pub(crate) version: Uuid,
}

impl Row {
    pub(crate) fn stored(self) -> Result<Stored, Fault> {
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
            epoch: count("epoch", self.epoch)?,
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
    connection: &mut PgConnection,
    home: i64,
    names: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at,
           deleted_at, epoch, email, name, external_id,
           coalesce((SELECT json_agg(json_build_array(a.account_id, a.role))::text FROM member_access a
            WHERE a.home = m.home AND a.user_id = m.user_id), '[]') AS "accounts!: String",
           version
           FROM members m WHERE home = $1 AND user_id = ANY($2)"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<Uuid>, Fault> {
    let names = query_scalar!(r#"SELECT user_id FROM members WHERE home = $1"#, home);
    Ok(names.fetch_all(connection).await?)
}

/// What hangs on members, a row each.
#[derive(Default)]
struct Hanging {
    homes: Vec<i64>,
    users: Vec<Uuid>,
    accounts: Vec<Uuid>,
    roles: Vec<String>,
    words: Vec<Vec<u8>>,
}

impl Hanging {
    fn access(puts: &[Put<'_, Member>]) -> Self {
        let mut rows = Self::default();
        for put in puts {
            let (accounts, roles) = account_roles(&put.it.access);
            rows.homes.extend(accounts.iter().map(|_| put.home));
            rows.users.extend(accounts.iter().map(|_| put.it.user.uuid()));
            rows.accounts.extend(accounts);
            rows.roles.extend(roles);
        }
        rows
    }

    fn words(puts: &[Put<'_, Member>]) -> Self {
        let mut rows = Self::default();
        for put in puts {
            for word in member_search_keys(put.it) {
                rows.homes.push(put.home);
                rows.users.push(put.it.user.uuid());
                rows.words.push(word.into_bytes());
            }
        }
        rows
    }
}

/// The members, their access, words and lines in the due index, in one statement.
pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Member>]) -> Result<(), Fault> {
    let texts = |of: fn(&Member) -> Option<String>| puts.iter().map(|put| of(put.it)).collect::<Vec<_>>();
    let instants = |of: fn(&Member) -> Option<Timestamp>| -> Vec<Option<i64>> {
        puts.iter().map(|put| micros(of(put.it))).collect()
    };
    let sorts = |by| puts.iter().map(|put| member_sort_value(put.it, by)).collect::<Vec<String>>();
    let due: Vec<_> = puts.iter().map(|put| Record::Member(put.it.clone()).due()).collect();
    let (access, words) = (Hanging::access(puts), Hanging::words(puts));
    let statuses = puts.iter().map(|put| to_name("status", &put.it.status));
    query!(
        r#"WITH given AS MATERIALIZED (
               SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
                   $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[],
                   $14::text[], $15::text[], $16::uuid[], $17::bigint[], $18::bigint[], $26::bigint[], $27::bigint[]) AS given (home, user_id, status,
                   organization_role, starts_at, expires_at, joined_at, left_at, cut_at, email, name, external_id,
                   email_folded, name_folded, joined_sort, version, due_at, due_seats, deleted_at, epoch)
           ), granted AS MATERIALIZED (
               SELECT * FROM UNNEST($19::bigint[], $20::uuid[], $21::uuid[], $22::text[])
                   AS granted (home, user_id, account_id, role)
           ), known AS MATERIALIZED (
               SELECT * FROM UNNEST($23::bigint[], $24::uuid[], $25::bytea[]) AS known (home, user_id, word)
           ), member AS (
               INSERT INTO members (home, user_id, status, organization_role, starts_at, expires_at, joined_at, left_at,
                   cut_at, email, name, external_id, email_folded, name_folded, joined_sort, version, deleted_at, epoch)
               SELECT home, user_id, status, organization_role, starts_at, expires_at, joined_at, left_at, cut_at, email,
                   name, external_id, email_folded, name_folded, joined_sort, version, deleted_at, epoch FROM given
               ON CONFLICT (home, user_id) DO UPDATE SET status = excluded.status,
                   organization_role = excluded.organization_role, starts_at = excluded.starts_at,
                   expires_at = excluded.expires_at, joined_at = excluded.joined_at, left_at = excluded.left_at,
                   cut_at = excluded.cut_at, epoch = excluded.epoch, email = excluded.email, name = excluded.name,
                   external_id = excluded.external_id, email_folded = excluded.email_folded,
                   name_folded = excluded.name_folded, joined_sort = excluded.joined_sort, version = excluded.version,
                   deleted_at = excluded.deleted_at
           ), taken AS (
               DELETE FROM member_access a USING given g WHERE a.home = g.home AND a.user_id = g.user_id
                   AND NOT EXISTS (SELECT 1 FROM granted w WHERE w.home = a.home AND w.user_id = a.user_id
                       AND w.account_id = a.account_id)
           ), kept AS (
               INSERT INTO member_access (home, user_id, account_id, role)
               SELECT home, user_id, account_id, role FROM granted
               ON CONFLICT (home, user_id, account_id) DO UPDATE SET role = excluded.role
               WHERE member_access.role <> excluded.role
           ), forgotten AS (
               DELETE FROM member_words o USING given g WHERE o.home = g.home AND o.user_id = g.user_id
                   AND NOT EXISTS (SELECT 1 FROM known w WHERE w.home = o.home AND w.user_id = o.user_id
                       AND w.word = o.word)
           ), learnt AS (
               INSERT INTO member_words (home, user_id, word) SELECT home, user_id, word FROM known
               ON CONFLICT DO NOTHING
           ), settled AS (
               DELETE FROM due d USING given g WHERE g.due_at IS NULL AND d.home = g.home AND d.kind = 'member'
                   AND d.id = g.user_id
           )
           INSERT INTO due (home, kind, id, at, seats)
           SELECT home, 'member', user_id, due_at, due_seats FROM given WHERE due_at IS NOT NULL
           ON CONFLICT (home, kind, id) DO UPDATE SET at = excluded.at, seats = excluded.seats"#,
        &puts.iter().map(|put| put.home).collect::<Vec<_>>(),
        &puts.iter().map(|put| put.it.user.uuid()).collect::<Vec<_>>(),
        &statuses.collect::<Result<Vec<_>, _>>()?,
        &texts(|it| organization_role(&it.access)) as &[Option<String>],
        &instants(|it| it.starts_at) as &[Option<i64>],
        &instants(|it| it.expires_at) as &[Option<i64>],
        &puts.iter().map(|put| put.it.joined_at.micros()).collect::<Vec<_>>(),
        &instants(|it| it.left_at) as &[Option<i64>],
        &instants(|it| it.cut_at) as &[Option<i64>],
        &texts(|it| it.card.email.as_ref().map(ToString::to_string)) as &[Option<String>],
        &texts(|it| it.card.name.as_ref().map(ToString::to_string)) as &[Option<String>],
        &texts(|it| it.card.external_id.as_ref().map(ToString::to_string)) as &[Option<String>],
        &sorts(MemberSort::Email),
        &sorts(MemberSort::Name),
        &sorts(MemberSort::JoinedAt),
        &puts.iter().map(|put| put.commit.uuid()).collect::<Vec<_>>(),
        &due.iter().map(|due| due.as_ref().map(|due| due.at.micros())).collect::<Vec<_>>() as &[Option<i64>],
        &due.iter().map(|due| due.as_ref().map_or(0, |due| due.seats)).collect::<Vec<_>>(),
        &access.homes,
        &access.users,
        &access.accounts,
        &access.roles,
        &words.homes,
        &words.users,
        &words.words,
        &instants(|it| it.deleted_at) as &[Option<i64>],
        &puts.iter().map(|put| i64::from(put.it.epoch)).collect::<Vec<_>>()
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
             DELETE FROM due USING gone WHERE due.home = gone.home AND due.kind = 'member' AND due.id = gone.id
         ), forgotten AS (
             DELETE FROM member_words o USING gone WHERE o.home = gone.home AND o.user_id = gone.id
         )
         DELETE FROM members kept USING gone WHERE kept.home = gone.home AND kept.user_id = gone.id",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
