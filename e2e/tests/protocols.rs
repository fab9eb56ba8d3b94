//! Promise: what applications say to each other passes a pair of sidecars unharmed, whatever the protocol, and however
//! much it is.

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually,
    mesh::{Caller, DataPlane, PATIENCE, exec, series},
};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::PostParams;
use serde_json::{Value, json};

/// Exchanges of `lateen-echo`, each of which checks every byte by itself.
const EXCHANGES: [&str; 10] = [
    "unary",
    "server-stream",
    "bidi",
    "deadline",
    "websocket",
    "http10",
    "chunked",
    "trailers",
    "expect",
    "server-first",
];

/// Exchanges by gRPC that have a known number of messages: from the client, and from the server.
const MESSAGES: [(&str, f64, f64); 3] = [
    // The second call fails without a message.
    ("unary", 2.0, 1.0),
    ("server-stream", 1.0, 1000.0),
    ("bidi", 100.0, 100.0),
];

/// The length of a large body: a gibibyte.
const LARGE: u64 = 1 << 30;
/// How much a proxy's memory may grow while it passes.
const GROWTH_KB: u64 = 64 * 1024;

#[tokio::test]
async fn every_protocol_passes_unharmed() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("every_protocol_passes_unharmed").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            let caller = pair(&space).await?;
            for exchange in EXCHANGES {
                caller.exec("caller", &["lateen-echo", "ask", exchange, "echo"]).await?;
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn every_message_of_grpc_is_counted_by_both_proxies() -> Result<()> {
    const TEST: &str = "every_message_of_grpc_is_counted_by_both_proxies";
    let Some((cluster, data_plane)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    if data_plane != DataPlane::Lateen {
        eprintln!("{TEST} was not run: Istio's metrics are our proxy's; stock Envoy has none");
        return Ok(());
    }
    cluster
        .in_namespace(|space| async move {
            let caller = pair(&space).await?;
            for (exchange, sent, answered) in MESSAGES {
                let before = [messages(&space, "client").await?, messages(&space, "echo").await?];
                caller.exec("caller", &["/app/lateen-echo", "ask", exchange, "echo"]).await?;
                let after = [messages(&space, "client").await?, messages(&space, "echo").await?];
                for ((reporter, before), after) in ["source", "destination"].into_iter().zip(before).zip(after) {
                    let counted = (after.0 - before.0, after.1 - before.1);
                    ensure!(counted == (sent, answered), "{reporter} counts {counted:?} messages of {exchange}");
                }
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_large_body_passes_in_little_memory() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("a_large_body_passes_in_little_memory").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            let caller = pair(&space).await?;
            for exchange in ["upload", "download"] {
                let before = [memory(&space, "client").await?, memory(&space, "echo").await?];
                let ask = ["lateen-echo", "ask", exchange, "echo", "--bytes", &LARGE.to_string()];
                caller.exec("caller", &ask).await?;
                let after = [memory(&space, "client").await?, memory(&space, "echo").await?];
                for (before, after) in before.into_iter().zip(after) {
                    let grown = after.saturating_sub(before);
                    ensure!(
                        grown < GROWTH_KB,
                        "{exchange} of {LARGE} bytes made a proxy grow by {grown} kB to {after}"
                    );
                }
            }
            Ok(())
        })
        .await
}

/// A server and a client, each with its sidecar.
async fn pair(space: &Space) -> Result<Caller> {
    space.opt_in().await?;
    // As in Istio, HTTP/1.0 is answered by proxies that are told to.
    let proxy = json!({"proxy.istio.io/config": r#"{"proxyMetadata": {"ISTIO_META_HTTP10": "1"}}"#});
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "echo", "labels": {"app": "echo"}, "annotations": proxy},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
            "name": "echo", "image": "lateen/echo", "args": ["serve"],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
            "ports": [{"containerPort": 8080}, {"containerPort": 8081}, {"containerPort": 8082}, {"containerPort": 8083}],
        }]},
    }))?;
    space.api::<Pod>().create(&PostParams::default(), &pod).await?;
    let port = |name: &str, port: u16| json!({"name": name, "port": port});
    let ports: Value = json!([port("http", 8080), port("grpc", 8081), port("tcp", 8082), port("http2", 8083)]);
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "echo"}, "spec": {"selector": {"app": "echo"}, "ports": ports},
    }))?;
    space.api::<Service>().create(&PostParams::default(), &service).await?;
    let caller = space.caller_of("client", "lateen/echo", &proxy).await?;
    space.pods_ready(2).await?;
    eventually("the client's proxy knows the server", PATIENCE, || async {
        caller.exec("caller", &["lateen-echo", "ask", "unary", "echo"]).await.map(Some)
    })
    .await?;
    Ok(caller)
}

/// How many messages the proxy of a pod has counted between the two: from the client, and from the server.
async fn messages(space: &Space, pod: &str) -> Result<(f64, f64)> {
    let text = space.cluster.proxy(&space.name, pod).metrics().await?;
    let service = format!("destination_service=\"echo.{}.svc.cluster.local\"", space.name);
    let parties = ["source_workload=\"client\"", "destination_workload=\"echo\"", &service];
    let count = |of: &str| series(&text, &format!("istio_{of}_messages_total"), &parties);
    Ok((count("request"), count("response")))
}

/// The most memory that the processes of a pod's proxy have had, in kB.
async fn memory(space: &Space, pod: &str) -> Result<u64> {
    let peaks = ["sh", "-c", "cat /proc/[0-9]*/status | grep VmHWM"];
    let said = exec(&space.api::<Pod>(), pod, "istio-proxy", &peaks).await?;
    let peaks = said.lines().map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let sum: Option<u64> = peaks.sum();
    sum.filter(|sum| *sum > 0).with_context(|| format!("no memory in {said}"))
}
