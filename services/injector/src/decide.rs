//! Whether a pod gets a proxy. Order matters: what cannot have one, what the namespace says, what the pod says, what the
//! mesh says for the rest.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use mesh_types::Labels;

use crate::{
    Request,
    settings::{ANNOTATION_STATUS, Settings},
};

/// Namespaces of the cluster itself.
const SYSTEM: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];
const INJECT: &str = "sidecar.istio.io/inject";
const REVISION: &str = "istio.io/rev";
const NAMESPACE: &str = "istio-injection";

/// Why a pod is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It has a proxy.
    AlreadyInjected,
    /// It shares its node's network: capture would take the node's traffic.
    HostNetwork,
    /// Its namespace is the cluster's own.
    SystemNamespace,
    /// Its namespace opted out.
    NamespaceDisabled,
    /// It opted out.
    PodDisabled,
    /// Another revision of the control plane is responsible: this one.
    OtherRevision(String),
    /// The mesh's settings name its labels.
    NeverInject,
    /// Nobody opted in.
    NotEnabled,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInjected => f.write_str("it has a proxy already (annotation sidecar.istio.io/status)"),
            Self::HostNetwork => f.write_str("it uses its node's network (spec.hostNetwork)"),
            Self::SystemNamespace => f.write_str("its namespace belongs to the cluster itself"),
            Self::NamespaceDisabled => f.write_str("its namespace is labelled istio-injection=disabled"),
            Self::PodDisabled => f.write_str("it is labelled or annotated sidecar.istio.io/inject=false"),
            Self::OtherRevision(revision) => {
                write!(f, "revision {revision} of the control plane is responsible for it")
            }
            Self::NeverInject => f.write_str("the injector's setting neverInject names its labels"),
            Self::NotEnabled => f.write_str(
                "neither its namespace is labelled istio-injection=enabled nor it sidecar.istio.io/inject=true",
            ),
        }
    }
}

/// The reason to leave the pod as it is; none means that it gets a proxy.
pub fn decide(request: &Request<'_>, pod: &Pod) -> Option<Skip> {
    let labels = Labels(pod.metadata.labels.clone().unwrap_or_default());
    let annotations = Labels(pod.metadata.annotations.clone().unwrap_or_default());
    if annotations.value(ANNOTATION_STATUS).is_some() {
        return Some(Skip::AlreadyInjected);
    }
    if pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true) {
        return Some(Skip::HostNetwork);
    }
    if SYSTEM.contains(&request.namespace) {
        return Some(Skip::SystemNamespace);
    }
    if request.namespace_labels.value(NAMESPACE) == Some("disabled") {
        return Some(Skip::NamespaceDisabled);
    }
    // The label counts; the annotation is the old way to say no.
    let wish = labels.value(INJECT).or_else(|| annotations.value(INJECT)).filter(|wish| !wish.is_empty());
    if wish.is_some_and(|wish| !yes(wish)) {
        return Some(Skip::PodDisabled);
    }
    let asked = labels.value(INJECT).is_some_and(yes);
    by_revision(request, &labels, asked).unwrap_or_else(|| by_settings(request.settings, &labels, asked))
}

/// What the namespace's or the pod's choice of a control plane says; None when neither chose.
fn by_revision(request: &Request<'_>, labels: &Labels, asked: bool) -> Option<Option<Skip>> {
    let settings = request.settings;
    if request.namespace_labels.value(NAMESPACE) == Some("enabled") {
        let default = settings.revision == "default" || settings.revision_tags.iter().any(|tag| tag == "default");
        let fallback = if default { by_selectors(settings, labels, asked) } else { Some(other("default")) };
        return Some(fallback);
    }
    let revision = request.namespace_labels.value(REVISION).or_else(|| labels.value(REVISION))?;
    let ours = settings.revision == revision || settings.revision_tags.iter().any(|tag| tag == revision);
    Some(if ours { by_selectors(settings, labels, asked) } else { Some(other(revision)) })
}

fn other(revision: &str) -> Skip {
    Skip::OtherRevision(revision.to_owned())
}

/// In a namespace that opted in: only the mesh's list can still say no, and not against the pod itself.
fn by_selectors(settings: &Settings, labels: &Labels, asked: bool) -> Option<Skip> {
    (!asked && selected(&settings.never_inject, labels)).then_some(Skip::NeverInject)
}

fn by_settings(settings: &Settings, labels: &Labels, asked: bool) -> Option<Skip> {
    if asked {
        return None;
    }
    if selected(&settings.never_inject, labels) {
        return Some(Skip::NeverInject);
    }
    let always = selected(&settings.always_inject, labels) || settings.enable_namespaces_by_default;
    (!always).then_some(Skip::NotEnabled)
}

fn selected(selectors: &[Labels], labels: &Labels) -> bool {
    selectors.iter().any(|selector| !selector.is_empty() && selector.selects(labels))
}

/// YAML's ways to say yes, as Istio reads them.
fn yes(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "y" | "yes" | "true" | "on")
}

#[cfg(test)]
mod tests;
