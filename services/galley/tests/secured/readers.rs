//! Configuration is for pilot only.

use std::{sync::Arc, time::Duration};

use galley::{
    published::Published,
    serve::{Readers, Server},
};
use mesh_proto::{envoy::envoy::config::core::v3::Node, type_url};
use mesh_tls::{Clients, Credentials, Peers, alpn, server_config};
use mesh_xds::{
    client::{self, Backoff, Event, Settings},
    server, transport,
};
use tokio::{net::TcpListener, sync::watch, time::timeout};

use crate::certificates::{HOST, authority, credentials};

/// Serves an empty mesh to `pilot`. `clients` is whom the handshake lets in.
async fn serve(galley: &Credentials, clients: Clients) -> (String, watch::Sender<Arc<Published>>) {
    let types = [(type_url::SERVICE.to_owned(), Arc::default())].into();
    let (sender, published) = watch::channel(Arc::new(Published { is_complete: true, types, ..Published::default() }));
    let pilot = "spiffe://cluster.local/ns/istio-system/sa/pilot".parse().unwrap();
    let source = Arc::new(Server::new(published, Readers::Only(pilot)));
    let tls = transport::Tls::new(server_config(galley, clients, &[alpn::H2]).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(server::serve(listener, tls, source, std::future::pending()));
    (address, sender)
}

/// What a reader gets first: `update`, or the reason why it lost the stream.
async fn first(address: &str, reader: &Credentials) -> String {
    let dial = client::Tls::with_name(address, HOST, reader).unwrap();
    let node = Node { id: "pilot".to_owned(), ..Node::default() };
    let (subscriber, mut events) = client::start(dial, Settings { node, backoff: Backoff::new(|| 0.5) });
    subscriber.everything(type_url::SERVICE);
    loop {
        match timeout(Duration::from_secs(10), events.next()).await.expect("in time").expect("a client at work") {
            Event::Connected => {}
            Event::Update(update) => {
                update.done(Ok(()));
                return "update".to_owned();
            }
            Event::Lost { reason } => return reason,
        }
    }
}

#[tokio::test]
async fn pilot_reads_and_nobody_else_does() {
    let authority = authority();
    let everybody = Clients::Required(Peers::domain("cluster.local"));
    let (address, _published) = serve(&credentials(&authority, "galley"), everybody).await;
    assert_eq!(first(&address, &credentials(&authority, "pilot")).await, "update");
    let refused = first(&address, &credentials(&authority, "somebody")).await;
    assert!(refused.contains("only spiffe://cluster.local/ns/istio-system/sa/pilot may read here"), "{refused}");
}

#[tokio::test]
async fn a_certificate_of_another_mesh_is_not_enough() {
    let authority = authority();
    let pilot = "spiffe://cluster.local/ns/istio-system/sa/pilot".parse().unwrap();
    let clients = Clients::Required(Peers::Only(vec![pilot]));
    let (address, _published) = serve(&credentials(&authority, "galley"), clients).await;
    let other = crate::certificates::authority();
    let forged = crate::certificates::certificate(&other, "pilot");
    let forged = Credentials::fixed(Some(forged), authority.roots().clone());
    assert_ne!(first(&address, &forged).await, "update");
}
