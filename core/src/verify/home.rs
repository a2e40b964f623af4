//! What one home says about itself.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::home::{Due, Record, Tally};
use crate::id::{AccountId, InvitationId, UserId};
use crate::model::{Access, InvitationStatus, Member, MemberStatus, Organization, PostName};
use crate::permission::RoleRef;
use crate::policy::Roles;
use crate::store::Dump;
use crate::text::ExternalId;

/// Tallies and due index as recomputed; one owner; every name in an access exists.
pub(super) fn check(dump: &Dump, report: Report<'_>) {
    tallies(dump, report);
    let mut due: Vec<Due> = dump.records.iter().filter_map(|stored| stored.record.due()).collect();
    due.sort();
    let mut kept = dump.due.clone();
    kept.sort();
    if due != kept {
        report("due index", format!("{} lines kept, {} recomputed, not the same", kept.len(), due.len()));
    }
    let organization = dump.records.iter().find_map(|stored| match &stored.record {
        Record::Organization(organization) => Some(organization),
        _ => None,
    });
    match organization {
        Some(organization) => organization_home(dump, organization, report),
        None if members(dump).next().is_some() => {
            report("one owner", "members without an organization".into());
        }
        None => {}
    }
}

fn tallies(dump: &Dump, report: Report<'_>) {
    let mut sums: BTreeMap<Tally, i64> = BTreeMap::new();
    for (tally, weight) in dump.records.iter().flat_map(|stored| stored.record.weighs()) {
        *sums.entry(tally).or_default() += weight;
    }
    let named: BTreeSet<Tally> = sums.keys().chain(dump.tallies.keys()).copied().collect();
    for tally in named {
        let recount = sums.get(&tally).copied().unwrap_or(0);
        let kept = dump.tallies.get(&tally).copied().unwrap_or(0);
        if recount != kept {
            report("tallies", format!("{} is {kept}, recounted {recount}", tally.name()));
        }
    }
}

fn members(dump: &Dump) -> impl Iterator<Item = &Member> {
    dump.records.iter().filter_map(|stored| match &stored.record {
        Record::Member(member) => Some(member),
        _ => None,
    })
}

fn organization_home(dump: &Dump, organization: &Organization, report: Report<'_>) {
    let owners: Vec<&Member> =
        members(dump).filter(|member| member.access.roles().contains(&RoleRef::OWNER)).collect();
    let right = |owner: &Member| {
        owner.user == organization.owner
            && owner.status == MemberStatus::Active
            && owner.access == Access::Organization(RoleRef::OWNER)
            && owner.expires_at.is_none()
    };
    if !matches!(owners.as_slice(), [owner] if right(owner)) {
        report("one owner", format!("{} members hold the role; {} should", owners.len(), organization.owner));
    }
    let used = dump.tallies.get(&Tally::Seats).copied().unwrap_or(0);
    if organization.purchased.is_some_and(|purchased| used > i64::from(purchased)) {
        report("seats", format!("{used} used of {:?}", organization.purchased));
    }
    accounts(dump, report);
    roles(dump, report);
    invitations(dump, report);
    posts(dump, report);
}

/// Everybody's list of posts says what the posts say.
fn posts(dump: &Dump, report: Report<'_>) {
    let mut held: BTreeMap<UserId, BTreeSet<PostName>> = BTreeMap::new();
    let mut listed: BTreeMap<UserId, BTreeSet<PostName>> = BTreeMap::new();
    for stored in &dump.records {
        let (account, posts) = match &stored.record {
            Record::Organization(it) => (None, &it.posts),
            Record::Account(it) => (Some(it.id), &it.posts),
            Record::HeldPosts(it) => {
                listed.insert(it.user, it.posts.clone());
                continue;
            }
            _ => continue,
        };
        for (key_role, post) in posts.all() {
            let name = PostName { account, key_role: key_role.cloned() };
            if let Some(holder) = post.holder() {
                held.entry(holder).or_default().insert(name);
            }
        }
    }
    for user in held.keys().chain(listed.keys()).collect::<BTreeSet<_>>() {
        if held.get(user) != listed.get(user) {
            report("posts", format!("the list of {user} names others than they hold"));
        }
    }
}

/// Every role that is named is there, and a replacement is one hop away.
fn roles(dump: &Dump, report: Report<'_>) {
    let known = Roles::of(dump.records.iter().filter_map(|stored| match &stored.record {
        Record::Role(role) => Some(role.clone()),
        _ => None,
    }));
    let missing = |access: &Access| access.roles().into_iter().find(|role| known.effective(*role).is_none());
    for stored in &dump.records {
        let (who, role) = match &stored.record {
            Record::Member(member) if member.status == MemberStatus::Active => {
                (member.user.to_string(), missing(&member.access))
            }
            Record::ApiKey(key) => (key.id.to_string(), missing(&key.access)),
            Record::Role(role) => (role.id.to_string(), role.replaced_by.filter(|next| !known.stands(*next))),
            _ => continue,
        };
        if let Some(role) = role {
            report("roles", format!("{who} names {role}, which does not stand"));
        }
    }
}

/// One pending invitation an address, found by it; one that was accepted has made a member.
fn invitations(dump: &Dump, report: Report<'_>) {
    let mut pending: BTreeMap<&str, InvitationId> = BTreeMap::new();
    let mut indexed: BTreeMap<&str, InvitationId> = BTreeMap::new();
    let known: BTreeSet<UserId> = members(dump).map(|member| member.user).collect();
    for stored in &dump.records {
        match &stored.record {
            Record::Invitation(it) if it.status == InvitationStatus::Pending => {
                if let Some(other) = pending.insert(it.email.key(), it.id) {
                    report("invitations", format!("{} and {other} are pending for one address", it.id));
                }
            }
            Record::Invitation(it)
                if it.status == InvitationStatus::Accepted
                    && it.accepted_by.is_none_or(|user| !known.contains(&user)) =>
            {
                report("invitations", format!("{} is accepted, and nobody is a member by it", it.id));
            }
            Record::InvitedAddress(address, id) => drop(indexed.insert(address, *id)),
            _ => {}
        }
    }
    if pending != indexed {
        let (pending, indexed) = (pending.len(), indexed.len());
        report(
            "invitations",
            format!("{pending} are pending, {indexed} found by their address, not the same"),
        );
    }
}

fn accounts(dump: &Dump, report: Report<'_>) {
    let mut known: BTreeMap<AccountId, Option<&ExternalId>> = BTreeMap::new();
    for stored in &dump.records {
        if let Record::Account(account) = &stored.record {
            known.insert(account.id, account.external_id.as_ref());
        }
    }
    let named = known.values().flatten().count();
    let mut indexed = 0_usize;
    for stored in &dump.records {
        match &stored.record {
            Record::AccountExternalId(external, account) => {
                indexed += 1;
                if known.get(account).copied().flatten() != Some(external) {
                    report("external ids", format!("{external} leads to {account}, which does not bear it"));
                }
            }
            Record::Member(member) => {
                if let Access::Accounts(roles) = &member.access {
                    if let Some(missing) = roles.keys().find(|account| !known.contains_key(account)) {
                        report("access", format!("{} reaches {missing}, which is not there", member.user));
                    }
                    if member.status == MemberStatus::Former && !roles.is_empty() {
                        report("access", format!("{} is a former member with access", member.user));
                    }
                }
            }
            _ => {}
        }
    }
    if indexed != named {
        report("external ids", format!("{named} accounts bear one, {indexed} are indexed"));
    }
}
