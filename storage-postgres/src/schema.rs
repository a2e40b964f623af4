//! The migrations, apart from everything else: `examples/prepare.rs` applies them before any query can be checked.

/// What turns an empty database into Roster's, in order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();
