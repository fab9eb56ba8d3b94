use super::*;

#[test]
fn a_service_port_speaks_what_istio_says() {
    for (transport, app, name, number, expected) in [
        ("TCP", None, "http", 9080, Protocol::Http),
        ("TCP", None, "HTTP2-api", 1, Protocol::Http2),
        ("TCP", None, "grpc-web-x", 1, Protocol::GrpcWeb),
        ("TCP", None, "grpc", 1, Protocol::Grpc),
        ("TCP", None, "foo", 80, Protocol::Auto),
        ("TCP", None, "", 3306, Protocol::Tcp),
        ("TCP", None, "udp-x", 80, Protocol::Auto),
        ("UDP", None, "http", 80, Protocol::Udp),
        ("TCP", Some("kubernetes.io/h2c"), "tcp", 80, Protocol::Http2),
        ("TCP", Some("kubernetes.io/wss"), "tcp", 80, Protocol::Https),
        ("TCP", Some("tcp"), "http", 80, Protocol::Tcp),
        ("TCP", Some("what-is-this"), "http", 80, Protocol::Auto),
    ] {
        assert_eq!(Protocol::of_service_port(transport, app, name, number), expected, "{app:?} {name}");
    }
}
