//! The rules as a value: which, where, in which order.
//!
//! Order decides everything here; each generator below is one chain (or one purpose), read from top to bottom as a packet
//! meets it. The chains and their order are those of Istio's `istio-iptables`.

mod dns;
mod mangle;
mod nat;

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    rule::{Match, Rule, Table, is, not},
    settings::{Groups, Mode, Ranges, Settings},
};

/// The address that the proxy calls its own pod from, so that those calls are not captured again.
const PASSTHROUGH: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same in IPv6. The loopback device must have it.
pub const PASSTHROUGH6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);

/// An address family; each has packet rules of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Family {
    V4,
    V6,
}

/// TPROXY: packets with this mark are delivered locally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routing {
    /// The mark.
    pub mark: u32,
    /// The routing table that holds the local route.
    pub table: u32,
}

/// Everything that is to be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The IPv4 rules, in order.
    pub v4: Vec<Rule>,
    /// The IPv6 rules; none where the pod has no IPv6.
    pub v6: Option<Vec<Rule>>,
    /// Routing of marked packets.
    pub routing: Option<Routing>,
}

impl Plan {
    /// The families that have rules.
    pub fn families(&self) -> impl Iterator<Item = (Family, &[Rule])> {
        std::iter::once((Family::V4, self.v4.as_slice())).chain(self.v6.as_deref().map(|rules| (Family::V6, rules)))
    }
}

/// Makes the plan. Total: every settings value has one.
pub fn plan(settings: &Settings) -> Plan {
    let rules = |family| {
        let view = View { settings, family };
        // Tables are written in the order of `Table`, chains within them as they come.
        let mut rules = dns::raw(&view);
        rules.extend(mangle::rules(&view));
        rules.extend(nat::rules(&view));
        rules
    };
    Plan {
        v4: rules(Family::V4),
        v6: settings.ipv6.then(|| rules(Family::V6)),
        routing: (settings.mode == Mode::Tproxy)
            .then_some(Routing { mark: settings.mark, table: settings.route_table }),
    }
}

/// The rules of a family without any other, as text for `iptables-restore`.
pub fn render(rules: &[Rule]) -> String {
    let mut text = String::new();
    for table in Table::ALL {
        let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.table == table).collect();
        if rules.is_empty() {
            continue;
        }
        text += &format!("*{}\n", table.name());
        for chain in chains(&rules) {
            text += &format!(":{chain} - [0:0]\n");
        }
        for rule in &rules {
            text += &written(rule, &rules);
            text.push('\n');
        }
        text += "COMMIT\n";
    }
    text
}

/// The chains of ours that rules of a table stand in or jump to, in order of appearance.
pub(crate) fn chains(rules: &[&Rule]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    let mentioned = rules.iter().flat_map(|rule| [Some(rule.chain), rule.jump()]).flatten();
    for chain in mentioned.filter(|chain| !chain.built_in()) {
        if !names.contains(&chain.name()) {
            names.push(chain.name());
        }
    }
    names
}

/// The line that adds a rule. Rules that stand first in a shared chain are inserted by position, in their order.
pub(crate) fn written(rule: &Rule, all: &[&Rule]) -> String {
    if !rule.first {
        return rule.to_string();
    }
    let firsts = all.iter().filter(|other| other.first && other.chain == rule.chain);
    let position = firsts.take_while(|other| !std::ptr::eq(**other, rule)).count() + 1;
    format!("-I {} {position} {}", rule.chain.name(), rule.specification())
}

/// Settings, seen from one address family.
struct View<'a> {
    settings: &'a Settings,
    family: Family,
}

impl View<'_> {
    fn v4(&self) -> bool {
        self.family == Family::V4
    }

    /// What counts as the pod talking to itself.
    fn loopback(&self) -> IpNet {
        if self.v4() { self.settings.loopback.into() } else { self.settings.loopback6.into() }
    }

    /// Where the proxy's calls to its own pod come from.
    fn passthrough(&self) -> IpNet {
        if self.v4() { Ipv4Net::from(PASSTHROUGH).into() } else { Ipv6Net::from(PASSTHROUGH6).into() }
    }

    /// The ranges of this family.
    fn mine<'r>(&self, ranges: &'r [IpNet]) -> impl Iterator<Item = IpNet> + use<'r> {
        let v4 = self.v4();
        ranges.iter().copied().filter(move |net| net.addr().is_ipv4() == v4)
    }

    /// The captured ranges of this family; none means that everything is.
    fn outbound(&self) -> Option<Vec<IpNet>> {
        match &self.settings.outbound {
            Ranges::All => None,
            Ranges::Some(ranges) => Some(self.mine(ranges).collect()),
        }
    }

    /// Matches on the proxy's own sockets: each user, then each group.
    fn proxies(&self) -> Vec<Match> {
        let users = self.settings.users.iter().map(|user| Match::User(is(user.clone())));
        users.chain(self.settings.groups.iter().map(|group| Match::Group(is(group.clone())))).collect()
    }

    /// Conjunctions that single out sockets whose group is not to be captured.
    fn foreign_groups(&self) -> Vec<Vec<Match>> {
        match &self.settings.owners {
            Groups::AllBut(groups) => groups.iter().map(|group| vec![Match::Group(is(group.clone()))]).collect(),
            Groups::Only(groups) if groups.is_empty() => Vec::new(),
            Groups::Only(groups) => vec![groups.iter().map(|group| Match::Group(not(group.clone()))).collect()],
        }
    }
}

#[cfg(test)]
mod tests;
