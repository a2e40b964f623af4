//! Invitations: how people are asked in, and what they answer (rules I1 to I9).

mod accept;
mod create;
mod decline;
mod resend;
mod revoke;
mod scene;
mod update;

pub use accept::AcceptInvitation;
pub use create::{CreateInvitations, InviteAsk, InviteOutcome, ROWS};
pub use decline::DeclineInvitation;
pub use resend::ResendInvitation;
pub use revoke::RevokeInvitation;
pub use update::{InvitationPatch, UpdateInvitation};

use serde_json::{Value, json};

use crate::model::{Invitation, MemberStatus};
use crate::refusal::Refusal;

/// What the log says of an invitation. The address is nobody's yet whom the log could forget, so it is left out.
fn fields(invitation: &Invitation) -> Value {
    json!({
        "access": invitation.access, "holds_seat": invitation.holds_seat, "expires_at": invitation.expires_at,
        "invited_by": invitation.invited_by,
    })
}

/// Refuses to invite somebody who is in, or in for the way back (rule I7).
fn is_not_in(status: Option<MemberStatus>) -> Result<(), Refusal> {
    match status {
        Some(MemberStatus::Active) => Err(Refusal::AlreadyMember),
        Some(MemberStatus::Deactivated) => Err(Refusal::MemberDeactivated),
        Some(MemberStatus::Former) | None => Ok(()),
    }
}
