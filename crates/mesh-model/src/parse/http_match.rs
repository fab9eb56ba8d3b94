//! Which requests a rule of `spec.http` is for.

use std::collections::BTreeMap;

use istio_api::{common::StringMatch as ApiStringMatch, virtual_service as api};

use super::{
    at::At,
    headers::header_name,
    l4_route::source,
    virtual_service::Frame,
    words::{optional_port, string_match},
};
use crate::config::{ClaimMatch, FieldMatch, HttpMatch, StringMatch};

/// What a header's name begins with when a claim of a token is meant.
const CLAIMS: &str = "@request.auth.claims";

pub(super) fn http_match(given: &api::HttpMatchRequest, frame: &Frame<'_>, at: &At<'_>) -> HttpMatch {
    let text = |m: &Option<ApiStringMatch>, field| m.as_ref().and_then(|m| whole(m, &at.field(field)));
    let mut claims = Vec::new();
    HttpMatch {
        name: given.name.clone(),
        uri: text(&given.uri, "uri"),
        scheme: text(&given.scheme, "scheme"),
        method: text(&given.method, "method"),
        authority: text(&given.authority, "authority"),
        headers: headers(&given.headers, false, &mut claims, frame, &at.field("headers")),
        without_headers: headers(&given.without_headers, true, &mut claims, frame, &at.field("withoutHeaders")),
        query_params: fields(&given.query_params, &at.field("queryParams")),
        claims,
        ignore_uri_case: given.ignore_uri_case,
        by_segment: false,
        port: optional_port(given.port, &at.field("port")),
        source: source(&given.source_labels, &given.source_namespace, &given.gateways, at),
        stat_prefix: given.stat_prefix.clone(),
    }
}

/// A match of something that every request has: an empty one asks nothing.
fn whole(given: &ApiStringMatch, at: &At<'_>) -> Option<StringMatch> {
    if *given == ApiStringMatch::default() {
        at.warn("the match is empty and takes every request", "set exact, prefix or regex, or leave it out");
    }
    string_match(given, at)
}

fn field_match(given: &ApiStringMatch, at: &At<'_>) -> FieldMatch {
    string_match(given, at).map_or(FieldMatch::Present, FieldMatch::Value)
}

fn fields(given: &BTreeMap<String, ApiStringMatch>, at: &At<'_>) -> BTreeMap<String, FieldMatch> {
    given.iter().map(|(name, m)| (name.clone(), field_match(m, &at.key(name)))).collect()
}

fn headers(
    given: &BTreeMap<String, ApiStringMatch>,
    inverted: bool,
    claims: &mut Vec<ClaimMatch>,
    frame: &Frame<'_>,
    at: &At<'_>,
) -> BTreeMap<String, FieldMatch> {
    let mut found = BTreeMap::new();
    for (name, m) in given {
        let at = &at.key(name);
        let value = field_match(m, at);
        if name.starts_with('@') {
            claims.extend(claim(name, frame, at).map(|path| ClaimMatch { path, inverted, value }));
            continue;
        }
        header_name(name, at);
        if found.insert(name.to_ascii_lowercase(), value).is_some() {
            at.error(format!("`{name}` is there twice, in different case"), "keep one of the two");
        }
    }
    found
}

/// `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`; a dot is part of a name within brackets only.
fn claim(name: &str, frame: &Frame<'_>, at: &At<'_>) -> Option<Vec<String>> {
    if !frame.gateways_only {
        at.error(
            "a claim of a token can be matched at gateways only",
            "list gateways without `mesh`, or match a header of the request",
        );
    }
    at.warn(
        "this version verifies no tokens, a request never has a claim; the match takes none",
        "match a header of the request, or remove the match",
    );
    let path = name.strip_prefix(CLAIMS).and_then(|rest| match rest.chars().next()? {
        '.' => Some(rest.strip_prefix('.')?.split('.').map(str::to_owned).collect::<Vec<_>>()),
        '[' => Some(rest.strip_prefix('[')?.strip_suffix(']')?.split("][").map(str::to_owned).collect()),
        _ => None,
    });
    let path = path.filter(|p| p.iter().all(|part| !part.is_empty()));
    if path.is_none() {
        at.error(format!("`{name}` names no claim"), format!("write {CLAIMS}[name]"));
    }
    path
}
