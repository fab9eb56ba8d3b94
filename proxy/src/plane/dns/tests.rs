mod demand;
mod idle;

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use mesh_proto::Any;
use mesh_snapshot::{Kind, Store};
use tokio::sync::Notify;

use super::{entry::in_known_order, *};
use crate::plane::testing::{eventually, named_cluster};

/// Names with the answers to come, and a clock that stands still until it is moved.
#[derive(Clone, Default)]
struct Stage(Arc<Props>);

#[derive(Default)]
struct Props {
    script: Mutex<VecDeque<Result<Vec<IpAddr>, &'static str>>>,
    queries: AtomicU64,
    now: watch::Sender<u64>,
    sleeping: AtomicU64,
    answering: Notify,
    is_slow: AtomicBool,
    /// Seconds that answers hold, if they say so.
    ttl: AtomicU64,
}

impl Outside for Stage {
    fn look_up<'a>(&'a self, _: &'a str, _: DnsFamily) -> BoxFuture<'a, io::Result<Found>> {
        self.0.queries.fetch_add(1, Relaxed);
        Box::pin(async {
            if self.0.is_slow.load(Relaxed) {
                self.0.answering.notified().await;
            }
            let next = self.0.script.lock().unwrap().pop_front();
            let addresses = next.unwrap_or(Err("no such name")).map_err(io::Error::other)?;
            let ttl = Some(Duration::from_secs(self.0.ttl.load(Relaxed))).filter(|ttl| !ttl.is_zero());
            Ok(Found { addresses, ttl })
        })
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        let mut clock = self.0.now.subscribe();
        let end = *clock.borrow() + time.as_secs();
        self.0.sleeping.fetch_add(1, Relaxed);
        Box::pin(async move {
            drop(clock.wait_for(|now| *now >= end).await);
        })
    }
}

/// A feed that knows nothing but names.
struct Scene {
    stage: Stage,
    names: Names,
    world: Arc<World>,
    cluster: Arc<ClusterConfig>,
}

impl Scene {
    /// One cluster of a name that is asked for again after 60 seconds.
    fn new(script: impl IntoIterator<Item = Result<Vec<IpAddr>, &'static str>>) -> Self {
        let (stage, names, world) = (Stage::default(), Names::default(), Arc::new(World::default()));
        stage.0.script.lock().unwrap().extend(script);
        let mut store = Store::default();
        let ((_, name), any): (_, Any) = named_cluster("c", "example.org");
        store.put(Kind::Cluster, &name, &any).unwrap();
        let minute =
            |(name, terms)| (name, NameTerms { refresh: Duration::from_secs(60), respects_ttl: true, ..terms });
        let wanted: Vec<_> = store.wanted().names.into_iter().map(minute).collect();
        names.replace(&wanted);
        world.publish(store.build(&Snapshot::default()));
        let cluster = world.current().cluster("c").unwrap().config.clone();
        let mut answers = names.start(stage.clone());
        let (published, settling) = (world.clone(), names.clone());
        tokio::spawn(async move {
            while let Some(answer) = answers.recv().await {
                if store.resolve(answer.name(), answer.addresses.clone()) {
                    published.publish(store.build(&published.current()));
                }
                settling.settle(&[answer]);
            }
        });
        Self { stage, names, world, cluster }
    }

    fn queries(&self) -> u64 {
        self.stage.0.queries.load(Relaxed)
    }

    fn hosts(&self) -> Vec<String> {
        self.world.current().cluster("c").unwrap().hosts().map(|(_, host)| host.address.ip().to_string()).collect()
    }

