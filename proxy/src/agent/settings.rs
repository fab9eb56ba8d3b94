//! Everything that the agent is told: by its command line, its environment and the files of its pod.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    thread,
    time::Duration,
};

use mesh_types::{BadSpiffeId, NodeId, NodeKind, SpiffeId};
use serde_json::{Map, Value};

use super::{
    commands::{ProxyOptions, Role},
    merge::Scrape,
    pod_info,
    probe::Probers,
    proxy_config::{ControlPlaneAuth, ProxyConfig},
};

/// Who carries the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPlane {
    /// The one of this program.
    Lateen,
    /// Stock Envoy, as a child process.
    Envoy,
}

/// Ports of the proxy. <https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The data plane's admin, on the loopback address.
    pub admin: u16,
    /// The agent.
    pub status: u16,
    /// Health, as the kubelet asks it.
    pub health: u16,
    /// Metrics of the data plane alone.
    pub prometheus: u16,
}

/// The settings of one proxy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it names itself to pilot.
    pub node: NodeId,
    /// Who it is.
    pub id: SpiffeId,
    /// The cluster's name.
    pub cluster: String,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    pub annotations: BTreeMap<String, String>,
    /// `ISTIO_META_..` and `ISTIO_METAJSON_..` of the environment, without the prefix.
    pub metadata: Map<String, Value>,
    /// `PROXY_CONFIG` as it was written.
    pub proxy_config: Value,
    /// pilot, as HOST:PORT.
    pub discovery: String,
    /// How the way there is secured.
    pub control_plane_auth: ControlPlaneAuth,
    /// The ca, as HOST:PORT.
    pub ca: String,
    /// Wished lifetime of certificates.
    pub certificate_lifetime: Duration,
    /// Ports.
    pub ports: Ports,
    /// Worker threads of the data plane.
    pub concurrency: u32,
    /// How long connections drain when listeners close.
    pub drain: Duration,
    /// How long the end waits for connections.
    pub termination_drain: Duration,
    /// The end waits until no connection is left (`EXIT_ON_ZERO_ACTIVE_CONNECTIONS`), at least for this long
    /// (`MINIMUM_DRAIN_DURATION`).
    pub exit_on_zero: Option<Duration>,
    /// Who carries the traffic.
    pub data_plane: DataPlane,
    /// Envoy's program.
    pub envoy: PathBuf,
    /// Envoy's log level, and its components'.
    pub envoy_log: (String, String),
    /// Where relative paths (`./etc/istio/proxy`) and absolute ones begin; `/` but in tests.
    pub root: PathBuf,
    pub(crate) probers: Probers,
    pub(crate) scrape: Option<Scrape>,
}

/// Settings that make no sense. The pod's author's fault, or injection's.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// A variable's value.
    #[error("environment variable {name}: `{value}` is not {wanted}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A variable with JSON.
    #[error("environment variable {name} is not the JSON that it should be")]
    Json {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Namespace and account.
    #[error("the pod's namespace, service account and trust domain make no identity")]
    Identity(#[from] BadSpiffeId),
}

/// The environment, asked by name.
struct Environment<'a>(&'a BTreeMap<String, String>);

impl Environment<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn or(&self, name: &str, default: &str) -> String {
        self.text(name).unwrap_or(default).to_owned()
    }

    fn parse<T: std::str::FromStr>(&self, name: &'static str, wanted: &'static str) -> Result<Option<T>, BadSettings> {
        let Some(value) = self.text(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| BadSettings::Variable { name, value: value.to_owned(), wanted })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, BadSettings> {
        let Some(value) = self.text(name) else { return Ok(None) };
        serde_json::from_str(value).map(Some).map_err(|source| BadSettings::Json { name: name.to_owned(), source })
    }

    fn switch(&self, name: &str) -> bool {
        matches!(self.text(name), Some("true" | "True" | "TRUE" | "1"))
    }

    /// Go's form: `5s`, `1m`, `500ms`.
    fn duration(&self, name: &'static str, default: Duration) -> Result<Duration, BadSettings> {
        let Some(value) = self.text(name) else { return Ok(default) };
        let bad = || BadSettings::Variable { name, value: value.to_owned(), wanted: "a duration such as 5s" };
        let unit = value.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
        let scale = match &value[unit..] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        let number: f64 = value[..unit].parse().map_err(|_| bad())?;
        Duration::try_from_secs_f64(number * scale).map_err(|_| bad())
    }
}

