//! `istio-proxy`: the proxy and its agent.

use std::collections::BTreeMap;

use istio_api::mesh::InboundInterceptionMode;
use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe,
        ResourceRequirements, SecurityContext,
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};

use crate::{Context, environment, probes::Probers, prometheus::Scrape, settings::PROXY, volumes};

/// The user that the proxy runs as, by which its own connections are told from the application's.
const USER: i64 = 1337;
/// Where the proxy answers whether it is ready.
const HEALTH_PORT: i32 = 15021;

pub(crate) fn container(
    context: &Context<'_>,
    probers: &Probers,
    scrape: Option<&Scrape>,
) -> Result<Container, serde_json::Error> {
    let settings = context.request.settings;
    let of_kind = context.effective.config.image.as_ref().map(|image| image.image_type.as_str());
    let variant = context.wishes.image_type.as_deref().or(of_kind).unwrap_or_default();
    let image = context.wishes.proxy_image.as_deref().unwrap_or(&settings.proxy_image);
    let probed = context.status_port > 0;
    Ok(Container {
        name: PROXY.to_owned(),
        image: Some(settings.image(image, variant)),
        image_pull_policy: settings.image_pull_policy.clone(),
        args: Some(arguments(context)),
        env: Some(environment::variables(context, probers, scrape)?),
        lifecycle: lifecycle(context),
        ports: Some(vec![ContainerPort {
            container_port: 15090,
            name: Some("http-envoy-prom".to_owned()),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        startup_probe: probed.then(|| probe(600, 1, None)),
        readiness_probe: probed.then(|| readiness(context)),
        resources: context.own_resources().is_none().then(|| resources(context)),
        restart_policy: context.native().then(|| "Always".to_owned()),
        security_context: Some(security(context)),
        volume_mounts: Some(volumes::mounts(context)),
        ..Container::default()
    })
}

fn arguments(context: &Context<'_>) -> Vec<String> {
    let (settings, wishes) = (context.request.settings, &context.wishes);
    let or = |wish: &Option<String>, setting: &str| wish.clone().unwrap_or_else(|| setting.to_owned());
    let mut arguments = vec![
        "proxy".to_owned(),
        if context.is_gateway() { "router" } else { "sidecar" }.to_owned(),
        "--domain".to_owned(),
        format!("$(POD_NAMESPACE).svc.{}", settings.domain),
        format!("--proxyLogLevel={}", or(&wishes.proxy_log_level, &settings.proxy_log_level)),
        format!("--proxyComponentLogLevel={}", or(&wishes.component_log_level, &settings.proxy_component_log_level)),
        format!("--log_output_level={}", or(&wishes.agent_log_level, &settings.log_level)),
    ];
    if settings.log_as_json {
        arguments.push("--log_as_json".to_owned());
    }
    arguments
}

/// A gateway has no application that waits for it. Beside one, the application's start waits for `lateen-proxy wait`; a native sidecar is waited for by its startup probe, and is told
/// to drain before the application's end is its own.
fn lifecycle(context: &Context<'_>) -> Option<Lifecycle> {
    if context.is_gateway() {
        return None;
    }
    let run = |words: &[&str]| {
        let command = Some(words.iter().map(|word| (*word).to_owned()).collect());
        Some(LifecycleHandler { exec: Some(ExecAction { command }), ..LifecycleHandler::default() })
    };
    if context.native() {
        let port = format!("--debug-port={}", context.status_port);
        let pre_stop = run(&["lateen-proxy", "request", &port, "POST", "drain"]);
        return (context.status_port > 0).then_some(Lifecycle { pre_stop, ..Lifecycle::default() });
    }
    let post_start = run(&["lateen-proxy", "wait"]);
    context.effective.holds_application().then_some(Lifecycle { post_start, ..Lifecycle::default() })
}

fn probe(failures: i32, period: i32, delay: Option<i32>) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/healthz/ready".to_owned()),
            port: IntOrString::Int(HEALTH_PORT),
            ..HTTPGetAction::default()
        }),
        failure_threshold: Some(failures),
        period_seconds: Some(period),
        initial_delay_seconds: delay.filter(|delay| *delay > 0),
        timeout_seconds: Some(3),
        ..Probe::default()
    }
}

fn readiness(context: &Context<'_>) -> Probe {
    let wishes = &context.wishes;
    let positive = |wish: Option<i32>, or: i32| wish.filter(|number| *number > 0).unwrap_or(or);
    probe(positive(wishes.readiness_failures, 4), positive(wishes.readiness_period, 15), wishes.readiness_delay)
}

/// What the container may use: as the pod's annotations say, where they say anything, otherwise as the settings do.
pub(crate) fn resources(context: &Context<'_>) -> ResourceRequirements {
    let wishes = &context.wishes;
    if wishes.requests.is_empty() && wishes.limits.is_empty() {
        return context.request.settings.resources.clone();
    }
    let quantities = |amounts: &BTreeMap<&'static str, String>| {
        let all = amounts.iter().map(|(name, amount)| ((*name).to_owned(), Quantity(amount.clone())));
        (!amounts.is_empty()).then(|| all.collect())
    };
    ResourceRequirements {
        requests: quantities(&wishes.requests),
        limits: quantities(&wishes.limits),
        ..ResourceRequirements::default()
    }
}

fn security(context: &Context<'_>) -> SecurityContext {
    let tproxy = !context.is_gateway() && context.effective.interception_mode() == InboundInterceptionMode::Tproxy;
    let extra = [(tproxy, "NET_ADMIN"), (context.wishes.bind_low_ports, "NET_BIND_SERVICE")];
    let add: Vec<String> = extra.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned()).collect();
    // Capabilities are given to root only; the group still tells the proxy's connections from the application's.
    let root = !add.is_empty();
    SecurityContext {
        allow_privilege_escalation: Some(false),
        privileged: Some(false),
        read_only_root_filesystem: Some(true),
        run_as_user: Some(if root { 0 } else { USER }),
        run_as_group: Some(USER),
        run_as_non_root: Some(!root),
        capabilities: Some(Capabilities { add: root.then_some(add), drop: Some(vec!["ALL".to_owned()]) }),
        ..SecurityContext::default()
    }
}
