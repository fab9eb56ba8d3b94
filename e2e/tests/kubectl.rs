//! Promise: an unmodified kubectl finds what it expects, from the first `apply` to the last `delete`.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Space, has_kubectl, http};

const WEB: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting}
data: {text: good morning}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: mccutchen/go-httpbin
        env: [{name: TEXT, valueFrom: {configMapKeyRef: {name: greeting, key: text}}}]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /status/200, port: 8080}, periodSeconds: 1}
"#;

/// A call of kubectl, its standard input, and what its output must hold.
type Call<'a> = (&'a [&'a str], &'a str, &'a [&'a str]);

/// Runs the calls in order.
async fn hold(space: &Space, calls: &[Call<'_>]) -> Result<()> {
    for (args, input, parts) in calls {
        let said = space.kubectl(args, input).await?;
        for part in *parts {
            ensure!(said.contains(part), "kubectl {}: no `{part}` in\n{said}", args.join(" "));
        }
    }
    Ok(())
}

/// Runs a test in a namespace of its own, where there are a cluster and a kubectl.
async fn with_web<F: Future<Output = Result<()>>>(name: &str, test: impl FnOnce(Space) -> F) -> Result<()> {
    let Some(cluster) = Cluster::for_test(name).await? else { return Ok(()) };
    if !has_kubectl(name) {
        return Ok(());
    }
    let run = |space: Space| async move {
        hold(&space, &[(&["apply", "-f", "-"], WEB, &["configmap/greeting created", "deployment.apps/web created"])])
            .await?;
        hold(&space, &[(&["rollout", "status", "deploy/web", "--timeout=60s"], "", &["successfully rolled out"])])
            .await?;
        test(space).await
    };
    cluster.in_namespace(run).await
}

#[tokio::test]
async fn kubectl_shows_what_there_is() -> Result<()> {
    with_web("kubectl_shows_what_there_is", |space| async move {
        hold(
            &space,
            &[
                (&["apply", "-f", "-"], WEB, &["deployment.apps/web unchanged", "service/web unchanged"]),
                (&["get", "deploy"], "", &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "2/2"]),
                (&["get", "pods", "-o", "wide"], "", &["RESTARTS", "NODE", "NOMINATED NODE", "Running", "10.244."]),
                (&["get", "all"], "", &["pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"]),
                (&["get", "pods", "-l", "app=web", "-o", "name"], "", &["pod/web-"]),
                (&["get", "pods", "--field-selector", "status.phase=Running", "-A"], "", &["kube-system", "web-"]),
                (&["get", "svc", "web", "-o", "jsonpath={.spec.ports[0].targetPort}"], "", &["8080"]),
                (
                    &["get", "deploy", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas"],
                    "",
                    &["N     R\nweb   2"],
                ),
                (&["get", "endpoints,endpointslices"], "", &["endpoints/web", ":8080", "discovery.k8s.io/web-"]),
                (&["describe", "deploy", "web"], "", &["2 desired", "ScalingReplicaSet", "RollingUpdate"]),
                (&["describe", "pods"], "", &["Scheduled", "Started", "Readiness:", "QoS Class:"]),
                (&["events"], "", &["REASON", "Scheduled"]),
                (&["explain", "pod.spec.containers.image"], "", &["FIELD: image <string>"]),
                (&["api-resources"], "", &["deployments", "deploy", "apps/v1", "true", "Deployment"]),
                (&["auth", "can-i", "create", "pods"], "", &["yes"]),
                (&["create", "token", "default"], "", &["ey"]),
            ],
        )
        .await
    })
    .await
}

#[tokio::test]
async fn kubectl_changes_what_there_is() -> Result<()> {
    with_web("kubectl_changes_what_there_is", |space| async move {
        let strategic_patch =
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"ADDED","value":"1"}]}]}}}}"#;
        let json_patch = r#"[{"op": "replace", "path": "/data/text", "value": "good night"}]"#;
        hold(
            &space,
            &[
                (&["label", "deploy/web", "tier=front"], "", &["labeled"]),
                (&["annotate", "deploy/web", "note=x"], "", &["annotated"]),
                (&["patch", "cm/greeting", "--type=merge", "-p", r#"{"data":{"more":"1"}}"#], "", &["patched"]),
                (&["patch", "cm/greeting", "--type=json", "-p", json_patch], "", &["patched"]),
                (&["get", "cm/greeting", "-o", "jsonpath={.data.text}/{.data.more}"], "", &["good night/1"]),
                // By default lists are merged by their items' names.
                (&["patch", "deploy/web", "-p", strategic_patch], "", &["patched"]),
                (
                    &["get", "deploy/web", "-o", "jsonpath={..containers[*].image}/{..env[*].name}"],
                    "",
                    &["httpbin/ADDED TEXT"],
                ),
                (&["scale", "deploy/web", "--replicas=3"], "", &["scaled"]),
                (
                    &["wait", "deploy/web", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s"],
                    "",
                    &["condition met"],
                ),
                (&["set", "image", "deploy/web", "web=kennethreitz/httpbin"], "", &["image updated"]),
                (&["rollout", "history", "deploy/web"], "", &["REVISION", "2"]),
                (&["rollout", "undo", "deploy/web"], "", &["rolled back"]),
                (&["rollout", "restart", "deploy/web"], "", &["restarted"]),
                (&["rollout", "status", "deploy/web", "--timeout=60s"], "", &["successfully rolled out"]),
                (&["apply", "--server-side", "--force-conflicts", "-f", "-"], WEB, &["serverside-applied"]),
                (&["replace", "-f", "-"], WEB.split("---").next().unwrap_or_default(), &["replaced"]),
                (&["delete", "deploy/web", "--timeout=60s"], "", &["deleted"]),
                (&["wait", "--for=delete", "pods", "-l", "app=web", "--timeout=60s"], "", &[]),
            ],
        )
        .await
    })
    .await
}

