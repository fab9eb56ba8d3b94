//! The agent: what a pod's proxy container runs.

use std::{collections::BTreeMap, fs, future::Future, io, path::PathBuf, sync::Arc, time::Instant};

use mesh_bootstrap::{Admin, Drain, LogError, LogOptions, bind, serve, start_logs};
use mesh_identity::{Credentials, Settings as IdentitySettings};
use mesh_pki::{BundleError, KeyKind, TrustBundle};
use mesh_xds::client::{Plaintext, Tls, TlsDialError};
use serde_json::Value;
use tokio::net::UnixListener;

mod bootstrap;
mod commands;
mod drain;
mod envoy;
mod http;
mod merge;
mod metrics;
mod names;
mod node;
mod pilot;
mod pod_info;
mod probe;
mod proxy_config;
mod ready;
mod relay;
mod sds;
mod settings;
mod status;
#[cfg(test)]
mod testing;

pub use commands::{AskError, Cli, ProxyOptions, Request, Role, Task, Wait, ask, wait};
pub use proxy_config::ControlPlaneAuth;
pub use settings::{BadSettings, DataPlane, Settings};

pub use envoy::EnvoyError;
pub use http::CallError;
pub use pilot::PilotError;

use envoy::Envoy;
use metrics::AgentMetrics;
use pilot::Pilot;
use status::Status;

use crate::plane::{AskReady, ControlPorts, ControlSettings, Plane, PlaneSettings};

