//! Organizations.

mod close;
mod create;
mod seats;
mod update;

pub use close::CloseOrganization;
pub use create::{CreateOrganization, FirstAccount};
pub use seats::SetSeats;
pub use update::{OrganizationPatch, UpdateOrganization};
