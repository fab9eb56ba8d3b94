use super::{all_refused, all_remarked};
use crate::{config::ServerHostScope, parse::tests::unwrap};

const KIND: &str = "Gateway";

fn servers(cases: &[super::Case], check: fn(&str, &[super::Case])) {
    for (server, path, words) in cases {
        let spec: &'static str = Box::leak(format!("{{servers: [{server}]}}").into_boxed_str());
        let path: &'static str = Box::leak(format!("spec.servers[0]{path}").into_boxed_str());
        check(KIND, &[(spec, path, words)]);
    }
}

#[test]
fn bad_servers() {
    all_refused(
        KIND,
        &[
            ("{}", "spec.servers", "no servers"),
            (
                "{servers: [{port: {number: 80, protocol: HTTP, name: a}, hosts: ['*']}, {port: {number: 81, protocol: HTTP, name: a}, hosts: ['*']}]}",
                "spec.servers[1].port.name",
                "two ports `a`",
            ),
        ],
    );
    servers(
        &[
            ("{hosts: ['*']}", ".port", "no port"),
            ("{port: {number: 80, protocol: HTTP, name: a}}", ".hosts", "no hosts"),
            ("{port: {number: 80, protocol: HTTP}, hosts: ['*']}", ".port.name", "no name"),
            ("{port: {number: 0, protocol: HTTP, name: a}, hosts: ['*']}", ".port.number", "not a port"),
            ("{port: {number: 80, protocol: FTP, name: a}, hosts: ['*']}", ".port.protocol", "no protocol"),
            (
                "{port: {number: 80, protocol: HTTP, name: a, targetPort: 8}, hosts: ['*']}",
                ".port.targetPort",
                "no target",
            ),
            ("{port: {number: 80, protocol: HTTP, name: a}, hosts: ['*'], bind: here}", ".bind", "no address"),
            (
                "{port: {number: 80, protocol: HTTP, name: a}, hosts: ['*'], bind: 'unix:///a'}",
                ".bind",
                "no port number",
            ),
            ("{port: {number: 80, protocol: HTTP, name: a}, hosts: [A_/b.c]}", ".hosts[0]", "name of a namespace"),
        ],
        all_refused,
    );
}

#[test]
fn bad_tls() {
    servers(
        &[
            ("{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*']}", ".tls", "needs TLS settings"),
            (
                "{port: {number: 80, protocol: HTTP, name: a}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c}}",
                ".tls",
                "plaintext",
            ),
            (
                "{port: {number: 80, protocol: TCP, name: a}, hosts: ['*'], tls: {httpsRedirect: true}}",
                ".tls",
                "plaintext",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: SIMPLE}}",
                ".tls.serverCertificate",
                "needs serverCertificate",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: MUTUAL, serverCertificate: a, privateKey: b}}",
                ".tls.caCertificates",
                "needs caCertificates",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: ISTIO_MUTUAL, privateKey: b}}",
                ".tls.privateKey",
                "its own certificates",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, caCrl: b}}",
                ".tls.caCrl",
                "revoked",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {credentialName: c, mode: SIMPLE, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}}",
                ".tls.maxProtocolVersion",
                "below",
            ),
        ],
        all_refused,
    );
    servers(
        &[
            (
                "{port: {number: 443, protocol: TLS, name: a}, hosts: ['*'], tls: {mode: PASSTHROUGH, httpsRedirect: true}}",
                ".tls.httpsRedirect",
                "nothing to redirect",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, cipherSuites: [AES128-SHA, NO-SUCH]}}",
                ".tls.cipherSuites[1]",
                "no cipher suite",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: ISTIO_MUTUAL}}",
                ".tls.mode",
                "no mutual TLS between workloads",
            ),
            (
                "{port: {number: 443, protocol: TLS, name: a}, hosts: ['*'], tls: {mode: PASSTHROUGH, privateKey: b}}",
                ".tls.privateKey",
                "not used",
            ),
        ],
        all_remarked,
    );
}

#[test]
fn hashes_and_names_that_are_none() {
    servers(
        &[
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: MUTUAL, credentialName: c, verifyCertificateHash: [abc]}}",
                ".tls.verifyCertificateHash[0]",
                "no SHA-256",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: MUTUAL, credentialName: c, verifyCertificateSpki: [abc]}}",
                ".tls.verifyCertificateSpki[0]",
                "no SHA-256",
            ),
            (
                "{port: {number: 443, protocol: HTTPS, name: a}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: 'a//b'}}",
                ".tls.credentialName",
                "no name of a Secret",
            ),
        ],
        all_refused,
    );
}

#[test]
fn what_it_means() {
    let spec = "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, protocol: http, name: a}, hosts: [./a.b, ns/c.d, e.f], tls: {httpsRedirect: true}}]}";
    let gateway = unwrap!(Gateway, spec);
    let scopes: Vec<_> = gateway.servers[0].hosts.iter().map(|h| h.scope.clone()).collect();
    let named = |name: &str| ServerHostScope::Namespace(name.into());
    assert_eq!(scopes, [named("shop"), named("ns"), ServerHostScope::Any]);
    assert!(gateway.servers[0].tls.as_ref().unwrap().https_redirect);
    assert!(super::good(KIND, spec).without_effect.is_empty());
}
