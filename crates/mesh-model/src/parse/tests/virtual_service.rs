use super::{all_refused, all_remarked};

const KIND: &str = "VirtualService";

#[test]
fn hosts_and_gateways() {
    all_refused(
        KIND,
        &[
            ("{hosts: [a.b]}", "spec", "no routes"),
            ("{hosts: [a..b], http: [{route: [{destination: {host: x}}]}]}", "spec.hosts[0]", "is not a host name"),
            (
                "{hosts: ['*'], http: [{route: [{destination: {host: x}}]}]}",
                "spec.hosts[0]",
                "every request of the mesh",
            ),
            (
                "{hosts: ['*.a.com', '*.com'], http: [{route: [{destination: {host: x}}]}]}",
                "spec.hosts[1]",
                "`*.com` and `*.a.com` overlap",
            ),
            (
                "{hosts: [a, a.shop.svc.cluster.local], http: [{route: [{destination: {host: x}}]}]}",
                "spec.hosts[1]",
                "overlap",
            ),
            (
                "{hosts: [a.b], gateways: [Bad_Name], http: [{route: [{destination: {host: x}}]}]}",
                "spec.gateways[0]",
                "name of a Gateway",
            ),
            ("{gateways: [g], http: [{route: [{destination: {host: x}}]}]}", "spec.gateways", "delegate"),
            ("{tcp: [{route: [{destination: {host: x}}]}]}", "spec.tcp", "delegate"),
            (
                "{hosts: [a.b], exportTo: ['*', '.'], http: [{route: [{destination: {host: x}}]}]}",
                "spec.exportTo",
                "no room",
            ),
            (
                "{hosts: [a.b], exportTo: [., shop], http: [{route: [{destination: {host: x}}]}]}",
                "spec.exportTo[1]",
                "twice",
            ),
            (
                "{hosts: [a.b], exportTo: ['~'], http: [{route: [{destination: {host: x}}]}]}",
                "spec.exportTo[0]",
                "only a ServiceEntry",
            ),
        ],
    );
    all_remarked(
        KIND,
        &[(
            "{hosts: [a.b], gateways: [g.ns.svc.cluster.local], http: [{route: [{destination: {host: x}}]}]}",
            "spec.gateways[0]",
            "old way",
        )],
    );
}

/// Rules of `spec.http`, wrapped.
fn http(cases: &[(&str, &str, &str)], check: fn(&str, &[super::Case])) {
    for (rule, path, words) in cases {
        let spec: &'static str = Box::leak(format!("{{hosts: [a.b], http: [{rule}]}}").into_boxed_str());
        let path: &'static str = Box::leak(format!("spec.http[0]{path}").into_boxed_str());
        let words: &'static str = Box::leak((*words).to_owned().into_boxed_str());
        check(KIND, &[(spec, path, words)]);
    }
}

#[test]
fn actions() {
    http(
        &[
            ("{}", "", "does nothing"),
            ("{route: [{destination: {host: x}}], redirect: {uri: /}}", "", "both route and redirect"),
            ("{directResponse: {status: 200}, redirect: {uri: /}}", "", "both redirect and directResponse"),
            ("{delegate: {name: d}, route: [{destination: {host: x}}]}", "", "both route and delegate"),
            ("{delegate: {}}", ".delegate.name", "no name"),
            ("{redirect: {uri: /}, rewrite: {uri: /a}}", ".rewrite", "cannot stand together"),
            ("{redirect: {uri: /}, fault: {abort: {httpStatus: 500}}}", ".fault", "cannot stand together"),
            ("{directResponse: {status: 200}, fault: {abort: {httpStatus: 500}}}", ".fault", "cannot stand together"),
            ("{redirect: {}}", ".redirect", "where the request came"),
            ("{redirect: {uri: /, redirectCode: 200}}", ".redirect.redirectCode", "200 does not redirect"),
            ("{redirect: {uri: /, redirectCode: 304}}", ".redirect.redirectCode", "304 does not redirect"),
            ("{redirect: {scheme: ftp}}", ".redirect.scheme", "no scheme"),
            ("{redirect: {port: 70000}}", ".redirect.port", "not a port"),
            ("{redirect: {port: 80, derivePort: FROM_REQUEST_PORT}}", ".redirect", "both port and derivePort"),
            ("{directResponse: {status: 99}}", ".directResponse.status", "not a status"),
            ("{directResponse: {status: 200, body: {bytes: '*'}}}", ".directResponse.body.bytes", "no base64"),
            ("{directResponse: {status: 200, body: {bytes: YQ==, string: a}}}", ".directResponse.body", "both string"),
        ],
        all_refused,
    );
}

