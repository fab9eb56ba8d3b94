//! A foreign judge: stock Envoy reads everything that is made here, if `LATEEN_ENVOY` names its program.

use std::process::Command;

use mesh_proto::envoy::envoy::config::{
    bootstrap::v3::{
        Bootstrap,
        bootstrap::{DynamicResources, StaticResources},
    },
    core::v3::{
        ApiConfigSource, GrpcService, Http2ProtocolOptions, Node,
        api_config_source::ApiType,
        grpc_service::{EnvoyGrpc, TargetSpecifier},
    },
};
use prost::Message as _;

use super::fixture::Mesh;
use crate::{
    pb::{
        self,
        cluster::{Cluster, cluster},
        core::ApiVersion,
        hcm::{HttpConnectionManager, http_connection_manager::RouteSpecifier},
        listener::{Filter, FilterChain, Listener, filter::ConfigType},
        route::RouteConfiguration,
    },
    wire::{any, duration, socket},
};

/// Uses every field that is translated.
pub(super) const EVERYTHING: &str = "
kind: VirtualService
metadata: {name: r}
spec:
  hosts: [reviews, extra.example.com]
  http:
  - match:
    - {uri: {prefix: /a}, headers: {x: {regex: 'v[0-9]+'}, h: {}}, withoutHeaders: {z: {exact: q}, w: {}}, queryParams: {k: {prefix: v}, l: {}}}
    - {uri: {regex: '/c.*'}, method: {exact: GET}, scheme: {exact: http}, authority: {prefix: a}, statPrefix: some}
    name: first
    rewrite: {uri: /b}
    timeout: 3s
    retries: {attempts: 3, perTryTimeout: 1s, retryOn: 'gateway-error,503'}
    fault: {delay: {percentage: {value: 0.1}, fixedDelay: 2s}, abort: {percentage: {value: 50}, grpcStatus: UNAVAILABLE}}
    mirrors: [{destination: {host: details}, percentage: {value: 12.5}}]
    corsPolicy: {allowOrigins: [{exact: 'http://a'}, {regex: '.*b'}], allowMethods: [GET, POST], allowHeaders: [x], exposeHeaders: [x-y], maxAge: 24h, allowCredentials: true, unmatchedPreflights: IGNORE}
    headers: {request: {set: {a: b, host: forced}, add: {c: d}, remove: [e]}, response: {set: {a: b}, add: {c: d}, remove: [e]}}
    route:
    - {destination: {host: reviews, subset: v1}, weight: 80, headers: {request: {set: {q: r}}, response: {remove: [s]}}}
    - {destination: {host: reviews, subset: v2}, weight: 20}
  - match: [{uri: {prefix: /red}}]
    redirect: {uri: /x, authority: other.example.com, port: 81, scheme: https, redirectCode: 308}
  - match: [{uri: {exact: /dir}}]
    directResponse: {status: 503, body: {string: sorry}}
  - match: [{uri: {prefix: /re}}]
    rewrite: {uriRegexRewrite: {match: '/re/(.*)', rewrite: '/\\1'}}
    route: [{destination: {host: reviews}}]
  - route: [{destination: {host: hashed}}]
