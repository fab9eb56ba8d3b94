//! A Gateway of the Gateway API in, the objects of its proxies out: ServiceAccount, Deployment and Service.
//!
//! <https://istio.io/latest/docs/tasks/traffic-management/ingress/gateway-api/#automated-deployment>
//!
//! Pure: a library that galley mounts, which knows what the cluster holds and may write to it. It knows no pods either: the
//! Deployment asks for injection template `gateway`, so that what a proxy is made of is said in one place.
//!
//! ```text
//!   Gateway bookinfo-gateway, class istio ──objects──► ServiceAccount, Deployment, Service bookinfo-gateway-istio
//! ```
//!
//! Start reading at [`objects`].

use std::collections::{BTreeMap, BTreeSet};

use istio_api::gateway_api::{self as api};
use serde_json::{Map, Value, json};

/// Names what is written for the API server, which keeps the fields of others.
pub const FIELD_MANAGER: &str = "istio.io/gateway-controller";
/// The label that tells objects made here from those that users made.
pub const MANAGED: (&str, &str) = ("gateway.istio.io/managed", "istio.io-gateway-controller");

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
const CLASS_NAME: &str = "gateway.networking.k8s.io/gateway-class-name";
const NAME_OVERRIDE: &str = "gateway.istio.io/name-override";
const SERVICE_ACCOUNT: &str = "gateway.istio.io/service-account";
const SERVICE_TYPE: &str = "networking.istio.io/service-type";
/// Where proxies answer that they are ready.
const STATUS_PORT: u16 = 15021;

/// A Gateway whose proxies are to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Tells it from one of the same name that was there before.
    pub uid: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it says.
    pub spec: api::Gateway,
}

impl Gateway {
    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The name of the objects.
    pub fn deployed_name(&self) -> String {
        let default = || format!("{}-{}", self.name, self.spec.gateway_class_name);
        self.annotation(NAME_OVERRIDE).map_or_else(default, str::to_owned)
    }

    fn labels(&self) -> Value {
        let given = self.spec.infrastructure.iter().flat_map(|i| &i.labels);
        let mut labels: Map<String, Value> = given.map(|(key, value)| (key.clone(), json!(value.0))).collect();
        labels.insert(GATEWAY_NAME.to_owned(), json!(self.name));
        labels.insert(CLASS_NAME.to_owned(), json!(self.spec.gateway_class_name));
        labels.insert(MANAGED.0.to_owned(), json!(MANAGED.1));
        Value::Object(labels)
    }

    fn own_annotations(&self) -> Map<String, Value> {
        let given = self.spec.infrastructure.iter().flat_map(|i| &i.annotations);
        given.map(|(key, value)| (key.clone(), json!(value.0))).collect()
    }

    fn object(&self, api_version: &str, kind: &str, spec: Option<Value>) -> Value {
        let mut object = json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": self.deployed_name(),
                "namespace": self.namespace,
                "labels": self.labels(),
                "annotations": self.own_annotations(),
                // They go when the Gateway goes.
                "ownerReferences": [{
                    "apiVersion": format!("{}/v1", api::GROUP),
                    "kind": "Gateway",
                    "name": self.name,
                    "uid": self.uid,
                }],
            },
        });
        if let Some(spec) = spec {
            object["spec"] = spec;
        }
        object
    }
}

/// The objects of a Gateway's proxies, in the order to write them.
pub fn objects(gateway: &Gateway) -> Vec<Value> {
    let account = gateway.annotation(SERVICE_ACCOUNT);
    let own_account = account.is_none().then(|| gateway.object("v1", "ServiceAccount", None));
    let name = gateway.deployed_name();
    let account = account.unwrap_or(&name);
    let made = [
        gateway.object("apps/v1", "Deployment", Some(deployment(gateway, account))),
        gateway.object("v1", "Service", Some(service(gateway))),
    ];
    own_account.into_iter().chain(made).collect()
}

fn deployment(gateway: &Gateway, account: &str) -> Value {
    let mut labels = gateway.labels();
    labels["sidecar.istio.io/inject"] = json!("true");
    labels["service.istio.io/canonical-name"] = json!(gateway.deployed_name());
    labels["service.istio.io/canonical-revision"] = json!("latest");
    labels["istio.io/dataplane-mode"] = json!("none");
    let mut annotations = gateway.own_annotations();
    annotations.insert("inject.istio.io/templates".to_owned(), json!("gateway"));
    json!({
        "selector": { "matchLabels": { GATEWAY_NAME: gateway.name } },
        "template": {
            "metadata": { "labels": labels, "annotations": annotations },
            "spec": {
                "serviceAccountName": account,
                "containers": [{ "name": "istio-proxy", "image": "auto" }],
            },
        },
    })
}

/// The health of the proxies, and each port of the listeners once.
fn service(gateway: &Gateway) -> Value {
    let mut ports =
        vec![json!({ "name": "status-port", "port": STATUS_PORT, "protocol": "TCP", "appProtocol": "tcp" })];
    let mut taken = BTreeSet::from([i32::from(STATUS_PORT)]);
    for listener in &gateway.spec.listeners {
        if taken.insert(listener.port) {
            ports.push(json!({
                "name": port_name(&listener.name, listener.port),
                "port": listener.port,
                "protocol": "TCP",
                "appProtocol": listener.protocol.to_ascii_lowercase(),
            }));
        }
    }
    let mut spec = json!({
        "type": gateway.annotation(SERVICE_TYPE).unwrap_or("LoadBalancer"),
        "selector": { GATEWAY_NAME: gateway.name },
        "ports": ports,
    });
    let wanted = gateway.spec.addresses.iter().find(|a| matches!(&*a.r#type, "" | "IPAddress"));
    if let Some(address) = wanted.filter(|_| spec["type"] == "LoadBalancer") {
        spec["loadBalancerIP"] = json!(address.value);
    }
    spec
}

/// A port's name is a DNS label of a Service; a listener's may be longer, and have dots.
fn port_name(listener: &str, port: i32) -> String {
    if listener.len() <= 63 && !listener.contains('.') { listener.to_owned() } else { format!("port-{port}") }
}

#[cfg(test)]
mod tests;
