//! Who owns an organization.

mod transfer;

pub use transfer::TransferOwnership;
