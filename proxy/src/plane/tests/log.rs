//! What the access log says.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::rig::{Rig, all_to, cluster, echo, get, listener};

fn log(file: &Path) -> Value {
    let format = "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% \
                  %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% \"%REQ(USER-AGENT)%\" %REQ(:AUTHORITY)% \
                  %UPSTREAM_CLUSTER% %ROUTE_NAME%\n";
    json!([{ "name": "file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": file.to_str().unwrap(),
        "log_format": { "text_format_source": { "inline_string": format } },
    } }])
}

async fn lines(file: &Path, count: usize) -> Vec<String> {
    for _ in 0..500 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.lines().count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {count} lines: {:?}", std::fs::read_to_string(file));
}

#[tokio::test]
async fn each_request_has_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let routes = json!([
        { "name": "old", "match": { "path": "/old" }, "route": { "cluster": "a", "prefix_rewrite": "/new" } },
        { "name": "lost", "match": { "path": "/lost" }, "route": { "cluster": "b" } },
    ]);
    let clusters = [cluster("a", &[echo().await], json!({}))];
    let rig = Rig::new(listener(routes, json!({ "access_log": log(&file) })), &clusters).await;
    let mut asked = get("/old");
    asked.headers_mut().insert("user-agent", "me".parse().unwrap());
    let answered = rig.ask(asked).await;
    rig.get("/lost").await;
    rig.get("/none").await;
    let sent = answered.body.len();
    assert_eq!(
        lines(&file, 3).await,
        [
            format!("GET /old HTTP/1.1 200 - via_upstream 0 {sent} \"me\" test a old"),
            "GET /lost HTTP/1.1 503 NC cluster_not_found 0 0 \"-\" test - lost".to_owned(),
            "GET /none HTTP/1.1 404 NR route_not_found 0 0 \"-\" test - -".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clusters = [cluster("a", &[silent.local_addr().unwrap()], json!({}))];
    let rig = Rig::new(listener(all_to("a", json!({})), json!({ "access_log": log(&file) })), &clusters).await;
    let mut stream = rig.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let (_held, _) = silent.accept().await.unwrap();
    drop(stream);
    let line = "GET / HTTP/1.1 0 DC downstream_remote_disconnect 0 0 \"-\" test a all";
    assert_eq!(lines(&file, 1).await, [line]);
}
