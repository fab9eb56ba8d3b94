//! Promise: in a namespace that opted in, every pod of an unmodified application gets its sidecar.

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, eventually, mesh::PATIENCE};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::PostParams;
use serde_json::{Value, json};

/// The arguments of `istio-init` as Istio's users know them.
const CAPTURE: &str = "istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x  -b * -d 15090,15021,15020";

#[tokio::test]
async fn bookinfo_gets_its_sidecars() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("bookinfo_gets_its_sidecars").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            for pod in space.bookinfo().await? {
                let name = pod.metadata.name.clone().unwrap_or_default();
                injected(&pod).with_context(|| format!("pod {name}"))?;
            }
            Ok(())
        })
        .await
}

/// What injection adds to a pod of bookinfo.
fn injected(pod: &Pod) -> Result<()> {
    let spec = pod.spec.as_ref().context("a pod without a spec")?;
    let ready = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten()).filter(|c| c.ready).count();
    ensure!((spec.containers.len(), ready) == (2, 2), "{ready} of {} containers are ready", spec.containers.len());
    let proxy = &spec.containers[0];
    ensure!(proxy.name == "istio-proxy", "the first container is {}", proxy.name);
    let hook = proxy.lifecycle.as_ref().and_then(|l| l.post_start.as_ref()).and_then(|h| h.exec.as_ref());
    ensure!(hook.is_some(), "the application does not wait for its proxy");
    for probe in [&proxy.startup_probe, &proxy.readiness_probe] {
        let probe = serde_json::to_value(probe)?;
        ensure!(probe["httpGet"]["path"] == "/healthz/ready" && probe["httpGet"]["port"] == 15021, "probe {probe}");
    }
    ensure!(proxy.ports.iter().flatten().any(|p| p.container_port == 15090), "no port 15090");
    runs_as(
        proxy,
        &json!({
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false,
            "readOnlyRootFilesystem": true, "runAsGroup": 1337, "runAsNonRoot": true, "runAsUser": 1337,
        }),
    )?;
    let names: Vec<&str> = proxy.env.iter().flatten().map(|e| e.name.as_str()).collect();
    for name in [
        "POD_NAME",
        "POD_NAMESPACE",
        "INSTANCE_IP",
        "SERVICE_ACCOUNT",
        "PROXY_CONFIG",
        "ISTIO_META_POD_PORTS",
        "ISTIO_META_WORKLOAD_NAME",
        "ISTIO_META_CLUSTER_ID",
        "TRUST_DOMAIN",
        "CA_ADDR",
    ] {
        ensure!(names.contains(&name), "no variable {name} in {names:?}");
    }
    let init = spec.init_containers.iter().flatten().find(|c| c.name == "istio-init").context("no istio-init")?;
    let args = init.args.clone().unwrap_or_default().join(" ");
    ensure!(args.starts_with(CAPTURE), "istio-init has the arguments {args}");
    let capabilities =
        init.security_context.as_ref().and_then(|s| s.capabilities.as_ref()).context("no capabilities")?;
    ensure!(capabilities.add == Some(vec!["NET_ADMIN".into(), "NET_RAW".into()]), "istio-init has {capabilities:?}");
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    ensure!(labels.get("security.istio.io/tlsMode").is_some_and(|m| m == "istio"), "labels {labels:?}");
    let status = pod.metadata.annotations.iter().flatten().find(|(k, _)| *k == "sidecar.istio.io/status");
    ensure!(status.is_some(), "no annotation sidecar.istio.io/status");
    Ok(())
}

fn runs_as(container: &Container, expected: &Value) -> Result<()> {
    let is = serde_json::to_value(&container.security_context)?;
    let differs = expected.as_object().into_iter().flatten().find(|(key, value)| is[key.as_str()] != **value);
    ensure!(differs.is_none(), "{} runs as {is}", container.name);
    Ok(())
}

#[tokio::test]
async fn namespaces_that_did_not_opt_in_are_left_alone() -> Result<()> {
    const TEST: &str = "namespaces_that_did_not_opt_in_are_left_alone";
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            let pods = space.api::<Pod>();
            for (name, labels, containers) in
                [("plain", json!({}), 1), ("asked", json!({"sidecar.istio.io/inject": "true"}), 2)]
            {
                let pod = serde_json::from_value(json!({
                    "metadata": {"name": name, "labels": labels},
                    "spec": {"containers": [{"name": "app", "image": "busybox", "command": ["sleep", "infinity"]}]},
                }))?;
                pods.create(&PostParams::default(), &pod).await?;
                let made = eventually("the pod is ready", PATIENCE, || async {
                    let pod = pods.get(name).await?;
                    Ok(e2e::mesh::is_ready(&pod).then_some(pod))
                })
                .await?;
                let count = made.spec.map_or(0, |s| s.containers.len());
                ensure!(count == containers, "pod {name} has {count} containers");
            }
            Ok(())
        })
        .await
}