#[test]
fn destinations() {
    http(
        &[
            ("{route: [{}]}", ".route[0].destination", "no destination"),
            ("{route: [{destination: {host: '*'}}]}", ".route[0].destination.host", "no destination"),
            ("{route: [{destination: {host: x, subset: V_1}}]}", ".route[0].destination.subset", "name of a subset"),
            ("{route: [{destination: {host: x, port: {}}}]}", ".route[0].destination.port.number", "0 is not a port"),
            ("{route: [{destination: {host: x}, weight: -1}]}", ".route[0].weight", "no share"),
            ("{route: [{destination: {host: x}}, {destination: {host: z}}]}", ".route", "sum to 0"),
            (
                "{route: [{destination: {host: x}, weight: 2147483647}, {destination: {host: z}, weight: 2147483647}, {destination: {host: z}, weight: 2}]}",
                ".route",
                "too much",
            ),
        ],
        all_refused,
    );
}

#[test]
fn matches() {
    let to = "route: [{destination: {host: x}}]";
    let long = "a".repeat(1025);
    let cases: Vec<(String, &str, &str)> = [
        ("{uri: {prefix: ''}}".to_owned(), ".uri.prefix", "empty prefix"),
        ("{uri: {exact: /, prefix: /}}".to_owned(), ".uri", "more than one"),
        ("{uri: {regex: ''}}".to_owned(), ".uri.regex", "is empty"),
        ("{uri: {regex: '('}}".to_owned(), ".uri.regex", "cannot be read"),
        ("{uri: {regex: '(?=a)b'}}".to_owned(), ".uri.regex", "cannot be read"),
        (format!("{{uri: {{regex: {long}}}}}"), ".uri.regex", "1025 characters"),
        ("{headers: {'a b': {exact: c}}}".to_owned(), ".headers[\"a b\"]", "not the name of a header"),
        ("{headers: {a: {exact: c}, A: {exact: c}}}".to_owned(), ".headers[a]", "twice"),
        (
            "{headers: {'@request.auth.claims.a': {exact: c}}}".to_owned(),
            ".headers[\"@request.auth.claims.a\"]",
            "gateways only",
        ),
        ("{queryParams: {a: {prefix: ''}}}".to_owned(), ".queryParams[a].prefix", "empty prefix"),
        ("{port: 70000}".to_owned(), ".port", "not a port"),
        ("{sourceNamespace: A_b}".to_owned(), ".sourceNamespace", "name of a namespace"),
        ("{sourceLabels: {'a b': c}}".to_owned(), ".sourceLabels[\"a b\"]", "key of a label"),
        ("{sourceLabels: {a: 'c d'}}".to_owned(), ".sourceLabels[a]", "value of a label"),
        ("{gateways: [a/B_]}".to_owned(), ".gateways[0]", "name of a Gateway"),
    ]
    .into();
    for (m, path, words) in &cases {
        http(&[(&format!("{{match: [{m}], {to}}}"), &format!(".match[0]{path}"), words)], all_refused);
    }
    http(&[(&format!("{{match: [{{uri: {{}}}}], {to}}}"), ".match[0].uri", "every request")], all_remarked);
}

