//! What a pod's annotations ask of injection: typed, and refused by name when they make no sense.

use std::{collections::BTreeMap, net::IpAddr};

use istio_api::mesh::InboundInterceptionMode;
use k8s_openapi::api::core::v1::{Pod, Volume, VolumeMount};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::settings::DataPlane;

/// An annotation that makes no sense. The pod's author's fault; it fails until the pod is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("annotation {name}: \"{value}\" is not {wanted}")]
pub struct BadAnnotation {
    /// Its key.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it should be.
    pub wanted: &'static str,
}

/// What a pod becomes. <https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/#customizing-injection>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Template {
    /// An application with a proxy beside it.
    #[default]
    Sidecar,
    /// A proxy that is the application: a gateway.
    Gateway,
}

/// Everything that annotations ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// `inject.istio.io/templates`.
    pub template: Template,
    /// `sidecar.istio.io/proxyImage`: the proxy's image.
    pub proxy_image: Option<String>,
    /// `sidecar.istio.io/proxyImageType`: a variant of it.
    pub image_type: Option<String>,
    /// `sidecar.istio.io/proxy{CPU,Memory}`.
    pub requests: BTreeMap<&'static str, String>,
    /// `sidecar.istio.io/proxy{CPU,Memory}Limit`.
    pub limits: BTreeMap<&'static str, String>,
    /// `sidecar.istio.io/interceptionMode`.
    pub interception_mode: Option<InboundInterceptionMode>,
    /// `sidecar.istio.io/bootstrapOverride`: a ConfigMap.
    pub bootstrap_override: Option<String>,
    /// `sidecar.istio.io/discoveryAddress`.
    pub discovery_address: Option<String>,
    /// `sidecar.istio.io/userVolume`.
    pub user_volumes: Vec<Volume>,
    /// `sidecar.istio.io/userVolumeMount`.
    pub user_mounts: Vec<VolumeMount>,
    /// `sidecar.istio.io/logLevel`.
    pub proxy_log_level: Option<String>,
    /// `sidecar.istio.io/componentLogLevel`.
    pub component_log_level: Option<String>,
    /// `sidecar.istio.io/agentLogLevel`.
    pub agent_log_level: Option<String>,
    /// `sidecar.istio.io/nativeSidecar`.
    pub native_sidecar: Option<bool>,
    /// `sidecar.istio.io/rewriteAppHTTPProbers`.
    pub rewrite_probes: Option<bool>,
    /// `sidecar.istio.io/capNetBindService`.
    pub bind_low_ports: bool,
    /// `status.sidecar.istio.io/port`; 0 means no probes.
    pub status_port: Option<u16>,
    /// `readiness.status.sidecar.istio.io/initialDelaySeconds`.
    pub readiness_delay: Option<i32>,
    /// `readiness.status.sidecar.istio.io/periodSeconds`.
    pub readiness_period: Option<i32>,
    /// `readiness.status.sidecar.istio.io/failureThreshold`.
    pub readiness_failures: Option<i32>,
    /// `traffic.sidecar.istio.io/...`.
    pub capture: Capture,
    /// `proxy.istio.io/config`: settings of the proxy, as YAML.
    pub proxy_config: Option<String>,
    /// `prometheus.istio.io/merge-metrics`.
    pub merge_metrics: Option<bool>,
    /// `lateen.io/data-plane`.
    pub data_plane: Option<DataPlane>,
}

/// What is captured: lists as `istio-iptables` takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// `includeOutboundIPRanges`.
    pub outbound_ranges: Option<String>,
    /// `excludeOutboundIPRanges`.
    pub outbound_ranges_except: Option<String>,
    /// `includeInboundPorts`.
    pub inbound_ports: Option<String>,
    /// `excludeInboundPorts`.
    pub inbound_ports_except: Option<String>,
    /// `includeOutboundPorts`.
    pub outbound_ports: Option<String>,
    /// `excludeOutboundPorts`.
    pub outbound_ports_except: Option<String>,
    /// `excludeInterfaces`.
    pub devices_except: Option<String>,
    /// `kubevirtInterfaces`, or `istio.io/reroute-virtual-interfaces`.
    pub machine_devices: Option<String>,
}

