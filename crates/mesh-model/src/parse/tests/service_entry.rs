use super::{all_refused, all_remarked};
use crate::{
    config::{Resolution, WorkloadAddress},
    parse::tests::unwrap,
};

const KIND: &str = "ServiceEntry";

#[test]
fn bad_entries() {
    all_refused(
        KIND,
        &[
            ("{}", "spec.hosts", "no host"),
            ("{hosts: ['*']}", "spec.hosts[0]", "every host there is"),
            (
                "{hosts: [a.b], resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 1.1.1.1}]}",
                "spec.endpoints",
                "both listed and selected",
            ),
            ("{hosts: [a.b], addresses: [x]}", "spec.addresses[0]", "no address"),
            ("{hosts: [a.b], resolution: DNS, addresses: [10.0.0.0/8]}", "spec.addresses[0]", "is a network"),
            (
                "{hosts: [a.b], ports: [{number: 80, name: a, protocol: HTTP}, {number: 81, name: a, protocol: HTTP}]}",
                "spec.ports[1].name",
                "two ports `a`",
            ),
            (
                "{hosts: [a.b], ports: [{number: 80, name: a, protocol: HTTP}, {number: 80, name: b, protocol: HTTP}]}",
                "spec.ports[1].number",
                "twice",
            ),
            ("{hosts: [a.b], ports: [{number: 0, name: a}]}", "spec.ports[0].number", "not a port"),
            ("{hosts: [a.b], ports: [{number: 80, name: A_}]}", "spec.ports[0].name", "name of a port"),
            ("{hosts: [a.b], ports: [{number: 80, name: a, protocol: X}]}", "spec.ports[0].protocol", "no protocol"),
            (
                "{hosts: [a.b], ports: [{number: 80, name: a, targetPort: 70000}]}",
                "spec.ports[0].targetPort",
                "not a port",
            ),
            ("{hosts: [a.b], endpoints: [{address: 1.1.1.1}]}", "spec.endpoints", "never to endpoints"),
            (
                "{hosts: [a.b], resolution: STATIC, endpoints: [{address: a.b}]}",
                "spec.endpoints[0].address",
                "no IP address",
            ),
            ("{hosts: [a.b], resolution: STATIC, endpoints: [{}]}", "spec.endpoints[0].address", "no address"),
            (
                "{hosts: [a.b], resolution: STATIC, endpoints: [{address: 'unix:///a/'}]}",
                "spec.endpoints[0].address",
                "path of a socket",
            ),
            (
                "{hosts: [a.b], resolution: STATIC, ports: [{number: 80, name: a, protocol: HTTP}, {number: 81, name: b, protocol: HTTP}], endpoints: [{address: 'unix:///a'}]}",
                "spec.endpoints[0].address",
                "exactly one port",
            ),
            (
                "{hosts: [a.b], resolution: STATIC, ports: [{number: 80, name: a, protocol: HTTP}], endpoints: [{address: 1.1.1.1, ports: {b: 8}}]}",
                "spec.endpoints[0].ports[b]",
                "has no port `b`",
            ),
            ("{hosts: ['*.b'], resolution: DNS}", "spec.hosts[0]", "many names"),
            (
                "{hosts: [a.b], resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.b}, {address: c.d}]}",
                "spec.endpoints",
                "at most one endpoint",
            ),
            (
                "{hosts: [a.b, c.d], resolution: DNS, ports: [{number: 80, name: a, protocol: TCP}]}",
                "spec.ports[0].protocol",
                "tells the hosts apart",
            ),
            ("{hosts: [a.b], exportTo: ['~', x]}", "spec.exportTo", "no room"),
        ],
    );
    all_remarked(
        KIND,
        &[
            ("{hosts: [a.b], ports: [{number: 80, name: a, protocol: TCP}]}", "spec.ports[0]", "every host"),
            ("{hosts: ['*a.b']}", "spec.hosts[0]", "as many"),
            ("{hosts: [a.b], workloadSelector: {labels: {a: b}}}", "spec.workloadSelector", "STATIC only"),
        ],
    );
}

#[test]
fn bad_dynamic_entries() {
    all_refused(
        KIND,
        &[
            ("{hosts: [a.b], resolution: DYNAMIC_DNS}", "spec.hosts[0]", "one name"),
            (
                "{hosts: ['*.b'], resolution: DYNAMIC_DNS, endpoints: [{address: 1.1.1.1}]}",
                "spec.endpoints",
                "names its host",
            ),
            ("{hosts: ['*.b'], resolution: DYNAMIC_DNS, location: MESH_INTERNAL}", "spec.location", "in the mesh"),
            ("{hosts: ['*.b'], resolution: DYNAMIC_DNS, addresses: [1.1.1.1]}", "spec.addresses", "names its host"),
            (
                "{hosts: ['*.b'], resolution: DYNAMIC_DNS, workloadSelector: {labels: {a: b}}}",
                "spec.workloadSelector",
                "names its host",
            ),
            (
                "{hosts: ['*.b'], resolution: DYNAMIC_DNS, ports: [{number: 80, name: a, protocol: TCP}]}",
                "spec.ports[0].protocol",
                "no host",
            ),
            (
                "{hosts: ['*.b'], resolution: DYNAMIC_DNS, ports: [{number: 80, name: a, protocol: HTTP, targetPort: 81}]}",
                "spec.ports[0].targetPort",
                "that the caller dialled",
            ),
        ],
    );
}

#[test]
fn what_it_means() {
    let entry = unwrap!(
        ServiceEntry,
        "{hosts: [db.example.com, short], exportTo: ['~'], resolution: STATIC, addresses: [10.1.1.1, 10.2.0.0/16], ports: [{number: 443, name: tls, protocol: TLS, targetPort: 8443}], endpoints: [{address: 1.1.1.1, ports: {tls: 9443}, locality: a/b, weight: 3, labels: {a: b}}]}"
    );
    assert_eq!(entry.hosts[1].as_str(), "short.shop.svc.cluster.local");
    assert_eq!(entry.resolution, Resolution::Static);
    assert_eq!(entry.addresses[0].to_string(), "10.1.1.1/32");
    let endpoint = &entry.endpoints[0];
    assert_eq!(endpoint.address, Some(WorkloadAddress::Ip([1, 1, 1, 1].into())));
    assert_eq!((endpoint.ports["tls"].get(), endpoint.weight.unwrap().get()), (9443, 3));
    assert_eq!(endpoint.locality.to_string(), "a/b");
}
