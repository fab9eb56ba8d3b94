//! `proxy-status` and `proxy-config`: asks pilots and proxies, and shows what they answer.

use std::{
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Where, request::PodName},
    documents,
    proxy_config::{self, ClusterFilter, EndpointFilter, ListenerFilter, View},
    proxy_status,
};

/// Where a proxy's admin server listens, within its pod.
pub(crate) const PROXY_ADMIN: u16 = 15000;
/// Where pilot's debug pages are, within its pod.
pub(crate) const PILOT_ADMIN: u16 = 15014;

/// Flags of `proxy-status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Only proxies whose name (pod.namespace) starts so
    #[arg(default_value = "")]
    pub name: String,
}

/// How a view is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table.
    #[default]
    Short,
    /// The objects, as JSON.
    Json,
    /// The objects, as YAML.
    Yaml,
}

/// A proxy, and how to print what it says.
#[derive(Args, Clone, Debug)]
pub struct Of {
    /// pod, pod.namespace, deploy/name or deploy/name.namespace
    pub target: String,
    /// How it is printed
    #[arg(short = 'o', long, default_value = "short", value_enum)]
    pub output: Format,
}

/// Verbs of `proxy-config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Clusters, listeners, routes and endpoints
    All(Of),
    /// What the proxy was started with
    Bootstrap(Of),
    /// Where requests can go
    #[command(aliases = ["clusters", "c"])]
    Cluster {
        /// Which proxy.
        #[command(flatten)]
        of: Of,
        /// Which clusters.
        #[command(flatten)]
        filter: ClusterFilter,
    },
    /// The addresses behind clusters
    #[command(aliases = ["endpoints", "ep"])]
    Endpoint {
        /// Which proxy.
        #[command(flatten)]
        of: Of,
        /// Which endpoints.
        #[command(flatten)]
        filter: EndpointFilter,
    },
    /// What the proxy listens to
    #[command(aliases = ["listeners", "l"])]
    Listener {
        /// Which proxy.
        #[command(flatten)]
        of: Of,
        /// Which listeners.
        #[command(flatten)]
        filter: ListenerFilter,
    },
    /// Which request goes where
    #[command(aliases = ["routes", "r"])]
    Route {
        /// Which proxy.
        #[command(flatten)]
        of: Of,
        /// One table of routes, such as 9080
        #[arg(long)]
        name: Option<String>,
    },
    /// Log levels
    #[command(alias = "o")]
    Log {
        /// pod, pod.namespace, deploy/name or deploy/name.namespace
        target: String,
        /// Sets levels: a level for all (debug), or logger:level, several with commas
        #[arg(long)]
        level: Option<String>,
    },
}

/// A proxy that answers.
struct Proxy {
    cluster: Cluster,
    pod: PodName,
}

impl Proxy {
    async fn of(place: &Where, target: &str) -> Result<Self> {
        let cluster = place.connect().await?;
        let pod = cluster.pod(target).await?;
        Ok(Self { cluster, pod })
    }

    async fn json(&self, path: &str) -> Result<Value> {
        let body = self.cluster.ask(&self.pod, PROXY_ADMIN, Method::GET, path).await?;
        serde_json::from_slice(&body).with_context(|| format!("the answer of {} to {path} is not JSON", self.pod.name))
    }

    async fn dump(&self) -> Result<Value> {
        self.json("/config_dump").await
    }

    async fn clusters(&self) -> Result<Value> {
        self.json("/clusters?format=json").await
    }
}

impl ConfigCommand {
    /// Asks the proxy and prints what it says.
    pub async fn run(self, place: &Where, out: &mut impl Write) -> Result<()> {
        match self {
            Self::All(of) => all(place, &of, out).await,
            Self::Bootstrap(of) => {
                let dump = Proxy::of(place, &of.target).await?.dump().await?;
                let bootstrap = proxy_config::bootstrap(&dump).context("the proxy does not tell its bootstrap")?;
                // There is no table of it.
                let format = if of.output == Format::Yaml { Format::Yaml } else { Format::Json };
                print(bootstrap, format, out)
            }
            Self::Cluster { of, filter } => {
                let dump = Proxy::of(place, &of.target).await?.dump().await?;
                show(&proxy_config::clusters(&dump, &filter), of.output, out)
            }
            Self::Endpoint { of, filter } => {
                let clusters = Proxy::of(place, &of.target).await?.clusters().await?;
                show(&proxy_config::endpoints(&clusters, &filter), of.output, out)
            }
            Self::Listener { of, filter } => {
                let dump = Proxy::of(place, &of.target).await?.dump().await?;
                show(&proxy_config::listeners(&dump, &filter), of.output, out)
            }
            Self::Route { of, name } => {
                let dump = Proxy::of(place, &of.target).await?.dump().await?;
                show(&proxy_config::routes(&dump, name.as_deref()), of.output, out)
            }
            Self::Log { target, level } => log(place, &target, level.as_deref(), out).await,
        }
    }
}

