//! TLS at gateways, and the secrets that go with it.

use prost::Message as _;

use super::fixture::Mesh;
use crate::pb::{
    self,
    core::{
        ConfigSource, TransportSocket, config_source::ConfigSourceSpecifier, data_source::Specifier, transport_socket,
    },
    hcm::HttpConnectionManager,
    listener::{FilterChain, Listener, filter::ConfigType},
    tls::{
        CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext, common_tls_context::ValidationContextType, secret,
        tls_parameters::TlsProtocol,
    },
};

const INGRESS: &str = "istio-system/ingress";

fn mesh(yaml: &str) -> Mesh {
    Mesh::bookinfo(&format!("{}\n---\n{yaml}", include_str!("rules/gateway_pods.yaml")))
}

fn server(number: u16, name: &str, protocol: &str, hosts: &str, tls: &str) -> String {
    format!("{{port: {{number: {number}, name: {name}, protocol: {protocol}}}, hosts: [{hosts}], tls: {{{tls}}}}}")
}

fn gateway(servers: &[String]) -> String {
    format!(
        "kind: Gateway\nmetadata: {{name: gw}}\nspec: {{selector: {{istio: ingressgateway}}, servers: [{}]}}\n---\n\
         kind: VirtualService\nmetadata: {{name: r}}\nspec: {{hosts: ['*'], gateways: [gw], http: [{{route: [{{destination: \
         {{host: reviews}}}}]}}], tcp: [{{route: [{{destination: {{host: details}}}}]}}]}}\n",
        servers.join(", ")
    )
}

fn listener(mesh: &Mesh, name: &str) -> Option<Listener> {
    let built = crate::listeners(&mesh.view(INGRESS), &mesh.push).into_iter().find(|b| b.name == name)?;
    Some(Listener::decode(&built.value[..]).unwrap())
}

fn downstream(chain: &FilterChain) -> DownstreamTlsContext {
    unpack(chain.transport_socket.as_ref().unwrap())
}

fn unpack<M: prost::Name + Default>(socket: &TransportSocket) -> M {
    let Some(transport_socket::ConfigType::TypedConfig(any)) = &socket.config_type else { panic!("{socket:?}") };
    mesh_proto::unpack(any).unwrap()
}

/// Names of the secrets with certificates, each to come by ADS.
fn certificates(common: &CommonTlsContext) -> Vec<&str> {
    let by_ads = |config: &Option<ConfigSource>| {
        let source = config.as_ref().unwrap();
        matches!(source.config_source_specifier, Some(ConfigSourceSpecifier::Ads(_)))
            && source.resource_api_version == pb::core::ApiVersion::V3 as i32
    };
    let configs = &common.tls_certificate_sds_secret_configs;
    configs.iter().inspect(|c| assert!(by_ads(&c.sds_config))).map(|c| c.name.as_str()).collect()
}

/// The secret with roots, and the names that a certificate must have.
fn trusted(common: &CommonTlsContext) -> (&str, usize) {
    let Some(ValidationContextType::CombinedValidationContext(combined)) = &common.validation_context_type else {
        panic!("{common:?}");
    };
    let own = combined.default_validation_context.as_ref().unwrap();
    let named = combined.validation_context_sds_secret_config.as_ref().unwrap();
    (&named.name, own.match_typed_subject_alt_names.len())
}