---
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s}, localityLbSetting: {failover: [{from: a, to: b}]}}
    connectionPool:
      tcp: {maxConnections: 5, connectTimeout: 1s, tcpKeepalive: {probes: 3, time: 10s, interval: 5s}, maxConnectionDuration: 60s, idleTimeout: 30s}
      http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRequestsPerConnection: 3, maxRetries: 4, idleTimeout: 5s, h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 6}
    outlierDetection: {consecutive5xxErrors: 3, consecutiveGatewayErrors: 2, interval: 1s, baseEjectionTime: 2s, maxEjectionPercent: 50, minHealthPercent: 20, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 4}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 1009}, useSourceIp: true}}}}
  - {name: v3, labels: {version: v3}, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}
  - {name: v4, labels: {version: v4}, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST, warmup: {duration: 30s}}, tls: {mode: SIMPLE}}}
  - {name: v5, labels: {version: v5}, trafficPolicy: {tls: {mode: SIMPLE, sni: a.b, insecureSkipVerify: true}}}
  - {name: v6, labels: {version: v6}, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
---
kind: Service
metadata: {name: hashed}
spec: {clusterIP: 10.96.8.1, selector: {app: reviews}, ports: [{name: grpc, port: 9080}, {name: grpc-web, port: 9081}, {name: mysql, port: 3306}]}
---
kind: DestinationRule
metadata: {name: hashed}
spec: {host: hashed, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, path: /, ttl: 10s}, minimumRingSize: 64}}}}
---
kind: Service
metadata: {name: heads}
spec: {clusterIP: None, selector: {app: reviews}, ports: [{name: tcp, port: 7000}, {name: http, port: 9080}, {name: found, port: 7001}]}
---
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [a.example.com, b.example.com], ports: [{number: 443, name: tls, protocol: TLS}, {number: 80, name: http, protocol: HTTP, targetPort: 8080}], resolution: DNS}
---
kind: ServiceEntry
metadata: {name: b}
spec: {hosts: [c.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS_ROUND_ROBIN}
---
kind: ServiceEntry
metadata: {name: c}
spec: {hosts: ['*.wild.example.com'], ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}], resolution: NONE}
---
kind: ServiceEntry
metadata: {name: d}
spec: {hosts: [range.example.com], addresses: [10.60.0.0/16], ports: [{number: 5000, name: tcp, protocol: TCP, targetPort: 5001}], resolution: NONE}
---
kind: ServiceEntry
metadata: {name: e}
spec: {hosts: [sock.example.com], addresses: [10.61.0.1], ports: [{number: 5000, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 'unix:///tmp/s'}]}
---
kind: ServiceEntry
metadata: {name: f}
spec: {hosts: ['*.example.org'], ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: grpc, protocol: GRPC}, {number: 443, name: tls, protocol: TLS}], resolution: DYNAMIC_DNS}
---
kind: VirtualService
metadata: {name: m, namespace: data}
spec:
  hosts: [mongo]
  tcp:
  - {match: [{destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: plain}, weight: 1}, {destination: {host: mongo}, weight: 2}]}
---
kind: MeshConfig
mesh: {accessLogFile: /dev/stdout, accessLogEncoding: ENCODING, outboundTrafficPolicy: {mode: MODE}, tcpKeepalive: {time: 30s}}
";

/// Uses every field of Gateways that is translated.
pub(super) const GATEWAYS: &str = "
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.com, '*.example.org'], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: simple, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_3, cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]}}
  - {port: {number: 443, name: mutual, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: MUTUAL, credentialName: c, subjectAltNames: [x], verifyCertificateHash: [AB]}}
  - {port: {number: 443, name: optional, protocol: TLS}, hosts: [c.example.com], tls: {mode: OPTIONAL_MUTUAL, credentialName: c, verifyCertificateSpki: ['SPKI']}}
  - {port: {number: 443, name: istio, protocol: HTTPS}, hosts: [d.example.com], tls: {mode: ISTIO_MUTUAL}}
  - {port: {number: 443, name: pass, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}
  - {port: {number: 15443, name: auto, protocol: TLS}, hosts: ['*.default.svc.cluster.local'], tls: {mode: AUTO_PASSTHROUGH}}
  - {port: {number: 31400, name: tcp, protocol: TCP}, hosts: ['*']}
  - {port: {number: 31401, name: bound, protocol: HTTP}, bind: 127.0.0.1, hosts: ['*']}
---
kind: VirtualService
metadata: {name: r}
spec:
  hosts: ['*']
  gateways: [gw]
  http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: reviews}}]}]
  tls: [{match: [{sniHosts: [e.example.com]}], route: [{destination: {host: reviews}}]}, {match: [{sniHosts: ['*.wild.example.com'], destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: details}}]}]
  tcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: details}}]}, {route: [{destination: {host: reviews}, weight: 1}, {destination: {host: ratings}, weight: 2}]}]
---
kind: ServiceEntry
metadata: {name: out}
spec: {hosts: [out.example.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS}
---
kind: DestinationRule
metadata: {name: out}
spec: {host: out.example.com, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client, sni: out.example.com}}, subsets: [{name: simple, trafficPolicy: {tls: {mode: SIMPLE, credentialName: ca}}}]}
---
kind: MeshConfig
mesh: {accessLogFile: /dev/stdout, defaultConfig: {gatewayTopology: {numTrustedProxies: 1, forwardClientCertDetails: APPEND_FORWARD}}}
";

/// Bookinfo with a gateway that has everything.
pub(super) fn with_gateways() -> Mesh {
    let hashes =
        GATEWAYS.replace("[AB]", &format!("['{}']", "ab".repeat(32))).replace("SPKI", &format!("{}=", "A".repeat(43)));
    Mesh::bookinfo(&format!("{}\n---\n{hashes}", include_str!("rules/gateway_pods.yaml")))
}

