//! Kinds of which this version of the mesh does little or nothing, and says so.

use std::collections::BTreeMap;

use istio_api::peer_authentication::MutualTlsMode;

use super::{
    at::At,
    words::{label_selector, port},
};
use crate::config::{MtlsMode, PeerAuthentication};

/// Said of every policy that would have to be enforced. A policy that is accepted and does nothing is worse than none.
const NOT_ENFORCED: &str = "this version does not enforce policies yet, and would let through what this one forbids";
const UNTIL_THEN: &str = "remove the object, and keep the workload apart by other means (such as a NetworkPolicy)";

/// EnvoyFilter and WasmPlugin.
pub(super) fn no_effect(at: &At<'_>) {
    let kind = at.desk.meta.kind;
    at.warn(format!("a {kind} has no effect in this mesh"), "remove it, or see whether another kind says the same");
}

/// AuthorizationPolicy and RequestAuthentication.
pub(super) fn refused(at: &At<'_>) {
    at.error(NOT_ENFORCED, UNTIL_THEN);
}

pub(super) fn peer_authentication(given: &istio_api::PeerAuthentication, at: &At<'_>) -> PeerAuthentication {
    let selector = label_selector(given.selector.as_ref(), &at.field("selector"));
    let ports_at = &at.field("portLevelMtls");
    if selector.is_none() && !given.port_level_mtls.is_empty() {
        ports_at
            .error("ports are those of workloads, and none are selected", "add a selector, or remove portLevelMtls");
    }
    let ports: BTreeMap<_, _> = given
        .port_level_mtls
        .iter()
        .filter_map(|(text, tls)| {
            let at = &ports_at.key(text);
            let Ok(number) = text.parse::<u32>() else {
                at.error(format!("`{text}` is not a port"), "write a number from 1 to 65535");
                return None;
            };
            Some((port(number, at)?, mode(tls.mode, &at.field("mode"))))
        })
        .collect();
    let mtls_at = &at.field("mtls");
    let mtls = given.mtls.as_ref().and_then(|tls| mode(tls.mode, &mtls_at.field("mode")));
    PeerAuthentication { selector, mtls, ports }
}

fn mode(mode: MutualTlsMode, at: &At<'_>) -> Option<MtlsMode> {
    match mode {
        MutualTlsMode::Unset => None,
        MutualTlsMode::Disable => Some(MtlsMode::Disable),
        MutualTlsMode::Permissive => Some(MtlsMode::Permissive),
        MutualTlsMode::Strict => {
            at.error(
                format!("STRICT: {NOT_ENFORCED}"),
                "write PERMISSIVE until it does, and keep the workload apart by other means",
            );
            None
        }
    }
}
