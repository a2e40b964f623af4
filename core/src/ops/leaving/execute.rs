//! Executing a leaving plan: one commit, whatever the number of records (rules L7, M7, O2, T4).

use serde::Deserialize;
use serde_json::json;

use super::LeavingMode;
use super::plan::{PlanNumbers, PlanRead};
use crate::facts::Facts;
use crate::home::{Home, Key, Record, Tally, TheMember};
use crate::id::{InvitationId, OrganizationId, TransferId, UserId};
use crate::model::{
    Invitation, InvitationStatus, Inviter, Job, Member, MemberStatus, Transfer, TransferState,
};
use crate::op::{Decision, Event, Operation, View};
use crate::ops::job::Asked;
use crate::ops::mail::Posting;
use crate::ops::member::{custom, require_on};
use crate::ops::ownership::{handed_over, tenure, told};
use crate::ops::post::{HeldRead, require};
use crate::ops::record::Terms;
use crate::permission::RoleRef;
use crate::policy::Reach;
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::time::Timestamp;

/// What becomes of the invitations that they stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitationFate {
    /// They are taken back.
    #[default]
    Revoke,
    /// Whoever executes the plan stands for them from now on.
    HandOver,
}

/// Lets a member go by a plan.
#[derive(Debug)]
pub struct LeaveByPlan {
    /// Where.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// How.
    pub mode: LeavingMode,
    /// The plan as it was read.
    pub revision: String,
    /// Whose their records will be, and how often each heir has been removed from everything, as it was read before.
    pub records_to: Option<(UserId, u32)>,
    /// Whose their posts will be.
    pub posts_to: Option<(UserId, u32)>,
    /// The new owner, where they are the owner.
    pub owner_to: Option<(UserId, u32)>,
    /// Whether that one is not suspended, as it was read before.
    pub owner_available: bool,
    /// What becomes of their invitations.
    pub fate: InvitationFate,
    /// The invitations that they stand for, as they were listed: at most [`Self::MOST_INVITATIONS`].
    pub invitations: Vec<InvitationId>,
    /// The job that rewrites records.
    pub asked: Asked,
    /// The letters that tell both owners, where there is another and there are to be any.
    pub mail: Option<Posting>,
    /// The pointer to the job counts until then.
    pub not_after: Option<Timestamp>,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Left {
    /// The member after it.
    pub member: Member,
    /// The job that rewrites records, if there are any.
    pub job: Option<Job>,
    /// The transfer of ownership, if they were the owner.
    pub transfer: Option<Transfer>,
}

/// What is there before.
#[derive(Debug)]
pub struct LeaveRead {
    plan: PlanRead,
    heirs: [Option<Member>; 3],
    posts_heir: Option<HeldRead>,
    invitations: Vec<Invitation>,
}

impl Operation for LeaveByPlan {
    type State = LeaveRead;
    type Output = Left;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(Key::Member(self.user))
    }

