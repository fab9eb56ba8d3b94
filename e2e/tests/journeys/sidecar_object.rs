//! Journey 3: a Sidecar object shrinks what a proxy knows; what is outside of it leaves the mesh, and still arrives.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually,
    mesh::{Caller, DataPlane, PATIENCE, exec, is_ready},
    proxy::Proxy,
    rounds,
};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::PostParams;
use serde_json::{Value, json};

/// How long a changed scope may take on a machine that is busy with other tests.
const CONVERGED: Duration = Duration::from_secs(15);
/// As the journey's author wrote it, but for the namespace.
const SIDECAR: &str = r#"
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - hosts:
    - "./*"
    - "istio-system/*"
"#;
const SELECTING: &str = r#"
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  workloadSelector:
    labels:
      app: my-shell
  egress:
  - hosts:
    - "./*"
    - "istio-system/*"
"#;

/// bookinfo in one namespace and shells in another.
struct Stage {
    own: String,
    bookinfo: String,
    /// The addresses of the pods of reviews.
    pods: BTreeSet<String>,
    /// The ClusterIP of reviews.
    service: String,
}

#[tokio::test]
async fn journey_3_a_sidecar_object_narrows_what_a_proxy_knows() -> Result<()> {
    const TEST: &str = "journey_3_a_sidecar_object_narrows_what_a_proxy_knows";
    let Some((cluster, data_plane)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|bookinfo| async move {
            let other = bookinfo.cluster.clone();
            other.in_namespace(|own| async move { narrow(&own, &bookinfo, data_plane).await }).await
        })
        .await
}

async fn narrow(own: &Space, bookinfo: &Space, data_plane: DataPlane) -> Result<()> {
    own.opt_in().await?;
    let (shell, stage) = tokio::try_join!(own.caller("my-shell"), stage(own, bookinfo))?;
    let sniffer = Sniffer::beside(own, "my-shell").await?;

    let url = format!("http://{}:9080/reviews/1", stage.service);
    let (_, body) = shell.curl(&[&url]).await?;
    is_the_seeds_answer(&body, bookinfo).await?;
    let before = knowledge(&shell.proxy).await?;
    for pod in &stage.pods {
        ensure!(
            before.endpoints.contains(&(format!("{pod}:9080"), stage.cluster())),
            "{pod} is not among {:?}",
            before.endpoints
        );
    }
    let seen = sniffer.destinations(&shell, &url).await?;
    ensure!(seen == stage.pods, "packets go to {seen:?}, not to the pods {:?}", stage.pods);

    own.apply_text(SIDECAR)?;
    let after = only_knows(&shell.proxy, &stage).await?;
    ensure!(
        after.endpoints.len() < before.endpoints.len() && after.clusters.len() < before.clusters.len(),
        "{} of {} endpoints and {} of {} clusters are left",
        after.endpoints.len(),
        before.endpoints.len(),
        after.clusters.len(),
        before.clusters.len(),
    );
    ensure!(after.endpoints.contains(&("127.0.0.1:15000".to_owned(), "prometheus_stats".to_owned())), "{after:?}");
    ensure!(
        after.endpoints.iter().any(|(_, cluster)| cluster.ends_with(".istio-system.svc.cluster.local")),
        "{after:?}"
    );
    let passed = shell.proxy.statistic("cluster.PassthroughCluster.upstream_cx_total").await?;
    let seen = sniffer.destinations(&shell, &url).await?;
    ensure!(seen == BTreeSet::from([stage.service.clone()]), "packets go to {seen:?}, not to {}", stage.service);
    let now = shell.proxy.statistic("cluster.PassthroughCluster.upstream_cx_total").await?;
    ensure!(now > passed, "PassthroughCluster counted {passed} connections before, and {now} after");
    says_that_it_left_the_mesh(&shell, &stage, data_plane).await
}

/// What the log and Istio's metrics say of a call that no service is known for.
async fn says_that_it_left_the_mesh(shell: &Caller, stage: &Stage, data_plane: DataPlane) -> Result<()> {
    shell.proxy.logged(&["PassthroughCluster", &format!("{}:9080", stage.service)]).await?;
    if data_plane == DataPlane::Lateen {
        let labels = ["reporter=\"source\"", "destination_service_name=\"PassthroughCluster\""];
        shell.proxy.counted("istio_tcp_connections_opened_total", &labels).await?;
    }
    Ok(())
}

#[tokio::test]
async fn journey_3_a_workload_selector_narrows_only_selected_pods() -> Result<()> {
    const TEST: &str = "journey_3_a_workload_selector_narrows_only_selected_pods";
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|elsewhere| async move {
            let other = elsewhere.cluster.clone();
            other.in_namespace(|own| async move { select(&own, &elsewhere).await }).await
        })
        .await
}