#[test]
fn settings() {
    let cases: &[(&str, &str, &str)] = &[
        ("timeout: 0s", ".timeout", "too short"),
        ("timeout: 1.0005s", ".timeout", "whole milliseconds"),
        ("retries: {attempts: -1}", ".retries.attempts", "no number"),
        ("retries: {attempts: 0, retryOn: 5xx}", ".retries.attempts", "mean nothing"),
        ("retries: {attempts: 2, retryOn: '5xx,sometimes'}", ".retries.retryOn", "`sometimes` is no reason"),
        ("retries: {attempts: 2, retryOn: '999'}", ".retries.retryOn", "`999` is no reason"),
        ("retries: {attempts: 2, perTryTimeout: 0.1ms}", ".retries.perTryTimeout", "too short"),
        ("rewrite: {}", ".rewrite", "changes nothing"),
        ("rewrite: {uri: /, uriRegexRewrite: {match: a, rewrite: b}}", ".rewrite", "both uri and uriRegexRewrite"),
        ("rewrite: {uriRegexRewrite: {match: a}}", ".rewrite.uriRegexRewrite.rewrite", "is missing"),
        ("rewrite: {uriRegexRewrite: {rewrite: a}}", ".rewrite.uriRegexRewrite.match", "is empty"),
        ("fault: {}", ".fault", "neither delays nor aborts"),
        ("fault: {delay: {percentage: {value: 5}}}", ".fault.delay.fixedDelay", "no length"),
        ("fault: {delay: {exponentialDelay: 1s}}", ".fault.delay.exponentialDelay", "not supported"),
        ("fault: {delay: {fixedDelay: 1s, percent: 101}}", ".fault.delay.percent", "between 0 and 100"),
        ("fault: {abort: {httpStatus: 42}}", ".fault.abort.httpStatus", "not a status"),
        ("fault: {abort: {http2Error: A}}", ".fault.abort.http2Error", "not supported"),
        ("fault: {abort: {grpcStatus: NOPE}}", ".fault.abort.grpcStatus", "no status of gRPC"),
        ("fault: {abort: {grpcStatus: OK, httpStatus: 500}}", ".fault.abort", "both httpStatus"),
        (
            "fault: {abort: {httpStatus: 500, percentage: {value: 0.00001}}}",
            ".fault.abort.percentage.value",
            "too small",
        ),
        ("mirror: {host: m}, mirrors: [{destination: {host: k}}]", ".mirrors", "both mirror and mirrors"),
        ("mirrors: [{}]", ".mirrors[0].destination", "no destination"),
        ("mirror: {host: m}, mirrorPercentage: {value: 101}", ".mirrorPercentage.value", "between 0 and 100"),
        ("mirror: {host: m}, mirrorPercent: 101", ".mirrorPercent", "between 0 and 100"),
        ("corsPolicy: {allowOrigins: [{}]}", ".corsPolicy.allowOrigins[0]", "origin is empty"),
        ("corsPolicy: {allowMethods: [get]}", ".corsPolicy.allowMethods[0]", "no method"),
        ("corsPolicy: {allowHeaders: ['a b']}", ".corsPolicy.allowHeaders[0]", "not the name of a header"),
        ("corsPolicy: {maxAge: 1.5s}", ".corsPolicy.maxAge", "whole seconds"),
        ("headers: {request: {set: {':path': /}}}", ".headers.request.set[\":path\"]", "pseudo header"),
        ("headers: {response: {set: {host: a}}}", ".headers.response.set[host]", "cannot be changed here"),
        ("headers: {request: {remove: [host]}}", ".headers.request.remove[0]", "cannot be changed here"),
        ("headers: {request: {add: {a: 'x%y'}}}", ".headers.request.add[a]", "opens a command"),
        ("headers: {request: {set: {host: a}}}, rewrite: {authority: b}", ".headers", "more than once"),
    ];
    for (setting, path, words) in cases {
        http(&[(&format!("{{route: [{{destination: {{host: x}}}}], {setting}}}"), path, words)], all_refused);
    }
    let remarks: &[(&str, &str, &str)] = &[
        ("mirror: {host: m}, mirrorPercent: 5", ".mirrorPercent", "old form"),
        ("fault: {delay: {fixedDelay: 1s}}", ".fault.delay", "no request"),
        ("fault: {abort: {percentage: {value: 5}}}", ".fault.abort", "no status"),
        ("corsPolicy: {allowOrigin: [a]}", ".corsPolicy.allowOrigin[0]", "old form"),
    ];
    for (setting, path, words) in remarks {
        http(&[(&format!("{{route: [{{destination: {{host: x}}}}], {setting}}}"), path, words)], all_remarked);
    }
}

