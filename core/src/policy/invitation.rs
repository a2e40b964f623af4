//! How long invitations live (rule I1), and what becomes of them when whoever invited has left (rule I6).

use std::fmt;

use crate::refusal::Refusal;

/// Judges invitations.
pub trait InvitationPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether an invitation may live so many seconds; `field` says where that was asked for.
    fn check_life(&self, seconds: u32, field: &'static str) -> Result<(), Refusal>;

    /// What an invitation answers whose inviter is here no more.
    fn inviter_left(&self) -> Refusal;

    /// What an invitation answers whose inviter may not grant it any more.
    fn inviter_lowered(&self) -> Refusal;
}

/// From an hour, or what the operator set, to 90 days; dead without the inviter.
#[derive(Debug)]
pub struct BuiltInInvitations {
    /// The shortest life, in seconds.
    pub shortest: u32,
}

impl BuiltInInvitations {
    /// The longest life that there may be, in seconds: 90 days.
    pub const LONGEST: u32 = 90 * 86_400;
}

impl Default for BuiltInInvitations {
    fn default() -> Self {
        Self { shortest: 3_600 }
    }
}

impl InvitationPolicy for BuiltInInvitations {
    fn check_life(&self, seconds: u32, field: &'static str) -> Result<(), Refusal> {
        let longest = Self::LONGEST;
        if (self.shortest..=longest).contains(&seconds) {
            return Ok(());
        }
        Err(Refusal::invalid(field, format!("must lie between {} and {longest} seconds", self.shortest)))
    }

    fn inviter_left(&self) -> Refusal {
        Refusal::InvitationRevoked
    }

    fn inviter_lowered(&self) -> Refusal {
        Refusal::InviterCannotGrant
    }
}