fn cluster_named(name: &str) -> Cluster {
    let http = pb::upstream_http::HttpProtocolOptions {
        upstream_protocol_options: Some(
            pb::upstream_http::http_protocol_options::UpstreamProtocolOptions::ExplicitHttpConfig(
                pb::upstream_http::http_protocol_options::ExplicitHttpConfig {
                    protocol_config: Some(
                        pb::upstream_http::http_protocol_options::explicit_http_config::ProtocolConfig::Http2ProtocolOptions(
                            Http2ProtocolOptions::default(),
                        ),
                    ),
                },
            ),
        ),
        ..Default::default()
    };
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(cluster::DiscoveryType::Static as i32)),
        connect_timeout: Some(duration(std::time::Duration::from_secs(1))),
        typed_extension_protocol_options: [(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            any(&http),
        )]
        .into(),
        ..Default::default()
    }
}

/// A table inside a listener of its own, for Envoy reads tables of static configuration only there.
fn listener_with(index: usize, routes: RouteConfiguration, manager: &HttpConnectionManager) -> Listener {
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        stat_prefix: format!("table{index}"),
        ..manager.clone()
    };
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&manager))),
    };
    Listener {
        name: format!("table{index}"),
        address: Some(socket("127.0.0.1", 20_000 + u16::try_from(index).unwrap())),
        filter_chains: vec![FilterChain { filters: vec![filter], ..Default::default() }],
        ..Default::default()
    }
}

fn managers(listeners: &[Listener]) -> Vec<HttpConnectionManager> {
    let filters = listeners.iter().flat_map(|l| &l.filter_chains).flat_map(|c| &c.filters);
    filters
        .filter_map(|f| match &f.config_type {
            Some(ConfigType::TypedConfig(any)) => mesh_proto::unpack(any).ok(),
            _ => None,
        })
        .collect()
}

fn bootstrap(mesh: &Mesh, pod: &str) -> Bootstrap {
    let view = mesh.view(pod);
    let decode = |b: crate::Built| Listener::decode(&b.value[..]).unwrap();
    let mut listeners: Vec<Listener> = crate::listeners(&view, &mesh.push).into_iter().map(decode).collect();
    let managers = managers(&listeners);
    let tables: Vec<String> = managers
        .iter()
        .filter_map(|m| match &m.route_specifier {
            Some(RouteSpecifier::Rds(rds)) => Some(rds.route_config_name.clone()),
            _ => None,
        })
        .collect();
    for (index, table) in crate::routes(&view, &mesh.push, &tables).into_iter().enumerate() {
        let routes = RouteConfiguration::decode(&table.value[..]).unwrap();
        listeners.push(listener_with(index, routes, &managers[0]));
    }
    let clusters = crate::clusters(&view, &mesh.push).into_iter().map(|b| Cluster::decode(&b.value[..]).unwrap());
    let grpc = GrpcService {
        target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
            cluster_name: "xds".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    };
    Bootstrap {
        node: Some(Node { id: "n".to_owned(), cluster: "c".to_owned(), ..Default::default() }),
        static_resources: Some(StaticResources {
            listeners,
            clusters: clusters.chain([cluster_named("xds")]).collect(),
            ..Default::default()
        }),
        dynamic_resources: Some(DynamicResources {
            ads_config: Some(ApiConfigSource {
                api_type: ApiType::Grpc as i32,
                transport_api_version: ApiVersion::V3 as i32,
                grpc_services: vec![grpc],
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn stock_envoy_accepts_everything() {
    let Some(program) = std::env::var_os("LATEEN_ENVOY") else {
        println!("not run: LATEEN_ENVOY names no Envoy");
        return;
    };
    let everything = |encoding, mode| Mesh::bookinfo(&EVERYTHING.replace("ENCODING", encoding).replace("MODE", mode));
    let cases = [
        (everything("TEXT", "ALLOW_ANY"), "default/ratings-v1"),
        (everything("JSON", "REGISTRY_ONLY"), "default/reviews-v1"),
        (with_gateways(), "istio-system/ingress"),
    ];
    for (mesh, pod) in cases {
        let name = format!("lateen-translate-{}-{}.pb", std::process::id(), pod.replace('/', "-"));
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, bootstrap(&mesh, pod).encode_to_vec()).unwrap();
        let output =
            Command::new(&program).args(["--mode", "validate", "-l", "warning", "-c"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        println!("{said}");
        std::fs::remove_file(&file).unwrap();
    }
}
