//! What a rule asks of requests.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#httproutematch>

use std::collections::BTreeMap;

use istio_api::gateway_api::{self as api, PathMatchType, TextMatchType};

use crate::config::{FieldMatch, HttpMatch, Pattern, StringMatch};

/// A match of an HTTPRoute, or what is wrong with it.
pub(super) fn http(given: &api::HttpMatch) -> Result<HttpMatch, String> {
    let (uri, by_segment) = path(given.path.as_ref())?;
    let parameters = given.query_params.iter().map(|q| (q.name.to_string(), q.r#type, q.value.as_str()));
    Ok(HttpMatch {
        uri,
        by_segment,
        method: given.method.map(|method| StringMatch::Exact(method.to_string())),
        headers: headers(&given.headers)?,
        query_params: fields(parameters)?,
        ..HttpMatch::default()
    })
}

/// A match of a GRPCRoute: the path of a call is `/SERVICE/METHOD`.
pub(super) fn grpc(given: &api::GrpcMatch) -> Result<HttpMatch, String> {
    let none = api::GrpcMethodMatch::default();
    let asked = given.method.as_ref().unwrap_or(&none);
    let any = |text: &str| if text.is_empty() { "[^/]+".to_owned() } else { text.to_owned() };
    let (uri, by_segment) = match (asked.r#type, asked.service.as_str(), asked.method.as_str()) {
        (_, "", "") => (None, false),
        (TextMatchType::Exact, service, "") => (Some(StringMatch::Prefix(format!("/{service}"))), true),
        (TextMatchType::Exact, "", method) => (Some(regex(&format!("/[^/]+/{}", regex::escape(method)))?), false),
        (TextMatchType::Exact, service, method) => (Some(StringMatch::Exact(format!("/{service}/{method}"))), false),
        (TextMatchType::RegularExpression, service, method) => {
            (Some(regex(&format!("/{}/{}", any(service), any(method)))?), false)
        }
    };
    Ok(HttpMatch { uri, by_segment, headers: headers(&given.headers)?, ..HttpMatch::default() })
}

/// How the path is compared, and whether by whole segments. Nothing asks for nothing, as the prefix `/` does.
fn path(given: Option<&api::HttpPathMatch>) -> Result<(Option<StringMatch>, bool), String> {
    let Some(given) = given else { return Ok((None, false)) };
    let text = given.value.as_deref().unwrap_or("/");
    if given.r#type != PathMatchType::RegularExpression && !text.starts_with('/') {
        return Err(format!("path `{text}` does not begin with `/`"));
    }
    Ok(match given.r#type {
        PathMatchType::Exact => (Some(StringMatch::Exact(text.to_owned())), false),
        PathMatchType::RegularExpression => (Some(regex(text)?), false),
        PathMatchType::PathPrefix => match text.trim_end_matches('/') {
            "" => (None, false),
            prefix => (Some(StringMatch::Prefix(prefix.to_owned())), true),
        },
    })
}

fn headers(given: &[api::NamedMatch]) -> Result<BTreeMap<String, FieldMatch>, String> {
    fields(given.iter().map(|h| (h.name.to_ascii_lowercase(), h.r#type, &*h.value)))
}

/// "If multiple entries specify equivalent names, only the first entry must be considered."
fn fields<'a>(
    given: impl Iterator<Item = (String, TextMatchType, &'a str)>,
) -> Result<BTreeMap<String, FieldMatch>, String> {
    let mut found = BTreeMap::new();
    for (name, how, value) in given {
        let matching = match how {
            TextMatchType::Exact => StringMatch::Exact(value.to_owned()),
            TextMatchType::RegularExpression => regex(value)?,
        };
        found.entry(name).or_insert(FieldMatch::Value(matching));
    }
    Ok(found)
}

fn regex(text: &str) -> Result<StringMatch, String> {
    Pattern::parse(text).map(StringMatch::Regex).map_err(|error| format!("`{text}`: {error}"))
}
