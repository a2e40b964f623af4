//! People in an organization: how they come in, what they reach, how they leave.

mod add;
mod by_source;
mod cut;
mod deactivate;
mod delete;
mod erase;
mod grant;
mod leave;
mod reactivate;
mod refresh_card;
mod remove;
mod remove_from_account;
mod replace_access;
mod reset_password;
mod scene;
mod set_role;
mod update;

pub use add::{AddMember, Joining};
pub use by_source::{LinkBySource, Linked, UnlinkBySource};
pub use cut::{CutMember, Swept};
pub use deactivate::DeactivateMember;
pub use delete::DeleteMember;
pub use erase::EraseTraces;
pub use grant::{AccessAsk, AskRead, Granting, find_accounts};
pub(crate) use grant::{custom, known_role, require_on};
pub use leave::LeaveOrganization;
pub use reactivate::ReactivateMember;
pub use refresh_card::RefreshCard;
pub use remove::RemoveMember;
pub use remove_from_account::RemoveFromAccount;
pub use replace_access::{AccessDiff, GrantChange, GrantLine, ReplaceAccess};
pub use reset_password::ResetMemberPassword;
pub use scene::{Scene, SceneRead};
pub use set_role::{RoleSet, SetRole};
pub use update::{MemberPatch, UpdateMember};
