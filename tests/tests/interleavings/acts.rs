//! What contests with what.

use roster_core::actor::Actor;
use roster_core::facts::{Request, Seed};
use roster_core::flows::{NewMember, Who, add_member, close_organization, set_role};
use roster_core::home::{Home, Key};
use roster_core::known::Known;
use roster_core::op::{Operation, Roster, run};
use roster_core::ops::account::ArchiveAccount;
use roster_core::ops::member::{
    AccessAsk, Joining, LeaveOrganization, RemoveFromAccount, RemoveMember, ReplaceAccess,
};
use roster_core::ops::organization::SetSeats;
use roster_core::ops::ownership::TransferOwnership;
use roster_core::permission::RoleRef;
use roster_core::reference::{AccountRef, UserRef};
use roster_core::refusal::OpError;
use roster_core::settle::SettleDue;
use roster_tests::stores::START;

use crate::world::{MEMBER, People, VIEWER, as_user, on};

/// One act with everything that it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// The operator adds nina, for whom one seat is left.
    AddForTheLastSeat,
    /// bert, an admin, makes nick, a member of old, one too.
    AdminGrants,
    /// The operator makes bert a viewer.
    DemoteTheAdmin,
    /// bert removes mia.
    Remove,
    /// bert makes mia a viewer on the account one.
    SetRole,
    /// bert makes mia an admin on the account two.
    SetRoleOnTheOther,
    /// anna leaves mia the account two alone.
    ReplaceAccess,
    /// bert takes the account one from mia.
    RemoveFromAccount,
    /// mia goes.
    Leave,
    /// olga makes anna the owner.
    TransferToAnna,
    /// bert removes anna.
    RemoveAnna,
    /// olga closes the organization.
    Close,
    /// anna archives the account two.
    ArchiveTheOther,
    /// olga archives the account one.
    ArchiveOne,
    /// olga pays for one seat less.
    LowerSeats,
    /// What has ended by time is written down.
    Settle,
    /// The operator gives tom, whose time may be over, a role.
    BringBack,
}

impl Act {
    pub const ALL: [Self; 17] = [
        Self::AddForTheLastSeat,
        Self::AdminGrants,
        Self::DemoteTheAdmin,
        Self::Remove,
        Self::SetRole,
        Self::SetRoleOnTheOther,
        Self::ReplaceAccess,
        Self::RemoveFromAccount,
        Self::Leave,
        Self::TransferToAnna,
        Self::RemoveAnna,
        Self::Close,
        Self::ArchiveTheOther,
        Self::ArchiveOne,
        Self::LowerSeats,
        Self::Settle,
        Self::BringBack,
    ];

    fn actor(self, people: &People) -> Actor {
        match self {
            Self::AddForTheLastSeat | Self::DemoteTheAdmin | Self::BringBack => Actor::CLI,
            Self::AdminGrants
            | Self::Remove
            | Self::SetRole
            | Self::SetRoleOnTheOther
            | Self::RemoveFromAccount
            | Self::RemoveAnna => as_user(people.bert),
            Self::ReplaceAccess | Self::ArchiveTheOther => as_user(people.anna),
            Self::Leave => as_user(people.mia),
            Self::TransferToAnna | Self::Close | Self::ArchiveOne | Self::LowerSeats => as_user(people.olga),
            Self::Settle => Actor::System,
        }
    }

    /// Does it; `turn` tells two of the same apart.
    pub async fn run(self, roster: Roster, people: People, turn: u8) -> Outcome {
        let seed = Seed {
            bytes: [100 + turn; 32],
            millis: (START.micros() / 1_000).unsigned_abs() + u64::from(turn),
        };
        let request = Request {
            cuts: 0,
            actor: self.actor(&people),
            request_id: None,
            reason: None,
            seed,
            if_match: None,
            receipt: None,
            known: Known::default(),
            fence: None,
            opening: None,
        };
        match self.act(&roster, &request, &people).await {
            Ok(()) => Ok(()),
            Err(OpError::Refused(refusal)) => Err(refusal.code()),
            Err(other) => panic!("{self:?}: {other}"),
        }
    }

    async fn act(self, roster: &Roster, request: &Request, people: &People) -> Result<(), OpError> {
        let (organization, mia) = (people.organization, people.mia);
        let account = AccountRef::Id(people.one);
        match self {
            Self::AddForTheLastSeat => {
                add(roster, request, people, people.nina, on(&[(people.one, MEMBER)])).await
            }
            Self::AdminGrants => {
                add(roster, request, people, people.nick, AccessAsk::Organization(RoleRef::ADMIN)).await
            }
            Self::DemoteTheAdmin => {
                let access = AccessAsk::Organization(VIEWER);
                op(roster, request, &ReplaceAccess { organization, user: people.bert, cuts: 0, access }).await
            }
            Self::Remove => op(roster, request, &RemoveMember { organization, user: mia }).await,
            Self::SetRole => role(roster, request, people, people.one, mia, VIEWER).await,
            Self::SetRoleOnTheOther => role(roster, request, people, people.two, mia, RoleRef::ADMIN).await,
            Self::ReplaceAccess => {
                let access = on(&[(people.two, VIEWER)]);
                op(roster, request, &ReplaceAccess { organization, user: mia, cuts: 0, access }).await
            }
            Self::RemoveFromAccount => {
                op(roster, request, &RemoveFromAccount { organization, account, user: mia }).await
            }
            Self::Leave => op(roster, request, &LeaveOrganization { organization, user: mia }).await,
            Self::TransferToAnna => {
                op(roster, request, &TransferOwnership::new(organization, (people.anna, 0), RoleRef::ADMIN))
                    .await
            }
            Self::RemoveAnna => op(roster, request, &RemoveMember { organization, user: people.anna }).await,
            Self::Close => close_organization(roster, request, organization, true).await,
            Self::ArchiveTheOther => {
                op(roster, request, &ArchiveAccount { organization, account: people.two }).await
            }
            Self::ArchiveOne => {
                op(roster, request, &ArchiveAccount { organization, account: people.one }).await
            }
            Self::LowerSeats => {
                let purchased = Some(people.seats - 1);
                op(roster, request, &SetSeats { organization, purchased }).await
            }
            Self::Settle => {
                let home = Home::Organization(organization);
                op(roster, request, &SettleDue { home, keys: vec![Key::Member(people.tom)] }).await
            }
            Self::BringBack => role(roster, request, people, people.two, people.tom, MEMBER).await,
        }
    }
}

/// How it ended: done, or the code of the refusal.
pub type Outcome = Result<(), &'static str>;

async fn op<O: Operation>(roster: &Roster, request: &Request, operation: &O) -> Result<(), OpError> {
    run(roster, request, operation).await.map(|_| ())
}

async fn role(
    roster: &Roster,
    request: &Request,
    people: &People,
    account: roster_core::id::AccountId,
    user: roster_core::id::UserId,
    role: RoleRef,
) -> Result<(), OpError> {
    let account = AccountRef::Id(account);
    set_role(roster, request, people.organization, &account, &UserRef::Id(user), role).await.map(|_| ())
}

async fn add(
    roster: &Roster,
    request: &Request,
    people: &People,
    user: roster_core::id::UserId,
    access: AccessAsk,
) -> Result<(), OpError> {
    let joining = Joining { access, starts_at: None, expires_at: None };
    let new = NewMember { who: Who::Known(UserRef::Id(user)), joining };
    add_member(roster, request, people.organization, &new, None).await.map(|_| ())
}
