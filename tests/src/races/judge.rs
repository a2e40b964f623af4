//! What may come out of a race.

use std::collections::BTreeMap;

use roster_core::home::{Key, Record};
use roster_core::id::UserId;
use roster_core::model::{Access, Member, MemberStatus, OrganizationStatus};
use roster_core::permission::RoleRef;

use super::scene::{MEMBER, Outcome, Scene, VIEWER};

/// O1, O5: this one owns it, by the organization and by the one membership with that role.
pub(super) async fn one_owner(scene: &Scene, owner: UserId) -> Result<(), String> {
    let dump = scene.replicas[1].store.dump(&scene.home()).await.expect("a dump");
    let mut owners = Vec::new();
    for stored in &dump.records {
        match &stored.record {
            Record::Organization(organization) if organization.owner != owner => {
                return Err(format!("{} owns it, not {owner}", organization.owner));
            }
            Record::Member(member) if member.access.roles().contains(&RoleRef::OWNER) => {
                owners.push(member.user);
            }
            _ => {}
        }
    }
    if owners == [owner] { Ok(()) } else { Err(format!("owners are {owners:?}, not {owner}")) }
}

/// S1: exactly one is done and all others are told this; which one.
pub(super) fn only_the_first(ended: &[Outcome], others: &'static str) -> Result<usize, String> {
    let winners: Vec<usize> = (0..ended.len()).filter(|n| ended[*n].is_ok()).collect();
    let told = ended.iter().filter(|outcome| **outcome == Err(others)).count();
    match winners[..] {
        [winner] if told + 1 == ended.len() => Ok(winner),
        _ => {
            Err(format!("{} are in, {told} of {} were told {others}: {ended:?}", winners.len(), ended.len()))
        }
    }
}

/// M6, M7: mia is out if her removal came last; if the role came last, it is all that she has.
pub(super) async fn in_or_out(scene: &Scene, before: u64) -> Result<String, String> {
    let actions = scene.actions_since(before).await;
    let actions: Vec<&str> = actions.iter().map(|(action, _)| action.as_str()).collect();
    let mia = member(scene, scene.people.mia).await;
    let viewer_on_one = Access::Accounts(BTreeMap::from([(scene.one, VIEWER)]));
    match (actions.as_slice(), mia.status) {
        (["member.access_changed", "member.removed"], MemberStatus::Former)
            if mia.access.roles().is_empty() =>
        {
            Ok("changed, then removed".into())
        }
        (["member.removed", "member.added"], MemberStatus::Active) if mia.access == viewer_on_one => {
            Ok("removed, then given the one role".into())
        }
        _ => Err(format!("the log says {actions:?}, she is {:?} with {:?}", mia.status, mia.access)),
    }
}

/// M7, M11: what the demoted admin granted came before the demotion, and from the first refusal on all was refused. How
/// many landed.
pub(super) async fn granting(scene: &Scene, before: u64, grants: &[Outcome]) -> Result<usize, String> {
    let landed = grants.iter().take_while(|outcome| outcome.is_ok()).count();
    if grants[landed..].iter().any(|outcome| *outcome != Err("forbidden")) {
        return Err(format!("{grants:?}"));
    }
    let actions = scene.actions_since(before).await;
    let demoted = actions.iter().position(|(action, _)| action == "member.access_changed");
    let expected: Vec<String> = scene.guests[..landed].iter().map(ToString::to_string).collect();
    let added: Vec<&String> = actions[..landed.min(actions.len())].iter().map(|(_, target)| target).collect();
    if demoted != Some(landed) || actions.len() != landed + 1 || added != expected.iter().collect::<Vec<_>>()
    {
        return Err(format!("{landed} landed, the log says {actions:?}"));
    }
    Ok(landed)
}

/// O7: it is closed, whoever was added was added before that, and nobody is added any more.
pub(super) async fn closed_for_good(scene: &Scene, added: Outcome) -> Result<(), String> {
    let read = scene.replicas[1].store.read(&scene.home(), &[Key::Organization], &[]).await.expect("a read");
    let status = match read.records.get(&Key::Organization).map(|stored| &stored.record) {
        Some(Record::Organization(organization)) => organization.status,
        other => return Err(format!("no organization: {other:?}")),
    };
    let actions = scene.actions_since(0).await;
    let closed = actions.iter().position(|(action, _)| action == "organization.closed");
    let guest = scene.guests[0].to_string();
    let is_in = actions.iter().any(|(action, target)| action == "member.added" && *target == guest);
    if status != OrganizationStatus::Closed || closed != Some(actions.len() - 1) || is_in != added.is_ok() {
        return Err(format!("{status:?}, added {added:?}, the log says {actions:?}"));
    }
    let late = super::scene::spawn_add(
        &scene.replicas[1],
        roster_core::actor::Actor::CLI,
        scene.organization,
        scene.guests[1],
        roster_core::ops::member::AccessAsk::Organization(VIEWER),
    );
    match late.await.expect("the act ends") {
        Err("organization_closed") => Ok(()),
        other => Err(format!("added afterwards: {other:?}")),
    }
}

pub(super) async fn member(scene: &Scene, user: UserId) -> Member {
    let key = Key::Member(user);
    let read = scene.replicas[1].store.read(&scene.home(), std::slice::from_ref(&key), &[]).await;
    match read.expect("a read").records.remove(&key).map(|stored| stored.record) {
        Some(Record::Member(member)) => member,
        other => panic!("no member: {other:?}"),
    }
}

/// L1: mia is out, and what is kept is what she had: with the new role on one account if that came first.
pub(super) async fn kept_for_the_way_back(scene: &Scene, changed: bool) -> Result<(), String> {
    let mia = member(scene, scene.people.mia).await;
    let on_one = if changed { VIEWER } else { MEMBER };
    let kept = Access::Accounts(BTreeMap::from([(scene.one, on_one), (scene.two, MEMBER)]));
    if (mia.status, &mia.access) == (MemberStatus::Deactivated, &kept) {
        return Ok(());
    }
    Err(format!("she is {:?} with {:?}, which should be {kept:?}", mia.status, mia.access))
}
