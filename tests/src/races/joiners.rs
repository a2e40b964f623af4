//! Acts on those who come in: by an invitation, by an offer of ownership, by whatever takes a seat.

use std::sync::Arc;

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::import::{ImportOptions, parse_members};
use roster_core::flows::{accept_invitation, answer_offer, begin_import, invite, resend};
use roster_core::id::{InvitationId, TransferId, UserId};
use roster_core::jobs::Worker;
use roster_core::model::MemberStatus;
use roster_core::op::run;
use roster_core::ops::invitation::{InviteAsk, InviteOutcome, RevokeInvitation};
use roster_core::ops::member::{
    AccessAsk, DeactivateMember, DeleteMember, ReactivateMember, RemoveMember, ReplaceAccess,
};
use roster_core::ops::organization::SetSeats;
use roster_core::ops::ownership::{OfferAnswer, TransferOwnership};
use roster_core::permission::RoleRef;
use roster_core::secret::InvitationLink;
use tokio::task::JoinHandle;

use super::both;
use super::invitees::hold;
use super::judge::{member, one_owner, only_the_first};
use super::scene::{Outcome, Scene, VIEWER, as_user, joined, spawn_add, spawn_run, spawn_set_role, told};

pub(super) fn operator(scene: &Scene) -> Request {
    Request::new(Actor::CLI, scene.replicas[0].entropy.as_ref())
}

/// Invites the n-th guest; the invitation, and the token of its link.
async fn invited(scene: &Scene, n: usize) -> (InvitationId, String) {
    invited_by(scene, Actor::CLI, &format!("guest{n}"), VIEWER).await
}

/// Has somebody invited to a role on the whole; the invitation, and the token of its link.
pub(super) async fn invited_by(
    scene: &Scene,
    actor: Actor,
    name: &str,
    role: RoleRef,
) -> (InvitationId, String) {
    // Later than whatever has been cut, and than an address may be invited again.
    scene.clock().advance_seconds(200);
    let ask = InviteAsk {
        email: format!("{name}@example.com").parse().expect("an address"),
        access: AccessAsk::Organization(role),
        expires_in: None,
        name: None,
        user: None,
        cuts: 0,
        cut_at: None,
    };
    let request = Request::new(actor, scene.replicas[0].entropy.as_ref());
    let made = invite(&scene.replicas[0], &request, scene.organization, ask, None).await;
    let rows = made.expect("an invitation").output;
    let [(_, InviteOutcome::Invited(it))] = rows.as_slice() else { panic!("{rows:?}") };
    let link = InvitationLink { organization: scene.organization, invitation: it.id, number: it.link };
    (it.id, scene.replicas[1].links.invitation_token(&link))
}

pub(super) fn spawn_accept(scene: &Scene, replica: usize, user: UserId, token: &str) -> JoinHandle<Outcome> {
    let (roster, token) = (scene.replicas[replica].clone(), token.to_owned());
    tokio::spawn(async move {
        let request = Request::new(as_user(user), roster.entropy.as_ref());
        told(accept_invitation(&roster, &request, &token, None).await)
    })
}

/// What the log says since then, without the targets.
pub(super) async fn said(scene: &Scene, before: u64) -> Vec<String> {
    scene.actions_since(before).await.into_iter().map(|(action, _)| action).collect()
}

pub(super) async fn accept_and_accept(scene: &mut Scene) -> Result<String, String> {
    let (organization, guest) = (scene.organization, scene.guests[0]);
    // In every other round the last seat is taken by the acceptance itself.
    scene.round += 1;
    let held = scene.round.is_multiple_of(2);
    hold(scene, held).await;
    let (_, token) = invited(scene, 0).await;
    let seats = scene.seats_used().await + i64::from(!held);
    scene.act(SetSeats { organization, purchased: u32::try_from(seats).ok() }).await;
    let before = scene.seq().await;
    let ended = joined((0..50).map(|n| spawn_accept(scene, n % 2, guest, &token))).await;
    let actions = said(scene, before).await;
    if ended.iter().any(|outcome| *outcome != Ok(()))
        || actions != ["invitation.accepted", "member.added"]
        || scene.seats_used().await != seats
    {
        return Err(format!("{ended:?}, the log says {actions:?}"));
    }
    scene.act(RemoveMember { organization, user: guest }).await;
    Ok("all of them the same member".into())
}

