use std::collections::BTreeSet;

use hickory_proto::{op::Query, rr::Name};
use mesh_proto::nds::{NameInfo, NameTable};
use mesh_snapshot::names::{Asker, Names};

use super::*;
use crate::dns::testing::{Mood, Nameserver};

struct Scene {
    at: SocketAddr,
    tables: Tables,
    upstream: Nameserver,
}

impl Scene {
    /// With a server elsewhere that knows one name.
    async fn new() -> Self {
        let upstream = Nameserver::start(&[("elsewhere.org", 60, "192.0.2.1")]).await;
        let tables = Tables::default();
        let servers = Servers::new(vec![upstream.address]).with_patience(Duration::from_millis(200));
        let at = start(0, Responder::new(tables.clone(), servers)).await.unwrap();
        Self { at, tables, upstream }
    }

    fn know(&self, ips: usize) {
        let many = (0..ips).map(|i| format!("10.1.{}.{}", i / 200, i % 200)).collect();
        let rows = [
            ("web.shop.svc.cluster.local", vec!["10.96.0.1".to_owned()], "Kubernetes"),
            ("heads.shop.svc.cluster.local", many, "Kubernetes"),
            ("*.example.net", vec!["240.240.0.2".to_owned(), "2001:2::2".to_owned()], "External"),
        ];
        let info = |host: &str, ips, registry: &str| NameInfo {
            ips,
            registry: registry.to_owned(),
            shortname: host.split('.').next().unwrap().to_owned(),
            namespace: "shop".to_owned(),
        };
        let table = rows.into_iter().map(|(host, ips, registry)| (host.to_owned(), info(host, ips, registry)));
        let asker = Asker {
            namespace: "shop".to_owned(),
            domain: "shop.svc.cluster.local".to_owned(),
            search: Some("shop.svc.cluster.local".to_owned()),
        };
        self.tables.store(Some(Arc::new(Names::new(&NameTable { table: table.collect() }, &asker))));
    }

    async fn ask(&self, kind: RecordType, name: &str) -> Message {
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.at).await.unwrap();
        socket.send(&query.to_vec().unwrap()).await.unwrap();
        let mut buffer = [0; 4096];
        let length = timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.unwrap().unwrap();
        let answer = Message::from_vec(&buffer[..length]).unwrap();
        assert_eq!((answer.metadata.id, &answer.queries), (query.metadata.id, &query.queries));
        answer
    }

    /// The answer as text: its code, unless that is that all is well, then the records.
    async fn said(&self, kind: RecordType, name: &str) -> String {
        let answer = self.ask(kind, name).await;
        let code = match answer.metadata.response_code {
            ResponseCode::NoError => String::new(),
            code => format!("{code:?}"),
        };
        let records = answer.answers.iter().map(|r| format!("{} {} {}", r.name, r.ttl, r.data));
        [code].into_iter().chain(records).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

#[tokio::test]
async fn before_the_first_table_nobody_is_told_anything() {
    let scene = Scene::new().await;
    assert_eq!(scene.said(RecordType::A, "elsewhere.org.").await, "ServFail");
    assert_eq!(scene.upstream.queries(), 0);
}

#[tokio::test]
async fn what_is_known_is_answered_and_the_rest_passed_on() {
    let scene = Scene::new().await;
    scene.know(1);
    let cases = [
        (RecordType::A, "web.shop.svc.cluster.local.", "web.shop.svc.cluster.local. 30 10.96.0.1"),
        (RecordType::A, "WEB.", "WEB. 30 10.96.0.1"),
        // The other family: the name exists, without such addresses.
        (RecordType::AAAA, "web.", ""),
        (RecordType::A, "a.example.net.", "a.example.net. 30 240.240.0.2"),
        (RecordType::AAAA, "a.example.net.", "a.example.net. 30 2001:2::2"),
        (
            RecordType::A,
            "a.example.net.shop.svc.cluster.local.",
            "a.example.net.shop.svc.cluster.local. 30 a.example.net., a.example.net. 30 240.240.0.2",
        ),
    ];
    for (kind, name, expected) in cases {
        assert_eq!(scene.said(kind, name).await, expected, "{kind} {name}");
    }
    assert_eq!(scene.upstream.queries(), 0);
    let passed = [
        (RecordType::A, "elsewhere.org.", "elsewhere.org. 60 192.0.2.1"),
        (RecordType::A, "nowhere.org.", "NXDomain"),
        // Records that the table has none of.
        (RecordType::MX, "web.shop.svc.cluster.local.", "NXDomain"),
    ];
    for (kind, name, expected) in passed {
        assert_eq!(scene.said(kind, name).await, expected, "{kind} {name}");
    }
    assert_eq!(scene.upstream.queries(), 3);
}

#[tokio::test]
async fn a_server_elsewhere_that_is_silent_is_a_failure() {
    let scene = Scene::new().await;
    scene.know(1);
    scene.upstream.set(Mood::Silent);
    assert_eq!(scene.said(RecordType::A, "elsewhere.org.").await, "ServFail");
    assert_eq!(scene.said(RecordType::A, "web.").await, "web. 30 10.96.0.1");
}

#[tokio::test]
async fn what_is_cut_elsewhere_is_cut_here() {
    let scene = Scene::new().await;
    scene.know(1);
    scene.upstream.set(Mood::Cuts);
    assert!(scene.ask(RecordType::A, "elsewhere.org.").await.metadata.truncation);
}

#[tokio::test]
async fn long_answers_are_for_tcp_and_their_order_changes() {
    let scene = Scene::new().await;
    scene.know(100);
    let cut = scene.ask(RecordType::A, "heads.").await;
    assert!(cut.metadata.truncation);
    let mut query = Message::query();
    query.add_query(Query::query("heads.".parse().unwrap(), RecordType::A));
    let mut stream = TcpStream::connect(scene.at).await.unwrap();
    let mut first = BTreeSet::new();
    for _ in 0..10 {
        write_framed(&mut stream, &query.to_vec().unwrap()).await.unwrap();
        let answer = Message::from_vec(&read_framed(&mut stream).await.unwrap()).unwrap();
        assert_eq!(answer.answers.len(), 100);
        first.insert(answer.answers[0].data.to_string());
    }
    assert!(first.len() > 1, "shuffled");
}

#[tokio::test]
async fn what_is_no_question_gets_no_answer() {
    let scene = Scene::new().await;
    scene.know(1);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(scene.at).await.unwrap();
    socket.send(b"nonsense").await.unwrap();
    let mut buffer = [0; 16];
    assert!(timeout(Duration::from_millis(100), socket.recv(&mut buffer)).await.is_err());
    // And the next one is answered.
    assert_eq!(scene.said(RecordType::A, "web.").await, "web. 30 10.96.0.1");
}
