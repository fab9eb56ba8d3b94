//! Services.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{list, one_of, text};
use crate::{
    kinds::{
        metadata::{faults, labels},
        names,
    },
    object::Object,
    status::Cause,
};

pub(super) fn service(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let spec = object.at("/spec").unwrap_or(&Value::Null);
    let mut causes = Vec::new();
    causes.extend(one_of(spec, "type", "spec", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]));
    causes.extend(one_of(spec, "sessionAffinity", "spec", &["ClientIP", "None"]));
    for key in ["internalTrafficPolicy", "externalTrafficPolicy"] {
        causes.extend(one_of(spec, key, "spec", &["Cluster", "Local"]));
    }
    causes.extend(labels("spec.selector", spec.get("selector")));
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    if kind == "ExternalName" {
        let name = text(spec, "externalName").trim_end_matches('.');
        if name.is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        } else {
            causes.extend(faults("spec.externalName", name, names::subdomain(name)));
        }
    }
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let rule = format!("may not be set to 'None' for {kind} services");
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!("None"), rule));
    }
    let had = old.filter(|old| old.text("/spec/type") != "ExternalName").map_or("", |old| old.text("/spec/clusterIP"));
    if kind != "ExternalName" && !had.is_empty() && had != text(spec, "clusterIP") {
        let rule = format!("Invalid value: []string{{{}}}: may not change once set", json!(text(spec, "clusterIP")));
        let field = "spec.clusterIPs[0]".to_owned();
        causes.push(Cause { reason: "FieldValueInvalid", message: rule, field });
    }
    let ports = list(spec, "/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    causes.extend(self::ports(ports));
    // Whoever makes the endpoints may choose their family.
    let by_hand = headless && spec["selector"].as_object().is_none_or(serde_json::Map::is_empty);
    if kind != "ExternalName" && !by_hand {
        causes.extend(families(spec));
    }
    causes
}

/// There are IPv4 addresses only.
fn families(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if text(spec, "ipFamilyPolicy") == "RequireDualStack" {
        let rule = "this cluster is not configured for dual-stack services";
        causes.push(Cause::invalid("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], rule));
    }
    for (i, family) in list(spec, "/ipFamilies").iter().enumerate().filter(|(_, family)| *family != "IPv4") {
        let rule = "not configured on this cluster".to_owned();
        causes.push(Cause::invalid(format!("spec.ipFamilies[{i}]"), family, rule));
    }
    causes
}

fn ports(ports: &[Value]) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (mut names_seen, mut seen) = (HashSet::new(), HashSet::new());
    for (i, port) in ports.iter().enumerate() {
        let (field, name) = (format!("spec.ports[{i}]"), text(port, "name"));
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if !name.is_empty() {
            causes.extend(faults(&format!("{field}.name"), name, names::label(name)));
            if !names_seen.insert(name) {
                causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
            }
        }
        let number = port["port"].as_i64().unwrap_or(0);
        let wrong = names::port_number(number).into_iter();
        causes.extend(wrong.map(|fault| Cause::invalid(format!("{field}.port"), &json!(number), fault)));
        causes.extend(one_of(port, "protocol", &field, &["SCTP", "TCP", "UDP"]));
        match &port["targetPort"] {
            Value::String(name) => causes.extend(faults(&format!("{field}.targetPort"), name, names::port_name(name))),
            Value::Number(number) => {
                let wrong = names::port_number(number.as_i64().unwrap_or(0)).into_iter();
                causes.extend(wrong.map(|fault| Cause::invalid(format!("{field}.targetPort"), &json!(number), fault)));
            }
            _ => {}
        }
        if !seen.insert((number, text(port, "protocol"))) {
            let shown = json!({"port": number, "protocol": text(port, "protocol")});
            causes.push(Cause::duplicate(field, &shown));
        }
    }
    causes
}
