//! Records in the vendor's product, and who owns them.

use roster_core::home::Record;
use roster_core::id::{AccountId, RecordId, UserId};
use roster_core::model::{Holding, HoldingName};
use roster_core::store::Stored;
use roster_core::text::Name;
use roster_core::time::Timestamp;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use crate::error::Fault;
use crate::row::{bad, parse, parse_some};

/// One row.
struct Row {
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
    fn stored(self) -> Result<Stored, Fault> {
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
    connection: &mut SqliteConnection,
    home: i64,
    names: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id AS "id: Uuid", kind, kind_number, external_id, owner_id AS "owner_id: Uuid", after_number,
           account_id AS "account_id: Uuid", title, created_at, version AS "version: Uuid"
           FROM holdings WHERE home = ?1 AND name IN (SELECT value FROM json_each(?2))"#,
        home,
        names
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn load_by_id(
    connection: &mut SqliteConnection,
    home: i64,
    ids: &str,
) -> Result<Vec<Stored>, Fault> {
    let rows = query_as!(
        Row,
        r#"SELECT id AS "id: Uuid", kind, kind_number, external_id, owner_id AS "owner_id: Uuid", after_number,
           account_id AS "account_id: Uuid", title, created_at, version AS "version: Uuid"
           FROM holdings WHERE home = ?1 AND id IN (SELECT unhex(value) FROM json_each(?2))"#,
        home,
        ids
    );
    rows.fetch_all(connection).await?.into_iter().map(Row::stored).collect()
}

pub(super) async fn names(connection: &mut SqliteConnection, home: i64) -> Result<String, Fault> {
    let names = query_scalar!(
        r#"SELECT json_group_array(name) AS "names!: String" FROM holdings WHERE home = ?"#,
        home
    );
    Ok(names.fetch_one(connection).await?)
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    home: i64,
    name: &HoldingName,
) -> Result<Option<Uuid>, Fault> {
    let name = name.as_str();
    let version = query_scalar!(
        r#"SELECT version AS "version: Uuid" FROM holdings WHERE home = ? AND name = ?"#,
        home,
        name
    );
    Ok(version.fetch_optional(connection).await?)
}

pub(super) async fn put(
    connection: &mut SqliteConnection,
    home: i64,
    version: Uuid,
    it: &Holding,
) -> Result<(), Fault> {
    let (name, id, owner) = (it.name().to_string(), it.id.uuid(), it.owner.uuid());
    let (kind, kind_number) = (it.kind.as_str(), i64::from(it.kind_number));
    let external_id = it.external_id.as_str();
    let after = i64::try_from(it.after).map_err(|error| bad("after_number", error))?;
    let (account, title) = (it.account.map(AccountId::uuid), it.title.as_ref().map(Name::as_str));
    let created_at = it.created_at.micros();
    query!(
        "INSERT INTO holdings (home, name, id, kind, kind_number, external_id, owner_id, after_number, account_id, title, created_at, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (home, name) DO UPDATE SET id = excluded.id, kind = excluded.kind, kind_number = excluded.kind_number, external_id = excluded.external_id, owner_id = excluded.owner_id, after_number = excluded.after_number, account_id = excluded.account_id, title = excluded.title, created_at = excluded.created_at, version = excluded.version",
        home, name, id, kind, kind_number, external_id, owner, after, account, title, created_at, version
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn remove(
    connection: &mut SqliteConnection,
    home: i64,
    name: &HoldingName,
) -> Result<(), Fault> {
    let name = name.as_str();
    query!("DELETE FROM holdings WHERE home = ? AND name = ?", home, name).execute(connection).await?;
    Ok(())
}
