//! The volumes of an injected pod, and where the proxy sees them.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource, ObjectFieldSelector,
    ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};

use crate::Context;

/// Name, and where the proxy sees it. `istio-token` is what the proxy proves itself with, `istiod-ca-cert` is what it
/// believes.
const MOUNTS: [(&str, &str); 8] = [
    ("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
    ("credential-socket", "/var/run/secrets/credential-uds"),
    ("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
    ("istiod-ca-cert", "/var/run/secrets/istio"),
    ("istio-data", "/var/lib/istio/data"),
    ("istio-envoy", "/etc/istio/proxy"),
    ("istio-token", "/var/run/secrets/tokens"),
    ("istio-podinfo", "/etc/istio/pod"),
];
const BOOTSTRAP: &str = "custom-bootstrap-volume";
/// How long the token lives (12 hours); the kubelet renews it long before.
const TOKEN_SECONDS: i64 = 43200;

fn volume(name: &str) -> Volume {
    Volume { name: name.to_owned(), ..Volume::default() }
}

fn empty(name: &str, medium: Option<&str>) -> Volume {
    let source = EmptyDirVolumeSource { medium: medium.map(str::to_owned), ..EmptyDirVolumeSource::default() };
    Volume { empty_dir: Some(source), ..volume(name) }
}

fn config_map(name: &str, config_map: &str) -> Volume {
    let source = ConfigMapVolumeSource { name: config_map.to_owned(), ..ConfigMapVolumeSource::default() };
    Volume { config_map: Some(source), ..volume(name) }
}

pub(crate) fn volumes(context: &Context<'_>) -> Vec<Volume> {
    let mut volumes = vec![
        empty("workload-socket", None),
        empty("credential-socket", None),
        empty("workload-certs", None),
        empty("istio-envoy", Some("Memory")),
        empty("istio-data", None),
        pod_info(),
        token(),
        config_map("istiod-ca-cert", "istio-ca-root-cert"),
    ];
    if let Some(name) = &context.wishes.bootstrap_override {
        volumes.push(config_map(BOOTSTRAP, name));
    }
    volumes.extend(context.wishes.user_volumes.iter().cloned());
    volumes
}

/// The pod's labels and annotations as files.
fn pod_info() -> Volume {
    let item = |name: &str| DownwardAPIVolumeFile {
        path: name.to_owned(),
        field_ref: Some(ObjectFieldSelector { field_path: format!("metadata.{name}"), api_version: None }),
        ..DownwardAPIVolumeFile::default()
    };
    let items = Some(vec![item("labels"), item("annotations")]);
    let source = DownwardAPIVolumeSource { items, ..DownwardAPIVolumeSource::default() };
    Volume { downward_api: Some(source), ..volume("istio-podinfo") }
}

fn token() -> Volume {
    let projection = ServiceAccountTokenProjection {
        audience: Some("istio-ca".to_owned()),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: "istio-token".to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(projection), ..VolumeProjection::default() };
    let projected = ProjectedVolumeSource { sources: Some(vec![source]), ..ProjectedVolumeSource::default() };
    Volume { projected: Some(projected), ..volume("istio-token") }
}

pub(crate) fn mounts(context: &Context<'_>) -> Vec<VolumeMount> {
    let mount = |(name, path): (&str, &str)| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    };
    let bootstrap = context.wishes.bootstrap_override.iter().map(|_| (BOOTSTRAP, "/etc/istio/custom-bootstrap"));
    let mut mounts: Vec<VolumeMount> = MOUNTS.into_iter().chain(bootstrap).map(mount).collect();
    mounts.extend(context.wishes.user_mounts.iter().cloned());
    mounts
}
