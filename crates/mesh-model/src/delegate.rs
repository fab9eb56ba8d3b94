//! VirtualServices that hand routes to others: the root's rule and the delegate's become one.
//!
//! <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate>
//!
//! ```text
//!   root:      match A or B, timeout 5s, delegate: d        merged:  match (A and C) or (B and C), timeout 5s, route
//!   delegate:  match C, route ..                                     .. for each rule of the delegate
//! ```

use std::{collections::BTreeMap, sync::Arc};

use crate::config::{
    Delegate, ExportTo, FieldMatch, HeaderChanges, HttpMatch, HttpRoute, Object, Origin, RouteAction, SourceMatch,
    StringMatch, VirtualService,
};

/// Why a rule that delegates, or a rule of its delegate, is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Lost {
    /// There is no such VirtualService.
    #[error("the delegate does not exist")]
    Missing,
    /// It has hosts.
    #[error("the delegate has hosts, so that it is a VirtualService in its own right")]
    NotADelegate,
    /// Its `exportTo` leaves out the root's namespace.
    #[error("the delegate is not exported to the namespace of the VirtualService that names it")]
    NotExported,
    /// A rule of the delegate delegates again.
    #[error("a rule of a delegate cannot delegate further")]
    Nested,
    /// A match of the delegate's rule asks for requests that no match of the root's rule takes.
    #[error("the rule asks for requests that the rule which delegates does not take")]
    NothingInCommon,
}

/// The rules of a VirtualService with those of its delegates in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// In order; none delegates.
    pub routes: Vec<HttpRoute>,
    /// Rules that were left out.
    pub lost: Vec<(Origin, Lost)>,
}

/// Whether some rule delegates.
pub fn delegates(root: &VirtualService) -> bool {
    root.http.iter().any(|route| matches!(route.action, RouteAction::Delegate(_)))
}

/// Puts the rules of delegates in the places where `root` names them.
///
/// `default_export` holds for delegates without `exportTo`; `find` knows all VirtualServices by namespace and name.
pub fn merge<'a>(
    root: &Object<VirtualService>,
    default_export: &ExportTo,
    find: impl Fn(&Delegate) -> Option<&'a Arc<Object<VirtualService>>>,
) -> Merged {
    let mut merged = Merged::default();
    for route in &root.spec.http {
        let RouteAction::Delegate(named) = &route.action else {
            merged.routes.push(route.clone());
            continue;
        };
        let found = match find(named) {
            None => Err(Lost::Missing),
            Some(delegate) if !delegate.spec.is_delegate() => Err(Lost::NotADelegate),
            Some(delegate) => {
                let export = delegate.spec.export_to.as_ref().unwrap_or(default_export);
                let reached = export.reaches(&delegate.meta.namespace, &root.meta.namespace);
                if reached { Ok(delegate) } else { Err(Lost::NotExported) }
            }
        };
        match found {
            Err(why) => merged.lost.push((route.origin.clone(), why)),
            Ok(delegate) => {
                for rule in &delegate.spec.http {
                    match merge_route(route, rule) {
                        Ok(rule) => merged.routes.push(rule),
                        Err(why) => merged.lost.push((rule.origin.clone(), why)),
                    }
                }
            }
        }
    }
    merged
}

/// What the delegate's rule says wins; the root's fills what it leaves out.
fn merge_route(root: &HttpRoute, rule: &HttpRoute) -> Result<HttpRoute, Lost> {
    if matches!(rule.action, RouteAction::Delegate(_)) {
        return Err(Lost::Nested);
    }
    let own_headers = rule.headers != HeaderChanges::default();
    Ok(HttpRoute {
        origin: rule.origin.clone(),
        name: join(&root.name, &rule.name),
        matches: merge_matches(&root.matches, &rule.matches)?,
        action: rule.action.clone(),
        rewrite: rule.rewrite.clone().or_else(|| root.rewrite.clone()),
        timeout: rule.timeout.or(root.timeout),
        retries: rule.retries.clone().or_else(|| root.retries.clone()),
        fault: rule.fault.clone().or_else(|| root.fault.clone()),
        mirrors: if rule.mirrors.is_empty() { root.mirrors.clone() } else { rule.mirrors.clone() },
        cors: rule.cors.clone().or_else(|| root.cors.clone()),
        headers: if own_headers { rule.headers.clone() } else { root.headers.clone() },
    })
}

fn join(root: &str, own: &str) -> String {
    match (root, own) {
        (root, "") => root.to_owned(),
        ("", own) => own.to_owned(),
        (root, own) => format!("{root}-{own}"),
    }
}

