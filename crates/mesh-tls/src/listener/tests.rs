use std::time::Duration;

use mesh_pki::{Authority, Csr, Grant, Key, KeyKind, WorkloadCert, csr};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::TlsListener;
use crate::{Clients, Credentials, Dialer, Servers, client_config, server_config};

#[tokio::test]
async fn a_silent_client_keeps_nobody_waiting() {
    let now = std::time::SystemTime::now();
    let authority = Authority::generate("td", now).unwrap();
    let id = "spiffe://td/ns/n/sa/s".parse().unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let request = Csr::parse(&csr::request(&key, &id).unwrap()).unwrap();
    let grant = Grant { id: id.clone(), dns_names: vec!["localhost".to_owned()], lifetime: Duration::from_secs(600) };
    let issued = authority.issue(&request, &grant, now).unwrap();
    let cert = WorkloadCert::parse(&issued.chain.concat(), &key, &id, authority.roots(), now).unwrap();
    let credentials = Credentials::fixed(Some(cert), authority.roots().clone());

    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut listener = TlsListener::new(tcp, server_config(&credentials, Clients::Anonymous, &[]).unwrap()).unwrap();
    let address = listener.local_addr();
    let silent = TcpStream::connect(address).await.unwrap();
    let config = client_config(&credentials, Servers::Named, &[]).unwrap();
    let dialer = Dialer::new(&format!("localhost:{}", address.port()), config).unwrap();
    let talker = tokio::spawn(async move { dialer.connect().await.unwrap() });
    let accepted = timeout(Duration::from_secs(5), listener.accept()).await.unwrap().unwrap();
    assert_eq!(accepted.from.ip(), address.ip());
    talker.await.unwrap();
    drop(silent);
}
