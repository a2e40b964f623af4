//! Roles of an organization's own (rules P2, M11).

mod create;
mod delete;
mod tidy;
mod update;

pub use create::CreateRole;
pub use delete::DeleteRole;
pub use tidy::{DropRole, RewriteRole};
pub use update::{RolePatch, UpdateRole};

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::model::{MAX_PERMISSIONS, Role};
use crate::permission::{Permission, SystemRole};
use crate::policy::{Reach, Standing};
use crate::refusal::Refusal;
use crate::text::{Name, fold};

/// What the log says of a role.
fn fields(role: &Role) -> Value {
    json!({"name": role.name, "permissions": role.permissions})
}

/// Nobody puts into a role what they do not hold on the whole (rule M11).
fn may_hold<'a>(
    standing: &Standing,
    permissions: impl IntoIterator<Item = &'a Permission>,
) -> Result<(), Refusal> {
    if permissions.into_iter().all(|permission| standing.holds(permission, Reach::Organization)) {
        Ok(())
    } else {
        Err(Refusal::CannotGrantUnheld)
    }
}

/// 422 for more permissions than a role holds.
fn not_too_many(permissions: &BTreeSet<Permission>) -> Result<(), Refusal> {
    if permissions.len() > MAX_PERMISSIONS {
        return Err(Refusal::invalid("/permissions", "a role holds at most 500 permissions"));
    }
    Ok(())
}

/// No role of one's own goes by the name of a system role, however it is written.
fn not_a_system_name(name: &Name) -> Result<(), Refusal> {
    let folded = fold(name.as_str().trim());
    if SystemRole::ALL.iter().any(|role| role.name() == folded) {
        Err(Refusal::RoleNameTaken)
    } else {
        Ok(())
    }
}
