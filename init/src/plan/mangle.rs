//! The mangle table: invalid packets, and connections taken unchanged (TPROXY).

use super::{View, nat};
use crate::{
    rule::{
        Chain::{self, Divert, Output, Prerouting, Tproxy},
        Match, Rule, Table,
        Target::{self, Accept, Jump, RestoreMark, Return, SaveMark, SetMark},
        is, not,
    },
    settings::{Inbound, Mode},
};

fn rule(chain: Chain, target: Target) -> Rule {
    Rule::new(Table::Mangle, chain, target)
}

pub(super) fn rules(view: &View<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    let tproxy = view.settings.mode == Mode::Tproxy;
    if tproxy {
        rules.extend(nat::excluded_devices(view, Table::Mangle));
    }
    if view.settings.drop_invalid {
        rules.push(rule(Prerouting, Jump(Chain::Drop)).when(Match::State("INVALID")));
        rules.push(rule(Chain::Drop, Target::Drop));
    }
    if tproxy && view.settings.inbound != Inbound::Nothing {
        rules.extend(divert(view));
        rules.extend(inbound(view));
        rules.extend(marks(view));
    }
    rules
}

/// The two ways to hand a packet over: to the socket that has the connection, or to the proxy's listener.
fn divert(view: &View<'_>) -> Vec<Rule> {
    let mark = view.settings.mark;
    let listener = Target::Tproxy { port: view.settings.inbound_port, mark };
    vec![
        rule(Divert, SetMark(mark)),
        rule(Divert, Accept),
        rule(Tproxy, listener).destination(not(view.loopback())).tcp(),
    ]
}

fn inbound(view: &View<'_>) -> Vec<Rule> {
    let (mark, own) = (view.settings.mark, view.settings.mark + 1);
    let enter = |target| rule(Chain::Inbound, target).tcp();
    let to = |port: &String| Match::To(is(port.clone()));
    let known = || Match::State("RELATED,ESTABLISHED");
    let mut rules = vec![
        rule(Prerouting, Jump(Chain::Inbound)).tcp(),
        // What the proxy sends on to the application, and what the pod says to itself without the proxy.
        enter(Return).when(Match::Mark(is(mark))),
        enter(Return).source(is(view.passthrough())).input("lo"),
        enter(Return).input("lo").when(Match::Mark(not(own))),
    ];
    match &view.settings.inbound {
        Inbound::Nothing => rules.clear(),
        Inbound::AllBut(except) => {
            rules.extend(except.iter().map(|port| enter(Return).when(to(port))));
            rules.push(enter(Jump(Divert)).when(known()));
            rules.push(enter(Jump(Tproxy)));
        }
        Inbound::Only(ports) => {
            for port in ports {
                rules.push(enter(Jump(Divert)).when(to(port)).when(known()));
                rules.push(enter(Jump(Tproxy)).when(to(port)));
            }
        }
    }
    rules
}

/// Marks that travel with a connection, so that its answers find the way back.
fn marks(view: &View<'_>) -> Vec<Rule> {
    let (mark, own) = (view.settings.mark, view.settings.mark + 1);
    let mut rules = vec![
        rule(Prerouting, SaveMark).tcp().when(Match::Mark(is(mark))),
        rule(Output, Return).output("lo").tcp().when(Match::Mark(is(mark))),
    ];
    for proxy in view.proxies() {
        let itself = rule(Output, SetMark(own)).destination(not(view.loopback())).output("lo").tcp();
        rules.push(itself.when(proxy));
    }
    rules.push(rule(Output, RestoreMark).tcp().when(Match::ConnMark(is(mark))));
    rules
}
