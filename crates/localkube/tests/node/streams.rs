//! exec, attach, log and port-forward, judged by kubectl and kube-rs against one pod with one container.

use std::{convert::Infallible, net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::{AttachParams, LogParams, TerminalSize},
};
use localkube::{
    api::{
        http::{self as door, target::Query},
        streams,
    },
    net::netns::NetNs,
    node::{
        access::{ExecRequest, LogRequest, LogStream, NodeAccess, Session, Target},
        runtime::Container,
    },
    status::Status,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    time,
};

use super::bench::{Bench, start};

/// A node with the pod `p`.
struct Node {
    container: Container,
    netns: NetNs,
}

impl NodeAccess for Node {
    fn exec(&self, target: Target, request: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        Box::pin(async move {
            if target.container == "other" {
                return Err(Status::bad_request("container other is not valid for pod p"));
            }
            self.container.exec(&request).await.map_err(|error| Status::internal(error.to_string()))
        })
    }

    fn attach(&self, _: Target, request: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        Box::pin(
            async move { self.container.attach(&request).await.map_err(|error| Status::internal(error.to_string())) },
        )
    }

    fn logs(&self, _: Target, request: LogRequest) -> BoxFuture<'_, Result<LogStream, Status>> {
        Box::pin(async move { self.container.logs(&request) })
    }

    fn dial(&self, _: Target, port: u16) -> BoxFuture<'_, Result<TcpStream, Status>> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Box::pin(
            async move { self.netns.connect_tcp(address).await.map_err(|error| Status::internal(error.to_string())) },
        )
    }
}

/// As much of an API server as kubectl needs to find the pod.
fn document(path: &str) -> Option<Value> {
    Some(match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
        "/api/v1" => json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get", "list"]},
        ]}),
        "/api/v1/namespaces/default/pods/p" => json!({
            "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"containers": [{"name": "c", "image": "i", "stdin": true}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "c", "ready": true, "state": {"running": {}}}]},
        }),
        _ => return None,
    })
}

async fn answer(node: Arc<Node>, request: Request<Incoming>) -> Result<door::Response, Infallible> {
    let json = |code, value: &Value| {
        let body = Full::new(value.to_string().into()).boxed_unsync();
        Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
    };
    let path = request.uri().path().to_owned();
    if let Some(document) = document(&path) {
        return Ok(json(200, &document));
    }
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let target = Target { namespace: "default".into(), pod: "p".into(), container: query.get("container").into() };
    let subresource = path.strip_prefix("/api/v1/namespaces/default/pods/p/").unwrap_or_default();
    let answer = streams::handle(request, &query, node, subresource, target).await;
    Ok(answer.unwrap_or_else(|status| json(status.code, &status.to_value())))
}

/// Serves the container for as long as the test lives; the server's address.
async fn serve(container: &Container, netns: &NetNs) -> String {
    let node = Arc::new(Node { container: container.clone(), netns: netns.clone() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let node = node.clone();
            let service = service_fn(move |request| answer(node.clone(), request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service).with_upgrades();
            tokio::spawn(connection);
        }
    });
    format!("http://{address}")
}

fn has_kubectl() -> bool {
    let found = std::process::Command::new("kubectl").arg("version").arg("--client").output().is_ok();
    if !found {
        println!("not run: kubectl is not installed");
    }
    found
}

