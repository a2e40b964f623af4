//! Acts of several commits, each with another whole act between any two of its steps: no link is left broken, and no
//! name leads to two.

use roster_core::facts::Request;
use roster_core::flows::{
    NewAccount, NewMember, NewOrganization, NewUser, Who, add_member, close_organization, create_account,
    create_organization, create_user, set_role, update_organization, update_user,
};
use roster_core::model::TraitPatch;
use roster_core::op::Roster;
use roster_core::ops::member::Joining;
use roster_core::ops::organization::OrganizationPatch;
use roster_core::ops::user::UserPatch;
use roster_core::reference::{AccountRef, UserRef};
use roster_core::refusal::OpError;
use roster_core::verify::verify_all;
use roster_tests::gate::{Between, Park, within};

use crate::acts::Outcome;
use crate::world::{Builder, MEMBER, Moment, People, on, request, roster};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    /// nina gets another name.
    Rename,
    /// nina gets yet another name.
    RenameOtherwise,
    /// nina, who is not a member yet, becomes one.
    Add,
    /// nina gets a role on an account, and becomes a member by it.
    SetRole,
    /// nina gets the address new@example.com.
    ChangeEmail,
    /// nina gets an address of her own and lets the one that she has go.
    LetEmailGo,
    /// Somebody else gets nina's address.
    TakeEmail,
    /// new@example.com becomes a user.
    Create,
    /// nina becomes the owner of a new organization.
    CreateOrganization,
    /// The organization gets the slug `meadow`.
    ChangeSlug,
    /// The organization gets the slug `valley`.
    ChangeSlugOtherwise,
    /// A new organization asks for the slug `meadow`.
    TakeSlug,
    /// An account is made.
    CreateAccount,
    /// The organization is closed.
    Close,
}

const ALL: [Act; 14] = [
    Act::Rename,
    Act::RenameOtherwise,
    Act::Add,
    Act::SetRole,
    Act::ChangeEmail,
    Act::LetEmailGo,
    Act::TakeEmail,
    Act::Create,
    Act::CreateOrganization,
    Act::ChangeSlug,
    Act::ChangeSlugOtherwise,
    Act::TakeSlug,
    Act::CreateAccount,
    Act::Close,
];

/// What one may hear for the other's sake.
const LOST: [&str; 9] = [
    "already_member",
    "busy",
    "conflict",
    "email_exists",
    "external_id_exists",
    "no_seat",
    "not_found",
    "organization_closed",
    "slug_exists",
];

impl Act {
    async fn run(self, roster: Roster, people: People, request: Request) -> Outcome {
        match Box::pin(self.act(&roster, &people, &request)).await {
            Ok(()) => Ok(()),
            Err(OpError::Busy) => Err("busy"),
            Err(OpError::Refused(refusal)) => Err(refusal.code()),
            Err(other) => panic!("{self:?}: {other}"),
        }
    }

    async fn act(self, roster: &Roster, people: &People, request: &Request) -> Result<(), OpError> {
        let People { organization, one, nina, nick, .. } = *people;
        let user = |user, patch| async move { update_user(roster, request, user, &patch).await.map(drop) };
        let slug = |slug: &str| OrganizationPatch { slug: Some(slug.parse().unwrap()), ..Default::default() };
        match self {
            Self::Rename => user(nina, named("Nina Berg")).await,
            Self::RenameOtherwise => user(nina, named("Nina Tal")).await,
            Self::Add => {
                let access = on(&[(one, MEMBER)]);
                let joining = Joining { access, starts_at: None, expires_at: None };
                let new = NewMember { who: Who::Known(UserRef::Id(nina)), joining };
                add_member(roster, request, organization, &new, None).await.map(drop)
            }
            Self::SetRole => {
                let (account, nina) = (AccountRef::Id(one), UserRef::Id(nina));
                set_role(roster, request, organization, &account, &nina, MEMBER).await.map(drop)
            }
            Self::ChangeEmail => user(nina, mailed("new@example.com")).await,
            Self::LetEmailGo => user(nina, mailed("own@example.com")).await,
            Self::TakeEmail => user(nick, mailed("nina@example.com")).await,
            Self::Create => create_user(roster, request, &person("new@example.com")).await.map(drop),
            Self::CreateOrganization => new_organization(roster, request, "Hill", None).await,
            Self::ChangeSlug => {
                update_organization(roster, request, organization, &slug("meadow")).await.map(drop)
            }
            Self::ChangeSlugOtherwise => {
                update_organization(roster, request, organization, &slug("valley")).await.map(drop)
            }
            Self::TakeSlug => new_organization(roster, request, "Hill", Some("meadow")).await,
            Self::CreateAccount => {
                let new = NewAccount {
                    name: "West".parse().unwrap(),
                    external_id: None,
                    traits: TraitPatch::default(),
                };
                create_account(roster, request, organization, &new, None).await.map(drop)
            }
            Self::Close => close_organization(roster, request, organization, true).await,
        }
    }
}

