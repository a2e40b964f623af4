//! Acts on those who are invited against acts on those who invite them, links that two bear, keys that end while they are
//! used.

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::{
    Needed, SignUp, accept_invitation, authenticate, invite, remove_everywhere, reset_password,
    show_password_reset, sign_in,
};
use roster_core::home::{Key, Record};
use roster_core::id::{ApiKeyId, UserId};
use roster_core::last_use::write_down;
use roster_core::model::{MemberStatus, SettingsPatch};
use roster_core::op::{Roster, run};
use roster_core::ops::api_key::{CreateApiKey, RevokeApiKey, RotateApiKey};
use roster_core::ops::invitation::{InviteAsk, RevokeInvitation};
use roster_core::ops::member::{AccessAsk, RemoveMember, ReplaceAccess};
use roster_core::ops::organization::{OrganizationPatch, SetSeats, UpdateOrganization};
use roster_core::permission::RoleRef;
use roster_core::secret::Password;
use tokio::task::JoinHandle;

use super::both;
use super::joiners::{invited_by, is_in, operator, said, spawn_accept};
use super::judge::only_the_first;
use super::leavers::{stranger, worked_off};
use super::scene::{Outcome, Scene, VIEWER, as_user, joined, spawn_run, told};

/// What each of two says.
const PASSWORDS: [&str; 2] = ["correct horse battery", "battery staple correct"];

/// Whether invitations hold seats from now on.
pub(super) async fn hold(scene: &Scene, held: bool) {
    let settings = SettingsPatch { invitations_hold_seats: Some(held), ..SettingsPatch::default() };
    let patch = OrganizationPatch { settings, ..OrganizationPatch::default() };
    let organization = scene.organization;
    scene.act(UpdateOrganization { organization, patch, not_after: None }).await;
}

/// Of fifty who are invited without a seat one gets the last.
pub(super) async fn fifty_invited_for_one_seat(scene: &mut Scene) -> Result<String, String> {
    let organization = scene.organization;
    scene.act(SetSeats { organization, purchased: None }).await;
    hold(scene, false).await;
    scene.doors.resize(scene.crowd.len(), String::new());
    for n in 0..scene.crowd.len() {
        if scene.doors[n].is_empty() {
            scene.doors[n] = invited_by(scene, Actor::CLI, &format!("crowd{n}"), VIEWER).await.1;
        }
    }
    let seats = scene.seats_used().await;
    scene.act(SetSeats { organization, purchased: u32::try_from(seats + 1).ok() }).await;
    let all = (0_usize..).zip(scene.crowd.iter().zip(&scene.doors));
    let ended = joined(all.map(|(n, (user, door))| spawn_accept(scene, n % 2, *user, door))).await;
    let winner = only_the_first(&ended, "no_seat")?;
    if scene.seats_used().await != seats + 1 {
        return Err(format!("{} seats are used, not {}", scene.seats_used().await, seats + 1));
    }
    scene.act(RemoveMember { organization, user: scene.crowd[winner] }).await;
    scene.doors[winner].clear();
    Ok("one accepted, 49 no_seat".into())
}

pub(super) async fn accept_and_inviter(scene: &mut Scene) -> Result<String, String> {
    let (organization, bert, guest) = (scene.organization, scene.people.bert, scene.guests[0]);
    let demoted = scene.round.is_multiple_of(2);
    let (invitation, token) = invited_by(scene, as_user(bert), "guest0", RoleRef::ADMIN).await;
    let before = scene.seq().await;
    let accepted = spawn_accept(scene, 1, guest, &token);
    scene.stagger(1).await;
    let with =
        |role| ReplaceAccess { organization, user: bert, cuts: 0, access: AccessAsk::Organization(role) };
    let (end, act, refusal) = if demoted {
        let end = spawn_run(&scene.replicas[0], Actor::CLI, with(VIEWER));
        (end, "member.access_changed", "inviter_cannot_grant")
    } else {
        let end = spawn_run(&scene.replicas[0], Actor::CLI, RemoveMember { organization, user: bert });
        (end, "member.removed", "invitation_revoked")
    };
    let ended = both(accepted, end).await;
    let actions = said(scene, before).await;
    let at = |what: &str| actions.iter().position(|action| action == what);
    let outcome = match ended {
        (Ok(()), Ok(())) if at("invitation.accepted").is_some_and(|first| Some(first) < at(act)) => {
            scene.act(RemoveMember { organization, user: guest }).await;
            format!("accepted, then {act}")
        }
        (Err(told), Ok(())) if told == refusal && at("member.added").is_none() => {
            if demoted {
                scene.act(RevokeInvitation { organization, invitation }).await;
            }
            format!("{act}, not accepted")
        }
        ended => return Err(format!("{ended:?}, the log says {actions:?}")),
    };
    if is_in(scene, guest).await {
        return Err("the guest is in".into());
    }
    scene.act(with(RoleRef::ADMIN)).await;
    Ok(outcome)
}

