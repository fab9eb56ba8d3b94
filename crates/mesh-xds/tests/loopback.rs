//! Server and client of this crate over real connections.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what fails here fails the test, in helpers too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use mesh_proto::{
    Any,
    envoy::envoy::{
        config::core::v3::Node,
        service::discovery::v3::{
            DiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
    type_url,
};
use mesh_xds::{
    Resource, Wanted,
    client::{self, Backoff, Event, Events, Settings, Subscriber, Update},
    machine::Refused,
    server::{self, Caller, Seen, Session, Source},
    transport::Plaintext,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

type World = BTreeMap<(String, String), String>;

struct Fake {
    world: watch::Receiver<World>,
    seen: Arc<Mutex<Vec<String>>>,
}

struct View {
    live: watch::Receiver<World>,
    pinned: World,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Source for Fake {
    fn open<'a>(&'a self, caller: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, tonic::Status>> {
        Box::pin(async move {
            if caller.node.id != "tester" {
                return Err(tonic::Status::permission_denied("testers only"));
            }
            assert!(caller.peer.address.is_some());
            let mut live = self.world.clone();
            let pinned = live.borrow_and_update().clone();
            Ok(Box::new(View { live, pinned, seen: self.seen.clone() }) as Box<dyn Session>)
        })
    }

    fn name(&self) -> &str {
        "fake"
    }
}

impl Session for View {
    fn changed(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let is_alive = self.live.changed().await.is_ok();
            self.pinned = self.live.borrow_and_update().clone();
            is_alive
        })
    }

    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>> {
        let mine = self.pinned.iter().filter(|((kind, name), _)| kind == type_url && wanted.admits(name));
        let make = |((kind, name), content): (&(String, String), &String)| {
            let body = Any { type_url: kind.clone(), value: content.clone().into_bytes() };
            Arc::new(Resource::new(name.as_str(), body))
        };
        Some(mine.map(make).collect())
    }

    fn observe(&mut self, seen: Seen<'_>) {
        self.seen.lock().unwrap().push(match seen {
            Seen::Heard { heard, .. } => format!("{heard:?}"),
            Seen::Sent { push, .. } => format!("Sent({} {})", push.resources.len(), push.removed.len()),
        });
    }
}

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

async fn serve(world: watch::Receiver<World>, address: &str) -> Server {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (stop, mut stopped) = watch::channel(false);
    let source = Arc::new(Fake { world, seen: seen.clone() });
    let ended = async move { drop(stopped.wait_for(|s| *s).await) };
    let task = tokio::spawn(async move { server::serve(listener, Plaintext, source, ended).await.unwrap() });
    Server { address, seen, stop, task }
}

impl Server {
    async fn end(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(5), self.task).await.expect("streams end with the server").unwrap();
    }
}

fn client(address: SocketAddr, id: &str) -> (Subscriber, Events) {
    let node = Node { id: id.to_owned(), ..Node::default() };
    let first = Duration::from_millis(50);
    let backoff = Backoff { first, most: 4 * first, jitter: Box::new(|| 0.5) };
    client::start(client::Plaintext::new(address.to_string()), Settings { node, backoff })
}

async fn event(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(5), events.next()).await.expect("in time").expect("alive")
}

async fn update(events: &mut Events) -> Update {
    loop {
        if let Event::Update(update) = event(events).await {
            return update;
        }
    }
}

fn names(update: &Update) -> Vec<&str> {
    update.changed.iter().map(|r| &*r.name).collect()
}

fn entry(kind: &str, name: &str, content: &str) -> ((String, String), String) {
    ((kind.to_owned(), name.to_owned()), content.to_owned())
}

const KIND: &str = "networking.istio.io/v1/VirtualService";

