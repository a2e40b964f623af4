//! Inviting (rules I1, I7, I8, M11, S1).

use std::collections::BTreeSet;

use uuid::Uuid;

use super::hold;
use super::overtake::{PendingRead, replaced};
use super::{fields, is_not_in};
use crate::facts::{Facts, Seed};
use crate::home::{Home, Record, TheInvitedAddress, TheMember};
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{
    Access, Invitation, InvitationStatus, Inviter, Letter, Mail, Member, Note, NoteKey, Organization,
};
use crate::op::{Decision, Event, Operation, View, Visible};
use crate::ops::mail::Posting;
use crate::ops::member::{AccessAsk, AskRead, require_on};
use crate::policy::Standing;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::{Email, Name};
use crate::time::Timestamp;

/// So many invitations fit into one commit, each in the place of a dead one by an inviter of its own.
pub const ROWS: usize = 120;

/// Who is invited, to what.
#[derive(Clone, PartialEq, Debug)]
pub struct InviteAsk {
    /// The address.
    pub email: Email,
    /// What they will reach.
    pub access: AccessAsk,
    /// How long the link lives, in seconds; the organization's setting if left out.
    pub expires_in: Option<u32>,
    /// What they are called.
    pub name: Option<Name>,
    /// Whose the address is, if anybody's.
    pub user: Option<UserId>,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// When they were last.
    pub cut_at: Option<Timestamp>,
}

/// What became of a row.
#[derive(Clone, PartialEq, Debug)]
pub enum InviteOutcome {
    /// Invited.
    Invited(Box<Invitation>),
    /// The address stands in an earlier row.
    Unchanged,
    /// Not invited.
    Refused(Refusal),
}

/// Makes invitations, at most [`ROWS`] in a commit; one row that is refused does not stop the others.
#[derive(Debug)]
pub struct CreateInvitations {
    /// Where.
    pub organization: OrganizationId,
    /// Who; each row with the number that its id is drawn by.
    pub rows: Vec<(usize, InviteAsk)>,
    /// Whether the refusal of a row refuses the whole.
    pub all_or_nothing: bool,
    /// The batch from whose hold their seats come, where it holds any.
    pub batch: Option<Uuid>,
    /// The letters that take the links to them, if there are to be any.
    pub mail: Option<Posting>,
}

/// What the organization's home says of a row.
#[derive(Debug)]
pub struct RowRead {
    asked: AskRead,
    member: Option<Member>,
    pending: Option<PendingRead>,
}

impl Operation for CreateInvitations {
    type State = (Visible, Vec<RowRead>, Option<Note>);
    type Output = Vec<(usize, InviteOutcome)>;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let addresses = self.rows.iter().map(|(_, row)| address(row));
        let members = self.rows.iter().filter_map(|(_, row)| row.user).map(TheMember);
        let keys: Vec<_> = addresses
            .map(|it| crate::home::TypedKey::key(&it))
            .chain(members.map(|it| crate::home::TypedKey::key(&it)))
            .collect();
        view.fetch(keys).await?;
        let mut rows = Vec::with_capacity(self.rows.len());
        for (_, row) in &self.rows {
            let asked = row.access.load(view).await?;
            let member = match row.user {
                Some(user) => view.get(&TheMember(user)).await?,
                None => None,
            };
            let pending = PendingRead::load(view, &row.email).await?;
            rows.push(RowRead { asked, member, pending });
        }
        let held = match self.batch {
            Some(batch) => view.get(&NoteKey::SeatHold(batch)).await?,
            None => None,
        };
        Ok((view.open_organization().await?, rows, held))
    }

    fn decide(
        &self,
        (visible, reads, held): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Self::Output>, Refusal> {
        let (organization, standing) = visible.open()?;
        let mut decision = Decision::unchanged(Vec::with_capacity(self.rows.len()));
        let (mut seen, mut letters) = (BTreeSet::new(), Vec::new());
        for ((number, row), read) in self.rows.iter().zip(reads) {
            if !seen.insert(row.email.key()) {
                decision.output.push((*number, InviteOutcome::Unchanged));
                continue;
            }
            match invited(&organization, &standing, row, &read, *number, facts) {
                Err(refusal) if self.all_or_nothing => return Err(refusal),
                Err(refusal) => decision.output.push((*number, InviteOutcome::Refused(refusal))),
                Ok(own) if read.pending.as_ref().is_some_and(|it| it.invitation.id == own.id) => {
                    decision.output.push((*number, InviteOutcome::Invited(Box::new(own))));
                }
                Ok(invitation) => {
                    if let Some(dead) = read.pending {
                        decision = replaced(decision, &dead.invitation, facts.now);
                    }
                    let event = Event::new("invitation.created", "invitation", invitation.id)
                        .after(fields(&invitation));
                    let address = row.email.key().to_owned();
                    letters.push(Letter::Invitation { invitation: invitation.id, link: invitation.link });
                    decision.puts.push(Record::InvitedAddress(address, invitation.id));
                    decision.puts.push(Record::Invitation(invitation.clone()));
                    decision.events.push(event);
                    decision.output.push((*number, InviteOutcome::Invited(Box::new(invitation))));
                }
            }
        }
        let mail = self.mail.and_then(|posting| Mail::of(posting.id, letters, facts.now));
        decision.puts.extend(mail.map(Record::Mail));
        Ok(hold::spent(decision, held.as_ref(), facts))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.mail.map(|posting| posting.not_after)
    }
}

impl CreateInvitations {
    /// What the invitation of a row is called: the same when the request is sent again.
    pub(crate) fn id(seed: &Seed, number: usize) -> InvitationId {
        InvitationId::from_uuid(seed.uuid(&format!("invitation {number}")))
    }
}

fn address(row: &InviteAsk) -> TheInvitedAddress {
    TheInvitedAddress(row.email.key().to_owned())
}

fn invited(
    organization: &Organization,
    standing: &Standing,
    row: &InviteAsk,
    read: &RowRead,
    number: usize,
    facts: &Facts,
) -> Result<Invitation, Refusal> {
    let life = row.expires_in.unwrap_or(organization.settings.invitation_expires_in);
    if row.expires_in.is_some() {
        facts.policies.invitations.check_life(life, "/expires_in")?;
    }
    let granting = row.access.resolve(&read.asked)?;
    let policy = facts.policies.access.as_ref();
    require_on(policy, standing, "invitations:manage", &granting.access)?;
    policy.may_grant(standing, &granting.access)?;
    is_not_in(read.member.as_ref(), row.cuts, facts.now)?;
    let id = CreateInvitations::id(&facts.seed, number);
    match &read.pending {
        // This very request has made it before it was cut off.
        Some(own) if own.invitation.id == id => return Ok(own.invitation.clone()),
        Some(other) if !other.is_dead(read.member.as_ref(), row.cut_at, facts.now) => {
            return Err(Refusal::InvitationExists);
        }
        Some(_) | None => {}
    }
    granting.none_archived_anew(&Access::NONE)?;
    Ok(Invitation {
        id,
        email: row.email.clone(),
        name: row.name.clone(),
        status: InvitationStatus::Pending,
        invited_by: Inviter::of(&facts.actor, facts.now),
        holds_seat: organization.settings.invitations_hold_seats && !granting.access.is_empty(),
        access: granting.access,
        link: 1,
        life,
        sent_at: facts.now,
        expires_at: facts.now.plus_seconds(i64::from(life)),
        created_at: facts.now,
        accepted_by: None,
        ended_at: None,
    })
}
