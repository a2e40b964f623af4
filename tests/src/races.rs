//! Races on two replicas over one store, round after round: what may come out, and what must hold after each round.

mod invitees;
mod joiners;
mod judge;
mod leavers;
mod scene;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use roster_core::actor::Actor;
use roster_core::facts::Request;
use roster_core::flows::close_organization;
use roster_core::ops::member::{AccessAsk, DeactivateMember, ReactivateMember, RemoveMember, ReplaceAccess};
use roster_core::ops::organization::SetSeats;
use roster_core::ops::ownership::TransferOwnership;
use roster_core::ops::role::{CreateRole, DeleteRole};
use roster_core::permission::RoleRef;
use tokio::task::JoinHandle;

use self::judge::{granting, in_or_out, kept_for_the_way_back, one_owner, only_the_first};
use self::scene::{Outcome, Scene, VIEWER, as_user, joined, spawn_add, spawn_run, spawn_set_role};
/// How many rounds are run; the test command's if it is not set.
pub const ROUNDS: &str = "ROSTER_TEST_RACE_ROUNDS";

/// Set to `off`, nothing that is read is guarded: most races end wrongly then, which shows that they look.
pub const GUARDS: &str = "ROSTER_TEST_RACE_GUARDS";

/// In the test command.
const USUAL_ROUNDS: u32 = 50;

/// Rounds on one store. After each the organization is verified, after the last every home; then a fresh store takes
/// over, so that what is verified stays small.
const ROUNDS_A_STORE: u32 = 25;
/// The same where a store takes long to be made and each round leaves little behind.
const ROUNDS_A_STORE_WITH_A_CROWD: u32 = 250;
/// In so many rounds either act must have won at least once; where there are several kinds of round, of each kind.
const ROUNDS_FOR_BOTH: u32 = 100;
/// One line of progress after so many.
const ROUNDS_A_LINE: u32 = 100;

/// Two acts, or more, at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Race {
    /// The owner hands over to anna and, on the other replica, to bert (O5).
    TwoTransfers,
    /// The owner hands over to anna while she is removed (O5).
    TransferAndRemoval,
    /// Fifty are added while one seat is free, or accept invitations that hold none (S1).
    FiftyForOneSeat,
    /// mia is removed while her role is changed (M6, M7).
    RemovalAndRole,
    /// bert, an admin, goes on adding admins while he is made a viewer (M7, M11).
    DemotedGranting,
    /// The organization is closed while somebody is added (O7).
    CloseAndAdd,
    /// mia is deactivated while her role is changed (L1, M7).
    DeactivationAndRole,
    /// A role of the organization's own is deleted while it is given to mia (P2).
    RoleDeletedAndGiven,
    /// mia goes by a plan while her role is changed (L6, L7).
    PlanAndRole,
    /// mia's records are handed over while one of them is registered as hers (L7).
    ReassignAndPut,
    /// Somebody is erased while they accept an invitation (L5, M9).
    EraseAndAccept,
    /// Somebody is erased while they are added (L5, M9).
    EraseAndAdd,
    /// One link is accepted by several requests (I2).
    AcceptAndAccept,
    /// An invitation is accepted while it is revoked (I4).
    AcceptAndRevoke,
    /// An invitation is accepted by its link while it is sent again (I4).
    AcceptAndResend,
    /// anna accepts an offer while the owner hands over to bert (O4, O5).
    OfferAndTransfer,
    /// anna accepts an offer while she is removed (O4, O5).
    OfferAndRemoval,
    /// mia is deactivated, reactivated, given a role and deleted, each of it twice (L1, L2, L4).
    ComingAndGoing,
    /// An acceptance, an adding, an access that is put, a way back and an imported row, for one seat (S1).
    MixedForOneSeat,
    /// An invitation is accepted while its inviter is removed, or made a viewer (I6, M7).
    AcceptAndInviter,
    /// Somebody is removed from everything while they accept an invitation (M5, M9).
    AcceptAndRemoveEverywhere,
    /// Two sign up by one link, or set a password by one, each with another password (I2, L8).
    OneLinkForTwo,
    /// One address is invited on both replicas (I7).
    TwoInvitations,
    /// A key is revoked, or turned, while it is used (P3, P5).
    KeyEndsInUse,
}

