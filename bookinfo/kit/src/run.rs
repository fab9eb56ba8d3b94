use std::{error::Error, future::Future, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    app::{App, Identity},
    env::{ConfigError, Env},
    server::{Pace, bind, serve},
};

/// The port when neither an argument nor `PORT` gives one.
const DEFAULT_PORT: u16 = 9080;

/// The whole `main` of a service: reads settings, logs JSON to standard output, listens on the port
/// of the first argument (else `PORT`, else 9080) and serves until SIGTERM or SIGINT.
///
/// `build` makes the service from its settings; what it finds wrong is reported with the rest.
pub fn run(service: &'static str, build: impl FnOnce(&Identity, &mut Env<'_>) -> App) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).init();
    match try_run(service, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(service, error = &*error, "cannot run");
            ExitCode::FAILURE
        }
    }
}

fn try_run(
    service: &'static str,
    build: impl FnOnce(&Identity, &mut Env<'_>) -> App,
) -> Result<(), Box<dyn Error + 'static>> {
    let argument = std::env::args().nth(1);
    let read = |name: &str| match (name, &argument) {
        ("PORT", Some(port)) => Some(port.clone()),
        _ => std::env::var(name).ok(),
    };
    let (identity, port, app) = configure(service, &read, build)?;
    // One thread is enough for tens of thousands of requests a second and keeps the memory small.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let listener = bind(port).await.map_err(|error| {
            format!("cannot listen on port {port}: {error}; give another port as the first argument or in PORT")
        })?;
        let address = listener.local_addr()?;
        tracing::info!(service, version = identity.version, pod = identity.pod, %address, "listening");
        serve(listener, app, stop).await?;
        tracing::info!(service, "stopped");
        Ok(())
    })
}

fn configure(
    service: &'static str,
    read: &dyn Fn(&str) -> Option<String>,
    build: impl FnOnce(&Identity, &mut Env<'_>) -> App,
) -> Result<(Identity, u16, App), ConfigError> {
    let mut env = Env::new(read);
    let identity = Identity::read(service, &env);
    let port = env.number("PORT", DEFAULT_PORT);
    let app = build(&identity, &mut env);
    env.finish((identity, port, app))
}

/// The signals are caught from here on; the future ends at the first one.
fn stop_signal() -> std::io::Result<impl Future<Output = Pace>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let (pace, name) = tokio::select! {
            _ = terminate.recv() => (Pace::GENTLE, "SIGTERM"),
            _ = interrupt.recv() => (Pace::QUICK, "SIGINT"),
        };
        tracing::info!(signal = name, "stopping");
        pace
    })
}

#[cfg(test)]
mod tests;
