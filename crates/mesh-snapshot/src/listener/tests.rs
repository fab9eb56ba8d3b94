use mesh_proto::envoy::{envoy::extensions::filters::network::tcp_proxy::v3 as tcp, google::protobuf::UInt32Value};

use super::*;

/// A chain from words: `port=80 to=10.0.0.0/8 sni=*.a.com tls alpn=h2 from=10.0.0.1/32 local`.
fn chain(words: &str) -> pb::FilterChain {
    let cidr = |text: &str| {
        let (ip, length) = text.split_once('/').unwrap();
        core::CidrRange { address_prefix: ip.into(), prefix_len: Some(UInt32Value { value: length.parse().unwrap() }) }
    };
    let mut matching = pb::FilterChainMatch::default();
    for word in words.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("port", port) => matching.destination_port = Some(UInt32Value { value: port.parse().unwrap() }),
            ("to", range) => matching.prefix_ranges.push(cidr(range)),
            ("sni", name) => matching.server_names.push(name.into()),
            ("tls", _) => matching.transport_protocol = "tls".into(),
            ("raw", _) => matching.transport_protocol = "raw_buffer".into(),
            ("alpn", name) => matching.application_protocols.push(name.into()),
            ("direct", range) => matching.direct_source_prefix_ranges.push(cidr(range)),
            ("local", _) => matching.source_type = 1,
            ("external", _) => matching.source_type = 2,
            ("from", range) => matching.source_prefix_ranges.push(cidr(range)),
            ("sport", port) => matching.source_ports.push(port.parse().unwrap()),
            _ => panic!("{word}"),
        }
    }
    let proxy = tcp::TcpProxy {
        cluster_specifier: Some(tcp::tcp_proxy::ClusterSpecifier::Cluster("c".into())),
        ..Default::default()
    };
    let filter = pb::Filter {
        config_type: Some(pb::filter::ConfigType::TypedConfig(mesh_proto::pack(&proxy))),
        ..Default::default()
    };
    pb::FilterChain {
        name: words.into(),
        filter_chain_match: Some(matching),
        filters: vec![filter],
        ..Default::default()
    }
}

fn listener(chains: &[&str]) -> Result<Listener, Bad> {
    let socket = core::SocketAddress { address: "0.0.0.0".into(), ..Default::default() };
    Listener::parse(pb::Listener {
        name: "l".into(),
        address: Some(core::Address { address: Some(core::address::Address::SocketAddress(socket)) }),
        filter_chains: chains.iter().map(|words| chain(words)).collect(),
        default_filter_chain: Some(chain("")),
        ..Default::default()
    })
}

/// A connection from words, as [`chain`] reads them.
fn chosen(listener: &Listener, words: &str) -> String {
    let (mut destination, mut source) = ("10.0.0.9".to_owned(), "10.9.9.9".to_owned());
    let (mut port, mut sport, mut name, mut tls, mut protocols) = (80, 1024, None, false, Vec::new());
    for word in words.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("port", text) => port = text.parse().unwrap(),
            ("sport", text) => sport = text.parse().unwrap(),
            ("to", text) => destination = text.to_owned(),
            ("from", text) => source = text.to_owned(),
            ("sni", text) => name = Some(text.to_owned()),
            ("tls", _) => tls = true,
            ("alpn", text) => protocols.push(text.into()),
            _ => panic!("{word}"),
        }
    }
    let connection = Connection {
        destination: SocketAddr::new(destination.parse().unwrap(), port),
        source: SocketAddr::new(source.parse().unwrap(), sport),
        transport: if tls { Transport::Tls } else { Transport::Raw },
        server_name: name.as_deref(),
        protocols: &protocols,
    };
    listener.chain(&connection).unwrap().name.to_string()
}

