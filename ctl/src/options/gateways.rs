//! The gateways that are to be installed: the profile's, changed by `values.gateways` (the charts' settings) and by
//! `components.ingressGateways` and `egressGateways` (the operator's).
//!
//! All layers are one tree in the form of the operator's `k8s`, and read at the end through Kubernetes' own types.
//! <https://istio.io/latest/docs/reference/config/istio.operator.v1alpha1/#KubernetesResourcesSpec>

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::DeploymentStrategy,
    autoscaling::v2::HorizontalPodAutoscalerSpec,
    core::v1::{
        Affinity, EnvVar, PodSecurityContext, Probe, ResourceRequirements, ServiceSpec, Toleration, Volume, VolumeMount,
    },
    policy::v1::PodDisruptionBudgetSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    BadOptions, NAMESPACE, Profile, Reader,
    tree::{lay_over, lay_over_by_name, put, says_nothing, unknown},
    wrong,
};

/// Which way traffic passes through a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Into the mesh.
    Ingress,
    /// Out of it.
    Egress,
}

/// One gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Gateway {
    /// Which way.
    pub direction: Direction,
    /// Name of its Deployment and Service.
    pub name: String,
    /// Where it is.
    pub namespace: String,
    /// What objects of kind Gateway select it by.
    pub labels: BTreeMap<String, String>,
    /// Everything else.
    pub k8s: K8s,
}

/// What is asked of a gateway's Deployment, pods and Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "each is the operator's field of that name")]
pub struct K8s {
    pub service: ServiceSpec,
    pub service_annotations: BTreeMap<String, String>,
    pub pod_annotations: BTreeMap<String, String>,
    pub env: Vec<EnvVar>,
    pub resources: Option<ResourceRequirements>,
    pub readiness_probe: Option<Probe>,
    pub image_pull_policy: Option<String>,
    pub replica_count: Option<i32>,
    /// None where the number of pods is fixed.
    pub hpa_spec: Option<HorizontalPodAutoscalerSpec>,
    pub pod_disruption_budget: Option<PodDisruptionBudgetSpec>,
    pub strategy: Option<DeploymentStrategy>,
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
    pub affinity: Option<Affinity>,
    pub priority_class_name: Option<String>,
    pub security_context: Option<PodSecurityContext>,
    pub volumes: Vec<Volume>,
    pub volume_mounts: Vec<VolumeMount>,
}

/// The charts' settings, and where they stand in [`K8s`].
const VALUES: [(&str, &str); 19] = [
    ("type", "service.type"),
    ("ports", "service.ports"),
    ("loadBalancerIP", "service.loadBalancerIP"),
    ("loadBalancerClass", "service.loadBalancerClass"),
    ("loadBalancerSourceRanges", "service.loadBalancerSourceRanges"),
    ("externalTrafficPolicy", "service.externalTrafficPolicy"),
    ("externalIPs", "service.externalIPs"),
    ("serviceAnnotations", "serviceAnnotations"),
    ("podAnnotations", "podAnnotations"),
    ("resources", "resources"),
    ("replicaCount", "replicaCount"),
    ("autoscaleMin", "hpaSpec.minReplicas"),
    ("autoscaleMax", "hpaSpec.maxReplicas"),
    ("cpu.targetAverageUtilization", "hpaSpec.metrics[0].resource.target.averageUtilization"),
    ("rollingMaxSurge", "strategy.rollingUpdate.maxSurge"),
    ("rollingMaxUnavailable", "strategy.rollingUpdate.maxUnavailable"),
    ("nodeSelector", "nodeSelector"),
    ("tolerations", "tolerations"),
    ("affinity", "affinity"),
];

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The list below `components`.
    fn list(self) -> &'static str {
        match self {
            Self::Ingress => "ingressGateways",
            Self::Egress => "egressGateways",
        }
    }

    /// The name of the one gateway that profiles know, and of its chart.
    fn known(self) -> &'static str {
        match self {
            Self::Ingress => "istio-ingressgateway",
            Self::Egress => "istio-egressgateway",
        }
    }

    /// Its value of label `istio`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingressgateway",
            Self::Egress => "egressgateway",
        }
    }

    /// The component's name, as it stands in label `operator.istio.io/component`.
    pub fn component(self) -> &'static str {
        match self {
            Self::Ingress => "IngressGateways",
            Self::Egress => "EgressGateways",
        }
    }

    /// Whether a profile has one.
    fn is_in(self, profile: Profile) -> bool {
        match profile {
            Profile::Demo => true,
            Profile::Default => self == Self::Ingress,
            Profile::Minimal => false,
        }
    }
}

