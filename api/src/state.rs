//! What every route shares.

use std::sync::Arc;

use roster_core::observe::Observed;
use roster_core::op::Roster;
use roster_core::stop::Stop;
use tokio::sync::Notify;

use crate::cursor::Cursors;
use crate::exports::Exports;
use crate::followers::Followers;
use crate::metrics::Metrics;
use crate::peer::Proxies;
use crate::sealing::Sealer;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The core.
    pub roster: Roster,
    /// Signs cursors.
    pub cursors: Arc<Cursors>,
    /// Seals the answers that receipts keep.
    pub sealer: Arc<Sealer>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Told that a job was asked for here.
    pub jobs: Arc<Notify>,
    /// Told that a source sent something here.
    pub ingested: Arc<Notify>,
    /// Given once the process is on its way out.
    pub stop: Stop,
    /// Proxies that are believed.
    pub proxies: Arc<Proxies>,
    /// Whose turn it is to export a person.
    pub exports: Arc<Exports>,
    /// Who waits for what happens next.
    pub followers: Arc<Followers>,
}

impl ApiState {
    /// A state with keys of its own for cursors and sealed answers; replicas must be given the same. What the core and
    /// its store do is counted.
    pub fn new(roster: Roster, cursor_key: [u8; 32], sealing_key: [u8; 32]) -> Self {
        let metrics = Arc::new(Metrics::new(roster.entropy.millis()));
        let (below, observer, news) =
            (Arc::clone(&roster.store), Arc::<Metrics>::clone(&metrics), Arc::clone(&roster.news));
        let store = Arc::new(Observed::new(below, observer, news));
        let roster = Roster { store, observer: Arc::<Metrics>::clone(&metrics), ..roster };
        Self {
            roster,
            cursors: Arc::new(Cursors::new(cursor_key)),
            sealer: Arc::new(Sealer::new(sealing_key)),
            metrics,
            jobs: Arc::new(Notify::new()),
            ingested: Arc::new(Notify::new()),
            stop: Stop::default(),
            proxies: Arc::default(),
            exports: Arc::default(),
            followers: Arc::default(),
        }
    }
}
