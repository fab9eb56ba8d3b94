use super::{all_refused, all_remarked};

const KIND: &str = "DestinationRule";

#[test]
fn rules() {
    all_refused(
        KIND,
        &[
            ("{}", "spec.host", "is empty"),
            ("{host: a.b, subsets: [{name: v1}, {name: v1}]}", "spec.subsets[1].name", "two subsets `v1`"),
            ("{host: a.b, subsets: [{name: ''}]}", "spec.subsets[0].name", "name of a subset"),
            ("{host: a.b, subsets: [{name: v1, trafficPolicy: {}}]}", "spec.subsets[0].trafficPolicy", "empty"),
            ("{host: a.b, subsets: [{name: v1, labels: {a: 'b c'}}]}", "spec.subsets[0].labels[a]", "value of a label"),
            ("{host: a.b, trafficPolicy: {}}", "spec.trafficPolicy", "empty"),
            (
                "{host: a.b, workloadSelector: {matchLabels: {a: '*'}}}",
                "spec.workloadSelector.matchLabels[a]",
                "wildcards",
            ),
            (
                "{host: a.b, workloadSelector: {matchLabels: {a: b}}, exportTo: ['*']}",
                "spec.exportTo[0]",
                "own namespace only",
            ),
        ],
    );
    all_remarked(KIND, &[("{host: a.b, workloadSelector: {}}", "spec.workloadSelector.matchLabels", "every workload")]);
    super::good(KIND, "{host: a.b, workloadSelector: {matchLabels: {a: b}}, exportTo: [.]}");
    super::good(KIND, "{host: a.b, workloadSelector: {matchLabels: {a: b}}, exportTo: [shop]}");
}

fn policies(cases: &[super::Case], check: fn(&str, &[super::Case])) {
    for (policy, path, words) in cases {
        let spec: &'static str = Box::leak(format!("{{host: a.b, trafficPolicy: {policy}}}").into_boxed_str());
        let path: &'static str = Box::leak(format!("spec.trafficPolicy{path}").into_boxed_str());
        check(KIND, &[(spec, path, words)]);
    }
}

#[test]
fn blocks() {
    policies(
        &[
            (
                "{tunnel: {targetHost: a.b, targetPort: 80}, proxyProtocol: {version: V1}}",
                "",
                "tunnel and proxyProtocol cannot stand together",
            ),
            ("{tunnel: {protocol: PUT, targetHost: a.b, targetPort: 80}}", ".tunnel.protocol", "opens no tunnel"),
            ("{tunnel: {targetHost: a.b}}", ".tunnel.targetPort", "not a port"),
            ("{tunnel: {targetHost: '*.b', targetPort: 80}}", ".tunnel.targetHost", "leads to one host"),
            ("{connectionPool: {}}", ".connectionPool", "empty"),
            ("{connectionPool: {tcp: {maxConnections: -1}}}", ".connectionPool.tcp.maxConnections", "no limit"),
            ("{connectionPool: {tcp: {connectTimeout: 0.1ms}}}", ".connectionPool.tcp.connectTimeout", "too short"),
            ("{connectionPool: {http: {maxRetries: -2}}}", ".connectionPool.http.maxRetries", "no limit"),
            (
                "{connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}",
                ".connectionPool.http.useClientProtocol",
                "kept and upgraded",
            ),
            ("{outlierDetection: {maxEjectionPercent: 101}}", ".outlierDetection.maxEjectionPercent", "no share"),
            ("{outlierDetection: {minHealthPercent: -1}}", ".outlierDetection.minHealthPercent", "no share"),
            (
                "{outlierDetection: {consecutiveLocalOriginFailures: 1}}",
                ".outlierDetection.consecutiveLocalOriginFailures",
                "not counted apart",
            ),
            ("{portLevelSettings: [{}]}", ".portLevelSettings[0].port", "no port"),
            ("{portLevelSettings: [{port: {number: 80}}]}", ".portLevelSettings[0]", "empty"),
            (
                "{portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}, {port: {number: 80}, tls: {mode: DISABLE}}]}",
                ".portLevelSettings[1].port",
                "has a policy already",
            ),
        ],
        all_refused,
    );
    policies(
        &[("{outlierDetection: {consecutiveErrors: 3}}", ".outlierDetection.consecutiveErrors", "old form")],
        all_remarked,
    );
}

