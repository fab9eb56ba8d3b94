//! The Deployments.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
            HTTPGetAction, ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
            ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecurityContext,
            ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{INJECTION_KEY, Part, within};
use crate::options::Options;

/// The user of the control plane's containers; its group owns their files.
const USER: i64 = 1337;
const INJECTION: (&str, &str) = ("injection", "/etc/istio/inject");

/// Ports of a part's pods: number and name.
fn ports(part: Part) -> &'static [(i32, &'static str)] {
    match part {
        Part::Ca => &[(15012, "grpc-ca"), (15014, "http-admin")],
        // Not `http-monitoring`: that name of Service `istiod` leads to pilot.
        Part::Galley => &[(9901, "grpc-mcp"), (15017, "https-webhook"), (15014, "http-admin")],
        Part::Pilot => &[(8080, "http-ready"), (15010, "grpc-xds"), (15012, "https-dns"), (15014, "http-monitoring")],
    }
}

/// Where a part answers whether it is ready.
fn ready(part: Part) -> i32 {
    match part {
        Part::Pilot => 8080,
        Part::Ca | Part::Galley => 15014,
    }
}

pub(super) fn deployment(part: Part, options: &Options) -> Deployment {
    let name = part.name();
    let app: BTreeMap<String, String> = [("app".to_owned(), name.to_owned())].into();
    let mut labels = super::labels();
    labels.extend(app.clone());
    // The control plane has no proxies of its own; it is the one that makes them.
    labels.insert("sidecar.istio.io/inject".to_owned(), "false".to_owned());
    if part != Part::Ca {
        labels.insert("istio".to_owned(), "pilot".to_owned());
    }
    let annotations =
        [("prometheus.io/scrape", "true"), ("prometheus.io/port", "15014"), ("prometheus.io/path", "/metrics")];
    let mut metadata = within(name);
    metadata.labels.get_or_insert_default().extend(app.clone());
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(if part == Part::Ca { 1 } else { options.replicas }),
            selector: LabelSelector { match_labels: Some(app), ..LabelSelector::default() },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(part, options)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(part: Part, options: &Options) -> PodSpec {
    PodSpec {
        service_account_name: Some(part.name().to_owned()),
        // pilot knows no Kubernetes, so it gets no token for it.
        automount_service_account_token: (part == Part::Pilot).then_some(false),
        security_context: Some(PodSecurityContext {
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(part, options)],
        volumes: Some(volumes(part)),
        ..PodSpec::default()
    }
}

fn container(part: Part, options: &Options) -> Container {
    let port = |(number, name): &(i32, &str)| ContainerPort {
        container_port: *number,
        name: Some((*name).to_owned()),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let amounts = [("cpu", "50m"), ("memory", "64Mi")];
    Container {
        name: part.name().to_owned(),
        image: Some(options.image(part.name())),
        image_pull_policy: options.pull_policy.clone(),
        env: Some(environment(part, options)),
        ports: Some(ports(part).iter().map(port).collect()),
        readiness_probe: Some(probe(part)),
        resources: Some(ResourceRequirements {
            requests: Some(amounts.map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned()))).into()),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts(part)),
        ..Container::default()
    }
}

fn probe(part: Part) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/ready".to_owned()),
            port: IntOrString::Int(ready(part)),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(1),
        period_seconds: Some(3),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn environment(part: Part, options: &Options) -> Vec<EnvVar> {
    let value =
        |name: &str, value: &str| EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..EnvVar::default() };
    let field = |name: &str, path: &str| {
        let reference = ObjectFieldSelector { field_path: path.to_owned(), api_version: None };
        let source = EnvVarSource { field_ref: Some(reference), ..EnvVarSource::default() };
        EnvVar { name: name.to_owned(), value_from: Some(source), ..EnvVar::default() }
    };
    let trust_domain = options.mesh.get("trustDomain").and_then(serde_json::Value::as_str).unwrap_or("cluster.local");
    let mut variables = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        value("TRUST_DOMAIN", trust_domain),
        value("DOMAIN", &options.injection.domain),
    ];
    if part != Part::Ca {
        variables.push(value("CA_ADDR", &options.injection.ca_address));
    }
    if part == Part::Galley {
        variables.push(value("LATEEN_INJECTION_SETTINGS", &format!("{}/{INJECTION_KEY}", INJECTION.1)));
    }
    if options.injection.log_as_json {
        variables.push(value("LATEEN_LOG_JSON", "true"));
    }
    variables
}

fn volumes(part: Part) -> Vec<Volume> {
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let map = |name: &str, map: &str, optional: bool| Volume {
        config_map: Some(ConfigMapVolumeSource {
            name: map.to_owned(),
            optional: optional.then_some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..volume(name)
    };
    let mut volumes = vec![Volume { empty_dir: Some(EmptyDirVolumeSource::default()), ..volume("tmp") }];
    if part != Part::Ca {
        // ca makes this ConfigMap; until it has, the pod waits for it.
        volumes.push(map("istiod-ca-cert", "istio-ca-root-cert", false));
        let token = ServiceAccountTokenProjection {
            audience: Some("istio-ca".to_owned()),
            expiration_seconds: Some(43200),
            path: "istio-token".to_owned(),
        };
        let source = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
        let projected = ProjectedVolumeSource { sources: Some(vec![source]), ..ProjectedVolumeSource::default() };
        volumes.push(Volume { projected: Some(projected), ..volume("istio-token") });
    }
    if part == Part::Galley {
        volumes.push(map(INJECTION.0, "istio-sidecar-injector", false));
    }
    volumes
}

fn mounts(part: Part) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let mut mounts = vec![mount("tmp", "/tmp", false)];
    if part != Part::Ca {
        mounts.push(mount("istiod-ca-cert", "/var/run/secrets/istio", true));
        mounts.push(mount("istio-token", "/var/run/secrets/tokens", true));
    }
    if part == Part::Galley {
        mounts.push(mount(INJECTION.0, INJECTION.1, true));
    }
    mounts
}
