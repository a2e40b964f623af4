//! Answering an offer of ownership, and taking it back (rules O4, O5, M7).

use serde_json::json;

use super::transfer::{handed_over, tenure, told};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember, TheOrganization};
use crate::id::{OrganizationId, TransferId};
use crate::model::{Member, Note, NoteKey, Organization, Transfer, TransferState};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::mail::Posting;
use crate::ops::member::custom;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// What is said to an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfferAnswer {
    /// By whoever is to be the owner: the organization is theirs at once.
    Accept,
    /// By the same: they do not want it.
    Decline,
    /// By the owner: it is taken back.
    Cancel,
}

/// Answers an offer. One that was answered so before stays as it is.
#[derive(Debug)]
pub struct AnswerOffer {
    /// Where.
    pub organization: OrganizationId,
    /// Which.
    pub transfer: TransferId,
    /// What is said.
    pub answer: OfferAnswer,
    /// How often whoever is to be the owner has been removed from everything, as it was read before.
    pub cuts: u32,
    /// Whether whoever offered it was neither suspended nor erased, as it was read before.
    pub owner_available: bool,
    /// The letters that tell both owners, if there are to be any.
    pub mail: Option<Posting>,
}

/// What is there before.
#[derive(Debug)]
pub struct OfferRead {
    visible: Visible,
    transfer: Option<Transfer>,
    from: Option<Member>,
    to: Option<Member>,
    /// Whether the owner has been it ever since the offer.
    unbroken: bool,
}

impl Operation for AnswerOffer {
    type State = OfferRead;
    type Output = Transfer;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Transfer(self.transfer))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<OfferRead, StoreError> {
        let transfer = view.get(&self.transfer).await?;
        let (mut from, mut to) = (None, None);
        if let Some(transfer) = &transfer {
            view.fetch([Key::Member(transfer.from), Key::Member(transfer.to)]).await?;
            view.fetch_roles(custom(&[transfer.previous_owner_role]).collect::<Vec<_>>()).await?;
            from = view.get(&TheMember(transfer.from)).await?;
            to = view.get(&TheMember(transfer.to)).await?;
        }
        view.get(&TheOrganization).await?;
        let tenure = tenure(view).await?;
        let unbroken = match view.get(&NoteKey::Offer(self.transfer)).await? {
            Some(Note::Offer { tenure: offered_in, .. }) => offered_in == tenure,
            // What nothing is noted of was offered before any of this was noted.
            Some(_) | None => tenure.is_none(),
        };
        Ok(OfferRead { visible: view.open_organization().await?, transfer, from, to, unbroken })
    }

    fn decide(&self, read: OfferRead, facts: &Facts) -> Result<Decision<Transfer>, Refusal> {
        let (organization, standing) = read.visible.open()?;
        let transfer = read.transfer.ok_or(Refusal::NotFound)?;
        let speaks_for = match self.answer {
            OfferAnswer::Accept | OfferAnswer::Decline => transfer.to,
            OfferAnswer::Cancel => organization.owner,
        };
        facts.policies.ownership.may_transfer(&facts.actor, speaks_for)?;
        if transfer.state == self.outcome() {
            return self.again(&organization, transfer);
        }
        if transfer.state != TransferState::Pending {
            return Err(Refusal::OfferExpired);
        }
        if self.answer != OfferAnswer::Accept {
            return Ok(self.ended(organization.id, &transfer));
        }
        if organization.owner != transfer.from || !read.unbroken {
            return Err(Refusal::OwnerChanged);
        }
        // What an owner who is suspended has offered, only an operator may give.
        if !self.owner_available && !facts.actor.is_operator() {
            return Err(Refusal::OfferExpired);
        }
        let to = read.to.ok_or(Refusal::TargetNotActive)?.able(self.cuts, facts.now)?;
        let from = read.from.ok_or(Refusal::OwnerChanged)?;
        if to.has_cut(transfer.created_at) || from.has_cut(transfer.created_at) {
            return Err(Refusal::OfferExpired);
        }
        if !standing.roles().stands(transfer.previous_owner_role) {
            return Err(Refusal::RoleGone);
        }
        Ok(told(handed_over(organization, from, to, &transfer), self.mail, facts.now))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.mail.map(|posting| posting.not_after)
    }
}

impl AnswerOffer {
    const fn outcome(&self) -> TransferState {
        match self.answer {
            OfferAnswer::Accept => TransferState::Completed,
            OfferAnswer::Decline => TransferState::Declined,
            OfferAnswer::Cancel => TransferState::Cancelled,
        }
    }

    /// The same answer once more: what was accepted must still be so.
    fn again(&self, organization: &Organization, transfer: Transfer) -> Result<Decision<Transfer>, Refusal> {
        if self.answer == OfferAnswer::Accept && organization.owner != transfer.to {
            return Err(Refusal::OwnerChanged);
        }
        Ok(Decision::unchanged(transfer))
    }

    fn ended(&self, organization: OrganizationId, transfer: &Transfer) -> Decision<Transfer> {
        let before = json!({"transfer": transfer.id, "to": transfer.to, "state": transfer.state});
        let transfer = Transfer { state: self.outcome(), ..transfer.clone() };
        let event = Event {
            user: Some(transfer.to),
            ..Event::new("ownership.offered", "organization", organization)
        }
        .before(before)
        .after(json!({"transfer": transfer.id, "to": transfer.to, "state": transfer.state}));
        Decision::unchanged(transfer.clone()).put(Record::Transfer(transfer)).event(event)
    }
}