/// What a profile says of gateways, in the operator's form: the ground on which files and `--set` are laid.
pub(super) fn ground(profile: Profile) -> Value {
    let mut components = json!({});
    for direction in Direction::ALL {
        components[direction.list()] = json!([{ "name": direction.known(), "enabled": direction.is_in(profile) }]);
    }
    json!({ "components": components })
}

/// The same with the settings of those that a profile has, as a person would write them into a file.
pub(super) fn in_full(profile: Profile) -> Value {
    let mut tree = ground(profile);
    for direction in Direction::ALL.into_iter().filter(|direction| direction.is_in(profile)) {
        let gateway = &mut tree["components"][direction.list()][0];
        gateway["namespace"] = json!(NAMESPACE);
        gateway["label"] = json!({ "app": direction.known(), "istio": direction.word() });
        gateway["k8s"] = defaults(direction, profile);
        if profile == Profile::Demo {
            gateway["k8s"]["hpaSpec"].take();
        }
    }
    tree["components"].take()
}

/// Lays a file's settings over it. Gateways are told apart by their names.
pub(super) fn lay_file_over(tree: &mut Value, mut spec: Value) {
    for list in Direction::ALL.map(Direction::list) {
        let components = spec.get_mut("components").and_then(Value::as_object_mut);
        let own = components.and_then(|components| components.remove(list));
        match own {
            Some(Value::Array(own)) => {
                lay_over_by_name(tree["components"][list].as_array_mut().unwrap_or(&mut Vec::new()), own)
            }
            Some(other) => tree["components"][list] = other,
            None => {}
        }
    }
    lay_over(tree, &spec);
}