impl Wishes {
    /// Reads a pod's annotations.
    pub fn parse(pod: &Pod) -> Result<Self, BadAnnotation> {
        let empty = BTreeMap::new();
        let all = Annotations(pod.metadata.annotations.as_ref().unwrap_or(&empty));
        Ok(Self {
            template: all
                .read(
                    "inject.istio.io/templates",
                    "sidecar or gateway, the templates that there are",
                    |text| match text {
                        "sidecar" => Some(Template::Sidecar),
                        "gateway" => Some(Template::Gateway),
                        _ => None,
                    },
                )?
                .unwrap_or_default(),
            proxy_image: all.text("sidecar.istio.io/proxyImage"),
            image_type: all.text("sidecar.istio.io/proxyImageType"),
            requests: all
                .quantities([("cpu", "sidecar.istio.io/proxyCPU"), ("memory", "sidecar.istio.io/proxyMemory")])?,
            limits: all.quantities([
                ("cpu", "sidecar.istio.io/proxyCPULimit"),
                ("memory", "sidecar.istio.io/proxyMemoryLimit"),
            ])?,
            interception_mode: all.read(
                "sidecar.istio.io/interceptionMode",
                "REDIRECT, TPROXY or NONE",
                interception_mode,
            )?,
            bootstrap_override: all.text("sidecar.istio.io/bootstrapOverride"),
            discovery_address: all.text("sidecar.istio.io/discoveryAddress"),
            user_volumes: all.named("sidecar.istio.io/userVolume")?,
            user_mounts: all.named("sidecar.istio.io/userVolumeMount")?,
            proxy_log_level: all.text("sidecar.istio.io/logLevel"),
            component_log_level: all.text("sidecar.istio.io/componentLogLevel"),
            agent_log_level: all.text("sidecar.istio.io/agentLogLevel"),
            native_sidecar: all.switch("sidecar.istio.io/nativeSidecar")?,
            rewrite_probes: all.switch("sidecar.istio.io/rewriteAppHTTPProbers")?,
            bind_low_ports: all.switch("sidecar.istio.io/capNetBindService")?.unwrap_or(false),
            status_port: all.number("status.sidecar.istio.io/port", "a port, or 0 for no probes")?,
            readiness_delay: all.seconds("readiness.status.sidecar.istio.io/initialDelaySeconds")?,
            readiness_period: all.seconds("readiness.status.sidecar.istio.io/periodSeconds")?,
            readiness_failures: all.seconds("readiness.status.sidecar.istio.io/failureThreshold")?,
            capture: Capture::parse(&all)?,
            proxy_config: all.text("proxy.istio.io/config"),
            merge_metrics: all.switch("prometheus.istio.io/merge-metrics")?,
            data_plane: all.read("lateen.io/data-plane", "envoy or lateen", |text| match text {
                "envoy" => Some(DataPlane::Envoy),
                "lateen" => Some(DataPlane::Lateen),
                _ => None,
            })?,
        })
    }
}

impl Capture {
    fn parse(all: &Annotations<'_>) -> Result<Self, BadAnnotation> {
        let devices = all.list("traffic.sidecar.istio.io/kubevirtInterfaces", "a list of network devices", device)?;
        Ok(Self {
            outbound_ranges: all.list_or_all("traffic.sidecar.istio.io/includeOutboundIPRanges", RANGES, range)?,
            outbound_ranges_except: all.list("traffic.sidecar.istio.io/excludeOutboundIPRanges", RANGES, range)?,
            inbound_ports: all.list_or_all("traffic.sidecar.istio.io/includeInboundPorts", PORTS, port)?,
            inbound_ports_except: all.list("traffic.sidecar.istio.io/excludeInboundPorts", PORTS, port)?,
            outbound_ports: all.list("traffic.sidecar.istio.io/includeOutboundPorts", PORTS, port)?,
            outbound_ports_except: all.list("traffic.sidecar.istio.io/excludeOutboundPorts", PORTS, port)?,
            devices_except: all.list(
                "traffic.sidecar.istio.io/excludeInterfaces",
                "a list of network devices",
                device,
            )?,
            machine_devices: match devices {
                Some(devices) => Some(devices),
                None => all.list("istio.io/reroute-virtual-interfaces", "a list of network devices", device)?,
            },
        })
    }
}

