//! Who may do what. pilot may do nothing: it never speaks to the API server.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use serde_json::Value;

use super::{Part, named, value, within};
use crate::options::NAMESPACE;

const READ: &[&str] = &["get", "list", "watch"];

/// A row: API groups, resources, verbs.
type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str]);

/// In the whole cluster.
const GALLEY: &[Row<'_>] = &[
    (&[""], &["services", "pods", "nodes", "namespaces", "configmaps"], READ),
    // Certificates of gateways; of all Secrets only those that configuration names leave galley, to pilot alone.
    (&[""], &["secrets"], READ),
    (&["discovery.k8s.io"], &["endpointslices"], READ),
    (&["apiextensions.k8s.io"], &["customresourcedefinitions"], READ),
    (
        &["networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io"],
        &["*"],
        &["get", "list", "watch", "update", "patch"],
    ),
    (&["gateway.networking.k8s.io"], &["*"], &["get", "list", "watch", "create", "update", "patch"]),
    // Proxies of Gateways of the Gateway API.
    (&["", "apps"], &["serviceaccounts", "services", "deployments"], &["get", "create", "update", "patch"]),
    // A Gateway that is wrong, as a dry run: galley proves that validation works before anything depends on it.
    (&["networking.istio.io"], &["gateways"], &["create"]),
    (
        &["admissionregistration.k8s.io"],
        &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
        &["get", "list", "watch", "update", "patch"],
    ),
];
const CA: &[Row<'_>] = &[
    (&[""], &["namespaces"], READ),
    // The roots of the mesh go to every namespace.
    (&[""], &["configmaps"], &["get", "list", "watch", "create", "update", "patch"]),
    (&["authentication.k8s.io"], &["tokenreviews"], &["create"]),
];

/// In the mesh's own namespace.
const GALLEY_OWN: &[Row<'_>] =
    &[(&["coordination.k8s.io"], &["leases"], &["get", "list", "watch", "create", "update", "patch"])];
const CA_OWN: &[Row<'_>] = &[(&[""], &["secrets"], &["get", "list", "watch", "create", "update"])];

fn rules(rows: &[Row<'_>]) -> Option<Vec<PolicyRule>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let rule = |(groups, resources, verbs): &Row<'_>| PolicyRule {
        api_groups: Some(words(groups)),
        resources: Some(words(resources)),
        verbs: words(verbs),
        ..PolicyRule::default()
    };
    Some(rows.iter().map(rule).collect())
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}

fn subjects(part: Part) -> Option<Vec<Subject>> {
    Some(vec![Subject {
        kind: "ServiceAccount".to_owned(),
        name: part.name().to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        ..Subject::default()
    }])
}

pub(super) fn objects() -> Result<Vec<Value>, serde_json::Error> {
    const API: &str = "rbac.authorization.k8s.io/v1";
    let mut objects = Vec::new();
    for (part, cluster, own) in [(Part::Ca, CA, CA_OWN), (Part::Galley, GALLEY, GALLEY_OWN)] {
        let name = format!("{}-{NAMESPACE}", part.name());
        let role = ClusterRole { metadata: named(&name), rules: rules(cluster), ..ClusterRole::default() };
        objects.push(value(API, "ClusterRole", &role)?);
        let binding = ClusterRoleBinding {
            metadata: named(&name),
            role_ref: role_ref("ClusterRole", &name),
            subjects: subjects(part),
        };
        objects.push(value(API, "ClusterRoleBinding", &binding)?);
        let role = Role { metadata: within(part.name()), rules: rules(own) };
        objects.push(value(API, "Role", &role)?);
        let binding = RoleBinding {
            metadata: within(part.name()),
            role_ref: role_ref("Role", part.name()),
            subjects: subjects(part),
        };
        objects.push(value(API, "RoleBinding", &binding)?);
    }
    Ok(objects)
}