fn kubectl(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.args(["--server", server, "--namespace", "default"]).args(arguments).kill_on_drop(true);
    command.env("KUBECONFIG", "/dev/null").env("HOME", "/nonexistent");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs kubectl to its end, with this on its standard input: exit code, stdout, stderr.
async fn run(mut command: Command, input: &str) -> (i32, String, String) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output =
        time::timeout(Duration::from_secs(30), child.wait_with_output()).await.expect("kubectl hangs").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_execs() {
    let Some(bench) = Bench::new().filter(|_| has_kubectl()) else { return };
    let container = start(&bench.sh("exec sleep 1000")).await;
    let server = serve(&container, &bench.netns).await;
    let command = ["exec", "p", "--", "sh", "-c", "echo out; echo err >&2; exit 3"];
    let (code, out, err) = run(kubectl(&server, &command), "").await;
    assert_eq!((code, out.as_str()), (3, "out\n"), "{err}");
    assert_eq!(err, "err\ncommand terminated with exit code 3\n");
    let input = "x".repeat(1 << 20);
    let (code, out, err) = run(kubectl(&server, &["exec", "-i", "p", "-c", "c", "--", "cat"]), &input).await;
    assert!(code == 0 && out == input, "{} bytes came back; {err}", out.len());
    let (code, _, err) = run(kubectl(&server, &["exec", "p", "--", "foo"]), "").await;
    assert!(code != 0 && err.contains("exec: \"foo\": executable file not found in $PATH"), "{err}");
    let (_, _, err) = run(kubectl(&server, &["exec", "p", "-c", "other", "--", "true"]), "").await;
    assert!(err.contains("container other is not valid for pod p"), "{err}");
    let mut spdy = kubectl(&server, &["exec", "-i", "p", "--", "sh", "-c", "cat; echo err >&2; exit 4"]);
    spdy.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false");
    let (code, out, err) = run(spdy, "by spdy").await;
    assert_eq!((code, out.as_str()), (4, "by spdy"), "{err}");
    assert!(err.contains("err\n"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_has_a_terminal() {
    let Some(bench) = Bench::new().filter(|_| has_kubectl()) else { return };
    let container = start(&bench.sh("exec sleep 1000")).await;
    let server = serve(&container, &bench.netns).await;
    // script gives kubectl a terminal of its own, of a size we choose.
    let line = format!(
        "stty cols 77 rows 22; KUBECONFIG=/dev/null kubectl --server {server} -n default exec -it p -- \
         sh -c 'sleep 0.3; tty; stty size; exit 6'; echo code $?"
    );
    let mut script = Command::new("script");
    script.args(["-qc", &line, "/dev/null"]).stdout(Stdio::piped()).kill_on_drop(true);
    let (_, out, _) = run(script, "").await;
    assert!(out.contains("/dev/pts/0\r\n22 77\r\n") && out.contains("code 6"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_attaches_and_reads_logs() {
    let Some(bench) = Bench::new().filter(|_| has_kubectl()) else { return };
    let mut spec = bench.sh("echo begun; cat; echo ended");
    (spec.stdin, spec.stdin_once) = (true, true);
    let container = start(&spec).await;
    let server = serve(&container, &bench.netns).await;
    let follow = tokio::spawn(run(kubectl(&server, &["logs", "-f", "p", "-c", "c"]), ""));
    let (code, out, err) = run(kubectl(&server, &["attach", "-i", "p"]), "typed\n").await;
    assert!(code == 0 && out.ends_with("typed\nended\n"), "{out} {err}");
    let (_, out, _) = follow.await.unwrap();
    assert_eq!(out, "begun\ntyped\nended\n");
    let (_, out, _) = run(kubectl(&server, &["logs", "p", "--tail", "1", "--timestamps"]), "").await;
    assert!(out.ends_with("Z ended\n") && out.lines().count() == 1, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_forwards_ports() {
    let Some(bench) = Bench::new().filter(|_| has_kubectl()) else { return };
    let container = start(&bench.sh("exec sleep 1000")).await;
    bench.loopback();
    echo(bench.netns.listen_tcp(SocketAddr::from(([127, 0, 0, 1], 8080))).unwrap());
    let server = serve(&container, &bench.netns).await;
    for websocket in ["true", "false"] {
        let mut command = kubectl(&server, &["port-forward", "p", ":8080", ":9"]);
        let mut child = command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websocket).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut text = String::new();
        let ports = time::timeout(Duration::from_secs(20), async {
            loop {
                let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Forwarding from 127")).collect();
                if text.ends_with('\n') && lines.len() == 2 {
                    return lines
                        .iter()
                        .map(|line| line.split([':', ' ']).nth(3).unwrap().to_owned())
                        .collect::<Vec<_>>();
                }
                let mut buffer = [0; 1000];
                let count = stdout.read(&mut buffer).await.unwrap();
                assert!(count > 0, "kubectl ended: {text}");
                text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
        });
        let ports = ports.await.expect("kubectl should listen");
        let talks = (0..10).map(|n| talk(&ports[0], vec![n; 300_000 + usize::from(n)]));
        futures::future::join_all(talks).await;
        let mut refused = TcpStream::connect(format!("127.0.0.1:{}", ports[1])).await.unwrap();
        let gone = time::timeout(Duration::from_secs(10), refused.read_u8()).await.expect("nobody listens on port 9");
        assert!(gone.is_err());
        let mut stderr = child.stderr.take().unwrap();
        child.start_kill().unwrap();
        let mut words = String::new();
        stderr.read_to_string(&mut words).await.unwrap();
        assert!(words.contains("error forwarding port 9 to pod p") && words.contains("refused"), "{words}");
    }
}

/// Sends back what comes, until the client ends.
fn echo(listener: TcpListener) {
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
}

async fn talk(port: &str, bytes: Vec<u8>) {
    let socket = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    let (mut from, mut to) = socket.into_split();
    let mut back = vec![0; bytes.len()];
    let (sent, read) = tokio::join!(to.write_all(&bytes), from.read_exact(&mut back));
    sent.unwrap();
    read.unwrap();
    assert!(back == bytes, "other bytes came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn kube_rs_agrees() {
    let Some(bench) = Bench::new() else { return };
    let container = start(&bench.sh("echo main; exec sleep 1000")).await;
    bench.loopback();
    echo(bench.netns.listen_tcp(SocketAddr::from(([127, 0, 0, 1], 8080))).unwrap());
    let server = serve(&container, &bench.netns).await;
    let pods: Api<Pod> = Api::default_namespaced(Client::try_from(Config::new(server.parse().unwrap())).unwrap());

    let params = AttachParams::default().stdin(true);
    let mut process = pods.exec("p", ["sh", "-c", "cat; exit 9"], &params).await.unwrap();
    let mut stdin = process.stdin().unwrap();
    stdin.write_all(b"typed").await.unwrap();
    stdin.shutdown().await.unwrap();
    drop(stdin);
    let mut out = String::new();
    process.stdout().unwrap().read_to_string(&mut out).await.unwrap();
    let status = process.take_status().unwrap().await.unwrap();
    assert_eq!((out.as_str(), status.reason.as_deref()), ("typed", Some("NonZeroExitCode")));
    assert_eq!(status.details.unwrap().causes.unwrap()[0].message.as_deref(), Some("9"));

    let mut process =
        pods.exec("p", ["sh", "-c", "sleep 0.3; stty size"], &AttachParams::interactive_tty()).await.unwrap();
    futures::SinkExt::send(&mut process.terminal_size().unwrap(), TerminalSize { width: 91, height: 17 })
        .await
        .unwrap();
    let mut out = String::new();
    process.stdout().unwrap().read_to_string(&mut out).await.unwrap();
    assert_eq!(out, "17 91\r\n");

    assert_eq!(pods.logs("p", &LogParams::default()).await.unwrap(), "main\n");

    let mut forward = pods.portforward("p", &[8080, 9]).await.unwrap();
    let mut stream = forward.take_stream(8080).unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    let refused = forward.take_error(9).unwrap().await.unwrap();
    assert!(refused.contains("error forwarding port 9 to pod p"), "{refused}");
}