async fn select(own: &Space, elsewhere: &Space) -> Result<()> {
    own.opt_in().await?;
    // A Service is enough: what is asked is who knows of it.
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "reviews"},
        "spec": {"selector": {"app": "reviews"}, "ports": [{"name": "http", "port": 9080}]},
    }))?;
    elsewhere.api::<Service>().create(&PostParams::default(), &service).await?;
    let (selected, left) = tokio::try_join!(own.caller("my-shell"), own.caller("other-shell"))?;
    let cluster = format!("outbound|9080||reviews.{}.svc.cluster.local", elsewhere.name);
    let knows = async |proxy: &Proxy| {
        let text = proxy.exec(&["pilot-agent", "request", "GET", "clusters"]).await?;
        let dump = proxy.exec(&["pilot-agent", "request", "GET", "config_dump"]).await?;
        anyhow::Ok(text.contains(&cluster) || dump.contains(&format!("\"{cluster}\"")))
    };
    for shell in [&selected, &left] {
        eventually("both shells know of the service", CONVERGED, async || Ok(knows(&shell.proxy).await?.then_some(())))
            .await?;
    }
    own.apply_text(SELECTING)?;
    eventually(
        "the selected pod has forgotten",
        CONVERGED,
        async || Ok((!knows(&selected.proxy).await?).then_some(())),
    )
    .await?;
    ensure!(knows(&left.proxy).await?, "a pod that is not selected has forgotten {cluster}");
    Ok(())
}

/// How many Services there are elsewhere, at first and then.
const FEW: usize = 20;
const MANY: usize = 2_000;

#[tokio::test]
async fn journey_3_a_narrow_scope_costs_no_memory() -> Result<()> {
    const TEST: &str = "journey_3_a_narrow_scope_costs_no_memory";
    if rounds(2) == 1 {
        eprintln!("{TEST} was not run: it takes minutes; `cargo xtask e2e --long` runs it");
        return Ok(());
    }
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|elsewhere| async move {
            let other = elsewhere.cluster.clone();
            other.in_namespace(|own| async move { narrow_is_small(&own, &elsewhere).await }).await
        })
        .await
}

async fn narrow_is_small(own: &Space, elsewhere: &Space) -> Result<()> {
    own.opt_in().await?;
    own.apply_text(SIDECAR)?;
    services(elsewhere, 0..FEW).await?;
    let few = resident(&own.caller("few").await?.proxy).await?;
    services(elsewhere, FEW..MANY).await?;
    let many = resident(&own.caller("many").await?.proxy).await?;
    ensure!(many * 10 <= few * 11, "a proxy takes {few} kB beside {FEW} Services, and {many} kB beside {MANY}");
    Ok(())
}

async fn services(space: &Space, numbers: std::ops::Range<usize>) -> Result<()> {
    let api = space.api::<Service>();
    let made = numbers.map(|number| {
        let api = api.clone();
        async move {
            let service = serde_json::from_value(json!({
                "metadata": {"name": format!("s-{number}")},
                "spec": {"selector": {"app": "nobody"}, "ports": [{"name": "http", "port": 8000 + number % 50}]},
            }))?;
            api.create(&PostParams::default(), &service).await?;
            anyhow::Ok(())
        }
    });
    futures::stream::iter(made).buffer_unordered(16).try_collect().await
}

/// The memory that the processes of a pod's proxy have once they are at rest, in kB.
async fn resident(proxy: &Proxy) -> Result<u64> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    let said = proxy.exec(&["sh", "-c", "cat /proc/[0-9]*/status | grep VmRSS"]).await?;
    let sizes = said.lines().map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let sum: Option<u64> = sizes.sum();
    sum.filter(|sum| *sum > 0).with_context(|| format!("no memory in {said}"))
}

async fn stage(own: &Space, bookinfo: &Space) -> Result<Stage> {
    let mut pods = BTreeSet::new();
    for pod in bookinfo.bookinfo().await? {
        let reviews = pod.metadata.labels.as_ref().is_some_and(|l| l.get("app").is_some_and(|app| app == "reviews"));
        if reviews {
            pods.insert(pod.status.and_then(|s| s.pod_ip).context("a pod without an address")?);
        }
    }
    let service = bookinfo.api::<Service>().get("reviews").await?.spec.and_then(|s| s.cluster_ip);
    Ok(Stage {
        own: own.name.clone(),
        bookinfo: bookinfo.name.clone(),
        pods,
        service: service.context("reviews has no address")?,
    })
}

impl Stage {
    fn cluster(&self) -> String {
        format!("outbound|9080||reviews.{}.svc.cluster.local", self.bookinfo)
    }
}

/// What a proxy has been told of others.
#[derive(Debug)]
struct Knowledge {
    /// `ADDRESS:PORT` and cluster; all of them healthy.
    endpoints: BTreeSet<(String, String)>,
    clusters: BTreeSet<String>,
}

async fn knowledge(proxy: &Proxy) -> Result<Knowledge> {
    let title = ["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"];
    let mut endpoints = BTreeSet::new();
    for row in proxy.table("endpoint", &title).await? {
        let [endpoint, status, outlier, cluster] = &row[..] else { anyhow::bail!("a row of other columns: {row:?}") };
        ensure!(outlier == "OK" && (status == "HEALTHY" || status == "UNHEALTHY"), "{row:?}");
        endpoints.insert((endpoint.clone(), cluster.clone()));
    }
    let title = ["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"];
    let rows = proxy.table("cluster", &title).await?;
    Ok(Knowledge { endpoints, clusters: rows.into_iter().map(|row| row.join(" ")).collect() })
}

