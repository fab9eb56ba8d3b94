//! Puts the parts together.

use std::{fs, io, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{Json, Router, routing::get};
use futures::FutureExt;
use kube::Client;
use mesh_bootstrap::{Admin, Drain, Gate};
use mesh_identity::Credentials;
use mesh_kube::{lease::Campaign, webhook};
use mesh_model::parse::ParseContext;
use mesh_tls::{Clients, Peers, TlsListener, alpn};
use mesh_types::{BadSpiffeId, SpiffeId};
use mesh_xds::transport::{Plaintext, Tls};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use crate::{
    deploy::Deployer,
    intake::{self, Outlets},
    metrics::Metrics,
    options::Options,
    published::Published,
    serve::{Readers, Server},
    source::{cluster, folder},
    status::Writer,
    webhooks::{
        configurations::Keeper,
        inject::{Injection, PATIENCE},
        validate,
    },
    world::{Fleet, Report, World},
};

/// Inputs that wait for the world; sources are held up then.
const WAITING: usize = 1024;
/// The lease that the writer of statuses holds.
const LEASE: &str = "lateen-galley";

/// Why galley could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port could not be listened on.
    #[error("port {port} cannot be listened on")]
    Port {
        /// Which.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// There is no way to a cluster.
    #[error("there is no way to the cluster; `--config-dir FOLDER` works without one")]
    Cluster(#[source] Box<kube::Error>),
    /// The kubeconfig or the pod's own access is wrong.
    #[error("the access to the cluster is not configured; `--config-dir FOLDER` works without one")]
    Access(#[from] kube::config::InferConfigError),
    /// Namespace, account and trust domain make no identity.
    #[error("the identity of this program or its reader is wrong")]
    Identity(#[from] BadSpiffeId),
    /// TLS cannot be configured.
    #[error("TLS cannot be configured")]
    Tls(#[from] mesh_tls::TlsError),
    /// The settings of injection cannot be read.
    #[error("the settings of injection cannot be read from {}", path.display())]
    Settings {
        /// Where they are.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where a running galley listens.
#[derive(Clone, Debug)]
pub struct Running {
    /// For pilot.
    pub mcp: SocketAddr,
    /// For the API server; none without a cluster.
    pub webhooks: Option<SocketAddr>,
    /// For people.
    pub admin: SocketAddr,
    /// What is served.
    pub published: watch::Receiver<Arc<Published>>,
}

/// Starts everything. It runs until the drain begins.
///
/// # Errors
/// A port is taken, a file is wrong, or the cluster cannot be reached.
pub async fn start(options: &Options, admin: &Admin, drain: &Drain) -> Result<Running, StartError> {
    let metrics = Metrics::new(&admin.metrics);
    let gate = admin.readiness.gate("waiting for everything to be listed");
    let has_cluster = options.config_dir.is_none();
    // Without webhooks and TLS nobody asks who we are.
    let credentials = (has_cluster || !options.plaintext)
        .then(|| options.identity.settings("galley").map(mesh_identity::start))
        .transpose()?;
    let (inputs, reports) = (mpsc::channel(WAITING), mpsc::unbounded_channel());
    let (fleets, fleet) = watch::channel(Arc::default());
    let for_cluster = has_cluster.then_some((reports.0, fleets));
    let published = spawn_world(options, inputs.1, for_cluster, gate, &metrics, drain);

    let webhooks = match (&options.config_dir, &credentials) {
        (Some(folder), _) => {
            let follow = folder::follow(folder.clone(), options.root_namespace.clone(), inputs.0, drain.clone());
            drop(drain.spawn(follow));
            None
        }
        (None, Some(credentials)) => {
            let client = client().await?;
            cluster::follow(&client, &options.root_namespace, &inputs.0, drain);
            spawn_leader(options, &client, reports.1, fleet, &metrics, drain);
            let keeper = Keeper::new(client, credentials.clone(), options.root_namespace.clone(), metrics.clone());
            spawn_until_drained(drain, keeper.run());
            let answered = admin.readiness.gate("waiting for a certificate to answer webhooks with");
            Some(spawn_webhooks(options, credentials, published.clone(), &metrics, answered, drain).await?)
        }
        (None, None) => None,
    };
    let mcp = spawn_mcp(options, credentials.as_ref(), published.clone(), drain).await?;
    let admin = spawn_admin(options, admin, published.clone(), drain).await?;
    Ok(Running { mcp, webhooks, admin, published })
}

async fn client() -> Result<Client, StartError> {
    let config = kube::Config::infer().await?;
    Client::try_from(config).map_err(|error| StartError::Cluster(Box::new(error)))
}

fn spawn_world(
    options: &Options,
    inputs: mpsc::Receiver<crate::input::Input>,
    for_cluster: Option<(mpsc::UnboundedSender<Report>, watch::Sender<Arc<Fleet>>)>,
    gate: Gate,
    metrics: &Metrics,
    drain: &Drain,
) -> watch::Receiver<Arc<Published>> {
    let (sender, published) = watch::channel(Arc::new(Published::default()));
    let world = World::new(ParseContext { domain: options.domain.clone() });
    let (reports, fleet) = for_cluster.unzip();
    let outlets = Outlets { published: sender, reports, fleet, gate, metrics: metrics.clone() };
    drop(drain.spawn(intake::run(world, inputs, outlets)));
    published
}

/// Everything that writes to the cluster on behalf of all galleys: the one that leads does.
fn spawn_leader(
    options: &Options,
    client: &Client,
    reports: mpsc::UnboundedReceiver<Report>,
    fleet: watch::Receiver<Arc<Fleet>>,
    metrics: &Metrics,
    drain: &Drain,
) {
    let (lead, leads) = watch::channel(false);
    let campaign = Campaign::new(client.clone(), &options.identity.namespace, LEASE, &options.pod_name);
    let stop = drain.clone();
    drop(drain.spawn(campaign.run(lead, async move { stop.requested().await })));
    let deployer = Deployer::new(client.clone(), fleet, leads.clone());
    drop(drain.spawn(deployer.run(drain.clone())));
    let writer = Writer { client: client.clone(), reports, leads, metrics: metrics.clone() };
    drop(drain.spawn(writer.run(drain.clone())));
}

async fn spawn_webhooks(
    options: &Options,
    credentials: &Credentials,
    published: watch::Receiver<Arc<Published>>,
    metrics: &Metrics,
    gate: Gate,
    drain: &Drain,
) -> Result<SocketAddr, StartError> {
    let injection = Injection {
        published,
        settings: injection_settings(options)?,
        root_namespace: options.root_namespace.clone(),
        patience: PATIENCE,
        metrics: metrics.clone(),
    };
    let context = ParseContext { domain: options.domain.clone() };
    let routes = webhook::routes("/validate", validate::judge(context, metrics.clone()))
        .merge(webhook::routes("/inject", injection.judge()))
        .route("/ready", get(async || "ready\n"));
    let config = mesh_tls::server_config(credentials, Clients::Anonymous, &[alpn::H2, alpn::HTTP_1_1])?;
    let port = options.webhook_port;
    let listener = TlsListener::new(bind(port).await?, config).map_err(|source| StartError::Port { port, source })?;
    let address = listener.local_addr();
    drop(drain.spawn(webhook::serve(listener, routes, stopped(drain))));
    let credentials = credentials.clone();
    spawn_until_drained(drain, async move {
        if credentials.ready().await.is_some() {
            gate.open();
        }
    });
    Ok(address)
}

fn injection_settings(options: &Options) -> Result<injector::Settings, StartError> {
    let Some(path) = &options.injection_settings else {
        return Ok(injector::Settings { domain: options.domain.clone(), ..injector::Settings::default() });
    };
    let wrong = |source| StartError::Settings { path: path.clone(), source };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.into()))?;
    serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string().into()))
}

async fn spawn_mcp(
    options: &Options,
    credentials: Option<&Credentials>,
    published: watch::Receiver<Arc<Published>>,
    drain: &Drain,
) -> Result<SocketAddr, StartError> {
    let listener = bind(options.mcp_port).await?;
    let address = listener.local_addr().map_err(|source| StartError::Port { port: options.mcp_port, source })?;
    let stop = drain.clone();
    let stop = async move { stop.requested().await };
    let served = match credentials.filter(|_| !options.plaintext) {
        None => {
            let server = Arc::new(Server::new(published, Readers::Anybody));
            mesh_xds::server::serve(listener, Plaintext, server, stop).boxed()
        }
        Some(credentials) => {
            let identity = &options.identity;
            let reader = SpiffeId::new(&identity.trust_domain, &identity.namespace, &options.reader)?;
            let clients = Clients::Required(Peers::Only(vec![reader.clone()]));
            let tls = Tls::new(mesh_tls::server_config(credentials, clients, &[alpn::H2])?);
            let server = Arc::new(Server::new(published, Readers::Only(reader)));
            mesh_xds::server::serve(listener, tls, server, stop).boxed()
        }
    };
    drop(drain.spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(error = &error as &dyn std::error::Error, "serving configuration ended");
        }
    }));
    Ok(address)
}

