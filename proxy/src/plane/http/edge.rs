//! What the upstream is told of the client, in headers.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers>

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use mesh_snapshot::HttpManager;

use crate::plane::accept::Downstream;

const CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
const IS_INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");

/// What clients outside may not say either.
const OF_PROXIES: &[&str] =
    &["x-envoy-decorator-operation", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node"];

/// `x-forwarded-client-cert`.
pub(super) fn tell_certificate(manager: &HttpManager, downstream: &Downstream, headers: &mut HeaderMap) {
    let secured = downstream.secured.as_deref();
    let peer = secured.and_then(|tls| tls.peer.as_ref());
    if peer.is_none() && !headers.contains_key(CLIENT_CERT) {
        return;
    }
    let given = joined(headers, &CLIENT_CERT);
    let given = Some(&*given).filter(|given| !given.is_empty());
    let value = manager.client_cert.value(given, peer, secured.and_then(|tls| tls.own_uri.as_deref()));
    match value.and_then(|value| HeaderValue::from_str(&value).ok()) {
        Some(value) => drop(headers.insert(CLIENT_CERT, value)),
        None => drop(headers.remove(CLIENT_CERT)),
    }
}

/// `x-forwarded-for`, and whether the client is one of our own; gives whether it is not.
pub(super) fn tell_address(manager: &HttpManager, downstream: &Downstream, headers: &mut HeaderMap) -> bool {
    let (edge, peer) = (&manager.edge, downstream.source.ip());
    let forwarded = joined(headers, &FORWARDED_FOR);
    let client = edge.client(peer, &forwarded);
    if edge.appends {
        let all = if forwarded.is_empty() { peer.to_string() } else { format!("{forwarded},{peer}") };
        set(headers, FORWARDED_FOR, &all);
    }
    if client.is_internal {
        headers.insert(IS_INTERNAL, HeaderValue::from_static("true"));
    } else {
        OF_PROXIES.iter().for_each(|name| drop(headers.remove(*name)));
        set(headers, EXTERNAL_ADDRESS, &client.address.to_string());
    }
    !client.is_internal
}

/// `x-forwarded-proto`; gives the scheme that the client has used, as far as is known.
pub(super) fn tell_scheme(manager: &HttpManager, downstream: &Downstream, headers: &mut HeaderMap) -> &'static str {
    let own = downstream.scheme();
    let believed = !manager.edge.is_first || manager.edge.trusted_hops > 0;
    match headers.get(FORWARDED_PROTO).filter(|_| believed) {
        Some(given) if given == "https" => "https",
        Some(given) if given == "http" => "http",
        Some(_) => own,
        None => {
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(own));
            own
        }
    }
}

/// All values of a header, as one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Cow<'static, str> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() { Cow::Borrowed("") } else { Cow::Owned(values.join(",")) }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
