//! The migrations, apart from everything else: `examples/prepare_sqlite.rs` applies them before any query can be checked.

/// What turns an empty database into Roster's, in order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// What `PRAGMA application_id` says in a database of Roster's: the bytes `Rost`.
pub const APPLICATION_ID: i64 = 0x526f_7374;

/// The number of the last migration.
pub fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}
