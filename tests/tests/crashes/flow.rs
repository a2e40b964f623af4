//! The acts that take several commits, each as a front end does it.

use std::sync::Arc;

use roster_core::actor::{Actor, Via};
use roster_core::facts::{ReceiptDraft, Request, Seed};
use roster_core::flows::{
    Leave, NewAccount, NewMember, NewOrganization, NewUser, Reassign, SignUp, Who, accept_invitation,
    add_member, begin_receipt, close_organization, create_account, create_organization, create_user,
    finish_receipt, invite, leave_by_plan, reassign_records, remove_many, set_role, update_organization,
    update_user,
};
use roster_core::home::Home;
use roster_core::id::{OrganizationId, UserId};
use roster_core::known::Known;
use roster_core::mail::Post;
use roster_core::model::{ReceiptId, TraitPatch};
use roster_core::op::Roster;
use roster_core::ops::invitation::InviteAsk;
use roster_core::ops::leaving::{InvitationFate, LeavingMode};
use roster_core::ops::member::{AccessAsk, Joining};
use roster_core::ops::organization::OrganizationPatch;
use roster_core::ops::user::UserPatch;
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::reference::{AccountRef, UserRef};
use roster_core::refusal::OpError;
use roster_core::secret::{InvitationLink, Password};
use roster_tests::mailbox::Mailbox;
use roster_tests::stores::START;

/// Whom the flows act on.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    /// `ext:cloud`, owned by olga.
    pub cloud: OrganizationId,
    /// A member of both organizations.
    pub ute: UserId,
    /// In no organization, and invited to `ext:cloud`.
    pub fay: UserId,
    /// By this link.
    pub link: InvitationLink,
    /// Of moe's leaving plan, as 32 hexadecimal digits.
    pub revision: u128,
    /// Of olga's.
    pub owners_revision: u128,
    /// To `ext:cloud`, for somebody of whom nobody has heard.
    pub newcomer: InvitationLink,
}

/// An act of several commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    CreateUser,
    CreateOrganization,
    AddNewPerson,
    CreateAccount,
    ChangeEmail,
    NameUser,
    ChangeSlug,
    SetRole,
    RemoveMany,
    Accept,
    Close,
    Plan,
    Reassign,
    Invite,
    PlanOwner,
    SignUp,
}

/// What was asked before: nothing, or the same with an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// With the seed and the idempotency key of the first try.
    Same,
    /// By another, who knows nothing of the first.
    Fresh,
}

impl Flow {
    /// Those that are cut off at every commit and dropped at every poll: all but the one that hashes a password on a thread of
    /// its own, which takes polls as it comes.
    pub const ALL: [Self; 15] = [
        Self::CreateUser,
        Self::CreateOrganization,
        Self::AddNewPerson,
        Self::CreateAccount,
        Self::ChangeEmail,
        Self::NameUser,
        Self::ChangeSlug,
        Self::SetRole,
        Self::RemoveMany,
        Self::Accept,
        Self::Close,
        Self::Plan,
        Self::Reassign,
        Self::Invite,
        Self::PlanOwner,
    ];

    /// Whether the world shows either nothing of it or all of it.
    pub fn is_one_step(self) -> bool {
        !matches!(self, Self::CreateOrganization | Self::AddNewPerson | Self::RemoveMany | Self::SignUp)
    }

    /// Whether something is tidied up at its end, whose failure does not make it fail.
    pub fn is_tidied(self) -> bool {
        matches!(self, Self::ChangeEmail | Self::NameUser | Self::ChangeSlug | Self::Close)
    }