#[test]
fn each_https_server_has_its_certificate_and_its_table() {
    let mesh = mesh(&gateway(&[
        server(443, "a", "HTTPS", "a.example.com, 'ns/b.example.com'", "mode: SIMPLE, credentialName: cert-a"),
        server(
            443,
            "any",
            "HTTPS",
            "'*'",
            "mode: SIMPLE, serverCertificate: /c, privateKey: /k, minProtocolVersion: TLSV1_3",
        ),
    ]));
    let listener = listener(&mesh, "0.0.0.0_8443").unwrap();
    let [first, second] = &listener.filter_chains[..] else { panic!("{listener:#?}") };
    let names = |chain: &FilterChain| chain.filter_chain_match.clone().unwrap_or_default().server_names;
    assert_eq!(names(first), ["a.example.com", "b.example.com"]);
    assert_eq!(names(second), [""; 0]);
    assert_eq!([&first.name, &second.name], ["https.443.a.gw.default", "https.443.any.gw.default"]);

    let by_secret = downstream(first);
    let common = by_secret.common_tls_context.unwrap();
    assert_eq!(certificates(&common), ["kubernetes://cert-a"]);
    assert_eq!(common.alpn_protocols, ["h2", "http/1.1"]);
    let params = common.tls_params.unwrap();
    assert_eq!(params.tls_minimum_protocol_version, TlsProtocol::TlSv12 as i32);
    assert!(!by_secret.require_client_certificate.unwrap().value && common.validation_context_type.is_none());

    let by_file = downstream(second).common_tls_context.unwrap();
    let certificate = &by_file.tls_certificates[0];
    let path = |source: &Option<pb::core::DataSource>| source.as_ref().unwrap().specifier.clone();
    assert_eq!(path(&certificate.certificate_chain), Some(Specifier::Filename("/c".to_owned())));
    assert_eq!(path(&certificate.private_key), Some(Specifier::Filename("/k".to_owned())));
    assert_eq!(by_file.tls_params.unwrap().tls_minimum_protocol_version, TlsProtocol::TlSv13 as i32);

    let Some(ConfigType::TypedConfig(any)) = &first.filters[0].config_type else { panic!() };
    let manager: HttpConnectionManager = mesh_proto::unpack(any).unwrap();
    assert!(manager.use_remote_address.unwrap().value && manager.server_name == "istio-envoy");
}

#[test]
fn clients_show_certificates_as_the_mode_says() {
    let modes = [("MUTUAL", true), ("OPTIONAL_MUTUAL", false)];
    for (mode, is_required) in modes {
        let tls = format!(
            "mode: {mode}, credentialName: c, subjectAltNames: [spiffe://a], verifyCertificateHash: ['{}'], cipherSuites: \
             [ECDHE-RSA-AES128-GCM-SHA256, NONE]",
            "a".repeat(64)
        );
        let mesh = mesh(&gateway(&[server(443, "a", "TLS", "'*'", &tls)]));
        let listener = listener(&mesh, "0.0.0.0_8443").unwrap();
        let context = downstream(&listener.filter_chains[0]);
        assert_eq!(context.require_client_certificate.unwrap().value, is_required, "{mode}");
        let common = context.common_tls_context.unwrap();
        assert_eq!(trusted(&common), ("kubernetes://c-cacert", 3));
        assert_eq!(common.tls_params.unwrap().cipher_suites, ["ECDHE-RSA-AES128-GCM-SHA256"]);
        // What is inside is bytes, of a protocol that nobody here knows.
        assert!(common.alpn_protocols.is_empty());
    }
}

#[test]
fn tls_of_the_mesh_is_refused_and_the_rest_of_the_port_stands() {
    let mesh = mesh(&gateway(&[
        server(443, "a", "HTTPS", "a.example.com", "mode: ISTIO_MUTUAL"),
        server(443, "b", "HTTPS", "b.example.com", "mode: SIMPLE, credentialName: c"),
    ]));
    let listener = listener(&mesh, "0.0.0.0_8443").unwrap();
    assert_eq!(listener.filter_chains.len(), 2);
    let refused = &listener.filter_chains[0];
    let metadata = &refused.metadata.as_ref().unwrap().filter_metadata["lateen"];
    assert!(metadata.fields.contains_key("refused"));
    assert_eq!(certificates(&downstream(refused).common_tls_context.unwrap()), ["invalid://none"]);
    assert!(crate::secrets(&mesh.view(INGRESS), &mesh.push, &["invalid://none"]).is_empty());
}

