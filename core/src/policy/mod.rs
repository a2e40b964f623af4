//! Rules that a vendor can exchange: a trait and the built-in beside it. Synchronous and pure.

mod access;
mod invitation;
mod ownership;
mod roles;
mod seats;

pub use access::{AccessPolicy, BuiltInAccess, Reach, Standing};
pub use invitation::{BuiltInInvitations, InvitationPolicy};
pub use ownership::{BuiltInOwnership, OwnershipPolicy};
pub use roles::{Roles, custom_roles};
pub use seats::{BuiltInSeats, SeatPolicy};

/// The rules in force.
#[derive(Debug)]
pub struct Policies {
    /// Who may do what to whom.
    pub access: Box<dyn AccessPolicy>,
    /// How many seats there are.
    pub seats: Box<dyn SeatPolicy>,
    /// Who may hand over an organization.
    pub ownership: Box<dyn OwnershipPolicy>,
    /// How long invitations live, and what becomes of them.
    pub invitations: Box<dyn InvitationPolicy>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            access: Box::new(BuiltInAccess),
            seats: Box::new(BuiltInSeats),
            ownership: Box::new(BuiltInOwnership::default()),
            invitations: Box::new(BuiltInInvitations::default()),
        }
    }
}
