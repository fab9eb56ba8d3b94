use super::*;
use crate::dns::testing::{Mood, Nameserver};

const RECORDS: &[(&str, u32, &str)] = &[
    ("a.example.org", 30, "192.0.2.1"),
    ("a.example.org", 30, "192.0.2.2"),
    ("a.example.org", 20, "2001:db8::1"),
    ("alias.example.org", 7, "a.example.org"),
    ("six.example.org", 30, "2001:db8::6"),
    ("db.ns.svc.cluster.local", 5, "10.96.0.9"),
];

fn text(found: &Found) -> String {
    let ips: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
    format!("{} for {}", ips.join(" "), found.ttl.map_or(0, |ttl| ttl.as_secs()))
}

#[tokio::test]
async fn addresses_and_how_long_they_hold() {
    let server = Nameserver::start(RECORDS).await;
    let resolver = Resolver::by(vec![server.address]);
    let cases = [
        ("a.example.org", DnsFamily::V4, "192.0.2.1 192.0.2.2 for 30"),
        ("a.example.org", DnsFamily::V6, "2001:db8::1 for 20"),
        ("a.example.org", DnsFamily::All, "192.0.2.1 192.0.2.2 2001:db8::1 for 20"),
        ("alias.example.org", DnsFamily::V4, "192.0.2.1 192.0.2.2 for 7"),
        ("six.example.org", DnsFamily::V4Preferred, "2001:db8::6 for 30"),
        ("six.example.org", DnsFamily::V4, " for 0"),
        ("none.example.org", DnsFamily::V4, " for 0"),
        ("db", DnsFamily::V4, "10.96.0.9 for 5"),
    ];
    for (name, family, expected) in cases {
        assert_eq!(text(&resolver.look_up(name, family).await.unwrap()), expected, "{name} {family:?}");
    }
}

#[tokio::test]
async fn a_complete_name_is_one_question() {
    let server = Nameserver::start(RECORDS).await;
    let resolver = Resolver::by(vec![server.address]);
    resolver.look_up("a.example.org", DnsFamily::V4).await.unwrap();
    assert_eq!(server.asked(), ["A a.example.org"]);
}

#[tokio::test]
async fn long_answers_come_by_tcp() {
    let server = Nameserver::start(RECORDS).await;
    server.set(Mood::Cuts);
    let found = Resolver::by(vec![server.address]).look_up("a.example.org", DnsFamily::V4).await.unwrap();
    assert_eq!((found.addresses.len(), server.queries()), (2, 2));
}

#[tokio::test]
async fn a_server_that_fails_passes_the_question_on() {
    let (bad, good) = (Nameserver::start(RECORDS).await, Nameserver::start(RECORDS).await);
    bad.set(Mood::Fails);
    let both = Resolver::by(vec![bad.address, good.address]);
    assert_eq!(both.look_up("a.example.org", DnsFamily::V4).await.unwrap().addresses.len(), 2);
    let alone = Resolver::by(vec![bad.address]);
    let error = alone.look_up("a.example.org", DnsFamily::V4).await.unwrap_err();
    assert!(error.to_string().contains("Server Failure"), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for_for_ever() {
    let (silent, good) = (Nameserver::start(RECORDS).await, Nameserver::start(RECORDS).await);
    silent.set(Mood::Silent);
    let servers = Servers::new(vec![silent.address, good.address]).with_patience(Duration::from_millis(50));
    let found = ask_for(&servers, "a.example.org", RecordType::A).await.unwrap();
    assert_eq!(found.addresses.len(), 2);
}

#[tokio::test]
async fn files_of_the_machine_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "10.0.0.1 a.example.org\n").unwrap();
    let server = Nameserver::start(RECORDS).await;
    let resolver = Resolver { hosts, ..Resolver::by(vec![server.address]) };
    let found = resolver.look_up("a.example.org", DnsFamily::V4).await.unwrap();
    assert_eq!((text(&found).as_str(), server.queries()), ("10.0.0.1 for 0", 0));
}
