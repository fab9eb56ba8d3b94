//! The downward API: what a container may be told about its pod and its resources.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector},
    apimachinery::pkg::api::resource::Quantity,
};

/// What only the node knows of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The pod's address.
    pub pod_ip: String,
    /// The node's address.
    pub host_ip: String,
    /// What the node has, for limits that are not set: `cpu`, `memory`, `ephemeral-storage`.
    pub allocatable: BTreeMap<String, Quantity>,
}

/// The value of a `fieldRef`. An error names the field.
pub fn field(selector: &ObjectFieldSelector, pod: &Pod, facts: &Facts) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let path = selector.field_path.as_str();
    if let Some((map, key)) = subscript(path) {
        let values = match map {
            "metadata.labels" => meta.labels.as_ref(),
            "metadata.annotations" => meta.annotations.as_ref(),
            _ => return Err(format!("unsupported fieldPath: {path}")),
        };
        return Ok(values.and_then(|v| v.get(key)).cloned().unwrap_or_default());
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Ok(match path {
        "metadata.name" => text(&meta.name),
        "metadata.namespace" => text(&meta.namespace),
        "metadata.uid" => text(&meta.uid),
        "metadata.labels" => lines(meta.labels.as_ref()),
        "metadata.annotations" => lines(meta.annotations.as_ref()),
        "spec.nodeName" => spec.map(|s| text(&s.node_name)).unwrap_or_default(),
        "spec.serviceAccountName" => spec.map(|s| text(&s.service_account_name)).unwrap_or_default(),
        "status.podIP" | "status.podIPs" => facts.pod_ip.clone(),
        "status.hostIP" | "status.hostIPs" => facts.host_ip.clone(),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// The value of a `resourceFieldRef` for `container`: the quantity divided by the divisor, rounded up.
pub fn resource(selector: &ResourceFieldSelector, container: &Container, facts: &Facts) -> Result<String, String> {
    let unsupported = || format!("unsupported container resource: {}", selector.resource);
    let (side, name) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    let resources = container.resources.as_ref();
    let found = match side {
        "limits" => resources
            .and_then(|r| r.limits.as_ref())
            .and_then(|l| l.get(name))
            .filter(|q| nanos(&q.0) != Some(0))
            .or_else(|| facts.allocatable.get(name)),
        "requests" => resources.and_then(|r| r.requests.as_ref()).and_then(|l| l.get(name)),
        _ => return Err(unsupported()),
    };
    let divisor = match selector.divisor.as_ref().map(|q| q.0.as_str()) {
        None | Some("" | "0") => nanos("1"),
        Some(text) => nanos(text),
    };
    let value = found.map_or(Some(0), |q| nanos(&q.0));
    let (Some(value), Some(divisor)) = (value, divisor.filter(|d| *d > 0)) else {
        return Err(format!("{}: not a quantity", selector.resource));
    };
    Ok((value.div_euclid(divisor) + i128::from(value.rem_euclid(divisor) > 0)).to_string())
}

/// A quantity in units of 10^-9; None when the text is none.
pub fn nanos(text: &str) -> Option<i128> {
    const SUFFIXES: [(&str, i128, i128); 16] = [
        ("Ki", 1 << 10, 1),
        ("Mi", 1 << 20, 1),
        ("Gi", 1 << 30, 1),
        ("Ti", 1 << 40, 1),
        ("Pi", 1 << 50, 1),
        ("Ei", 1 << 60, 1),
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1_000),
        ("k", 1_000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
        ("", 1, 1),
    ];
    let (number, up, down) =
        SUFFIXES.iter().find_map(|(suffix, up, down)| text.strip_suffix(suffix).map(|n| (n, *up, *down)))?;
    let (number, exponent) = match number.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let digits: i128 = format!("{whole}{fraction:0<9}").parse().ok()?;
    let scaled = digits.checked_mul(up)? / down;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    if exponent < 0 { Some(scaled / power) } else { scaled.checked_mul(power) }
}

fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.strip_suffix("']")?.split_once("['")?;
    Some((map, key))
}

/// A map as the downward API writes it into a file: `key="value"`, sorted, one a line.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let quoted = |value: &str| serde_json::Value::from(value).to_string();
    let lines: Vec<String> = map.into_iter().flatten().map(|(k, v)| format!("{k}={}", quoted(v))).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