#[test]
fn chains_are_chosen_in_envoys_order() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["port=80", "port=81"], "port=81", "port=81"),
        (&["port=80", "to=10.0.0.0/8"], "port=80", "port=80"),
        // A chain with the port hides those without, even where it then does not fit.
        (&["port=80 tls", "raw"], "port=80", ""),
        (&["to=10.0.0.0/8", "to=10.0.0.9/32", "to=0.0.0.0/0"], "port=80", "to=10.0.0.9/32"),
        (&["to=10.0.0.0/8 tls", "to=0.0.0.0/0"], "port=80", ""),
        (&["to=11.0.0.0/8", "raw"], "port=80", "raw"),
        (&["sni=a.b.com", "sni=*.b.com", "sni=*.com", "tls"], "tls sni=a.b.com", "sni=a.b.com"),
        (&["sni=a.b.com", "sni=*.b.com", "sni=*.com", "tls"], "tls sni=x.b.com", "sni=*.b.com"),
        (&["sni=a.b.com", "sni=*.b.com", "sni=*.com", "tls"], "tls sni=b.com", "sni=*.com"),
        (&["sni=a.b.com", "sni=*.b.com", "sni=*.com", "tls"], "tls", "tls"),
        (&["sni=a.com alpn=h2", "alpn=h2"], "tls sni=a.com alpn=http/1.1", ""),
        (&["tls", "raw"], "port=80", "raw"),
        // The transport comes before the protocol.
        (&["alpn=h2c", "alpn=http/1.1", "raw"], "alpn=h2c", "raw"),
        (&["raw alpn=h2c", "raw alpn=http/1.1", "raw"], "alpn=h2c", "raw alpn=h2c"),
        (&["raw alpn=h2c", "raw alpn=http/1.1", "raw"], "port=80", "raw"),
        (&["alpn=istio", "alpn=h2"], "tls alpn=h2 alpn=istio", "alpn=h2"),
        (&["from=10.9.0.0/16", "from=10.9.9.9/32", "raw"], "from=10.9.9.9", "raw"),
        (&["from=10.9.0.0/16", "from=10.9.9.9/32"], "from=10.9.9.9", "from=10.9.9.9/32"),
        (&["direct=10.9.0.0/16", "from=10.9.9.9/32"], "from=10.9.9.9", "direct=10.9.0.0/16"),
        (&["local", "external"], "from=127.0.0.1", "local"),
        (&["local", "external"], "from=10.0.0.9", "local"),
        (&["local", "external"], "from=10.9.9.9", "external"),
        (&["sport=1024", "from=10.9.9.9/32"], "port=80", "from=10.9.9.9/32"),
        (&["sport=1024", "sport=1025"], "port=80", "sport=1024"),
        (&["sport=1025"], "port=80", ""),
    ];
    for (chains, connection, wanted) in cases {
        assert_eq!(chosen(&listener(chains).unwrap(), connection), *wanted, "{connection} among {chains:?}");
    }
}

#[test]
fn equal_matches_and_foreign_filters_are_refused() {
    assert_eq!(listener(&["port=80", "port=80"]).unwrap_err().path(), "filter_chains[1].filter_chain_match");
    assert_eq!(listener(&["sni=*a.com"]).unwrap_err().path(), "filter_chains[0].filter_chain_match.server_names");
    let mut chain = chain("port=80");
    chain.filters[0].config_type =
        Some(pb::filter::ConfigType::TypedConfig(mesh_proto::Any { type_url: "x/y.Z".into(), value: vec![] }));
    let bad = FilterChain::parse(chain).unwrap_err();
    assert_eq!(bad.to_string(), "filters[0].typed_config: `y.Z` is not supported");
}

#[test]
fn inspectors_may_be_off_for_some_ports() {
    use mesh_proto::envoy::envoy::extensions::filters::listener::{http_inspector, tls_inspector};
    use pb::listener_filter_chain_match_predicate::Rule;
    let range = Rule::DestinationPortRange(mesh_proto::envoy::envoy::r#type::v3::Int32Range { start: 80, end: 82 });
    let filter = |any, disabled: Option<Rule>| pb::ListenerFilter {
        config_type: Some(pb::listener_filter::ConfigType::TypedConfig(any)),
        filter_disabled: disabled.map(|rule| pb::ListenerFilterChainMatchPredicate { rule: Some(rule) }),
        ..Default::default()
    };
    let inspectors = Inspectors::parse(vec![
        filter(mesh_proto::pack(&tls_inspector::v3::TlsInspector::default()), None),
        filter(mesh_proto::pack(&http_inspector::v3::HttpInspector::default()), Some(range)),
    ])
    .unwrap();
    let wanted = [(79, true), (80, false), (81, false), (82, true)];
    for (port, http) in wanted {
        assert_eq!(inspectors.for_port(port), Inspection { tls: true, http }, "{port}");
    }
}

/// As gateways have them: no inspector, and a codec for either HTTP.
#[test]
fn http_is_told_apart_where_only_http_is_read() {
    use mesh_proto::{
        envoy::envoy::extensions::filters::{http::router::v3::Router, network::http_connection_manager::v3 as hcm},
        pack,
    };
    let router = hcm::HttpFilter {
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack(&Router::default()))),
        ..Default::default()
    };
    let routes = hcm::Rds { route_config_name: "http.8080".into(), config_source: None };
    let manager = hcm::HttpConnectionManager {
        http_filters: vec![router],
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(routes)),
        ..Default::default()
    };
    let http = |mut chain: pb::FilterChain, manager: &hcm::HttpConnectionManager| {
        chain.filters[0].config_type = Some(pb::filter::ConfigType::TypedConfig(pack(manager)));
        chain
    };
    let inspection = |chains: Vec<pb::FilterChain>| {
        let socket = core::SocketAddress { address: "0.0.0.0".into(), ..Default::default() };
        let listener = Listener::parse(pb::Listener {
            address: Some(core::Address { address: Some(core::address::Address::SocketAddress(socket)) }),
            filter_chains: chains,
            ..Default::default()
        });
        listener.unwrap().inspection(8080)
    };
    assert_eq!(inspection(vec![http(chain(""), &manager)]), Inspection { tls: false, http: true });
    let second = hcm::HttpConnectionManager { codec_type: 2, ..manager.clone() };
    assert_eq!(inspection(vec![http(chain(""), &second)]), Inspection::default());
    // A server that speaks first must not be waited for.
    assert_eq!(inspection(vec![http(chain(""), &manager), chain("port=80")]), Inspection::default());
}
