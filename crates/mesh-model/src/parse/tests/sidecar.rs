use super::{all_refused, all_remarked};
use crate::{
    config::{DefaultEndpoint, EgressNamespace, OutboundPolicyMode},
    parse::tests::unwrap,
};

const KIND: &str = "Sidecar";

#[test]
fn bad_sidecars() {
    all_refused(
        KIND,
        &[
            ("{}", "spec", "says nothing"),
            (
                "{workloadSelector: {labels: {a: '*'}}, egress: [{hosts: [./a.b]}]}",
                "spec.workloadSelector.labels[a]",
                "wildcards",
            ),
            ("{ingress: [{}]}", "spec.ingress[0].port", "no port"),
            ("{ingress: [{port: {number: 80}}, {port: {number: 80}}]}", "spec.ingress[1].port", "twice"),
            ("{ingress: [{port: {number: 80, targetPort: 8}}]}", "spec.ingress[0].port.targetPort", "no target ports"),
            ("{ingress: [{port: {number: 80, protocol: X}}]}", "spec.ingress[0].port.protocol", "no protocol"),
            ("{ingress: [{port: {number: 80}, bind: x}]}", "spec.ingress[0].bind", "no address"),
            (
                "{ingress: [{port: {number: 80}, defaultEndpoint: '10.0.0.1:80'}]}",
                "spec.ingress[0].defaultEndpoint",
                "listens",
            ),
            (
                "{ingress: [{port: {number: 80}, defaultEndpoint: '127.0.0.1:0'}]}",
                "spec.ingress[0].defaultEndpoint",
                "listens",
            ),
            (
                "{ingress: [{port: {number: 80}, defaultEndpoint: '127.0.0.1'}]}",
                "spec.ingress[0].defaultEndpoint",
                "listens",
            ),
            (
                "{ingress: [{port: {number: 80}, tls: {mode: SIMPLE, credentialName: c}}]}",
                "spec.ingress[0].tls",
                "does not end TLS",
            ),
            ("{ingress: [{port: {number: 80}, bind: 127.0.0.1}]}", "spec.ingress[0].bind", "nothing is redirected"),
            (
                "{ingress: [{port: {number: 80}, bind: 0.0.0.0, captureMode: NONE}]}",
                "spec.ingress[0].defaultEndpoint",
                "the proxy takes 0.0.0.0",
            ),
            ("{egress: [{}]}", "spec.egress[0].hosts", "reaches no host"),
            ("{egress: [{hosts: [a.b]}]}", "spec.egress[0].hosts[0]", "names no namespace"),
            ("{egress: [{hosts: [./*]}, {port: {number: 80}, hosts: [./*]}]}", "spec.egress[0]", "without a port"),
            (
                "{egress: [{port: {number: 80}, hosts: [./*]}, {port: {number: 80}, hosts: [./*]}]}",
                "spec.egress[1].port",
                "twice",
            ),
            (
                "{egress: [{port: {number: 0}, bind: 'unix:///a', captureMode: IPTABLES, hosts: [./*]}]}",
                "spec.egress[0].captureMode",
                "nothing is redirected",
            ),
            ("{egress: [{port: {number: 0}, hosts: [./*]}]}", "spec.egress[0].port.number", "not a port"),
            (
                "{outboundTrafficPolicy: {egressProxy: {host: a.b, port: {number: 80}}}}",
                "spec.outboundTrafficPolicy.egressProxy",
                "none gets to a proxy",
            ),
            (
                "{outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.b}}}",
                "spec.outboundTrafficPolicy.egressProxy.port",
                "no port",
            ),
        ],
    );
    all_remarked(
        KIND,
        &[
            ("{egress: [{hosts: [./a.b, shop/a.b]}]}", "spec.egress[0].hosts[1]", "already"),
            ("{egress: [{hosts: ['*/*', ./a.b]}]}", "spec.egress[0].hosts", "every host"),
            ("{workloadSelector: {}, egress: [{hosts: ['*/*']}]}", "spec.workloadSelector.labels", "every workload"),
            (
                "{ingress: [{port: {number: 80, protocol: TCP}, connectionPool: {http: {maxRetries: 1}}}]}",
                "spec.ingress[0].connectionPool.http",
                "no HTTP requests",
            ),
        ],
    );
}

#[test]
fn what_it_means() {
    let sidecar = unwrap!(
        Sidecar,
        "{ingress: [{port: {number: 80, protocol: HTTP}, defaultEndpoint: '127.0.0.1:8080'}, {port: {number: 81}, defaultEndpoint: ':8081'}], egress: [{port: {number: 9080}, hosts: ['./*']}, {hosts: ['istio-system/*', '~/*', '*/a.b']}], outboundTrafficPolicy: {mode: ALLOW_ANY}}"
    );
    assert_eq!(sidecar.ingress[0].default_endpoint, Some(DefaultEndpoint::Loopback("127.0.0.1:8080".parse().unwrap())));
    assert_eq!(sidecar.ingress[1].default_endpoint, Some(DefaultEndpoint::Workload(8081.try_into().unwrap())));
    let namespaces: Vec<_> = sidecar.egress[1].hosts.iter().map(|h| h.namespace.clone()).collect();
    let named = EgressNamespace::Named("istio-system".into());
    assert_eq!(namespaces, [named, EgressNamespace::Nobody, EgressNamespace::Any]);
    assert_eq!(sidecar.outbound.unwrap().mode, OutboundPolicyMode::AllowAny);
}
