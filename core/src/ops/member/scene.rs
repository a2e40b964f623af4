//! What every act on a member reads: the organization, the actor's standing, the member.

use crate::home::{Key, TheMember};
use crate::id::{AccountId, UserId};
use crate::model::{Access, Invitation, Member, MemberStatus, Organization};
use crate::op::{View, Visible};
use crate::ops::invitation::load_pending;
use crate::ops::post::HeldRead;
use crate::policy::{Standing, custom_roles};
use crate::refusal::Refusal;
use crate::store::StoreError;
use crate::text::Email;
use crate::time::Timestamp;

/// As it was read.
#[derive(Debug)]
pub struct SceneRead {
    visible: Visible,
    member: Option<Member>,
    held: HeldRead,
}

/// As the actor may see it.
#[derive(Debug)]
pub struct Scene {
    /// The organization.
    pub organization: Organization,
    /// How the actor stands in it.
    pub standing: Standing,
    /// The member, former ones too; nothing for one who never was.
    pub member: Option<Member>,
    /// The posts that they hold, where the act asks for them.
    pub held: HeldRead,
}

impl SceneRead {
    /// Reads it, after everything else whose roles the standing shall know.
    pub async fn load(view: &mut View<'_>, user: UserId) -> Result<Self, StoreError> {
        Self::of(view, user, HeldRead::none(user)).await
    }

    /// The same with the posts that the member holds, for acts that take something from them.
    pub async fn load_with_posts(view: &mut View<'_>, user: UserId) -> Result<Self, StoreError> {
        view.fetch([Key::Member(user), Key::HeldPosts(user)]).await?;
        let held = HeldRead::load(view, user).await?;
        Self::of(view, user, held).await
    }

    /// The same for acts by which one who has left may come back: with what is left over from before.
    pub async fn load_to_return(view: &mut View<'_>, user: UserId, cuts: u32) -> Result<Self, StoreError> {
        let member = view.get(&TheMember(user)).await?;
        match member {
            Some(member) if member.status == MemberStatus::Former || !member.survives(cuts) => {
                Self::load_with_posts(view, user).await
            }
            Some(_) | None => Self::load(view, user).await,
        }
    }

    async fn of(view: &mut View<'_>, user: UserId, held: HeldRead) -> Result<Self, StoreError> {
        let member = view.get(&TheMember(user)).await?;
        if let Some(member) = &member {
            view.fetch_roles(custom_roles(&member.access).collect::<Vec<_>>()).await?;
        }
        Ok(Self { visible: view.open_organization().await?, member, held })
    }

    /// The same, by which something of the member's accounts is touched.
    pub async fn on_accounts(
        self,
        view: &mut View<'_>,
        touched: impl IntoIterator<Item = AccountId>,
    ) -> Result<Self, StoreError> {
        Ok(Self { visible: view.stand_on(self.visible, touched).await?, ..self })
    }

    /// The accounts on which the member has roles.
    pub fn accounts(&self) -> Vec<AccountId> {
        match self.member.as_ref().map(|member| &member.access) {
            Some(Access::Accounts(roles)) => roles.keys().copied().collect(),
            Some(Access::Organization(_)) | None => Vec::new(),
        }
    }

    /// The pending invitation of one who is not in: it ends when they join in another way.
    pub async fn pending(
        &self,
        view: &mut View<'_>,
        address: Option<&Email>,
        cuts: u32,
    ) -> Result<Option<Invitation>, StoreError> {
        match &self.member {
            Some(member) if member.status == MemberStatus::Active && member.survives(cuts) => Ok(None),
            _ => load_pending(view, address).await,
        }
    }

    /// The address that lists show of the member.
    pub fn address(&self) -> Option<Email> {
        self.member.as_ref().and_then(|member| member.card.email.clone())
    }

    /// Takes the member for what they are to one who has been removed from everything so often (rule M5); in conflict
    /// where that has happened once more meanwhile.
    pub fn after_cuts(mut self, cuts: u32, now: Timestamp) -> Result<Self, Refusal> {
        match &mut self.member {
            Some(member) if member.epoch > cuts => return Err(Refusal::Conflict),
            Some(member) => *member = member.after_cuts(cuts, now),
            None => {}
        }
        Ok(self)
    }

    /// 404 where the actor sees no organization.
    pub fn open(self) -> Result<Scene, Refusal> {
        let (organization, standing) = self.visible.open()?;
        Ok(Scene { organization, standing, member: self.member, held: self.held })
    }
}

impl Scene {
    /// The member; 404 for one who never was.
    pub fn known(&self) -> Result<&Member, Refusal> {
        self.member.as_ref().ok_or(Refusal::NotFound)
    }

    /// Refuses the owner (rule O2).
    pub fn not_the_owner(&self, user: UserId) -> Result<(), Refusal> {
        if self.organization.owner == user { Err(Refusal::OwnerMustTransfer) } else { Ok(()) }
    }

    /// Whether the member is in, as time has made it.
    pub fn is_active(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.status == MemberStatus::Active)
    }
}