pub(super) async fn accept_and_revoke(scene: &mut Scene) -> Result<String, String> {
    let (organization, guest) = (scene.organization, scene.guests[0]);
    let (invitation, token) = invited(scene, 0).await;
    let before = scene.seq().await;
    let accepted = spawn_accept(scene, 1, guest, &token);
    scene.stagger(1).await;
    let revoke = RevokeInvitation { organization, invitation };
    let revoked = spawn_run(&scene.replicas[0], as_user(scene.people.anna), revoke);
    let ended = both(accepted, revoked).await;
    let actions = said(scene, before).await;
    match (ended, actions.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
        ((Ok(()), Err("invitation_not_pending")), ["invitation.accepted", "member.added"]) => {
            scene.act(RemoveMember { organization, user: guest }).await;
            Ok("accepted, not revoked".into())
        }
        ((Err("invitation_revoked"), Ok(())), ["invitation.revoked"]) => Ok("revoked, not accepted".into()),
        ended => Err(format!("{ended:?}")),
    }
}

pub(super) async fn accept_and_resend(scene: &mut Scene) -> Result<String, String> {
    let (organization, guest) = (scene.organization, scene.guests[0]);
    let (invitation, token) = invited(scene, 0).await;
    let before = scene.seq().await;
    let accepted = spawn_accept(scene, 1, guest, &token);
    scene.stagger(1).await;
    let (roster, anna) = (scene.replicas[0].clone(), as_user(scene.people.anna));
    let resent = tokio::spawn(async move {
        let request = Request::new(anna, roster.entropy.as_ref());
        told(resend(&roster, &request, organization, invitation, None).await)
    });
    let ended = both(accepted, resent).await;
    let actions = said(scene, before).await;
    match (ended, actions.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
        (
            (Ok(()), Err("invitation_not_pending" | "already_member")),
            ["invitation.accepted", "member.added"],
        ) => {
            scene.act(RemoveMember { organization, user: guest }).await;
            Ok("accepted, not sent again".into())
        }
        ((Err("invitation_revoked"), Ok(())), ["invitation.resent"]) => {
            scene.act(RevokeInvitation { organization, invitation }).await;
            Ok("sent again, the old link is dead".into())
        }
        ended => Err(format!("{ended:?}")),
    }
}

/// Olga offers the organization to anna.
async fn offered(scene: &Scene) -> TransferId {
    // Later than whatever has been cut.
    scene.clock().advance_seconds(1);
    let offer = TransferOwnership::new(scene.organization, (scene.people.anna, 0), RoleRef::ADMIN);
    let made = run(&scene.replicas[0], &operator(scene), &offer.offered(true)).await;
    made.expect("an offer").output.id
}

fn spawn_answer(scene: &Scene, offer: TransferId) -> JoinHandle<Outcome> {
    let (roster, organization, anna) = (scene.replicas[1].clone(), scene.organization, scene.people.anna);
    tokio::spawn(async move {
        let request = Request::new(as_user(anna), roster.entropy.as_ref());
        told(answer_offer(&roster, &request, organization, offer, OfferAnswer::Accept, None).await)
    })
}

async fn back_to_olga(scene: &Scene) {
    let back = TransferOwnership::new(scene.organization, (scene.people.olga, 0), RoleRef::ADMIN);
    scene.act(back).await;
}

