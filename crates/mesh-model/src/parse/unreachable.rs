//! Rules that no request can reach, because an earlier one takes what they ask for.
//!
//! Istio's analyzers call these IST0130 and IST0131.

use super::{at::At, virtual_service::asks_nothing};
use crate::config::{HttpMatch, HttpRoute, StringMatch};

/// Remarks upon rules and matches that are never asked.
pub(super) fn warn(routes: &[HttpRoute], at: &At<'_>) {
    let takes_all = |r: &HttpRoute| r.matches.is_empty() || r.matches.iter().any(asks_nothing);
    let last = routes.iter().position(takes_all).unwrap_or(routes.len());
    for (index, _) in routes.iter().enumerate().skip(last + 1) {
        at.index(index).warn(
            format!("rule {last} takes every request, this one gets none"),
            "put the rule that takes everything last",
        );
    }
    let mut earlier: Vec<(usize, &HttpMatch)> = Vec::new();
    for (index, route) in routes.iter().enumerate().take(last + 1) {
        for (nth, given) in route.matches.iter().enumerate() {
            if let Some((by, _)) = earlier.iter().find(|(_, before)| covers(before, given)) {
                at.index(index).field("match").index(nth).warn(
                    format!("rule {by} takes these requests already"),
                    "put the narrower match first, or remove it",
                );
            }
            earlier.push((index, given));
        }
    }
}

/// Whether the two differ in the path only, and every path of `narrow` is one of `wide`.
fn covers(wide: &HttpMatch, narrow: &HttpMatch) -> bool {
    let path = match (&wide.uri, &narrow.uri) {
        (a, b) if a == b => true,
        (None, _) => true,
        (Some(StringMatch::Prefix(a)), Some(StringMatch::Prefix(b) | StringMatch::Exact(b))) => b.starts_with(a),
        _ => false,
    };
    let rest = |m: &HttpMatch| HttpMatch { name: String::new(), stat_prefix: String::new(), uri: None, ..m.clone() };
    path && rest(wide) == rest(narrow)
}
