use std::net::{IpAddr, Ipv4Addr};

use futures::{StreamExt, future::BoxFuture};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Client, Config,
    api::{Api as KubeApi, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    api::pki::{Authority, TokenKey},
    node::access::{ExecRequest, LogRequest, LogStream, NodeAccess, Session, Target as Container},
};

/// Nobody is at home.
struct NoNodes;

impl NodeAccess for NoNodes {
    fn exec(&self, _: Container, _: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        Box::pin(async { Err(Status::internal("no nodes")) })
    }
    fn attach(&self, _: Container, _: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        Box::pin(async { Err(Status::internal("no nodes")) })
    }
    fn logs(&self, _: Container, _: LogRequest) -> BoxFuture<'_, Result<LogStream, Status>> {
        Box::pin(async { Err(Status::internal("no nodes")) })
    }
    fn dial(&self, _: Container, _: u16) -> BoxFuture<'_, Result<TcpStream, Status>> {
        Box::pin(async { Err(Status::internal("no nodes")) })
    }
}

/// A cluster's API on a port of the loopback, and a kubeconfig for its administrator.
struct Served {
    kubeconfig: Value,
    _server: JoinSet<()>,
}

async fn served() -> Served {
    let api = Api::default();
    let authority = Authority::generate("test").expect("an authority");
    let identity = authority.server(&[], &[IpAddr::V4(Ipv4Addr::LOCALHOST)]).expect("an identity");
    let tls = TlsAcceptor::from(authority.server_config(&identity).expect("TLS"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let key = Arc::new(TokenKey::generate().expect("a key"));
    let door = Door::new(api.clone(), Arc::new(NoNodes), Authenticator::new(api.store().clone(), key));
    let mut server = JoinSet::new();
    server.spawn(serve(door, listener, tls));
    let admin = authority.client("kubernetes-admin", &["system:masters"]).expect("an administrator");
    let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "t",
        "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}],
        "clusters": [{"name": "t", "cluster": {
            "server": format!("https://{address}"),
            "certificate-authority-data": encode(authority.certificate()),
        }}],
        "users": [{"name": "t", "user": {
            "client-certificate-data": encode(&admin.certificate), "client-key-data": encode(&admin.key),
        }}],
    });
    Served { kubeconfig, _server: server }
}

impl Served {
    async fn client(&self) -> Client {
        let kubeconfig: Kubeconfig = serde_json::from_value(self.kubeconfig.clone()).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
        Client::try_from(config).expect("a client")
    }
}

fn map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"v": value}}, "data": {"v": value}}))
        .expect("map")
}

#[tokio::test]
async fn a_foreign_client_creates_watches_patches_and_deletes() {
    let served = served().await;
    let client = served.client().await;
    assert_eq!(client.apiserver_version().await.expect("a version").minor, "33");
    let namespaces: KubeApi<Namespace> = KubeApi::all(client.clone());
    assert_eq!(namespaces.list(&ListParams::default()).await.expect("a list").items.len(), 4);
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(client);
    let mut watch = maps.watch(&WatchParams::default().labels("v=1"), "0").await.expect("a watch").boxed();
    let created = maps.create(&PostParams::default(), &map("a", "1")).await.expect("created");
    let again = maps.create(&PostParams::default(), &map("a", "1")).await.expect_err("taken");
    assert!(again.to_string().contains("configmaps \"a\" already exists"), "{again}");
    let merge = Patch::Merge(json!({"metadata": {"labels": {"v": "2"}}}));
    let patched = maps.patch("a", &PatchParams::default(), &merge).await.expect("patched");
    let stale = maps.replace("a", &PostParams::default(), &created).await.expect_err("stale");
    assert!(stale.to_string().contains("please apply your changes to the latest version"), "{stale}");
    assert_ne!(created.metadata.resource_version, patched.metadata.resource_version);
    assert!(maps.delete("a", &DeleteParams::default()).await.expect("deleted").is_right());
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(match watch.next().await.expect("an event").expect("no error") {
            WatchEvent::Added(map) => ("added", map.metadata.labels),
            WatchEvent::Deleted(map) => ("deleted", map.metadata.labels),
            other => panic!("unexpected {other:?}"),
        });
    }
    let label = Some([("v".to_owned(), "1".to_owned())].into());
    assert_eq!(seen, [("added", label.clone()), ("deleted", label)], "leaving the selection is a deletion");
}

