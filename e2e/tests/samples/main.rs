//! Promise: upstream's samples are applied as they are, without a warning, and do what they are for.
//!
//! Routes of bookinfo are tried by `weighted_routing`, and its gateway of the Gateway API by `journeys`.

mod table;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually, gateway_api, has_kubectl,
    mesh::{Caller, PATIENCE, share},
    proxy::MESH,
};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use serde_json::json;

use self::table::{Outcome, SAMPLES};

/// How long a change may take on a machine that is busy with other tests.
const CONVERGED: Duration = Duration::from_secs(20);

#[test]
fn samples_are_all_told_of_on_the_page() -> Result<()> {
    let (page, rendered) = (table::on_the_page()?, table::rendered());
    ensure!(page == rendered, "docs/compatibility.md should tell of the samples:\n{rendered}");
    let Some(folder) = Cluster::upstream("samples_are_all_told_of_on_the_page, against upstream's files,") else {
        return Ok(());
    };
    let mut files = Vec::new();
    collect(&folder, &folder, &mut files)?;
    files.sort_unstable();
    ensure!(files.iter().eq(SAMPLES.iter().map(|sample| sample.file)), "upstream's files are {files:#?}");
    Ok(())
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push(path.strip_prefix(root)?.display().to_string());
        }
    }
    Ok(())
}

#[tokio::test]
async fn samples_are_applied_without_a_warning() -> Result<()> {
    const TEST: &str = "samples_are_applied_without_a_warning";
    let Some(folder) = Cluster::upstream(TEST) else { return Ok(()) };
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    if !has_kubectl(TEST) {
        return Ok(());
    }
    cluster
        .in_namespace(|space| async move {
            gateway_api::install(&space.cluster).await?;
            for sample in SAMPLES {
                let path = folder.join(sample.file).display().to_string();
                let mut applied = vec!["apply", "--dry-run=server", "-f", &path];
                // Objects that say where they belong go there; the last word of kubectl's line counts.
                if fs::read_to_string(&path)?.contains(&format!("  namespace: {MESH}\n")) {
                    applied.extend(["-n", MESH]);
                }
                let said = space.kubectl_with_warnings(&applied, "").await;
                match sample.outcome {
                    Outcome::Works => {
                        let (_, beside) = said?;
                        ensure!(!beside.contains("Warning"), "{}: {beside}", sample.file);
                    }
                    Outcome::WorksAndWarns | Outcome::FailsClosed => {
                        let (_, beside) = said?;
                        let warning = match sample.outcome {
                            // Whoever applies it should hear that its calls will fail.
                            Outcome::FailsClosed => "no mutual TLS",
                            _ => "this one gets none",
                        };
                        ensure!(beside.contains(warning), "{}: {beside}", sample.file);
                    }
                    Outcome::NeedsIpv6 => ensure!(said.is_err(), "{} is applied", sample.file),
                    Outcome::NeedsExperimental => {
                        let error = said.err().with_context(|| format!("{} is applied", sample.file))?;
                        ensure!(format!("{error:#}").contains("TCPRoute"), "{}: {error:#}", sample.file);
                    }
                    Outcome::Installs => {
                        let manifests = e2e::ctl::lateenctl(&["manifest", "generate", "-f", &path], "").await?;
                        ensure!(!manifests.contains("istio-ingressgateway"), "{} has gateways", sample.file);
                    }
                }
            }
            Ok(())
        })
        .await
}