    fn about(&self) -> Option<UserId> {
        Some(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<LeaveRead, StoreError> {
        let heirs = [self.records_to, self.posts_to, self.owner_to].map(|heir| heir.map(|(user, _)| user));
        let people = heirs.iter().flatten().copied().chain([self.user]).map(Key::Member);
        view.fetch(people.chain(self.invitations.iter().map(|id| Key::Invitation(*id))).collect::<Vec<_>>())
            .await?;
        let mut invitations = Vec::new();
        for id in &self.invitations {
            if let Some(invitation) = view.get(id).await? {
                view.fetch_roles(custom(&invitation.access.roles()).collect::<Vec<_>>()).await?;
                let key = invitation.email.key().to_owned();
                view.fetch([Key::InvitedAddress(key)]).await?;
                invitations.push(invitation);
            }
        }
        let mut found = [None, None, None];
        for (place, heir) in found.iter_mut().zip(heirs) {
            if let Some(heir) = heir {
                *place = view.get(&TheMember(heir)).await?;
            }
        }
        let posts_heir = match self.posts_to {
            Some((heir, _)) => Some(HeldRead::load(view, heir).await?),
            None => None,
        };
        if self.owner_to.is_some() {
            tenure(view).await?;
        }
        let plan = PlanRead::load(view, self.user, Some(self.asked.id)).await?;
        Ok(LeaveRead { plan, heirs: found, posts_heir, invitations })
    }

    fn decide(&self, read: LeaveRead, facts: &Facts) -> Result<Decision<Left>, Refusal> {
        let LeaveRead { plan, heirs, posts_heir, invitations } = read;
        let plan = plan.open()?;
        let owns = plan.scene.organization.owner == self.user;
        // Of a plan that was read while they were the owner, that is what has changed.
        if self.owner_to.is_some() && !owns && self.revision == plan.revision {
            return Err(Refusal::invalid("/owner_to", "this member is not the owner"));
        }
        let heirs = self.known(heirs)?;
        let member = plan.scene.known()?.clone();
        self.judge(&plan, &member, facts)?;
        if self.revision != plan.revision {
            return Err(Refusal::PlanChanged);
        }
        let [_, posts_to, owner_to] = self.able(heirs, facts)?;
        if !self.owner_available {
            return Err(Refusal::TargetNotActive);
        }
        let mut decision = Decision::unchanged(None);
        decision.exact = plan.exact(self.user);
        if let Some(heir) = owner_to {
            decision = self.owner_goes(decision, &plan, &member, heir, facts);
        }
        let decision = self.goes(decision, &member, facts)?;
        let decision = self.posts_go(decision, &plan, posts_to.zip(posts_heir), facts)?;
        let decision = self.invitations_go(decision, &plan, invitations, facts)?;
        let transfer = decision.output.clone();
        let (decision, job) = match self.records_to.filter(|_| plan.hand_over.is_needed(self.user)) {
            Some((to, _)) => self.records_go(decision, plan, to, facts)?,
            None => (decision.giving(()), None),
        };
        let member = match decision.find(&Key::Member(self.user)) {
            Some(Record::Member(after)) => after.clone(),
            Some(_) | None => member,
        };
        Ok(decision.giving(Left { member, job, transfer }))
    }

    fn out_of_bounds(&self, tally: Tally) -> Refusal {
        match tally {
            Tally::Holdings(..) | Tally::Invitations(_) => Refusal::PlanChanged,
            Tally::Seats | Tally::ActiveAccounts | Tally::Uses(..) => Refusal::out_of_bounds(tally),
        }
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.not_after.into_iter().chain(self.mail.map(|posting| posting.not_after)).min()
    }
}

impl LeaveByPlan {
    /// So many invitations are handed over or taken back in one commit; the others end with the cut (rule M7).
    pub const MOST_INVITATIONS: usize = 50;

    /// Whoever inherits is somebody else, and known here.
    fn known(&self, heirs: [Option<Member>; 3]) -> Result<[Option<Member>; 3], Refusal> {
        let named =
            [(self.records_to, "/records_to"), (self.posts_to, "/posts_to"), (self.owner_to, "/owner_to")];
        if let Some((_, field)) =
            named.iter().find(|(heir, _)| heir.is_some_and(|(user, _)| user == self.user))
        {
            return Err(Refusal::invalid(*field, "name somebody else"));
        }
        if named.iter().zip(&heirs).any(|((named, _), found)| named.is_some() && found.is_none()) {
            return Err(Refusal::NotFound);
        }
        Ok(heirs)
    }

    /// Whoever inherits stands here, also where a removal from everything has not been swept.
    fn able(&self, heirs: [Option<Member>; 3], facts: &Facts) -> Result<[Option<Member>; 3], Refusal> {
        let mut able = [None, None, None];
        let named = [self.records_to, self.posts_to, self.owner_to];
        for ((place, heir), named) in able.iter_mut().zip(heirs).zip(named) {
            if let (Some(heir), Some((_, cuts))) = (heir, named) {
                *place = Some(heir.able(cuts, facts.now)?);
            }
        }
        Ok(able)
    }

    fn judge(&self, plan: &PlanNumbers, member: &Member, facts: &Facts) -> Result<(), Refusal> {
        let (scene, policy) = (&plan.scene, facts.policies.access.as_ref());
        policy.require(&scene.standing, self.mode.permission(), Reach::Organization)?;
        if self.records_to.is_some() {
            policy.require(&scene.standing, "records:manage", Reach::Organization)?;
        }
        if self.posts_to.is_some() {
            scene.held.posts().iter().try_for_each(|name| require(name, &scene.standing, facts))?;
        }
        match (scene.organization.owner == self.user, self.owner_to) {
            (true, None) => return Err(Refusal::OwnerMustTransfer),
            (true, Some(_)) => {
                facts.policies.ownership.may_transfer(&facts.actor, self.user)?;
                if !facts.actor.is_fresh(facts.now) {
                    return Err(Refusal::ReauthenticationRequired);
                }
            }
            (false, Some(_)) => return Err(Refusal::PlanChanged),
            (false, None) => {}
        }
        policy.may_manage(&scene.standing, &member.access, Reach::Organization)
    }

    fn owner_goes(
        &self,
        decision: Decision<Option<Transfer>>,
        plan: &PlanNumbers,
        member: &Member,
        heir: Member,
        facts: &Facts,
    ) -> Decision<Option<Transfer>> {
        let transfer = Transfer {
            id: TransferId::from_uuid(facts.fresh("transfer")),
            from: self.user,
            to: heir.user,
            previous_owner_role: RoleRef::ADMIN,
            state: TransferState::Completed,
            expires_at: None,
            created_at: facts.now,
        };
        let handed = handed_over(plan.scene.organization.clone(), member.clone(), heir, &transfer);
        let handed = told(handed, self.mail, facts.now);
        let transfer = Some(handed.output.clone());
        let decision = handed.puts.into_iter().fold(decision, Decision::put);
        handed.events.into_iter().fold(decision, Decision::event).giving(transfer)
    }

    fn records_go<T>(
        &self,
        decision: Decision<T>,
        plan: PlanNumbers,
        to: UserId,
        facts: &Facts,
    ) -> Result<(Decision<()>, Option<Job>), Refusal> {
        let (organization, from, asked) = (self.organization, self.user, &self.asked);
        let terms = Terms { organization, from, to, kind: None, account: None, asked };
        let decision = plan.hand_over.decide(decision.giving(()), &terms, facts)?;
        let job = decision.output.1.clone();
        Ok((decision.giving(()), Some(job)))
    }

    /// The membership itself.
    fn goes<T>(&self, decision: Decision<T>, member: &Member, facts: &Facts) -> Result<Decision<T>, Refusal> {
        let before = match decision.find(&Key::Member(self.user)) {
            Some(Record::Member(anew)) => anew.clone(),
            Some(_) | None => member.clone(),
        };
        let (after, action) = match (self.mode, before.status) {
            (LeavingMode::Deactivate, MemberStatus::Former) => return Err(Refusal::TargetNotActive),
            (LeavingMode::Deactivate, MemberStatus::Deactivated)
            | (LeavingMode::Remove, MemberStatus::Former) => {
                return Ok(decision);
            }
            (LeavingMode::Deactivate, MemberStatus::Active) => {
                (before.deactivated(facts.now), "member.deactivated")
            }
            (LeavingMode::Remove, MemberStatus::Active | MemberStatus::Deactivated) => {
                (before.left(facts.now), "member.removed")
            }
            (LeavingMode::Delete, _) if before.is_deleted() => return Ok(decision),
            (LeavingMode::Delete, _) => (before.deleted(facts.now), "member.deleted"),
        };
        let event = Event::member(action, self.user)
            .before(json!({"status": before.status, "access": before.access}))
            .after(json!({"status": after.status, "access": after.access}));
        Ok(decision.put_over(Record::Member(after)).event(event))
    }

    /// Posts go to the heir, or are emptied where the person is gone for good.
    fn posts_go<T>(
        &self,
        decision: Decision<T>,
        plan: &PlanNumbers,
        heir: Option<(Member, HeldRead)>,
        facts: &Facts,
    ) -> Result<Decision<T>, Refusal> {
        let held = &plan.scene.held;
        let Some((heir, theirs)) = heir else {
            let gone = self.mode != LeavingMode::Deactivate;
            return Ok(if gone { held.all_vacated(decision, facts.now) } else { decision });
        };
        let heir = match decision.find(&Key::Member(heir.user)) {
            Some(Record::Member(anew)) => anew.clone(),
            Some(_) | None => heir,
        };
        let outside = held.posts().iter().any(|name| {
            let account = name.account.filter(|_| name.key_role.is_none());
            account.is_some_and(|account| heir.access.role_on(account).is_none())
        });
        if outside {
            return Err(Refusal::NotInAccount);
        }
        held.handed_over(decision, &theirs, facts.now)
    }

    fn invitations_go<T>(
        &self,
        mut decision: Decision<T>,
        plan: &PlanNumbers,
        invitations: Vec<Invitation>,
        facts: &Facts,
    ) -> Result<Decision<T>, Refusal> {
        let pending = |it: &Invitation| {
            it.status == InvitationStatus::Pending && it.invited_by.user() == Some(self.user)
        };
        for invitation in invitations.into_iter().filter(pending) {
            decision = match self.fate {
                InvitationFate::Revoke => {
                    let after = invitation.ended(InvitationStatus::Revoked, facts.now);
                    let event = Event::new("invitation.revoked", "invitation", invitation.id)
                        .before(json!({"status": invitation.status}))
                        .after(json!({"status": after.status}));
                    decision
                        .remove(Key::InvitedAddress(invitation.email.key().to_owned()))
                        .put(Record::Invitation(after))
                        .event(event)
                }
                InvitationFate::HandOver => {
                    if facts.actor.user() == Some(self.user) {
                        return Err(Refusal::invalid(
                            "/invitations",
                            "who leaves cannot stand for them: revoke them",
                        ));
                    }
                    let policy = facts.policies.access.as_ref();
                    require_on(policy, &plan.scene.standing, "invitations:manage", &invitation.access)?;
                    policy
                        .may_grant(&plan.scene.standing, &invitation.access)
                        .map_err(|_| Refusal::InviterCannotGrant)?;
                    let after =
                        Invitation { invited_by: Inviter::of(&facts.actor, facts.now), ..invitation.clone() };
                    let event = Event::new("invitation.updated", "invitation", invitation.id)
                        .before(json!({"invited_by": invitation.invited_by}))
                        .after(json!({"invited_by": after.invited_by}));
                    decision.put(Record::Invitation(after)).event(event)
                }
            };
        }
        Ok(decision)
    }
}
