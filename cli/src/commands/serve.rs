//! `roster serve`: the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roster_api::{ApiState, Followers};
use roster_core::due::keep_settling;
use roster_core::feed;
use roster_core::ingest::Drain;
use roster_core::jobs::Worker;
use roster_core::last_use::{keep_last_uses, write_down};
use roster_core::listing::PageRequest;
use roster_core::mail::Postman;
use roster_core::op::Roster;
use roster_core::presence::{Presence, Stay};
use roster_core::reads;
use roster_core::rounds::make_rounds;
use roster_core::stop::Stop;
use roster_core::watch::watch;
use roster_core::webhooks::{Courier, Webhooks};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::demo::{self, Throwaway};
use crate::args::Global;
use crate::backends::{self, Tables};
use crate::config::{Backend, Config, IndicatorSettings, LogFormat, MasterKeySource, shell_quoted};
use crate::failure::Failure;
use crate::logging;
use crate::output::{Printer, note};
use crate::secrets::Secrets;
use crate::server::{GRACE, Server, Signals, most_connections};
use crate::session::{Session, load_config, open_roster, secrets};
use crate::webhooks::HttpSender;

/// How long what goes on beside the server may take to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Runs until a signal ends it; a demo leaves nothing behind.
pub async fn run(global: &Global, demo: bool) -> Result<(), Failure> {
    if !demo {
        return Box::pin(serve(global, load_config(global)?, false)).await;
    }
    let throwaway = Throwaway::make()?;
    Box::pin(serve(global, throwaway.config(global)?, true)).await
}

async fn serve(global: &Global, config: Config, demo: bool) -> Result<(), Failure> {
    logging::start(&config.log, true);
    let mut signals = Signals::catch()?;
    // First of all, so that an address that is taken leaves no trace in the store.
    let (listener, bound) = listen(&config).await?;
    let (secrets, roster) = tokio::select! {
        biased;
        () = signals.next() => return Ok(()),
        opened = opened(&config, Tables::MayBeMade) => opened?,
    };
    let session = Session { roster, out: Printer::new(global.output) };
    let links = session.roster.links.at(config.public_url_at(bound));
    let session = Session { roster: Roster { links: Arc::new(links), ..session.roster }, ..session };
    session.roster.store.ping().await?;
    let place = enter(&session.roster).await?;
    // A copy may have begun and broken off between the opening and now.
    let looked = backends::inspect(&config, Some(secrets.fingerprint)).await?;
    if let Some(problem) = looked.checks.into_iter().find_map(|check| check.problem) {
        return Err(Failure::Failed(problem));
    }
    let next = if demo || has_key(&session).await? { None } else { Some(next_step(global)) };
    announce(&config, bound, next.as_deref());
    if demo {
        demo::begin(&session, bound).await?;
    }
    let api = ApiState {
        proxies: Arc::new(config.server.trusted_proxies.clone()),
        followers: Arc::new(Followers::new(config.server.followers.min(most_connections() * 3 / 4))),
        ..ApiState::new(session.roster, secrets.cursors, secrets.receipts)
    };
    let stop = Stop::default();
    let feed = keep_feed(api.roster.clone(), &stop);
    let stopping = api.stop.clone();
    let roster = api.roster.clone();
    let drain = Drain::new(api.roster.clone(), Arc::clone(&api.ingested));
    let worker = do_work(api.roster.clone(), Arc::clone(&api.jobs), drain, config.indicators, &stopping);
    let work = AtWork { roster, worker, feed, feed_stop: stop, place, until: latest_end(&stopping) };
    let server = Server::new(listener, roster_api::router(api), stopping.clone());
    let ended = tokio::select! {
        ended = server.run(&mut signals) => ended,
        () = lost(&work.place) => Err(lost_place("this server")),
    };
    stopping.give();
    work.end(ended, &mut signals).await
}

/// What a process does beside answering.
struct AtWork {
    roster: Roster,
    worker: JoinHandle<()>,
    feed: JoinHandle<()>,
    feed_stop: Stop,
    place: Stay,
    /// Until when jobs may come to the end of their chunks, once the word to stop was given.
    until: JoinHandle<Instant>,
}

/// When the grace ends that begins with the word to stop.
fn latest_end(stopping: &Stop) -> JoinHandle<Instant> {
    let stopping = stopping.clone();
    tokio::spawn(async move {
        stopping.heard().await;
        Instant::now() + GRACE
    })
}