pub(super) async fn offer_and_transfer(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    let accepted = spawn_answer(scene, offered(scene).await);
    scene.stagger(1).await;
    let transfer = TransferOwnership::new(organization, (people.bert, 0), RoleRef::ADMIN);
    let transfer = spawn_run(&scene.replicas[0], as_user(people.olga), transfer);
    let (heir, outcome) = match both(accepted, transfer).await {
        (Ok(()), Err("owner_changed" | "forbidden")) => (people.anna, "accepted, not handed over"),
        (Err("owner_changed"), Ok(())) => (people.bert, "handed over, not accepted"),
        ended => return Err(format!("{ended:?}")),
    };
    one_owner(scene, heir).await?;
    back_to_olga(scene).await;
    Ok(outcome.into())
}

pub(super) async fn offer_and_removal(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    let accepted = spawn_answer(scene, offered(scene).await);
    scene.stagger(1).await;
    let removal = RemoveMember { organization, user: people.anna };
    let removal = spawn_run(&scene.replicas[0], Actor::CLI, removal);
    match both(accepted, removal).await {
        (Ok(()), Err("owner_must_transfer")) => {
            one_owner(scene, people.anna).await?;
            back_to_olga(scene).await;
            Ok("accepted, not removed".into())
        }
        (Err("target_not_active" | "not_found"), Ok(())) => {
            one_owner(scene, people.olga).await?;
            let access = AccessAsk::Organization(RoleRef::ADMIN);
            scene.act(ReplaceAccess { organization, user: people.anna, cuts: 0, access }).await;
            Ok("removed, not accepted".into())
        }
        ended => Err(format!("{ended:?}")),
    }
}

/// L1, L2, L4: each step is one from where the one before it has left mia, and no more of a kind than acts of it went well; a
/// deletion is final, and whoever is given a role after it has come in as new.
async fn in_one_order(scene: &Scene, before: u64, done: [usize; 4]) -> Result<String, String> {
    let actions = said(scene, before).await;
    let (mut now, mut left) = (MemberStatus::Active, done);
    for action in &actions {
        let kind;
        (kind, now) = match (action.as_str(), now) {
            ("member.deactivated", MemberStatus::Active) => (0, MemberStatus::Deactivated),
            ("member.reactivated", MemberStatus::Deactivated) => (1, MemberStatus::Active),
            ("member.access_changed", MemberStatus::Active) | ("member.added", MemberStatus::Former) => {
                (2, MemberStatus::Active)
            }
            ("member.deleted", MemberStatus::Active | MemberStatus::Deactivated) => (3, MemberStatus::Former),
            _ => return Err(format!("after {now:?} the log says {actions:?}")),
        };
        left[kind] = left[kind].checked_sub(1).ok_or_else(|| format!("of {done:?}: {actions:?}"))?;
    }
    let found = member(scene, scene.people.mia).await;
    if found.status != now || !actions.iter().any(|action| action == "member.deleted") {
        return Err(format!("she is {:?}, the log says {actions:?}", found.status));
    }
    Ok(format!("{now:?} after {} steps", actions.len()))
}

/// Eight at once, four on each replica: each of four acts twice, the second four perhaps a little later.
pub(super) async fn coming_and_going(scene: &mut Scene) -> Result<String, String> {
    let (organization, user, before) = (scene.organization, scene.people.mia, scene.seq().await);
    let (anna, bert) = (as_user(scene.people.anna), as_user(scene.people.bert));
    let mut acts = Vec::new();
    for second in 0..2 {
        let (here, there) = (&scene.replicas[second], &scene.replicas[1 - second]);
        acts.push(spawn_run(here, anna, DeactivateMember { organization, user }));
        acts.push(spawn_run(there, bert, ReactivateMember { organization, user, cuts: 0 }));
        acts.push(spawn_set_role(there, bert, organization, scene.one, user));
        acts.push(spawn_run(here, anna, DeleteMember { organization, user, confirmed: true }));
        if second == 0 {
            scene.stagger(2).await;
        }
    }
    let ended = joined(acts.into_iter()).await;
    let mut done = [0; 4];
    for (n, outcome) in ended.iter().enumerate() {
        match (n % 4, outcome) {
            (kind, Ok(())) => done[kind] += 1,
            // Others were quicker five times.
            (_, Err("conflict")) | (0 | 1, Err("target_not_active")) | (2, Err("member_deactivated")) => {}
            _ => return Err(format!("{ended:?}")),
        }
    }
    let outcome = in_one_order(scene, before, done).await.map_err(|wrong| format!("{ended:?}: {wrong}"))?;
    if member(scene, user).await.status == MemberStatus::Deactivated {
        scene.act(ReactivateMember { organization, user, cuts: 0 }).await;
    }
    let access = scene.on_both();
    scene.act(ReplaceAccess { organization, user, cuts: 0, access }).await;
    Ok(outcome)
}

