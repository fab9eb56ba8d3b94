use std::sync::Arc;

use futures::future::BoxFuture;
use http::Request;
use http_body_util::BodyExt;
use tokio::net::TcpStream;

use super::handle;
use crate::{
    api::http::{Response, target::Query},
    node::access::{ExecRequest, LogRequest, LogStream, NodeAccess, Session, Target},
    status::Status,
};

/// A node on which nothing runs; its log tells what was asked for.
struct Idle;

impl NodeAccess for Idle {
    fn exec(&self, target: Target, _: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        Box::pin(async move { Err(Status::bad_request(format!("container not found ({:?})", target.container))) })
    }

    fn attach(&self, target: Target, request: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        self.exec(target, request)
    }

    fn logs(&self, target: Target, request: LogRequest) -> BoxFuture<'_, Result<LogStream, Status>> {
        let text = format!("{} {request:?}", target.container);
        let stream: LogStream = Box::pin(futures::stream::iter([text.into()]));
        Box::pin(async { Ok(stream) })
    }

    fn dial(&self, _: Target, _: u16) -> BoxFuture<'_, Result<TcpStream, Status>> {
        Box::pin(async { Err(Status::internal("connection refused")) })
    }
}

async fn ask(subresource: &str, query: &str, headers: &[(&str, &str)]) -> Result<Response, Status> {
    let mut request = Request::builder().uri(format!("/api/v1/namespaces/a/pods/p/{subresource}?{query}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let query = Query::parse(query);
    let target = Target { namespace: "a".into(), pod: "p".into(), container: query.get("container").into() };
    handle(request.body(()).unwrap(), &query, Arc::new(Idle), subresource, target).await
}

const WEBSOCKET: [(&str, &str); 3] =
    [("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")];

async fn refusal(subresource: &str, query: &str, protocol: &str) -> (u16, String) {
    let mut headers = WEBSOCKET.to_vec();
    headers.push(("sec-websocket-protocol", protocol));
    let status = ask(subresource, query, &headers).await.err().unwrap();
    (status.code, status.message)
}

#[tokio::test]
async fn a_log_is_plain_text() {
    let response = ask("log", "container=c&follow=true&tailLines=3&sinceTime=2026-11-21T00:00:00Z", &[]).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let request = LogRequest {
        follow: true,
        tail_lines: Some(3),
        since_time: Some("2026-11-21T00:00:00Z".to_owned()),
        ..LogRequest::default()
    };
    assert_eq!(body, format!("c {request:?}"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_http() {
    assert_eq!(ask("exec", "stdout=1&command=a", &[]).await.err().unwrap().message, "Upgrade request required");
    assert_eq!(refusal("exec", "command=a", "v5.channel.k8s.io").await.0, 400);
    assert_eq!(refusal("exec", "stdout=1", "v5.channel.k8s.io").await.0, 400);
    let (code, words) = refusal("exec", "stdout=1&command=a", "base64.channel.k8s.io").await;
    assert!(code == 400 && words.contains("v5.channel.k8s.io"), "{words}");
    let missing = refusal("exec", "stdout=1&command=a&container=c", "v5.channel.k8s.io").await;
    assert_eq!(missing, (400, "container not found (\"c\")".to_owned()));
    assert_eq!(refusal("portforward", "", "v4.channel.k8s.io").await.0, 400);
    assert_eq!(refusal("portforward", "ports=0", "v4.channel.k8s.io").await.1, "invalid port \"0\"");
    assert_eq!(ask("log", "tailLines=-1", &[]).await.err().unwrap().code, 400);
    assert_eq!(refusal("proxy", "", "v4.channel.k8s.io").await.0, 404);
}

#[tokio::test]
async fn the_first_protocol_that_is_served_is_taken() {
    let mut headers = WEBSOCKET.to_vec();
    headers.push(("sec-websocket-protocol", "SPDY/3.1+other, SPDY/3.1+portforward.k8s.io, v4.channel.k8s.io"));
    let response = ask("portforward", "", &headers).await.unwrap();
    assert_eq!(response.status(), 101);
    // The key and its answer are those of RFC 6455, section 1.3.
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(response.headers()["sec-websocket-protocol"], "SPDY/3.1+portforward.k8s.io");
}