impl AtWork {
    /// Ends it; at once where its place is lost, or at a second signal.
    async fn end(self, ended: Result<(), Failure>, signals: &mut Signals) -> Result<(), Failure> {
        let Self { roster, mut worker, mut feed, feed_stop, place, until } = self;
        let mut ended = ended;
        if ended.is_ok() && place.is_held() {
            let until = until.await.unwrap_or_else(|_| Instant::now());
            tokio::select! {
                biased;
                () = signals.next() => {
                    ended = Err(Failure::Failed("a second signal ended the work on jobs".to_owned()));
                }
                () = orderly(&roster, &mut worker, &mut feed, &feed_stop, until) => {}
            }
        }
        worker.abort();
        feed.abort();
        place.leave().await;
        ended
    }
}

/// What is at hand comes to the end of its chunk; a lease that could not be released ends by itself. Then last words.
async fn orderly(
    roster: &Roster,
    worker: &mut JoinHandle<()>,
    feed: &mut JoinHandle<()>,
    feed_stop: &Stop,
    until: Instant,
) {
    if tokio::time::timeout_at(until, worker).await.is_err() {
        tracing::warn!(
            "stopped: a job was left in the middle; another worker takes over when its lease ends"
        );
    }
    let until = Instant::now() + LAST_WORDS;
    if !matches!(tokio::time::timeout_at(until, write_down(roster)).await, Ok(Ok(()))) {
        tracing::warn!("stopped: when keys were used last is not written down");
    }
    feed_stop.give();
    // It appends what was committed last; what it cannot, another finds.
    tokio::time::timeout_at(until, feed).await.ok();
}

fn keep_feed(roster: Roster, stop: &Stop) -> JoinHandle<()> {
    let stop = stop.clone();
    tokio::spawn(async move { feed::keep_feed(&roster, &stop).await })
}

/// Does jobs, applies what sources sent, sends events to webhooks, and mail where that is set up.
fn do_work(
    roster: Roster,
    wake: Arc<Notify>,
    drain: Drain,
    indicators: IndicatorSettings,
    stop: &Stop,
) -> JoinHandle<()> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let postman = Postman::new(roster.clone());
        let mail = async {
            if let Some(postman) = postman {
                postman.work(stop.clone()).await;
            }
        };
        let worker = Worker::new(roster.clone(), wake);
        let (jobs, sources) = (worker.work(stop.clone()), drain.work(stop.clone()));
        let beside = async {
            tokio::join!(
                watch(&roster, indicators.evaluate_every, &stop),
                keep_settling(&roster, &stop),
                send_events(&roster, &stop),
                keep_last_uses(&roster, &stop),
                make_rounds(&roster, &stop)
            );
        };
        tokio::join!(jobs, sources, mail, beside);
    })
}

/// Sends events to webhooks.
async fn send_events(roster: &Roster, stop: &Stop) {
    let sender = match HttpSender::new(roster.webhooks.private_addresses) {
        Ok(sender) => Arc::new(sender),
        Err(problem) => {
            tracing::error!(problem, "no events are sent to webhooks");
            return;
        }
    };
    let webhooks = Webhooks { sender: Some(sender), ..roster.webhooks.clone() };
    if let Some(courier) = Courier::new(Roster { webhooks, ..roster.clone() }) {
        courier.work(stop.clone()).await;
    }
}

async fn opened(config: &Config, tables: Tables) -> Result<(Secrets, Roster), Failure> {
    let secrets = secrets(config).await?;
    let roster = open_roster(config, &secrets, tables).await?;
    Ok((secrets, roster))
}

