use std::time::Duration;

use super::{all_refused, all_remarked};
use crate::{
    config::{Concurrency, ProbeAction},
    parse::tests::unwrap,
};

#[test]
fn entries() {
    all_refused(
        "WorkloadEntry",
        &[
            ("{}", "spec.address", "no address"),
            ("{address: 'a b'}", "spec.address", "is not a host name"),
            ("{address: '*.a'}", "spec.address", "name of many"),
            ("{address: 'unix://a'}", "spec.address", "path of a socket"),
            ("{address: 'unix:///a', ports: {http: 80}}", "spec.ports", "no ports"),
            ("{address: 1.1.1.1, ports: {http: 0}}", "spec.ports[http]", "not a port"),
            ("{address: 1.1.1.1, ports: {H_: 80}}", "spec.ports[H_]", "name of a port"),
            ("{address: 1.1.1.1, labels: {a: 'b c'}}", "spec.labels[a]", "value of a label"),
        ],
    );
    all_remarked("WorkloadEntry", &[("{network: net}", "spec.address", "network `net` only")]);
}

#[test]
fn groups() {
    all_refused(
        "WorkloadGroup",
        &[
            ("{}", "spec.template", "no template"),
            ("{metadata: {labels: {a: 'b c'}}, template: {}}", "spec.metadata.labels[a]", "value of a label"),
            ("{template: {}, probe: {}}", "spec.probe", "exactly one thing"),
            ("{template: {}, probe: {periodSeconds: -1, exec: {command: [a]}}}", "spec.probe.periodSeconds", "below 0"),
            ("{template: {}, probe: {exec: {}}}", "spec.probe.exec.command", "no command"),
            ("{template: {}, probe: {httpGet: {}}}", "spec.probe.httpGet.port", "not a port"),
            ("{template: {}, probe: {httpGet: {port: 80, scheme: ftp}}}", "spec.probe.httpGet.scheme", "no scheme"),
            ("{template: {}, probe: {httpGet: {port: 80}, tcpSocket: {port: 80}}}", "spec.probe", "exactly one thing"),
        ],
    );
    let group = unwrap!(
        WorkloadGroup,
        "{template: {serviceAccount: a}, probe: {initialDelaySeconds: 5, tcpSocket: {port: 80}}}"
    );
    let probe = group.probe.unwrap();
    assert_eq!((probe.initial_delay, probe.period), (Duration::from_secs(5), Duration::from_secs(10)));
    assert_eq!(probe.action, ProbeAction::Tcp { port: 80.try_into().unwrap(), host: None });
}

#[test]
fn proxy_configs() {
    all_refused("ProxyConfig", &[("{concurrency: -1}", "spec.concurrency", "no number of threads")]);
    assert_eq!(unwrap!(ProxyConfig, "{}").concurrency, Concurrency::OfLimit);
    assert_eq!(unwrap!(ProxyConfig, "{concurrency: 0}").concurrency, Concurrency::AllCores);
    assert_eq!(unwrap!(ProxyConfig, "{image: {imageType: debug}}").image_type.as_deref(), Some("debug"));
}