#[test]
fn auto_passthrough_leads_where_the_server_name_says() {
    let rule = "kind: DestinationRule\nmetadata: {name: reviews}\nspec: {host: reviews, trafficPolicy: {tls: {mode: SIMPLE}}, subsets: [{name: v1, labels: {version: v1}}]}";
    let tls = "mode: AUTO_PASSTHROUGH";
    let mesh = mesh(&format!(
        "{}\n---\n{rule}",
        gateway(&[server(15443, "tls", "TLS", "'*.default.svc.cluster.local'", tls)])
    ));
    let listener = listener(&mesh, "0.0.0.0_15443").unwrap();
    let name = "outbound_.9080_.v1_.reviews.default.svc.cluster.local";
    let asks = |chain: &&FilterChain| chain.filter_chain_match.as_ref().is_some_and(|m| m.server_names == [name]);
    let chain = listener.filter_chains.iter().find(asks).expect("a chain for the subset");
    assert!(chain.filter_chain_match.as_ref().unwrap().application_protocols.contains(&"istio".to_owned()));
    let all = |chain: &FilterChain| chain.filter_chain_match.as_ref().unwrap().server_names[0].contains(".default.svc");
    assert!(listener.filter_chains.iter().all(all));
    let cluster = mesh.cluster(INGRESS, name).unwrap();
    assert!(cluster.transport_socket.is_none() && cluster.eds_cluster_config.is_some());
    assert!(mesh.cluster("istio-system/egress", name).is_none());
    // Nobody speaks TLS of the mesh here.
    let endpoints = crate::endpoints(&mesh.view(INGRESS), &mesh.push, &[name]);
    let endpoints = pb::endpoint::ClusterLoadAssignment::decode(&endpoints[0].value[..]).unwrap();
    assert!(endpoints.endpoints.is_empty());
}

#[test]
fn secrets_go_to_gateways_of_their_namespace() {
    let mesh = mesh(
        "
kind: Secret
metadata: {name: tls, namespace: istio-system}
type: kubernetes.io/tls
stringData: {tls.crt: chain, tls.key: key, ca.crt: roots, ca.crl: revoked}
---
kind: Secret
metadata: {name: generic, namespace: istio-system}
stringData: {cert: chain, key: key}
---
kind: Secret
metadata: {name: generic-cacert, namespace: istio-system}
stringData: {cacert: roots}
---
kind: Secret
metadata: {name: half, namespace: istio-system}
stringData: {tls.crt: chain}
---
kind: Secret
metadata: {name: far}
stringData: {tls.crt: chain, tls.key: key}
",
    );
    let of = |pod: &str, name: &str| {
        let built = crate::secrets(&mesh.view(pod), &mesh.push, &[name]).pop()?;
        let secret = pb::tls::Secret::decode(&built.value[..]).unwrap();
        assert_eq!((secret.name.as_str(), built.name.as_str()), (name, name));
        let text = |source: Option<pb::core::DataSource>| match source?.specifier? {
            Specifier::InlineBytes(bytes) => String::from_utf8(bytes).ok(),
            _ => None,
        };
        Some(match secret.r#type? {
            secret::Type::TlsCertificate(c) => (text(c.certificate_chain)?, text(c.private_key)),
            secret::Type::ValidationContext(c) => (text(c.trusted_ca)?, text(c.crl)),
            other => panic!("{other:?}"),
        })
    };
    let pair = Some(("chain".to_owned(), Some("key".to_owned())));
    let roots = |revoked: Option<&str>| Some(("roots".to_owned(), revoked.map(str::to_owned)));
    for name in ["kubernetes://tls", "kubernetes://generic", "kubernetes-gateway://istio-system/tls"] {
        assert_eq!(of(INGRESS, name), pair, "{name}");
    }
    assert_eq!(of(INGRESS, "kubernetes://tls-cacert"), roots(Some("revoked")));
    assert_eq!(of(INGRESS, "kubernetes://generic-cacert"), roots(None));
    let nothing = [
        "kubernetes://half",
        "kubernetes://far",
        "kubernetes://default/far",
        "kubernetes-gateway://default/far",
        "kubernetes-gateway://tls",
        "kubernetes://missing",
        "default",
    ];
    for name in nothing {
        assert_eq!(of(INGRESS, name), None, "{name}");
    }
    assert_eq!(of("default/ratings-v1", "kubernetes://far"), None);
}

