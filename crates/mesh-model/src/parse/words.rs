//! Words that several kinds share: hosts, ports, times, labels, matches, visibility.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use ipnet::IpNet;
use istio_api::common as api;
use mesh_types::{Hostname, Labels};

use super::at::At;
use crate::config::{Destination, ExportScope, ExportTo, Pattern, Percent, PortNumber, StringMatch};

/// A host name as it stands.
pub(super) fn host(text: &str, at: &At<'_>) -> Option<Hostname> {
    Hostname::parse(text).map_err(|e| at.error(e.to_string(), "write a DNS name, or `*.` and a DNS name")).ok()
}

/// A host name; without a dot it gets the namespace of the object and the cluster's domain.
pub(super) fn complete_host(text: &str, at: &At<'_>) -> Option<Hostname> {
    let name = host(text, at)?;
    if name.as_str() == "*" || name.as_str().contains('.') {
        return Some(name);
    }
    host(&format!("{name}.{}.svc.{}", at.namespace(), at.desk.ctx.domain), at)
}

/// A DNS label: lower-case letters, digits and `-`, at most 63.
pub(super) fn is_dns_label(text: &str) -> bool {
    let edges = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 63
        && edges(text.bytes().next())
        && edges(text.bytes().last())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

/// Refuses what is no DNS label.
pub(super) fn dns_label(text: &str, what: &str, at: &At<'_>) -> bool {
    let good = is_dns_label(text);
    if !good {
        at.error(
            format!("`{text}` cannot be the name of a {what}"),
            "use lower-case letters, digits and `-`, at most 63, no `-` at either end",
        );
    }
    good
}

/// A port that must be there.
pub(super) fn port(number: u32, at: &At<'_>) -> Option<PortNumber> {
    let port = u16::try_from(number).ok().and_then(PortNumber::new);
    if port.is_none() {
        at.error(format!("{number} is not a port"), "write a number from 1 to 65535");
    }
    port
}

/// A port of which 0 means none.
pub(super) fn optional_port(number: u32, at: &At<'_>) -> Option<PortNumber> {
    if number == 0 { None } else { port(number, at) }
}

/// A time of at least a millisecond, in whole milliseconds.
pub(super) fn time(time: Option<istio_api::Duration>, at: &At<'_>) -> Option<Duration> {
    let time = time?.get();
    if time < Duration::from_millis(1) {
        at.error(format!("{time:?} is too short"), "write at least 1ms, or leave the field out");
    } else if time.subsec_nanos() % 1_000_000 != 0 {
        at.error(format!("{time:?} is not in whole milliseconds"), "round it to milliseconds");
    }
    Some(time)
}

/// A time that may be zero, in whole milliseconds.
pub(super) fn time_or_zero(given: Option<istio_api::Duration>, at: &At<'_>) -> Option<Duration> {
    if given.is_some_and(|t| t.get().is_zero()) { Some(Duration::ZERO) } else { time(given, at) }
}

/// A share of requests.
pub(super) fn percent(value: f64, at: &At<'_>) -> Percent {
    if value > 0.0 && value < 0.0001 {
        at.error(format!("{value} is too small a share"), "write 0, or at least 0.0001");
    }
    Percent::parse(value).unwrap_or_else(|e| {
        at.error(e.to_string(), "write a number of per cent from 0 to 100");
        Percent::ZERO
    })
}

/// A text, of which the empty one says nothing.
pub(super) fn said(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(text.to_owned()) }
}

/// A regular expression.
pub(super) fn pattern(text: &str, at: &At<'_>) -> Option<Pattern> {
    Pattern::parse(text)
        .map_err(|e| {
            let cause = std::error::Error::source(&e).map(|c| format!(": {c}")).unwrap_or_default();
            at.error(format!("{e}{cause}"), "write an RE2 expression (no look-around, no back-references)");
        })
        .ok()
}

/// How a text is compared; nothing when no field is set.
pub(super) fn string_match(given: &api::StringMatch, at: &At<'_>) -> Option<StringMatch> {
    let api::StringMatch { exact, prefix, regex } = given;
    if [exact, prefix, regex].iter().filter(|f| f.is_some()).count() > 1 {
        at.error("more than one of exact, prefix and regex is set", "keep one of them");
    }
    match (exact, prefix, regex) {
        (Some(text), ..) => Some(StringMatch::Exact(text.clone())),
        (_, Some(text), _) => {
            if text.is_empty() {
                at.field("prefix")
                    .error("an empty prefix matches everything", "write the prefix, or leave the match out");
            }
            Some(StringMatch::Prefix(text.clone()))
        }
        (.., Some(text)) => pattern(text, &at.field("regex")).map(StringMatch::Regex),
        _ => None,
    }
}

