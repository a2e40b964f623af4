//! Who owns an organization.

mod answer;
mod transfer;

pub(crate) use answer::Ground;
pub use answer::{AnswerOffer, OfferAnswer};
pub use transfer::TransferOwnership;
pub(crate) use transfer::{handed_over, tenure, told};
