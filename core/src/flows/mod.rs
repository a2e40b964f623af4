//! Acts that span homes, in the order pointer, thing, tidy; and reads that the front ends share.

mod add_member;
mod authenticate;
mod check;
mod check_by_key;
mod check_named;
pub(crate) mod claims;
mod create_account;
mod create_organization;
mod create_user;
mod delete_role;
pub mod import;
mod receipt;
pub(crate) mod refresh;
mod remove_many;
mod resolve;
mod set_role;
mod update_organization;
mod update_user;

pub use add_member::{NewMember, Person, Who, add_member};
pub use authenticate::authenticate;
pub use check::{CheckAnswer, CheckAsk, CheckOn, CheckReason, RoleSource, check};
pub use check_by_key::check_by_key;
pub use check_named::{Asked, check_named};
pub use create_account::{NewAccount, create_account};
pub use create_organization::{NewOrganization, create_organization};
pub use create_user::{Found, NewUser, create_user, find_or_create_user};
pub use delete_role::{delete_role, tidy_roles};
pub use receipt::{begin_receipt, finish_receipt};
pub use remove_many::{RemovalRow, remove_many, require_removal};
pub use resolve::{find_user, resolve_account, resolve_organization, resolve_user};
pub use set_role::set_role;
pub use update_organization::{close_organization, update_organization};
pub use update_user::update_user;
