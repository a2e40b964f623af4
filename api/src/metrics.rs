//! Counts and durations, for Prometheus. No label comes from what a client sends.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use roster_core::model::Work;
use roster_core::observe::Observer;

/// Upper bounds in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// What this process counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Durations<RequestLabels>,
    refusals: Family<CodeLabels, Counter>,
    store_calls: Family<StoreLabels, Counter>,
    store_durations: Durations<StoreLabels>,
    conflicts: Family<OperationLabels, Counter>,
    retries: Family<OperationLabels, Counter>,
    denials: Family<DenialLabels, Counter>,
    seats_refused: Family<OperationLabels, Counter>,
    attempts: Family<OutcomeLabels, Counter>,
    waiting: Gauge,
    oldest_delivery: Gauge<f64, AtomicU64>,
    mails: Gauge,
    oldest_mail: Gauge<f64, AtomicU64>,
    sources: Gauge,
    oldest_sent: Gauge<f64, AtomicU64>,
    jobs: Jobs,
}

/// What is counted of jobs, each by kind.
#[derive(Debug, Default)]
struct Jobs {
    waiting: Family<KindLabels, Gauge>,
    oldest: Family<KindLabels, Gauge<f64, AtomicU64>>,
    running: Family<KindLabels, Gauge>,
    attempts: Family<KindLabels, Counter>,
    retries: Family<KindLabels, Counter>,
    finished: Family<FinishedLabels, Counter>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StoreLabels {
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DenialLabels {
    operation: &'static str,
    code: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct FinishedLabels {
    kind: &'static str,
    outcome: &'static str,
}

impl Jobs {
    fn register(&self, registry: &mut Registry) {
        let about = "Jobs that wait for a worker, in the whole deployment";
        registry.register("roster_jobs_waiting", about, self.waiting.clone());
        let about = "How long the oldest job that waits has waited";
        registry.register("roster_jobs_oldest_waiting_seconds", about, self.oldest.clone());
        let about = "Jobs that this process is at";
        registry.register("roster_jobs_running", about, self.running.clone());
        registry.register("roster_job_attempts", "Jobs taken by a worker", self.attempts.clone());
        let about = "Jobs taken again, since whoever had them before did not get on";
        registry.register("roster_job_retries", about, self.retries.clone());
        registry.register("roster_jobs_finished", "Jobs that have ended", self.finished.clone());
        for kind in Work::KINDS {
            let labels = KindLabels { kind };
            // Those that are there from the beginning can be told from those that nobody counts.
            self.waiting.get_or_create(&labels).set(0);
            self.oldest.get_or_create(&labels).set(0.0);
            self.running.get_or_create(&labels).set(0);
        }
    }
}

impl Metrics {
    /// All at zero, in a process that began so many milliseconds after the epoch.
    pub fn new(began: u64) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            refusals: Family::default(),
            store_calls: Family::default(),
            store_durations: Family::new_with_constructor(histogram),
            conflicts: Family::default(),
            retries: Family::default(),
            denials: Family::default(),
            seats_refused: Family::default(),
            attempts: Family::default(),
            waiting: Gauge::default(),
            oldest_delivery: Gauge::default(),
            mails: Gauge::default(),
            oldest_mail: Gauge::default(),
            sources: Gauge::default(),
            oldest_sent: Gauge::default(),
            jobs: Jobs::default(),
        };
        metrics.register(began);
        metrics
    }

    #[expect(clippy::cast_precision_loss, reason = "an instant in seconds, as Prometheus has it")]
    fn register(&mut self, began: u64) {
        let registry = &mut self.registry;
        registry.register("roster_http_requests", "Requests answered", self.requests.clone());
        let about = "Time to the answer of a request";
        registry.register("roster_http_request_duration_seconds", about, self.durations.clone());
        registry.register("roster_refusals", "Requests refused or failed", self.refusals.clone());
        registry.register("roster_store_calls", "Calls of the store", self.store_calls.clone());
        let about = "Time that a call of the store took";
        registry.register("roster_store_call_duration_seconds", about, self.store_durations.clone());
        let about = "Commits that came to nothing, since others had changed what was read";
        registry.register("roster_conflicts", about, self.conflicts.clone());
        registry.register(
            "roster_retries",
            "Operations decided afresh after a conflict",
            self.retries.clone(),
        );
        registry.register("roster_denials", "Operations that a rule refused", self.denials.clone());
        let about = "Operations refused for want of a seat";
        registry.register("roster_seats_refused", about, self.seats_refused.clone());
        let about = "Attempts to send an event to a webhook";
        registry.register("roster_webhook_attempts", about, self.attempts.clone());
        let about = "Deliveries of webhooks that wait for another attempt, in the whole deployment";
        registry.register("roster_webhook_deliveries_pending", about, self.waiting.clone());
        let about = "How long ago the oldest delivery that waits for another attempt was begun";
        registry.register("roster_webhook_oldest_pending_seconds", about, self.oldest_delivery.clone());
        let about = "Mail that waited when this process last looked into the outbox, in the whole deployment";
        registry.register("roster_mail_waiting", about, self.mails.clone());
        let about = "How long the oldest mail that waits has waited";
        registry.register("roster_mail_oldest_waiting_seconds", about, self.oldest_mail.clone());
        let about = "Sources of which this process last saw something that is still to be applied, in the whole deployment";
        registry.register("roster_sources_waiting", about, self.sources.clone());
        let about = "How long the oldest request of a source that is still to be applied has waited";
        registry.register("roster_sources_oldest_waiting_seconds", about, self.oldest_sent.clone());
        self.jobs.register(registry);
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("roster_build", "This program", version);
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(began as f64 / 1000.0);
        registry.register("process_start_time_seconds", "When the process began", gauge);
    }

    /// One request was answered.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = RequestLabels { method, route: route.to_owned(), status };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        self.requests.get_or_create(&labels).inc();
    }

