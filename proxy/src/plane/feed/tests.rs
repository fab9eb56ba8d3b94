use mesh_proto::type_url;
use mesh_xds::client::{self, Backoff, Settings};
use tokio::task::JoinHandle;

use super::*;
use crate::plane::testing::{
    Pilot, Sent, cluster, ending_tls, endpoints, eventually, listener, routes, secret, shared, world_where,
};

struct Plane {
    pilot: Pilot,
    shared: Arc<Shared>,
    held: Held,
    feed: JoinHandle<()>,
}

async fn start(sent: impl IntoIterator<Item = Sent>) -> Plane {
    let (pilot, shared, held) = (Pilot::start().await, shared(), Held::default());
    pilot.send(|mesh| mesh.extend(sent));
    let settings = Settings { node: Default::default(), backoff: Backoff::new(|| 0.5) };
    let (subscriber, events) = client::start(pilot.dial(), settings);
    let (_, answers) = mpsc::channel(1);
    let feed = tokio::spawn(Feed::new(shared.clone(), held.clone(), subscriber).run(events, answers));
    Plane { pilot, shared, held, feed }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

fn hosts(world: &mesh_snapshot::Snapshot, name: &str) -> Vec<String> {
    world.cluster(name).unwrap().hosts().map(|(_, host)| host.address.to_string()).collect()
}

#[tokio::test]
async fn the_first_world_is_complete_and_a_change_follows() {
    let sent = [cluster("c"), endpoints("c", &["10.0.0.1"]), listener("l", 80, "r", |_| {}), routes("r", "c")];
    let plane = start(sent).await;
    let first = world_where(&plane.shared, |world| world.generation > 0).await;
    assert!(first.listener("l").is_some() && first.route_tables().count() == 1);
    assert_eq!(hosts(&first, "c"), ["10.0.0.1:80"]);
    let stats = &plane.shared.stats.server;
    assert!(stats.cds_update_success.get() > 0 && stats.lds_update_success.get() > 0);
    assert_eq!(stats.control_plane_connected_state.get(), 1);

    plane.pilot.send(|mesh| mesh.extend([endpoints("c", &["10.0.0.2"])]));
    world_where(&plane.shared, |world| hosts(world, "c") == ["10.0.0.2:80"]).await;
    plane.pilot.send(|mesh| mesh.retain(|(kind, _), _| *kind != type_url::LISTENER));
    world_where(&plane.shared, |world| world.listeners().count() == 0 && world.route_tables().count() == 0).await;
    eventually(|| plane.held.all(Kind::Route).is_empty().then_some(())).await;
    assert!(plane.held.all(Kind::Listener).is_empty() && plane.held.all(Kind::Cluster).len() == 1);
}

#[tokio::test]
async fn routes_come_with_what_they_lead_to() {
    let plane = start([cluster("c"), endpoints("c", &["10.0.0.1"])]).await;
    world_where(&plane.shared, |world| world.cluster("c").is_some()).await;
    plane.pilot.send(|mesh| {
        let many = (0..50).map(|i| format!("c{i}"));
        mesh.extend(many.flat_map(|name| [cluster(&name), endpoints(&name, &["10.0.0.2"])]));
        mesh.extend([listener("l", 80, "r", |_| {}), routes("r", "c49")]);
    });
    let world = world_where(&plane.shared, |world| world.listener("l").is_some()).await;
    assert_eq!((world.clusters().count(), hosts(&world, "c49")), (51, vec!["10.0.0.2:80".to_owned()]));
}

#[tokio::test]
async fn what_does_not_exist_is_empty_and_holds_up_nothing() {
    let plane = start([cluster("c"), listener("l", 80, "r", |_| {})]).await;
    let world = world_where(&plane.shared, |world| world.generation > 0).await;
    assert!(hosts(&world, "c").is_empty());
    assert!(world.listener("l").is_some() && world.route_tables().count() == 1);
    plane.pilot.send(|mesh| mesh.extend([endpoints("c", &["10.0.0.1"])]));
    world_where(&plane.shared, |world| hosts(world, "c") == ["10.0.0.1:80"]).await;
}

#[tokio::test]
async fn a_refused_listener_leaves_the_last_good_one_and_is_told_back() {
    let plane = start([listener("l", 80, "r", |_| {}), routes("r", "c")]).await;
    world_where(&plane.shared, |world| world.listener("l").is_some()).await;
    plane.pilot.send(|mesh| {
        mesh.extend([listener("l", 81, "r", |l| l.filter_chains.clear()), listener("other", 82, "r", |_| {})]);
    });
    assert_eq!(plane.pilot.refusal().await, "l: filter_chains: has none");
    let world = world_where(&plane.shared, |world| world.listener("other").is_some()).await;
    assert_eq!(world.listener("l").unwrap().addresses[0].port(), 80);
    let entries = plane.held.all(Kind::Listener);
    let rejected = entries[0].1.rejected.as_ref().unwrap();
    assert_eq!(&*rejected.details, "filter_chains: has none");
    assert_ne!(rejected.version.version, entries[0].1.good.as_ref().unwrap().version);
    assert_eq!(plane.shared.stats.server.lds_update_rejected.get(), 1);

    plane.pilot.send(|mesh| mesh.extend([listener("l", 83, "r", |_| {})]));
    world_where(&plane.shared, |world| world.listener("l").unwrap().addresses[0].port() == 83).await;
    assert!(plane.held.all(Kind::Listener)[0].1.rejected.is_none());
}

#[tokio::test]
async fn nothing_is_published_while_something_is_awaited() {
    let shared = shared();
    let settings = Settings { node: Default::default(), backoff: Backoff::new(|| 0.5) };
    let (subscriber, _) = client::start(client::Plaintext::new("127.0.0.1:1"), settings);
    let mut feed = Feed::new(shared.clone(), Held::default(), subscriber);
    feed.listed.insert(Kind::Cluster);
    assert!(!feed.is_complete());
    feed.wanted.routes.push("r".into());
    feed.listed.insert(Kind::Listener);
    feed.publish();
    assert_eq!(shared.world.generation(), 0, "routes are awaited");
    feed.stand_in(Kind::Route, &"r".into());
    assert!(feed.is_complete());
    feed.publish();
    assert_eq!(shared.world.current().route_tables().count(), 1);
}

#[tokio::test]
async fn secrets_come_for_the_chains_that_name_them_and_hold_up_nothing() {
    let secured = |name: &str| listener("l", 443, "r", |l| ending_tls(l, name));
    let plane = start([secured("kubernetes://x"), routes("r", "c"), secret("kubernetes://y")]).await;
    let is_ready = |world: &mesh_snapshot::Snapshot| {
        let chain = world.listener("l")?.chains().next()?.clone();
        Some(chain.tls.as_ref()?.config().is_ok())
    };
    let world = world_where(&plane.shared, |world| world.generation > 0).await;
    assert_eq!(is_ready(&world), Some(false));
    plane.pilot.send(|mesh| mesh.extend([secret("kubernetes://x")]));
    world_where(&plane.shared, |world| is_ready(world) == Some(true)).await;
    let held: Vec<Arc<str>> = plane.held.all(Kind::Secret).into_iter().map(|(name, _)| name).collect();
    assert_eq!(held, ["kubernetes://x".into()], "only what is named is asked for");
    // One that is gone stays in force for as long as a chain names it.
    plane.pilot.send(|mesh| mesh.retain(|(kind, _), _| *kind != type_url::SECRET));
    plane.pilot.send(|mesh| mesh.extend([listener("other", 80, "r", |_| {})]));
    let world = world_where(&plane.shared, |world| world.listener("other").is_some()).await;
    assert_eq!(is_ready(&world), Some(true));
    plane.pilot.send(|mesh| mesh.extend([secured("kubernetes://y"), secret("kubernetes://y")]));
    let only = |name: &str| plane.held.all(Kind::Secret).iter().map(|(held, _)| &**held).eq([name]);
    world_where(&plane.shared, |world| is_ready(world) == Some(true) && only("kubernetes://y")).await;
}
