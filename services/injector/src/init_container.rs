//! `istio-init`: sets up capture before anything else in the pod runs.

use istio_api::mesh::InboundInterceptionMode;
use k8s_openapi::api::core::v1::{Capabilities, Container, SecurityContext};

use crate::{Context, environment, proxy_container::resources, settings::INIT};

/// Ports of the proxy itself that are never captured: metrics, and health.
const OWN_PORTS: &str = "15090,15021";

/// The container; none when the pod is not captured.
pub(crate) fn container(context: &Context<'_>) -> Option<Container> {
    let mode = context.effective.interception_mode();
    if mode == InboundInterceptionMode::None {
        return None;
    }
    let settings = context.request.settings;
    Some(Container {
        name: INIT.to_owned(),
        image: Some(settings.image(&settings.init_image, "")),
        image_pull_policy: settings.image_pull_policy.clone(),
        args: Some(arguments(context, mode)),
        env: Some(environment::of_metadata(context)).filter(|variables| !variables.is_empty()),
        resources: Some(resources(context)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            privileged: Some(false),
            read_only_root_filesystem: Some(false),
            run_as_user: Some(0),
            run_as_group: Some(0),
            run_as_non_root: Some(false),
            capabilities: Some(Capabilities {
                add: Some(vec!["NET_ADMIN".to_owned(), "NET_RAW".to_owned()]),
                drop: Some(vec!["ALL".to_owned()]),
            }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    })
}

fn arguments(context: &Context<'_>, mode: InboundInterceptionMode) -> Vec<String> {
    let (settings, capture) = (context.request.settings, &context.wishes.capture);
    let or = |wish: &Option<String>, setting: &str| wish.clone().unwrap_or_else(|| setting.to_owned());
    let mut arguments: Vec<String> = [
        "istio-iptables",
        "-p",
        "15001",
        "-z",
        "15006",
        "-u",
        "1337",
        "-m",
        mode.as_str(),
        "-i",
        &or(&capture.outbound_ranges, &settings.include_outbound_ip_ranges),
        "-x",
        &or(&capture.outbound_ranges_except, &settings.exclude_outbound_ip_ranges),
        "-b",
        &or(&capture.inbound_ports, &settings.include_inbound_ports),
        "-d",
        &excluded_ports(context, &or(&capture.inbound_ports_except, &settings.exclude_inbound_ports)),
    ]
    .map(str::to_owned)
    .to_vec();
    let optional = [
        ("-q", or(&capture.outbound_ports, &settings.include_outbound_ports)),
        ("-o", or(&capture.outbound_ports_except, &settings.exclude_outbound_ports)),
        ("-k", or(&capture.machine_devices, "")),
        ("-c", or(&capture.devices_except, "")),
    ];
    for (flag, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        arguments.extend([flag.to_owned(), value]);
    }
    let level = context.wishes.agent_log_level.as_deref().unwrap_or(&settings.log_level);
    arguments.push(format!("--log_output_level={level}"));
    arguments
}

/// The proxy's own ports, the pod's wish, and the agent's port, each once.
fn excluded_ports(context: &Context<'_>, wish: &str) -> String {
    let mut ports: Vec<String> = OWN_PORTS.split(',').chain(wish.split(',')).map(|p| p.trim().to_owned()).collect();
    if context.status_port > 0 {
        ports.push(context.status_port.to_string());
    }
    let mut once: Vec<String> = Vec::new();
    for port in ports.into_iter().filter(|port| !port.is_empty()) {
        if !once.contains(&port) {
            once.push(port);
        }
    }
    once.join(",")
}
