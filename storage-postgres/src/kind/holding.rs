//! Records in the vendor's product, and who owns them.

use roster_core::home::Record;
use roster_core::id::{AccountId, RecordId, UserId};
use roster_core::model::Holding;
use roster_core::store::Stored;
use roster_core::time::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::Put;
use crate::error::Fault;
use crate::row::{bad, parse, parse_some};

/// One row.
#[derive(Deserialize)]
pub(crate) struct Row {
    id: Uuid,
    kind: String,
    kind_number: i64,
    external_id: String,
    owner_id: Uuid,
    after_number: i64,
    account_id: Option<Uuid>,
    title: Option<String>,
    created_at: i64,
    version: Uuid,
}

impl Row {
    pub(super) fn stored(self) -> Result<Stored, Fault> {
        let record = Record::Holding(Holding {
            id: RecordId::from_uuid(self.id),
            kind: parse("kind", &self.kind)?,
            kind_number: self.kind_number.try_into().map_err(|error| bad("kind_number", error))?,
            external_id: parse("external_id", &self.external_id)?,
            owner: UserId::from_uuid(self.owner_id),
            after: self.after_number.try_into().map_err(|error| bad("after_number", error))?,
            account: self.account_id.map(AccountId::from_uuid),
            title: parse_some("title", self.title)?,
            created_at: Timestamp::from_micros(self.created_at),
        });
        Ok(Stored { record, version: crate::row::version(self.version) })
    }
}

pub(super) async fn load(
    connection: &mut PgConnection,
    home: i64,
    names: &[String],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        "SELECT id, kind, kind_number, external_id, owner_id, after_number, account_id, title, created_at, version
         FROM holdings WHERE home = $1 AND name = ANY($2)",
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn load_by_id(
    connection: &mut PgConnection,
    home: i64,
    ids: &[Uuid],
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        "SELECT id, kind, kind_number, external_id, owner_id, after_number, account_id, title, created_at, version
         FROM holdings WHERE home = $1 AND id = ANY($2)",
        home,
        ids
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut PgConnection, home: i64) -> Result<Vec<String>, Fault> {
    let names = query_scalar!("SELECT name FROM holdings WHERE home = $1", home);
    Ok(names.fetch_all(connection).await?)
}

pub(super) async fn put_all(connection: &mut PgConnection, puts: &[Put<'_, Holding>]) -> Result<(), Fault> {
    let (mut homes, mut names, mut ids, mut versions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut kinds, mut numbers, mut externals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut owners, mut afters, mut created) = (Vec::new(), Vec::new(), Vec::new());
    let mut accounts: Vec<Option<Uuid>> = Vec::new();
    let mut titles: Vec<Option<String>> = Vec::new();
    for Put { home, commit, it } in puts {
        homes.push(*home);
        names.push(it.name().to_string());
        ids.push(it.id.uuid());
        kinds.push(it.kind.to_string());
        numbers.push(i64::from(it.kind_number));
        externals.push(it.external_id.to_string());
        owners.push(it.owner.uuid());
        afters.push(i64::try_from(it.after).map_err(|error| bad("after_number", error))?);
        accounts.push(it.account.map(AccountId::uuid));
        titles.push(it.title.as_ref().map(ToString::to_string));
        created.push(it.created_at.micros());
        versions.push(commit.uuid());
    }
    query!(
        "INSERT INTO holdings (home, name, id, kind, kind_number, external_id, owner_id, after_number, account_id, title, created_at, version)
         SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::uuid[], $8::bigint[], $9::uuid[], $10::text[], $11::bigint[], $12::uuid[])
         ON CONFLICT (home, name) DO UPDATE SET id = excluded.id, kind = excluded.kind, kind_number = excluded.kind_number, external_id = excluded.external_id, owner_id = excluded.owner_id, after_number = excluded.after_number, account_id = excluded.account_id, title = excluded.title, created_at = excluded.created_at, version = excluded.version",
        &homes, &names, &ids, &kinds, &numbers, &externals, &owners, &afters, &accounts as &[Option<Uuid>],
        &titles as &[Option<String>], &created, &versions
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove_all(
    connection: &mut PgConnection,
    homes: &[i64],
    names: &[String],
) -> Result<(), Fault> {
    query!(
        "DELETE FROM holdings kept USING UNNEST($1::bigint[], $2::text[]) AS gone (home, name)
         WHERE kept.home = gone.home AND kept.name = gone.name",
        homes,
        names
    )
    .execute(connection)
    .await?;
    Ok(())
}
