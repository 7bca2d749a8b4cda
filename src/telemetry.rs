//! What the daemon says of itself: log lines and metrics. Invariant: every metric has its name,
//! kind and meaning in the one list here; labels carry names of ours and states, never anything
//! of a person. Knows no other room.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use std::io::IsTerminal;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

/// Raw rows stored under a new dedupe key. `connection`
pub const ACCEPTED: &str = "leadlink_accepted_total";
/// Deliveries that were known already. `connection`
pub const DUPLICATES: &str = "leadlink_duplicates_total";
/// Raw rows that no parser could read. `connection`
pub const UNREADABLE: &str = "leadlink_unreadable_total";
/// Decisions. `flow`, `verdict`, `reason` (the name of a rule, not its text)
pub const DECIDED: &str = "leadlink_decided_total";
/// What came of steps. `connection`, `operation`, `outcome`
pub const STEPS: &str = "leadlink_steps_total";
/// What was made and told its lead. `connection`, `lead` (`call`, `request`, `chat` or `none`)
pub const LINKED: &str = "leadlink_linked_total";
/// Items that wait for a person.
pub const WAITING_FOR_PERSON: &str = "leadlink_waiting_for_person";
/// How long the oldest due job is due already.
pub const OLDEST_DUE_LAG: &str = "leadlink_oldest_due_lag_seconds";
/// Jobs in each state. `state`
pub const JOBS: &str = "leadlink_jobs";
/// Time since a feed was last read to its end. `connection`, `feed`
pub const CURSOR_AGE: &str = "leadlink_cursor_age_seconds";
/// How long after their registration events come by a feed. `connection`, `feed`
pub const FEED_LAG: &str = "leadlink_feed_lag_seconds";
/// Requests to far sides. `connection`, `path` (a template), `status` (or `none`)
pub const REQUESTS: &str = "leadlink_requests_total";
/// How long far sides took to answer. `connection`
pub const REQUEST_SECONDS: &str = "leadlink_request_seconds";
/// How long requests waited for their turn under the rate limit. `connection`
pub const WAIT_SECONDS: &str = "leadlink_wait_seconds";
/// Answers to pages that asked for their block. `connection`, `result`
pub const BLOCKS: &str = "leadlink_blocks_total";
/// How long they took. `connection`
pub const BLOCK_SECONDS: &str = "leadlink_block_seconds";
/// 1 while a connection is paused, else 0. `connection`
pub const CONNECTION_PAUSED: &str = "leadlink_connection_paused";
/// 1 while a flow runs, else 0, whoever started or stopped it. `flow`
pub const FLOW_RUNNING: &str = "leadlink_flow_running";

/// How much that the flows use of a connection has drifted away over there. `connection`
pub const DRIFT: &str = "leadlink_drift";
/// Time since the last run of a chore was due. `chore`
pub const CHORE_AGE: &str = "leadlink_chore_last_run_age_seconds";
/// How long the last run of a chore took. `chore`
pub const CHORE_TOOK: &str = "leadlink_chore_took_seconds";
/// Rows that chores have deleted or written. `chore`, `table`
pub const CHORE_ROWS: &str = "leadlink_chore_rows_total";

/// What the last reconciliation found. `connection`, `finding`
pub const RECONCILE: &str = "leadlink_reconcile_found";
/// Leads of its days. `connection`, `kind`, `way` (`any`, or `poll_only`: no webhook brought them)
pub const RECONCILE_LEADS: &str = "leadlink_reconcile_leads";

/// Requests take 20 ms to 15 s; a wait for one's turn may take minutes.
const BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 60.0, 300.0];

/// Tells at every start, and to nobody's use, how it is put together.
const QUIET: &str = "tokio_cron_scheduler=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{level}` is no log filter")]
    Level { level: String, source: ParseError },
    #[error("the log is set up already")]
    Log { source: SetGlobalDefaultError },
    #[error("the buckets of the histograms are wrong")]
    Buckets { source: BuildError },
    #[error("the metrics are set up already")]
    Metrics,
}

/// The running telemetry; hands out the metrics.
#[derive(Clone)]
pub struct Telemetry {
    metrics: PrometheusHandle,
}

impl Telemetry {
    /// All metrics in the text format of Prometheus.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        self.metrics.render()
    }

    /// Folds the samples of histograms into their buckets. To be called every few seconds: with
    /// nobody reading the metrics, samples would pile up in memory.
    pub fn fold(&self) {
        self.metrics.run_upkeep();
    }
}

/// Starts log and metrics for the whole process; `level` as in the configuration's `[log]`.
///
/// # Errors
/// A filter that cannot be read, or a second call.
pub fn init(format: Format, level: &str) -> Result<Telemetry, Error> {
    let log = log_to(std::io::stderr, format, level)?;
    let recorder = recorder()?;
    let telemetry = Telemetry { metrics: recorder.handle() };
    dispatcher::set_global_default(log).map_err(|source| Error::Log { source })?;
    metrics::set_global_recorder(recorder).map_err(|_| Error::Metrics)?;
    describe();
    Ok(telemetry)
}

fn log_to<W>(writer: W, format: Format, level: &str) -> Result<Dispatch, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(format!("{QUIET},{level}"))
        .map_err(|source| Error::Level { level: level.to_owned(), source })?;
    let colors = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match format {
        Format::Text => Dispatch::new(log.with_ansi(colors).finish()),
        Format::Json => Dispatch::new(
            log.with_ansi(false)
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .finish(),
        ),
    })
}

