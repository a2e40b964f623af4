//! Answering an offer of ownership, and taking it back (rules O4, O5, M7).

use serde_json::json;

use super::transfer::{handed_over, tenure, told};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember, TheOrganization};
use crate::id::{OrganizationId, TransferId};
use crate::model::{Member, Note, NoteKey, Organization, OrganizationStatus, Transfer, TransferState};
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
    /// Whether they were neither suspended nor erased, as it was read before.
    pub available: bool,
    /// Whether whoever offered it was neither suspended nor erased, as it was read before.
    pub owner_available: bool,
    /// The letters that tell both owners, if there are to be any.
    pub mail: Option<Posting>,
}

/// What is there before.
#[derive(Debug)]
pub struct OfferRead {
    visible: Visible,
    offer: Option<(Transfer, Ground)>,
}

/// What an offer rests on.
#[derive(Debug)]
pub(crate) struct Ground {
    from: Option<Member>,
    to: Option<Member>,
    /// Whether the owner has been it ever since the offer.
    unbroken: bool,
}

impl Ground {
    /// Reads it.
    pub(crate) async fn load(view: &mut View<'_>, transfer: &Transfer) -> Result<Self, StoreError> {
        view.fetch([Key::Member(transfer.from), Key::Member(transfer.to)]).await?;
        let tenure = tenure(view).await?;
        let unbroken = match view.get(&NoteKey::Offer(transfer.id)).await? {
            Some(Note::Offer { tenure: offered_in, .. }) => offered_in == tenure,
            // What nothing is noted of was offered before any of this was noted.
            Some(_) | None => tenure.is_none(),
        };
        let (from, to) =
            (view.get(&TheMember(transfer.from)).await?, view.get(&TheMember(transfer.to)).await?);
        Ok(Self { from, to, unbroken })
    }

    /// Whether whoever made the offer has been the owner ever since.
    fn is_the_owners(&self, organization: &Organization, transfer: &Transfer) -> bool {
        organization.owner == transfer.from && self.unbroken
    }

    /// Whether nobody will ever accept the offer, though it was not answered (rules O4, O5, M7); for one to whom it is made
    /// who has been removed from everything so often.
    pub(crate) fn is_gone(
        &self,
        organization: &Organization,
        transfer: &Transfer,
        cuts: u32,
        now: Timestamp,
    ) -> bool {
        let (Some(from), Some(to)) = (&self.from, &self.to) else { return true };
        organization.status == OrganizationStatus::Closed
            || !self.is_the_owners(organization, transfer)
            || is_cut(transfer, from, &to.after_cuts(cuts, now))
    }
}

/// Whether either has left since the offer.
fn is_cut(transfer: &Transfer, from: &Member, to: &Member) -> bool {
    to.has_cut(transfer.created_at) || from.has_cut(transfer.created_at)
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
        let offer = match transfer {
            Some(transfer) => {
                view.fetch_roles(custom(&[transfer.previous_owner_role]).collect::<Vec<_>>()).await?;
                let ground = Ground::load(view, &transfer).await?;
                Some((transfer, ground))
            }
            None => None,
        };
        view.get(&TheOrganization).await?;
        Ok(OfferRead { visible: view.open_organization().await?, offer })
    }

    fn decide(&self, read: OfferRead, facts: &Facts) -> Result<Decision<Transfer>, Refusal> {
        let (organization, standing) = read.visible.open()?;
        let (transfer, ground) = read.offer.ok_or(Refusal::NotFound)?;
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
            if ground.is_gone(&organization, &transfer, self.cuts, facts.now) {
                return Err(Refusal::OfferExpired);
            }
            return Ok(self.ended(organization.id, &transfer));
        }
        if !ground.is_the_owners(&organization, &transfer) {
            return Err(Refusal::OwnerChanged);
        }
        // What an owner who is suspended has offered, only an operator may give.
        if !self.owner_available && !facts.actor.is_operator() {
            return Err(Refusal::OfferExpired);
        }
        if !self.available {
            return Err(Refusal::TargetNotActive);
        }
        let to = ground.to.ok_or(Refusal::TargetNotActive)?.able(self.cuts, facts.now)?;
        let from = ground.from.ok_or(Refusal::OwnerChanged)?;
        if is_cut(&transfer, &from, &to) {
            return Err(Refusal::OfferExpired);
        }
        // What has taken the place of a role is given in its place (rule P2).
        let role = standing.roles().effective(transfer.previous_owner_role).ok_or(Refusal::RoleGone)?;
        let transfer = Transfer { previous_owner_role: role, ..transfer };
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
