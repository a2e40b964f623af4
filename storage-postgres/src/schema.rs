//! The migrations, apart from everything else: `examples/prepare_postgres.rs` applies them before any query can be checked.

/// What turns an empty database into Roster's, in order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The number of the last migration.
pub fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}
