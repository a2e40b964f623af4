//! Whom an overlay keeps while a file is gone through.

use std::fmt::Write as _;
use std::sync::Arc;

use super::*;
use crate::actor::Actor;
use crate::facts::{Entropy, Request};
use crate::flows::import::{Again, Conflicts, ImportLine, ImportOptions, import_rows, parse_members};
use crate::flows::{NewOrganization, NewUser, create_organization};
use crate::log::digest;
use crate::memory::MemoryStore;
use crate::op::Roster;
use crate::overlay::on_overlay;
use crate::store::Clock;
use crate::time::Timestamp;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000_000)
    }
}

/// The hash of a counter.
#[derive(Debug, Default)]
struct Counted(std::sync::atomic::AtomicU64);

impl Entropy for Counted {
    fn bytes(&self) -> [u8; 32] {
        digest(&self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst).to_be_bytes())
    }

    fn millis(&self) -> u64 {
        1_000
    }
}

impl Overlay {
    /// How much it keeps in mind: homes, and what is known in them.
    fn size(&self) -> usize {
        let layer = self.layer();
        let keys = layer.homes.values().filter_map(|it| it.keys.as_ref()).map(BTreeSet::len).sum::<usize>();
        let records = layer.homes.values().map(|it| it.data.records.len()).sum::<usize>();
        layer.homes.len() + keys + records + layer.pending.len()
    }
}

/// X4: so much is kept after each hundred rows of people who come once, but for one who comes in every hundred.
#[tokio::test]
async fn x4_a_file_is_gone_through_in_memory_that_does_not_grow() {
    goes_through(None).await;
}

/// X4: the same where no seat is free: what ends by time is looked for, but not by taking the organization into memory.
#[tokio::test]
async fn x4_seats_that_have_run_out_take_no_more_memory() {
    goes_through(Some(1)).await;
}

async fn goes_through(purchased: Option<u32>) {
    let roster = Roster::new(Arc::new(MemoryStore::new(Arc::new(Still))), Arc::new(Counted::default()));
    let request = Request::new(Actor::CLI, roster.entropy.as_ref());
    let new = NewOrganization {
        name: "Cloud".parse().unwrap(),
        external_id: None,
        slug: None,
        owner: NewUser { external_id: Some("olga".parse().unwrap()), ..NewUser::default() },
        purchased,
        accounts: Vec::new(),
    };
    let cloud = create_organization(&roster, &request, &new).await.unwrap().output;
    let mut file = "user_external_id,email,account_external_id,role\n".to_owned();
    for n in 0..1_000 {
        let who = if n % 100 == 50 { "often".to_owned() } else { format!("p{n}") };
        writeln!(file, "{who},{who}@example.com,north,{}", ["viewer", "member"][n / 100 % 2]).unwrap();
    }
    let lines: Vec<ImportLine> = parse_members(file.as_bytes()).unwrap().collect::<Result<_, _>>().unwrap();
    let parts: Vec<(u32, &[ImportLine])> = (0..).zip(lines.chunks(100)).collect();
    let mut again = Again::default();
    for (n, part) in &parts {
        again.note(*n, part);
    }
    let (run, mut sizes, mut ends) = (on_overlay(&roster, Overlay::new), Vec::new(), Vec::new());
    let options = ImportOptions { create_accounts: true, dry_run: true };
    for (n, part) in parts {
        let report = import_rows(&run, &request, cloud, part, options, Conflicts::Told).await.unwrap();
        ends.push(report.outcomes[50].status.name());
        run.1.shed(None, |name| again.after(n, name));
        sizes.push(run.1.size());
    }
    let whole = run.1.layer().homes.values().filter(|it| it.keys.is_none()).count();
    assert_eq!(whole, 0, "taken into memory as a whole");
    let expected = if purchased.is_some() { ["refused", "refused"] } else { ["added", "changed"] };
    assert_eq!(ends[0], expected[0]);
    assert!(ends[1..].iter().all(|end| *end == expected[1]), "{ends:?}");
    // Directories have 256 parts at most, of which more are known with each hundred.
    let most = sizes[0] + 256;
    assert!(sizes.iter().all(|size| *size <= most), "{sizes:?}");
}