#[tokio::test]
async fn changes_refusals_and_removals_arrive() {
    let (world, worlds) = watch::channel(World::from([entry(KIND, "a", "1")]));
    let server = serve(worlds, "127.0.0.1:0").await;
    let (subscriber, mut events) = client(server.address, "tester");
    subscriber.everything(KIND);
    let first = update(&mut events).await;
    assert_eq!((names(&first), &first.removed), (vec!["a"], &vec![]));
    first.done(Ok(()));

    world.send_modify(|w| w.extend([entry(KIND, "a", "2"), entry(KIND, "b", "1")]));
    let second = update(&mut events).await;
    assert_eq!(names(&second), ["a", "b"]);
    second.done(Err(vec![Refused { name: "b".to_owned(), reason: "why not".to_owned() }]));

    world.send_modify(|w| drop(w.remove(&(KIND.to_owned(), "a".to_owned()))));
    let third = update(&mut events).await;
    assert_eq!((names(&third), &third.removed), (vec![], &vec!["a".to_owned()]));
    third.done(Ok(()));
    world.send_modify(|w| w.extend([entry(KIND, "c", "1")]));
    update(&mut events).await.done(Ok(()));
    let seen = server.seen.lock().unwrap().clone();
    let expected = ["Asked", "Sent(1 0)", "Accepted", "Sent(2 0)", "Refused(\"b: why not\")", "Sent(0 1)", "Accepted"];
    assert_eq!(seen[..7], expected);
    server.end().await;
}

#[tokio::test]
async fn a_new_server_sends_only_what_was_missed() {
    let (world, worlds) = watch::channel(World::from([
        entry(KIND, "kept", "1"),
        entry(KIND, "changed", "1"),
        entry(KIND, "gone", "1"),
        entry(type_url::ENDPOINT, "e", "1"),
        entry(type_url::ENDPOINT, "unasked", "1"),
    ]));
    let server = serve(worlds.clone(), "127.0.0.1:0").await;
    let address = server.address;
    let (subscriber, mut events) = client(address, "tester");
    subscriber.everything(KIND);
    subscriber.names(type_url::ENDPOINT, BTreeSet::from(["e".into()]));
    for expected in [1, 3] {
        let update = update(&mut events).await;
        assert_eq!(update.changed.len(), expected);
        update.done(Ok(()));
    }
    server.end().await;
    assert!(matches!(event(&mut events).await, Event::Lost { .. }));
    world.send_modify(|w| {
        w.extend([entry(KIND, "changed", "2"), entry(KIND, "new", "1")]);
        w.remove(&(KIND.to_owned(), "gone".to_owned()));
    });
    let server = serve(worlds, &address.to_string()).await;
    let update = update(&mut events).await;
    assert_eq!((names(&update), &update.removed), (vec!["changed", "new"], &vec!["gone".to_owned()]));
    update.done(Ok(()));
    server.end().await;
}

#[tokio::test]
async fn who_may_not_is_told_so_and_comes_again() {
    let (_world, worlds) = watch::channel(World::new());
    let server = serve(worlds, "127.0.0.1:0").await;
    let (subscriber, mut events) = client(server.address, "stranger");
    subscriber.everything(KIND);
    for _ in 0..2 {
        assert!(matches!(event(&mut events).await, Event::Connected));
        let Event::Lost { reason } = event(&mut events).await else { panic!("no stream for strangers") };
        assert!(reason.contains("testers only"), "{reason}");
    }
    server.end().await;
}

#[tokio::test]
async fn the_state_of_the_world_is_served_too() {
    let listeners = [entry(type_url::LISTENER, "a", "1"), entry(type_url::LISTENER, "b", "1")];
    let (world, worlds) = watch::channel(World::from(listeners));
    let server = serve(worlds, "127.0.0.1:0").await;
    let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
    let (requests, queue) = tokio::sync::mpsc::channel(4);
    let node = Some(Node { id: "tester".to_owned(), ..Node::default() });
    let ask = DiscoveryRequest { type_url: type_url::LISTENER.to_owned(), node, ..DiscoveryRequest::default() };
    requests.send(ask.clone()).await.unwrap();
    let stream = client.stream_aggregated_resources(tokio_stream::wrappers::ReceiverStream::new(queue));
    let mut responses = stream.await.unwrap().into_inner();
    let first = responses.message().await.unwrap().unwrap();
    assert_eq!(first.resources.len(), 2);
    let answer = DiscoveryRequest {
        version_info: first.version_info.clone(),
        response_nonce: first.nonce.clone(),
        node: None,
        ..ask
    };
    requests.send(answer).await.unwrap();
    world.send_modify(|w| drop(w.remove(&(type_url::LISTENER.to_owned(), "a".to_owned()))));
    let second = responses.message().await.unwrap().unwrap();
    assert_eq!(second.resources.len(), 1);
    assert_ne!((&second.nonce, &second.version_info), (&first.nonce, &first.version_info));
    server.end().await;
}
