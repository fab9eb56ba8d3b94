//! Filters: what happens to requests and responses on their way.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#httproutefilter>

use istio_api::gateway_api::{self as api, PathModifierType, RouteFilterType};

use super::{
    Verdict, backends,
    world::{Namer, World},
};
use crate::config::{
    HeaderChanges, HeaderOps, HttpMatch, Mirror, Pattern, Percent, PortNumber, Redirect, RedirectCode, RedirectPort,
    Rewrite, StringMatch, UriRewrite,
};

/// What all filters of a rule do together.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    pub(super) headers: HeaderChanges,
    pub(super) mirrors: Vec<Mirror>,
    redirect: Option<api::RequestRedirect>,
    rewrite: Option<api::UrlRewrite>,
}

/// Reads filters. A mirror that leads nowhere is noted and left out.
pub(super) fn effects(
    world: &World<'_>,
    by: Namer<'_>,
    given: &[api::Filter],
    unresolved: &mut Option<Verdict>,
) -> Result<Effects, String> {
    let mut effects = Effects::default();
    for filter in given {
        let missing = || format!("the filter of type {} has no settings", filter.r#type);
        match filter.r#type {
            RouteFilterType::RequestHeaderModifier => {
                let changes = filter.request_header_modifier.as_ref().ok_or_else(missing)?;
                request_headers(changes, &mut effects.headers);
            }
            RouteFilterType::ResponseHeaderModifier => {
                let changes = filter.response_header_modifier.as_ref().ok_or_else(missing)?;
                extend(&mut effects.headers.response, changes);
            }
            RouteFilterType::RequestMirror => {
                let mirror = filter.request_mirror.as_ref().ok_or_else(missing)?;
                match backends::destination(world, by, &mirror.backend_ref) {
                    Ok(destination) => effects.mirrors.push(Mirror { destination, share: Percent::ALL }),
                    Err(verdict) => drop(unresolved.get_or_insert(verdict)),
                }
            }
            RouteFilterType::RequestRedirect => {
                effects.redirect = Some(filter.request_redirect.clone().ok_or_else(missing)?);
            }
            RouteFilterType::UrlRewrite => effects.rewrite = Some(filter.url_rewrite.clone().ok_or_else(missing)?),
            RouteFilterType::ExtensionRef => return Err("filters of type ExtensionRef are not supported".to_owned()),
        }
    }
    Ok(effects)
}

fn extend(ops: &mut HeaderOps, changes: &api::HeaderModifier) {
    for (into, from) in [(&mut ops.set, &changes.set), (&mut ops.add, &changes.add)] {
        for header in from {
            into.entry(header.name.to_string()).or_insert_with(|| header.value.to_string());
        }
    }
    ops.remove.extend(changes.remove.iter().cloned());
}

/// The host is no header on the wire: setting it rewrites the authority.
fn request_headers(changes: &api::HeaderModifier, into: &mut HeaderChanges) {
    let (hosts, set): (Vec<_>, Vec<_>) =
        changes.set.iter().cloned().partition(|header| header.name.eq_ignore_ascii_case("host"));
    into.host = hosts.first().map(|header| header.value.to_string()).or_else(|| into.host.take());
    extend(&mut into.request, &api::HeaderModifier { set, ..changes.clone() });
}

impl Effects {
    /// Whether nothing happens but changes of headers.
    pub(super) fn is_headers_only(&self) -> bool {
        self.mirrors.is_empty() && self.redirect.is_none() && self.rewrite.is_none()
    }

    /// The change of path and host for requests of a match.
    pub(super) fn rewrite(&self, matching: &HttpMatch) -> Option<Rewrite> {
        let given = self.rewrite.as_ref()?;
        let uri = given.path.as_ref().and_then(|path| match path.r#type {
            PathModifierType::ReplaceFullPath => {
                let whole = path.replace_full_path.as_deref().unwrap_or_default();
                match matching.uri {
                    Some(StringMatch::Exact(_)) => Some(UriRewrite::Replace(rooted(whole))),
                    // Anything else that matched is a part of the path; this is about all of it.
                    _ => by_pattern("^/.*$", &rooted(whole).replace('\\', r"\\")),
                }
            }
            PathModifierType::ReplacePrefixMatch => new_prefix(path, matching),
        });
        let authority = (!given.hostname.is_empty()).then(|| given.hostname.to_string());
        (uri.is_some() || authority.is_some()).then_some(Rewrite { uri, authority })
    }

    /// The answer with another address.
    pub(super) fn redirect(&self, matching: &HttpMatch) -> Option<Redirect> {
        let given = self.redirect.as_ref()?;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let number = given.port.and_then(|port| u16::try_from(port).ok()).and_then(PortNumber::new);
        let (uri, rewrite) = match &given.path {
            Some(path) if path.r#type == PathModifierType::ReplaceFullPath => {
                (Some(rooted(path.replace_full_path.as_deref().unwrap_or_default())), None)
            }
            Some(path) => (None, new_prefix(path, matching)),
            None => (None, None),
        };
        Some(Redirect {
            uri,
            rewrite,
            authority: some(&given.hostname),
            port: Some(match (number, given.scheme.as_str()) {
                (Some(number), _) => RedirectPort::Number(number),
                // "If redirect scheme is empty, the redirect port must be the Gateway Listener port."
                (None, "") => RedirectPort::OfRequest,
                (None, _) => RedirectPort::OfProtocol,
            }),
            scheme: some(&given.scheme),
            code: match given.status_code {
                Some(301) => RedirectCode::MovedPermanently,
                Some(303) => RedirectCode::SeeOther,
                Some(307) => RedirectCode::TemporaryRedirect,
                Some(308) => RedirectCode::PermanentRedirect,
                _ => RedirectCode::Found,
            },
        })
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn by_pattern(pattern: &str, substitution: &str) -> Option<UriRewrite> {
    Some(UriRewrite::Regex { pattern: Pattern::parse(pattern).ok()?, substitution: substitution.to_owned() })
}

/// Whole segments take the place of whole segments: `/foo` by `/xyz` makes `/xyz/bar` of `/foo/bar`, and `/foo` by `/`
/// makes `/bar`.
fn new_prefix(path: &api::PathModifier, matching: &HttpMatch) -> Option<UriRewrite> {
    let new = path.replace_prefix_match.as_deref().unwrap_or_default().trim_end_matches('/');
    match (&matching.uri, new) {
        (Some(StringMatch::Prefix(old)), "") => by_pattern(&format!("^{}/?(.*)", regex::escape(old)), r"/\1"),
        (Some(StringMatch::Prefix(_)), new) => Some(UriRewrite::Replace(rooted(new))),
        (None, "") => None,
        // The prefix `/` is a slash that the rest of the path needs.
        (None, new) => Some(UriRewrite::Replace(format!("{}/", rooted(new)))),
        (Some(StringMatch::Exact(_) | StringMatch::Regex(_)), _) => None,
    }
}
