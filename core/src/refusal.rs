//! Why an act was refused. Nothing has changed when one is returned.

use std::fmt;

use crate::home::Tally;
use crate::model::BadTraits;
use crate::permission::RoleRef;
use crate::store::{StoreError, StoreErrorKind};

/// A field of the request that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or `#name` for a query or path parameter.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// A refusal. [`Refusal::code`] is part of the API contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No credentials, or dead ones.
    Unauthenticated,
    /// The address and the password do not open anything.
    InvalidCredentials,
    /// Only a later sign-in will do (rule M7, and acts that need a fresh one).
    ReauthenticationRequired,
    /// It does not exist, or not for this actor.
    NotFound,
    /// A permission is missing.
    Forbidden(&'static str),
    /// Granting or managing needs every permission concerned.
    CannotGrantUnheld,
    /// Ownership moves by transfer only (rule O6).
    OwnerByTransferOnly,
    /// The request cannot be used as it stands.
    Invalid(Vec<FieldError>),
    /// `confirm: true` is missing.
    ConfirmationRequired,
    /// The idempotency key was used with another request.
    IdempotencyMismatch,
    /// `If-Match` names another version.
    PreconditionFailed,
    /// Access comes from the organization (rule M3).
    ImplicitAccess(RoleRef),
    /// The owner is protected (rule O2).
    OwnerMustTransfer,
    /// Another transfer came first (rule O5).
    OwnerChanged,
    /// The target of a transfer is not an active member.
    TargetNotActive,
    /// All seats are taken (rule S1).
    NoSeat,
    /// Fewer seats than are in use (rule S3).
    SeatsInUse,
    /// The person is an active member already.
    AlreadyMember,
    /// The person is deactivated; reactivate instead.
    MemberDeactivated,
    /// A live person bears the address.
    EmailExists,
    /// The external id is taken, for good.
    ExternalIdExists,
    /// An external id never changes.
    ExternalIdImmutable,
    /// The slug asked for is taken.
    SlugExists,
    /// Several accounts bear this external id.
    AmbiguousExternalId,
    /// An organization keeps one account.
    LastAccount,
    /// The organization is closed (rule O7).
    OrganizationClosed,
    /// The account is archived.
    AccountGone,
    /// What the cursor leads to is not kept any more.
    CursorExpired,
    /// The role is named by these (rule P2).
    RoleInUse(RoleUses),
    /// A system role cannot be edited or deleted (rule P1).
    SystemRole,
    /// The name of a system role.
    RoleNameTaken,
    /// The link of an invitation was used.
    InvitationUsed,
    /// The life of an invitation is over.
    InvitationExpired,
    /// An invitation was taken back, its link replaced, or its inviter has left.
    InvitationRevoked,
    /// The invitation is for another address (rule I3).
    WrongRecipient,
    /// The address has a pending invitation already.
    InvitationExists,
    /// Only a pending invitation can be changed so (rule I4).
    InvitationNotPending,
    /// Who stands for the invitation may not grant it any more (rule I6).
    InviterCannotGrant,
    /// A role is there no more.
    RoleGone,
    /// An account owner must be in the account (rule T3).
    NotInAccount,
    /// A leaving plan is not what it was when it was read (rule L6).
    PlanChanged,
    /// An offer of ownership holds no more (rule O4).
    OfferExpired,
    /// Five tries lost against others.
    Conflict,
    /// The job has ended.
    JobFinished,
    /// The link of a reset, or of a change of address, was used.
    ResetUsed,
    /// Such a link's life is over, or another has taken its place.
    ResetExpired,
    /// There is nothing to send mail by (rule L8).
    MailNotConfigured,
    /// Too many tries; the next after so many seconds.
    RateLimited(u32),
}

/// How often a role is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RoleUses {
    /// By active members.
    pub members: i64,
    /// By pending invitations.
    pub invitations: i64,
    /// By keys.
    pub api_keys: i64,
    /// By roles that it replaces.
    pub replacements: i64,
}

/// What kind of refusal; the API maps kinds to statuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// 401
    Unauthenticated,
    /// 404
    NotFound,
    /// 403
    Forbidden,
    /// 422
    Invalid,
    /// 412
    Precondition,
    /// 410
    Gone,
    /// 409
    Conflict,
    /// 429
    Limited,
}

impl From<BadTraits> for Refusal {
    fn from(bad: BadTraits) -> Self {
        Self::invalid("/traits", bad.to_string())
    }
}

impl Refusal {
    /// One field that cannot be used.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// A missing permission.
    pub fn lacks(permission: &'static str) -> Self {
        Self::Forbidden(permission)
    }

    /// The refusal of a tally that would leave its range.
    pub fn out_of_bounds(tally: Tally) -> Self {
        match tally {
            Tally::Seats => Self::NoSeat,
            Tally::ActiveAccounts => Self::LastAccount,
            Tally::Uses(..) => Self::RoleInUse(RoleUses::default()),
            Tally::Holdings(..) | Tally::Invitations(_) => Self::Conflict,
        }
    }

