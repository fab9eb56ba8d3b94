//! The nat table: where connections are led to.

use super::{View, dns};
use crate::{
    rule::{
        Chain::{self, InRedirect, Output, OutputDns, OutputOfPod, Prerouting, Redirect},
        Match, Rule, Table,
        Target::{self, Jump, Return},
        Transport, is, not,
    },
    settings::{Dns, Inbound, Mode},
};

fn rule(chain: Chain, target: Target) -> Rule {
    Rule::new(Table::Nat, chain, target)
}

pub(super) fn rules(view: &View<'_>) -> Vec<Rule> {
    let mut rules = machines(view);
    rules.extend(excluded_devices(view, Table::Nat));
    let tunnel = Match::To(is(view.settings.tunnel_port.to_string()));
    rules.push(rule(Chain::Inbound, Return).tcp().when(tunnel));
    rules.push(rule(Redirect, Target::Redirect(view.settings.outbound_port)).tcp());
    rules.push(rule(InRedirect, Target::Redirect(view.settings.inbound_port)).tcp());
    if view.settings.mode == Mode::Redirect {
        rules.extend(inbound(view));
    }
    rules.push(rule(Output, Jump(OutputOfPod)));
    rules.extend(own_traffic(view));
    rules.extend(captured(view));
    if view.settings.dns != Dns::Off {
        rules.extend(dns::nat(view));
    }
    rules
}

/// Devices whose packets are nobody's business, in both directions.
pub(super) fn excluded_devices(view: &View<'_>, table: Table) -> Vec<Rule> {
    let both = |device: &String| {
        [Rule::new(table, Prerouting, Return).input(device), Rule::new(table, Output, Return).output(device)]
    };
    view.settings.devices_except.iter().flat_map(both).collect()
}

/// What a virtual machine in the pod sends comes in by a device of its own, and counts as outgoing.
fn machines(view: &View<'_>) -> Vec<Rule> {
    let devices = &view.settings.machine_devices;
    let redirect = |device: &str| rule(Prerouting, Jump(Redirect)).input(device).first();
    let mut rules: Vec<Rule> = match view.outbound() {
        None => devices.iter().map(|device| redirect(device)).collect(),
        Some(nets) => {
            let each = |net| devices.iter().map(move |device| redirect(device).destination(is(net)));
            nets.into_iter().flat_map(each).collect()
        }
    };
    rules.extend(devices.iter().map(|device| rule(Prerouting, Return).input(device).first()));
    rules
}

/// What comes into the pod.
fn inbound(view: &View<'_>) -> Vec<Rule> {
    let port = |port: &String, target| rule(Chain::Inbound, target).tcp().when(Match::To(is(port.clone())));
    let mut rules = vec![rule(Prerouting, Jump(Chain::Inbound)).tcp()];
    match &view.settings.inbound {
        Inbound::Nothing => rules.clear(),
        Inbound::AllBut(except) => {
            rules.extend(except.iter().map(|p| port(p, Return)));
            rules.push(rule(Chain::Inbound, Jump(InRedirect)).tcp());
        }
        Inbound::Only(ports) => rules.extend(ports.iter().map(|p| port(p, Jump(InRedirect)))),
    }
    rules
}

/// What leaves the chain before capture: the proxy's own connections, and the application's to itself.
fn own_traffic(view: &View<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for port in &view.settings.outbound_ports_except {
        for transport in [Transport::Tcp, Transport::Udp] {
            let to = Match::To(is(port.clone()));
            rules.push(rule(OutputOfPod, Return).transport(transport).when(to));
        }
    }
    rules.push(rule(OutputOfPod, Return).source(is(view.passthrough())).output("lo"));
    for proxy in view.proxies() {
        rules.extend(to_itself(view, &proxy));
        rules.push(rule(OutputOfPod, Return).when(proxy));
    }
    for groups in view.foreign_groups() {
        rules.push(groups.into_iter().fold(rule(OutputOfPod, Return), Rule::when));
    }
    if view.settings.dns != Dns::Off {
        rules.push(rule(OutputOfPod, Jump(OutputDns)));
    }
    rules.push(rule(OutputOfPod, Return).destination(is(view.loopback())));
    rules
}

/// The pod talking to itself: by a service's address through the proxy (which must come in again), or directly.
fn to_itself(view: &View<'_>, proxy: &Match) -> Vec<Rule> {
    let dns = view.settings.dns != Dns::Off;
    let tunnel = view.settings.tunnel_port;
    let (ports, other) = match proxy {
        // The agent asks DNS servers itself; such a question must not come in through the proxy.
        Match::User(user) if dns => (Match::ToAny(not(format!("53,{tunnel}"))), Match::User(negated(user))),
        Match::User(user) => (Match::To(not(tunnel.to_string())), Match::User(negated(user))),
        Match::Group(group) => (Match::To(not(tunnel.to_string())), Match::Group(negated(group))),
        _ => return Vec::new(),
    };
    let own = rule(OutputOfPod, Jump(InRedirect)).destination(not(view.loopback())).output("lo").tcp();
    let mut rules = vec![own.when(ports).when(proxy.clone())];
    if !view.settings.captures_loopback() {
        let direct = rule(OutputOfPod, Return).output("lo");
        let direct = if dns { direct.tcp().when(Match::To(not("53".to_owned()))) } else { direct };
        rules.push(direct.when(other));
    }
    rules
}

fn negated(owner: &crate::rule::Is<String>) -> crate::rule::Is<String> {
    not(owner.value().clone())
}

/// What is captured of the rest.
fn captured(view: &View<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> =
        view.mine(&view.settings.outbound_except).map(|net| rule(OutputOfPod, Return).destination(is(net))).collect();
    for port in &view.settings.outbound_ports {
        rules.push(rule(OutputOfPod, Jump(Redirect)).tcp().when(Match::To(is(port.clone()))));
    }
    match view.outbound() {
        None => rules.push(rule(OutputOfPod, Jump(Redirect))),
        Some(nets) => {
            rules.extend(nets.into_iter().map(|net| rule(OutputOfPod, Jump(Redirect)).destination(is(net))));
        }
    }
    rules
}
