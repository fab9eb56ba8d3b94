//! What the API offers, in the two forms that clients ask for: aggregated (one answer for all) and one document a group.

use serde_json::{Value, json};

use super::auth::review::VIRTUAL_KINDS;
use crate::kinds::{Kind, Served};

/// The media type of aggregated discovery.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The verbs of every stored kind.
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// What is served beside resources.
const ELSEWHERE: &[&str] = &[
    "/.well-known/openid-configuration",
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
];

/// A discovery document.
#[derive(Debug, PartialEq)]
pub struct Document {
    /// For `Content-Type`.
    pub content_type: &'static str,
    /// The JSON.
    pub body: Value,
}

/// A subresource: name, its kind as (group, version, kind) with "" for the parent's own, verbs.
struct Sub(&'static str, (&'static str, &'static str, &'static str), &'static [&'static str]);

const SAME: (&str, &str, &str) = ("", "", "");
const STATUS: Sub = Sub("status", SAME, &["get", "patch", "update"]);
const SCALE: Sub = Sub("scale", ("autoscaling", "v1", "Scale"), &["get", "patch", "update"]);

/// Subresources of single kinds; `status` and `scale` come from the table of kinds.
const SUBRESOURCES: &[(&str, &[Sub])] = &[
    (
        "pods",
        &[
            Sub("attach", ("", "v1", "PodAttachOptions"), &["create", "get"]),
            Sub("binding", ("", "v1", "Binding"), &["create"]),
            Sub("eviction", ("policy", "v1", "Eviction"), &["create"]),
            Sub("exec", ("", "v1", "PodExecOptions"), &["create", "get"]),
            Sub("log", SAME, &["get"]),
            Sub("portforward", ("", "v1", "PodPortForwardOptions"), &["create", "get"]),
        ],
    ),
    ("namespaces", &[Sub("finalize", SAME, &["update"])]),
    ("serviceaccounts", &[Sub("token", ("authentication.k8s.io", "v1", "TokenRequest"), &["create"])]),
];

/// One resource as both forms tell it.
struct Entry {
    plural: String,
    singular: String,
    kind: String,
    namespaced: bool,
    short_names: Vec<String>,
    categories: Vec<String>,
    verbs: &'static [&'static str],
    subresources: Vec<&'static Sub>,
}

struct Version {
    version: String,
    entries: Vec<Entry>,
}

struct Group {
    name: String,
    versions: Vec<Version>,
}

/// Answers `/`, `/api`, `/apis`, `/apis/G`, `/api/v1` and `/apis/G/V`; None for any other path and for unknown groups.
pub fn respond(path: &str, accept: &str, served: &Served) -> Option<Document> {
    let groups = groups(served);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let find = |name: &str| groups.iter().find(|g| g.name == name);
    let body = match parts.as_slice() {
        [""] => json!({"paths": paths(&groups)}),
        [root @ ("api" | "apis")] if wants_aggregated(accept) => {
            let items = groups.iter().filter(|g| g.name.is_empty() == (*root == "api")).map(aggregated);
            let items: Vec<Value> = items.collect();
            let body = json!({
                "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
            });
            return Some(Document { content_type: AGGREGATED, body });
        }
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "172.18.0.2:6443"}],
        }),
        ["apis"] => {
            let list: Vec<Value> = groups.iter().filter(|g| !g.name.is_empty()).map(api_group).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
        }
        ["apis", name] => {
            let mut group = api_group(find(name)?);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            group
        }
        ["api", version] => resource_list(find("")?, version)?,
        ["apis", name, version] if !name.is_empty() => resource_list(find(name)?, version)?,
        _ => return None,
    };
    Some(Document { content_type: "application/json", body })
}

fn paths(groups: &[Group]) -> Vec<String> {
    let (core, named): (Vec<&Group>, _) = groups.iter().partition(|group| group.name.is_empty());
    let versions = |root: String, group: &Group| {
        group.versions.iter().map(move |v| format!("{root}/{}", v.version)).collect::<Vec<_>>()
    };
    let mut paths: Vec<String> = ELSEWHERE.iter().map(ToString::to_string).collect();
    paths.extend(core.iter().flat_map(|group| versions("/api".into(), group)));
    for group in named {
        let root = format!("/apis/{}", group.name);
        paths.extend(versions(root.clone(), group).into_iter().chain([root]));
    }
    paths.sort();
    paths
}

fn wants_aggregated(accept: &str) -> bool {
    accept.split(',').any(|form| {
        let parameters: Vec<&str> = form.split(';').map(str::trim).collect();
        ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"].iter().all(|p| parameters.contains(p))
    })
}

