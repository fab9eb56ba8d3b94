//! Everything that makes a mesh, as objects of Kubernetes.
//!
//! Three programs (galley, pilot, ca), one Deployment each; Service `istiod` is the door that Istio's proxies and API
//! servers know: port 443 leads to galley, the others to pilot.

mod gateways;
mod rbac;
mod webhooks;
mod workloads;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Service, ServiceAccount, ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::options::{Direction, NAMESPACE, Options};

/// The key of the injector's settings in ConfigMap `istio-sidecar-injector`.
const INJECTION_KEY: &str = "settings.yaml";

/// Who made an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The part of the mesh that an object belongs to.
const COMPONENT: &str = "operator.istio.io/component";

/// The kinds of which a gateway is made: API version and name.
pub const GATEWAY_KINDS: [(&str, &str); 5] = [
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
];

/// The programs of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Certificates.
    Ca,
    /// Kubernetes in, configuration out.
    Galley,
    /// Configuration in, xDS out.
    Pilot,
}

impl Part {
    /// All, in the order in which they need each other.
    pub const ALL: [Self; 3] = [Self::Ca, Self::Galley, Self::Pilot];

    /// The name of its Deployment, Service, account, container and image.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Galley => "galley",
            Self::Pilot => "pilot",
        }
    }
}

/// All objects, in the order in which they should be applied.
pub fn all(options: &Options) -> Result<Vec<Value>, serde_json::Error> {
    Ok([core(options)?, gateways(options)?].concat())
}

/// The gateways' objects. Their pods are made by injection, so that they must not come before the core is ready.
pub fn gateways(options: &Options) -> Result<Vec<Value>, serde_json::Error> {
    let objects = options.gateways.iter().map(|gateway| gateways::objects(gateway, &options.injection.revision));
    Ok(objects.collect::<Result<Vec<_>, _>>()?.concat())
}

/// What selects the objects of installed gateways.
pub fn of_gateways() -> String {
    let components = Direction::ALL.map(Direction::component).join(", ");
    format!("{MANAGED_BY}=lateenctl, {COMPONENT} in ({components})")
}

/// The control plane and all that it needs. Definitions of kinds come first.
pub fn core(options: &Options) -> Result<Vec<Value>, serde_json::Error> {
    let mut objects = istio_api::all_crds();
    for crd in &mut objects {
        let labels = labels();
        if let Some(metadata) = crd["metadata"].as_object_mut() {
            let own = metadata.entry("labels").or_insert_with(|| json!({}));
            own.as_object_mut()
                .into_iter()
                .for_each(|own| own.extend(labels.iter().map(|(k, v)| (k.clone(), json!(v)))));
        }
    }
    objects.push(value("v1", "Namespace", &namespace())?);
    for part in Part::ALL {
        objects.push(value("v1", "ServiceAccount", &account(part))?);
    }
    objects.extend(rbac::objects()?);
    objects.push(value("v1", "ConfigMap", &mesh_config(options)?)?);
    objects.push(value("v1", "ConfigMap", &injection_settings(options)?)?);
    for service in services() {
        objects.push(value("v1", "Service", &service)?);
    }
    for part in Part::ALL {
        objects.push(value("apps/v1", "Deployment", &workloads::deployment(part, options))?);
    }
    objects.extend(webhooks::objects(&options.injection.revision)?);
    Ok(objects)
}

/// An object with its kind. (Types of Kubernetes do not write it themselves.)
fn value(api_version: &str, kind: &str, object: &impl Serialize) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(object)?;
    value["apiVersion"] = api_version.into();
    value["kind"] = kind.into();
    Ok(value)
}

/// What all our objects carry.
fn labels() -> BTreeMap<String, String> {
    let pairs = [("app.kubernetes.io/part-of", "istio"), (MANAGED_BY, "lateenctl"), ("istio.io/rev", "default")];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), labels: Some(labels()), ..ObjectMeta::default() }
}

fn within(name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some(NAMESPACE.to_owned()), ..named(name) }
}

fn namespace() -> Namespace {
    let mut metadata = named(NAMESPACE);
    // On a namespace this label would ask for sidecars in all of its pods.
    metadata.labels.get_or_insert_default().remove("istio.io/rev");
    Namespace { metadata, ..Namespace::default() }
}

fn account(part: Part) -> ServiceAccount {
    ServiceAccount { metadata: within(part.name()), ..ServiceAccount::default() }
}

/// ConfigMap `istio`: the mesh's settings.
fn mesh_config(options: &Options) -> Result<ConfigMap, serde_json::Error> {
    let mesh = crate::documents::yaml(&Value::Object(options.mesh.clone()))?;
    let data = [("mesh".to_owned(), mesh), ("meshNetworks".to_owned(), "networks: {}\n".to_owned())];
    Ok(ConfigMap { metadata: within("istio"), data: Some(data.into()), ..ConfigMap::default() })
}

/// ConfigMap `istio-sidecar-injector`: how pods are injected.
fn injection_settings(options: &Options) -> Result<ConfigMap, serde_json::Error> {
    let settings = crate::documents::yaml(&serde_json::to_value(&options.injection)?)?;
    let data = [(INJECTION_KEY.to_owned(), settings)].into();
    Ok(ConfigMap { metadata: within("istio-sidecar-injector"), data: Some(data), ..ConfigMap::default() })
}

/// A Service: its name, what selects its pods, and its ports (number, name, name of the pod's port).
fn service(name: &str, selector: (&str, &str), ports: &[(i32, &str, &str)]) -> Service {
    let port = |(number, name, target): &(i32, &str, &str)| ServicePort {
        name: Some((*name).to_owned()),
        port: *number,
        target_port: Some(IntOrString::String((*target).to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    let mut metadata = within(name);
    metadata.labels.get_or_insert_default().insert("app".to_owned(), name.to_owned());
    Service {
        metadata,
        spec: Some(ServiceSpec {
            selector: Some([(selector.0.to_owned(), selector.1.to_owned())].into()),
            ports: Some(ports.iter().map(port).collect()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn services() -> Vec<Service> {
    vec![
        service("ca", ("app", "ca"), &[(15012, "grpc-ca", "grpc-ca"), (15014, "http-monitoring", "http-admin")]),
        service(
            "galley",
            ("app", "galley"),
            &[
                (9901, "grpc-mcp", "grpc-mcp"),
                (443, "https-webhook", "https-webhook"),
                (15014, "http-monitoring", "http-admin"),
            ],
        ),
        service(
            "pilot",
            ("app", "pilot"),
            &[(15012, "grpc-xds", "https-dns"), (15014, "http-monitoring", "http-monitoring")],
        ),
        // Its pods are galley's and pilot's; each port leads to those that have a port of that name.
        service(
            "istiod",
            ("istio", "pilot"),
            &[
                (15010, "grpc-xds", "grpc-xds"),
                (15012, "https-dns", "https-dns"),
                (443, "https-webhook", "https-webhook"),
                (15014, "http-monitoring", "http-monitoring"),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests;