fn show(view: &View, format: Format, out: &mut impl Write) -> Result<()> {
    match format {
        Format::Short => Ok(write!(out, "{}", view.table)?),
        format => print(&json!(view.objects), format, out),
    }
}

fn print(value: &Value, format: Format, out: &mut impl Write) -> Result<()> {
    match format {
        Format::Yaml => write!(out, "{}", documents::yaml(value)?)?,
        Format::Short | Format::Json => writeln!(out, "{value:#}")?,
    }
    Ok(())
}

async fn all(place: &Where, of: &Of, out: &mut impl Write) -> Result<()> {
    let proxy = Proxy::of(place, &of.target).await?;
    let dump = proxy.dump().await?;
    if of.output != Format::Short {
        return print(&dump, of.output, out);
    }
    let endpoints = proxy.clusters().await?;
    let views = [
        proxy_config::clusters(&dump, &ClusterFilter::default()),
        proxy_config::listeners(&dump, &ListenerFilter::default()),
        proxy_config::routes(&dump, None),
        proxy_config::endpoints(&endpoints, &EndpointFilter::default()),
    ];
    for view in views.iter().filter(|view| !view.table.is_empty()) {
        writeln!(out, "{}", view.table)?;
    }
    Ok(())
}

async fn log(place: &Where, target: &str, level: Option<&str>, out: &mut impl Write) -> Result<()> {
    let proxy = Proxy::of(place, target).await?;
    let mut paths: Vec<String> = Vec::new();
    for wish in level.into_iter().flat_map(|levels| levels.split(',')) {
        let (logger, level) = wish.split_once(':').unwrap_or(("level", wish));
        let word =
            |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && !text.is_empty();
        if !word(logger) || !word(level) {
            anyhow::bail!("--level \"{wish}\": should be a level such as debug, or logger:level");
        }
        paths.push(format!("/logging?{logger}={level}"));
    }
    if paths.is_empty() {
        paths.push("/logging".to_owned());
    }
    let mut answer = None;
    for path in paths {
        answer = Some(proxy.cluster.ask(&proxy.pod, PROXY_ADMIN, Method::POST, &path).await?);
    }
    out.write_all(&answer.unwrap_or_default())?;
    Ok(())
}

/// Asks every pilot and shows all proxies.
pub async fn status(place: &Where, arguments: &StatusArgs, out: &mut impl Write) -> Result<()> {
    let cluster = place.connect().await?;
    let mut answers = Vec::new();
    for pilot in pilots(&cluster, place).await? {
        let body = cluster.ask(&pilot, PILOT_ADMIN, Method::GET, "/debug/syncz").await?;
        answers.push((pilot.name, serde_json::from_slice(&body).context("pilot's answer is not JSON")?));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs_f64()).unwrap_or_default();
    Ok(write!(out, "{}", proxy_status::table(&answers, &arguments.name, now))?)
}

/// Every pod of pilot that runs; at least one.
pub(crate) async fn pilots(cluster: &Cluster, place: &Where) -> Result<Vec<PodName>> {
    let namespace = &place.istio_namespace;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let pods = pods.list(&ListParams::default().labels("app=pilot")).await.context("cannot list the pods of pilot")?;
    let running = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    let names = pods.items.into_iter().filter(running).filter_map(|pod| pod.metadata.name);
    let pilots: Vec<PodName> = names.map(|name| PodName { namespace: namespace.clone(), name }).collect();
    anyhow::ensure!(!pilots.is_empty(), "no pod of pilot runs in namespace {namespace}; is the mesh installed?");
    Ok(pilots)
}