    /// The stable code of the API contract.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidCredentials => "invalid_credentials",
            Self::ReauthenticationRequired => "reauthentication_required",
            Self::NotFound => "not_found",
            Self::Forbidden(_) | Self::SystemRole => "forbidden",
            Self::CannotGrantUnheld => "cannot_grant_unheld",
            Self::OwnerByTransferOnly => "owner_by_transfer_only",
            Self::Invalid(_) => "invalid",
            Self::ConfirmationRequired => "confirmation_required",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::PreconditionFailed => "precondition_failed",
            Self::ImplicitAccess(_) => "implicit_access",
            Self::OwnerMustTransfer => "owner_must_transfer",
            Self::OwnerChanged => "owner_changed",
            Self::TargetNotActive => "target_not_active",
            Self::NoSeat => "no_seat",
            Self::SeatsInUse => "seats_in_use",
            Self::AlreadyMember => "already_member",
            Self::MemberDeactivated => "member_deactivated",
            Self::EmailExists => "email_exists",
            Self::ExternalIdExists => "external_id_exists",
            Self::ExternalIdImmutable => "external_id_immutable",
            Self::SlugExists => "slug_exists",
            Self::AmbiguousExternalId => "ambiguous_external_id",
            Self::LastAccount => "last_account",
            Self::OrganizationClosed => "organization_closed",
            Self::AccountGone => "account_gone",
            Self::CursorExpired => "cursor_expired",
            Self::RoleInUse(_) => "role_in_use",
            Self::InvitationUsed => "invitation_used",
            Self::InvitationExpired => "invitation_expired",
            Self::InvitationRevoked => "invitation_revoked",
            Self::WrongRecipient => "wrong_recipient",
            Self::InvitationExists => "invitation_exists",
            Self::InvitationNotPending => "invitation_not_pending",
            Self::InviterCannotGrant => "inviter_cannot_grant",
            Self::RoleGone => "role_gone",
            Self::RoleNameTaken | Self::Conflict => "conflict",
            Self::NotInAccount => "not_in_account",
            Self::PlanChanged => "plan_changed",
            Self::OfferExpired => "offer_expired",
            Self::JobFinished => "job_finished",
            Self::ResetUsed => "reset_used",
            Self::ResetExpired => "reset_expired",
            Self::MailNotConfigured => "mail_not_configured",
            Self::RateLimited(_) => "rate_limited",
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> RefusalKind {
        match self {
            Self::Unauthenticated | Self::InvalidCredentials | Self::ReauthenticationRequired => {
                RefusalKind::Unauthenticated
            }
            Self::NotFound => RefusalKind::NotFound,
            Self::RateLimited(_) => RefusalKind::Limited,
            Self::CursorExpired
            | Self::InvitationUsed
            | Self::InvitationExpired
            | Self::InvitationRevoked
            | Self::OfferExpired
            | Self::ResetUsed
            | Self::ResetExpired => RefusalKind::Gone,
            Self::Forbidden(_)
            | Self::CannotGrantUnheld
            | Self::OwnerByTransferOnly
            | Self::SystemRole
            | Self::WrongRecipient => RefusalKind::Forbidden,
            Self::Invalid(_) | Self::ConfirmationRequired | Self::IdempotencyMismatch => RefusalKind::Invalid,
            Self::PreconditionFailed => RefusalKind::Precondition,
            Self::ImplicitAccess(_)
            | Self::OwnerMustTransfer
            | Self::OwnerChanged
            | Self::TargetNotActive
            | Self::NoSeat
            | Self::SeatsInUse
            | Self::AlreadyMember
            | Self::MemberDeactivated
            | Self::EmailExists
            | Self::ExternalIdExists
            | Self::ExternalIdImmutable
            | Self::SlugExists
            | Self::AmbiguousExternalId
            | Self::LastAccount
            | Self::OrganizationClosed
            | Self::AccountGone
            | Self::RoleInUse(_)
            | Self::RoleNameTaken
            | Self::InvitationExists
            | Self::InvitationNotPending
            | Self::InviterCannotGrant
            | Self::RoleGone
            | Self::NotInAccount
            | Self::PlanChanged
            | Self::Conflict
            | Self::JobFinished
            | Self::MailNotConfigured => RefusalKind::Conflict,
        }
    }
}