const RANGES: &str = "a list of address ranges such as 10.0.0.0/8";
const PORTS: &str = "a list of ports";

/// The annotations of a pod.
struct Annotations<'a>(&'a BTreeMap<String, String>);

impl Annotations<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn read<T>(
        &self,
        name: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadAnnotation> {
        let Some(value) = self.text(name) else { return Ok(None) };
        parse(&value).map(Some).ok_or(BadAnnotation { name, value, wanted })
    }

    fn switch(&self, name: &'static str) -> Result<Option<bool>, BadAnnotation> {
        self.read(name, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" => Some(true),
            "false" | "0" | "f" => Some(false),
            _ => None,
        })
    }

    fn number<T: std::str::FromStr>(
        &self,
        name: &'static str,
        wanted: &'static str,
    ) -> Result<Option<T>, BadAnnotation> {
        self.read(name, wanted, |text| text.parse().ok())
    }

    fn seconds(&self, name: &'static str) -> Result<Option<i32>, BadAnnotation> {
        self.read(name, "a whole number that is not negative", |text| text.parse().ok().filter(|number| *number >= 0))
    }

    /// A list, kept as it is written, or `None`. An empty value counts: it empties the setting that it stands for.
    fn list(
        &self,
        name: &'static str,
        wanted: &'static str,
        fits: fn(&str) -> bool,
    ) -> Result<Option<String>, BadAnnotation> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let all = value.split(',').map(str::trim).filter(|part| !part.is_empty()).all(fits);
        if all { Ok(Some(value.trim().to_owned())) } else { Err(BadAnnotation { name, value: value.clone(), wanted }) }
    }

    fn list_or_all(
        &self,
        name: &'static str,
        wanted: &'static str,
        fits: fn(&str) -> bool,
    ) -> Result<Option<String>, BadAnnotation> {
        match self.0.get(name).map(|value| value.trim()) {
            Some("*") => Ok(Some("*".to_owned())),
            _ => self.list(name, wanted, fits),
        }
    }

    fn quantities(
        &self,
        names: [(&'static str, &'static str); 2],
    ) -> Result<BTreeMap<&'static str, String>, BadAnnotation> {
        let mut found = BTreeMap::new();
        for (resource, name) in names {
            let quantity =
                self.read(name, "an amount such as 500m or 128Mi", |text| quantity(text).then(|| text.to_owned()))?;
            found.extend(quantity.map(|quantity| (resource, quantity)));
        }
        Ok(found)
    }

    /// A JSON object of things by name, as the list that Kubernetes has.
    fn named<T: DeserializeOwned>(&self, name: &'static str) -> Result<Vec<T>, BadAnnotation> {
        let parse = |text: &str| {
            let things: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
            let thing = |(name, mut thing): (String, Value)| {
                thing.as_object_mut()?.insert("name".to_owned(), name.into());
                serde_json::from_value(thing).ok()
            };
            things.into_iter().map(thing).collect()
        };
        Ok(self.read(name, "a JSON object of volumes (or mounts) by name", parse)?.unwrap_or_default())
    }
}

fn interception_mode(text: &str) -> Option<InboundInterceptionMode> {
    InboundInterceptionMode::ALL.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode)
}

fn port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn range(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        let widest = address.parse::<IpAddr>().map(|address| if address.is_ipv4() { 32 } else { 128 });
        widest.is_ok_and(|widest| length.parse::<u8>().is_ok_and(|length| length <= widest))
    })
}

fn device(text: &str) -> bool {
    text.len() <= 15 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@+".contains(c))
}

/// Kubernetes' grammar of amounts: a number with an optional suffix.
fn quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    number.parse::<f64>().is_ok_and(|number| number >= 0.0) && SUFFIXES.contains(&suffix)
}
