use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn as_many_proxies_are_believed_as_are_trusted() {
    // Envoy's examples: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-for
    let cases = [
        (true, 0, "203.0.113.128,203.0.113.10,203.0.113.1", "192.0.2.5"),
        (false, 0, "203.0.113.128,203.0.113.10,203.0.113.1", "203.0.113.1"),
        (true, 2, "203.0.113.128, 203.0.113.10, 203.0.113.1", "203.0.113.10"),
        (false, 2, "203.0.113.128, 203.0.113.10, 203.0.113.1", "203.0.113.128"),
        (true, 2, "203.0.113.1", "192.0.2.5"),
        (true, 1, "no address", "192.0.2.5"),
        (false, 0, "", "192.0.2.5"),
    ];
    for (is_first, trusted_hops, forwarded, wanted) in cases {
        let edge = Edge { is_first, trusted_hops, ..Edge::default() };
        assert_eq!(
            edge.client(ip("192.0.2.5"), forwarded).address,
            ip(wanted),
            "{is_first} {trusted_hops} {forwarded}"
        );
    }
}

#[test]
fn only_direct_clients_are_internal() {
    let edge = Edge { is_first: true, internal: vec!["10.0.0.0/8".parse().unwrap()], ..Edge::default() };
    assert!(edge.client(ip("10.1.2.3"), "").is_internal);
    assert!(!edge.client(ip("11.1.2.3"), "").is_internal);
    assert!(!edge.client(ip("10.1.2.3"), "10.9.9.9").is_internal);
    assert!(!Edge { is_first: true, ..Edge::default() }.client(ip("10.1.2.3"), "").is_internal);
}

#[test]
fn a_client_is_told_of_as_the_listener_wants() {
    let all = |mode| ClientCertHeader { mode, subject: true, cert: false, chain: false, uri: true, dns: true };
    let peer = PeerFacts {
        subject: "CN=client,O=\"us\"".into(),
        hash: "ab12".into(),
        uris: vec!["spiffe://td/ns/n/sa/c".into()],
        dns: vec!["a.org".into(), "b.org".into()],
        ..PeerFacts::default()
    };
    let element = "By=spiffe://td/me;Hash=ab12;Subject=\"CN=client,O=\\\"us\\\"\";URI=spiffe://td/ns/n/sa/c;\
                   DNS=a.org;DNS=b.org";
    let appended = format!("Hash=old,{element}");
    let cases = [
        (Mode::Remove, true, None),
        (Mode::Keep, false, Some("Hash=old")),
        (Mode::KeepOfProven, true, Some("Hash=old")),
        (Mode::KeepOfProven, false, None),
        (Mode::Append, true, Some(appended.as_str())),
        (Mode::Append, false, None),
        (Mode::Replace, true, Some(element)),
        (Mode::Replace, false, None),
    ];
    for (mode, proven, wanted) in cases {
        let value = all(mode).value(Some("Hash=old"), Some(&peer).filter(|_| proven), Some("spiffe://td/me"));
        assert_eq!(value.as_deref(), wanted, "{mode:?} {proven}");
    }
    let certs = ClientCertHeader { cert: true, subject: false, uri: false, dns: false, ..all(Mode::Replace) };
    let peer = PeerFacts { chain: vec![vec![251, 255].into()], ..peer };
    let value = certs.value(None, Some(&peer), None).unwrap();
    assert_eq!(value, "Hash=ab12;Cert=\"-----BEGIN%20CERTIFICATE-----%0A%2B%2F8%3D%0A-----END%20CERTIFICATE-----%0A\"");
}
