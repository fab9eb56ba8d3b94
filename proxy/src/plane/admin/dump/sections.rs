//! The sections of a configuration dump: one for each kind of thing that a proxy is told.

use std::{io, time::SystemTime};

use mesh_proto::{json::Messages, type_url};
use mesh_snapshot::Kind;
use serde_json::{Value, json};

use super::super::Admin;
use crate::plane::held::Version;

/// Takes an item with its name.
pub(super) type Take<'t> = &'t mut dyn FnMut(&str, Value) -> io::Result<()>;

/// Gives the items of a list one by one.
type Items = fn(&Admin, &mut Messages, Take<'_>) -> io::Result<()>;

/// One configuration of the dump.
pub(super) struct Section {
    /// The message's name in `envoy.admin.v3`.
    name: &'static str,
    /// Shown only when it is asked for.
    pub(super) is_optional: bool,
    /// Fields that are no lists.
    pub(super) own: fn(&Admin) -> Vec<(&'static str, Value)>,
    /// Lists: the field, and its items.
    pub(super) lists: &'static [(&'static str, Items)],
}

/// In Envoy's order.
pub(super) const SECTIONS: &[Section] = &[
    Section { name: "BootstrapConfigDump", is_optional: false, own: bootstrap, lists: &[] },
    Section {
        name: "ClustersConfigDump",
        is_optional: false,
        own: nothing,
        lists: &[
            ("static_clusters", static_clusters),
            ("dynamic_active_clusters", |admin, messages, take| {
                dynamic(Kind::Cluster, "cluster", admin, messages, take)
            }),
        ],
    },
    Section {
        name: "EndpointsConfigDump",
        is_optional: true,
        own: nothing,
        lists: &[("dynamic_endpoint_configs", |admin, messages, take| {
            dynamic(Kind::Endpoints, "endpoint_config", admin, messages, take)
        })],
    },
    Section {
        name: "ListenersConfigDump",
        is_optional: false,
        own: nothing,
        lists: &[("static_listeners", static_listeners), ("dynamic_listeners", dynamic_listeners)],
    },
    Section { name: "ScopedRoutesConfigDump", is_optional: false, own: nothing, lists: &[] },
    Section {
        name: "RoutesConfigDump",
        is_optional: false,
        own: nothing,
        lists: &[
            ("static_route_configs", static_routes),
            ("dynamic_route_configs", |admin, messages, take| {
                dynamic(Kind::Route, "route_config", admin, messages, take)
            }),
        ],
    },
    Section {
        name: "SecretsConfigDump",
        is_optional: false,
        own: nothing,
        lists: &[("dynamic_active_secrets", |admin, messages, take| {
            dynamic(Kind::Secret, "secret", admin, messages, take)
        })],
    },
];

impl Section {
    pub(super) fn type_url(&self) -> String {
        format!("type.googleapis.com/envoy.admin.v3.{}", self.name)
    }

    /// The type of a list's items, which Envoy nests in the section's message.
    pub(super) fn item_type(&self, list: &str) -> String {
        let item = match list {
            "static_clusters" => "StaticCluster",
            "dynamic_active_clusters" => "DynamicCluster",
            "dynamic_endpoint_configs" => "DynamicEndpointConfig",
            "static_listeners" => "StaticListener",
            "dynamic_listeners" => "DynamicListener",
            "static_route_configs" => "StaticRouteConfig",
            "dynamic_active_secrets" => "DynamicSecret",
            _ => "DynamicRouteConfig",
        };
        format!("{}.{item}", self.type_url())
    }
}

fn nothing(_: &Admin) -> Vec<(&'static str, Value)> {
    Vec::new()
}

fn bootstrap(admin: &Admin) -> Vec<(&'static str, Value)> {
    vec![("bootstrap", admin.bootstrap.clone()), ("last_updated", time(admin.began_at))]
}

/// RFC 3339, as protobuf writes a time.
fn time(at: SystemTime) -> Value {
    let at = jiff::Timestamp::try_from(at).unwrap_or_default();
    json!(format!("{at:.3}"))
}

