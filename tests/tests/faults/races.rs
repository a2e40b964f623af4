//! Each race on two replicas over one store, 50 rounds in the test command and 1,000 in `cargo xtask races`.

use roster_tests::races::{Race, rounds_wanted, run};
use roster_tests::stores::selected;

async fn on_every_store(race: Race) {
    for store in selected() {
        let report =
            run(race, store, race.rounds(rounds_wanted())).await.unwrap_or_else(|wrong| panic!("{wrong}"));
        println!("\n{}", report.line(race, store));
    }
}

macro_rules! races {
    ($($(#[$doc:meta])* $name:ident: $race:ident;)+) => {
        $(
            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                on_every_store(Race::$race).await;
            }
        )+

        #[test]
        fn every_race_has_its_test() {
            assert_eq!(Race::ALL, [$(Race::$race),+]);
        }
    };
}

races! {
    o5_of_two_transfers_one_wins: TwoTransfers;
    o5_a_transfer_or_the_removal_of_its_target_wins: TransferAndRemoval;
    s1_of_fifty_for_one_seat_one_is_added: FiftyForOneSeat;
    m6_after_a_removal_no_old_role_is_left: RemovalAndRole;
    m11_a_demoted_admin_grants_no_more: DemotedGranting;
    o7_nobody_joins_what_is_closed: CloseAndAdd;
    l1_what_is_kept_for_the_way_back_is_the_last_role: DeactivationAndRole;
    p2_no_role_ends_that_somebody_has_just_been_given: RoleDeletedAndGiven;
    l6_a_plan_is_executed_as_it_was_read_or_not_at_all: PlanAndRole;
    l7_a_record_is_whose_it_was_made_last: ReassignAndPut;
    l5_who_is_erased_is_no_member_by_an_invitation: EraseAndAccept;
    l5_who_is_erased_is_no_member_by_an_adding: EraseAndAdd;
    i2_one_link_makes_one_member: AcceptAndAccept;
    i4_a_link_is_accepted_or_revoked: AcceptAndRevoke;
    i4_an_old_link_is_accepted_or_dead: AcceptAndResend;
    o4_an_offer_is_accepted_or_another_owns_it: OfferAndTransfer;
    o4_an_offer_is_accepted_or_its_target_removed: OfferAndRemoval;
    l4_whoever_comes_and_goes_does_so_in_one_order: ComingAndGoing;
    s1_of_five_ways_to_one_seat_one_gets_it: MixedForOneSeat;
    i6_a_link_is_accepted_before_its_inviter_ends_or_not: AcceptAndInviter;
    m9_who_is_removed_from_everything_is_no_member_by_an_old_link: AcceptAndRemoveEverywhere;
    i2_l8_one_link_sets_one_password: OneLinkForTwo;
    i7_one_address_has_one_pending_invitation: TwoInvitations;
    p3_no_use_brings_a_key_back: KeyEndsInUse;
}
