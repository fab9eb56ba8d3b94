//! Versions of HTTP, trailers, upgrades, and what only some clients do.

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::rig::{Rig, all_to, answer, cluster, echo, http2, listener, request, upstream};

#[tokio::test]
async fn versions_are_translated_both_ways() {
    let clusters = [cluster("one", &[echo().await], json!({})), cluster("two", &[echo().await], http2())];
    let routes = json!([
        { "match": { "prefix": "/one" }, "route": { "cluster": "one" } },
        { "match": { "prefix": "/two" }, "route": { "cluster": "two" } },
    ]);
    let rig = Rig::new(listener(routes, json!({})), &clusters).await;
    for (path, version) in [("/one", "HTTP/1.1"), ("/two", "HTTP/2.0")] {
        let by_one = rig.ask(request("POST", path, "hello")).await;
        let by_two = rig.ask_http2(request("POST", path, "hello")).await;
        for answer in [by_one, by_two] {
            let seen = answer.text();
            assert!(seen.starts_with(&format!("POST {path} {version}\n")) && seen.contains("\nhost: test\n"), "{seen}");
            assert!(seen.ends_with("\n\nhello"), "{seen}");
        }
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = socket.accept().await.unwrap();
        let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
            let body = request.into_body().collect().await.unwrap();
            let mut trailers = body.trailers().cloned().unwrap();
            trailers.insert("grpc-status", "7".parse().unwrap());
            let body = Full::new(Bytes::from("done")).with_trailers(std::future::ready(Some(Ok(trailers))));
            Ok::<_, std::convert::Infallible>(Response::new(body))
        });
        let executor = hyper_util::rt::TokioExecutor::new();
        drop(hyper::server::conn::http2::Builder::new(executor).serve_connection(TokioIo::new(stream), service).await);
    });
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[address], http2())]).await;
    let executor = hyper_util::rt::TokioExecutor::new();
    let handshake = hyper::client::conn::http2::handshake(executor, TokioIo::new(rig.connect().await));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    let body = Full::new(Bytes::from("ask")).with_trailers(std::future::ready(Some(Ok(trailers))));
    let asked = http::Request::post("http://test/Service/Method").header("content-type", "application/grpc").body(body);
    let response = sender.send_request(asked.unwrap()).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap();
    assert_eq!((trailers["x-sum"].as_bytes(), trailers["grpc-status"].as_bytes()), (&b"42"[..], &b"7"[..]));
    assert_eq!(body.to_bytes(), "done");
}

/// A message of gRPC.
fn message(text: &str) -> Vec<u8> {
    let mut message = vec![0];
    message.extend((text.len() as u32).to_be_bytes());
    message.extend(text.bytes());
    message
}

#[tokio::test]
async fn messages_of_grpc_are_counted_and_nothing_else_is() {
    // Answers with each message twice, or with a page where it is asked for one.
    let server = upstream(|parts, body| {
        let mut response = answer(200, "");
        let kind = if parts.uri.path() == "/page" { "text/html" } else { "application/grpc+proto" };
        response.headers_mut().insert("content-type", kind.parse().unwrap());
        *response.body_mut() = Full::new(body.repeat(2).into());
        response
    });
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[server.await], http2())]).await;
    let ask = async |path: &str, kind: &str, body: Vec<u8>| {
        let request = http::Request::post(format!("http://test{path}")).header("content-type", kind);
        rig.ask_http2(request.body(Full::new(body.into())).unwrap()).await
    };
    let counted = || {
        let mut text = String::new();
        rig.shared.telemetry.prometheus(&mut text);
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name}{{reporter=\"source\",")))?;
            assert!(!line.contains("response_code"), "{line}");
            line.rsplit_once(' ')?.1.parse::<u64>().ok()
        };
        (value("istio_request_messages_total"), value("istio_response_messages_total"))
    };

    for kind in ["application/json", "application/grpc-web", "application/grpcish"] {
        ask("/a.B/C", kind, message("no gRPC")).await;
        assert_eq!(counted(), (None, None), "{kind}");
    }
    let three = [message("one"), message(""), message(&"three".repeat(50_000))].concat();
    ask("/a.B/C", "application/grpc", three.clone()).await;
    assert_eq!(counted(), (Some(3), Some(6)));
    ask("/page", "application/grpc", three.clone()).await;
    assert_eq!(counted(), (Some(6), Some(6)), "a page has no messages");
    ask("/a.B/C", "application/grpc+json", Vec::new()).await;
    assert_eq!(counted(), (Some(6), Some(6)));
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await
            .unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes.map(|byte| byte.to_ascii_uppercase())).await.unwrap();
    });
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[address], json!({}))]).await;
    let mut stream = rig.connect().await;
    let head = "GET /chat HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    stream.write_all(b"ping").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"PING");
}

/// Sends text; gives everything that comes until the end of the connection.
async fn talk(rig: &Rig, text: &str) -> String {
    let mut stream = rig.connect().await;
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn old_and_odd_clients_are_served() {
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[echo().await], json!({}))]).await;
    let old = talk(&rig, "GET /old HTTP/1.0\r\nhost: test\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 OK") && old.contains("GET /old HTTP/1.1"), "{old}");
    let absolute = talk(&rig, "GET http://other/x HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert!(absolute.contains("GET /x HTTP/1.1") && absolute.contains("host: other\n"), "{absolute}");
    let no_host = talk(&rig, "GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(no_host.starts_with("HTTP/1.1 400 "), "{no_host}");
    let two_hosts = talk(&rig, "GET / HTTP/1.1\r\nhost: test\r\nhost: other\r\nconnection: close\r\n\r\n").await;
    assert!(two_hosts.starts_with("HTTP/1.1 400 "), "{two_hosts}");
    let chunks = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let chunked = talk(&rig, &format!("{chunks}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    assert!(chunked.contains("\n\nabcde"), "{chunked}");

    let mut stream = rig.connect().await;
    let head =
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 OK") && rest.ends_with("\n\nbody"), "{rest}");
    assert!(!rest.contains("expect"), "{rest}");
}

#[tokio::test]
async fn while_it_drains_connections_end_after_their_answer() {
    let clusters = [cluster("a", &[upstream(|_, _| answer(200, "ok")).await], json!({}))];
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &clusters).await;
    rig.shared.life.drain();
    let last = talk(&rig, "GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(last.contains("connection: close\r\n") && last.ends_with("ok"), "{last}");
}
