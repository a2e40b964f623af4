//! The report by SQL on the tables of the store, with tables beside them for what the store keeps in documents.

use std::path::Path;

use anyhow::Result;
use roster_core::home::Home;
use roster_core::time::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Postgres, QueryBuilder, Row as _, Sqlite};

use crate::data::organization_id;
use crate::reports::Owned;

/// Rows of an insert.
const CHUNK: usize = 1_000;

/// A connection of its own to the store.
pub enum Beside {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// What a report shows where no columns are asked for, by its own words in each dialect.
const COLUMNS: &str = "a.external_id, a.id, a.name, a.status, o.id,
    (SELECT count(*) FROM member_access x JOIN members y ON y.home = x.home AND y.user_id = x.user_id
     WHERE x.home = a.home AND x.account_id = a.id AND y.status = 'active'
        AND (y.expires_at IS NULL OR y.expires_at > h.time)),
    m.email, m.joined_at, p.last_seen_at, p.sessions, p.received_at, p.sent_at
    FROM accounts a JOIN organizations o ON o.home = a.home JOIN homes h ON h.home = a.home
    JOIN beside.owners w ON w.home = a.home AND w.account_id = a.id
    JOIN members m ON m.home = w.home AND m.user_id = w.user_id
    JOIN beside.presences p ON p.home = w.home AND p.user_id = w.user_id";

const TABLES: [&str; 2] = [
    "CREATE TABLE beside.owners (home bigint NOT NULL, account_id ID NOT NULL, user_id ID NOT NULL,
        PRIMARY KEY (home, account_id))",
    "CREATE TABLE beside.presences (home bigint NOT NULL, user_id ID NOT NULL, last_seen_at bigint,
        sessions bigint NOT NULL, received_at bigint, sent_at bigint, PRIMARY KEY (home, user_id))",
];

impl Beside {
    /// Makes the tables and fills them.
    pub async fn fill(at: &str, config: &Path, all: &[Owned]) -> Result<()> {
        let mut beside = Self::open(at, config).await?;
        let homes = beside.homes().await?;
        let home =
            |owned: &Owned| homes[&Home::Organization(organization_id(owned.organization)).to_string()];
        match &mut beside {
            Self::Postgres(connection) => {
                connection.execute("CREATE SCHEMA beside").await?;
                for table in TABLES {
                    QueryBuilder::<Postgres>::new(table.replace("ID", "uuid"))
                        .build()
                        .execute(&mut *connection)
                        .await?;
                }
                for chunk in all.chunks(CHUNK) {
                    let mut owners = QueryBuilder::<Postgres>::new("INSERT INTO beside.owners ");
                    owners.push_values(chunk, |mut row, it| {
                        row.push_bind(home(it)).push_bind(it.account).push_bind(it.presence.user.uuid());
                    });
                    owners.build().execute(&mut *connection).await?;
                    let mut seen = QueryBuilder::<Postgres>::new("INSERT INTO beside.presences ");
                    seen.push_values(chunk, |mut row, it| {
                        let p = &it.presence;
                        row.push_bind(home(it)).push_bind(p.user.uuid());
                        row.push_bind(p.last_seen_at.map(Timestamp::micros)).push_bind(p.sessions);
                        row.push_bind(p.last_message_received_at.map(Timestamp::micros));
                        row.push_bind(p.last_message_sent_at.map(Timestamp::micros));
                    });
                    seen.build().execute(&mut *connection).await?;
                }
                connection.execute("VACUUM ANALYZE").await?;
            }
            Self::Sqlite(connection) => {
                for table in TABLES {
                    QueryBuilder::<Sqlite>::new(table.replace("ID", "blob"))
                        .build()
                        .execute(&mut *connection)
                        .await?;
                }
                connection.execute("BEGIN").await?;
                for chunk in all.chunks(CHUNK) {
                    let mut owners = QueryBuilder::<Sqlite>::new("INSERT INTO beside.owners ");
                    owners.push_values(chunk, |mut row, it| {
                        row.push_bind(home(it)).push_bind(it.account).push_bind(it.presence.user.uuid());
                    });
                    owners.build().execute(&mut *connection).await?;
                    let mut seen = QueryBuilder::<Sqlite>::new("INSERT INTO beside.presences ");
                    seen.push_values(chunk, |mut row, it| {
                        let p = &it.presence;
                        row.push_bind(home(it)).push_bind(p.user.uuid());
                        row.push_bind(p.last_seen_at.map(Timestamp::micros)).push_bind(p.sessions);
                        row.push_bind(p.last_message_received_at.map(Timestamp::micros));
                        row.push_bind(p.last_message_sent_at.map(Timestamp::micros));
                    });
                    seen.build().execute(&mut *connection).await?;
                }
                connection.execute("COMMIT").await?;
            }
        }
        Ok(())
    }

    /// Connects to a database by its address, or opens a file with another for the tables, in the folder of the
    /// configuration.
    pub async fn open(at: &str, config: &Path) -> Result<Self> {
        if at.starts_with("postgres://") {
            return Ok(Self::Postgres(PgConnection::connect(at).await?));
        }
        let mut connection =
            SqliteConnectOptions::new().filename(at).create_if_missing(true).connect().await?;
        let file = config.with_file_name("beside.db");
        sqlx::query("ATTACH ? AS beside").bind(file.display().to_string()).execute(&mut connection).await?;
        Ok(Self::Sqlite(connection))
    }

    async fn homes(&mut self) -> Result<std::collections::HashMap<String, i64>> {
        const HOMES: &str = "SELECT name, home FROM homes WHERE name LIKE 'organization:%'";
        let all: Vec<(String, i64)> = match self {
            Self::Postgres(connection) => sqlx::query_as(HOMES).fetch_all(connection).await?,
            Self::Sqlite(connection) => sqlx::query_as(HOMES).fetch_all(connection).await?,
        };
        Ok(all.into_iter().collect())
    }

    /// The accounts of the first page whose owners were last seen before an instant.
    pub async fn page(&mut self, before: Timestamp, limit: i64) -> Result<Vec<String>> {
        match self {
            Self::Postgres(connection) => {
                let text = format!(
                    "SELECT {COLUMNS} WHERE a.traits::jsonb ->> 'plan' = 'pro' AND p.last_seen_at < $1
                     ORDER BY p.last_seen_at, a.id LIMIT $2"
                );
                let mut page = QueryBuilder::<Postgres>::new(text);
                let page = page.build().bind(before.micros()).bind(limit);
                let rows = page.fetch_all(connection).await?;
                Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
            }
            Self::Sqlite(connection) => {
                let text = format!(
                    "SELECT {COLUMNS} WHERE a.traits ->> '$.plan' = 'pro' AND p.last_seen_at < ?
                     ORDER BY p.last_seen_at, a.id LIMIT ?"
                );
                let mut page = QueryBuilder::<Sqlite>::new(text);
                let page = page.build().bind(before.micros()).bind(limit);
                let rows = page.fetch_all(connection).await?;
                Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
            }
        }
    }
}
