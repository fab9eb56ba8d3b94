//! Promise: Services of every type, names and the outside are found from pods and from this machine.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e::{Cluster, Space, eventually, has_kubectl, http};

const PATIENCE: Duration = Duration::from_secs(40);

const SERVICES: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: mccutchen/go-httpbin
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /status/200, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: client, image: curlimages/curl, command: [sleep, "3600"]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: node-port}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: balanced}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: ifconfig.me}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
"#;

/// Runs a test in a namespace that has the Services, where there are a cluster and a kubectl.
async fn with_services<F: Future<Output = Result<()>>>(name: &str, test: impl FnOnce(Space) -> F) -> Result<()> {
    let Some(cluster) = Cluster::for_test(name).await? else { return Ok(()) };
    if !has_kubectl(name) {
        return Ok(());
    }
    let run = |space: Space| async move {
        space.kubectl(&["apply", "-f", "-"], SERVICES).await?;
        space.kubectl(&["rollout", "status", "deploy/web", "--timeout=40s"], "").await?;
        space.kubectl(&["wait", "pod/client", "--for=condition=Ready", "--timeout=40s"], "").await?;
        test(space).await
    };
    cluster.in_namespace(run).await
}

/// Runs a script in the client's pod until it says every part.
async fn hears(space: &Space, script: &str, parts: &[&str]) -> Result<String> {
    eventually(script, PATIENCE, || async {
        let said = space.kubectl(&["exec", "client", "--", "sh", "-c", script], "").await?;
        match parts.iter().find(|part| !said.contains(**part)) {
            Some(part) => bail!("no `{part}` in\n{said}"),
            None => Ok(Some(said)),
        }
    })
    .await
}

/// What a JSON path of an object gives.
async fn field(space: &Space, object: &str, path: &str) -> Result<String> {
    space.kubectl(&["get", object, "-o", &format!("jsonpath={path}")], "").await
}

#[tokio::test]
async fn services_are_found_from_pods() -> Result<()> {
    with_services("services_are_found_from_pods", |space| async move {
        let name = &space.name;
        for host in
            ["web".to_owned(), format!("web.{name}"), format!("web.{name}.svc.cluster.local"), "balanced".into()]
        {
            hears(&space, &format!("curl -sS -m 5 -w '%{{http_code}}' http://{host}/status/202"), &["202"]).await?;
        }
        let address = field(&space, "svc/balanced", "{.status.loadBalancer.ingress[0].ip}").await?;
        hears(&space, &format!("curl -sS -m 5 -w '%{{http_code}}' http://{address}/status/202"), &["202"]).await?;

        let pods = field(&space, "pods", "{.items[?(@.metadata.labels.app==\"web\")].status.podIP}").await?;
        let all: Vec<&str> = pods.split_whitespace().collect();
        ensure!(all.len() == 3, "{pods}");
        hears(&space, "getent ahostsv4 headless", &all).await?;
        let address = field(&space, "svc/web", "{.spec.clusterIP}").await?;
        hears(&space, &format!("getent hosts web.{name}.svc"), &[&address]).await?;

        let own = field(&space, "pod/client", "{.status.podIP}").await?;
        hears(&space, "curl -sS -m 5 http://elsewhere -H 'Host: ifconfig.me'", &[&own]).await?;
        hears(&space, "curl -sS -m 5 http://nobody 2>&1 || echo code $?", &["code 7"]).await?;
        hears(&space, "curl -sS -m 5 http://no-such-service 2>&1 || echo code $?", &["code 6"]).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn the_outside_and_the_api_answer_pods() -> Result<()> {
    with_services("the_outside_and_the_api_answer_pods", |space| async move {
        let own = field(&space, "pod/client", "{.status.podIP}").await?;
        hears(&space, "curl -sS -m 5 -o /dev/null -w '%{http_code}' https://edition.cnn.com", &["200"]).await?;
        let said = hears(&space, "curl -sS -m 5 ifconfig.me", &[&own]).await?;
        ensure!(said.trim() == own, "{said}");
        let ask = "cd /var/run/secrets/kubernetes.io/serviceaccount; curl -sS -m 5 --cacert ca.crt -H \
                   \"Authorization: Bearer $(cat token)\" https://kubernetes.default/api/v1/namespaces/$(cat namespace)";
        hears(&space, ask, &["\"kind\":\"Namespace\"", &space.name]).await?;
        let ask = "curl -sS -m 5 -k -H 'Authorization: Bearer wrong' https://kubernetes.default.svc/api";
        hears(&space, ask, &["\"code\":401", "Unauthorized"]).await?;

        let token = space.kubectl(&["create", "token", "default", "--audience=someone"], "").await?;
        let review = format!(
            "{{apiVersion: authentication.k8s.io/v1, kind: TokenReview, spec: {{token: {}, audiences: [someone]}}}}",
            token.trim()
        );
        let said = space.kubectl(&["create", "-f", "-", "-o", "jsonpath={.status.user.username}"], &review).await?;
        ensure!(said == format!("system:serviceaccount:{}:default", space.name), "{said}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn services_are_found_from_this_machine() -> Result<()> {
    with_services("services_are_found_from_this_machine", |space| async move {
        for service in ["svc/node-port", "svc/balanced"] {
            eventually(&format!("the address of {service}"), PATIENCE, || async {
                let ports = field(&space, service, r"{.metadata.annotations.localkube\.dev/host-ports}").await?;
                let Some(address) = ports.strip_prefix("http=") else { bail!("no host port in `{ports}`") };
                let answer = http::get(&format!("http://{address}/status/203")).await?;
                ensure!(answer.status == 203, "{answer:?}");
                Ok(Some(()))
            })
            .await?;
        }
        let port = field(&space, "svc/node-port", "{.spec.ports[0].nodePort}").await?;
        let answer = http::get(&format!("http://127.0.0.1:{port}/status/203")).await?;
        ensure!(answer.status == 203, "{answer:?}");
        let said = space.kubectl(&["get", "svc"], "").await?;
        for part in ["CLUSTER-IP", "NodePort", "LoadBalancer", "ExternalName   <none>", "80:", "ifconfig.me", "None"] {
            ensure!(said.contains(part), "no `{part}` in\n{said}");
        }
        Ok(())
    })
    .await
}
