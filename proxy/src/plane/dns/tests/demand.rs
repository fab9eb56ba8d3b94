//! Names that callers choose.

use mesh_proto::json::Messages;
use serde_json::json;

use super::*;

/// A cluster for names of `*.example.org`, of which so many may be known.
fn dynamic(most: u32) -> Arc<ClusterConfig> {
    let config = json!({
        "@type": mesh_proto::type_url::CLUSTER,
        "name": "d",
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                "dns_cache_config": {
                    "name": "n", "dns_lookup_family": "V4_ONLY", "dns_refresh_rate": "60s", "max_hosts": most,
                    "resolved_address_filter": { "ranges": [{ "address_prefix": "10.0.0.0", "prefix_len": 8 }] },
                },
            },
        },
        "metadata": { "filter_metadata": { "lateen": { "dynamic_host": "*.example.org", "dynamic_port": "443" } } },
    });
    let mut store = Store::default();
    store.put(Kind::Cluster, "d", &Messages::new().unwrap().pack(&config).unwrap()).unwrap();
    store.build(&Snapshot::default()).cluster("d").unwrap().config.clone()
}

struct Demand {
    stage: Stage,
    names: Names,
    cluster: Arc<ClusterConfig>,
}

impl Demand {
    fn new(most: u32, script: impl IntoIterator<Item = Result<Vec<IpAddr>, &'static str>>) -> Self {
        let (stage, names) = (Stage::default(), Names::default());
        stage.0.script.lock().unwrap().extend(script);
        drop(names.start(stage.clone()));
        Self { stage, names, cluster: dynamic(most) }
    }

    async fn go(&self, asked: &str) -> Result<String, NoAddress> {
        let mesh_snapshot::Discovery::Dynamic(dynamic) = &self.cluster.discovery else { panic!("not dynamic") };
        let found = self.names.look_up(&self.cluster, dynamic, asked).await?;
        Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    fn queries(&self) -> u64 {
        self.stage.0.queries.load(Relaxed)
    }

    async fn later(&self, seconds: u64, naps: u64) {
        eventually(|| (self.stage.0.sleeping.load(Relaxed) == naps).then_some(())).await;
        self.stage.0.now.send_modify(|now| *now += seconds);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_name_is_asked_for_once_and_shared() {
    let demand = Arc::new(Demand::new(8, [ips(&["192.0.2.1", "192.0.2.2"])]));
    let asking: Vec<_> = ["a.example.org", "A.example.org:443", "a.example.org."]
        .map(|asked| {
            let demand = demand.clone();
            tokio::spawn(async move { demand.go(asked).await })
        })
        .into_iter()
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap(), Ok("192.0.2.1:443 192.0.2.2:443".to_owned()));
    }
    assert_eq!(demand.queries(), 1);
}

#[tokio::test]
async fn names_of_others_are_not_asked_for() {
    let demand = Demand::new(8, []);
    for asked in ["example.org", "evil.net", "10.0.0.1", "", "localhost", "169.254.169.254:80"] {
        assert_eq!(demand.go(asked).await, Err(NoAddress::Foreign), "{asked}");
    }
    assert_eq!(demand.queries(), 0);
}

#[tokio::test]
async fn no_name_leads_inside() {
    let demand = Demand::new(8, [ips(&["10.1.2.3"]), ips(&["10.1.2.3", "192.0.2.1", "2001:db8::1"])]);
    assert_eq!(demand.go("a.example.org").await, Err(NoAddress::Inside));
    assert_eq!(demand.go("b.example.org").await, Ok("192.0.2.1:443".to_owned()));
}

#[tokio::test]
async fn a_failure_is_believed_for_a_while() {
    let demand = Demand::new(8, [Err("servfail"), ips(&["192.0.2.1"])]);
    assert_eq!(demand.go("a.example.org").await, Err(NoAddress::Unknown));
    assert_eq!(demand.go("a.example.org").await, Err(NoAddress::Unknown));
    assert_eq!(demand.queries(), 1);
    demand.later(5, 1).await;
    assert_eq!(demand.go("a.example.org").await, Ok("192.0.2.1:443".to_owned()));
}

#[tokio::test]
async fn who_comes_back_late_gets_a_new_answer_and_after_a_failure_the_old_one() {
    let demand = Demand::new(8, [ips(&["192.0.2.1"]), ips(&["192.0.2.2"]), Err("servfail")]);
    assert_eq!(demand.go("a.example.org").await, Ok("192.0.2.1:443".to_owned()));
    demand.later(86_400, 1).await;
    assert_eq!(demand.go("a.example.org").await, Ok("192.0.2.2:443".to_owned()));
    demand.later(86_400, 2).await;
    assert_eq!(demand.go("a.example.org").await, Ok("192.0.2.2:443".to_owned()));
    assert_eq!(demand.queries(), 3);
}

#[tokio::test]
async fn there_are_only_so_many_names_and_idle_ones_give_way() {
    let demand = Demand::new(2, [ips(&["192.0.2.1"]), ips(&["192.0.2.2"]), ips(&["192.0.2.3"])]);
    demand.go("a.example.org").await.unwrap();
    demand.go("b.example.org").await.unwrap();
    assert_eq!(demand.go("c.example.org").await, Err(NoAddress::TooMany));
    demand.later(60, 2).await;
    assert_eq!(demand.go("c.example.org").await, Ok("192.0.2.3:443".to_owned()));
}