/// Why the agent ends before it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// What it was told makes no sense.
    #[error("the proxy's settings are wrong")]
    Settings(#[from] BadSettings),
    /// No logs.
    #[error("logs cannot be started")]
    Logs(#[from] LogError),
    /// No way to pilot.
    #[error("pilot cannot be called (discoveryAddress)")]
    Dial(#[source] TlsDialError),
    /// The data plane does not start.
    #[error("the data plane cannot be started")]
    Plane(#[source] io::Error),
    /// No signals.
    #[error("signals cannot be listened to")]
    Signals(#[source] io::Error),
    /// No sockets for the data plane.
    #[error("socket {path} cannot be made")]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent's port.
    #[error("port {port} cannot be listened on")]
    Port {
        /// Which.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// No way to pilot.
    #[error("the data plane cannot be connected to pilot")]
    Pilot(#[from] PilotError),
    /// No roots.
    #[error("a bundle of no roots cannot be made")]
    Roots(#[from] BundleError),
    /// DNS is to be captured, and cannot be answered.
    #[error("the workload's DNS cannot be answered")]
    Names(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Envoy failed.
    #[error("the data plane failed")]
    Envoy(#[from] EnvoyError),
}

/// Runs the proxy until SIGTERM, `/quitquitquit`, or the end of the data plane.
///
/// # Errors
/// The settings are wrong, a port is taken, or the data plane failed: the container is to be restarted.
pub async fn run(options: ProxyOptions, environment: BTreeMap<String, String>) -> Result<(), AgentError> {
    let logs = LogOptions { filter: options.log_filter(), json: options.log_as_json };
    let admin = Admin::new("proxy", Some(start_logs(&logs)?));
    let settings = Arc::new(Settings::new(&options, &environment)?);
    match settings.data_plane {
        DataPlane::Lateen => with_lateen(settings, admin).await,
        DataPlane::Envoy => with_envoy(settings, admin).await,
    }
}

/// What both data planes have beside them: an identity, and the agent's own port.
struct Beside {
    drain: Drain,
    credentials: Credentials,
    metrics: AgentMetrics,
    status: Status,
}

impl Beside {
    async fn start(settings: &Arc<Settings>, admin: &Admin) -> Result<Self, AgentError> {
        let drain = Drain::on_signals().map_err(AgentError::Signals)?;
        let credentials = match settings.control_plane_auth {
            ControlPlaneAuth::MutualTls => mesh_identity::start(identity(settings)),
            ControlPlaneAuth::None => Credentials::fixed(None, TrustBundle::parse("")?),
        };
        let metrics = AgentMetrics::new(&admin.metrics, &credentials);
        let status = Status::new(Arc::clone(settings), admin.metrics.clone(), metrics.clone(), drain.clone());
        let port = settings.ports.status;
        let listener = bind(port).await.map_err(|source| AgentError::Port { port, source })?;
        // Served to the end: the kubelet and preStop hooks still ask while the data plane drains.
        tokio::spawn(serve(listener, status.router(), Drain::new()));
        Ok(Self { drain, credentials, metrics, status })
    }
}

/// The agent around the data plane of this program.
async fn with_lateen(settings: Arc<Settings>, admin: Admin) -> Result<(), AgentError> {
    let began = Instant::now();
    let beside = Beside::start(&settings, &admin).await?;
    let node = node::node(&settings);
    answer_names(&settings, &beside.credentials, &node).await?;
    let status = beside.status.clone();
    let ready: AskReady = Arc::new(move || {
        let status = status.clone();
        Box::pin(async move { status.ready().await })
    });
    let plane = PlaneSettings {
        workers: settings.concurrency as usize,
        own: node::workload(&settings),
        id: settings.node.to_string(),
        control: ControlSettings {
            ports: ControlPorts {
                admin: settings.ports.admin,
                health: settings.ports.health,
                prometheus: settings.ports.prometheus,
            },
            workers: settings.concurrency,
            bootstrap: bootstrap::render(&settings, &node),
            logs: admin.logs.clone(),
            drain: beside.drain.clone(),
            ready,
            began,
        },
    };
    let plane = match settings.control_plane_auth {
        ControlPlaneAuth::MutualTls => {
            let dial = Tls::new(&settings.discovery, &beside.credentials).map_err(AgentError::Dial)?;
            Plane::start(plane, dial, node).await
        }
        ControlPlaneAuth::None => Plane::start(plane, Plaintext::new(&*settings.discovery), node).await,
    }
    .map_err(AgentError::Plane)?;
    beside.drain.requested().await;
    drain::drain(&settings).await;
    plane.stop();
    Ok(())
}

/// The agent around stock Envoy. They live and die together.
async fn with_envoy(settings: Arc<Settings>, admin: Admin) -> Result<(), AgentError> {
    let Beside { drain, credentials, metrics, .. } = Beside::start(&settings, &admin).await?;
    let xds = listen(settings.xds_socket())?;
    tokio::spawn(relay::serve(xds, Pilot::new(&settings, &credentials)?, metrics.clone()));
    let secrets = listen(settings.sds_socket())?;
    spawn_logged("secrets are no longer served", sds::serve(secrets, credentials.clone()));

    let node = node::node(&settings);
    answer_names(&settings, &credentials, &node).await?;
    let bootstrap = bootstrap::render(&settings, &node);
    let mut envoy = Envoy::start(&settings, &bootstrap)?;
    tokio::select! {
        exit = envoy.exited() => return Err(EnvoyError::Ended(exit?).into()),
        () = drain.requested() => {}
    }
    tokio::select! {
        exit = envoy.exited() => tracing::warn!(exit = %exit?, "Envoy ended before it was drained"),
        () = drain::drain(&settings) => envoy.stop().await?,
    }
    Ok(())
}

async fn answer_names(settings: &Settings, credentials: &Credentials, node: &Value) -> Result<(), AgentError> {
    names::start(settings, credentials, node).await.map_err(|error| AgentError::Names(Box::new(error)))
}

fn identity(settings: &Settings) -> IdentitySettings {
    IdentitySettings {
        ca: settings.ca.clone(),
        id: settings.id.clone(),
        cluster: settings.cluster.clone(),
        token_file: settings.token_file(),
        root_file: settings.root_file(),
        key: KeyKind::default(),
        lifetime: settings.certificate_lifetime,
    }
}

fn listen(path: PathBuf) -> Result<UnixListener, AgentError> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder.and_then(|()| relay::listen(&path)).map_err(|source| AgentError::Socket { path, source })
}

fn spawn_logged(what: &'static str, task: impl Future<Output = io::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        match task.await {
            Ok(()) => tracing::warn!(what),
            Err(error) => tracing::error!(%error, what),
        }
    });
}
