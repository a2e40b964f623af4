//! Organizations.

mod by_source;
mod close;
mod create;
mod seats;
mod update;

pub use by_source::SetOrganizationBySource;
pub use close::CloseOrganization;
pub use create::{CreateOrganization, FirstAccount, Told};
pub use seats::SetSeats;
pub use update::{OrganizationPatch, UpdateOrganization};
