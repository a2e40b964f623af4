//! Log lines on stderr, as the configuration asks.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};

/// Starts logging. A command that is no server says only what is wrong, whatever level is set.
pub fn start(log: &Log, is_server: bool) {
    let most = if is_server { LevelFilter::TRACE } else { LevelFilter::WARN };
    let level = LevelFilter::from_level(log.level).min(most);
    let lines =
        fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(false).log_internal_errors(false);
    // It fails only where logging has been started before, and then that one stays.
    let started = match log.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
    if is_server {
        // A line as every other. What was to be said may hold anything, and stays out of the log.
        std::panic::set_hook(Box::new(|panic| {
            let at = panic.location().map(ToString::to_string);
            tracing::error!(at, "something fell over: a defect of Roster");
        }));
    }
}
