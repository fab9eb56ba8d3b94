//! Logs: lines on stderr, as text or as JSON, with a filter that can be changed while the program runs.

use std::io;

use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// How a program logs. Flatten this into a program's own options.
#[derive(Clone, Debug, clap::Args)]
pub struct LogOptions {
    /// What is logged, as `LEVEL` or `TARGET=LEVEL,..`.
    #[arg(long = "log", env = "LATEEN_LOG", default_value = "info", value_name = "FILTER")]
    pub filter: String,
    /// One JSON object for each line.
    #[arg(long = "log-json", env = "LATEEN_LOG_JSON")]
    pub json: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { filter: "info".to_owned(), json: false }
    }
}

/// Why logs could not be started or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter has a mistake.
    #[error("`{filter}` is no log filter; `info` and `info,mesh_xds=debug` are")]
    Filter {
        /// As it was given.
        filter: String,
        /// What the parser says.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs were started before.
    #[error("logs were already started in this process")]
    Started(#[from] tracing_subscriber::util::TryInitError),
    /// The subscriber is gone.
    #[error("the log filter can no longer be changed")]
    Gone(#[from] reload::Error),
}

/// Changes the filter of a running program.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogHandle {
    /// The filter as it stands.
    ///
    /// # Errors
    /// Logging has ended.
    pub fn filter(&self) -> Result<String, LogError> {
        Ok(self.filter.with_current(ToString::to_string)?)
    }

    /// Filters by `filter` from now on.
    ///
    /// # Errors
    /// The filter has a mistake; the old one stays.
    pub fn set(&self, filter: &str) -> Result<(), LogError> {
        Ok(self.filter.reload(parse(filter)?)?)
    }
}

/// Starts logging for this process.
///
/// # Errors
/// The filter has a mistake, or logs were started before.
pub fn start(options: &LogOptions) -> Result<LogHandle, LogError> {
    let (filter, handle) = reload::Layer::new(parse(&options.filter)?);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_ansi(false).with_writer(io::stderr);
    if options.json {
        registry.with(lines.json().flatten_event(true)).try_init()?;
    } else {
        registry.with(lines).try_init()?;
    }
    Ok(LogHandle { filter: handle })
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder().parse(filter).map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

#[cfg(test)]
mod tests;
