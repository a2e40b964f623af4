//! What is kept: one record a file, with constructors that keep its invariants.

mod access;
mod account;
mod api_key;
mod credential;
pub mod customer;
mod directory;
mod email_change;
mod event_type;
mod feed;
mod holding;
mod invitation;
mod job;
mod mail;
mod member;
mod names;
mod note;
mod operator_key;
mod organization;
mod password_reset;
mod post;
mod receipt;
mod role;
mod session;
mod traits;
mod transfer;
mod user;
mod webhook;

pub use access::{Access, AccessOverLimit, MAX_ACCOUNTS};
pub use account::{Account, AccountStatus};
pub use api_key::{ApiKey, OldSecret};
pub use credential::Credential;
pub use directory::{
    Claim, ClaimName, ClaimTarget, DirectoryEntry, DirectoryId, DirectoryKind, Membership, SHARDS,
};
pub use email_change::{DoneEmailChange, EmailChange};
pub use event_type::{EVENT_TYPES, EventType};
pub use feed::{FeedKey, FeedLine, FeedSpan};
pub use holding::{Holding, HoldingName, HoldingTypes, MAX_SUCCESSIONS, MAX_TYPES, Succession, Successions};
pub use invitation::{Invitation, InvitationStatus, Inviter};
pub use job::{
    Job, JobPart, JobPartId, JobSide, JobStatus, Lease, Made, MalformedPart, Outcome, OutcomeStatus,
    PartContent, Work,
};
pub use mail::{Letter, Mail, MailPointer, OUTBOXES, Sought, Waiting};
pub use member::{Card, Member, MemberStatus};
pub use names::Names;
pub use note::{Note, NoteKey};
pub use operator_key::OperatorKey;
pub use organization::{FormerMembers, Organization, OrganizationStatus, Settings, SettingsPatch};
pub use password_reset::PasswordReset;
pub use post::{HeldPosts, MAX_POSTS, Post, PostName, Posts};
pub use receipt::{Receipt, ReceiptId};
pub use role::{MAX_PERMISSIONS, Role};
pub use session::Session;
pub use traits::{BadTraits, MAX_DEPTH, TraitPatch, Traits, is_too_deep};
pub use transfer::{Transfer, TransferState};
pub use user::{User, UserStatus};
pub use webhook::{
    DeliveredEvent, Delivery, DeliveryError, DeliveryStatus, Disabled, DisabledReason, MAX_DELIVERIES,
    MAX_PENDING, MAX_WEBHOOKS, Pending, Reached, TheDelivery, TheLine, TheWebhook, TheWebhookList,
    WEBHOOK_PARTS, Webhook, WebhookKey, WebhookLine, WebhookList, WebhookRecord, WebhookUrl,
};