async fn spawn_admin(
    options: &Options,
    admin: &Admin,
    published: watch::Receiver<Arc<Published>>,
    drain: &Drain,
) -> Result<SocketAddr, StartError> {
    let listener = bind(options.admin_port).await?;
    let address = listener.local_addr().map_err(|source| StartError::Port { port: options.admin_port, source })?;
    let router = admin.router().merge(mesh_bootstrap::local_only(debug(published)));
    drop(drain.spawn(mesh_bootstrap::serve(listener, router, drain.clone())));
    Ok(address)
}

/// `/debug/issues`: what is kept back, and why. `/debug/registryz`: what is served, in which versions.
fn debug(published: watch::Receiver<Arc<Published>>) -> Router {
    let served = published.clone();
    Router::new().route("/debug/issues", get(async move || Json(json!(*published.borrow().issues)))).route(
        "/debug/registryz",
        get(async move || {
            let now = served.borrow().clone();
            let versions = now.types.iter().map(|(type_url, resources)| {
                let resources = resources.values().map(|r| (r.name.to_string(), json!(&*r.version)));
                (type_url.clone(), serde_json::Value::Object(resources.collect()))
            });
            Json(serde_json::Value::Object(versions.collect()))
        }),
    )
}

async fn bind(port: u16) -> Result<TcpListener, StartError> {
    mesh_bootstrap::bind(port).await.map_err(|source| StartError::Port { port, source })
}

/// Runs something that would go on for ever.
fn spawn_until_drained(drain: &Drain, task: impl Future<Output = ()> + Send + 'static) {
    let stop = drain.clone();
    drop(drain.spawn(async move {
        tokio::select! {
            () = task => {}
            () = stop.requested() => {}
        }
    }));
}

/// The drain as a watch.
fn stopped(drain: &Drain) -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    let requested = drain.clone();
    drop(drain.spawn(async move {
        requested.requested().await;
        stop.send_replace(true);
    }));
    stopped
}