    /// One request was refused.
    pub fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&CodeLabels { code }).inc();
    }

    /// `OpenMetrics` text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "metrics cannot be rendered");
                String::new()
            }
        }
    }
}

impl Observer for Metrics {
    fn store_called(&self, call: &'static str, outcome: &'static str, took: Duration) {
        let labels = StoreLabels { call, outcome };
        self.store_durations.get_or_create(&labels).observe(took.as_secs_f64());
        self.store_calls.get_or_create(&labels).inc();
    }

    fn conflicted(&self, operation: &'static str) {
        self.conflicts.get_or_create(&OperationLabels { operation }).inc();
    }

    fn retried(&self, operation: &'static str) {
        self.retries.get_or_create(&OperationLabels { operation }).inc();
    }

    fn refused(&self, operation: &'static str, code: &str) {
        self.denials.get_or_create(&DenialLabels { operation, code: code.to_owned() }).inc();
        if code == "no_seat" {
            self.seats_refused.get_or_create(&OperationLabels { operation }).inc();
        }
    }

    fn sent(&self, outcome: &'static str) {
        self.attempts.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    fn waiting(&self, deliveries: u64, oldest: Duration) {
        self.waiting.set(i64::try_from(deliveries).unwrap_or(i64::MAX));
        self.oldest_delivery.set(oldest.as_secs_f64());
    }

    fn mail_waiting(&self, mails: u64, oldest: Duration) {
        self.mails.set(i64::try_from(mails).unwrap_or(i64::MAX));
        self.oldest_mail.set(oldest.as_secs_f64());
    }

    fn sources_waiting(&self, sources: u64, oldest: Duration) {
        self.sources.set(i64::try_from(sources).unwrap_or(i64::MAX));
        self.oldest_sent.set(oldest.as_secs_f64());
    }

    fn jobs_waiting(&self, kind: &'static str, jobs: u64, oldest: Duration) {
        let labels = KindLabels { kind };
        self.jobs.waiting.get_or_create(&labels).set(i64::try_from(jobs).unwrap_or(i64::MAX));
        self.jobs.oldest.get_or_create(&labels).set(oldest.as_secs_f64());
    }

    fn job_taken(&self, kind: &'static str, again: bool) {
        let labels = KindLabels { kind };
        self.jobs.attempts.get_or_create(&labels).inc();
        if again {
            self.jobs.retries.get_or_create(&labels).inc();
        }
        self.jobs.running.get_or_create(&labels).inc();
    }

    fn job_left(&self, kind: &'static str) {
        self.jobs.running.get_or_create(&KindLabels { kind }).dec();
    }

    fn job_ended(&self, kind: &'static str, outcome: &'static str) {
        self.jobs.finished.get_or_create(&FinishedLabels { kind, outcome }).inc();
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_was_counted() {
        let metrics = Metrics::new(1_500);
        metrics.answered("GET", "/v1/users/{user}", 200, Duration::from_millis(3));
        metrics.answered("GET", "/v1/users/{user}", 200, Duration::from_millis(300));
        metrics.refused("no_seat");
        metrics.store_called("read", "ok", Duration::from_millis(2));
        metrics.conflicted("RemoveMember");
        metrics.retried("RemoveMember");
        Observer::refused(&metrics, "AddMember", "no_seat");
        metrics.sent("timeout");
        metrics.waiting(3, Duration::from_mins(1));
        metrics.mail_waiting(4, Duration::from_millis(2_500));
        metrics.sources_waiting(1, Duration::from_millis(750));
        metrics.jobs_waiting("bulk", 2, Duration::from_millis(1_500));
        metrics.job_taken("bulk", false);
        metrics.job_taken("bulk", true);
        metrics.job_left("bulk");
        metrics.job_ended("bulk", "failed");
        let text = metrics.render();
        for line in [
            r#"roster_http_requests_total{method="GET",route="/v1/users/{user}",status="200"} 2"#,
            r#"roster_http_request_duration_seconds_count{method="GET",route="/v1/users/{user}",status="200"} 2"#,
            r#"roster_refusals_total{code="no_seat"} 1"#,
            r#"roster_store_calls_total{call="read",outcome="ok"} 1"#,
            r#"roster_store_call_duration_seconds_count{call="read",outcome="ok"} 1"#,
            r#"roster_conflicts_total{operation="RemoveMember"} 1"#,
            r#"roster_retries_total{operation="RemoveMember"} 1"#,
            r#"roster_denials_total{operation="AddMember",code="no_seat"} 1"#,
            r#"roster_seats_refused_total{operation="AddMember"} 1"#,
            r#"roster_webhook_attempts_total{outcome="timeout"} 1"#,
            "roster_webhook_deliveries_pending 3",
            "roster_webhook_oldest_pending_seconds 60.0",
            "roster_mail_waiting 4",
            "roster_mail_oldest_waiting_seconds 2.5",
            "roster_sources_waiting 1",
            "roster_sources_oldest_waiting_seconds 0.75",
            r#"roster_jobs_waiting{kind="bulk"} 2"#,
            r#"roster_jobs_oldest_waiting_seconds{kind="bulk"} 1.5"#,
            r#"roster_jobs_oldest_waiting_seconds{kind="erase_user"} 0.0"#,
            r#"roster_jobs_running{kind="bulk"} 1"#,
            r#"roster_job_attempts_total{kind="bulk"} 2"#,
            r#"roster_job_retries_total{kind="bulk"} 1"#,
            r#"roster_jobs_finished_total{kind="bulk",outcome="failed"} 1"#,
            "process_start_time_seconds 1.5",
            "# EOF",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
    }
}