/// Those who take every host share a gateway, and so come one after the other.
#[tokio::test]
async fn samples_at_the_ingress_gateway_are_reached() -> Result<()> {
    const TEST: &str = "samples_at_the_ingress_gateway_are_reached";
    let Some(folder) = Cluster::upstream(TEST) else { return Ok(()) };
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            for file in ["helloworld/helloworld.yaml", "httpbin/httpbin.yaml", "tcp-echo/tcp-echo-services.yaml"] {
                space.apply(&folder.join(file))?;
            }
            let visitor = visitor(&space).await?;
            space.pods_ready(6).await?;
            let services = Api::<Service>::namespaced(space.cluster.client.clone(), MESH);
            let door = services.get("istio-ingressgateway").await?.spec.and_then(|s| s.cluster_ip);
            let door = door.context("the gateway has no address")?;
            let one = |file: &str| fs::read_to_string(folder.join(file)).context(file.to_owned());

            let gateway = one("helloworld/helloworld-gateway.yaml")?;
            let url = format!("http://{door}/hello");
            let reached = both_versions_answer(&visitor, &url);
            space.cluster.holding(&space.name, &gateway, reached).await.context("helloworld")?;
            let gateway = one("httpbin/httpbin-gateway.yaml")?;
            let url = format!("http://{door}/status/418");
            let reached = answers(&visitor, &url, 418);
            space.cluster.holding(&space.name, &gateway, reached).await.context("httpbin")?;
            space.apply(&folder.join("tcp-echo/tcp-echo-all-v1.yaml"))?;
            echoes(&visitor, &door, 0.0).await.context("tcp-echo-all-v1")?;
            space.apply(&folder.join("tcp-echo/tcp-echo-20-v2.yaml"))?;
            echoes(&visitor, &door, 20.0).await.context("tcp-echo-20-v2")
        })
        .await
}

#[tokio::test]
async fn samples_of_the_gateway_api_are_reached() -> Result<()> {
    const TEST: &str = "samples_of_the_gateway_api_are_reached";
    let Some(folder) = Cluster::upstream(TEST) else { return Ok(()) };
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            gateway_api::install(&space.cluster).await?;
            for file in [
                "helloworld/helloworld.yaml",
                "helloworld/gateway-api/helloworld-gateway.yaml",
                "helloworld/gateway-api/helloworld-versions.yaml",
                "httpbin/httpbin.yaml",
                "httpbin/gateway-api/httpbin-gateway.yaml",
            ] {
                space.apply(&folder.join(file))?;
            }
            let visitor = visitor(&space).await?;
            space.pods_ready(6).await?;
            both_versions_answer(&visitor, "http://helloworld-gateway-istio/hello").await?;
            answers(&visitor, "http://httpbin-gateway-istio/status/418", 418).await?;
            space.apply(&folder.join("helloworld/gateway-api/helloworld-route.yaml"))?;
            let url = "http://helloworld-gateway-istio/hello";
            eventually("a tenth goes to v2", CONVERGED, async || {
                let tally = visitor.load(&[url, "-n", "1000", "--group", "version: (v[12])"]).await?;
                tally.all_good()?;
                share("v2", tally.group("v2"), 1000, 10.0)?;
                Ok(Some(()))
            })
            .await
        })
        .await
}

/// Routes of the Gateway API between services, and what bookinfo has besides routes.
#[tokio::test]
async fn samples_of_bookinfo_do_what_they_are_for() -> Result<()> {
    const TEST: &str = "samples_of_bookinfo_do_what_they_are_for";
    let Some(folder) = Cluster::upstream(TEST) else { return Ok(()) };
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    let folder = folder.join("bookinfo");
    cluster
        .in_namespace(|space| async move {
            gateway_api::install(&space.cluster).await?;
            space.bookinfo().await?;
            let caller = space.caller("client").await?;
            space.apply(&folder.join("networking/destination-rule-reviews.yaml"))?;
            space.apply(&folder.join("networking/fault-injection-details-v1.yaml"))?;
            answers(&caller, "http://details:9080/details/0", 555).await?;
            space.apply(&folder.join("platform/kube/bookinfo-versions.yaml"))?;
            for (file, split) in [
                ("route-all-v1", [100, 0, 0]),
                ("route-reviews-v3", [0, 0, 100]),
                ("route-reviews-50-v3", [50, 0, 50]),
                ("route-reviews-90-10", [90, 10, 0]),
                ("route-reviews-v1", [100, 0, 0]),
            ] {
                space.apply(&folder.join("gateway-api").join(format!("{file}.yaml")))?;
                splits(&caller, split).await.context(file)?;
            }
            Ok(())
        })
        .await
}