#[test]
fn load_balancers() {
    policies(
        &[
            ("{loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}", ".loadBalancer", "both simple"),
            ("{loadBalancer: {consistentHash: {}}}", ".loadBalancer.consistentHash", "nothing is hashed"),
            (
                "{loadBalancer: {consistentHash: {useSourceIp: true, httpHeaderName: a}}}",
                ".loadBalancer.consistentHash",
                "more than one thing",
            ),
            (
                "{loadBalancer: {consistentHash: {httpCookie: {ttl: 0s}}}}",
                ".loadBalancer.consistentHash.httpCookie.name",
                "no name",
            ),
            (
                "{loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}}",
                ".loadBalancer.consistentHash.maglev.tableSize",
                "100 cannot be the size",
            ),
            (
                "{loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 5000011}}}}",
                ".loadBalancer.consistentHash.maglev.tableSize",
                "cannot be the size",
            ),
            (
                "{loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 5, ringHash: {}}}}",
                ".loadBalancer.consistentHash",
                "more than one of ringHash",
            ),
        ],
        all_refused,
    );
}

#[test]
fn warm_up_and_localities() {
    policies(
        &[
            ("{loadBalancer: {warmup: {}}}", ".loadBalancer.warmup.duration", "no length"),
            (
                "{loadBalancer: {warmup: {duration: 1s, aggression: 0.5}}}",
                ".loadBalancer.warmup.aggression",
                "no aggression",
            ),
            (
                "{loadBalancer: {warmup: {duration: 1s, minimumPercent: 101}}}",
                ".loadBalancer.warmup.minimumPercent",
                "between 0 and 100",
            ),
            (
                "{loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 99}}]}}}",
                ".loadBalancer.localityLbSetting.distribute[0].to",
                "sum to 99",
            ),
            (
                "{loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}, {from: a/z, to: {b: 100}}]}}}",
                ".loadBalancer.localityLbSetting.distribute",
                "`a/z` lies in `a`",
            ),
            (
                "{loadBalancer: {localityLbSetting: {distribute: [{from: 'a*', to: {b: 100}}]}}}",
                ".loadBalancer.localityLbSetting.distribute",
                "before its end",
            ),
            (
                "{loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}]}}, outlierDetection: {interval: 1s}}",
                ".loadBalancer.localityLbSetting.failover[0]",
                "for itself",
            ),
            (
                "{loadBalancer: {localityLbSetting: {failover: [{from: a, to: 'b/c'}]}}, outlierDetection: {interval: 1s}}",
                ".loadBalancer.localityLbSetting.failover[0]",
                "region to region",
            ),
            (
                "{loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}], distribute: [{from: a, to: {b: 100}}]}}}",
                ".loadBalancer.localityLbSetting",
                "cannot stand beside",
            ),
            (
                "{loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}], failoverPriority: [topology.kubernetes.io/region]}}}",
                ".loadBalancer.localityLbSetting.failoverPriority[0]",
                "decide the same",
            ),
        ],
        all_refused,
    );
    policies(
        &[
            ("{loadBalancer: {simple: LEAST_CONN}}", ".loadBalancer.simple", "old name"),
            ("{loadBalancer: {warmupDurationSecs: 1s}}", ".loadBalancer.warmupDurationSecs", "old form"),
            (
                "{loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}}",
                ".loadBalancer.localityLbSetting",
                "nothing fails over",
            ),
            (
                "{loadBalancer: {consistentHash: {useSourceIp: true, minimumRingSize: 5}}}",
                ".loadBalancer.consistentHash.minimumRingSize",
                "old form",
            ),
        ],
        all_remarked,
    );
}

#[test]
fn tls() {
    policies(
        &[
            ("{tls: {mode: MUTUAL, clientCertificate: a}}", ".tls.privateKey", "needs privateKey"),
            ("{tls: {mode: MUTUAL, privateKey: a}}", ".tls.clientCertificate", "needs clientCertificate"),
            ("{tls: {mode: SIMPLE, credentialName: a, caCertificates: b}}", ".tls.caCertificates", "both say where"),
            (
                "{tls: {mode: SIMPLE, insecureSkipVerify: true, caCertificates: b}}",
                ".tls.insecureSkipVerify",
                "looked at",
            ),
            ("{tls: {mode: ISTIO_MUTUAL, clientCertificate: a}}", ".tls.clientCertificate", "its own certificates"),
            ("{tls: {mode: SIMPLE, privateKey: a}}", ".tls.privateKey", "not used"),
        ],
        all_refused,
    );
    policies(&[("{tls: {mode: ISTIO_MUTUAL}}", ".tls.mode", "will fail")], all_remarked);
}
