//! Acts on people who leave.

use std::sync::Arc;

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::{Leave, Reassign, erase_user, find_job, invite, leave_by_plan, reassign_records};
use roster_core::home::{Home, Key, Record};
use roster_core::id::UserId;
use roster_core::jobs::Worker;
use roster_core::model::{Access, Holding, HoldingName, JobStatus, MemberStatus};
use roster_core::ops::invitation::{InviteAsk, InviteOutcome};
use roster_core::ops::leaving::{InvitationFate, LeavingMode};
use roster_core::ops::member::{AccessAsk, ReplaceAccess};
use roster_core::ops::record::{DeleteRecord, PutRecord};
use roster_core::reads;
use roster_core::reference::UserRef;
use roster_core::secret::InvitationLink;
use roster_core::verify::verify_home;
use tokio::task::JoinHandle;

use super::both;
use super::joiners::spawn_accept;
use super::judge::member;
use super::scene::{Outcome, Scene, VIEWER, as_user, person, spawn_add, spawn_run, spawn_set_role, told};

fn operator(scene: &Scene) -> Request {
    Request::new(Actor::CLI, scene.replicas[0].entropy.as_ref())
}

/// Does the jobs that wait.
pub(super) async fn worked_off(scene: &Scene) {
    let worker = Worker::new(scene.replicas[0].clone(), Arc::default());
    worker.work_off().await.expect("the store answers");
}

pub(super) async fn plan_and_role(scene: &mut Scene) -> Result<String, String> {
    let (organization, people, before) = (scene.organization, scene.people, scene.seq().await);
    let user = UserRef::Id(people.mia);
    let request = operator(scene);
    let read =
        reads::leaving_plan(&scene.replicas[0], &request, organization, &user, LeavingMode::Remove).await;
    let leave = Leave {
        user,
        mode: LeavingMode::Remove,
        revision: read.expect("a plan").revision,
        records_to: None,
        posts_to: None,
        owner_to: None,
        fate: InvitationFate::Revoke,
    };
    let roster = scene.replicas[0].clone();
    let plan = tokio::spawn(async move {
        let request = Request::new(as_user(people.anna), roster.entropy.as_ref());
        told(leave_by_plan(&roster, &request, organization, &leave, None).await)
    });
    scene.stagger(1).await;
    let role = spawn_set_role(&scene.replicas[1], as_user(people.bert), organization, scene.one, people.mia);
    let ended = both(plan, role).await;
    let actions = scene.actions_since(before).await;
    let actions: Vec<&str> = actions.iter().map(|(action, _)| action.as_str()).collect();
    let mia = member(scene, people.mia).await;
    let outcome = match (ended, actions.as_slice(), mia.status) {
        ((Ok(()), Ok(())), ["member.removed", "member.added"], MemberStatus::Active)
            if mia.access == Access::Accounts([(scene.one, VIEWER)].into()) =>
        {
            "gone by the plan, then given the one role"
        }
        ((Err("plan_changed"), Ok(())), ["member.access_changed"], MemberStatus::Active) => {
            "changed, the plan is another"
        }
        (ended, actions, status) => return Err(format!("{ended:?}, {actions:?}, she is {status:?}")),
    };
    let access = scene.on_both();
    scene.act(ReplaceAccess { organization, user: people.mia, cuts: 0, access }).await;
    Ok(outcome.into())
}

fn put(scene: &Scene, title: Option<&str>) -> PutRecord {
    PutRecord {
        organization: scene.organization,
        kind: "deal".parse().expect("a type"),
        external_id: "one".parse().expect("an id"),
        owner: scene.people.mia,
        cuts: 0,
        account: None,
        title: title.map(|title| title.parse().expect("a title")),
    }
}

async fn deal(scene: &Scene, name: &HoldingName) -> Holding {
    let shown = reads::record(&scene.replicas[1], &operator(scene), scene.organization, name).await;
    shown.expect("the record").value
}

pub(super) async fn reassign_and_put(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    scene.act(put(scene, None)).await;
    let name: HoldingName = "deal:one".parse().expect("a name");
    let record = deal(scene, &name).await.id.to_string();
    let before = scene.seq().await;
    let roster = scene.replicas[0].clone();
    let (from, to) = (UserRef::Id(people.mia), UserRef::Id(people.anna));
    let handed = tokio::spawn(async move {
        let request = Request::new(as_user(people.anna), roster.entropy.as_ref());
        let asked = Reassign { from, to, kind: None, account: None };
        told(reassign_records(&roster, &request, organization, &asked).await)
    });
    scene.stagger(2).await;
    let titled = spawn_run(&scene.replicas[1], as_user(people.bert), put(scene, Some("Big")));
    match both(handed, titled).await {
        (Ok(()), Ok(())) => {}
        ended => return Err(format!("{ended:?}")),
    }
    let targets: Vec<String> = scene.actions_since(before).await.into_iter().map(|(_, of)| of).collect();
    let put_last = targets.last() == Some(&record);
    let owner = if put_last { people.mia } else { people.anna };
    for when in ["at once", "after the job"] {
        let found = deal(scene, &name).await;
        let title = found.title.as_ref().map(ToString::to_string);
        if found.owner != owner || title.as_deref() != Some("Big") {
            return Err(format!("{when} it is {}'s, {title:?}, not {owner}'s: {targets:?}", found.owner));
        }
        worked_off(scene).await;
    }
    scene.act(DeleteRecord { organization, name }).await;
    Ok(if put_last { "handed over, then put" } else { "put, then handed over" }.into())
}

