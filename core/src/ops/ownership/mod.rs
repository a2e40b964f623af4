//! Who owns an organization.

mod answer;
mod transfer;

pub use answer::{AnswerOffer, OfferAnswer};
pub use transfer::TransferOwnership;
pub(crate) use transfer::{handed_over, tenure, told};
