//! Answering an offer of ownership: whoever accepts may have been removed from everything meanwhile.

use super::find_user;
use super::transfer_ownership::posting;
use crate::facts::Request;
use crate::home::{Home, Key, Record};
use crate::id::{OrganizationId, TransferId};
use crate::model::{Transfer, UserStatus};
use crate::op::{Done, Roster, Seal, run_sealed};
use crate::ops::ownership::{AnswerOffer, OfferAnswer};
use crate::reference::UserRef;
use crate::refusal::OpError;

/// Answers an offer (rule O4).
pub async fn answer_offer(
    roster: &Roster,
    request: &Request,
    organization: OrganizationId,
    transfer: TransferId,
    answer: OfferAnswer,
    seal: Option<Seal<'_, Transfer>>,
) -> Result<Done<Transfer>, OpError> {
    let (home, key) = (Home::Organization(organization), Key::Transfer(transfer));
    let mut read = roster.store.read(&home, std::slice::from_ref(&key), &[]).await?;
    let (cuts, available, owner_available) = match read.records.remove(&key).map(|stored| stored.record) {
        Some(Record::Transfer(transfer)) => {
            let owner = find_user(roster, &UserRef::Id(transfer.from)).await?;
            let to = find_user(roster, &UserRef::Id(transfer.to)).await?;
            (to.cuts, to.status == UserStatus::Active, owner.status == UserStatus::Active)
        }
        Some(_) | None => (0, true, true),
    };
    let mut operation =
        AnswerOffer { organization, transfer, answer, cuts, available, owner_available, mail: None };
    if answer == OfferAnswer::Accept {
        operation.mail = posting(roster, request, &operation).await?;
    }
    let outcome = run_sealed(roster, request, &operation, seal).await;
    roster.post.wake.notify_one();
    outcome
}
