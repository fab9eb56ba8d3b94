//! The application's probes: the kubelet asks the agent, and the agent asks the application.
//!
//! A probe that went straight to the application would be captured, and refused once the proxy wants certificates, which
//! the kubelet has none of. What the agent has to ask is told in `ISTIO_KUBE_APP_PROBERS`.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, GRPCAction, HTTPGetAction, Pod, Probe, TCPSocketAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{draft::Draft, settings::PROXY};

/// What the agent asks of the application, by the path that the kubelet asks of the agent.
pub(crate) type Probers = BTreeMap<String, Prober>;

/// One question.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Prober {
    #[serde(skip_serializing_if = "Option::is_none")]
    http_get: Option<HTTPGetAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_socket: Option<TCPSocketAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<GRPCAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<i32>,
}

/// Rewrites the probes of all containers that go on running, and returns what they were.
pub(crate) fn rewrite(draft: &mut Draft, pod: &Pod, status_port: u16) -> Result<Probers, serde_json::Error> {
    let mut probers = Probers::new();
    let Some(spec) = pod.spec.as_ref().filter(|_| status_port > 0) else { return Ok(probers) };
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let all = spec.containers.iter().map(|c| ("containers", c)).chain(sidecars.map(|c| ("initContainers", c)));
    for (list, container) in all.filter(|(_, container)| container.name != PROXY) {
        let Some(item) = draft.item(list, &container.name) else { continue };
        for (field, probe, word) in [
            ("livenessProbe", &container.liveness_probe, "livez"),
            ("readinessProbe", &container.readiness_probe, "readyz"),
            ("startupProbe", &container.startup_probe, "startupz"),
        ] {
            let Some(prober) = probe.as_ref().and_then(|probe| of_probe(container, probe, status_port)) else {
                continue;
            };
            let path = format!("/app-health/{}/{word}", container.name);
            redirect(&mut item[field], &prober, &path, status_port)?;
            probers.insert(path, prober);
        }
        let lifecycle = container.lifecycle.as_ref();
        for (field, handler, word) in [
            ("preStop", lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref()), "prestopz"),
            ("postStart", lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref()), "poststartz"),
        ] {
            let get = handler.and_then(|handler| handler.http_get.as_ref());
            let Some(get) = get.and_then(|get| of_http(container, get, status_port)) else { continue };
            let prober = Prober { http_get: Some(get), ..Prober::default() };
            let path = format!("/app-lifecycle/{}/{word}", container.name);
            redirect(&mut item["lifecycle"][field], &prober, &path, status_port)?;
            probers.insert(path, prober);
        }
    }
    Ok(probers)
}

/// The question behind a probe; none for those that make no connection, or whose port nobody knows.
fn of_probe(container: &Container, probe: &Probe, status_port: u16) -> Option<Prober> {
    let timeout_seconds = probe.timeout_seconds.filter(|seconds| *seconds > 0);
    let prober = Prober { timeout_seconds, ..Prober::default() };
    if let Some(get) = &probe.http_get {
        return Some(Prober { http_get: Some(of_http(container, get, status_port)?), ..prober });
    }
    if let Some(socket) = &probe.tcp_socket {
        let port = IntOrString::Int(number(container, &socket.port)?);
        return Some(Prober { tcp_socket: Some(TCPSocketAction { port, ..socket.clone() }), ..prober });
    }
    probe.grpc.clone().map(|grpc| Prober { grpc: Some(grpc), ..prober })
}

fn of_http(container: &Container, get: &HTTPGetAction, status_port: u16) -> Option<HTTPGetAction> {
    let port = number(container, &get.port).filter(|port| *port != i32::from(status_port))?;
    Some(HTTPGetAction { port: IntOrString::Int(port), ..get.clone() })
}

/// A port's number, by its name among the container's ports if need be.
fn number(container: &Container, port: &IntOrString) -> Option<i32> {
    match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let named = ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port);
            named.or_else(|| name.parse().ok())
        }
    }
}

/// Points a probe (or hook) at the agent. All that is not the question itself (periods, thresholds) stays, and so do the
/// headers, which the agent passes on.
fn redirect(handler: &mut Value, prober: &Prober, path: &str, port: u16) -> Result<(), serde_json::Error> {
    let headers = prober.http_get.as_ref().and_then(|get| get.http_headers.as_ref());
    let mut get = json!({ "path": path, "port": port });
    if let Some(headers) = headers {
        get["httpHeaders"] = serde_json::to_value(headers)?;
    }
    if let Some(fields) = handler.as_object_mut() {
        for question in ["httpGet", "tcpSocket", "grpc"] {
            fields.remove(question);
        }
        fields.insert("httpGet".to_owned(), get);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