/// What to do about it, in a sentence or two for the person who asked.
impl fmt::Display for Refusal {
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Unauthenticated => {
                "No valid credentials: send `Authorization: Bearer SECRET` with a live key."
            }
            Self::InvalidCredentials => "The address or the password is wrong, or they open nothing.",
            Self::ReauthenticationRequired => {
                "Sign in again: this needs a sign-in later than the one you have."
            }
            Self::NotFound => "There is no such thing here, or you cannot see it.",
            Self::Forbidden("operator") => {
                "This is for operators of the deployment: use an operator key, or the command line."
            }
            Self::Forbidden(permission) => {
                return write!(
                    f,
                    "This needs the permission `{permission}` where you act; ask an administrator for it."
                );
            }
            Self::CannotGrantUnheld => {
                "You can only grant, or manage people who hold, what you hold yourself."
            }
            Self::OwnerByTransferOnly => {
                "The owner's role cannot be granted; transfer the ownership instead."
            }
            Self::Invalid(errors) => {
                return match errors.as_slice() {
                    [one] if one.pointer.is_empty() => f.write_str(&one.detail),
                    [one] => write!(f, "{}: {}", one.pointer, one.detail),
                    many => write!(f, "{} fields cannot be used; see `errors`.", many.len()),
                };
            }
            Self::ConfirmationRequired => "This cannot be undone: send `confirm: true` to go on.",
            Self::IdempotencyMismatch => "This Idempotency-Key was used with another request; use a new key.",
            Self::PreconditionFailed => "It has changed since you read it; read it again and decide afresh.",
            Self::ImplicitAccess(role) => {
                return write!(
                    f,
                    "The access comes from the organization (role `{role}`), not from this account: remove the member \
                     from the organization, or replace their access by roles on named accounts."
                );
            }
            Self::OwnerMustTransfer => "The owner is protected; transfer the ownership first.",
            Self::OwnerChanged => "Another transfer came first; read the organization and decide afresh.",
            Self::TargetNotActive => "This takes an active member; add or reactivate the person first.",
            Self::NoSeat => "All purchased seats are in use; free one or purchase more.",
            Self::SeatsInUse => "More seats are in use than that; remove members first.",
            Self::AlreadyMember => "This person is an active member already; change their access instead.",
            Self::MemberDeactivated => "This person is deactivated; reactivate them instead.",
            Self::EmailExists => "Another user has this e-mail address.",
            Self::ExternalIdExists => {
                "This external id belongs to another, for good; external ids are never reused."
            }
            Self::ExternalIdImmutable => "An external id never changes once it is set.",
            Self::SlugExists => "This slug is taken; choose another, or leave it out to have one made.",
            Self::AmbiguousExternalId => {
                "Several accounts bear this external id; name the account by its `acc_` id."
            }
            Self::LastAccount => "An organization keeps at least one active account.",
            Self::OrganizationClosed => "The organization is closed.",
            Self::AccountGone => "The account is archived; bring it back first.",
            Self::CursorExpired => {
                "What this cursor leads to is not kept any more: begin again with `after=0`, and read afresh what you keep."
            }
            Self::RoleInUse(uses) => {
                let RoleUses { members, invitations, api_keys, replacements } = uses;
                return write!(
                    f,
                    "The role is in use: by {members} members, {invitations} invitations and {api_keys} keys, and in \
                     the place of {replacements} roles. Name another to take its place with `replace_with`."
                );
            }
            Self::SystemRole => {
                "Owner, admin, member and viewer cannot be changed or deleted; make a role of your own."
            }
            Self::RoleNameTaken => "This is the name of a system role; choose another.",
            Self::JobFinished => "The job has ended; there is nothing left to stop.",
            Self::RateLimited(seconds) => {
                return write!(f, "Too many tries; try again in {seconds} seconds.");
            }
            Self::ResetUsed => "This link was used already; ask for a new one if you still need it.",
            Self::ResetExpired => "This link holds no more; ask for a new one.",
            Self::MailNotConfigured => {
                "No mail can be sent here; an operator can print the link, or set up `[mail]`."
            }
            Self::InvitationUsed => "This invitation was used already.",
            Self::InvitationExpired => "This invitation has expired; ask for a new one.",
            Self::InvitationRevoked => "This invitation holds no more; ask for a new one.",
            Self::WrongRecipient => "This invitation is for another address; sign in with that one.",
            Self::InvitationExists => {
                "This address has a pending invitation already; resend or change that one."
            }
            Self::InvitationNotPending => "This invitation is not pending any more; make a new one.",
            Self::InviterCannotGrant => {
                "Whoever invited may not grant this any more; somebody who may has to resend the invitation."
            }
            Self::RoleGone => "A role of this invitation is there no more; ask for a new one.",
            Self::NotInAccount => {
                "An account owner is an active member with access to the account; give them access first."
            }
            Self::PlanChanged => {
                "Something has changed since you read the plan; read it again and decide afresh."
            }
            Self::OfferExpired => "This offer holds no more; ask for a new one.",
            Self::Conflict => "Others kept changing the same things; try again.",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Refusal {}

/// Why an operation has no output.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum OpError {
    /// Refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A pointer to something that is being made elsewhere; nothing changed, try again.
    #[error("somebody else is at it; try again")]
    Busy,
    /// The job that this is done for was taken over or is to stop; nothing changed.
    #[error("the job was taken over, or is to stop")]
    Lost,
    /// The same request was answered before; this is the sealed answer.
    #[error("answered before")]
    Replay(Vec<u8>),
}

impl OpError {
    /// The code in the API contract.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Store(error) => error.kind.code(),
            Self::Busy | Self::Lost | Self::Replay(_) => StoreErrorKind::Busy.code(),
        }
    }
}