#[test]
fn origination_takes_its_secrets_at_gateways_and_where_a_rule_selects() {
    let yaml = |selector: &str| {
        format!(
            "kind: ServiceEntry\nmetadata: {{name: out}}\nspec: {{hosts: [out.example.com], ports: [{{number: 443, name: https, \
             protocol: HTTPS}}], resolution: DNS}}\n---\nkind: DestinationRule\nmetadata: {{name: out}}\nspec: {{host: \
             out.example.com, {selector} trafficPolicy: {{tls: {{mode: MUTUAL, credentialName: client, sni: out.example.com, \
             subjectAltNames: [out.example.com]}}}}}}\n---\nkind: Secret\nmetadata: {{name: client}}\nstringData: {{tls.crt: c, \
             tls.key: k}}"
        )
    };
    const CLUSTER: &str = "outbound|443||out.example.com";
    let context = |mesh: &Mesh, pod: &str| {
        let cluster = mesh.cluster(pod, CLUSTER).unwrap();
        cluster.transport_socket.as_ref().map(|socket| unpack::<UpstreamTlsContext>(socket).common_tls_context.unwrap())
    };
    let open = mesh(&yaml(""));
    let at_gateway = context(&open, INGRESS).unwrap();
    assert_eq!(certificates(&at_gateway), ["kubernetes://client"]);
    assert_eq!(trusted(&at_gateway), ("kubernetes://client-cacert", 3));
    assert!(context(&open, "default/ratings-v1").is_none());
    assert!(crate::secrets(&open.view("default/ratings-v1"), &open.push, &["kubernetes://client"]).is_empty());

    let selecting = mesh(&yaml("workloadSelector: {matchLabels: {app: ratings}},"));
    assert!(context(&selecting, "default/ratings-v1").is_some());
    let secrets = |pod: &str| crate::secrets(&selecting.view(pod), &selecting.push, &["kubernetes://client"]).len();
    assert_eq!((secrets("default/ratings-v1"), secrets("default/reviews-v1")), (1, 0));
}

#[test]
fn redirects_to_https_stand_also_where_nobody_answers() {
    let mesh = mesh(
        &gateway(&[
            server(80, "http", "HTTP", "a.example.com", "httpsRedirect: true"),
            server(8080, "plain", "HTTP", "b.example.com", ""),
        ])
        .replace("hosts: ['*']", "hosts: [b.example.com]"),
    );
    let built = crate::routes(&mesh.view(INGRESS), &mesh.push, &["http.8080"]);
    let table = pb::route::RouteConfiguration::decode(&built[0].value[..]).unwrap();
    let hosts: Vec<_> = table.virtual_hosts.iter().map(|h| (h.name.as_str(), h.require_tls, h.routes.len())).collect();
    assert_eq!(hosts, [("a.example.com:80", 2, 0), ("b.example.com:8080", 0, 1)]);
}

#[test]
fn what_stands_before_a_gateway_counts() {
    let mesh = mesh(&format!(
        "{}---\nkind: MeshConfig\nmesh: {{defaultConfig: {{gatewayTopology: {{numTrustedProxies: 2, forwardClientCertDetails: \
         FORWARD_ONLY}}}}}}",
        gateway(&[server(80, "http", "HTTP", "'*'", "")])
    ));
    let listener = listener(&mesh, "0.0.0.0_8080").unwrap();
    let Some(ConfigType::TypedConfig(any)) = &listener.filter_chains[0].filters[0].config_type else { panic!() };
    let manager: HttpConnectionManager = mesh_proto::unpack(any).unwrap();
    assert_eq!(manager.xff_num_trusted_hops, 2);
    assert!(manager.set_current_client_cert_details.is_none());
}
