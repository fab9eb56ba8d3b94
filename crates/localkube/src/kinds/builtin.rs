//! The built-in kinds, a line each.

use std::{borrow::Cow, sync::Arc};

use crate::api::schema::LazySchema;

use super::{Kind, ScalePaths, Scope, Strategy, defaults, validate};

const NS: Scope = Scope::Namespaced;
const CLUSTER: Scope = Scope::Cluster;

struct Row(&'static str, &'static str, &'static str, &'static str, &'static [Cow<'static, str>], Scope, bool);

macro_rules! names { ($($n:literal),*) => { &[$(Cow::Borrowed($n)),*] } }

/// group, version, kind, plural, short names, scope, has a status subresource.
const ROWS: &[Row] = &[
    Row("", "v1", "ConfigMap", "configmaps", names!["cm"], NS, false),
    Row("", "v1", "Endpoints", "endpoints", names!["ep"], NS, false),
    Row("", "v1", "Event", "events", names!["ev"], NS, false),
    Row("", "v1", "Namespace", "namespaces", names!["ns"], CLUSTER, true),
    Row("", "v1", "Node", "nodes", names!["no"], CLUSTER, true),
    Row("", "v1", "Pod", "pods", names!["po"], NS, true),
    Row("", "v1", "ReplicationController", "replicationcontrollers", names!["rc"], NS, true),
    Row("", "v1", "Secret", "secrets", names![], NS, false),
    Row("", "v1", "Service", "services", names!["svc"], NS, true),
    Row("", "v1", "ServiceAccount", "serviceaccounts", names!["sa"], NS, false),
    Row(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        names![],
        CLUSTER,
        false,
    ),
    Row(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        names![],
        CLUSTER,
        false,
    ),
    Row(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        names!["crd", "crds"],
        CLUSTER,
        true,
    ),
    Row("apps", "v1", "DaemonSet", "daemonsets", names!["ds"], NS, true),
    Row("apps", "v1", "Deployment", "deployments", names!["deploy"], NS, true),
    Row("apps", "v1", "ReplicaSet", "replicasets", names!["rs"], NS, true),
    Row("apps", "v1", "StatefulSet", "statefulsets", names!["sts"], NS, true),
    Row("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", names!["hpa"], NS, true),
    Row("batch", "v1", "CronJob", "cronjobs", names!["cj"], NS, true),
    Row("batch", "v1", "Job", "jobs", names![], NS, true),
    Row("coordination.k8s.io", "v1", "Lease", "leases", names![], NS, false),
    Row("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", names![], NS, false),
    Row("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", names!["netpol"], NS, false),
    Row("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", names!["pdb"], NS, true),
    Row("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", names![], CLUSTER, false),
    Row("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", names![], CLUSTER, false),
    Row("rbac.authorization.k8s.io", "v1", "Role", "roles", names![], NS, false),
    Row("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", names![], NS, false),
];

/// Kinds that `kubectl get all` lists.
const ALL: &[&str] = &["Pod", "Service", "Deployment", "ReplicaSet", "HorizontalPodAutoscaler", "Job"];

/// The kind of the scale subresource, which no path of its own leads to.
pub fn scale_kind() -> Kind {
    kind(&Row("autoscaling", "v1", "Scale", "", names![], NS, false))
}

/// The built-in kinds.
pub fn all() -> Vec<Arc<Kind>> {
    ROWS.iter().map(|row| Arc::new(kind(row))).collect()
}

fn kind(row: &Row) -> Kind {
    let &Row(group, version, kind, plural, short_names, scope, has_status) = row;
    Kind {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: plural.into(),
        singular: kind.to_lowercase().into(),
        short_names: Cow::Borrowed(short_names),
        categories: Cow::Borrowed(if ALL.contains(&kind) { names!["all"] } else { &[] }),
        scope,
        has_status,
        scale: scale(kind),
        strategy: strategy(kind),
        definition: None,
        schema: LazySchema::default(),
    }
}

fn scale(kind: &str) -> Option<ScalePaths> {
    matches!(kind, "Deployment" | "ReplicaSet").then(|| ScalePaths {
        spec: "/spec/replicas".into(),
        status: "/status/replicas".into(),
        selector: Some("/spec/selector".into()),
    })
}

fn strategy(kind: &str) -> Strategy {
    Strategy { default: defaults::of(kind), validate: validate::of(kind) }
}
