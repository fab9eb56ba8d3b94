use super::*;
use crate::{
    Any,
    envoy::{
        envoy::config::{
            core::v3::{Address, Metadata, SocketAddress, address::Address as Kind, socket_address::PortSpecifier},
            listener::v3::{Filter, FilterChain, Listener, filter::ConfigType},
        },
        google::protobuf::{Duration, Struct, UInt32Value, Value as Json, value::Kind as JsonKind},
    },
    pack, type_url,
};

fn listener(filter: Any) -> Any {
    let socket = SocketAddress {
        address: "0.0.0.0".to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(80)),
        ..SocketAddress::default()
    };
    let filter = Filter { name: "f".to_owned(), config_type: Some(ConfigType::TypedConfig(filter)) };
    let text = Json { kind: Some(JsonKind::StringValue("/apis/x".to_owned())) };
    let istio = Struct { fields: [("config".to_owned(), text)].into() };
    pack(&Listener {
        name: "l".to_owned(),
        address: Some(Address { address: Some(Kind::SocketAddress(socket)) }),
        filter_chains: vec![FilterChain { filters: vec![filter], ..FilterChain::default() }],
        listener_filters_timeout: Some(Duration { seconds: 1, nanos: 500_000_000 }),
        per_connection_buffer_limit_bytes: Some(UInt32Value { value: 7 }),
        metadata: Some(Metadata { filter_metadata: [("istio".to_owned(), istio)].into(), ..Metadata::default() }),
        traffic_direction: 2,
        ..Listener::default()
    })
}

#[test]
fn a_listener_looks_as_envoy_shows_it() {
    let proxy = Any {
        type_url: "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy".to_owned(),
        value: b"\x0a\x01s\x12\x01c".to_vec(),
    };
    let any = listener(proxy.clone());
    let shown = Messages::new().unwrap().json(&any.type_url, &any.value).unwrap();
    let expected = json!({
        "@type": type_url::LISTENER,
        "name": "l",
        "address": { "socket_address": { "address": "0.0.0.0", "port_value": 80 } },
        "filter_chains": [{ "filters": [
            { "name": "f", "typed_config": { "@type": proxy.type_url, "stat_prefix": "s", "cluster": "c" } },
        ] }],
        "listener_filters_timeout": "1.500s",
        "per_connection_buffer_limit_bytes": 7,
        "metadata": { "filter_metadata": { "istio": { "config": "/apis/x" } } },
        "traffic_direction": "OUTBOUND",
    });
    assert_eq!(shown, expected);
}

#[test]
fn what_is_unknown_in_a_message_keeps_its_name_only() {
    let mut messages = Messages::new().unwrap();
    let stats = Any { type_url: "type.googleapis.com/stats.PluginConfig".to_owned(), value: b"\x0a\x01s".to_vec() };
    let any = listener(stats.clone());
    for _ in 0..2 {
        let shown = messages.json(&any.type_url, &any.value).unwrap();
        let filter = &shown["filter_chains"][0]["filters"][0]["typed_config"];
        assert_eq!(*filter, json!({ "@type": stats.type_url }));
    }
    let error = messages.json("type.googleapis.com/no.Such", b"").unwrap_err();
    assert_eq!(error.to_string(), "`no.Such` is not a message that is known here");
    assert!(matches!(messages.json(type_url::LISTENER, b"\xff"), Err(JsonError::Bytes { .. })));
}

#[test]
fn what_was_shown_can_be_packed_again() {
    let proxy = Any {
        type_url: "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy".to_owned(),
        value: b"\x0a\x01p\x12\x01c".to_vec(),
    };
    let packed = listener(proxy);
    let mut messages = Messages::new().unwrap();
    let shown = messages.json(&packed.type_url, &packed.value).unwrap();
    let again = messages.pack(&shown).unwrap();
    assert_eq!(messages.json(&again.type_url, &again.value).unwrap(), shown);
    let wrong = json!({ "@type": type_url::LISTENER, "adress": {} });
    assert!(messages.pack(&wrong).unwrap_err().to_string().contains("JSON"));
}

#[test]
fn keys_are_never_shown() {
    let key = json!({ "private_key": { "inline_string": "KEY" }, "certificate_chain": { "inline_string": "CERT" } });
    let shown =
        redacted(json!({ "deep": [{ "tls_certificates": [key.clone()] }], "password": { "inline_bytes": "S0VZ" } }));
    assert_eq!(shown["deep"][0]["tls_certificates"][0]["private_key"]["inline_string"], "[redacted]");
    assert_eq!(shown["deep"][0]["tls_certificates"][0]["certificate_chain"]["inline_string"], "CERT");
    assert_eq!(shown["password"]["inline_bytes"], "W3JlZGFjdGVkXQ==");

    let mut messages = Messages::new().unwrap();
    let secret = json!({ "@type": type_url::SECRET, "name": "s", "tls_certificate": key });
    let packed = messages.pack(&secret).unwrap();
    assert_eq!(messages.json(type_url::SECRET, &packed.value).unwrap(), secret);
    let shown = messages.shown(type_url::SECRET, &packed.value).unwrap();
    assert!(shown.to_string().contains("CERT") && !shown.to_string().contains("KEY"), "{shown}");
}
