//! Letters whose sender dies at any commit, or just after handing one over: each is sent, and twice at the most (rule I9).

use std::sync::Arc;

use roster_core::home::Record;
use roster_core::mail::Postman;
use roster_core::op::Roster;
use roster_core::ops::mail::LEASE_SECONDS;
use roster_tests::crash::Crash;
use roster_tests::mailbox::Mailbox;

use crate::WAYS;
use crate::flow::{Ask, Flow, with_mail};
use crate::scene::Scene;

async fn sends(roster: &Roster, mailbox: &Arc<Mailbox>) {
    let postman = Postman::new(with_mail(roster, Arc::clone(mailbox))).unwrap();
    // What a store that is down answers is in the log of the process.
    postman.work_off().await.ok();
}

/// Letters and pointers to them that any home holds.
async fn waiting(scene: &Scene) -> usize {
    let mut found = 0;
    for home in scene.at.store.homes(None, u16::MAX).await.unwrap() {
        let records = scene.at.store.dump(&home).await.unwrap().records;
        let waits = |record: &Record| matches!(record, Record::Mail(_) | Record::MailPointer(_));
        found += records.iter().filter(|stored| waits(&stored.record)).count();
    }
    found
}

#[tokio::test(start_paused = true)]
async fn i9_a_letter_is_sent_whoever_dies_while_sending_it() {
    let mut n = 0;
    loop {
        for way in WAYS {
            let scene = Scene::on("memory").await;
            Flow::Invite.run(&scene.roster(), scene.ids, Ask::Same).await.unwrap();
            assert_eq!(waiting(&scene).await, 2, "a letter and the way to it");
            let (mailbox, crash) = (Arc::new(Mailbox::default()), Crash::at(n, way.0, way.1));
            sends(&scene.behind(crash.clone()), &mailbox).await;
            let how = format!("cut off at commit {n}: {way:?}");
            if crash.commits() <= n {
                assert_eq!((mailbox.tries(), waiting(&scene).await), (1, 0), "uncut");
                assert!(n >= 3, "taking, noting and forgetting are commits");
                return;
            }
            for _ in 0..2 {
                scene.clock().advance_seconds(LEASE_SECONDS + 1);
                sends(&scene.roster(), &mailbox).await;
            }
            assert!((1..=2).contains(&mailbox.tries()), "{how}: {} letters", mailbox.tries());
            let letters = mailbox.collect(&with_mail(&scene.roster(), Arc::clone(&mailbox))).await;
            assert!(letters.iter().all(|letter| letter.reference == letters[0].reference), "{how}");
            assert_eq!(waiting(&scene).await, 0, "{how}: nothing waits any more");
        }
        n += 1;
    }
}