    /// So many seconds later, when the task that keeps the name has slept `naps` times before.
    async fn later(&self, seconds: u64, naps: u64) {
        eventually(|| (self.stage.0.sleeping.load(Relaxed) == naps).then_some(())).await;
        self.stage.0.now.send_modify(|now| *now += seconds);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

fn ips(ips: &[&str]) -> Result<Vec<IpAddr>, &'static str> {
    Ok(ips.iter().map(|ip| ip.parse().unwrap()).collect())
}

#[tokio::test]
async fn an_idle_proxy_asks_nothing() {
    let scene = Scene::new([ips(&["192.0.2.1"]), ips(&["192.0.2.2"])]);
    scene.later(86_400, 0).await;
    assert_eq!(scene.queries(), 0);
    scene.names.wait(&scene.world, &scene.cluster).await;
    assert_eq!((scene.queries(), scene.hosts()), (1, vec!["192.0.2.1".to_owned()]));
    // Nobody came since: the name is not asked for again, however long it takes.
    scene.later(60, 1).await;
    scene.later(86_400, 1).await;
    assert_eq!(scene.queries(), 1);
}

#[tokio::test]
async fn a_name_in_use_is_asked_for_again_when_it_is_time() {
    let scene = Scene::new([ips(&["192.0.2.1"]), ips(&["192.0.2.2"])]);
    scene.names.wait(&scene.world, &scene.cluster).await;
    for _ in 0..100 {
        assert!(!scene.names.want(&scene.cluster), "there is an answer");
    }
    scene.later(59, 1).await;
    assert_eq!(scene.queries(), 1);
    scene.later(1, 1).await;
    eventually(|| (scene.hosts() == ["192.0.2.2"]).then_some(())).await;
    scene.later(60, 2).await;
    assert_eq!(scene.queries(), 2, "it was not used since");
    // The stale answer serves at once, while a new one is on its way.
    assert!(!scene.names.want(&scene.cluster));
    eventually(|| (scene.queries() == 3).then_some(())).await;
}

#[tokio::test]
async fn an_answer_holds_as_long_as_it_says_but_five_seconds_at_least() {
    for (ttl, holds) in [(30, 30), (1, 5), (600, 600)] {
        let scene = Scene::new([ips(&["192.0.2.1"]), ips(&["192.0.2.2"])]);
        scene.stage.0.ttl.store(ttl, Relaxed);
        scene.names.wait(&scene.world, &scene.cluster).await;
        scene.names.want(&scene.cluster);
        scene.later(holds - 1, 1).await;
        assert_eq!(scene.queries(), 1, "{ttl}");
        scene.later(1, 1).await;
        eventually(|| (scene.queries() == 2).then_some(())).await;
    }
}

#[tokio::test]
async fn a_failure_is_believed_for_a_while_and_keeps_what_was_good() {
    let scene = Scene::new([Err("servfail"), ips(&["192.0.2.1"]), Err("servfail"), ips(&["192.0.2.3"])]);
    scene.names.wait(&scene.world, &scene.cluster).await;
    assert!(scene.hosts().is_empty());
    for _ in 0..100 {
        assert!(!scene.names.want(&scene.cluster), "it is known that there is none");
    }
    assert_eq!(scene.queries(), 1);
    scene.later(5, 1).await;
    scene.names.wait(&scene.world, &scene.cluster).await;
    assert_eq!((scene.queries(), scene.hosts()), (2, vec!["192.0.2.1".to_owned()]));
    scene.names.want(&scene.cluster);
    scene.later(60, 2).await;
    eventually(|| (scene.queries() == 3).then_some(())).await;
    scene.names.want(&scene.cluster);
    assert_eq!(scene.hosts(), ["192.0.2.1"], "a failure leaves the last answer in force");
    scene.later(5, 3).await;
    eventually(|| (scene.hosts() == ["192.0.2.3"]).then_some(())).await;
}

#[tokio::test]
async fn many_wait_for_one_query() {
    let scene = Arc::new(Scene::new([ips(&["192.0.2.1"])]));
    scene.stage.0.is_slow.store(true, Relaxed);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let scene = scene.clone();
            tokio::spawn(async move { drop(scene.names.wait(&scene.world, &scene.cluster).await) })
        })
        .collect();
    eventually(|| (scene.queries() == 1).then_some(())).await;
    scene.stage.0.answering.notify_one();
    for one in waiting {
        one.await.unwrap();
    }
    assert_eq!((scene.queries(), scene.hosts()), (1, vec!["192.0.2.1".to_owned()]));
}

#[tokio::test]
async fn names_that_are_gone_are_given_up() {
    let scene = Scene::new([ips(&["192.0.2.1"]), ips(&["192.0.2.2"])]);
    scene.names.wait(&scene.world, &scene.cluster).await;
    scene.names.want(&scene.cluster);
    scene.names.replace(&[]);
    assert!(!scene.names.want(&scene.cluster));
    scene.later(60, 1).await;
    assert_eq!(scene.queries(), 1);
}

#[test]
fn another_order_is_no_news() {
    let (one, other) =
        (ips(&["192.0.2.1", "192.0.2.2"]).unwrap(), ips(&["192.0.2.2", "192.0.2.1", "192.0.2.2"]).unwrap());
    assert_eq!(in_known_order(other.clone(), &one), one);
    assert_eq!(in_known_order(other, &one[..1]), ips(&["192.0.2.2", "192.0.2.1"]).unwrap());
}
