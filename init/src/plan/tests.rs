use std::net::IpAddr;

use clap::Parser;
use proptest::prelude::*;

use super::*;
use crate::{
    apply,
    flags::{Cli, Command},
    settings::Surroundings,
    state::State,
};

fn settings(words: &str, ipv6: bool) -> Settings {
    let servers: [IpAddr; 2] = ["10.96.0.10".parse().unwrap(), "fd00::a".parse().unwrap()];
    let words = words.split_whitespace().map(|word| if word == "@" { "" } else { word });
    let Command::Iptables(flags) =
        Cli::try_parse_from(["lateen-init", "istio-iptables"].into_iter().chain(words)).unwrap().command;
    let here = Surroundings { nameservers: &servers, ipv6, user: |_| None, group: |_| None };
    Settings::parse(&flags, here).unwrap()
}

const INJECTED: &str = "-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x @ -b * -d 15090,15021,15020";

#[test]
fn injected_arguments_give_the_documented_chains() {
    assert_eq!(apply::print(&plan(&settings(INJECTED, false))), include_str!("golden/injected.rules"));
}

#[test]
fn ipv6_has_the_same_rules_with_its_own_addresses() {
    let plan = plan(&settings(&format!("{INJECTED} -x 10.1.0.0/16,fd01::/64"), true));
    assert_eq!(apply::print(&plan), include_str!("golden/ipv6.rules"));
}

#[test]
fn tproxy_takes_connections_unchanged() {
    let words = INJECTED.replace("REDIRECT", "TPROXY") + " -c net1 --drop-invalid";
    assert_eq!(apply::print(&plan(&settings(&words, false))), include_str!("golden/tproxy.rules"));
}

#[test]
fn dns_goes_to_the_agent_in_zones_of_its_own() {
    let words = format!("{INJECTED} --redirect-dns -g 7");
    assert_eq!(apply::print(&plan(&settings(&words, false))), include_str!("golden/dns.rules"));
}

#[test]
fn everything_else_has_its_place() {
    let words = "-i 10.0.0.0/8,127.1.2.3/32 -q 443 -o 25,9000:9010 -k vm0,vm1 -b 80,81 -d 82 --redirect-dns --capture-all-dns \
                 --outbound-owner-groups 202,203 --outbound-owner-groups-exclude 9";
    assert_eq!(apply::print(&plan(&settings(words, false))), include_str!("golden/everything.rules"));
}

fn list(item: &'static str) -> impl Strategy<Value = String> {
    proptest::collection::vec(item, 0..3).prop_map(|items| items.join(","))
}

prop_compose! {
    fn any_words()(
        mode in "REDIRECT|TPROXY",
        users in list("[1-9][0-9]{0,3}"),
        groups in list("[1-9][0-9]{0,3}"),
        inbound in prop_oneof![Just("*".to_owned()), list("[1-9][0-9]{0,3}")],
        except in list("[1-9][0-9]{0,3}"),
        outbound in prop_oneof![Just("*".to_owned()), list("1[0-9]\\.0\\.[1-9]\\.0/24|fd0[0-9]::/64|0\\.0\\.0\\.0/0|127\\.0\\.0\\.9/32")],
        apart in list("1[0-9]\\.0\\.0\\.0/16|fd1[0-9]::/64"),
        ports in list("[1-9][0-9]{0,3}"),
        devices in list("eth[0-9]|net[+]"),
        owners in prop_oneof![Just("*".to_owned()), list("[1-9][0-9]{0,3}")],
        dns in proptest::option::of("--redirect-dns|--redirect-dns --capture-all-dns"),
        invalid in proptest::option::of(Just("--drop-invalid")),
    ) -> String {
        let or_empty = |text: &str| if text.is_empty() { "@".to_owned() } else { text.to_owned() };
        let values = [
            ("-m", &mode), ("-u", &users), ("-g", &groups), ("-b", &inbound), ("-d", &except), ("-i", &outbound), ("-x", &apart),
            ("-q", &ports), ("-o", &except), ("-c", &devices), ("-k", &devices), ("--outbound-owner-groups", &owners),
            ("--outbound-owner-groups-exclude", &groups),
        ];
        let words: Vec<String> = values.iter().map(|(flag, value)| format!("{flag} {}", or_empty(value))).collect();
        format!("{} {} {}", words.join(" "), dns.unwrap_or_default(), invalid.unwrap_or_default())
    }
}

/// Writes a plan into an imagined kernel: what `iptables-restore` does with lines that only add.
fn stands(rules: &[Rule]) -> String {
    let mut saved = String::new();
    for table in Table::ALL {
        let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.table == table).collect();
        saved += &format!("*{}\n", table.name());
        for chain in chains(&rules) {
            saved += &format!(":{chain} - [0:0]\n");
        }
        let (first, rest): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| rule.first);
        for rule in first.into_iter().chain(rest) {
            saved += &format!("{rule}\n");
        }
    }
    saved
}

proptest! {
    #[test]
    fn any_flags_give_rules_that_can_be_written_and_found_again(words in any_words()) {
        let plan = plan(&settings(&words, true));
        for (_, rules) in plan.families() {
            let text = render(rules);
            let mut known: Vec<&str> = Vec::new();
            for line in text.lines() {
                if line.starts_with('*') {
                    known.clear();
                } else if let Some(chain) = line.strip_prefix(':') {
                    known.push(chain.split(' ').next().unwrap());
                } else if let Some(target) = line.split("-j ").nth(1).filter(|_| line != "COMMIT") {
                    let target = target.split(' ').next().unwrap();
                    prop_assert!(!target.starts_with("ISTIO_") || known.contains(&target), "no chain {target}: {text}");
                }
            }
            prop_assert!(State::parse(&stands(rules)).holds(rules), "{text}");
        }
    }

    #[test]
    fn the_proxy_is_never_captured_by_its_own_rules(words in any_words()) {
        let settings = settings(&format!("{words} --redirect-dns=false"), false);
        prop_assume!(!settings.users.is_empty());
        let plan = plan(&settings);
        let output: Vec<String> = plan.v4.iter().map(Rule::to_string).filter(|line| line.starts_with("-A ISTIO_OUTPUT ")).collect();
        let capture = output.iter().position(|line| line.ends_with("-j ISTIO_REDIRECT")).unwrap_or(output.len());
        for user in &settings.users {
            let out = output.iter().position(|line| *line == format!("-A ISTIO_OUTPUT -m owner --uid-owner {user} -j RETURN"));
            prop_assert!(out.is_some_and(|out| out < capture), "{output:#?}");
        }
    }
}
