//! One gateway: a Deployment whose pods injection makes (template `gateway`), and the Service that leads to them. Names
//! and labels are those of Istio's charts `istio-ingress` and `istio-egress`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{
            Container, ContainerPort, PodSpec, PodTemplateSpec, SecretVolumeSource, Service, ServiceAccount,
            ServiceSpec, Volume, VolumeMount,
        },
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde_json::Value;

use super::{COMPONENT, value};
use crate::options::{Direction, Gateway};

/// Secrets with certificates for Gateways that name files (`tls.serverCertificate`); a gateway does without them.
/// <https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings>
const CERTIFICATES: [&str; 2] = ["certs", "ca-certs"];

/// All objects of a gateway, in the order in which they should be applied.
pub(super) fn objects(gateway: &Gateway, revision: &str) -> Result<Vec<Value>, serde_json::Error> {
    let metadata = || metadata(gateway, &gateway.name);
    let k8s = &gateway.k8s;
    let account = ServiceAccount { metadata: self::metadata(gateway, &account(gateway)), ..ServiceAccount::default() };
    let mut objects =
        vec![value("v1", "ServiceAccount", &account)?, value("apps/v1", "Deployment", &deployment(gateway, revision))?];
    if let Some(spec) = k8s.pod_disruption_budget.clone() {
        let spec = Some(PodDisruptionBudgetSpec { selector: Some(selector(gateway)), ..spec });
        let budget = PodDisruptionBudget { metadata: metadata(), spec, ..PodDisruptionBudget::default() };
        objects.push(value("policy/v1", "PodDisruptionBudget", &budget)?);
    }
    objects.push(value("v1", "Service", &service(gateway))?);
    if let Some(spec) = k8s.hpa_spec.clone() {
        let scaler = HorizontalPodAutoscaler { metadata: metadata(), spec: Some(spec), ..Default::default() };
        objects.push(value("autoscaling/v2", "HorizontalPodAutoscaler", &scaler)?);
    }
    Ok(objects)
}

fn account(gateway: &Gateway) -> String {
    format!("{}-service-account", gateway.name)
}

fn selector(gateway: &Gateway) -> LabelSelector {
    LabelSelector { match_labels: Some(gateway.labels.clone()), ..LabelSelector::default() }
}

/// What objects and pods of a gateway carry.
fn labels(gateway: &Gateway) -> BTreeMap<String, String> {
    let mut labels = super::labels();
    labels.insert(COMPONENT.to_owned(), gateway.direction.component().to_owned());
    labels.insert("release".to_owned(), "istio".to_owned());
    labels.extend(gateway.labels.clone());
    labels
}

fn metadata(gateway: &Gateway, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(gateway.namespace.clone()),
        labels: Some(labels(gateway)),
        ..ObjectMeta::default()
    }
}

fn service(gateway: &Gateway) -> Service {
    let annotations = &gateway.k8s.service_annotations;
    let mut metadata = metadata(gateway, &gateway.name);
    metadata.annotations = (!annotations.is_empty()).then(|| annotations.clone());
    let spec = ServiceSpec { selector: Some(gateway.labels.clone()), ..gateway.k8s.service.clone() };
    Service { metadata, spec: Some(spec), ..Service::default() }
}

fn deployment(gateway: &Gateway, revision: &str) -> Deployment {
    let mut labels = labels(gateway);
    labels.extend(
        [
            ("sidecar.istio.io/inject", "true"),
            ("service.istio.io/canonical-name", gateway.name.as_str()),
            ("istio.io/rev", revision),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let mut annotations: BTreeMap<String, String> =
        [("inject.istio.io/templates".to_owned(), "gateway".to_owned())].into();
    annotations.extend(gateway.k8s.pod_annotations.clone());
    Deployment {
        metadata: metadata(gateway, &gateway.name),
        spec: Some(DeploymentSpec {
            replicas: gateway.k8s.replica_count,
            selector: selector(gateway),
            strategy: gateway.k8s.strategy.clone(),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(gateway)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(gateway: &Gateway) -> PodSpec {
    let k8s = gateway.k8s.clone();
    let certificates = certificates(gateway.direction);
    PodSpec {
        service_account_name: Some(account(gateway)),
        security_context: k8s.security_context,
        containers: vec![Container {
            name: "istio-proxy".to_owned(),
            image: Some("auto".to_owned()),
            image_pull_policy: k8s.image_pull_policy,
            ports: Some(ports(&gateway.k8s.service)),
            env: Some(k8s.env).filter(|env| !env.is_empty()),
            resources: k8s.resources,
            readiness_probe: k8s.readiness_probe,
            volume_mounts: Some([certificates.iter().map(mount).collect(), k8s.volume_mounts].concat()),
            ..Container::default()
        }],
        volumes: Some([certificates, k8s.volumes].concat()),
        node_selector: Some(k8s.node_selector).filter(|selector| !selector.is_empty()),
        tolerations: Some(k8s.tolerations).filter(|tolerations| !tolerations.is_empty()),
        affinity: k8s.affinity,
        priority_class_name: k8s.priority_class_name,
        ..PodSpec::default()
    }
}

/// The pod's ports: those that the Service leads to.
fn ports(service: &ServiceSpec) -> Vec<ContainerPort> {
    let port = |port: &k8s_openapi::api::core::v1::ServicePort| {
        let container_port = match &port.target_port {
            Some(IntOrString::Int(number)) => *number,
            None => port.port,
            // A name says nothing of the number.
            Some(IntOrString::String(_)) => return None,
        };
        Some(ContainerPort { container_port, protocol: port.protocol.clone(), ..ContainerPort::default() })
    };
    service.ports.iter().flatten().filter_map(port).collect()
}

/// Volumes `ingressgateway-certs` and `ingressgateway-ca-certs`, from Secrets of the same name behind `istio-`.
fn certificates(direction: Direction) -> Vec<Volume> {
    let volume = |suffix: &str| {
        let name = format!("{}-{suffix}", direction.word());
        let source = SecretVolumeSource {
            secret_name: Some(format!("istio-{name}")),
            optional: Some(true),
            ..SecretVolumeSource::default()
        };
        Volume { name, secret: Some(source), ..Volume::default() }
    };
    CERTIFICATES.map(volume).into()
}

fn mount(volume: &Volume) -> VolumeMount {
    VolumeMount {
        name: volume.name.clone(),
        mount_path: format!("/etc/istio/{}", volume.name),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
