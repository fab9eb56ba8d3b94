//! Promise: a pod lives and dies as the kubelet would have it, and kubectl reaches into it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Space, eventually, has_kubectl};

const PATIENCE: Duration = Duration::from_secs(40);

/// Pods that go wrong, each in its own way.
const TROUBLED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec: {containers: [{name: m, image: busybox, command: [sh, -c, "echo last words; exit 3"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: unwell}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: m
    image: busybox
    command: [sleep, "3600"]
    livenessProbe: {exec: {command: [cat, /nothing]}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: no-image}
spec: {containers: [{name: m, image: "example.com/nope/never:1.0"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-config}
spec:
  containers:
  - {name: m, image: busybox, env: [{name: X, valueFrom: {configMapKeyRef: {name: missing, key: x}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-root}
spec: {containers: [{name: m, image: busybox, securityContext: {runAsNonRoot: true}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-volume}
spec:
  containers: [{name: m, image: busybox, volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, configMap: {name: missing}}]
---
apiVersion: v1
kind: Pod
metadata: {name: no-node}
spec: {nodeSelector: {disk: fast}, containers: [{name: m, image: busybox}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-start}
spec:
  restartPolicy: Never
  initContainers: [{name: i, image: busybox, command: [sh, -c, "exit 4"]}]
  containers: [{name: m, image: busybox}]
---
apiVersion: v1
kind: Pod
metadata: {name: done}
spec:
  restartPolicy: OnFailure
  containers: [{name: m, image: busybox, command: [sh, -c, "echo bye > /dev/termination-log"]}]
"#;

/// A pod whose containers start one after the other, with all kinds of volumes.
const ORDERED: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: red}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
stringData: {word: hush}
---
apiVersion: v1
kind: Pod
metadata: {name: ordered, labels: {app: ordered}}
spec:
  terminationGracePeriodSeconds: 10
  securityContext: {runAsUser: 1337, runAsGroup: 1338, fsGroup: 2000}
  initContainers:
  - {name: first, image: busybox, command: [sh, -c, "echo first >> /w/order"], volumeMounts: [{name: w, mountPath: /w}]}
  - name: beside
    image: busybox
    restartPolicy: Always
    command: [sh, -c, "sleep 0.5; echo beside >> /w/order; exec sleep 3600"]
    startupProbe: {exec: {command: [grep, beside, /w/order]}, periodSeconds: 1}
    volumeMounts: [{name: w, mountPath: /w}]
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "trap 'echo told to end; exit 0' TERM; echo up; while true; do sleep 0.1; done"]
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    resources: {limits: {memory: 64Mi}}
    lifecycle:
      postStart: {exec: {command: [sh, -c, "sleep 0.5; echo greeted >> /w/order"]}}
      preStop: {exec: {command: [sh, -c, "echo before the end > /proc/1/fd/1; sleep 2"]}}
    env:
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: secret, key: word}}}
    - {name: BOTH, value: "$(NAME)-$(WORD)"}
    envFrom: [{prefix: SET_, configMapRef: {name: settings}}]
    volumeMounts:
    - {name: w, mountPath: /w}
    - {name: w, mountPath: /opt/ibm/wlp/output}
    - {name: all, mountPath: /all}
  - {name: last, image: busybox, command: [sh, -c, "echo last >> /w/order; exec sleep 3600"], volumeMounts: [{name: w, mountPath: /w}]}
  volumes:
  - {name: w, emptyDir: {}}
  - name: all
    projected:
      sources:
      - {configMap: {name: settings}}
      - {secret: {name: secret}}
      - {serviceAccountToken: {path: token, audience: someone, expirationSeconds: 600}}
      - {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
"#;

/// Runs a test in a namespace of its own, where there are a cluster and a kubectl.
async fn with_space<F: Future<Output = Result<()>>>(name: &str, test: impl FnOnce(Space) -> F) -> Result<()> {
    let Some(cluster) = Cluster::for_test(name).await? else { return Ok(()) };
    if !has_kubectl(name) {
        return Ok(());
    }
    cluster.in_namespace(test).await
}

/// Asks until the answer holds every part.
async fn awaits(space: &Space, args: &[&str], parts: &[&str]) -> Result<String> {
    eventually(&format!("kubectl {}: {parts:?}", args.join(" ")), PATIENCE, || async {
        let said = space.kubectl(args, "").await?;
        match parts.iter().find(|part| !said.contains(**part)) {
            Some(part) => anyhow::bail!("no `{part}` in\n{said}"),
            None => Ok(Some(said)),
        }
    })
    .await
}

/// What a call that must fail says.
async fn refused(space: &Space, args: &[&str]) -> Result<String> {
    let told = space.kubectl(args, "").await.err();
    Ok(told.with_context(|| format!("kubectl {} must fail", args.join(" ")))?.to_string())
}

#[tokio::test]
async fn a_troubled_pod_says_what_troubles_it() -> Result<()> {
    with_space("a_troubled_pod_says_what_troubles_it", |space| async move {
        space.kubectl(&["apply", "-f", "-"], TROUBLED).await?;
        for (pod, status, told) in [
            (
                "crash",
                "CrashLoopBackOff",
                &["Exit Code:    3", "Back-off restarting failed container m in pod crash_"][..],
            ),
            (
                "unwell",
                "",
                &["Liveness probe failed: cat: /nothing", "Container m failed liveness probe, will be restarted"],
            ),
            ("no-image", "ImagePullBackOff", &["add an entry `- name: nope/never`", "localkube up --images FILE"]),
            ("no-config", "CreateContainerConfigError", &["Error: configmap \"missing\" not found"]),
            ("no-root", "CreateContainerConfigError", &["container has runAsNonRoot and image will run as root"]),
            (
                "no-volume",
                "ContainerCreating",
                &["MountVolume.SetUp failed for volume \"v\" : configmap \"missing\" not found"],
            ),
            ("no-node", "Pending", &["0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector"]),
            ("no-start", "Init:Error", &["Exit Code:    4"]),
            ("done", "Completed", &["bye", "Exit Code:    0"]),
        ] {
            awaits(&space, &["get", "pod", pod], &[status]).await?;
            awaits(&space, &["describe", "pod", pod], told).await?;
        }
        awaits(
            &space,
            &["get", "pod", "unwell", "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}"],
            &["137"],
        )
        .await?;
        awaits(&space, &["logs", "crash", "--previous"], &["last words"]).await?;
        let told = refused(&space, &["logs", "no-image"]).await?;
        ensure!(told.contains("container \"m\" in pod \"no-image\" is waiting to start"), "{told}");
        let told = refused(&space, &["logs", "done", "--previous"]).await?;
        ensure!(told.contains("previous terminated container \"m\" in pod \"done\" not found"), "{told}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn containers_start_and_end_in_order() -> Result<()> {
    with_space("containers_start_and_end_in_order", |space| async move {
        space.kubectl(&["apply", "-f", "-"], ORDERED).await?;
        space.kubectl(&["wait", "pod/ordered", "--for=condition=Ready", "--timeout=40s"], "").await?;
        let inside = |script: &'static str| {
            let space = space.clone();
            async move { space.kubectl(&["exec", "ordered", "-c", "main", "--", "sh", "-c", script], "").await }
        };
        // `last` may still be writing.
        awaits(
            &space,
            &["exec", "ordered", "-c", "main", "--", "cat", "/opt/ibm/wlp/output/order"],
            &["first\nbeside\ngreeted\nlast\n"],
        )
        .await?;
        let said =
            inside("id; echo $NAME $MEMORY $BOTH $SET_colour; grep CapEff /proc/self/status; touch /x 2>&1 || true")
                .await?;
        for part in [
            "uid=1337",
            "gid=1338",
            "2000",
            "ordered 67108864 ordered-hush red",
            "CapEff:\t0000000000000000",
            "Read-only file system",
        ] {
            ensure!(said.contains(part), "no `{part}` in\n{said}");
        }
        let said = inside("cat /all/colour /all/word /all/labels /all/token").await?;
        ensure!(said.contains("redhushapp=\"ordered\"ey"), "{said}");

        space.kubectl(&["patch", "cm", "settings", "-p", r#"{"data":{"colour":"blue"}}"#], "").await?;
        space.kubectl(&["label", "pod", "ordered", "more=1"], "").await?;
        awaits(
            &space,
            &["exec", "ordered", "-c", "main", "--", "cat", "/all/colour", "/all/labels"],
            &["blue", "more=\"1\""],
        )
        .await?;

        let (follow, delete) = (["logs", "-f", "ordered", "-c", "main"], ["delete", "pod", "ordered"]);
        let (log, deleted) = tokio::join!(space.kubectl(&follow, ""), space.kubectl(&delete, ""));
        let log = log?;
        ensure!(log == "up\nbefore the end\ntold to end\n", "{log}");
        ensure!(deleted?.contains("deleted"), "not deleted");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn kubectl_reads_and_moves_what_a_pod_has() -> Result<()> {
    with_space("kubectl_reads_and_moves_what_a_pod_has", |space| async move {
        let script = "for i in 1 2 3; do echo line-$i; done; echo ready > /tmp/ready; exec sleep 3600";
        let make = ["run", "talk", "--image=busybox", "--labels=app=talk", "--command", "--", "sh", "-c", script];
        space.kubectl(&make, "").await?;
        space.kubectl(&["wait", "pod/talk", "--for=condition=Ready", "--timeout=40s"], "").await?;
        awaits(&space, &["logs", "talk"], &["line-3"]).await?;
        ensure!(space.kubectl(&["logs", "-l", "app=talk", "--tail=1"], "").await? == "line-3\n", "--tail");
        let said = space.kubectl(&["logs", "talk", "--timestamps", "--since=1h", "--prefix"], "").await?;
        ensure!(said.starts_with("[pod/talk/talk] 2") && said.contains("Z line-1"), "{said}");
        ensure!(space.kubectl(&["logs", "talk", "--limit-bytes=4"], "").await? == "line", "--limit-bytes");

        let told = refused(&space, &["exec", "talk", "--", "sh", "-c", "echo out; echo err >&2; exit 9"]).await?;
        ensure!(told.contains("out") && told.contains("err") && told.contains("exit code 9"), "{told}");
        let told = refused(&space, &["exec", "talk", "--", "nosuch"]).await?;
        ensure!(told.contains("exec: \"nosuch\": executable file not found in $PATH"), "{told}");
        let told = refused(&space, &["exec", "talk", "-c", "other", "--", "true"]).await?;
        ensure!(told.contains("container other is not valid for pod talk"), "{told}");
        let many = space.kubectl(&["exec", "talk", "--", "sh", "-c", "yes | head -c 5000000"], "").await?;
        ensure!(many.len() == 5_000_000, "{} bytes came of 5000000", many.len());
        let text = "0123456789".repeat(100_000);
        ensure!(space.kubectl(&["exec", "-i", "talk", "--", "wc", "-c"], &text).await?.trim() == "1000000", "stdin");

        let folder = std::env::temp_dir().join(&space.name);
        std::fs::create_dir(&folder)?;
        let path = |name: &str| folder.join(name).display().to_string();
        std::fs::write(path("there"), &text)?;
        let copied = async {
            space.kubectl(&["cp", &path("there"), "talk:/tmp/file"], "").await?;
            space.kubectl(&["cp", "talk:/tmp/file", &path("back")], "").await?;
            Ok::<_, anyhow::Error>(std::fs::read_to_string(path("back"))? == text)
        };
        let copied = copied.await;
        std::fs::remove_dir_all(&folder)?;
        ensure!(copied?, "a file changed on its way there and back");

        let said = space
            .kubectl(&["run", "once", "-i", "--rm", "--restart=Never", "--image=busybox", "--", "cat"], "through\n");
        let said = said.await?;
        ensure!(said.contains("through") && said.contains("pod \"once\" deleted"), "{said}");
        Ok(())
    })
    .await
}