fn spawn_remove_everywhere(scene: &Scene, user: UserId) -> JoinHandle<Outcome> {
    let roster = scene.replicas[0].clone();
    tokio::spawn(async move {
        let request = Request::new(Actor::CLI, roster.entropy.as_ref());
        told(remove_everywhere(&roster, &request, user).await)
    })
}

pub(super) async fn accept_and_remove_everywhere(scene: &mut Scene) -> Result<String, String> {
    let seats = scene.seats_used().await;
    let (user, name) = stranger(scene).await;
    let (_, token) = invited_by(scene, Actor::CLI, &name, VIEWER).await;
    // Whoever begins first mostly wins.
    let (accepted, removed) = if scene.round.is_multiple_of(2) {
        let removed = spawn_remove_everywhere(scene, user);
        scene.stagger(1).await;
        (spawn_accept(scene, 1, user, &token), removed)
    } else {
        let accepted = spawn_accept(scene, 1, user, &token);
        scene.stagger(1).await;
        (accepted, spawn_remove_everywhere(scene, user))
    };
    let outcome = match both(accepted, removed).await {
        (Ok(()), Ok(())) => "accepted, then removed",
        (Err(_), Ok(())) => "removed, not accepted",
        ended => return Err(format!("{ended:?}")),
    };
    worked_off(scene).await;
    let late = spawn_accept(scene, 0, user, &token).await.expect("the act ends");
    let dump = scene.replicas[1].store.dump(&scene.home()).await.expect("a dump");
    let member = dump.records.iter().find_map(|stored| match &stored.record {
        Record::Member(member) if member.user == user => Some(member.status),
        _ => None,
    });
    if late.is_ok() || member.is_some_and(|status| status != MemberStatus::Former) {
        return Err(format!("{outcome}: they are {member:?}, and later {late:?}"));
    }
    // What was not accepted is over with the job.
    match scene.seats_used().await {
        left if left == seats => Ok(outcome.into()),
        left => Err(format!("{outcome}: {left} seats are held, not {seats}")),
    }
}

fn spawn_sign_up(scene: &Scene, n: usize, token: &str) -> JoinHandle<Outcome> {
    let (roster, token) = (scene.replicas[n].clone(), token.to_owned());
    tokio::spawn(async move {
        let request = Request::new(Actor::Visitor, roster.entropy.as_ref());
        let sign_up = SignUp {
            name: "Visitor".parse().expect("a name"),
            password: Password::new(PASSWORDS[n]).expect("a password"),
        };
        told(Box::pin(accept_invitation(&roster, &request, &token, Some(&sign_up))).await)
    })
}

fn spawn_reset(scene: &Scene, n: usize, token: &str) -> JoinHandle<Outcome> {
    let (roster, token) = (scene.replicas[n].clone(), token.to_owned());
    tokio::spawn(async move {
        let request = Request::new(Actor::Visitor, roster.entropy.as_ref());
        let password = Password::new(PASSWORDS[n]).expect("a password");
        told(reset_password(&roster, &request, &token, &password, None).await)
    })
}

pub(super) async fn one_link_for_two(scene: &mut Scene) -> Result<String, String> {
    scene.round += 1;
    scene.clock().advance_seconds(3_600);
    let before = scene.seq().await;
    let signing_up = scene.round.is_multiple_of(2);
    let name = if signing_up { format!("visitor{before}") } else { "mia".to_owned() };
    let ended = if signing_up {
        let (_, token) = invited_by(scene, Actor::CLI, &name, VIEWER).await;
        joined([0, 1].map(|n| spawn_sign_up(scene, n, &token)).into_iter()).await
    } else {
        let shown = show_password_reset(&scene.replicas[0], &operator(scene), scene.people.mia).await;
        let (url, _) = shown.expect("a link");
        let token = url.rsplit('/').next().expect("a token").to_owned();
        joined([0, 1].map(|n| spawn_reset(scene, n, &token)).into_iter()).await
    };
    let winner = match (ended[0], ended[1]) {
        (Ok(()), Err("unauthenticated" | "invitation_used" | "reset_used")) => 0,
        (Err("unauthenticated" | "invitation_used" | "reset_used"), Ok(())) => 1,
        _ => return Err(format!("{ended:?}")),
    };
    for (n, password) in PASSWORDS.into_iter().enumerate() {
        let request = Request::new(Actor::Visitor, scene.replicas[0].entropy.as_ref());
        let address = format!("{name}@example.com");
        let begun = sign_in(&scene.replicas[0], &request, &address, &Password::given(password)).await;
        if told(begun).is_ok() != (n == winner) {
            return Err(format!("{ended:?}, and the password of {n} opens otherwise"));
        }
    }
    let joined = said(scene, before).await.iter().filter(|action| *action == "member.added").count();
    if joined != usize::from(signing_up) {
        return Err(format!("{joined} have joined"));
    }
    let what = if signing_up { "signed up" } else { "set a password" };
    Ok(format!("whoever {what} on replica {winner}"))
}

