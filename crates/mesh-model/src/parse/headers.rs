//! Names and changes of headers.

use std::collections::BTreeMap;

use istio_api::{common as api, virtual_service::HttpRoute};

use super::at::At;
use crate::config::{HeaderChanges, HeaderOps};

/// Refuses what cannot be the name of a header in a match.
pub(super) fn header_name(name: &str, at: &At<'_>) {
    if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_') {
        at.error(format!("`{name}` is not the name of a header"), "use letters, digits, `-` and `_`");
    }
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

pub(super) fn header_changes(given: Option<&api::Headers>, at: &At<'_>) -> HeaderChanges {
    let Some(given) = given else { return HeaderChanges::default() };
    let (request_at, response_at) = (&at.field("request"), &at.field("response"));
    let mut request = ops(given.request.as_ref(), true, request_at);
    let response = ops(given.response.as_ref(), false, response_at);
    // Setting and adding are the same for a host: a request has exactly one.
    let mut host = None;
    for map in [&mut request.set, &mut request.add] {
        map.retain(|name, value| {
            let authority = is_authority(name);
            if authority {
                host = Some(value.clone());
            }
            !authority
        });
    }
    HeaderChanges { host, request, response }
}

fn ops(given: Option<&api::HeaderOperations>, may_set_host: bool, at: &At<'_>) -> HeaderOps {
    let Some(given) = given else { return HeaderOps::default() };
    for (field, map) in [("set", &given.set), ("add", &given.add)] {
        let at = &at.field(field);
        check_map(map, may_set_host, at);
    }
    let remove_at = &at.field("remove");
    for (index, name) in given.remove.iter().enumerate() {
        check_changed(name, false, &remove_at.index(index));
    }
    HeaderOps { set: given.set.clone(), add: given.add.clone(), remove: given.remove.clone() }
}

fn check_map(map: &BTreeMap<String, String>, may_set_host: bool, at: &At<'_>) {
    for (name, value) in map {
        let at = &at.key(name);
        check_changed(name, may_set_host, at);
        if value.bytes().any(|c| c == 0x7f || (c < 0x20 && c != b'\t')) {
            at.error("the value holds a control character", "remove it");
        }
        if !commands_are_closed(value) {
            at.error(
                format!("`{value}` holds a `%` that opens a command and none that closes it"),
                "write %% for a per cent sign, or %COMMAND%",
            );
        }
    }
}

fn check_changed(name: &str, may_set_host: bool, at: &At<'_>) {
    if name.is_empty() {
        at.error("the name of the header is empty", "name a header");
    } else if is_authority(name) && may_set_host {
        // It becomes a rewrite of the host.
    } else if is_authority(name) {
        at.error(format!("`{name}` cannot be changed here"), "set it in headers.request.set, or use rewrite.authority");
    } else if name.starts_with(':') {
        at.error(format!("`{name}` is a pseudo header, which cannot be changed"), "use rewrite for path and host");
    }
}

/// Whether every `%` of Envoy's format is doubled or belongs to a pair.
fn commands_are_closed(value: &str) -> bool {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('%') {
        rest = match after.strip_prefix('%') {
            Some(after_double) => after_double,
            None => match after.split_once('%') {
                Some((_, after_command)) => after_command,
                None => return false,
            },
        };
    }
    true
}

/// Refuses a route that gives its requests two hosts.
pub(super) fn authority_is_set_once(route: &HttpRoute, at: &At<'_>) {
    let request = route.headers.as_ref().and_then(|h| h.request.as_ref());
    let changed = request.into_iter().flat_map(|r| r.set.keys().chain(r.add.keys())).filter(|name| is_authority(name));
    let rewritten = route.rewrite.as_ref().is_some_and(|r| !r.authority.is_empty());
    if changed.count() + usize::from(rewritten) > 1 {
        at.field("headers").error(
            "the host of the request is set more than once",
            "set it once: in rewrite.authority, or as header host or :authority",
        );
    }
}