/// What came out of all rounds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// How many there were.
    pub rounds: u32,
    /// How often each outcome was seen.
    pub outcomes: BTreeMap<String, u32>,
    /// How long they took.
    pub took: Duration,
}

impl Report {
    /// A line for a table: race, store, rounds, milliseconds, outcomes, with `|` between.
    pub fn line(&self, race: Race, store: &str) -> String {
        let outcomes: Vec<String> = self.outcomes.iter().map(|(what, n)| format!("{n} {what}")).collect();
        let (rounds, millis) = (self.rounds, self.took.as_millis());
        format!("race|{}|{store}|{rounds}|{millis}|{}", race.name(), outcomes.join("; "))
    }
}

impl Report {
    /// What was never seen of a race that either may win, in so many rounds that this is no chance. In memory an act takes so
    /// short that the first to begin wins.
    fn never_seen(&self, race: Race, store: &str) -> Vec<&'static str> {
        let sides = race.sides();
        let kinds = u32::try_from(sides.len().div_ceil(2)).unwrap_or(u32::MAX);
        if store == "memory" || self.rounds < ROUNDS_FOR_BOTH.saturating_mul(kinds) {
            return Vec::new();
        }
        let seen = |side: &str| self.outcomes.keys().any(|outcome| outcome.starts_with(side));
        sides.iter().copied().filter(|side| !seen(side)).collect()
    }
}

/// How many rounds are wanted.
///
/// # Panics
/// Where [`ROUNDS`] is no number.
pub fn rounds_wanted() -> u32 {
    let given = std::env::var(ROUNDS).ok();
    given.map_or(USUAL_ROUNDS, |rounds| rounds.parse().unwrap_or_else(|_| panic!("{ROUNDS} is no number")))
}

/// Runs a race so often on a store; the first round that ends wrongly is the error.
pub async fn run(race: Race, store: &'static str, rounds: u32) -> Result<Report, String> {
    let (begun, mut report) = (Instant::now(), Report::default());
    while report.rounds < rounds {
        let mut scene = Scene::on(store, race).await;
        let most = if race == Race::FiftyForOneSeat { ROUNDS_A_STORE_WITH_A_CROWD } else { ROUNDS_A_STORE };
        for _ in 0..most.min(rounds - report.rounds) {
            let round = report.rounds + 1;
            let wrong = |what: String| format!("{} on {store}, round {round}: {what}", race.name());
            let outcome = race.round(&mut scene).await.map_err(wrong)?;
            scene.verify(false).await.map_err(wrong)?;
            *report.outcomes.entry(outcome).or_default() += 1;
            report.rounds = round;
            if round.is_multiple_of(ROUNDS_A_LINE) && round < rounds {
                eprintln!("{} on {store}: {round} of {rounds} rounds", race.name());
            }
        }
        scene.verify(true).await.map_err(|what| format!("{} on {store}: {what}", race.name()))?;
    }
    report.took = begun.elapsed();
    match report.never_seen(race, store).as_slice() {
        [] => Ok(report),
        never => Err(format!("{} on {store}: never {never:?}: {:?}", race.name(), report.outcomes)),
    }
}

