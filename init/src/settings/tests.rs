use clap::Parser;

use super::*;
use crate::flags::{Cli, Command};

fn nobody(_: &str) -> Option<u32> {
    None
}

fn named(name: &str) -> Option<u32> {
    (name == "java").then_some(202)
}

fn flags(words: &[&str]) -> Flags {
    let Command::Iptables(flags) =
        Cli::try_parse_from(["lateen-init", "istio-iptables"].iter().chain(words)).unwrap().command;
    *flags
}

fn parse(words: &[&str]) -> Result<Settings, BadFlag> {
    let here = Surroundings { nameservers: &[], ipv6: false, user: nobody, group: named };
    Settings::parse(&flags(words), here)
}

#[test]
fn injected_arguments_are_understood_as_written() {
    let words =
        "-p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x @ -b * -d 15090,15021,15020 --log_output_level=default:info";
    let words: Vec<&str> = words.split(' ').map(|word| if word == "@" { "" } else { word }).collect();
    let settings = parse(&words).unwrap();
    assert_eq!(settings.inbound, Inbound::AllBut(["15090", "15021", "15020"].map(str::to_owned).to_vec()));
    assert_eq!(settings.outbound, Ranges::All);
    assert_eq!(settings.outbound_except, []);
    assert_eq!(settings.groups, ["1337"], "groups are the users' numbers by default");
}

#[test]
fn a_switch_can_be_bare_or_carry_a_value() {
    assert!(flags(&["--redirect-dns"]).redirect_dns);
    assert!(flags(&["--redirect-dns=true"]).redirect_dns);
    assert!(!flags(&["--redirect-dns=false", "-n"]).redirect_dns);
}

#[test]
fn defaults_capture_nothing() {
    let settings = parse(&[]).unwrap();
    assert_eq!((settings.inbound, settings.outbound), (Inbound::Nothing, Ranges::Some(Vec::new())));
    assert_eq!(settings.probe_timeout, Duration::from_secs(5));
}

#[test]
fn groups_have_names_and_ranges_of_addresses_lose_their_host_part() {
    let settings =
        parse(&["--outbound-owner-groups", "java,203", "-i", "10.1.2.3/8,2001:db8::1/32,192.0.2.7"]).unwrap();
    assert_eq!(settings.owners, Groups::Only(vec!["202".to_owned(), "203".to_owned()]));
    let ranges = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"].map(|net| net.parse().unwrap()).to_vec();
    assert_eq!(settings.outbound, Ranges::Some(ranges));
}

#[test]
fn nonsense_is_named() {
    let port = |flag, value: &str| BadFlag::Port { flag, value: value.to_owned() };
    let cases: [(&[&str], BadFlag); 8] = [
        (&["-m", "NONE"], BadFlag::Mode("NONE".to_owned())),
        (&["-b", "80,http"], port("istio-inbound-ports", "http")),
        (&["-b", "80", "-d", "0"], port("istio-local-exclude-ports", "0")),
        (&["-x", "*"], BadFlag::Everything { flag: "istio-service-exclude-cidr" }),
        (&["-i", "10.0.0.0/33"], BadFlag::Range { flag: "istio-service-cidr", value: "10.0.0.0/33".to_owned() }),
        (
            &["-c", "eth0 -j ACCEPT"],
            BadFlag::Device { flag: "istio-exclude-interfaces", value: "eth0 -j ACCEPT".to_owned() },
        ),
        (&["-g", "perl"], BadFlag::Owner { flag: "proxy-gid", value: "perl".to_owned() }),
        (&["--probe-timeout", "5"], BadFlag::Duration("5".to_owned())),
    ];
    for (words, wanted) in cases {
        assert_eq!(parse(words).unwrap_err(), wanted, "{words:?}");
    }
}