fn merge_matches(root: &[HttpMatch], own: &[HttpMatch]) -> Result<Vec<HttpMatch>, Lost> {
    if root.is_empty() {
        return Ok(own.to_vec());
    }
    if own.is_empty() {
        return Ok(root.to_vec());
    }
    let mut merged = Vec::new();
    for narrow in own {
        let before = merged.len();
        merged.extend(root.iter().filter(|wide| agree(wide, narrow)).map(|wide| merge_match(wide, narrow)));
        if merged.len() == before {
            return Err(Lost::NothingInCommon);
        }
    }
    Ok(merged)
}

/// Whether the delegate's match asks for some of what the root's takes.
fn agree(root: &HttpMatch, own: &HttpMatch) -> bool {
    let text = |root: &Option<StringMatch>, own: &Option<StringMatch>| match (root, own) {
        (Some(root), Some(own)) => lies_in(own, root),
        _ => true,
    };
    let (from, own_from) = (&root.source, &own.source);
    let namespaces = from.namespace.is_none() || own_from.namespace.is_none() || from.namespace == own_from.namespace;
    let labels = own_from.labels.0.iter().all(|(key, value)| from.labels.value(key).is_none_or(|v| v == value));
    let gateways = from.gateways.is_empty() || own_from.gateways.iter().all(|g| from.gateways.contains(g));
    text(&root.uri, &own.uri)
        && text(&root.scheme, &own.scheme)
        && text(&root.method, &own.method)
        && text(&root.authority, &own.authority)
        && fields_agree(&root.headers, &own.headers)
        && fields_agree(&root.without_headers, &own.without_headers)
        && fields_agree(&root.query_params, &own.query_params)
        && root.ignore_uri_case == own.ignore_uri_case
        && (root.port.is_none() || own.port.is_none() || root.port == own.port)
        && namespaces
        && labels
        && gateways
}

fn fields_agree(root: &BTreeMap<String, FieldMatch>, own: &BTreeMap<String, FieldMatch>) -> bool {
    own.iter().all(|(name, own)| match (root.get(name), own) {
        (None | Some(FieldMatch::Present), _) => true,
        (Some(FieldMatch::Value(_)), FieldMatch::Present) => false,
        (Some(FieldMatch::Value(root)), FieldMatch::Value(own)) => lies_in(own, root),
    })
}

/// Whether each text of `own` is surely one of `root`. Of two expressions nobody can tell.
fn lies_in(own: &StringMatch, root: &StringMatch) -> bool {
    match (root, own) {
        (StringMatch::Exact(root), StringMatch::Exact(own)) => own == root,
        (StringMatch::Prefix(root), StringMatch::Exact(own) | StringMatch::Prefix(own)) => own.starts_with(root),
        (StringMatch::Regex(root), StringMatch::Exact(own)) => {
            regex::Regex::new(&format!("^(?:{})$", root.as_str())).is_ok_and(|whole| whole.is_match(own))
        }
        _ => false,
    }
}

/// Both at once. Where both ask for something the delegate's lies in the root's, so it stands for both.
fn merge_match(root: &HttpMatch, own: &HttpMatch) -> HttpMatch {
    let text = |root: &Option<StringMatch>, own: &Option<StringMatch>| own.clone().or_else(|| root.clone());
    let fields = |root: &BTreeMap<String, FieldMatch>, own: &BTreeMap<String, FieldMatch>| {
        root.iter().chain(own).map(|(name, m)| (name.clone(), m.clone())).collect()
    };
    let mut labels = root.source.labels.clone();
    labels.0.extend(own.source.labels.0.clone());
    let gateways = if own.source.gateways.is_empty() { &root.source.gateways } else { &own.source.gateways };
    HttpMatch {
        name: join(&root.name, &own.name),
        uri: text(&root.uri, &own.uri),
        scheme: text(&root.scheme, &own.scheme),
        method: text(&root.method, &own.method),
        authority: text(&root.authority, &own.authority),
        headers: fields(&root.headers, &own.headers),
        without_headers: fields(&root.without_headers, &own.without_headers),
        query_params: fields(&root.query_params, &own.query_params),
        claims: root.claims.iter().chain(&own.claims).cloned().collect(),
        ignore_uri_case: own.ignore_uri_case,
        by_segment: if own.uri.is_some() { own.by_segment } else { root.by_segment },
        port: own.port.or(root.port),
        source: SourceMatch {
            labels,
            namespace: own.source.namespace.clone().or_else(|| root.source.namespace.clone()),
            gateways: gateways.clone(),
        },
        stat_prefix: if own.stat_prefix.is_empty() { root.stat_prefix.clone() } else { own.stat_prefix.clone() },
    }
}

#[cfg(test)]
mod tests;