fn spawn_erase(scene: &Scene, user: UserId) -> JoinHandle<Outcome> {
    let roster = scene.replicas[0].clone();
    tokio::spawn(async move {
        let request = Request::new(Actor::CLI, roster.entropy.as_ref());
        told(erase_user(&roster, &request, user).await)
    })
}

/// Somebody of whom nobody has heard.
pub(super) async fn stranger(scene: &Scene) -> (UserId, String) {
    let name = format!("stranger{}", scene.seq().await);
    (person(&scene.replicas[0], &name).await, name)
}

/// They are no member, hold no seat, and nothing names them; every job about them has ended.
async fn gone(scene: &Scene, user: UserId, name: &str, seats: i64) -> Result<(), String> {
    worked_off(scene).await;
    let store = &scene.replicas[1].store;
    for home in [scene.home(), Home::User(user)] {
        let dump = store.dump(&home).await.expect("a dump");
        for stored in &dump.records {
            match &stored.record {
                Record::Member(member) if member.user == user && member.status != MemberStatus::Former => {
                    return Err(format!("they are {:?}", member.status));
                }
                Record::Job(job) => {
                    let job = find_job(&scene.replicas[1], &operator(scene), job.id).await.expect("a job");
                    if job.status != JobStatus::Completed {
                        return Err(format!("the job is {:?}: {:?}", job.status, job.failure));
                    }
                }
                _ => {}
            }
            if format!("{:?}", stored.record).contains(name) {
                return Err(format!("{home} names them: {:?}", stored.record));
            }
        }
        let verdict = verify_home(&scene.replicas[1], &home).await.expect("the store answers");
        if let Some(finding) = verdict.findings.first() {
            return Err(format!("verify: {finding}"));
        }
    }
    let read = store.read(&Home::User(user), &[Key::User], &[]).await.expect("a read");
    if read.records.is_empty() {
        return Err("there is no such person any more".into());
    }
    match scene.seats_used().await {
        left if left == seats => Ok(()),
        left => Err(format!("{left} seats are held, not {seats}")),
    }
}

pub(super) async fn erase_and_accept(scene: &mut Scene) -> Result<String, String> {
    let (organization, seats) = (scene.organization, scene.seats_used().await);
    let (user, name) = stranger(scene).await;
    let ask = InviteAsk {
        email: format!("{name}@example.com").parse().expect("an address"),
        access: AccessAsk::Organization(VIEWER),
        expires_in: None,
        name: None,
        user: None,
        cuts: 0,
        cut_at: None,
    };
    let invited = invite(&scene.replicas[0], &operator(scene), organization, ask, None).await;
    let rows = invited.expect("an invitation").output;
    let [(_, InviteOutcome::Invited(it))] = rows.as_slice() else {
        return Err("they are not invited".into());
    };
    let link = InvitationLink { organization, invitation: it.id, number: it.link };
    let token = scene.replicas[1].links.invitation_token(&link);
    // Whoever begins first mostly wins.
    let (erased, accepted) = if scene.round.is_multiple_of(2) {
        let erased = spawn_erase(scene, user);
        scene.stagger(1).await;
        (erased, spawn_accept(scene, 1, user, &token))
    } else {
        let accepted = spawn_accept(scene, 1, user, &token);
        scene.stagger(1).await;
        (spawn_erase(scene, user), accepted)
    };
    let outcome = match both(erased, accepted).await {
        (Ok(()), Ok(())) => "accepted, then erased".to_owned(),
        (Ok(()), Err(told)) => format!("erased, the acceptance {told}"),
        ended => return Err(format!("{ended:?}")),
    };
    gone(scene, user, &name, seats).await?;
    Ok(outcome)
}

pub(super) async fn erase_and_add(scene: &mut Scene) -> Result<String, String> {
    let (organization, seats) = (scene.organization, scene.seats_used().await);
    let (user, name) = stranger(scene).await;
    let access = AccessAsk::Organization(VIEWER);
    let erased = spawn_erase(scene, user);
    scene.stagger(1).await;
    let added = spawn_add(&scene.replicas[1], Actor::CLI, organization, user, access);
    let outcome = match both(erased, added).await {
        (Ok(()), Ok(())) => "added, then erased".to_owned(),
        (Ok(()), Err(told)) => format!("erased, the adding {told}"),
        ended => return Err(format!("{ended:?}")),
    };
    gone(scene, user, &name, seats).await?;
    Ok(outcome)
}
