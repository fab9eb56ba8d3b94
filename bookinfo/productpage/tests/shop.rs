//! The four services in this process, each on a port of its own, and a client that shows all of an answer.

use std::{future::pending, time::Duration};

use kit::{App, Env, Identity, bind, serve};
use productpage::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Who `service` is in these tests.
pub(crate) fn identity(service: &'static str, version: &str) -> Identity {
    Identity { service, version: version.to_owned(), pod: Some(format!("{service}-{version}-pod")) }
}

/// Serves `app` for as long as the test runs; gives its port.
pub(crate) async fn start(app: App) -> u16 {
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, app, pending()));
    port
}

/// A port where nothing listens.
pub(crate) async fn closed_port() -> u16 {
    bind(0).await.unwrap().local_addr().unwrap().port()
}

/// details as it is.
pub(crate) async fn details() -> u16 {
    start(details::app(&identity("details", "v1"), details::Config::BuiltIn)).await
}

/// ratings as it is.
pub(crate) async fn ratings() -> u16 {
    start(ratings::app(&identity("ratings", "v1"), ratings::Variant::Well)).await
}

/// reviews in version v1, v2 or v3, with ratings at `ratings`.
pub(crate) async fn reviews(version: &str, ratings: u16) -> u16 {
    let read = |name: &str| match name {
        "ENABLE_RATINGS" => Some((version != "v1").to_string()),
        "STAR_COLOR" if version == "v3" => Some("red".to_owned()),
        "RATINGS_HOSTNAME" => Some("127.0.0.1".to_owned()),
        "RATINGS_SERVICE_PORT" => Some(ratings.to_string()),
        "HOSTNAME" => Some(format!("reviews-{version}-pod")),
        _ => None,
    };
    let config = reviews::Config::read(&mut Env::new(&read));
    start(reviews::app(&identity("reviews", version), config)).await
}

/// productpage's settings with the others at these ports.
pub(crate) fn config(details: u16, reviews: u16, ratings: u16) -> Config {
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let (details, reviews, ratings) = (at(details), at(reviews), at(ratings));
    Config { details, reviews, ratings, flood: 0, timeout: Duration::from_secs(3) }
}

/// productpage, not yet started.
pub(crate) fn productpage(config: &Config) -> App {
    productpage::app(&identity("productpage", "v1"), config)
}

/// An answer: status, the lines of its head, and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// All values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
    }
}

/// Gets `path` with `headers`, which are whole lines.
pub(crate) async fn get(port: u16, path: &str, headers: &[&str]) -> Answer {
    send(port, &format!("GET {path}"), headers, "").await
}

/// Sends a request; `start` is its method and path.
pub(crate) async fn send(port: u16, start: &str, headers: &[&str], body: &str) -> Answer {
    let mut request =
        format!("{start} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        request += &format!("{header}\r\n");
    }
    request += &format!("\r\n{body}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