/// HTTP that leaves becomes HTTPS on its way.
#[tokio::test]
async fn samples_that_call_googleapis_do_so_by_tls() -> Result<()> {
    const TEST: &str = "samples_that_call_googleapis_do_so_by_tls";
    let Some(folder) = Cluster::upstream(TEST) else { return Ok(()) };
    let Some((cluster, _)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            let caller = space.caller("client").await?;
            space.apply(&folder.join("bookinfo/networking/egress-rule-google-apis.yaml"))?;
            eventually("googleapis is called by TLS", CONVERGED, async || {
                let (status, body) = caller.curl(&["http://www.googleapis.com/get"]).await?;
                ensure!(status == 200, "{status}: {body}");
                let parts = ["\"www.googleapis.com\"", "outbound|443||www.googleapis.com", " 200 "];
                let log = caller.proxy.log().await?;
                Ok(log.lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(()))
            })
            .await
        })
        .await
}

/// Somebody who is no part of the mesh.
async fn visitor(space: &Space) -> Result<Caller> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "visitor", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [
            {"name": "caller", "image": "lateen/load", "command": ["sleep", "infinity"]},
        ]},
    }))?;
    space.caller_from(pod).await
}

async fn answers(caller: &Caller, url: &str, wanted: u16) -> Result<()> {
    eventually(&format!("{url} is answered with {wanted}"), PATIENCE, async || {
        let (status, body) = caller.curl(&[url]).await?;
        ensure!(status == wanted, "{status}: {body}");
        Ok(Some(()))
    })
    .await
}

async fn both_versions_answer(visitor: &Caller, url: &str) -> Result<()> {
    eventually(&format!("both versions answer at {url}"), PATIENCE, async || {
        let tally = visitor.load(&[url, "-n", "40", "--group", "version: (v[12])"]).await?;
        tally.all_good()?;
        ensure!(tally.group("v1") > 0 && tally.group("v2") > 0, "{tally:?}");
        Ok(Some(()))
    })
    .await
}

/// Says a line to tcp-echo a hundred times; so many percent of the answers must be of version two.
async fn echoes(visitor: &Caller, door: &str, percent: f64) -> Result<()> {
    let once = format!("exec 3<>/dev/tcp/{door}/31400 && echo hi >&3 && head -n 1 <&3");
    let script = format!("for i in $(seq 100); do timeout 5 bash -c '{once}'; done");
    eventually("the echo answers", CONVERGED, async || {
        let said = visitor.exec("caller", &["bash", "-c", &script]).await?;
        let mut words = BTreeMap::<&str, u64>::new();
        for line in said.lines() {
            *words.entry(line).or_default() += 1;
        }
        let of = |word: &str| words.get(word).copied().unwrap_or(0);
        ensure!(of("one hi") + of("two hi") == 100, "it answers {words:?}");
        share("v2", of("two hi"), 100, percent)?;
        Ok(Some(()))
    })
    .await
}

/// Calls reviews until so many percent of the answers are of each version.
async fn splits(caller: &Caller, split: [u32; 3]) -> Result<()> {
    let version = "\"podname\": ?\"reviews-(v[0-9])";
    eventually(&format!("reviews are split {split:?}"), CONVERGED, async || {
        let tally = caller.load(&["http://reviews:9080/reviews/0", "-n", "500", "--group", version]).await?;
        tally.all_good()?;
        for (version, percent) in ["v1", "v2", "v3"].into_iter().zip(split) {
            share(version, tally.group(version), 500, percent.into())?;
        }
        Ok(Some(()))
    })
    .await
}
