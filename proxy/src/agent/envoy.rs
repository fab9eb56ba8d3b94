//! Envoy as a child process.

use std::{fs, io, path::PathBuf, process::ExitStatus, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::settings::Settings;

/// How long Envoy may take to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(5);

/// How Envoy's lines look; as Istio's.
const LOG_FORMAT: &str = "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t";

/// Why Envoy does not run as it should.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// Its bootstrap cannot be written.
    #[error("Envoy's bootstrap {file} cannot be written")]
    Bootstrap {
        /// Where.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its program cannot be started.
    #[error("Envoy cannot be started from {program} (LATEEN_ENVOY says where its program is)")]
    Program {
        /// Where.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended while it was needed.
    #[error("Envoy ended by itself: {0}")]
    Ended(ExitStatus),
    /// The system says nothing of its end.
    #[error("Envoy's end cannot be awaited")]
    Wait(#[source] io::Error),
    /// It cannot be ended.
    #[error("Envoy cannot be ended")]
    Stop(#[source] io::Error),
}

/// A running Envoy. It is killed when this is dropped.
pub(crate) struct Envoy {
    child: Child,
}

impl Envoy {
    /// Writes the bootstrap and starts Envoy with it, in the root folder, where the sockets' relative paths begin.
    pub(crate) fn start(settings: &Settings, bootstrap: &Value) -> Result<Self, EnvoyError> {
        let file = settings.bootstrap_file();
        fs::write(&file, format!("{bootstrap:#}"))
            .map_err(|source| EnvoyError::Bootstrap { file: file.clone(), source })?;
        let (level, components) = split_levels(&settings.envoy_log);
        let mut command = Command::new(&settings.envoy);
        command
            .current_dir(&settings.root)
            .kill_on_drop(true)
            .arg("--config-path")
            .arg(&file)
            .args(["--drain-time-s", &settings.drain.as_secs().to_string()])
            .args(["--drain-strategy", "immediate"])
            .args(["--local-address-ip-version", if settings.node.ip.is_ipv6() { "v6" } else { "v4" }])
            .args(["--file-flush-interval-msec", "1000"])
            .args(["--concurrency", &settings.concurrency.to_string()])
            .args(["--log-level", level, "--log-format", LOG_FORMAT])
            .arg("--disable-hot-restart");
        if !components.is_empty() {
            command.args(["--component-log-level", &components]);
        }
        let child =
            command.spawn().map_err(|source| EnvoyError::Program { program: settings.envoy.clone(), source })?;
        tracing::info!(program = %settings.envoy.display(), threads = settings.concurrency, "Envoy was started");
        Ok(Self { child })
    }

    /// Waits for its end.
    pub(crate) async fn exited(&mut self) -> Result<ExitStatus, EnvoyError> {
        self.child.wait().await.map_err(EnvoyError::Wait)
    }

    /// Ends it: with SIGTERM, and with SIGKILL if that does not help.
    pub(crate) async fn stop(&mut self) -> Result<(), EnvoyError> {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(|error| EnvoyError::Stop(error.into()))?;
        }
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            tracing::warn!("Envoy did not end by itself and is killed");
            self.child.kill().await.map_err(EnvoyError::Stop)?;
        }
        Ok(())
    }
}

/// `warning,misc:error` is a level and a component's level, as Istio's flag permits.
fn split_levels((levels, components): &(String, String)) -> (&str, String) {
    let (level, more) = levels.split_once(',').unwrap_or((levels, ""));
    let all: Vec<&str> = [more, components].into_iter().filter(|levels| !levels.is_empty()).collect();
    (level, all.join(","))
}