impl Settings {
    /// Reads everything.
    ///
    /// # Errors
    /// Something makes no sense.
    pub fn new(options: &ProxyOptions, environment: &BTreeMap<String, String>) -> Result<Self, BadSettings> {
        let environment = Environment(environment);
        let root = PathBuf::from(environment.or("LATEEN_ROOT", "/"));
        let config: ProxyConfig = environment.json("PROXY_CONFIG")?.unwrap_or_default();
        if !config.others.is_empty() {
            let fields: Vec<&String> = config.others.keys().collect();
            tracing::warn!(?fields, "settings of PROXY_CONFIG that have no effect in this proxy");
        }
        let namespace = environment.or("POD_NAMESPACE", "default");
        let id = SpiffeId::new(
            &environment.or("TRUST_DOMAIN", "cluster.local"),
            &namespace,
            &environment.or("SERVICE_ACCOUNT", "default"),
        )?;
        let data_plane = match environment.text("LATEEN_DATA_PLANE") {
            None | Some("lateen") => DataPlane::Lateen,
            Some("envoy") => DataPlane::Envoy,
            Some(value) => {
                let (name, value) = ("LATEEN_DATA_PLANE", value.to_owned());
                return Err(BadSettings::Variable { name, value, wanted: "envoy or lateen" });
            }
        };
        let port = "a port";
        let ports = Ports {
            admin: config.proxy_admin_port.unwrap_or(15000),
            status: config.status_port.unwrap_or(15020),
            health: environment.parse("ENVOY_STATUS_PORT", port)?.unwrap_or(15021),
            prometheus: environment.parse("ENVOY_PROMETHEUS_PORT", port)?.unwrap_or(15090),
        };
        // A gateway has no application whose probes it answers, and whose metrics it tells.
        let (probers, scrape) = match options.role {
            Role::Sidecar => (
                environment.json("ISTIO_KUBE_APP_PROBERS")?.unwrap_or_default(),
                environment.json("ISTIO_PROMETHEUS_ANNOTATIONS")?,
            ),
            Role::Router => (Probers::default(), None),
        };
        let minimum = environment.duration("MINIMUM_DRAIN_DURATION", Duration::from_secs(5))?;
        Ok(Self {
            node: node(options, &environment, namespace)?,
            id,
            cluster: environment.or("ISTIO_META_CLUSTER_ID", "Kubernetes"),
            labels: pod_info::read(&root.join("etc/istio/pod/labels")),
            annotations: pod_info::read(&root.join("etc/istio/pod/annotations")),
            metadata: metadata(&environment)?,
            proxy_config: environment.json("PROXY_CONFIG")?.unwrap_or_else(|| Value::Object(Map::new())),
            discovery: config.discovery_address.unwrap_or_else(|| "istiod.istio-system.svc:15012".to_owned()),
            control_plane_auth: config.control_plane_auth_policy,
            ca: environment.or("CA_ADDR", "ca.istio-system.svc:15012"),
            certificate_lifetime: environment.duration("SECRET_TTL", Duration::from_secs(24 * 3600))?,
            ports,
            concurrency: concurrency(options.concurrency.or(config.concurrency), &environment)?,
            drain: config.drain_duration.unwrap_or(Duration::from_secs(45)),
            termination_drain: config.termination_drain_duration.unwrap_or(Duration::from_secs(5)),
            exit_on_zero: environment.switch("EXIT_ON_ZERO_ACTIVE_CONNECTIONS").then_some(minimum),
            data_plane,
            envoy: environment.or("LATEEN_ENVOY", "/usr/local/bin/envoy").into(),
            envoy_log: (options.proxy_log_level.clone(), options.proxy_component_log_level.clone()),
            probers,
            scrape,
            root,
        })
    }

    /// The socket on which Envoy asks for configuration.
    pub fn xds_socket(&self) -> PathBuf {
        self.root.join(Self::XDS)
    }

    /// The socket on which Envoy asks for certificates.
    pub fn sds_socket(&self) -> PathBuf {
        self.root.join(Self::SDS)
    }

    /// Where Envoy's first configuration is written.
    pub fn bootstrap_file(&self) -> PathBuf {
        self.root.join("etc/istio/proxy/envoy-rev.json")
    }

    /// Whether the workload's DNS questions are led here.
    pub fn captures_dns(&self) -> bool {
        let capture = self.metadata.get("DNS_CAPTURE").and_then(Value::as_str);
        capture.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The projected token.
    pub fn token_file(&self) -> PathBuf {
        self.root.join("var/run/secrets/tokens/istio-token")
    }

    /// The roots of the mesh.
    pub fn root_file(&self) -> PathBuf {
        self.root.join("var/run/secrets/istio/root-cert.pem")
    }

    /// The socket of [`Settings::xds_socket`] as Envoy, which runs in the root folder, names it.
    pub const XDS: &'static str = "./etc/istio/proxy/XDS";

    /// The socket of [`Settings::sds_socket`] as Envoy names it.
    pub const SDS: &'static str = "./var/run/secrets/workload-spiffe-uds/socket";
}

fn node(options: &ProxyOptions, environment: &Environment<'_>, namespace: String) -> Result<NodeId, BadSettings> {
    let domain = Some(options.domain.clone()).filter(|domain| !domain.is_empty());
    Ok(NodeId {
        kind: match options.role {
            Role::Sidecar => NodeKind::Sidecar,
            Role::Router => NodeKind::Router,
        },
        ip: environment.parse("INSTANCE_IP", "an address")?.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        name: environment.or("POD_NAME", "proxy"),
        dns_domain: domain.unwrap_or_else(|| format!("{namespace}.svc.cluster.local")),
        namespace,
    })
}

fn metadata(environment: &Environment<'_>) -> Result<Map<String, Value>, BadSettings> {
    let mut metadata = Map::new();
    for (name, value) in environment.0 {
        if let Some(key) = name.strip_prefix("ISTIO_META_") {
            metadata.insert(key.to_owned(), Value::String(value.clone()));
        } else if let Some(key) = name.strip_prefix("ISTIO_METAJSON_")
            && let Some(value) = environment.json(name)?
        {
            metadata.insert(key.to_owned(), value);
        }
    }
    Ok(metadata)
}

/// What was asked for; otherwise the container's CPU limit in whole cores; 0, or no limit: all cores.
fn concurrency(asked: Option<u32>, environment: &Environment<'_>) -> Result<u32, BadSettings> {
    let limit = environment.parse("ISTIO_CPU_LIMIT", "a number of cores")?;
    let cores = || thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    Ok(asked.or(limit).filter(|threads| *threads > 0).unwrap_or_else(cores))
}

#[cfg(test)]
mod tests;