impl Race {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::TwoTransfers,
        Self::TransferAndRemoval,
        Self::FiftyForOneSeat,
        Self::RemovalAndRole,
        Self::DemotedGranting,
        Self::CloseAndAdd,
        Self::DeactivationAndRole,
        Self::RoleDeletedAndGiven,
        Self::PlanAndRole,
        Self::ReassignAndPut,
        Self::EraseAndAccept,
        Self::EraseAndAdd,
        Self::AcceptAndAccept,
        Self::AcceptAndRevoke,
        Self::AcceptAndResend,
        Self::OfferAndTransfer,
        Self::OfferAndRemoval,
        Self::ComingAndGoing,
        Self::MixedForOneSeat,
        Self::AcceptAndInviter,
        Self::AcceptAndRemoveEverywhere,
        Self::OneLinkForTwo,
        Self::TwoInvitations,
        Self::KeyEndsInUse,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TwoTransfers => "two transfers",
            Self::TransferAndRemoval => "transfer and removal of its target",
            Self::FiftyForOneSeat => "fifty for one seat",
            Self::RemovalAndRole => "removal and change of role",
            Self::DemotedGranting => "a demoted admin still granting",
            Self::CloseAndAdd => "close and add",
            Self::DeactivationAndRole => "deactivation and change of role",
            Self::RoleDeletedAndGiven => "end of a role and its giving",
            Self::PlanAndRole => "leaving plan and change of role",
            Self::ReassignAndPut => "hand-over of records and a put",
            Self::EraseAndAccept => "erasure and acceptance",
            Self::EraseAndAdd => "erasure and adding",
            Self::AcceptAndAccept => "one link accepted by many",
            Self::AcceptAndRevoke => "acceptance and revocation",
            Self::AcceptAndResend => "acceptance and sending again",
            Self::OfferAndTransfer => "accepted offer and transfer",
            Self::OfferAndRemoval => "accepted offer and removal",
            Self::ComingAndGoing => "going, coming back, deletion, role",
            Self::MixedForOneSeat => "five acts for one seat",
            Self::AcceptAndInviter => "acceptance and the inviter's end",
            Self::AcceptAndRemoveEverywhere => "acceptance and removal from everything",
            Self::OneLinkForTwo => "one link borne by two",
            Self::TwoInvitations => "two invitations of one address",
            Self::KeyEndsInUse => "end of a key and its use",
        }
    }

    /// Of so many rounds that are asked for, how many it runs: one that makes a person, or has a job done, takes long.
    pub const fn rounds(self, asked_for: u32) -> u32 {
        match self {
            Self::AcceptAndAccept | Self::AcceptAndRemoveEverywhere => asked_for.div_ceil(10),
            Self::EraseAndAccept
            | Self::EraseAndAdd
            | Self::ComingAndGoing
            | Self::MixedForOneSeat
            | Self::AcceptAndInviter
            | Self::OneLinkForTwo
            | Self::TwoInvitations
            | Self::KeyEndsInUse => asked_for.div_ceil(5),
            Self::DeactivationAndRole
            | Self::RoleDeletedAndGiven
            | Self::PlanAndRole
            | Self::ReassignAndPut
            | Self::AcceptAndRevoke
            | Self::AcceptAndResend
            | Self::OfferAndTransfer
            | Self::OfferAndRemoval => asked_for.div_ceil(2),
            _ => asked_for,
        }
    }

    /// How the outcomes begin that show either act winning, in each kind of round. None where the acts are alike and it does
    /// not show which of them won.
    const fn sides(self) -> &'static [&'static str] {
        match self {
            // Either cannot tell its sides apart, or, as eight acts do, ends in too many ways.
            Self::TwoTransfers | Self::FiftyForOneSeat | Self::AcceptAndAccept | Self::ComingAndGoing => &[],
            Self::TransferAndRemoval => &["handed over, not removed", "removed, not handed over"],
            Self::RemovalAndRole => &["changed, then removed", "removed, then given"],
            Self::DemotedGranting => &["none landed before it", "some landed before it"],
            Self::CloseAndAdd => &["added, then closed", "closed, not added"],
            Self::DeactivationAndRole => &["changed, then deactivated", "deactivated, not changed"],
            Self::RoleDeletedAndGiven => &["deleted, not given", "given, not deleted"],
            Self::PlanAndRole => &["gone by the plan", "changed, the plan is another"],
            Self::ReassignAndPut => &["handed over, then put", "put, then handed over"],
            Self::EraseAndAccept => &["accepted, then erased", "erased, "],
            Self::EraseAndAdd => &["added, then erased", "erased, "],
            Self::AcceptAndRevoke => &["accepted, not revoked", "revoked, not accepted"],
            Self::AcceptAndResend => &["accepted, not sent again", "sent again"],
            Self::OfferAndTransfer => &["accepted, not handed over", "handed over, not accepted"],
            Self::OfferAndRemoval => &["accepted, not removed", "removed, not accepted"],
            Self::MixedForOneSeat => &["the access that was put", "the way back"],
            Self::AcceptAndInviter => &[
                "accepted, then member.access_changed",
                "member.access_changed, not",
                "accepted, then member.removed",
                "member.removed, not",
            ],
            Self::AcceptAndRemoveEverywhere => &["accepted, then removed", "removed, not accepted"],
            Self::OneLinkForTwo => &[
                "whoever signed up on replica 0",
                "whoever signed up on replica 1",
                "whoever set a password on replica 0",
                "whoever set a password on replica 1",
            ],
            Self::TwoInvitations => &["that of replica 0", "that of replica 1"],
            Self::KeyEndsInUse => &[
                "rotated after a use",
                "rotated before any use",
                "revoked after a use",
                "revoked before any use",
            ],
        }
    }

    /// One round from a scene as it was built, which is put back afterwards; what came out, or what is wrong.
    async fn round(self, scene: &mut Scene) -> Result<String, String> {
        match self {
            Self::TwoTransfers => two_transfers(scene).await,
            Self::TransferAndRemoval => transfer_and_removal(scene).await,
            Self::FiftyForOneSeat => fifty_for_one_seat(scene).await,
            Self::RemovalAndRole => removal_and_role(scene).await,
            Self::DemotedGranting => demoted_granting(scene).await,
            Self::CloseAndAdd => close_and_add(scene).await,
            Self::DeactivationAndRole => deactivation_and_role(scene).await,
            Self::RoleDeletedAndGiven => role_deleted_and_given(scene).await,
            Self::PlanAndRole => leavers::plan_and_role(scene).await,
            Self::ReassignAndPut => leavers::reassign_and_put(scene).await,
            Self::EraseAndAccept => leavers::erase_and_accept(scene).await,
            Self::EraseAndAdd => leavers::erase_and_add(scene).await,
            Self::AcceptAndAccept => joiners::accept_and_accept(scene).await,
            Self::AcceptAndRevoke => joiners::accept_and_revoke(scene).await,
            Self::AcceptAndResend => joiners::accept_and_resend(scene).await,
            Self::OfferAndTransfer => joiners::offer_and_transfer(scene).await,
            Self::OfferAndRemoval => joiners::offer_and_removal(scene).await,
            Self::ComingAndGoing => joiners::coming_and_going(scene).await,
            Self::MixedForOneSeat => joiners::mixed_for_one_seat(scene).await,
            Self::AcceptAndInviter => invitees::accept_and_inviter(scene).await,
            Self::AcceptAndRemoveEverywhere => invitees::accept_and_remove_everywhere(scene).await,
            Self::OneLinkForTwo => invitees::one_link_for_two(scene).await,
            Self::TwoInvitations => invitees::two_invitations(scene).await,
            Self::KeyEndsInUse => invitees::key_ends_in_use(scene).await,
        }
    }
}