fn recorder() -> Result<PrometheusRecorder, Error> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
        .map_err(|source| Error::Buckets { source })?;
    Ok(builder.build_recorder())
}

fn describe() {
    describe_counter!(ACCEPTED, "Raw rows stored under a new dedupe key.");
    describe_counter!(DUPLICATES, "Deliveries that were known already.");
    describe_counter!(UNREADABLE, "Raw rows that no parser could read.");
    describe_counter!(DECIDED, "Decisions by flow, verdict and reason.");
    describe_counter!(STEPS, "What came of steps.");
    describe_counter!(LINKED, "What was made, by the noun of the lead that it was told.");
    describe_counter!(REQUESTS, "Requests to far sides.");
    describe_counter!(BLOCKS, "Answers to pages that asked for their block, by result.");
    describe_counter!(CHORE_ROWS, "Rows that chores have deleted or written.");
    describe_gauge!(CHORE_AGE, Unit::Seconds, "Time since the last run of a chore was due.");
    describe_gauge!(CHORE_TOOK, Unit::Seconds, "How long the last run of a chore took.");
    describe_gauge!(RECONCILE, "What the last reconciliation found, by finding.");
    describe_gauge!(
        RECONCILE_LEADS,
        "Leads of the days last reconciled, and those by polling only."
    );
    describe_gauge!(WAITING_FOR_PERSON, "Items that wait for a person.");
    describe_gauge!(JOBS, "Jobs in each state.");
    describe_gauge!(CONNECTION_PAUSED, "1 while a connection is paused, else 0.");
    describe_gauge!(FLOW_RUNNING, "1 while a flow runs, else 0.");
    describe_gauge!(DRIFT, "Things that flows use and a far side has no longer, or not as it was.");
    describe_gauge!(OLDEST_DUE_LAG, Unit::Seconds, "How long the oldest due job is due already.");
    describe_gauge!(CURSOR_AGE, Unit::Seconds, "Time since a feed was last read to its end.");
    describe_histogram!(
        FEED_LAG,
        Unit::Seconds,
        "How long after their registration events come by a feed."
    );
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "How long far sides took to answer.");
    describe_histogram!(BLOCK_SECONDS, Unit::Seconds, "How long answers of blocks took.");
    describe_histogram!(WAIT_SECONDS, Unit::Seconds, "How long requests waited for their turn.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    const COUNTERS: [&str; 9] =
        [ACCEPTED, DUPLICATES, UNREADABLE, DECIDED, STEPS, LINKED, REQUESTS, BLOCKS, CHORE_ROWS];

    const GAUGES: [&str; 11] = [
        WAITING_FOR_PERSON,
        OLDEST_DUE_LAG,
        JOBS,
        CURSOR_AGE,
        CONNECTION_PAUSED,
        FLOW_RUNNING,
        CHORE_AGE,
        CHORE_TOOK,
        DRIFT,
        RECONCILE,
        RECONCILE_LEADS,
    ];
    const HISTOGRAMS: [&str; 4] = [REQUEST_SECONDS, WAIT_SECONDS, FEED_LAG, BLOCK_SECONDS];

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, level: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let log = log_to(move || writer.clone(), format, level).expect("a filter");
        dispatcher::with_default(&log, || {
            tracing::info!(connection = "shop", attempt = 2, "step is done");
            tracing::debug!("beneath the level");
        });
        String::from_utf8(page.0.lock().expect("no writer panicked").clone()).expect("UTF-8")
    }

    #[test]
    fn people_read_lines() {
        let text = logged(Format::Text, "info");
        assert!(text.contains("INFO leadlink::telemetry::tests: step is done"), "{text}");
        assert!(text.contains("connection=\"shop\" attempt=2"), "{text}");
        assert!(!text.contains("beneath"), "{text}");
    }

    #[test]
    fn machines_read_one_object_a_line() {
        let text = logged(Format::Json, "warn,leadlink=debug");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "step is done");
        assert_eq!(lines[0]["attempt"], 2);
        assert_eq!(lines[1]["level"], "DEBUG");
    }

    #[test]
    fn a_wrong_filter_is_an_error() {
        let error = log_to(std::io::sink, Format::Text, "leadlink=loud").expect_err("no level");
        assert_eq!(error.to_string(), "`leadlink=loud` is no log filter");
    }

    #[test]
    fn metrics_are_described_and_times_fall_into_buckets() {
        let recorder = recorder().expect("buckets");
        let telemetry = Telemetry { metrics: recorder.handle() };
        metrics::with_local_recorder(&recorder, || {
            describe();
            for name in COUNTERS {
                metrics::counter!(name, "connection" => "shop").increment(2);
            }
            for name in GAUGES {
                metrics::gauge!(name).set(3.0);
            }
            for name in HISTOGRAMS {
                metrics::histogram!(name, "connection" => "shop").record(0.2);
            }
        });
        telemetry.fold();
        let text = telemetry.render_metrics();
        let help = text.lines().filter(|line| line.starts_with("# HELP")).count();
        let kinds = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        let all = COUNTERS.len() + GAUGES.len() + HISTOGRAMS.len();
        assert_eq!((help, kinds), (all, all), "{text}");
        assert!(text.contains("leadlink_accepted_total{connection=\"shop\"} 2"), "{text}");
        assert!(text.contains("leadlink_waiting_for_person 3"), "{text}");
        for (bound, count) in [("0.1", 0), ("0.25", 1), ("+Inf", 1)] {
            let line = format!(
                "leadlink_request_seconds_bucket{{connection=\"shop\",le=\"{bound}\"}} {count}"
            );
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
}
