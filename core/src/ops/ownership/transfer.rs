//! Handing an organization to another member (rules O1, O3, O4, O5, O6, S1).

use std::sync::OnceLock;

use serde_json::json;

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheMember};
use crate::id::{OrganizationId, TransferId, UserId};
use crate::model::{Access, Letter, Mail, Member, Note, NoteKey, Organization, Transfer, TransferState};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::mail::Posting;
use crate::ops::member::{custom, known_role};
use crate::permission::RoleRef;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// Makes another active member the owner; the owner before stays, as `previous_owner_role`.
#[derive(Debug)]
pub struct TransferOwnership {
    /// Which organization.
    pub organization: OrganizationId,
    /// To whom.
    pub to: UserId,
    /// What the owner before becomes, organization-wide.
    pub previous_owner_role: RoleRef,
    /// Whether it is an offer only, which the member accepts or not.
    pub require_acceptance: bool,
    /// How often the member has been removed from everything, as it was read before.
    pub cuts: u32,
    /// Whether the member is not suspended, as it was read before.
    pub available: bool,
    /// The letters that tell both owners, if there are to be any.
    pub mail: Option<Posting>,
    seen_owner: OnceLock<UserId>,
}

/// What is there before.
#[derive(Debug)]
pub struct TransferRead {
    visible: Visible,
    target: Option<Member>,
    from: Option<Member>,
    first_owner: Option<UserId>,
    tenure: Option<TransferId>,
}

impl TransferOwnership {
    /// A transfer that keeps to the owner it reads first (rule O5).
    pub const fn new(
        organization: OrganizationId,
        (to, cuts): (UserId, u32),
        previous_owner_role: RoleRef,
    ) -> Self {
        let seen_owner = OnceLock::new();
        Self {
            organization,
            to,
            previous_owner_role,
            require_acceptance: false,
            cuts,
            available: true,
            mail: None,
            seen_owner,
        }
    }

    /// The same as an offer.
    #[must_use]
    pub fn offered(self, require_acceptance: bool) -> Self {
        Self { require_acceptance, ..self }
    }
}

impl Operation for TransferOwnership {
    type State = TransferRead;
    type Output = Transfer;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<TransferRead, StoreError> {
        view.fetch_roles(custom(&[self.previous_owner_role]).collect::<Vec<_>>()).await?;
        let visible = view.open_organization().await?;
        let target = view.get(&TheMember(self.to)).await?;
        let owner = view.get(&crate::home::TheOrganization).await?.map(|organization| organization.owner);
        let from = match owner {
            Some(owner) => view.get(&TheMember(owner)).await?,
            None => None,
        };
        let tenure = tenure(view).await?;
        let first_owner = owner.map(|owner| *self.seen_owner.get_or_init(|| owner));
        Ok(TransferRead { visible, target, from, first_owner, tenure })
    }

    fn decide(&self, read: TransferRead, facts: &Facts) -> Result<Decision<Transfer>, Refusal> {
        let (organization, standing) = read.visible.open()?;
        if read.first_owner != Some(organization.owner) {
            return Err(Refusal::OwnerChanged);
        }
        if self.to == organization.owner {
            return Err(Refusal::invalid("/to", "this member is the owner already"));
        }
        let target = read.target.ok_or(Refusal::NotFound)?;
        if target.epoch > self.cuts {
            return Err(Refusal::Conflict);
        }
        let target = target.after_cuts(self.cuts, facts.now);
        known_role(standing.roles(), self.previous_owner_role)?;
        facts.policies.ownership.may_transfer(&facts.actor, organization.owner)?;
        if !facts.actor.is_fresh(facts.now) {
            return Err(Refusal::ReauthenticationRequired);
        }
        if self.previous_owner_role == RoleRef::OWNER {
            return Err(Refusal::OwnerByTransferOnly);
        }
        if !self.available || !target.is_in(facts.now) {
            return Err(Refusal::TargetNotActive);
        }
        let transfer = Transfer {
            id: TransferId::from_uuid(facts.fresh("transfer")),
            from: organization.owner,
            to: self.to,
            previous_owner_role: self.previous_owner_role,
            state: TransferState::Pending,
            expires_at: None,
            created_at: facts.now,
        };
        if self.require_acceptance {
            return Ok(offered(organization.id, &transfer, read.tenure, facts));
        }
        let from = read.from.ok_or(Refusal::NotFound)?;
        Ok(told(handed_over(organization, from, target, &transfer), self.mail, facts.now))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.mail.map(|posting| posting.not_after)
    }
}

/// By which transfer the owner became it; none for the first owner. Whoever hands over reads it.
pub(crate) async fn tenure(view: &mut View<'_>) -> Result<Option<TransferId>, StoreError> {
    Ok(match view.get(&NoteKey::Tenure).await? {
        Some(Note::Tenure { transfer }) => Some(transfer),
        Some(_) | None => None,
    })
}

/// A hand-over with the letters that tell of it.
pub(crate) fn told(
    mut done: Decision<Transfer>,
    mail: Option<Posting>,
    now: Timestamp,
) -> Decision<Transfer> {
    let transfer = &done.output;
    let letter = |to| Letter::OwnershipTransferred { transfer: transfer.id, to };
    let letters = [letter(transfer.from), letter(transfer.to)];
    done.puts.extend(mail.and_then(|posting| Mail::of(posting.id, letters, now)).map(Record::Mail));
    done
}

/// An offer that waits for the member's answer; nothing else changes (rule O4).
fn offered(
    organization: OrganizationId,
    transfer: &Transfer,
    tenure: Option<TransferId>,
    facts: &Facts,
) -> Decision<Transfer> {
    let expires_at = facts.now.plus_seconds(facts.policies.ownership.offer_life().into());
    let transfer = Transfer { expires_at: Some(expires_at), ..transfer.clone() };
    let event = Event {
        user: Some(transfer.to),
        ..Event::new("ownership.offered", "organization", organization)
    }
    .after(json!({"transfer": transfer.id, "to": transfer.to, "state": transfer.state, "expires_at": expires_at}));
    let note = Note::Offer { transfer: transfer.id, tenure };
    Decision::unchanged(transfer.clone()).put(Record::Transfer(transfer)).put(Record::Note(note)).event(event)
}

/// The hand-over itself.
pub(crate) fn handed_over(
    organization: Organization,
    from: Member,
    target: Member,
    transfer: &Transfer,
) -> Decision<Transfer> {
    let transfer = Transfer { state: TransferState::Completed, ..transfer.clone() };
    let event = Event {
        user: Some(transfer.to),
        ..Event::new("ownership.transferred", "organization", organization.id)
    }
    .before(json!({"owner": from.user}))
    .after(json!({"owner": transfer.to, "previous_owner_role": transfer.previous_owner_role}));
    let before = Member { access: Access::Organization(transfer.previous_owner_role), ..from };
    let owner =
        Member { access: Access::Organization(RoleRef::OWNER), starts_at: None, expires_at: None, ..target };
    Decision::unchanged(transfer.clone())
        .put(Record::Organization(Organization { owner: transfer.to, ..organization }))
        .put(Record::Member(before))
        .put(Record::Member(owner))
        .put(Record::Note(Note::Tenure { transfer: transfer.id }))
        .put(Record::Transfer(transfer))
        .event(event)
}