/// `roster worker`: what a server does beside answering, without one.
pub async fn work(global: &Global, metrics: Option<SocketAddr>) -> Result<(), Failure> {
    let config = load_config(global)?;
    logging::start(&config.log, true);
    let mut signals = Signals::catch()?;
    let listener = match metrics {
        Some(address) => Some(TcpListener::bind(address).await.map_err(|error| {
            Failure::Failed(format!(
                "--metrics {address} cannot be listened on: {error}; give another address"
            ))
        })?),
        None => None,
    };
    let (secrets, roster) = tokio::select! {
        biased;
        () = signals.next() => return Ok(()),
        opened = opened(&config, Tables::MustBeThere) => opened?,
    };
    let place = enter(&roster).await?;
    let api = ApiState::new(roster, secrets.cursors, secrets.receipts);
    let (stop, stopping) = (Stop::default(), api.stop.clone());
    let feed = keep_feed(api.roster.clone(), &stop);
    let drain = Drain::new(api.roster.clone(), Arc::clone(&api.ingested));
    let worker = do_work(api.roster.clone(), Arc::clone(&api.jobs), drain, config.indicators, &stopping);
    let until = latest_end(&stopping);
    let work = AtWork { roster: api.roster.clone(), worker, feed, feed_stop: stop, place, until };
    let (version, store) = (env!("CARGO_PKG_VERSION"), store(&config));
    let metrics = match &listener {
        Some(listener) => listener.local_addr().ok().map(|bound| format!("http://{bound}/metrics")),
        None => None,
    };
    match config.log.format {
        LogFormat::Json => tracing::info!(version, store, metrics, "doing jobs"),
        LogFormat::Text => {
            note(&format!("Roster {version} does jobs on {store}"));
            if let Some(metrics) = metrics {
                note(&format!("  metrics         {metrics}"));
            }
        }
    }
    let serving = async {
        let Some(listener) = listener else {
            signals.next().await;
            return Ok(());
        };
        Server::new(listener, roster_api::beside(api), stopping.clone()).run(&mut signals).await
    };
    let ended = tokio::select! {
        ended = serving => ended,
        () = lost(&work.place) => Err(lost_place("this worker")),
    };
    stopping.give();
    work.end(ended, &mut signals).await
}

async fn enter(roster: &Roster) -> Result<Stay, Failure> {
    roster.store.enter(Presence::Serving).await?.ok_or_else(|| {
        Failure::Failed(
            "everything is being copied from or to this store: start again when that is done".to_owned(),
        )
    })
}

/// Until the place is lost. Whatever is written after that may be missing in a copy.
async fn lost(place: &Stay) {
    while place.is_held() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn lost_place(who: &str) -> Failure {
    Failure::Failed(format!(
        "{who} was away for so long that everything may be being copied from or to its store: start again when that \
         is done"
    ))
}

async fn listen(config: &Config) -> Result<(TcpListener, SocketAddr), Failure> {
    let listening = async {
        let listener = TcpListener::bind(config.server.listen).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listening.await.map_err(|error| Failure::Failed(config.listen_problem(&error).to_string()))
}

async fn has_key(session: &Session) -> Result<bool, Failure> {
    let first = PageRequest { after: None, limit: 1 };
    let keys = reads::operator_keys(&session.roster, &session.request(), &first).await?;
    Ok(!keys.rows.is_empty())
}

/// Says where everything is and what to do next.
fn announce(config: &Config, bound: SocketAddr, next: Option<&str>) {
    let address = format!("http://{bound}");
    let public_url = config.public_url_at(bound);
    let store = store(config);
    let data = config.data_dir.display().to_string();
    let mail = config.mail.as_ref().map_or_else(
        || "none: copy the links of invitations, `roster invitation link`".to_owned(),
        |mail| mail.shown().clone(),
    );
    let key = match &config.master_key {
        MasterKeySource::Given(_) => "given in the configuration".to_owned(),
        MasterKeySource::File(path) | MasterKeySource::Generated(path) => path.display().to_string(),
    };
    if config.log.format == LogFormat::Json {
        tracing::info!(
            address,
            public_url,
            store,
            data_dir = data,
            master_key = key,
            mail,
            next,
            "listening"
        );
        return;
    }
    note(&format!("Roster {} listens on {address}", env!("CARGO_PKG_VERSION")));
    if public_url != address {
        note(&format!("  public address  {public_url}"));
    }
    note(&format!("  store           {store}"));
    note(&format!("  data folder     {data}"));
    note(&format!("  master key      {key} (keep a copy: no other key opens the store)"));
    note(&format!("  mail            {mail}"));
    if let Some(next) = next {
        note(&format!("Next, make a key for the API: {next}"));
    }
}

fn store(config: &Config) -> String {
    let name = config.storage.backend.name();
    match config.storage.backend {
        Backend::Sqlite => format!("{name} {}", config.storage.sqlite.path.display()),
        Backend::Postgres | Backend::Redis => name.to_owned(),
    }
}

/// The command that makes a key on this server's store.
fn next_step(global: &Global) -> String {
    let flags = global.flags();
    let flag = |name: &str, path: Option<std::path::PathBuf>| {
        path.map_or_else(String::new, |path| format!(" {name} {}", shell_quoted(&path.display().to_string())))
    };
    let config = flag("--config", flags.config);
    let data = flag("--data-dir", flags.data_dir);
    format!("roster operator-key create NAME{config}{data}")
}
