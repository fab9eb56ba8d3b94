use std::{collections::BTreeMap, env, process::Command};

use clap::Parser;
use serde_json::json;

use super::render;
use crate::agent::{
    Settings,
    commands::{Cli, Task},
    node::node,
};

fn settings(ip: &str) -> Settings {
    let Task::Proxy(options) = Cli::parse_from(["p", "proxy", "sidecar"]).task else { panic!("another task") };
    let environment = BTreeMap::from([("INSTANCE_IP".to_owned(), ip.to_owned())]);
    Settings::new(&options, &environment).unwrap()
}

#[test]
fn names_and_ports_are_istios() {
    let bootstrap = render(&settings("10.0.0.7"), &json!({}));
    let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
    let names: Vec<_> = clusters.iter().map(|cluster| cluster["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["prometheus_stats", "agent", "sds-grpc", "xds-grpc"]);
    let listeners = bootstrap["static_resources"]["listeners"].as_array().unwrap();
    let ports: Vec<_> = listeners.iter().map(|l| &l["address"]["socket_address"]["port_value"]).collect();
    assert_eq!(ports, [15090, 15021]);
    assert_eq!(bootstrap["admin"]["address"]["socket_address"]["address"], "127.0.0.1");
}

/// Envoy itself judges, where `LATEEN_ENVOY` names its program.
#[test]
fn envoy_takes_it() {
    let Ok(envoy) = env::var("LATEEN_ENVOY") else {
        eprintln!("not run: LATEEN_ENVOY names no program");
        return;
    };
    for ip in ["10.0.0.7", "fd00::7"] {
        let settings = settings(ip);
        let bootstrap = render(&settings, &node(&settings)).to_string();
        let out = Command::new(&envoy).args(["--mode", "validate", "--config-yaml", &bootstrap]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}