/// A file of one row, imported by a job.
fn spawn_import(scene: &Scene, n: usize) -> JoinHandle<Outcome> {
    let (roster, organization) = (scene.replicas[1].clone(), scene.organization);
    tokio::spawn(async move {
        let request = Request::new(Actor::CLI, roster.entropy.as_ref());
        let file = format!("email,account_external_id,role\nguest{n}@example.com,one,viewer\n");
        let options = ImportOptions { create_accounts: false, dry_run: false };
        let lines = parse_members(file.as_bytes()).expect("a file");
        let begun = told(begin_import(&roster, &request, organization, lines, options).await);
        Worker::new(roster, Arc::default()).work_off().await.expect("the store answers");
        begun
    })
}

pub(super) async fn mixed_for_one_seat(scene: &mut Scene) -> Result<String, String> {
    let (organization, mia) = (scene.organization, scene.people.mia);
    let guests: [UserId; 4] = scene.guests[..].try_into().map_err(|_| "four guests")?;
    hold(scene, false).await;
    scene.act(DeactivateMember { organization, user: mia }).await;
    let (invitation, token) = invited(scene, 0).await;
    let seats = scene.seats_used().await;
    scene.act(SetSeats { organization, purchased: u32::try_from(seats + 1).ok() }).await;
    let imported = spawn_import(scene, 3);
    let back = ReactivateMember { organization, user: mia, cuts: 0 };
    let access = AccessAsk::Organization(VIEWER);
    let put = ReplaceAccess { organization, user: guests[2], cuts: 0, access: access.clone() };
    let mut ended = joined(
        [
            spawn_accept(scene, 0, guests[0], &token),
            spawn_add(&scene.replicas[1], Actor::CLI, organization, guests[1], access),
            spawn_run(&scene.replicas[0], Actor::CLI, put),
            spawn_run(&scene.replicas[1], Actor::CLI, back),
        ]
        .into_iter(),
    )
    .await;
    if imported.await.expect("the act ends") != Ok(()) {
        return Err("the import was not begun".into());
    }
    let row = is_in(scene, guests[3]).await;
    ended.push(if row { Ok(()) } else { Err("no_seat") });
    let winner = only_the_first(&ended, "no_seat")?;
    if scene.seats_used().await != seats + 1 {
        return Err(format!("{} seats are used, not {}", scene.seats_used().await, seats + 1));
    }
    scene.act(SetSeats { organization, purchased: None }).await;
    if winner > 0 {
        scene.act(RevokeInvitation { organization, invitation }).await;
    }
    match winner {
        0..=2 => scene.act(RemoveMember { organization, user: guests[winner] }).await,
        3 => {}
        _ => scene.act(RemoveMember { organization, user: guests[3] }).await,
    }
    scene.act(ReactivateMember { organization, user: mia, cuts: 0 }).await;
    let ways = ["acceptance", "adding", "access that was put", "way back", "imported row"];
    Ok(format!("the {} got it, four no_seat", ways[winner]))
}

pub(super) async fn is_in(scene: &Scene, user: UserId) -> bool {
    member(scene, user).await.status == MemberStatus::Active
}