/// The settings of a gateway of which nobody says anything. <https://istio.io/latest/docs/setup/additional-setup/gateway/>
fn defaults(direction: Direction, profile: Profile) -> Value {
    let port = |name: &str, port: u16, target: u16| json!({ "name": name, "port": port, "targetPort": target, "protocol": "TCP" });
    let (http, https) = (port("http2", 80, 8080), port("https", 443, 8443));
    let (kind, ports) = match (direction, profile) {
        (Direction::Egress, _) => ("ClusterIP", vec![http, https]),
        (Direction::Ingress, Profile::Demo) => {
            let more = [port("tcp", 31400, 31400), port("tls", 15443, 15443)];
            ("LoadBalancer", [vec![port("status-port", 15021, 15021), http, https], more.into()].concat())
        }
        (Direction::Ingress, _) => ("LoadBalancer", vec![port("status-port", 15021, 15021), http, https]),
    };
    let (cpu, memory) = if profile == Profile::Demo { ("10m", "40Mi") } else { ("100m", "128Mi") };
    let usage = json!({ "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } });
    json!({
        "service": { "type": kind, "ports": ports },
        "resources": { "requests": { "cpu": cpu, "memory": memory }, "limits": { "cpu": "2000m", "memory": "1024Mi" } },
        "hpaSpec": { "minReplicas": 1, "maxReplicas": 5, "metrics": [{ "type": "Resource", "resource": usage }] },
        "podDisruptionBudget": { "minAvailable": 1 },
        "strategy": { "rollingUpdate": { "maxSurge": "100%", "maxUnavailable": "25%" } },
    })
}

/// What `values.gateways.CHART` says: of all gateways of one direction.
struct Chart {
    k8s: Value,
    name: Option<String>,
    labels: Value,
}

impl Reader {
    pub(super) fn gateways(&mut self, profile: Profile) -> Result<Vec<Gateway>, BadOptions> {
        let budget = self.switch("values.global.defaultPodDisruptionBudget.enabled")?.unwrap_or(true);
        let mut gateways = Vec::new();
        for direction in Direction::ALL {
            let chart = self.chart(direction, profile, budget)?;
            let list = format!("components.{}", direction.list());
            let asked = self.take(&list).unwrap_or_else(|| json!([]));
            let asked = asked.as_array().ok_or_else(|| wrong(&list, &asked, "a list of gateways"))?;
            for (at, gateway) in asked.iter().enumerate() {
                gateways.extend(self.gateway(direction, &chart, &format!("{list}[{at}]"), gateway)?);
            }
        }
        Ok(gateways)
    }

    /// The profile's settings with the chart's over them.
    fn chart(&mut self, direction: Direction, profile: Profile, budget: bool) -> Result<Chart, BadOptions> {
        let root = format!("values.gateways.{}", direction.known());
        let mut k8s = defaults(direction, profile);
        let labels = json!({ "app": direction.known(), "istio": direction.word() });
        let name = self.text(&format!("{root}.name"))?;
        let labels = self.take(&format!("{root}.labels")).map_or(labels.clone(), |own| {
            let mut labels = labels;
            lay_over(&mut labels, &own);
            labels
        });
        for (value, place) in VALUES {
            if let Some(value) = self.take(&format!("{root}.{value}")).filter(|value| !says_nothing(value)) {
                let mut layer = k8s.clone();
                put(&mut layer, place, value)?;
                // Groups are laid over each other, as Helm does it.
                lay_over(&mut k8s, &layer);
            }
        }
        if let Some(variables) = self.take(&format!("{root}.env")) {
            let variables = variables.as_object().ok_or_else(|| wrong(&root, &variables, "a group of variables"))?;
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            k8s["env"] = variables.iter().map(|(name, value)| json!({ "name": name, "value": text(value) })).collect();
        }
        // The one template that makes a gateway; the charts may name it.
        let template = format!("{root}.injectionTemplate");
        if let Some(other) = self.text(&template)?.filter(|name| !name.is_empty() && name != "gateway") {
            return Err(wrong(&template, &json!(other), "gateway"));
        }
        let scales = self.switch(&format!("{root}.autoscaleEnabled"))?.unwrap_or(profile != Profile::Demo);
        if !scales || k8s["replicaCount"].is_number() {
            k8s["hpaSpec"].take();
        }
        if !budget {
            k8s["podDisruptionBudget"].take();
        }
        Ok(Chart { k8s, name, labels })
    }

    /// A gateway as an entry of `components` asks for it; none when it is off.
    fn gateway(
        &mut self,
        direction: Direction,
        chart: &Chart,
        path: &str,
        asked: &Value,
    ) -> Result<Option<Gateway>, BadOptions> {
        let entry: Entry = read(path, asked.clone())?;
        if !entry.enabled {
            return Ok(None);
        }
        let name = entry.name.clone().or_else(|| chart.name.clone()).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| wrong(path, asked, "a gateway with a name"))?;
        // The chart's name is meant for the gateway that profiles know.
        let name = if name == direction.known() { chart.name.clone().unwrap_or(name) } else { name };
        let mut labels = chart.labels.clone();
        lay_over(&mut labels, &json!(entry.label));
        let mut k8s = chart.k8s.clone();
        if entry.k8s["replicaCount"].is_number() && entry.k8s["hpaSpec"].is_null() {
            k8s["hpaSpec"].take();
        }
        if !entry.k8s.is_null() {
            lay_over(&mut k8s, &entry.k8s);
        }
        if k8s["hpaSpec"].is_object() {
            k8s["hpaSpec"]["scaleTargetRef"] = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": name });
        }
        let below = format!("{path}.k8s");
        let understood: K8s = read(&below, k8s.clone())?;
        for unknown in unknown(&k8s, &json!(understood), &below) {
            self.notes.push(format!("{unknown} has no effect: this version does not know it"));
        }
        for unknown in unknown(asked, &json!(entry), path) {
            self.notes.push(format!("{unknown} has no effect: this version does not know it"));
        }
        Ok(Some(Gateway {
            direction,
            name,
            namespace: entry.namespace.unwrap_or_else(|| NAMESPACE.to_owned()),
            labels: read(&format!("{path}.label"), labels)?,
            k8s: understood,
        }))
    }
}

/// An entry of `components.ingressGateways` or `egressGateways`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    name: Option<String>,
    enabled: bool,
    namespace: Option<String>,
    label: BTreeMap<String, String>,
    k8s: Value,
}

fn read<T: serde::de::DeserializeOwned>(path: &str, value: Value) -> Result<T, BadOptions> {
    serde_json::from_value(value).map_err(|source| BadOptions::Gateway { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
