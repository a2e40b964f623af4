//! Reads that every front end shares: who may see what is decided here, once.

mod account;
mod activity;
mod audit;
mod document;
mod event;
mod export;
mod feed;
mod invitation;
mod job;
mod key;
mod leaving;
mod member;
mod organization;
mod post;
mod record;
mod role;
mod session;
mod source;
mod user;
mod view;
mod webhook;

pub use account::{account, account_id, accounts};
pub use activity::{ActivityAsk, ActivityKey, ActivityRow, activity};
pub use audit::{
    Action, ActorRef, AuditAsk, AuditPage, AuditPosition, AuditRow, audit_filter, deployment_audit,
    organization_audit,
};
pub(crate) use document::documents;
pub use event::{Event, EventPage, EventPlace, EventSource, events, events_end, require_events};
pub(crate) use event::{event_at, events_behind};
pub use export::{
    ExportedOrganization, JobItem, Message, Piece, Section, WaitingLetter, export, exported_user,
};
pub(crate) use feed::last_entry;
pub use invitation::{InvitationPreview, invitation, invitation_link, invitation_preview, invitations};
pub use job::{job_results, jobs};
pub(crate) use key::as_they_stand;
pub use key::{SeenKey, api_key, api_keys, last_used_at, operator_keys};
pub use leaving::{LeavingPlan, leaving_plan};
pub use member::{
    AccountMember, MemberFilter, SeenMember, account_members, member, members, members_by_last_seen,
};
pub(crate) use organization::somewhere;
pub use organization::{
    OrganizationShown, SeatsShown, organization, organization_acted_on, organizations, require_roles,
    require_visible, seats, transfer, visible_standing,
};
pub use record::{record, records};
pub use role::{role, roles};
pub use session::sessions;
pub use source::{require_customers, require_default_role, source, sources};
pub(crate) use user::pointers;
pub use user::{Me, MembershipShown, UserAccount, account_of_user, me, user, user_accounts, users};
pub use view::{alerts, indicator, indicators, view, views};
pub(crate) use webhook::{defined, deliveries_behind, lines_of, made_by, organization_of, surplus};
pub use webhook::{deliveries, redeliverable, webhook, webhooks};

use crate::id::Version;
use crate::listing::Position;

/// A record with its version, which is its `ETag`.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown<T> {
    /// The record.
    pub value: T,
    /// Its version.
    pub version: Version,
}

/// A page of rows with the place where the next begins.
#[derive(Clone, PartialEq, Debug)]
pub struct Rows<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Behind this the next page begins; none at the end.
    pub next: Option<Position>,
}