/// Labels of workloads.
pub(super) fn labels(given: &BTreeMap<String, String>, at: &At<'_>) -> Labels {
    for (key, value) in given {
        if !is_label_key(key) {
            at.key(key).error(
                format!("`{key}` cannot be the key of a label"),
                "use letters, digits, `-`, `_` and `.`, at most 63, after an optional DNS name and `/`",
            );
        }
        if !is_label_value(value) {
            at.key(key).error(
                format!("`{value}` cannot be the value of a label"),
                "use letters, digits, `-`, `_` and `.`, at most 63, a letter or digit at either end",
            );
        }
    }
    Labels(given.clone())
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<u8>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let good_prefix = |p: &str| p.len() <= 253 && p.split('.').all(|l| is_dns_label(&l.to_ascii_lowercase()));
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(good_prefix)
}

/// A selector of workloads. One without labels chooses all, as if it were not there.
pub(super) fn selector(given: Option<&BTreeMap<String, String>>, at: &At<'_>) -> Option<Labels> {
    let given = given?;
    for (key, value) in given {
        if key.is_empty() || key.contains('*') || value.contains('*') {
            at.key(key).error(
                format!("`{key}={value}` selects nothing: wildcards and empty keys are not understood"),
                "write a whole label",
            );
        }
    }
    if given.is_empty() {
        at.warn("the selector has no labels and chooses every workload", "add labels, or leave the selector out");
        return None;
    }
    Some(Labels(given.clone()))
}

/// `spec.selector` and its like.
pub(super) fn label_selector(given: Option<&api::LabelSelector>, at: &At<'_>) -> Option<Labels> {
    selector(given.map(|s| &s.match_labels), &at.field("matchLabels"))
}

/// `spec.workloadSelector` of the older networking kinds.
pub(super) fn workload_selector(given: Option<&api::WorkloadSelector>, at: &At<'_>) -> Option<Labels> {
    selector(given.map(|s| &s.labels), &at.field("labels"))
}

/// Where traffic goes.
pub(super) fn destination(given: Option<&api::Destination>, at: &At<'_>) -> Option<Destination> {
    let Some(given) = given else {
        at.error("there is no destination", "name a host");
        return None;
    };
    if given.host == "*" {
        at.field("host").error("`*` is no destination", "name the host that the traffic goes to");
    }
    if !given.subset.is_empty() {
        dns_label(&given.subset, "subset", &at.field("subset"));
    }
    let port_at = &at.field("port");
    let port = given.port.as_ref().and_then(|p| port(p.number, &port_at.field("number")));
    Some(Destination { host: complete_host(&given.host, &at.field("host"))?, subset: said(&given.subset), port })
}

/// Which entries `exportTo` may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Export {
    /// Its own namespace, all, or names.
    Config,
    /// Also nobody (`~`).
    Service,
    /// Its own namespace only: a DestinationRule with a selector.
    OwnOnly,
}

/// To whom the object is visible; nothing when it does not say.
pub(super) fn export_to(given: &[String], rule: Export, at: &At<'_>) -> Option<ExportTo> {
    if given.is_empty() {
        return None;
    }
    let own = at.namespace();
    let mut seen = BTreeSet::new();
    let scopes = at.each(given, |entry, at| {
        let scope = match entry.as_str() {
            "." => ExportScope::Own,
            "*" => ExportScope::All,
            "~" if rule == Export::Service => ExportScope::Nobody,
            "~" => {
                at.error("only a ServiceEntry can be exported to nobody", "write `.` for the own namespace");
                return None;
            }
            name if dns_label(name, "namespace", at) => ExportScope::Namespace(name.to_owned()),
            _ => return None,
        };
        let namespace = if entry == "." { own.to_string() } else { entry.clone() };
        if rule == Export::OwnOnly && namespace != **own {
            at.error(
                "a DestinationRule with a workloadSelector is for its own namespace only",
                "write `.`, or leave exportTo or the selector out",
            );
        }
        if !seen.insert(namespace) {
            at.error(format!("`{entry}` is there twice"), "keep one of the two");
        }
        Some(scope)
    });
    for alone in [ExportScope::All, ExportScope::Nobody] {
        if given.len() > 1 && scopes.contains(&alone) {
            at.error("`*` and `~` leave no room for other entries", "keep the one that is meant");
        }
    }
    Some(ExportTo(scopes))
}

/// A network; an address is a network of its whole length.
pub(super) fn subnet(text: &str, at: &At<'_>) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if net.is_none() {
        at.error(format!("`{text}` is no address and no network"), "write for example 10.1.2.3 or 10.1.0.0/16");
    }
    net
}

/// A path of a unix socket: absolute and no folder, or abstract.
pub(super) fn unix_path(path: &str, at: &At<'_>) -> Option<String> {
    let good = path.starts_with('@') && path.len() > 1 || path.starts_with('/') && !path.ends_with('/');
    if !good {
        at.error(format!("`{path}` is not the path of a socket"), "write unix:///path/to/socket, or unix://@name");
    }
    good.then(|| path.to_owned())
}
