//! What idle proxies cost the cluster's DNS: nothing.

use std::time::Instant;

use super::*;
use crate::dns::testing::Nameserver;

const PROXIES: usize = 500;
const ENTRIES: usize = 30;

/// A proxy with so many clusters of DNS, each with a name of its own, and the names' answers going where a feed's would.
fn proxy(outside: impl Outside) -> (Names, Arc<World>) {
    let (names, world) = (Names::default(), Arc::new(World::default()));
    let mut store = Store::default();
    for number in 0..ENTRIES {
        let ((_, name), any) = named_cluster(&format!("c{number}"), &format!("h{number}.example.org"));
        store.put(Kind::Cluster, &name, &any).unwrap();
    }
    names.replace(&store.wanted().names);
    world.publish(store.build(&Snapshot::default()));
    let mut answers = names.start(outside);
    let (published, settling) = (world.clone(), names.clone());
    tokio::spawn(async move {
        while let Some(answer) = answers.recv().await {
            store.resolve(answer.name(), answer.addresses.clone());
            published.publish(store.build(&published.current()));
            settling.settle(&[answer]);
        }
    });
    (names, world)
}

#[tokio::test]
async fn two_minutes_of_five_hundred_idle_proxies_are_no_question() {
    let stage = Stage::default();
    let proxies: Vec<_> = (0..PROXIES).map(|_| proxy(stage.clone())).collect();
    for _ in 0..120 {
        stage.0.now.send_modify(|now| *now += 1);
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(stage.0.queries.load(Relaxed), 0);
    assert_eq!(stage.0.sleeping.load(Relaxed), 0, "no task waits for the time to ask");
    drop(proxies);
}

#[tokio::test]
async fn ten_seconds_of_five_hundred_idle_proxies_are_no_question_and_the_first_request_is_one() {
    let server = Nameserver::start(&[("h7.example.org", 60, "192.0.2.7")]).await;
    let proxies: Vec<_> = (0..PROXIES).map(|_| proxy(Resolver::by(vec![server.address]))).collect();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(server.queries(), 0);
    let (names, world) = &proxies[PROXIES / 2];
    let cluster = world.current().cluster("c7").unwrap().config.clone();
    let began = Instant::now();
    let world = names.wait(world, &cluster).await;
    let took = began.elapsed();
    let hosts: Vec<_> = world.cluster("c7").unwrap().hosts().map(|(_, host)| host.address.ip()).collect();
    assert_eq!(hosts, [IpAddr::from([192, 0, 2, 7])]);
    assert!(took < Duration::from_millis(50), "{took:?}");
    // As the cluster's family is, there are questions for one family or both, and no others.
    assert!(server.asked().iter().all(|asked| asked.ends_with(" h7.example.org")), "{:?}", server.asked());
}