/// Waits until a proxy knows no service outside of its own namespace and the mesh's.
async fn only_knows(proxy: &Proxy, stage: &Stage) -> Result<Knowledge> {
    let inside = [format!(".{}.svc.cluster.local", stage.own), ".istio-system.svc.cluster.local".to_owned()];
    eventually("the proxy knows what the Sidecar object names", CONVERGED, async || {
        let knowledge = knowledge(proxy).await?;
        let known = knowledge.endpoints.iter().map(|(_, cluster)| cluster);
        let outside = known.filter(|c| c.starts_with("outbound|") && !inside.iter().any(|end| c.ends_with(end)));
        let outside: BTreeSet<_> = outside.collect();
        ensure!(outside.is_empty(), "it also knows {outside:?}");
        Ok(Some(knowledge))
    })
    .await
}

/// The answer of reviews, field for field.
async fn is_the_seeds_answer(body: &str, bookinfo: &Space) -> Result<()> {
    let answer: Value = serde_json::from_str(body).with_context(|| format!("not JSON: {body}"))?;
    let name = answer["podname"].as_str().with_context(|| format!("no podname in {body}"))?;
    let pod = bookinfo.api::<Pod>().get(name).await.with_context(|| format!("no pod {name}"))?;
    let version = pod.metadata.labels.and_then(|l| l.get("version").cloned()).unwrap_or_default();
    let stars = |stars: u8| match version.as_str() {
        "v2" => json!({"stars": stars, "color": "black"}),
        "v3" => json!({"stars": stars, "color": "red"}),
        _ => Value::Null,
    };
    let review = |who: &str, text: &str, count: u8| {
        let mut review = json!({"reviewer": who, "text": text, "rating": stars(count)});
        if review["rating"].is_null() {
            review.as_object_mut().into_iter().for_each(|review| drop(review.remove("rating")));
        }
        review
    };
    let expected = json!({
        "id": "1", "podname": name, "clustername": "null",
        "reviews": [
            review("Reviewer1", "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!", 5),
            review("Reviewer2", "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.", 4),
        ],
    });
    ensure!(answer == expected, "{version} answers {body}");
    Ok(())
}

/// A pod on the node of another that sees what leaves the other.
struct Sniffer {
    space: Space,
    address: String,
    device: String,
}

impl Sniffer {
    async fn beside(space: &Space, name: &str) -> Result<Self> {
        let pods = space.api::<Pod>();
        let observed = pods.get(name).await?;
        let node = observed.spec.and_then(|s| s.node_name).context("a pod without a node")?;
        let address = observed.status.and_then(|s| s.pod_ip).context("a pod without an address")?;
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "sniffer", "labels": {"sidecar.istio.io/inject": "false"}},
            "spec": {"nodeName": node, "hostNetwork": true, "terminationGracePeriodSeconds": 1, "containers": [{
                "name": "sniffer", "image": "nicolaka/netshoot", "command": ["sleep", "infinity"],
                "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
            }]},
        }))?;
        pods.create(&PostParams::default(), &pod).await?;
        eventually("the sniffer is ready", PATIENCE, async || Ok(is_ready(&pods.get("sniffer").await?).then_some(())))
            .await?;
        let route = exec(&pods, "sniffer", "sniffer", &["ip", "-o", "route", "get", &address]).await?;
        let mut words = route.split_whitespace().skip_while(|word| *word != "dev").skip(1);
        let device = words.next().with_context(|| format!("no device in {route}"))?.to_owned();
        Ok(Self { space: space.clone(), address, device })
    }

    /// Where the observed pod's packets go while it asks for `url` again and again.
    async fn destinations(&self, caller: &Caller, url: &str) -> Result<BTreeSet<String>> {
        let filter = format!("src host {} and tcp dst port 9080", self.address);
        // `-Z root`: it has no other user to become.
        let dump = ["timeout", "30", "tcpdump", "-Z", "root", "-i", &self.device, "-n", "-l", "-c", "120", &filter];
        let pods = self.space.api::<Pod>();
        let capture = exec(&pods, "sniffer", "sniffer", &dump);
        let ask = async {
            loop {
                let tally = caller.load(&[url, "-n", "30", "--no-keepalive"]).await?;
                tally.all_good()?;
            }
        };
        let packets = tokio::select! {
            packets = capture => packets?,
            failed = ask => return failed,
        };
        // `... IP 10.244.0.7.40000 > 10.244.1.9.9080: Flags ...`
        let destination = |line: &str| {
            let (_, rest) = line.split_once(" > ")?;
            rest.split_once(": ")?.0.rsplit_once('.').map(|(address, _)| address.to_owned())
        };
        let seen: Option<BTreeSet<String>> = packets.lines().map(destination).collect();
        seen.filter(|seen| !seen.is_empty()).with_context(|| format!("not packets: {packets}"))
    }
}
