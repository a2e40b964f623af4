//! Records in the vendor's product and posts, made up for the conformance suite.

use std::collections::BTreeMap;

use roster_core::id::RecordId;
use roster_core::model::{HeldPosts, Holding, HoldingTypes, Post, PostName, Posts, Succession, Successions};

use crate::build::{account_id, job_id, text, user_id};
use crate::stores::START;

/// The types of [`holding`].
pub const TYPES: [&str; 3] = ["deal", "deal-flow", "Call.list"];

/// The n-th record of an owner: every third of one type, every second on an account.
pub fn holding(n: u64, owner: u64) -> Holding {
    let kind = u16::try_from(n % 3).unwrap_or(0);
    Holding {
        id: RecordId::from_uuid(uuid::Uuid::from_u128((1 << 100) + (u128::from(n) << 8))),
        kind: text(TYPES[usize::from(kind)]),
        kind_number: kind,
        external_id: text(&format!("Thing:{n} \u{e4}")),
        owner: user_id(owner),
        after: n % 5,
        account: n.is_multiple_of(2).then(|| account_id(n % 4)),
        title: (n % 4 != 3).then(|| text(&format!("Thing {n}"))),
        created_at: START,
    }
}

/// Posts of every kind.
pub fn posts() -> Posts {
    let user = user_id(4);
    let named = |user| Post::Mapping { external_id: text("Ada-1"), user, since: START };
    let key_roles =
        [(text("csm"), Post::Manual { user, since: START }), (text("Chief Ä"), named(Some(user)))];
    Posts { account_owner: Some(named(None)), key_roles: BTreeMap::from(key_roles) }
}

/// A list of posts.
pub fn held_posts() -> HeldPosts {
    let name = |account, role: Option<&str>| PostName { account, key_role: role.map(text) };
    let posts = [name(None, None), name(None, Some("csm")), name(Some(account_id(2)), Some("csm"))];
    HeldPosts { user: user_id(4), posts: posts.into() }
}

/// All types.
pub fn holding_types() -> HoldingTypes {
    HoldingTypes(TYPES.map(text).into())
}

/// A hand-over that waits for its rewriting.
pub fn successions() -> Successions {
    let one = Succession {
        number: 4,
        from: user_id(1),
        to: user_id(2),
        kind: Some(text("deal")),
        account: None,
        job: job_id(1),
        left: [(0, 7)].into(),
        done: false,
    };
    Successions { next: 5, open: vec![one] }
}