async fn both(one: JoinHandle<Outcome>, other: JoinHandle<Outcome>) -> (Outcome, Outcome) {
    let (one, other) = futures::join!(one, other);
    (one.expect("the act ends"), other.expect("the act ends"))
}

async fn two_transfers(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    let owner = as_user(people.olga);
    let to = |heir| TransferOwnership::new(organization, (heir, 0), RoleRef::ADMIN);
    let one = spawn_run(&scene.replicas[0], owner, to(people.anna));
    let other = spawn_run(&scene.replicas[1], owner, to(people.bert));
    // A request that began after the first had won is judged afresh: its actor owns nothing now.
    let (heir, told) = match both(one, other).await {
        (Ok(()), Err(told @ ("owner_changed" | "forbidden"))) => (people.anna, told),
        (Err(told @ ("owner_changed" | "forbidden")), Ok(())) => (people.bert, told),
        ended => return Err(format!("{ended:?}")),
    };
    one_owner(scene, heir).await?;
    scene.act(TransferOwnership::new(organization, (people.olga, 0), RoleRef::ADMIN)).await;
    Ok(format!("one won, the other {told}"))
}

async fn transfer_and_removal(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    let transfer = TransferOwnership::new(organization, (people.anna, 0), RoleRef::ADMIN);
    let transfer = spawn_run(&scene.replicas[0], as_user(people.olga), transfer);
    let removal = RemoveMember { organization, user: people.anna };
    let removal = spawn_run(&scene.replicas[1], Actor::CLI, removal);
    match both(transfer, removal).await {
        (Ok(()), Err("owner_must_transfer")) => {
            one_owner(scene, people.anna).await?;
            scene.act(TransferOwnership::new(organization, (people.olga, 0), RoleRef::ADMIN)).await;
            Ok("handed over, not removed".into())
        }
        (Err("target_not_active"), Ok(())) => {
            one_owner(scene, people.olga).await?;
            let access = AccessAsk::Organization(RoleRef::ADMIN);
            scene.act(ReplaceAccess { organization, user: people.anna, cuts: 0, access }).await;
            Ok("removed, not handed over".into())
        }
        ended => Err(format!("{ended:?}")),
    }
}

