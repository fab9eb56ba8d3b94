//! `proxy-status`: how far each proxy has followed its pilot.

use serde_json::Value;

use crate::table::Table;

/// Columns: the head, the word in the keys of `/debug/syncz`, and the type's name under `resources` there.
const TYPES: [(&str, &str, &str); 5] = [
    ("CDS", "cluster", "cds"),
    ("LDS", "listener", "lds"),
    ("EDS", "endpoint", "eds"),
    ("RDS", "route", "rds"),
    ("ECDS", "extensionconfig", "TypedExtensionConfig"),
];

/// The table, from what each pilot (by its pod's name) answers at `/debug/syncz`. `now` is in seconds since 1970. Only
/// proxies whose name starts with `filter`.
pub fn table(answers: &[(String, Value)], filter: &str, now: f64) -> Table {
    let mut table = Table::new(&["NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "ECDS", "ISTIOD", "VERSION"]);
    for (pilot, proxies) in answers {
        for proxy in proxies.as_array().into_iter().flatten() {
            let text = |key: &str| proxy[key].as_str().unwrap_or_default().to_owned();
            if !text("proxy").starts_with(filter) {
                continue;
            }
            let mut row = vec![text("proxy"), text("cluster_id")];
            row.extend(TYPES.iter().map(|(_, word, kind)| cell(proxy, word, kind, now)));
            row.extend([pilot.clone(), text("istio_version")]);
            table.row(row);
        }
    }
    table.sorted()
}

/// How a proxy stands with one type.
fn cell(proxy: &Value, word: &str, kind: &str, now: f64) -> String {
    let (sent, acked) = (&proxy[format!("{word}_sent")], &proxy[format!("{word}_acked")]);
    let details = proxy["resources"].get(kind);
    if let Some(error) = details.and_then(|details| details["error"].as_str()).filter(|error| !error.is_empty()) {
        let short: String = error.chars().take(60).collect();
        return format!("ERROR ({short})");
    }
    let age = |field: &str| {
        let time = details.and_then(|details| details[field].as_f64());
        time.map(|time| format!(" ({})", ago(now - time))).unwrap_or_default()
    };
    if sent.is_null() {
        // Nobody asked for it, which for filters of their own is the usual thing.
        return if word == "extensionconfig" { "IGNORED".to_owned() } else { "NOT SENT".to_owned() };
    }
    if sent == acked { format!("SYNCED{}", age("last_acked")) } else { format!("STALE{}", age("last_sent")) }
}

/// A time span as people say it: two units at most.
fn ago(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")];
    let seconds = seconds.max(0.0).floor();
    let at = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let (size, unit) = UNITS[at];
    let whole = (seconds / size).floor();
    match UNITS.get(at + 1) {
        Some((small, name)) => format!("{whole}{unit}{}{name}", ((seconds - whole * size) / small).floor()),
        None => format!("{whole}{unit}"),
    }
}

#[cfg(test)]
mod tests;
