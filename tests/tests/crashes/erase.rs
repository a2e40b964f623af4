//! A person is erased, and whoever does it dies at any commit: whoever comes next goes on, and nothing names them then.

use std::fmt::Write as _;
use std::sync::Arc;

use roster_core::facts::Request;
use roster_core::flows::erase_user;
use roster_core::home::{Home, Record};
use roster_core::jobs::Worker;
use roster_core::log::LogFilter;
use roster_core::model::JobStatus;
use roster_core::op::Roster;
use roster_core::refusal::OpError;
use roster_tests::crash::{Afterwards, Crash, Loss};
use roster_tests::stores::selected;

use crate::findings;
use crate::flow::request;
use crate::scene::Scene;

/// The request, and then the job.
async fn erase(roster: &Roster, scene: &Scene) -> Result<(), OpError> {
    let request = Request { receipt: None, ..request(250) };
    erase_user(roster, &request, scene.ids.ute).await?;
    Worker::new(roster.clone(), Arc::default()).work_off().await
}

/// Where somebody is named still.
async fn naming(scene: &Scene) -> Vec<String> {
    let (store, mut found) = (&scene.at.store, Vec::new());
    for home in store.homes(None, u16::MAX).await.unwrap() {
        let mut all = format!("{home} {:?}", store.dump(&home).await.unwrap());
        for logged in store.log(&home, 0, u16::MAX, &LogFilter::ALL).await.unwrap() {
            write!(all, "{} {:?}", String::from_utf8_lossy(&logged.body), logged.personal).unwrap();
        }
        if all.contains("ute@example.com") {
            found.push(home.to_string());
        }
    }
    found
}

async fn assert_erased(scene: &Scene, how: &str) {
    assert_eq!(naming(scene).await, [""; 0], "{how}");
    assert_eq!(findings(scene).await, [], "{how}");
    let dump = scene.at.store.dump(&Home::User(scene.ids.ute)).await.unwrap();
    let jobs = dump.records.iter().filter_map(|stored| match &stored.record {
        Record::Job(job) => Some(job.status),
        _ => None,
    });
    assert_eq!(jobs.collect::<Vec<_>>(), [JobStatus::Completed], "{how}: one job, and it has ended");
}

/// L5: in memory at every commit; elsewhere at a few.
#[tokio::test]
async fn l5_an_erasure_that_is_cut_off_goes_on_to_its_end() {
    for store in selected() {
        let begun = Scene::on(store).await;
        let scene = begun.copied().await;
        assert!(naming(&scene).await.len() > 3, "{store}: the test looks where they are named");
        let counter = Crash::never();
        erase(&scene.behind(counter.clone()), &scene).await.unwrap();
        assert_erased(&scene, store).await;
        let commits = counter.commits();
        let at = if store == "memory" { (0..commits).collect() } else { vec![commits / 3, 2 * commits / 3] };
        for (n, loss) in at.into_iter().zip([Loss::Commit, Loss::Answer].into_iter().cycle()) {
            let how = format!("{store}: cut off at commit {n} of {commits}, {loss:?}");
            let scene = begun.copied().await;
            let crash = Crash::at(n, loss, Afterwards::Down);
            assert!(erase(&scene.behind(crash), &scene).await.is_err(), "{how}");
            // Whoever did it holds the job no longer.
            scene.clock().advance_seconds(61);
            erase(&scene.roster(), &scene).await.unwrap_or_else(|error| panic!("{how}: {error}"));
            assert_erased(&scene, &how).await;
        }
    }
}
