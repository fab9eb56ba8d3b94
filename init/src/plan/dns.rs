//! Capture of DNS questions: they go to the agent, which asks the servers itself.

use std::net::IpAddr;

use ipnet::IpNet;

use super::View;
use crate::{
    rule::{
        Chain::{self, Output, OutputDns, Prerouting},
        Match, Rule, Table,
        Target::{self, Jump, Return, Zone},
        Transport, is,
    },
    settings::Dns,
};

/// Where the agent answers.
const AGENT: u16 = 15053;

/// Which destinations are captured: one rule each.
fn servers(view: &View<'_>) -> Vec<Option<IpNet>> {
    match &view.settings.dns {
        Dns::Off => Vec::new(),
        Dns::All => vec![None],
        Dns::Servers(servers) => {
            let mine = |server: &&IpAddr| server.is_ipv4() == view.v4();
            servers.iter().filter(mine).map(|server| Some(IpNet::from(*server))).collect()
        }
    }
}

fn to(port: u16) -> Match {
    Match::To(is(port.to_string()))
}

fn from(port: u16) -> Match {
    Match::From(is(port.to_string()))
}

/// Nat: questions to the servers, but the proxy's own.
pub(super) fn nat(view: &View<'_>) -> Vec<Rule> {
    let rule = |target, transport| Rule::new(Table::Nat, OutputDns, target).transport(transport).when(to(53));
    let redirect = |transport| {
        servers(view).into_iter().map(move |server| {
            let rule = rule(Target::Redirect(AGENT), transport);
            server.map_or_else(|| rule.clone(), |net| rule.clone().destination(is(net)))
        })
    };
    // TCP of the proxy has left the chain before; UDP, which no other rule looks at, leaves here.
    let mut rules: Vec<Rule> = redirect(Transport::Tcp).collect();
    rules.extend(view.proxies().into_iter().map(|proxy| rule(Return, Transport::Udp).when(proxy)));
    for groups in view.foreign_groups() {
        rules.push(groups.into_iter().fold(rule(Return, Transport::Udp), Rule::when));
    }
    rules.extend(redirect(Transport::Udp));
    rules
}

/// Raw: an application's question and the agent's question on its behalf may have the same addresses and ports. They are
/// tracked in zones of their own, or the answer to one would be taken for the answer to the other.
pub(super) fn raw(view: &View<'_>) -> Vec<Rule> {
    if view.settings.dns == Dns::Off {
        return Vec::new();
    }
    let rule = |chain, zone| Rule::new(Table::Raw, chain, Zone(zone)).udp();
    let mut rules = vec![Rule::new(Table::Raw, Output, Jump(OutputDns))];
    for proxy in view.proxies() {
        rules.push(rule(OutputDns, 1).when(to(53)).when(proxy.clone()));
        rules.push(rule(OutputDns, 2).when(from(AGENT)).when(proxy));
    }
    let servers = servers(view);
    if !servers.is_empty() {
        rules.push(Rule::new(Table::Raw, Prerouting, Jump(Chain::Inbound)));
    }
    for server in servers {
        let (ask, answer) = (rule(OutputDns, 2).when(to(53)), rule(Chain::Inbound, 1).when(from(53)));
        let (ask, answer) = match server {
            None => (ask, answer),
            Some(net) => (ask.destination(is(net)), answer.source(is(net))),
        };
        rules.extend([ask, answer]);
    }
    rules
}
