//! The first bytes of a connection.

use std::sync::Arc;

use mesh_snapshot::{Inspection, Sniffed, sniff};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs::default_provider, pki_types::ServerName,
    server::Acceptor,
};

use crate::request::REQUESTS;

/// Nothing panics; an answer stays as more bytes come; and where rustls reads a hello, the same hello is read here.
pub(crate) fn run(bytes: &[u8]) {
    for wanted in [(true, true), (true, false), (false, true)] {
        let wanted = Inspection { tls: wanted.0, http: wanted.1 };
        let whole = sniff(bytes, wanted);
        // A beginning that depends on the input, so that libFuzzer can choose it.
        let sum: usize = bytes.iter().map(|byte| usize::from(*byte)).sum();
        for cut in [1, 5, 9, sum % (bytes.len() + 1)].into_iter().filter(|cut| *cut <= bytes.len()) {
            let part = sniff(&bytes[..cut], wanted);
            assert!(part == Sniffed::More || part == whole, "{part:?} became {whole:?}");
        }
        if wanted.tls
            && let Some((name, protocols)) = judge(bytes)
        {
            assert_eq!(whole, Sniffed::Tls { server_name: name, protocols });
        }
    }
}

type Hello = (Option<Box<str>>, Vec<Box<str>>);

/// What rustls reads.
fn judge(bytes: &[u8]) -> Option<Hello> {
    // rustls lets the first record be of SSL 2 too, which no client sends.
    if bytes.get(1) != Some(&3) {
        return None;
    }
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        if acceptor.read_tls(&mut rest).ok()? == 0 {
            return None;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let protocols = hello.alpn().into_iter().flatten().map(|p| String::from_utf8_lossy(p).into());
                return Some((hello.server_name().map(|name| name.to_ascii_lowercase().into()), protocols.collect()));
            }
            Err(_) => return None,
        }
    }
    None
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let requests = REQUESTS.iter().map(|request| {
        let mut words = request.lines().next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
        format!("{method} {target} HTTP/1.1\r\n\r\n").into_bytes()
    });
    let mut seeds: Vec<Vec<u8>> = requests.collect();
    seeds.push(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec());
    for (name, protocols) in [("reviews.example.com", &["istio", "h2"][..]), ("10.0.0.1", &[]), ("a", &["http/1.1"])] {
        let hello = hello(name, protocols);
        seeds.push(in_records(&hello, 40));
        seeds.push(hello);
    }
    seeds
}

fn hello(name: &str, protocols: &[&str]) -> Vec<u8> {
    let versions =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let mut config = versions.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut bytes = Vec::new();
    ClientConnection::new(Arc::new(config), name).unwrap().write_tls(&mut bytes).unwrap();
    bytes
}

/// The hello of one record, in many.
fn in_records(record: &[u8], size: usize) -> Vec<u8> {
    let header = |length: usize| [22, 3, 1, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 255).unwrap()];
    record[5..].chunks(size).flat_map(|part| [&header(part.len())[..], part].concat()).collect()
}
