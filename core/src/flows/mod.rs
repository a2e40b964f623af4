//! Acts that span homes, in the order pointer, thing, tidy; and reads that the front ends share.

mod accept_invitation;
mod add_member;
mod answer_offer;
mod api_key;
mod authenticate;
pub(crate) mod cards;
mod change_email;
mod change_password;
mod check;
mod check_by_key;
mod check_named;
pub(crate) mod claims;
mod create_account;
mod create_organization;
pub(crate) mod create_user;
mod delete_role;
mod end_sessions;
mod erase;
pub mod import;
mod invite;
mod jobs;
mod lagging_owners;
mod lapse_invitations;
mod leave;
mod mail;
mod map_later;
mod map_owner;
mod names;
mod password_reset;
mod receipt;
mod records;
pub(crate) mod refresh;
mod remove_from_account;
mod remove_many;
mod replace_access;
mod resolve;
mod set_post;
mod set_role;
mod shown_link;
mod sign_in;
mod source;
pub(crate) mod sweep;
mod transfer_ownership;
mod update_account;
mod update_member;
mod update_organization;
mod update_user;
mod webhook;

pub use accept_invitation::{
    Accepted, SignUp, accept_by_password, accept_invitation, decline_invitation, invitation_home,
};
pub(crate) use accept_invitation::{read_link, settle as settle_invitation};
pub use add_member::{NewMember, Person, Who, add_member};
pub use answer_offer::answer_offer;
pub use api_key::{revoke_api_key, rotate_api_key, update_api_key};
pub(crate) use authenticate::require_alive;
pub use authenticate::{Caller, Needed, authenticate};
pub use change_email::{ask_email_change, confirm_email_change, look_at_email_change};
pub use change_password::change_password;
pub use check::{CheckAnswer, CheckAsk, CheckOn, CheckReason, RoleSource, check};
pub use check_by_key::check_by_key;
pub use check_named::{Asked, check_named};
pub use create_account::{NewAccount, create_account};
pub(crate) use create_organization::create_organization_of_group;
pub use create_organization::{NewOrganization, create_organization};
pub use create_user::{Found, NewUser, create_user, find_or_create_user};
pub use delete_role::{delete_role, tidy_roles};
pub use end_sessions::end_sessions;
pub use erase::erase_user;
pub use invite::{InvitedRow, invite, invite_many, resend, update_invitation};
pub(crate) use jobs::require_import;
pub(crate) use jobs::store_parts;
pub use jobs::{
    BulkAct, MAX_BULK, begin_account_import, begin_bulk, begin_import, cancel_job, find_job, put_mappings,
    remove_everywhere, replay_letters, shown_job,
};
pub(crate) use lagging_owners::{lagging_owners, map_lagging_owners};
pub(crate) use lapse_invitations::{lapse_invitation, lapse_invitations, lapse_invited};
pub use leave::{Leave, leave_by_plan};
pub(crate) use mail::announce_mail;
pub(crate) use map_owner::{map_again_where_erased, mappings_in, resolve_waiting};
pub use map_owner::{map_owner, shown_mappings};
pub(crate) use names::{all_names, own_names};
pub use password_reset::{
    ask_password_reset, look_at_password_reset, reset_member_password, reset_password, show_password_reset,
};
pub(crate) use password_reset::{mail_password_reset, write_down_reset};
pub(crate) use receipt::write_receipt;
pub use receipt::{begin_receipt, drop_receipt, finish_receipt, was_answered};
pub use records::{Reassign, reassign_records};
pub use remove_from_account::remove_from_account;
pub use remove_many::{RemovalRow, remove_many, require_removal};
pub use replace_access::replace_access;
pub(crate) use resolve::find_living;
pub use resolve::{find_user, resolve_account, resolve_organization, resolve_user};
pub use set_post::set_post;
pub use set_role::set_role;
pub(crate) use shown_link::note_shown_link;
pub use sign_in::{SignedIn, sign_in};
pub use source::{create_source, update_source};
pub use transfer_ownership::transfer_ownership;
pub use update_account::update_account;
pub use update_member::update_member;
pub use update_organization::{close_organization, update_organization};
pub use update_user::update_user;
pub(crate) use webhook::forget_webhook;
pub use webhook::{
    NewWebhook, create_webhook, delete_webhook, redeliver, rotate_webhook_secret, update_webhook,
    webhook_secret,
};
