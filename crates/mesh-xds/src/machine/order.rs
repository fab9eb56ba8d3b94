//! What the protocol says of single types.

use mesh_proto::type_url;

/// Envoy's extension configurations (ECDS).
const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

/// Types are pushed in this order, so that what is named is there before it is named: clusters, their endpoints,
/// listeners, routes, secrets, and then the rest.
const ORDER: [&str; 5] = [type_url::CLUSTER, type_url::ENDPOINT, type_url::LISTENER, type_url::ROUTE, type_url::SECRET];

/// Place of a type within one push; lower goes first.
pub fn rank(type_url: &str) -> usize {
    ORDER.iter().position(|t| *t == type_url).unwrap_or(ORDER.len())
}

/// Whether an empty list of names means none rather than all: types that other resources name.
pub fn is_by_name_only(type_url: &str) -> bool {
    [type_url::ENDPOINT, type_url::ROUTE, type_url::SECRET, EXTENSION].contains(&type_url)
}

/// The type whose resources must be sent again after a resource of `type_url` and of the same name was sent.
///
/// Envoy warms a changed cluster until its endpoints come, also when these did not change, and does not ask for them.
pub(super) fn follower(type_url: &str) -> Option<&'static str> {
    (type_url == type_url::CLUSTER).then_some(type_url::ENDPOINT)
}
