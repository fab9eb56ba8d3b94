use std::str::FromStr;

use serde_json::json;

use super::*;

fn names(zone: Zone, forward: SocketAddr) -> Names {
    let zone = RwLock::new(Some(Arc::new(zone)));
    Names { zone, forward, questions: AtomicU64::new(0), forwarded: AtomicU64::new(0) }
}

async fn start<R: Responder>(responder: R) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(serve(udp, tcp, Arc::new(responder)));
    address
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    query
}

/// A server elsewhere: one short name, and one with more addresses than UDP carries.
struct Elsewhere;

impl Responder for Elsewhere {
    fn respond<'a>(&'a self, query: &'a Message) -> BoxFuture<'a, Message> {
        let name = query.queries[0].name().clone();
        let count = match name.to_ascii().as_str() {
            "example.com." => 1,
            "many.example." => 200,
            _ => return std::future::ready(reply(query, ResponseCode::NXDomain)).boxed(),
        };
        let mut answer = reply(query, ResponseCode::NoError);
        answer.add_answers(
            (0..count).map(|i| {
                Record::from_rdata(name.clone(), 60, RData::A(hickory_proto::rr::rdata::A::new(203, 0, 113, i)))
            }),
        );
        std::future::ready(answer).boxed()
    }
}

async fn cluster() -> SocketAddr {
    let service = |name: &str, spec| -> Service {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns"}, "spec": spec})).unwrap()
    };
    let services = [
        service("web", json!({"clusterIP": "10.96.1.1", "ports": [{"name": "http", "port": 80}]})),
        service("out", json!({"type": "ExternalName", "externalName": "example.com"})),
        service("loop", json!({"type": "ExternalName", "externalName": "loop.ns.svc.cluster.local"})),
    ];
    start(names(Zone::new(&services, []), start(Elsewhere).await)).await
}

fn addresses(answer: &Message) -> Vec<String> {
    answer.answers.iter().map(|r| r.data.to_string()).collect()
}

#[tokio::test]
async fn own_names_are_answered_and_others_handed_on() {
    let server = cluster().await;
    let answer = ask(server, &question("web.ns.svc.cluster.local.", RecordType::A)).await.unwrap();
    assert_eq!(addresses(&answer), ["10.96.1.1"]);
    assert!(answer.metadata.authoritative);
    assert_eq!(answer.answers[0].ttl, 5);

    let answer = ask(server, &question("web.ns.svc.cluster.local.", RecordType::AAAA)).await.unwrap();
    assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(answer.authorities[0].record_type(), RecordType::SOA);

    let answer = ask(server, &question("no.ns.svc.cluster.local.", RecordType::A)).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);

    let answer = ask(server, &question("_http._tcp.web.ns.svc.cluster.local.", RecordType::SRV)).await.unwrap();
    assert_eq!(answer.additionals[0].data.to_string(), "10.96.1.1");

    let answer = ask(server, &question("example.com.", RecordType::A)).await.unwrap();
    assert_eq!(addresses(&answer), ["203.0.113.0"]);
    assert!(!answer.metadata.authoritative);

    let answer = ask(server, &question("out.ns.svc.cluster.local.", RecordType::A)).await.unwrap();
    assert_eq!(addresses(&answer), ["example.com.", "203.0.113.0"]);

    let answer = ask(server, &question("loop.ns.svc.cluster.local.", RecordType::A)).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);

    let answer = ask(server, &question("unknown.example.", RecordType::A)).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn long_answers_go_by_tcp() {
    let server = cluster().await;
    let answer = ask(server, &question("many.example.", RecordType::A)).await.unwrap();
    assert_eq!(answer.answers.len(), 200);
}

#[tokio::test]
async fn before_the_first_listing_nothing_is_said() {
    let zone = RwLock::new(None);
    let forward = "127.0.0.1:1".parse().unwrap();
    let server = start(Names { zone, forward, questions: AtomicU64::new(0), forwarded: AtomicU64::new(0) }).await;
    let answer = ask(server, &question("web.ns.svc.cluster.local.", RecordType::A)).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn a_silent_server_elsewhere_is_servfail() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let names = names(Zone::new([], []), silent.local_addr().unwrap());
    let answer = names.answer(&question("x.example.", RecordType::A)).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}