/// Runs the kubectl of this machine; None (and says so) where there is none.
async fn kubectl(config: &std::path::Path, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    use tokio::{io::AsyncWriteExt, process::Command};
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(config).arg("--cache-dir").arg(config.with_extension("cache")).args(arguments);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let Ok(mut child) = command.spawn() else {
        println!("not run: there is no kubectl on this machine");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("kubectl reads");
    drop(stdin);
    let output = child.wait_with_output().await.expect("kubectl ends");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), text))
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: 'web:1', env: [{name: A, value: '1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
";

#[tokio::test]
async fn kubectl_applies_patches_scales_and_deletes() {
    let served = served().await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("kubeconfig");
    std::fs::write(&config, served.kubeconfig.to_string()).expect("written");
    let more = WEB.replace("{name: A, value: '1'}", "{name: B, value: '2'}");
    let container = r#"{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"web:2"}]}}}}"#;
    let json = r#"[{"op":"replace","path":"/spec/replicas","value":3}]"#;
    let bad = r#"[{"op":"test","path":"/spec/replicas","value":9}]"#;
    let env = "jsonpath={.spec.template.spec.containers[0].env[*].name}";
    let image = "jsonpath={.spec.template.spec.containers[0].image}/{.metadata.generation}";
    let steps: &[(&[&str], &str, bool, &str)] = &[
        (&["apply", "--validate=false", "-f", "-"], WEB, true, "deployment.apps/web created\nservice/web created\n"),
        (
            &["apply", "--validate=false", "-f", "-"],
            WEB,
            true,
            "deployment.apps/web unchanged\nservice/web unchanged\n",
        ),
        (
            &["apply", "--validate=false", "-f", "-"],
            &more,
            true,
            "deployment.apps/web configured\nservice/web unchanged\n",
        ),
        (&["get", "deploy", "web", "-o", env], "", true, "B"),
        (&["patch", "deploy", "web", "-p", container], "", true, "deployment.apps/web patched\n"),
        (&["get", "deploy", "web", "-o", image], "", true, "web:2/3"),
        (&["patch", "deploy", "web", "--type=json", "-p", json], "", true, "deployment.apps/web patched\n"),
        (&["patch", "deploy", "web", "--type=json", "-p", bad], "", false, "the server rejected our request"),
        (&["scale", "deploy", "web", "--replicas=4"], "", true, "deployment.apps/web scaled\n"),
        (&["label", "deploy", "web", "x=y"], "", true, "deployment.apps/web labeled\n"),
        (&["get", "deploy", "-l", "x=y", "-o", "name"], "", true, "deployment.apps/web\n"),
        (
            &["apply", "--validate=false", "--server-side", "--field-manager=me", "-f", "-"],
            &more,
            false,
            "conflicts with \"kubectl",
        ),
        (
            &["apply", "--validate=false", "--server-side", "--field-manager=me", "--force-conflicts", "-f", "-"],
            &more,
            true,
            "deployment.apps/web serverside-applied\nservice/web serverside-applied\n",
        ),
        (&["get", "deploy", "web", "-o", "jsonpath={.spec.replicas}"], "", true, "2"),
        (&["delete", "deploy,svc", "web"], "", true, "deployment.apps \"web\" deleted\nservice \"web\" deleted\n"),
        (&["get", "deploy", "web"], "", false, "Error from server (NotFound): deployments.apps \"web\" not found\n"),
        (
            &["create", "cm", "m", "-n", "none"],
            "",
            false,
            "error: failed to create configmap: namespaces \"none\" not found\n",
        ),
    ];
    for (arguments, input, succeeds, wanted) in steps {
        let Some((ok, text)) = kubectl(&config, arguments, input).await else { return };
        assert!(ok == *succeeds && text.contains(wanted), "kubectl {arguments:?}: {text}");
    }
}