fn groups(served: &Served) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |group: &str, version: &str, entry: Entry| {
        let at = groups.iter().position(|g| g.name == group).unwrap_or_else(|| {
            groups.push(Group { name: group.to_owned(), versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        match versions.iter_mut().find(|v| v.version == version) {
            Some(found) => found.entries.push(entry),
            None => versions.push(Version { version: version.to_owned(), entries: vec![entry] }),
        }
    };
    for kind in served.iter() {
        add(&kind.group, &kind.version, stored_entry(kind));
    }
    for kind in VIRTUAL_KINDS {
        let entry = Entry {
            plural: kind.plural.to_owned(),
            singular: kind.kind.to_lowercase(),
            kind: kind.kind.to_owned(),
            namespaced: kind.namespaced,
            short_names: Vec::new(),
            categories: Vec::new(),
            verbs: &["create"],
            subresources: Vec::new(),
        };
        add(kind.group, "v1", entry);
    }
    for group in &mut groups {
        group.versions.sort_by_key(|v| std::cmp::Reverse(version_rank(&v.version)));
    }
    groups
}

fn stored_entry(kind: &Kind) -> Entry {
    let own = SUBRESOURCES.iter().filter(|(plural, _)| kind.group.is_empty() && kind.plural == *plural);
    let own = own.flat_map(|(_, subs)| subs.iter());
    let scale = kind.scale.is_some().then_some(&SCALE);
    let status = kind.has_status.then_some(&STATUS);
    Entry {
        plural: kind.plural.to_string(),
        singular: kind.singular.to_string(),
        kind: kind.kind.to_string(),
        namespaced: kind.is_namespaced(),
        short_names: kind.short_names.iter().map(ToString::to_string).collect(),
        categories: kind.categories.iter().map(ToString::to_string).collect(),
        verbs: VERBS,
        subresources: own.chain(scale).chain(status).collect(),
    }
}

/// Orders versions as Kubernetes prefers them: stable before beta before alpha, then the higher number; the rest last,
/// by name.
pub fn version_rank(version: &str) -> (u8, u32, u32, std::cmp::Reverse<String>) {
    let other = || (0, 0, 0, std::cmp::Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else { return other() };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..digits].parse() else { return other() };
    let (level, minor) = match &rest[digits..] {
        "" => return (3, major, 0, std::cmp::Reverse(String::new())),
        tail if tail.starts_with("beta") => (2, tail[4..].parse()),
        tail if tail.starts_with("alpha") => (1, tail[5..].parse()),
        _ => return other(),
    };
    minor.map_or_else(|_| other(), |minor| (level, major, minor, std::cmp::Reverse(String::new())))
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn api_group(group: &Group) -> Value {
    let versions = group.versions.iter();
    let versions: Vec<Value> = versions
        .map(|v| json!({"groupVersion": group_version(&group.name, &v.version), "version": v.version}))
        .collect();
    json!({"name": group.name, "versions": versions, "preferredVersion": versions.first()})
}

fn resource_list(group: &Group, version: &str) -> Option<Value> {
    let found = group.versions.iter().find(|v| v.version == version)?;
    let mut resources = Vec::new();
    for entry in &found.entries {
        let mut row = json!({
            "name": entry.plural, "singularName": entry.singular, "namespaced": entry.namespaced,
            "kind": entry.kind, "verbs": entry.verbs,
        });
        if !entry.short_names.is_empty() {
            row["shortNames"] = json!(entry.short_names);
        }
        if !entry.categories.is_empty() {
            row["categories"] = json!(entry.categories);
        }
        resources.push(row);
        for Sub(name, (sub_group, sub_version, kind), verbs) in &entry.subresources {
            let mut row = json!({
                "name": format!("{}/{name}", entry.plural), "singularName": "", "namespaced": entry.namespaced,
                "kind": if kind.is_empty() { entry.kind.as_str() } else { kind }, "verbs": verbs,
            });
            if !sub_version.is_empty() && (*sub_group, *sub_version) != (group.name.as_str(), version) {
                row["group"] = json!(sub_group);
                row["version"] = json!(sub_version);
            }
            resources.push(row);
        }
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(&group.name, version),
        "resources": resources,
    }))
}

fn aggregated(group: &Group) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|v| {
            let resources: Vec<Value> =
                v.entries.iter().map(|e| aggregated_entry(&group.name, &v.version, e)).collect();
            json!({"version": v.version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_entry(group: &str, version: &str, entry: &Entry) -> Value {
    let own = || json!({"group": group, "version": version, "kind": entry.kind});
    let subresources: Vec<Value> = entry
        .subresources
        .iter()
        .map(|Sub(name, (group, version, kind), verbs)| {
            let kind = if kind.is_empty() { own() } else { json!({"group": group, "version": version, "kind": kind}) };
            json!({"subresource": name, "responseKind": kind, "verbs": verbs})
        })
        .collect();
    let mut row = json!({
        "resource": entry.plural, "responseKind": own(), "singularResource": entry.singular, "verbs": entry.verbs,
        "scope": if entry.namespaced { "Namespaced" } else { "Cluster" },
    });
    let lists = [("shortNames", json!(entry.short_names)), ("categories", json!(entry.categories))];
    let lists = lists.into_iter().chain([("subresources", json!(subresources))]);
    for (key, list) in lists.filter(|(_, list)| list.as_array().is_some_and(|l| !l.is_empty())) {
        row[key] = list;
    }
    row
}

#[cfg(test)]
mod tests;
