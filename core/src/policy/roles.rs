//! What roles of an organization's own hold, as they were read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::RoleId;
use crate::model::{Access, Role};
use crate::permission::{Permission, RoleRef, SystemRole};

/// The custom roles that a decision may speak of. One that is missing holds nothing.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Roles(BTreeMap<RoleId, Arc<Role>>);

/// What a role comes to.
enum Held<'a> {
    System(SystemRole),
    Custom(&'a BTreeSet<Permission>),
}

impl Roles {
    /// Of records.
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self(roles.into_iter().map(|role| (role.id, Arc::new(role))).collect())
    }

    /// The role that stands for one: its replacement where it is being replaced, one hop; nothing where it is gone.
    pub fn effective(&self, role: RoleRef) -> Option<RoleRef> {
        match role {
            RoleRef::System(_) => Some(role),
            RoleRef::Custom(id) => match self.0.get(&id)?.replaced_by {
                None => Some(role),
                Some(RoleRef::Custom(next)) if !self.0.contains_key(&next) => None,
                Some(next) => Some(next),
            },
        }
    }

    /// Whether a role exists and can be given: one that is being replaced cannot.
    pub fn stands(&self, role: RoleRef) -> bool {
        self.effective(role) == Some(role)
    }

    /// Whether a role holds a permission.
    pub fn holds(&self, role: RoleRef, permission: &Permission) -> bool {
        match self.held(role) {
            Some(Held::System(role)) => role.holds(permission),
            Some(Held::Custom(permissions)) => permissions.contains(permission),
            None => false,
        }
    }

    /// Whether everything that `weak` holds is held by `strong` too.
    pub fn covers(&self, strong: RoleRef, weak: RoleRef) -> bool {
        match (self.held(strong), self.held(weak)) {
            (_, None) => true,
            (Some(Held::System(strong)), Some(Held::System(weak))) => strong.covers(weak),
            (Some(Held::System(strong)), Some(Held::Custom(weak))) => weak.iter().all(|it| strong.holds(it)),
            // Owner and admin hold every permission of the vendor's, which no list of permissions can name.
            (None, Some(_))
            | (Some(Held::Custom(_)), Some(Held::System(SystemRole::Owner | SystemRole::Admin))) => false,
            (Some(Held::Custom(strong)), Some(Held::System(weak))) => {
                let own: BTreeSet<&str> = strong.iter().map(Permission::as_str).collect();
                weak.catalogue().all(|it| own.contains(it))
            }
            (Some(Held::Custom(strong)), Some(Held::Custom(weak))) => weak.is_subset(strong),
        }
    }

    /// An access with each role as it stands now: replaced ones by their replacement, gone ones left out.
    pub fn standing_part(&self, access: &Access) -> Access {
        match access {
            Access::Organization(role) => self.effective(*role).map_or(Access::NONE, Access::Organization),
            Access::Accounts(roles) => Access::Accounts(
                roles.iter().filter_map(|(account, role)| Some((*account, self.effective(*role)?))).collect(),
            ),
        }
    }

    fn held(&self, role: RoleRef) -> Option<Held<'_>> {
        match self.effective(role)? {
            RoleRef::System(role) => Some(Held::System(role)),
            RoleRef::Custom(id) => self.0.get(&id).map(|role| Held::Custom(&role.permissions)),
        }
    }
}

/// The custom roles that an access names.
pub fn custom_roles(access: &Access) -> impl Iterator<Item = RoleId> {
    access.roles().into_iter().filter_map(|role| match role {
        RoleRef::System(_) => None,
        RoleRef::Custom(id) => Some(id),
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::time::Timestamp;

    fn role(n: u128, permissions: &[&str], replaced_by: Option<RoleRef>) -> Role {
        Role {
            id: RoleId::from_uuid(Uuid::from_u128(n)),
            name: "Support".parse().unwrap(),
            permissions: permissions.iter().map(|text| text.parse().unwrap()).collect(),
            replaced_by,
            created_at: Timestamp::EPOCH,
        }
    }

    fn named(n: u128) -> RoleRef {
        RoleRef::Custom(RoleId::from_uuid(Uuid::from_u128(n)))
    }

    #[test]
    fn p2_a_replaced_role_is_its_replacement_after_one_hop() {
        let roles = Roles::of([
            role(1, &["deals:export"], Some(named(2))),
            role(2, &["members:read"], None),
            role(3, &["deals:export"], Some(RoleRef::System(SystemRole::Viewer))),
            role(4, &["deals:export"], Some(named(9))),
        ]);
        let holds = |n, text: &str| roles.holds(named(n), &text.parse().unwrap());
        assert!(holds(1, "members:read") && !holds(1, "deals:export"));
        assert!(holds(3, "members:read") && !holds(3, "deals:export"));
        assert!(!holds(4, "deals:export") && !holds(9, "members:read"));
        assert!(roles.stands(named(2)) && !roles.stands(named(1)) && !roles.stands(named(9)));
    }

    #[test]
    fn m11_a_role_covers_what_it_holds_all_of() {
        let viewer = ["organization:read", "accounts:read", "members:read"];
        let all: Vec<&str> = crate::permission::CATALOGUE.to_vec();
        let roles = Roles::of([
            role(1, &viewer, None),
            role(2, &["members:read", "deals:export"], None),
            role(3, &all, None),
        ]);
        let system = RoleRef::System;
        for (strong, weak, covers) in [
            (named(1), system(SystemRole::Viewer), true),
            (named(1), system(SystemRole::Member), false),
            (named(1), named(2), false),
            (named(2), named(1), false),
            (named(3), named(1), true),
            (named(3), named(2), false),
            (named(3), system(SystemRole::Member), true),
            (named(3), system(SystemRole::Admin), false),
            (system(SystemRole::Admin), named(2), true),
            (system(SystemRole::Admin), named(3), false),
            (system(SystemRole::Owner), named(3), true),
            (system(SystemRole::Member), named(2), false),
            (system(SystemRole::Viewer), named(9), true),
        ] {
            assert_eq!(roles.covers(strong, weak), covers, "{strong} {weak}");
        }
    }
}
