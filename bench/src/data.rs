//! The records that the measurements run on, the same in every run.

use clap::Args;
use roster_core::id::{AccountId, ApiKeyId, OrganizationId, UserId};
use roster_core::model::{
    Access, Account, AccountStatus, ApiKey, Member, Organization, OrganizationStatus, Settings, Traits, User,
    UserStatus,
};
use roster_core::permission::{RoleRef, SystemRole};
use roster_core::secret::{Token, TokenKind};
use roster_core::time::Timestamp;
use uuid::Uuid;

/// How much there is.
#[derive(Args, Clone, Copy, Debug)]
pub struct Shape {
    /// Organizations of a moderate size.
    #[arg(long)]
    pub organizations: u64,
    /// Members of each of them.
    #[arg(long)]
    pub members: u64,
    /// Members of the one large organization.
    #[arg(long)]
    pub large: u64,
}

/// Accounts of each organization.
pub const ACCOUNTS: u64 = 10;
/// 2026-01-01T00:00:00Z.
pub const WHEN: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// The n-th of a kind.
fn id(kind: u128, n: u64) -> Uuid {
    Uuid::from_u128(0x019b_0000_0000_7000_8000_0000_0000_0000 | kind << 40 | u128::from(n))
}

pub fn organization_id(n: u64) -> OrganizationId {
    OrganizationId::from_uuid(id(1, n))
}

pub fn user_id(n: u64) -> UserId {
    UserId::from_uuid(id(2, n))
}

pub fn account_id(organization: u64, n: u64) -> AccountId {
    AccountId::from_uuid(id(3, organization * ACCOUNTS + n))
}

/// An account of a report.
pub fn report_account_id(n: u64) -> AccountId {
    AccountId::from_uuid(id(5, n))
}

/// The secret of an organization's key.
pub fn token(organization: u64) -> Token {
    let key = ApiKeyId::from_uuid(id(4, organization));
    let mut random = [7; 32];
    random[..8].copy_from_slice(&organization.to_be_bytes());
    Token::new(TokenKind::Organization(organization_id(organization), key), random)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("generated values are well-formed")
}

pub fn organization(n: u64, owner: u64) -> Organization {
    Organization {
        id: organization_id(n),
        external_id: None,
        name: parsed(&format!("Organization {n}")),
        slug: parsed(&format!("organization-{n}")),
        status: OrganizationStatus::Active,
        owner: user_id(owner),
        purchased: None,
        settings: Settings::default(),
        traits: Traits::default(),
        posts: roster_core::model::Posts::default(),
        created_at: WHEN,
    }
}

pub fn account(organization: u64, n: u64) -> Account {
    Account {
        id: account_id(organization, n),
        external_id: None,
        name: parsed(&format!("Account {n}")),
        status: AccountStatus::Active,
        traits: Traits::default(),
        posts: roster_core::model::Posts::default(),
        created_at: WHEN,
    }
}

pub fn api_key(organization: u64) -> ApiKey {
    let token = token(organization);
    let TokenKind::Organization(_, id) = token.kind() else { unreachable!("made as an organization's") };
    ApiKey {
        id,
        name: parsed("bench"),
        user: None,
        access: Access::Organization(RoleRef::System(SystemRole::Admin)),
        secret_hash: token.hash(),
        old: None,
        prefix: token.prefix(),
        expires_at: None,
        created_at: WHEN,
    }
}

pub fn user(n: u64) -> User {
    User {
        id: user_id(n),
        external_id: None,
        email: Some(parsed(&format!("user-{n}@example.com"))),
        name: Some(parsed(&format!("User {n}"))),
        status: UserStatus::Active,
        suspended_at: None,
        traits: Traits::default(),
        cuts: 0,
        cut_at: None,
        created_at: WHEN,
    }
}

/// A viewer of one account; the owner is in with the whole.
pub fn member(organization: u64, user: u64, place: u64) -> Member {
    let access = if place == 0 {
        Access::Organization(RoleRef::System(SystemRole::Owner))
    } else {
        Access::Accounts(
            [(account_id(organization, place % ACCOUNTS), RoleRef::System(SystemRole::Viewer))].into(),
        )
    };
    Member::joining(user_id(user), self::user(user).card(), access, WHEN)
}
