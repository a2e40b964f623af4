//! A server whose file ends anywhere within a commit, as after a loss of power: what a script writes is one transaction of
//! the file, so that of its last one either all is there or nothing.

use std::fs;
use std::path::PathBuf;

use roster_core::store::{Committed, Store};
use roster_tests::build::organization_home;
use roster_tests::load::{add_account, assert_consistent};
use roster_tests::private_server::redis::Redis;

use super::{config, is_wanted, made};

const CUTS: u64 = 12;

/// The file that grows.
fn growing(server: &Redis) -> PathBuf {
    let folder = fs::read_dir(server.folder().path().join("appendonlydir")).unwrap();
    let mut files = folder.map(|file| file.unwrap().path());
    files.find(|path| path.to_str().unwrap().ends_with(".incr.aof")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_ends_within_a_commit_holds_nothing_of_it() {
    if !is_wanted() {
        return;
    }
    let mut server = Redis::with(&[]);
    let home = organization_home(1);
    let (before, whole) = {
        let store = made(config(&server)).await.unwrap();
        for n in 1..=2 {
            store.commit(&add_account(n)).await.unwrap();
        }
        let before = fs::metadata(growing(&server)).unwrap().len();
        store.commit(&add_account(3)).await.unwrap();
        (before, fs::read(growing(&server)).unwrap())
    };
    let length = whole.len() as u64 - before;
    assert!(length > CUTS, "the last commit is in the file");
    let cuts = (0..CUTS).map(|n| before + n * length / CUTS);
    for cut in cuts.chain([whole.len() as u64 - 1, whole.len() as u64]) {
        server.kill();
        fs::write(growing(&server), &whole[..usize::try_from(cut).unwrap()]).unwrap();
        server.start(&[]);
        let store = made(config(&server)).await.unwrap();
        let is_there = cut == whole.len() as u64;
        let entries = assert_consistent(&store, &home).await;
        assert_eq!(entries, if is_there { 3 } else { 2 }, "cut {} of {length}", cut - before);
        let again = store.commit(&add_account(3)).await.unwrap();
        assert_eq!(again == Committed::Before, is_there, "cut {} of {length}", cut - before);
        assert_eq!(assert_consistent(&store, &home).await, 3);
    }
}
