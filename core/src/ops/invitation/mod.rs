//! Invitations: how people are asked in, and what they answer (rules I1 to I9).

mod accept;
mod create;
mod decline;
mod hold;
mod lapse;
mod overtake;
mod resend;
mod revoke;
mod scene;
mod show_link;
mod update;

pub use accept::AcceptInvitation;
pub use create::{CreateInvitations, InviteAsk, InviteOutcome, ROWS};
pub use decline::DeclineInvitation;
pub use hold::{FreeSeats, HoldSeats};
pub(crate) use lapse::{LapseInvitations, let_go};
pub(crate) use overtake::{load_pending, overtaken};
pub use resend::ResendInvitation;
pub use revoke::RevokeInvitation;
pub use scene::InviterHead;
pub(crate) use scene::InviterRead;
pub(crate) use show_link::NoteShownLink;
pub use update::{InvitationPatch, UpdateInvitation};

use serde_json::{Value, json};

use crate::model::{Invitation, Member, MemberStatus};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// What the log says of an invitation. The address is nobody's yet whom the log could forget, so it is left out.
fn fields(invitation: &Invitation) -> Value {
    json!({
        "access": invitation.access, "holds_seat": invitation.holds_seat, "expires_at": invitation.expires_at,
        "invited_by": invitation.invited_by,
    })
}

/// Refuses to invite somebody who is in, or in for the way back (rule I7), and who has been removed from everything so
/// often; in conflict where that has happened once more meanwhile.
fn is_not_in(member: Option<&Member>, cuts: u32, now: Timestamp) -> Result<(), Refusal> {
    if member.is_some_and(|member| member.epoch > cuts) {
        return Err(Refusal::Conflict);
    }
    match member.map(|member| member.after_cuts(cuts, now).status) {
        Some(MemberStatus::Active) => Err(Refusal::AlreadyMember),
        Some(MemberStatus::Deactivated) => Err(Refusal::MemberDeactivated),
        Some(MemberStatus::Former) | None => Ok(()),
    }
}