async fn fifty_for_one_seat(scene: &mut Scene) -> Result<String, String> {
    scene.round += 1;
    if scene.round.is_multiple_of(25) {
        return invitees::fifty_invited_for_one_seat(scene).await;
    }
    let organization = scene.organization;
    let seats = scene.seats_used().await;
    scene.act(SetSeats { organization, purchased: u32::try_from(seats + 1).ok() }).await;
    let adds = (0_usize..).zip(&scene.crowd).map(|(n, user)| {
        let roster = &scene.replicas[n % 2];
        spawn_add(roster, Actor::CLI, organization, *user, AccessAsk::Organization(VIEWER))
    });
    let ended = joined(adds).await;
    let winner = only_the_first(&ended, "no_seat")?;
    if scene.seats_used().await != seats + 1 {
        return Err(format!("{} seats are used, not {}", scene.seats_used().await, seats + 1));
    }
    scene.act(RemoveMember { organization, user: scene.crowd[winner] }).await;
    // Who has joined another way has no invitation any more.
    if let Some(door) = scene.doors.get_mut(winner) {
        door.clear();
    }
    Ok("one was added, 49 no_seat".into())
}

async fn removal_and_role(scene: &mut Scene) -> Result<String, String> {
    let (organization, people, before) = (scene.organization, scene.people, scene.seq().await);
    let role = spawn_set_role(&scene.replicas[1], as_user(people.bert), organization, scene.one, people.mia);
    scene.stagger(1).await;
    let removal = RemoveMember { organization, user: people.mia };
    let removal = spawn_run(&scene.replicas[0], as_user(people.anna), removal);
    match both(removal, role).await {
        (Ok(()), Ok(())) => {}
        ended => return Err(format!("{ended:?}")),
    }
    let outcome = in_or_out(scene, before).await?;
    let access = scene.on_both();
    scene.act(ReplaceAccess { organization, user: people.mia, cuts: 0, access }).await;
    Ok(outcome)
}

async fn demoted_granting(scene: &mut Scene) -> Result<String, String> {
    let (organization, people, before) = (scene.organization, scene.people, scene.seq().await);
    let roster = scene.replicas[1].clone();
    let guests = scene.guests.clone();
    let grants = tokio::spawn(async move {
        let mut ended = Vec::new();
        for user in guests {
            let admin = AccessAsk::Organization(RoleRef::ADMIN);
            let add = spawn_add(&roster, as_user(people.bert), organization, user, admin);
            ended.push(add.await.expect("the act ends"));
        }
        ended
    });
    scene.stagger(4).await;
    let demotion =
        ReplaceAccess { organization, user: people.bert, cuts: 0, access: AccessAsk::Organization(VIEWER) };
    let demotion = spawn_run(&scene.replicas[0], Actor::CLI, demotion);
    let (grants, demotion) = futures::join!(grants, demotion);
    let grants = grants.expect("the acts end");
    if demotion.expect("the act ends") != Ok(()) {
        return Err("the operator may demote".into());
    }
    let landed = granting(scene, before, &grants).await?;
    for user in &scene.guests[..landed] {
        scene.act(RemoveMember { organization, user: *user }).await;
    }
    let access = AccessAsk::Organization(RoleRef::ADMIN);
    scene.act(ReplaceAccess { organization, user: people.bert, cuts: 0, access }).await;
    let how = if landed == 0 { "none" } else { "some" };
    Ok(format!("{how} landed before it, {landed} of {}", grants.len()))
}

async fn close_and_add(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    let access = AccessAsk::Organization(VIEWER);
    let add = spawn_add(&scene.replicas[1], Actor::CLI, organization, scene.guests[0], access);
    scene.stagger(1).await;
    let roster = scene.replicas[0].clone();
    let close = tokio::spawn(async move {
        let request = Request::new(as_user(people.olga), roster.entropy.as_ref());
        scene::told(close_organization(&roster, &request, organization, true).await)
    });
    let (closed, added) = both(close, add).await;
    let outcome = match (closed, added) {
        (Ok(()), Ok(())) => "added, then closed",
        (Ok(()), Err("organization_closed")) => "closed, not added",
        ended => return Err(format!("{ended:?}")),
    };
    judge::closed_for_good(scene, added).await?;
    scene.organize().await;
    Ok(outcome.into())
}

