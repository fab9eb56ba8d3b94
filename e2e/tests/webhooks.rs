//! Promise: admission webhooks are asked as their configuration says, inside the cluster and outside, and heeded.

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Space, has_kubectl};
use k8s_openapi::ByteString;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

/// A webhook: `/inject` adds a label and a container, `/deny` refuses what is marked, `/slow` takes its time.
const SERVER: &str = r#"
import http.server, json, base64, ssl, time
CONTAINER = {"name": "beside", "image": "busybox", "command": ["sleep", "3600"]}
class Hook(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.say(b"ok")
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        labels = request["object"]["metadata"].get("labels", {})
        answer = {"uid": request["uid"], "allowed": True}
        if self.path.startswith("/inject") and "injected" not in labels:
            patch = [{"op": "add", "path": "/metadata/labels/injected", "value": "yes"},
                     {"op": "add", "path": "/spec/containers/-", "value": CONTAINER}]
            answer.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(patch).encode()).decode())
        elif self.path.startswith("/deny"):
            answer.update(allowed=False, status={"message": "not on my watch, " + labels.get("injected", "no")})
        elif self.path.startswith("/slow"):
            time.sleep(5)
        self.say(json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode())
    def say(self, text):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/hook/tls.crt", "/hook/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// The server as a pod behind a Service of type NodePort; gives its certificate and its URL on the host.
async fn serve(space: &Space) -> Result<(ByteString, String)> {
    let names = vec![format!("hook.{}.svc", space.name), "127.0.0.1".to_owned()];
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.self_signed(&key)?.pem();
    let pod = json!({"labels": {"app": "hook"}, "name": "hook"});
    let container = json!({
        "name": "hook", "image": "busybox", "command": ["python3", "/hook/server.py"],
        "volumeMounts": [{"name": "hook", "mountPath": "/hook"}],
        "readinessProbe": {"httpGet": {"scheme": "HTTPS", "port": 8443}, "periodSeconds": 1},
    });
    let volumes = json!([{"name": "hook", "secret": {"secretName": "hook"}}]);
    let data = json!({"server.py": SERVER, "tls.crt": certificate, "tls.key": key.serialize_pem()});
    let items = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": data},
        {"apiVersion": "v1", "kind": "Pod", "metadata": pod,
         "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"},
         "spec": {"type": "NodePort", "selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]}},
    ]});
    space.kubectl(&["apply", "-f", "-"], &items.to_string()).await?;
    space.kubectl(&["wait", "pod/hook", "--for=condition=Ready", "--timeout=40s"], "").await?;
    let port = space.kubectl(&["get", "svc", "hook", "-o", "jsonpath={.spec.ports[0].nodePort}"], "").await?;
    Ok((ByteString(certificate.into_bytes()), format!("https://127.0.0.1:{port}")))
}

/// A configuration with one webhook for the namespace's pods that have the label `hook`. It goes with the namespace.
async fn configure(space: &Space, kind: &str, hook: &str, client: Value, more: Value) -> Result<()> {
    let uid = space.kubectl(&["get", "ns", &space.name, "-o", "jsonpath={.metadata.uid}"], "").await?;
    let mut webhook = json!({
        "name": format!("{hook}.e2e.example"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": client,
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name}},
        "objectSelector": {"matchLabels": {"hook": hook}},
    });
    let more = more.as_object().cloned().unwrap_or_default();
    webhook.as_object_mut().context("a webhook is a map")?.extend(more);
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": space.name, "uid": uid});
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "webhooks": [webhook],
        "metadata": {"name": format!("{hook}-{}", space.name), "ownerReferences": [owner]},
    });
    space.kubectl(&["apply", "-f", "-"], &object.to_string()).await.map(drop)
}

/// Makes a pod that the webhook `hook` is asked about.
async fn make(space: &Space, name: &str, hook: &str) -> Result<String> {
    let label = format!("--labels=hook={hook}");
    space.kubectl(&["run", name, &label, "--image=busybox", "--", "sleep", "3600"], "").await
}

async fn refused(space: &Space, name: &str, hook: &str, parts: &[&str]) -> Result<()> {
    let told = make(space, name, hook).await.err().context("the pod must be refused")?.to_string();
    for part in parts {
        ensure!(told.contains(part), "no `{part}` in\n{told}");
    }
    Ok(())
}

#[tokio::test]
async fn webhooks_change_and_refuse() -> Result<()> {
    let test = "webhooks_change_and_refuse";
    let Some(cluster) = Cluster::for_test(test).await? else { return Ok(()) };
    if !has_kubectl(test) || !std::path::Path::new("/usr/bin/python3").exists() {
        eprintln!("{test} was not run: it needs kubectl and /usr/bin/python3");
        return Ok(());
    }
    cluster
        .in_namespace(|space| async move {
            let (bundle, url) = serve(&space).await?;
            let inside = |name: &str, path: &str| {
                let service = json!({"name": name, "namespace": space.name, "path": path});
                json!({"service": service, "caBundle": bundle})
            };
            let (mutating, validating) = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration");

            configure(&space, mutating, "inject", inside("hook", "/inject"), json!({"reinvocationPolicy": "IfNeeded"}))
                .await?;
            make(&space, "injected", "inject").await?;
            space.kubectl(&["wait", "pod/injected", "--for=condition=Ready", "--timeout=40s"], "").await?;
            let names = "jsonpath={.spec.containers[*].name} {.metadata.labels.injected}";
            let said = space.kubectl(&["get", "pod", "injected", "-o", names], "").await?;
            ensure!(said == "injected beside yes", "{said}");
            make(&space, "other", "none").await?;
            let said = space.kubectl(&["get", "pod", "other", "-o", names], "").await?;
            ensure!(said == "other ", "{said}");

            let outside = json!({"url": format!("{url}/deny"), "caBundle": bundle});
            configure(&space, validating, "deny", outside, json!({})).await?;
            let reason = "admission webhook \"deny.e2e.example\" denied the request: not on my watch, no";
            refused(&space, "denied", "deny", &[reason]).await?;

            configure(&space, validating, "slow", inside("hook", "/slow"), json!({"timeoutSeconds": 1})).await?;
            let parts = ["failed calling webhook \"slow.e2e.example\"", "?timeout=1s", "context deadline exceeded"];
            refused(&space, "slow", "slow", &parts).await?;
            let ignore = json!({"timeoutSeconds": 1, "failurePolicy": "Ignore"});
            configure(&space, validating, "slow", inside("hook", "/slow"), ignore).await?;
            make(&space, "slow", "slow").await?;

            configure(&space, validating, "gone", inside("gone", "/"), json!({})).await?;
            refused(&space, "gone", "gone", &["failed calling webhook", "service \"gone\" not found"]).await?;
            let strange = json!({"url": format!("{url}/deny")});
            configure(&space, validating, "strange", strange, json!({})).await?;
            refused(&space, "strange", "strange", &["failed calling webhook", "x509"]).await
        })
        .await
}
