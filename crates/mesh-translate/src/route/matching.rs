//! Which requests a route takes.

use mesh_model::config::{FieldMatch, HttpMatch, StringMatch};

use crate::{
    pb::route::{
        HeaderMatcher, QueryParameterMatcher, RouteMatch, header_matcher::HeaderMatchSpecifier,
        query_parameter_matcher::QueryParameterMatchSpecifier, route_match::PathSpecifier,
    },
    wire::{flag, regex, string_matcher},
};

/// A match; every request without one.
pub(super) fn route_match(matching: Option<&HttpMatch>) -> RouteMatch {
    let everything = PathSpecifier::Prefix("/".to_owned());
    let Some(matching) = matching else {
        return RouteMatch { path_specifier: Some(everything), ..Default::default() };
    };
    let path = match &matching.uri {
        None => everything,
        Some(StringMatch::Exact(path)) => PathSpecifier::Path(path.clone()),
        Some(StringMatch::Prefix(prefix)) if matching.by_segment => PathSpecifier::PathSeparatedPrefix(prefix.clone()),
        Some(StringMatch::Prefix(prefix)) => PathSpecifier::Prefix(prefix.clone()),
        Some(StringMatch::Regex(pattern)) => PathSpecifier::SafeRegex(regex(pattern.as_str())),
    };
    RouteMatch {
        path_specifier: Some(path),
        case_sensitive: flag(!matching.ignore_uri_case),
        headers: headers(matching),
        query_parameters: matching.query_params.iter().map(|(name, value)| query(name, value)).collect(),
        ..Default::default()
    }
}

fn headers(matching: &HttpMatch) -> Vec<HeaderMatcher> {
    let present = matching.headers.iter().map(|(name, value)| header(name, value));
    let absent = matching.without_headers.iter().map(|(name, value)| HeaderMatcher {
        invert_match: true,
        // A header that is not there counts as an empty one, unless its presence is the question.
        treat_missing_header_as_empty: *value != FieldMatch::Present,
        ..header(name, value)
    });
    let pseudo = [(":method", &matching.method), (":authority", &matching.authority), (":scheme", &matching.scheme)];
    let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some(by_value(name, value.as_ref()?)));
    present.chain(absent).chain(pseudo).collect()
}

fn by_value(name: &str, value: &StringMatch) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(string_matcher(value))),
        ..Default::default()
    }
}

fn header(name: &str, value: &FieldMatch) -> HeaderMatcher {
    match value {
        FieldMatch::Value(value) => by_value(name, value),
        FieldMatch::Present => HeaderMatcher {
            name: name.to_owned(),
            header_match_specifier: Some(HeaderMatchSpecifier::PresentMatch(true)),
            ..Default::default()
        },
    }
}

fn query(name: &str, value: &FieldMatch) -> QueryParameterMatcher {
    let specifier = match value {
        FieldMatch::Value(value) => QueryParameterMatchSpecifier::StringMatch(string_matcher(value)),
        FieldMatch::Present => QueryParameterMatchSpecifier::PresentMatch(true),
    };
    QueryParameterMatcher { name: name.to_owned(), query_parameter_match_specifier: Some(specifier) }
}