/// A version of a resource as JSON; one that cannot be shown says why, and holds up nothing else.
fn shown(kind: Kind, version: &Version, messages: &mut Messages) -> Value {
    let type_url = match kind {
        Kind::Listener => type_url::LISTENER,
        Kind::Route => type_url::ROUTE,
        Kind::Cluster => type_url::CLUSTER,
        Kind::Endpoints => type_url::ENDPOINT,
        Kind::Secret => type_url::SECRET,
    };
    messages
        .shown(type_url, &version.body)
        .unwrap_or_else(|error| json!({ "@type": type_url, "lateen_error": mesh_bootstrap::causes(&error) }))
}

/// What was refused, as Envoy's `UpdateFailureState`.
fn error_state(kind: Kind, rejected: &crate::plane::held::Rejected, messages: &mut Messages) -> Value {
    json!({
        "failed_configuration": shown(kind, &rejected.version, messages),
        "last_update_attempt": time(rejected.version.at),
        "details": &*rejected.details,
        "version_info": &*rejected.version.version,
    })
}

fn state(kind: Kind, field: &str, version: &Version, messages: &mut Messages) -> Value {
    let mut item = json!({ "version_info": &*version.version, "last_updated": time(version.at) });
    item[field] = shown(kind, version, messages);
    item
}

/// Resources of a kind whose items are flat.
fn dynamic(kind: Kind, field: &str, admin: &Admin, messages: &mut Messages, take: Take<'_>) -> io::Result<()> {
    for (name, entry) in admin.held.all(kind) {
        let mut item = match &entry.good {
            Some(good) => state(kind, field, good, messages),
            None => json!({}),
        };
        if kind == Kind::Secret {
            item["name"] = json!(&*name);
        }
        if let Some(rejected) = &entry.rejected {
            item["error_state"] = error_state(kind, rejected, messages);
        }
        take(&name, item)?;
    }
    Ok(())
}

fn dynamic_listeners(admin: &Admin, messages: &mut Messages, take: Take<'_>) -> io::Result<()> {
    for (name, entry) in admin.held.all(Kind::Listener) {
        let mut item = json!({ "name": &*name });
        if let Some(good) = &entry.good {
            item["active_state"] = state(Kind::Listener, "listener", good, messages);
        }
        if let Some(rejected) = &entry.rejected {
            item["error_state"] = error_state(Kind::Listener, rejected, messages);
        }
        take(&name, item)?;
    }
    Ok(())
}

/// A message of the bootstrap, with its type.
fn typed(type_url: &str, message: &Value) -> Value {
    let mut message = message.clone();
    message["@type"] = json!(type_url);
    message
}

fn static_clusters(admin: &Admin, _: &mut Messages, take: Take<'_>) -> io::Result<()> {
    admin.static_clusters().try_for_each(|cluster| {
        let item = json!({ "cluster": typed(type_url::CLUSTER, cluster), "last_updated": time(admin.began_at) });
        take(cluster["name"].as_str().unwrap_or_default(), item)
    })
}

fn static_listeners(admin: &Admin, _: &mut Messages, take: Take<'_>) -> io::Result<()> {
    admin.static_listeners().try_for_each(|listener| {
        let item = json!({ "listener": typed(type_url::LISTENER, listener), "last_updated": time(admin.began_at) });
        take(listener["name"].as_str().unwrap_or_default(), item)
    })
}

/// Route tables that stand in listeners, be these the bootstrap's or sent.
fn static_routes(admin: &Admin, messages: &mut Messages, take: Take<'_>) -> io::Result<()> {
    let mut one = |listener: &Value, at: SystemTime| {
        let chains = listener["filter_chains"].as_array().into_iter().flatten();
        let chains = chains.chain(listener.get("default_filter_chain"));
        let filters = chains.flat_map(|chain| chain["filters"].as_array().into_iter().flatten());
        filters.map(|filter| &filter["typed_config"]["route_config"]).filter(|table| table.is_object()).try_for_each(
            |table| {
                let item = json!({ "route_config": typed(type_url::ROUTE, table), "last_updated": time(at) });
                take(table["name"].as_str().unwrap_or_default(), item)
            },
        )
    };
    admin.static_listeners().try_for_each(|listener| one(listener, admin.began_at))?;
    for (_, entry) in admin.held.all(Kind::Listener) {
        if let Some(good) = entry.good {
            one(&shown(Kind::Listener, &good, messages), good.at)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
