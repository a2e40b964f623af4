//! The deployment's feed.

pub mod append;
pub mod trim;

pub use append::AppendNews;
pub use trim::TrimFeed;