#[tokio::test]
async fn kubectl_reaches_into_pods() -> Result<()> {
    with_web("kubectl_reaches_into_pods", |space| async move {
        hold(
            &space,
            &[
                (&["exec", "deploy/web", "--", "sh", "-c", "echo $TEXT; exit 0"], "", &["good morning"]),
                (&["exec", "-i", "deploy/web", "--", "cat"], "through and back", &["through and back"]),
                (&["exec", "deploy/web", "--", "curl", "-s", "web/status/200", "-w", "%{http_code}"], "", &["200"]),
                (
                    &["run", "talk", "--image=busybox", "--restart=Never", "--", "echo", "said and done"],
                    "",
                    &["created"],
                ),
                (
                    &["wait", "pod/talk", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s"],
                    "",
                    &["condition met"],
                ),
                (&["logs", "talk"], "", &["said and done"]),
                (&["logs", "-f", "talk"], "", &["said and done"]),
            ],
        )
        .await?;
        let failed = space.kubectl(&["exec", "deploy/web", "--", "sh", "-c", "exit 7"], "").await;
        let told = failed.err().context("exec of a failing command must fail")?.to_string();
        ensure!(told.contains("exit code 7"), "{told}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_talks_on_a_terminal() -> Result<()> {
    with_web("kubectl_talks_on_a_terminal", |space| async move {
        if Command::new("script").arg("--version").output().is_err() {
            eprintln!("kubectl_talks_on_a_terminal was not run: there is no `script`, which makes terminals");
            return Ok(());
        }
        let said =
            space.kubectl_on_terminal(&["exec", "-it", "deploy/web", "--", "sh"], "tty; echo $((6*7))\nexit\n").await?;
        ensure!(said.contains("/dev/pts/") && said.contains("\n42\r"), "{said}");
        let asks =
            ["run", "-it", "asks", "--image=busybox", "--restart=Never", "--", "sh", "-c", "read x; echo got $x"];
        let said = space.kubectl_on_terminal(&asks, "word\n").await?;
        ensure!(said.contains("got word"), "{said}");
        hold(&space, &[(&["run", "waits", "-it", "--image=busybox", "--attach=false", "--", "sh"], "", &["created"])])
            .await?;
        hold(&space, &[(&["wait", "pod/waits", "--for=condition=Ready", "--timeout=60s"], "", &["condition met"])])
            .await?;
        let said = space.kubectl_on_terminal(&["attach", "-it", "waits"], "tty\nexit\n").await?;
        ensure!(said.contains("/dev/pts/"), "{said}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_brings_pods_and_the_api_to_this_machine() -> Result<()> {
    with_web("kubectl_brings_pods_and_the_api_to_this_machine", |space| async move {
        for args in [["port-forward", "deploy/web", ":8080"], ["port-forward", "svc/web", ":80"]] {
            let (_kubectl, address) = space.kubectl_serving(&args).await?;
            for _ in 0..2 {
                let answer = http::get(&format!("http://{address}/status/203")).await?;
                ensure!(answer.status == 203, "{args:?}: {answer:?}");
            }
        }
        let (_kubectl, address) = space.kubectl_serving(&["port-forward", "deploy/web", ":9"]).await?;
        ensure!(http::get(&format!("http://{address}/")).await.is_err(), "a closed port answered");
        let (_kubectl, address) = space.kubectl_serving(&["proxy", "--port=0"]).await?;
        let answer = http::get(&format!("http://{address}/api/v1/namespaces/{}/pods", space.name)).await?;
        ensure!(answer.status == 200 && answer.body.contains("PodList"), "{answer:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_is_told_what_is_wrong() -> Result<()> {
    with_web("kubectl_is_told_what_is_wrong", |space| async move {
        let wrong = [
            (WEB.replace("replicas: 2", "replicsa: 2"), "unknown field \"spec.replicsa\""),
            (WEB.replace("replicas: 2", "replicas: two"), "spec.replicas"),
            (WEB.replace("port: 80,", "port: 80000,"), "spec.ports[0].port: Invalid value: 80000"),
            (
                WEB.replace("{matchLabels: {app: web}}", "{matchLabels: {app: other}}"),
                "`selector` does not match template `labels`",
            ),
        ];
        for (manifest, reason) in wrong {
            let fresh = manifest.replace("name: web", "name: fresh");
            let told = space.kubectl(&["apply", "-f", "-"], &fresh).await.err().context(reason)?.to_string();
            ensure!(told.contains(reason), "no `{reason}` in\n{told}");
        }
        hold(&space, &[(&["get", "deploy", "-o", "name"], "", &["deployment.apps/web"])]).await
    })
    .await
}
