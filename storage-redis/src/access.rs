//! The hot path: what `check` needs. Each organization and each user that is asked about is read once, all in one go; only
//! where a role of the organization's own is named, what it holds is read after that.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::home::{Home, Key, Record};
use roster_core::id::RoleId;
use roster_core::model::Role;
use roster_core::store::{AccessFacts, AccessKey, MemberFacts, replacements};
use roster_core::time::Timestamp;

use crate::error::Fault;
use crate::keys::field;
use crate::read::{Fields, fields, fields_of};
use crate::record;
use crate::store::Inner;

/// What was read of one home.
struct Known {
    clock: Timestamp,
    now: Timestamp,
    records: BTreeMap<Key, Record>,
}

/// How often everything is read anew where a role that is named has gone meanwhile.
const TRIES: usize = 5;

/// An answer of `access`, in the order of the questions.
pub(crate) async fn facts(store: &Inner, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, Fault> {
    let mut found = read(store, asks).await?;
    for _ in 0..TRIES {
        if with_roles(store, asks, &mut found).await? {
            break;
        }
        found = read(store, asks).await?;
    }
    Ok(found)
}

/// Adds the roles that are named, and those that replace them. Whether all of them were there.
async fn with_roles(store: &Inner, asks: &[AccessKey], found: &mut [AccessFacts]) -> Result<bool, Fault> {
    let mut all = true;
    for (ask, facts) in asks.iter().zip(found) {
        let (Some(organization), named) = (ask.organization, facts.custom_roles()) else { continue };
        if named.is_empty() {
            continue;
        }
        let home = Home::Organization(organization);
        let mut roles = roles(store, &home, &named).await?;
        let next = replacements(&roles);
        all &= roles.len() == named.len();
        if !next.is_empty() {
            let stand = self::roles(store, &home, &next).await?;
            all &= stand.len() == next.len();
            roles.extend(stand);
        }
        *facts = facts.clone().with_roles(roles);
    }
    Ok(all)
}

async fn roles(store: &Inner, home: &Home, ids: &[RoleId]) -> Result<Vec<Role>, Fault> {
    let names: Vec<String> = ids.iter().map(|id| field(&Key::Role(*id))).collect();
    let mut roles = Vec::new();
    for value in fields(store, home, &names).await?.values.into_iter().flatten() {
        if let Record::Role(role) = record::decode(&value)?.record {
            roles.push(role);
        }
    }
    Ok(roles)
}

async fn read(store: &Inner, asks: &[AccessKey]) -> Result<Vec<AccessFacts>, Fault> {
    let mut wanted: BTreeMap<Home, BTreeSet<Key>> = BTreeMap::new();
    for ask in asks {
        if let Some(home) = ask.organization.map(Home::Organization) {
            let keys = wanted.entry(home).or_default();
            keys.insert(Key::Organization);
            keys.extend(ask.user.map(Key::Member));
            keys.extend(ask.account.map(Key::Account));
            keys.extend(ask.api_key.map(Key::ApiKey));
        }
        if let Some(home) = ask.user.map(Home::User) {
            wanted.entry(home).or_default().insert(Key::User);
        }
    }
    if wanted.is_empty() {
        wanted.insert(Home::Deployment, BTreeSet::new());
    }
    let names: Vec<Vec<String>> = wanted.values().map(|keys| keys.iter().map(field).collect()).collect();
    let homes: Vec<(&Home, &[String])> = wanted.keys().zip(names.iter().map(Vec::as_slice)).collect();
    let found = fields_of(store, &homes).await?;
    let known = wanted.iter().zip(found).map(|((home, keys), found)| Ok((home.clone(), known(keys, found)?)));
    let known: BTreeMap<Home, Known> = known.collect::<Result<_, Fault>>()?;
    Ok(asks.iter().map(|ask| answer(&known, ask)).collect())
}

fn known(keys: &BTreeSet<Key>, found: Fields) -> Result<Known, Fault> {
    let mut records = BTreeMap::new();
    for (key, value) in keys.iter().zip(found.values) {
        if let Some(value) = value {
            records.insert(key.clone(), record::decode(&value)?.record);
        }
    }
    Ok(Known { clock: found.clock, now: found.clock.max(found.head.time), records })
}

fn answer(known: &BTreeMap<Home, Known>, ask: &AccessKey) -> AccessFacts {
    let organization = ask.organization.and_then(|id| known.get(&Home::Organization(id)));
    let user = ask.user.and_then(|id| known.get(&Home::User(id)));
    let find = |key: Option<Key>| organization.zip(key).and_then(|(home, key)| home.records.get(&key));
    let clock = || known.values().next().map_or(Timestamp::EPOCH, |home| home.clock);
    AccessFacts {
        now: organization.map_or_else(clock, |home| home.now),
        organization: match find(Some(Key::Organization)) {
            Some(Record::Organization(organization)) => Some(organization.status),
            _ => None,
        },
        user: match user.and_then(|home| home.records.get(&Key::User)) {
            Some(Record::User(user)) => Some(user.status),
            _ => None,
        },
        cuts: match user.and_then(|home| home.records.get(&Key::User)) {
            Some(Record::User(user)) => user.cuts,
            _ => 0,
        },
        member: match find(ask.user.map(Key::Member)) {
            Some(Record::Member(member)) => {
                let (organization_role, account_role) = MemberFacts::roles(&member.access, ask.account);
                Some(MemberFacts {
                    status: member.status,
                    starts_at: member.starts_at,
                    expires_at: member.expires_at,
                    epoch: member.epoch,
                    organization_role,
                    account_role,
                })
            }
            _ => None,
        },
        account: match find(ask.account.map(Key::Account)) {
            Some(Record::Account(account)) => Some(account.status),
            _ => None,
        },
        api_key: match find(ask.api_key.map(Key::ApiKey)) {
            Some(Record::ApiKey(key)) => Some(key.clone()),
            _ => None,
        },
        roles: Vec::new(),
    }
}