async fn deactivation_and_role(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    let role = spawn_set_role(&scene.replicas[1], as_user(people.bert), organization, scene.one, people.mia);
    scene.stagger(1).await;
    let deactivation = DeactivateMember { organization, user: people.mia };
    let deactivation = spawn_run(&scene.replicas[0], as_user(people.anna), deactivation);
    let (deactivated, role) = both(deactivation, role).await;
    let outcome = match (deactivated, role) {
        (Ok(()), Ok(())) => "changed, then deactivated",
        (Ok(()), Err("member_deactivated")) => "deactivated, not changed",
        ended => return Err(format!("{ended:?}")),
    };
    kept_for_the_way_back(scene, role.is_ok()).await?;
    scene.act(ReactivateMember { organization, user: people.mia, cuts: 0 }).await;
    let access = scene.on_both();
    scene.act(ReplaceAccess { organization, user: people.mia, cuts: 0, access }).await;
    Ok(outcome.into())
}

async fn role_deleted_and_given(scene: &mut Scene) -> Result<String, String> {
    let (organization, people) = (scene.organization, scene.people);
    let permissions = ["members:read".parse().expect("a permission")].into();
    let made = CreateRole { organization, name: "Desk".parse().expect("a name"), permissions };
    let request = Request::new(Actor::CLI, scene.replicas[0].entropy.as_ref());
    let made = roster_core::op::run(&scene.replicas[0], &request, &made).await.expect("a role");
    let role = RoleRef::Custom(made.output.id);
    let access = AccessAsk::Organization(role);
    let given = ReplaceAccess { organization, user: people.mia, cuts: 0, access };
    let given = spawn_run(&scene.replicas[1], as_user(people.bert), given);
    scene.stagger(1).await;
    let end = || DeleteRole { organization, role, replace_with: None };
    let deleted = spawn_run(&scene.replicas[0], as_user(people.anna), end());
    match both(deleted, given).await {
        (Ok(()), Err("not_found")) => Ok("deleted, not given".into()),
        (Err("role_in_use"), Ok(())) => {
            let access = scene.on_both();
            scene.act(ReplaceAccess { organization, user: people.mia, cuts: 0, access }).await;
            scene.act(end()).await;
            Ok("given, not deleted".into())
        }
        ended => Err(format!("{ended:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_that_one_act_always_wins_is_found_out() {
        let never = |race, store, rounds, outcomes: &[&str]| {
            let outcomes = outcomes.iter().map(|what| ((*what).to_owned(), rounds)).collect();
            Report { rounds, outcomes, took: Duration::ZERO }.never_seen(race, store)
        };
        let (closed, added) = ("closed, not added", "added, then closed");
        assert_eq!(never(Race::CloseAndAdd, "sqlite", 100, &[closed]), [added]);
        assert_eq!(never(Race::CloseAndAdd, "sqlite", 100, &[closed, added]), [""; 0]);
        assert_eq!(never(Race::CloseAndAdd, "sqlite", 50, &[closed]), [""; 0]);
        assert_eq!(never(Race::CloseAndAdd, "memory", 100, &[closed]), [""; 0]);
        assert_eq!(never(Race::TwoTransfers, "sqlite", 100, &["one won"]), [""; 0]);
        // Each kind of round goes both ways.
        let lost = ["member.access_changed, not accepted", "member.removed, not accepted"];
        let won = ["accepted, then member.access_changed", "accepted, then member.removed"];
        assert_eq!(never(Race::AcceptAndInviter, "sqlite", 200, &lost), won);
        assert_eq!(never(Race::AcceptAndInviter, "sqlite", 200, &[lost[0], lost[1], won[1]]), [won[0]]);
        assert_eq!(never(Race::AcceptAndInviter, "sqlite", 100, &lost), [""; 0]);
        assert_eq!(never(Race::AcceptAndInviter, "sqlite", 200, &[lost, won].concat()), [""; 0]);
        let refusals = ["erased, the acceptance not_found", "erased, the acceptance unauthenticated"];
        assert_eq!(never(Race::EraseAndAccept, "sqlite", 100, &refusals), ["accepted, then erased"]);
    }
}