    /// The refusal of one who asks for what another has done already.
    pub fn done_before(self) -> &'static [&'static str] {
        match self {
            Self::CreateUser => &["email_exists", "external_id_exists"],
            Self::CreateOrganization | Self::CreateAccount => &["external_id_exists"],
            Self::AddNewPerson => &["already_member"],
            Self::Plan | Self::PlanOwner => &["plan_changed"],
            Self::Invite => &["invitation_exists"],
            _ => &[],
        }
    }

    fn request(self, ask: Ask) -> Request {
        request(10 * (self as u8) + u8::from(ask == Ask::Fresh))
    }

    /// Does it. One that was answered before is done.
    pub async fn run(self, roster: &Roster, ids: Ids, ask: Ask) -> Result<(), OpError> {
        let request = self.request(ask);
        match Box::pin(self.act(roster, &request, ids)).await {
            Err(OpError::Replay(_)) => Ok(()),
            outcome => outcome,
        }
    }

    async fn act(self, roster: &Roster, request: &Request, ids: Ids) -> Result<(), OpError> {
        let Ids { cloud, ute, fay, link, revision, owners_revision, newcomer } = ids;
        let bare = Request { receipt: None, ..request.clone() };
        match self {
            Self::CreateUser => {
                let request = begin_receipt(roster, request, &Home::Deployment).await?;
                create_user(roster, &request, &person("rita", Some("rita"))).await?;
                finish_receipt(roster, &request, &Home::Deployment, vec![1]).await
            }
            Self::CreateOrganization => {
                let request = begin_receipt(roster, request, &Home::Deployment).await?;
                create_organization(roster, &request, &new_organization("Cloud", "meadow", "rita")).await?;
                finish_receipt(roster, &request, &Home::Deployment, vec![1]).await
            }
            Self::AddNewPerson => {
                let access = AccessAsk::Accounts(vec![(external("north"), MEMBER)]);
                let joining = Joining { access, starts_at: None, expires_at: None };
                let new = NewMember { who: Who::Person(person("rita", Some("rita"))), joining };
                add_member(roster, request, cloud, &new, Some(&|_| vec![1])).await.map(drop)
            }
            Self::CreateAccount => {
                let name = "West".parse().unwrap();
                let new = NewAccount {
                    name,
                    external_id: Some("west".parse().unwrap()),
                    traits: TraitPatch::default(),
                };
                create_account(roster, request, cloud, &new, Some(&|_| vec![1])).await.map(drop)
            }
            Self::ChangeEmail => {
                let email = Some(Some("rita@example.com".parse().unwrap()));
                let patch = UserPatch { email, ..UserPatch::default() };
                update_user(roster, &bare, ute, &patch).await.map(drop)
            }
            Self::NameUser => {
                let name = Some(Some("Rita".parse().unwrap()));
                let patch =
                    UserPatch { name, external_id: Some("rita".parse().unwrap()), ..UserPatch::default() };
                update_user(roster, &bare, ute, &patch).await.map(drop)
            }
            Self::ChangeSlug => {
                let patch = OrganizationPatch {
                    name: Some("Meadow".parse().unwrap()),
                    slug: Some("meadow".parse().unwrap()),
                    ..OrganizationPatch::default()
                };
                update_organization(roster, &bare, cloud, &patch).await.map(drop)
            }
            Self::SetRole => {
                let (account, user) = (external("north"), UserRef::External("fay".parse().unwrap()));
                set_role(roster, &bare, cloud, &account, &user, MEMBER).await.map(drop)
            }
            Self::RemoveMany => {
                let users = ["ext:max", "ext:mia", "ext:nobody", "ext:moe"].map(str::to_owned);
                remove_many(roster, &bare, cloud, &external("north"), &users).await.map(drop)
            }
            Self::Accept => {
                let actor = Actor::User { user: fay, via: Via::Operator { key: None } };
                let token = roster.links.invitation_token(&link);
                accept_invitation(roster, &Request { actor, ..bare }, &token, None).await.map(drop)
            }
            Self::Close => close_organization(roster, &bare, cloud, true).await,
            Self::Plan => {
                leave_by_plan(roster, request, cloud, &moes(revision), Some(&|_| vec![1])).await.map(drop)
            }
            Self::PlanOwner => {
                let mailed = with_mail(roster, Arc::default());
                let leave = olgas(owners_revision);
                leave_by_plan(&mailed, request, cloud, &leave, Some(&|_| vec![1])).await.map(drop)
            }
            Self::SignUp => {
                let sign_up = SignUp {
                    name: "Rita".parse().unwrap(),
                    password: Password::new("correct horse battery").unwrap(),
                };
                let token = roster.links.invitation_token(&newcomer);
                let visitor = Request { actor: Actor::Visitor, ..bare };
                Box::pin(accept_invitation(roster, &visitor, &token, Some(&sign_up))).await.map(drop)
            }
            Self::Reassign => {
                let asked = Reassign { from: named("moe"), to: named("max"), kind: None, account: None };
                reassign_records(roster, &bare, cloud, &asked).await.map(drop)
            }
            Self::Invite => {
                let mailed = with_mail(roster, Arc::default());
                let email = "rita@example.com".parse().unwrap();
                let access = AccessAsk::Accounts(vec![(external("north"), MEMBER)]);
                let ask = InviteAsk {
                    email,
                    access,
                    expires_in: None,
                    name: None,
                    user: None,
                    cuts: 0,
                    cut_at: None,
                };
                invite(&mailed, request, cloud, ask, Some(&|_| vec![1])).await.map(drop)
            }
        }
    }
}

