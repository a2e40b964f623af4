//! Keys of an organization (rule P3).

mod create;
mod revoke;
mod update;

pub use create::CreateApiKey;
pub use revoke::RevokeApiKey;
pub use update::{ApiKeyPatch, UpdateApiKey};
