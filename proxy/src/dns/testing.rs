//! A DNS server within the test.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME},
    },
};
use tokio::net::{TcpListener, UdpSocket};

use super::{read_framed, write_framed};

/// What it says to every question, or what it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Answers,
    Fails,
    Silent,
    /// UDP answers are cut, so that TCP is asked.
    Cuts,
}

/// Counts questions, and answers those of names that it knows.
#[derive(Clone, Debug)]
pub(crate) struct Nameserver {
    pub(crate) address: SocketAddr,
    props: Arc<Props>,
}

#[derive(Debug, Default)]
struct Props {
    /// Name, seconds, address or other name.
    records: Vec<(&'static str, u32, &'static str)>,
    mood: Mutex<Mood>,
    asked: Mutex<Vec<String>>,
    queries: AtomicU64,
}

impl Nameserver {
    pub(crate) async fn start(records: &[(&'static str, u32, &'static str)]) -> Self {
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            // Somebody else may have the same port of UDP.
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = tcp.local_addr().unwrap();
        let props = Arc::new(Props { records: records.to_vec(), ..Props::default() });
        let of_udp = props.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, caller)) = udp.recv_from(&mut buffer).await {
                if let Some(answer) = of_udp.answer(&buffer[..length], true) {
                    udp.send_to(&answer, caller).await.unwrap();
                }
            }
        });
        let of_tcp = props.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                while let Ok(query) = read_framed(&mut stream).await {
                    let Some(answer) = of_tcp.answer(&query, false) else { break };
                    write_framed(&mut stream, &answer).await.unwrap();
                }
            }
        });
        Self { address, props }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.props.mood.lock().unwrap() = mood;
    }

    /// How often it was asked.
    pub(crate) fn queries(&self) -> u64 {
        self.props.queries.load(Relaxed)
    }

    /// What it was asked for, such as `A a.example.org`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.props.asked.lock().unwrap().clone()
    }
}

impl Props {
    fn answer(&self, query: &[u8], is_udp: bool) -> Option<Vec<u8>> {
        self.queries.fetch_add(1, Relaxed);
        let query = Message::from_vec(query).unwrap();
        let question = query.queries[0].clone();
        let name = question.name().to_lowercase().to_ascii();
        let name = name.trim_end_matches('.');
        self.asked.lock().unwrap().push(format!("{} {name}", question.query_type()));
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.add_query(question.clone());
        match *self.mood.lock().unwrap() {
            Mood::Silent => return None,
            Mood::Fails => answer.metadata.response_code = ResponseCode::ServFail,
            Mood::Cuts if is_udp => answer.metadata.truncation = true,
            Mood::Answers | Mood::Cuts => self.fill(&mut answer, name, question.query_type()),
        }
        answer.to_vec().ok()
    }

    fn fill(&self, answer: &mut Message, name: &str, kind: RecordType) {
        let of_name: Vec<_> = self.records.iter().filter(|(known, ..)| *known == name).collect();
        if of_name.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        for (known, ttl, value) in of_name {
            let owner = Name::from_ascii(format!("{known}.")).unwrap();
            let data = match (value.parse(), kind) {
                (Ok(std::net::IpAddr::V4(ip)), RecordType::A) => RData::A(A(ip)),
                (Ok(std::net::IpAddr::V6(ip)), RecordType::AAAA) => RData::AAAA(AAAA(ip)),
                (Ok(_), _) => continue,
                (Err(_), _) => {
                    let target = Name::from_ascii(format!("{value}.")).unwrap();
                    answer.add_answer(Record::from_rdata(owner, *ttl, RData::CNAME(CNAME(target))));
                    self.fill(answer, value, kind);
                    continue;
                }
            };
            answer.add_answer(Record::from_rdata(owner, *ttl, data));
        }
    }
}