#[test]
fn connections() {
    all_refused(
        KIND,
        &[
            ("{hosts: [a.b], tls: [{route: [{destination: {host: x}}]}]}", "spec.tls[0].match", "needs a match"),
            (
                "{hosts: [a.b], tls: [{match: [{}], route: [{destination: {host: x}}]}]}",
                "spec.tls[0].match[0].sniHosts",
                "needs a server name",
            ),
            (
                "{hosts: [a.b], tls: [{match: [{sniHosts: [c.d]}], route: [{destination: {host: x}}]}]}",
                "spec.tls[0].match[0].sniHosts[0]",
                "not among the hosts",
            ),
            (
                "{hosts: ['*.b'], tls: [{match: [{sniHosts: ['*']}], route: [{destination: {host: x}}]}]}",
                "spec.tls[0].match[0].sniHosts[0]",
                "not among the hosts",
            ),
            ("{hosts: [a.b], tls: [{match: [{sniHosts: [a.b]}]}]}", "spec.tls[0].route", "leads nowhere"),
            ("{hosts: [a.b], tcp: [{}]}", "spec.tcp[0].route", "leads nowhere"),
            (
                "{hosts: [a.b], tcp: [{match: [{destinationSubnets: [10.0.0.0/40]}], route: [{destination: {host: x}}]}]}",
                "spec.tcp[0].match[0].destinationSubnets[0]",
                "no network",
            ),
            (
                "{hosts: [a.b], tcp: [{route: [{destination: {host: x}}, {destination: {host: z}}]}]}",
                "spec.tcp[0].route",
                "sum to 0",
            ),
        ],
    );
    all_remarked(
        KIND,
        &[(
            "{hosts: [10.0.0.1], tls: [{match: [{sniHosts: [10.0.0.1]}], route: [{destination: {host: x}}]}]}",
            "spec.tls[0].match[0].sniHosts[0]",
            "does not carry addresses",
        )],
    );
}

#[test]
fn rules_that_no_request_reaches() {
    all_remarked(
        KIND,
        &[
            (
                "{hosts: [a.b], http: [{route: [{destination: {host: x}}]}, {match: [{uri: {exact: /}}], route: [{destination: {host: z}}]}]}",
                "spec.http[1]",
                "rule 0 takes every request",
            ),
            (
                "{hosts: [a.b], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: x}}]}, {match: [{uri: {prefix: /ab}}], route: [{destination: {host: z}}]}]}",
                "spec.http[1].match[0]",
                "rule 0 takes these requests",
            ),
            (
                "{hosts: [a.b], http: [{match: [{method: {exact: GET}}, {method: {exact: GET}, name: k}], route: [{destination: {host: x}}]}]}",
                "spec.http[0].match[1]",
                "rule 0 takes these requests",
            ),
        ],
    );
    let quiet = "{hosts: [a.b], http: [{match: [{sourceLabels: {a: b}}], route: [{destination: {host: x}}]}, {match: [{port: 80}], route: [{destination: {host: x}}]}, {route: [{destination: {host: z}}]}]}";
    assert_eq!(super::good(KIND, quiet).warnings, []);
}

#[test]
fn delegates() {
    all_refused(KIND, &[("{http: [{delegate: {name: d}}]}", "spec.http[0].delegate", "cannot delegate further")]);
    let delegate = super::unwrap!(VirtualService, "{http: [{route: [{destination: {host: x}}]}]}");
    assert!(delegate.is_delegate());
}
