use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_pki::{Authority, Csr, Grant, Key, KeyKind, WorkloadCert, csr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};

use super::{Clients, Servers, client_config, server_config};
use crate::{Credentials, Dialer, Peers, TlsListener, alpn, peer_identity};

fn cert(authority: &Authority, account: &str, dns: &[&str]) -> WorkloadCert {
    let id = format!("spiffe://cluster.local/ns/n/sa/{account}").parse().unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let request = Csr::parse(&csr::request(&key, &id).unwrap()).unwrap();
    let grant = Grant {
        id: id.clone(),
        dns_names: dns.iter().map(|name| (*name).to_owned()).collect(),
        lifetime: Duration::from_secs(3600),
    };
    let issued = authority.issue(&request, &grant, SystemTime::now()).unwrap();
    WorkloadCert::parse(&issued.chain.concat(), &key, &id, authority.roots(), SystemTime::now()).unwrap()
}

fn credentials(authority: &Authority, account: &str, dns: &[&str]) -> Credentials {
    Credentials::fixed(Some(cert(authority, account, dns)), authority.roots().clone())
}

/// Calls a server of `name`; the answer is who the server says that the client is.
async fn call(server: &Credentials, clients: Clients, client: &Credentials, servers: Servers) -> io::Result<String> {
    let config = server_config(server, clients, &[alpn::H2]).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut listener = TlsListener::new(tcp, config).unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(async move {
        let mut accepted = listener.accept().await.unwrap();
        let certificates = accepted.stream.get_ref().1.peer_certificates().unwrap_or_default();
        let who = peer_identity(certificates).map_or_else(|| "nobody".to_owned(), |id| id.account().to_owned());
        accepted.stream.write_all(who.as_bytes()).await.unwrap();
        accepted.stream.shutdown().await.unwrap();
    });
    let dialer = Dialer::with_name(&address, "pilot.svc", client_config(client, servers, &[alpn::H2]).unwrap());
    let mut stream = dialer.unwrap().connect().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn both_ends_prove_who_they_are() {
    let authority = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let pilot = credentials(&authority, "pilot", &["pilot.svc"]);
    let proxy = credentials(&authority, "proxy", &[]);
    let nobody = Credentials::fixed(None, authority.roots().clone());
    let mesh = || Clients::Required(Peers::domain("cluster.local"));
    let only = |account: &str| Peers::Only(vec![format!("spiffe://cluster.local/ns/n/sa/{account}").parse().unwrap()]);
    assert_eq!(call(&pilot, mesh(), &proxy, Servers::Named).await.unwrap(), "proxy");
    assert_eq!(call(&pilot, mesh(), &proxy, Servers::Workloads(only("pilot"))).await.unwrap(), "proxy");
    let optional = Clients::Optional(Peers::domain("cluster.local"));
    assert_eq!(call(&pilot, optional, &nobody, Servers::Named).await.unwrap(), "nobody");
    assert_eq!(call(&pilot, Clients::Anonymous, &proxy, Servers::Named).await.unwrap(), "nobody");

    // The wrong client, the wrong server, the wrong name, no client, no server certificate.
    call(&pilot, Clients::Required(only("galley")), &proxy, Servers::Named).await.unwrap_err();
    call(&pilot, mesh(), &proxy, Servers::Workloads(only("galley"))).await.unwrap_err();
    call(&proxy, mesh(), &proxy, Servers::Named).await.unwrap_err();
    call(&pilot, mesh(), &nobody, Servers::Named).await.unwrap_err();
    call(&nobody, mesh(), &proxy, Servers::Named).await.unwrap_err();
}

#[tokio::test]
async fn strangers_are_refused_at_both_ends() {
    let ours = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let theirs = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let (pilot, stranger) =
        (credentials(&ours, "pilot", &["pilot.svc"]), credentials(&theirs, "proxy", &["pilot.svc"]));
    let trusting =
        |who: &Credentials| Credentials { roots: watch::channel(ours.roots().union(theirs.roots())).1, ..who.clone() };
    let mesh = || Clients::Required(Peers::domain("cluster.local"));
    call(&pilot, mesh(), &trusting(&stranger), Servers::Named).await.unwrap_err();
    call(&trusting(&stranger), mesh(), &pilot, Servers::Named).await.unwrap_err();
    assert_eq!(call(&trusting(&pilot), mesh(), &trusting(&stranger), Servers::Named).await.unwrap(), "proxy");
}

#[tokio::test]
async fn a_new_certificate_and_new_roots_hold_for_the_next_handshake() {
    let old = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let new = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let (cert_writer, cert_reader) = watch::channel(Some(Arc::new(cert(&old, "pilot", &["pilot.svc"]))));
    let (roots_writer, roots) = watch::channel(old.roots().clone());
    let pilot = Credentials { cert: cert_reader, roots };
    let mesh = || Clients::Required(Peers::domain("cluster.local"));
    let (before, after) = (credentials(&old, "before", &[]), credentials(&new, "after", &[]));
    assert_eq!(call(&pilot, mesh(), &before, Servers::Named).await.unwrap(), "before");
    cert_writer.send(Some(Arc::new(cert(&new, "pilot", &["pilot.svc"])))).unwrap();
    roots_writer.send(new.roots().clone()).unwrap();
    assert_eq!(call(&pilot, mesh(), &after, Servers::Named).await.unwrap(), "after");
    call(&pilot, mesh(), &before, Servers::Named).await.unwrap_err();
}