/// An operator's request that draws by a number what it draws.
pub fn request(n: u8) -> Request {
    let millis = (START.micros() / 1_000).unsigned_abs();
    Request {
        actor: Actor::CLI,
        cuts: 0,
        request_id: None,
        reason: None,
        seed: Seed { bytes: [n; 32], millis },
        if_match: None,
        receipt: Some(ReceiptDraft { id: ReceiptId([n; 32]), digest: [n; 32] }),
        known: Known::default(),
        fence: None,
        opening: None,
    }
}

/// What moe's plan asks for.
fn moes(revision: u128) -> Leave {
    Leave {
        user: named("moe"),
        mode: LeavingMode::Remove,
        revision: format!("{revision:032x}"),
        records_to: Some(named("max")),
        posts_to: Some(named("max")),
        owner_to: None,
        fate: InvitationFate::Revoke,
    }
}

/// What olga's plan asks for.
fn olgas(revision: u128) -> Leave {
    Leave {
        user: named("olga"),
        revision: format!("{revision:032x}"),
        records_to: None,
        posts_to: None,
        owner_to: Some(named("max")),
        ..moes(revision)
    }
}

/// A roster whose mail is set up.
pub fn with_mail(roster: &Roster, mailbox: Arc<Mailbox>) -> Roster {
    Roster { post: Post::by(mailbox), ..roster.clone() }
}

fn named(person: &str) -> UserRef {
    UserRef::External(person.parse().unwrap())
}

pub const MEMBER: RoleRef = RoleRef::System(SystemRole::Member);

/// An account by the vendor's id.
pub fn external(account: &str) -> AccountRef {
    AccountRef::External(account.parse().unwrap())
}

/// A person by name, with the vendor's id if there is one.
pub fn person(name: &str, external_id: Option<&str>) -> NewUser {
    NewUser {
        email: Some(format!("{name}@example.com").parse().unwrap()),
        external_id: external_id.map(|id| id.parse().unwrap()),
        name: Some(name.parse().unwrap()),
        ..NewUser::default()
    }
}

/// An organization with the accounts north and south.
pub fn new_organization(name: &str, id: &str, owner: &str) -> NewOrganization {
    let account = |id: &str| (id.parse().unwrap(), Some(id.parse().unwrap()));
    NewOrganization {
        name: name.parse().unwrap(),
        external_id: Some(id.parse().unwrap()),
        slug: None,
        owner: person(owner, Some(owner)),
        purchased: Some(20),
        accounts: vec![account("north"), account("south")],
    }
}