fn named(name: &str) -> UserPatch {
    UserPatch { name: Some(Some(name.parse().unwrap())), ..UserPatch::default() }
}

fn mailed(email: &str) -> UserPatch {
    UserPatch { email: Some(Some(email.parse().unwrap())), ..UserPatch::default() }
}

fn person(email: &str) -> NewUser {
    NewUser {
        email: Some(email.parse().unwrap()),
        external_id: None,
        name: None,
        traits: TraitPatch::default(),
    }
}

async fn new_organization(
    roster: &Roster,
    request: &Request,
    name: &str,
    slug: Option<&str>,
) -> Result<(), OpError> {
    let new = NewOrganization {
        name: name.parse().unwrap(),
        external_id: Some("hill".parse().unwrap()),
        slug: slug.map(|slug| slug.parse().unwrap()),
        owner: person("nina@example.com"),
        purchased: None,
        accounts: Vec::new(),
    };
    create_organization(roster, request, &new).await.map(drop)
}

/// Every other act between any two steps of this one.
async fn around(outer: Act) -> Vec<String> {
    let builder = Builder::new("memory", Moment::OneSeatFree).await;
    let mut wrong = Vec::new();
    for inner in ALL {
        let mut n = 0;
        loop {
            let world = builder.world().await;
            let park = Park::at(n);
            let behind = roster(Between::new(world.at.store.clone(), park.clone()));
            let parked = outer.run(behind, world.people, request());
            let bare = roster(world.at.store.clone());
            let other = inner.run(bare, world.people, request());
            let (one, other, was_parked) = within((park, parked), other).await;
            if !was_parked {
                break;
            }
            let verdict = verify_all(&roster(world.at.store.clone()), &mut |_| {}).await.unwrap();
            let fair = [one, other].iter().all(|outcome| outcome.is_ok() || lost(*outcome));
            if !verdict.findings.is_empty() || !fair {
                let found: Vec<String> = verdict.findings.iter().map(ToString::to_string).collect();
                wrong.push(format!("{inner:?} at step {n}: {one:?}, {other:?}: {}", found.join("; ")));
            }
            n += 1;
        }
        assert!(n > 0 || outer == Act::TakeEmail, "{outer:?} commits");
    }
    wrong
}

fn lost(outcome: Outcome) -> bool {
    outcome.is_err_and(|code| LOST.contains(&code))
}

macro_rules! acts {
    ($($name:ident: $act:ident;)+) => {
        mod within {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    let wrong = super::around(super::Act::$act).await;
                    assert!(wrong.is_empty(), "{} wrong within {:?}\n{}", wrong.len(), super::Act::$act, wrong.join("\n"));
                }
            )+
        }

        #[test]
        fn every_act_has_its_test() {
            assert_eq!(ALL, [$(Act::$act),+]);
        }
    };
}

acts! {
    rename: Rename;
    rename_otherwise: RenameOtherwise;
    add: Add;
    set_role: SetRole;
    change_email: ChangeEmail;
    let_email_go: LetEmailGo;
    take_email: TakeEmail;
    create: Create;
    create_organization: CreateOrganization;
    change_slug: ChangeSlug;
    change_slug_otherwise: ChangeSlugOtherwise;
    take_slug: TakeSlug;
    create_account: CreateAccount;
    close: Close;
}
