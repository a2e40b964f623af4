//! A role of an organization's own (rule P2).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::RoleId;
use crate::permission::{Permission, RoleRef};
use crate::text::Name;
use crate::time::Timestamp;

/// The most permissions that one role holds.
pub const MAX_PERMISSIONS: usize = 500;

/// A named set of permissions: Roster's own and the vendor's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// What people call it.
    pub name: Name,
    /// What it holds.
    pub permissions: BTreeSet<Permission>,
    /// Deleted: whoever still holds it holds this one instead, at once.
    pub replaced_by: Option<RoleRef>,
    /// When it was made.
    pub created_at: Timestamp,
}