pub(super) async fn two_invitations(scene: &mut Scene) -> Result<String, String> {
    let (organization, before) = (scene.organization, scene.seq().await);
    scene.clock().advance_seconds(200);
    let ask = InviteAsk {
        email: format!("double{before}@example.com").parse().expect("an address"),
        access: AccessAsk::Organization(VIEWER),
        expires_in: None,
        name: None,
        user: None,
        cuts: 0,
        cut_at: None,
    };
    let one = |n: usize| {
        let (roster, ask) = (scene.replicas[n].clone(), ask.clone());
        tokio::spawn(async move {
            let request = Request::new(Actor::CLI, roster.entropy.as_ref());
            told(invite(&roster, &request, organization, ask, None).await)
        })
    };
    let ended = joined([one(0), one(1)].into_iter()).await;
    let winner = only_the_first(&ended, "invitation_exists")?;
    match scene.actions_since(before).await.as_slice() {
        [(action, invitation)] if action == "invitation.created" => {
            let invitation = invitation.parse().expect("an id");
            scene.act(RevokeInvitation { organization, invitation }).await;
            Ok(format!("that of replica {winner}"))
        }
        actions => Err(format!("the log says {actions:?}")),
    }
}

/// Whether a secret opens anything, by a replica.
async fn opens(roster: &Roster, secret: &str) -> bool {
    told(authenticate(roster, secret, None, Needed::default()).await).is_ok()
}

/// Which of some uses, one after the other, opened anything.
fn spawn_uses(scene: &Scene, secret: &str) -> JoinHandle<Vec<bool>> {
    let (roster, secret) = (scene.replicas[1].clone(), secret.to_owned());
    tokio::spawn(async move {
        let mut opened = Vec::new();
        for _ in 0..8 {
            opened.push(opens(&roster, &secret).await);
            write_down(&roster).await.expect("the store answers");
        }
        opened
    })
}

fn spawn_end(scene: &Scene, key: ApiKeyId, rotated: bool) -> JoinHandle<Outcome> {
    let (organization, anna) = (scene.organization, as_user(scene.people.anna));
    if rotated {
        spawn_run(&scene.replicas[0], anna, RotateApiKey { organization, key, overlap_seconds: 0 })
    } else {
        spawn_run(&scene.replicas[0], anna, RevokeApiKey { organization, key })
    }
}

pub(super) async fn key_ends_in_use(scene: &mut Scene) -> Result<String, String> {
    let (organization, rotated) = (scene.organization, scene.round.is_multiple_of(2));
    let new = CreateApiKey {
        organization,
        name: "Reader".parse().expect("a name"),
        access: AccessAsk::Organization(VIEWER),
        expires_at: None,
    };
    let made = run(&scene.replicas[0], &operator(scene), &new).await.expect("a key").output;
    let (key, secret) = (made.0.id, made.1.reveal().to_owned());
    let (uses, end) = if (scene.round / 2).is_multiple_of(2) {
        let uses = spawn_uses(scene, &secret);
        scene.stagger(2).await;
        (uses, spawn_end(scene, key, rotated))
    } else {
        let end = spawn_end(scene, key, rotated);
        scene.stagger(1).await;
        (spawn_uses(scene, &secret), end)
    };
    let (uses, ended) = futures::join!(uses, end);
    let (uses, ended) = (uses.expect("the uses end"), ended.expect("the act ends"));
    let before = uses.iter().take_while(|opened| **opened).count();
    write_down(&scene.replicas[1]).await.expect("the store answers");
    let late = [opens(&scene.replicas[0], &secret).await, opens(&scene.replicas[1], &secret).await];
    if ended != Ok(()) || uses[before..].contains(&true) || late != [false, false] {
        return Err(format!("{ended:?}, used {uses:?}, and later {late:?}"));
    }
    let read = scene.replicas[1].store.read(&scene.home(), &[Key::ApiKey(key)], &[]).await.expect("a read");
    if read.records.is_empty() == rotated {
        return Err(format!("rotated {rotated}, and there is {:?}", read.records));
    }
    if rotated {
        scene.act(RevokeApiKey { organization, key }).await;
    }
    let how = if rotated { "rotated" } else { "revoked" };
    Ok(format!("{how} {}", if before > 0 { "after a use" } else { "before any use" }))
}
