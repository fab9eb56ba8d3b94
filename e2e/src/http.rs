//! Plain HTTP, as a visitor of a listener on this machine.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body; bytes that are no UTF-8 are replaced.
    pub body: String,
}

/// Asks for `url` on a connection of its own, so that each call meets a Service's choice anew.
///
/// # Errors
/// There is no listener, or no answer within 10 seconds.
pub async fn get(url: &str) -> Result<Answer> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let ask = async {
        let response = client.get(url.parse()?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        anyhow::Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), ask).await;
    answer.with_context(|| format!("{url} does not answer in time"))?.with_context(|| format!("cannot get {url}"))
}
