//! How the parts of an object merge: which lists are sets or maps with keys, and which maps are taken whole.
//!
//! Built-in kinds have a table, custom kinds their schema. Strategic merge patch and server-side apply both read it.

use serde_json::Value;

use crate::kinds::Kind;

/// How a list merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum ListRule {
    /// As one value.
    Atomic,
    /// As a set of plain values.
    Set,
    /// As objects told apart by these fields; the first is the key of strategic merge patch.
    Keyed(Vec<String>),
}

/// One row: the list `field` in `parent` (the name of the field that holds it, "" for the top).
struct Row {
    parents: &'static [&'static str],
    field: &'static str,
    /// No keys: a set.
    keys: &'static [&'static str],
    /// Which of the two ways of merging knows the rule; the other takes the list whole.
    by: By,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Both,
    Apply,
    Strategic,
}

const CONTAINERS: &[&str] = &["containers", "initContainers", "ephemeralContainers"];
const SPEC: &[&str] = &["spec"];
const STATUS: &[&str] = &["status"];
const METADATA: &[&str] = &["metadata"];
const TOP: &[&str] = &[""];

const fn row(parents: &'static [&'static str], field: &'static str, keys: &'static [&'static str], by: By) -> Row {
    Row { parents, field, keys, by }
}

/// As the built-in types are tagged.
const ROWS: &[Row] = &[
    row(METADATA, "ownerReferences", &["uid"], By::Both),
    row(METADATA, "finalizers", &[], By::Both),
    row(SPEC, "containers", &["name"], By::Both),
    row(SPEC, "initContainers", &["name"], By::Both),
    row(SPEC, "ephemeralContainers", &["name"], By::Both),
    row(SPEC, "volumes", &["name"], By::Both),
    row(SPEC, "imagePullSecrets", &["name"], By::Both),
    row(SPEC, "hostAliases", &["ip"], By::Both),
    row(SPEC, "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"], By::Both),
    row(SPEC, "schedulingGates", &["name"], By::Both),
    row(SPEC, "resourceClaims", &["name"], By::Both),
    row(SPEC, "podCIDRs", &[], By::Both),
    row(SPEC, "ports", &["port", "protocol"], By::Both),
    row(CONTAINERS, "env", &["name"], By::Both),
    row(CONTAINERS, "ports", &["containerPort", "protocol"], By::Both),
    row(CONTAINERS, "volumeMounts", &["mountPath"], By::Both),
    row(CONTAINERS, "volumeDevices", &["devicePath"], By::Both),
    row(&["resources"], "claims", &["name"], By::Apply),
    row(TOP, "secrets", &["name"], By::Both),
    row(TOP, "webhooks", &["name"], By::Both),
    row(&["webhooks"], "matchConditions", &["name"], By::Both),
    row(STATUS, "conditions", &["type"], By::Both),
    row(STATUS, "addresses", &["type"], By::Both),
    row(STATUS, "podIPs", &["ip"], By::Both),
    row(STATUS, "hostIPs", &["ip"], By::Strategic),
    row(&["endpoints"], "addresses", &[], By::Apply),
    row(&["uncountedTerminatedPods"], "succeeded", &[], By::Apply),
    row(&["uncountedTerminatedPods"], "failed", &[], By::Apply),
];

/// Maps that server-side apply takes whole: (parent, field).
const ATOMIC_MAPS: &[(&str, &str)] = &[
    ("spec", "nodeSelector"),
    ("spec", "selector"),
    ("", "involvedObject"),
    ("valueFrom", "fieldRef"),
    ("valueFrom", "resourceFieldRef"),
    ("valueFrom", "configMapKeyRef"),
    ("valueFrom", "secretKeyRef"),
    ("endpoints", "targetRef"),
    ("", "roleRef"),
];

/// Fields of list keys that stand for a value when they are absent.
pub(in crate::api) const KEY_DEFAULTS: &[(&str, &str)] = &[("protocol", "TCP")];

/// A place in an object of some kind.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) enum Shape<'a> {
    /// In a built-in kind: the field that holds this value, and the field that holds that one.
    Builtin {
        /// "" at the top.
        field: &'a str,
        /// "" at the top.
        parent: &'a str,
    },
    /// A whole custom object, with its schema.
    CustomTop(Option<&'a Value>),
    /// In a custom kind: the schema here.
    Custom(&'a Value),
    /// Where nothing is known.
    Unknown,
}

impl<'a> Shape<'a> {
    /// The top of an object.
    pub(in crate::api) fn of(kind: &'a Kind) -> Self {
        if kind.definition.is_none() {
            return Shape::Builtin { field: "", parent: "" };
        }
        let schema = kind.version_definition().and_then(|v| v.pointer("/schema/openAPIV3Schema"));
        Shape::CustomTop(schema)
    }

    /// A member of the map here.
    pub(in crate::api) fn member(self, name: &'a str) -> Self {
        match self {
            // The metadata of a custom object is that of any other.
            Shape::CustomTop(_) if name == "metadata" => Shape::Builtin { field: "metadata", parent: "" },
            Shape::CustomTop(schema) => schema.map_or(Shape::Unknown, Shape::Custom).member(name),
            Shape::Builtin { field, .. } => Shape::Builtin { field: name, parent: field },
            Shape::Custom(schema) => {
                let known = schema.get("properties").and_then(|p| p.get(name));
                known.or_else(|| schema.get("additionalProperties")).map_or(Shape::Unknown, Shape::Custom)
            }
            Shape::Unknown => Shape::Unknown,
        }
    }

    /// An item of the list here.
    pub(in crate::api) fn item(self) -> Self {
        match self {
            Shape::Custom(schema) => schema.get("items").map_or(Shape::Unknown, Shape::Custom),
            other => other,
        }
    }

    /// How the list here merges in server-side apply.
    pub(in crate::api) fn list(self) -> ListRule {
        match self {
            Shape::Builtin { .. } => self.table(By::Strategic),
            Shape::Custom(schema) => match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => ListRule::Set,
                Some("map") => {
                    let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                    ListRule::Keyed(keys.filter_map(|key| key.as_str().map(str::to_owned)).collect())
                }
                _ => ListRule::Atomic,
            },
            Shape::CustomTop(_) | Shape::Unknown => ListRule::Atomic,
        }
    }

    /// How the list here merges in a strategic merge patch.
    pub(in crate::api) fn strategic_list(self) -> ListRule {
        self.table(By::Apply)
    }

    fn table(self, unless: By) -> ListRule {
        let Shape::Builtin { field, parent } = self else { return ListRule::Atomic };
        match ROWS.iter().find(|row| row.field == field && row.by != unless && row.parents.contains(&parent)) {
            None => ListRule::Atomic,
            Some(Row { keys: [], .. }) => ListRule::Set,
            Some(Row { keys, .. }) => ListRule::Keyed(keys.iter().map(|&key| key.to_owned()).collect()),
        }
    }

    /// Whether server-side apply takes the map here whole.
    pub(in crate::api) fn is_atomic_map(self) -> bool {
        match self {
            Shape::Builtin { field, parent } => ATOMIC_MAPS.iter().any(|(p, f)| *p == parent && *f == field),
            Shape::Custom(schema) => schema["x-kubernetes-map-type"] == "atomic",
            Shape::CustomTop(_) | Shape::Unknown => false,
        }
    }
}
