use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use kit::{Env, Reuse, Upstream, forward};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use serde_json::{Value, json};

use crate::session;

/// How long productpage waits for a whole answer of another service.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The service's settings.
#[derive(Clone)]
pub struct Config {
    /// Base address of details.
    pub details: String,
    /// Base address of reviews.
    pub reviews: String,
    /// Base address of ratings.
    pub ratings: String,
    /// `FLOOD_FACTOR`, 0 to 255: this many extra calls to reviews per page view, to try rate limits with.
    pub flood: u8,
    /// How long each call may take: three seconds, less in tests.
    pub timeout: Duration,
}

impl Config {
    /// Reads the settings: `{DETAILS,REVIEWS,RATINGS}_{HOSTNAME,SERVICE_PORT}`, `SERVICES_DOMAIN`, `FLOOD_FACTOR`.
    #[must_use]
    pub fn read(env: &mut Env<'_>) -> Self {
        let [details, reviews, ratings] = ["details", "reviews", "ratings"].map(|name| env.service(name));
        let flood = env.number("FLOOD_FACTOR", 0);
        Self { details, reviews, ratings, flood, timeout: TIMEOUT }
    }
}

/// Results of calls by service and status code, under the name that the original uses.
pub(crate) type Results = Family<ResultKey, Counter>;

/// The labels of [`Results`].
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ResultKey {
    destination_app: &'static str,
    response_code: u32,
}

/// A service that productpage calls.
pub(crate) struct Backend {
    /// Also the first part of its paths.
    name: &'static str,
    /// What it provides, as the error message calls it.
    provides: &'static str,
    /// How often a call is tried. Reviews is tried twice without regard to the whole time that this takes:
    /// a fault of the original on which the fault-injection exercise builds.
    tries: u8,
    upstream: Upstream,
    results: Results,
}

/// A service's answer as this one passes it on.
pub(crate) struct Answer {
    /// The service's status; 500 when it gave none.
    pub(crate) status: StatusCode,
    /// The service's JSON if the status is 200, else an object with `error`.
    pub(crate) body: Bytes,
    /// The headers of the service's answer; empty if there was none.
    pub(crate) headers: HeaderMap,
    /// What the service did if the status is not 200.
    pub(crate) cause: String,
}

impl Backend {
    pub(crate) fn new(name: &'static str, address: &str, config: &Config, results: &Results) -> Self {
        let (provides, tries) = match name {
            "reviews" => ("product reviews", 2),
            "ratings" => ("product ratings", 1),
            _ => ("product details", 1),
        };
        // A new connection each time: without a mesh, too, reloading the page shows the versions of reviews in turn.
        let upstream = Upstream::new(address.to_owned(), config.timeout, Reuse::Never);
        Self { name, provides, tries, upstream, results: results.clone() }
    }

    /// The service's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The base address.
    pub(crate) fn address(&self) -> &str {
        self.upstream.base()
    }

    /// Asks for a product. `id` stands in the path as it is, so it must be valid there.
    pub(crate) async fn get(&self, id: &str, headers: &HeaderMap) -> Answer {
        let mut answer = self.get_once(id, headers).await;
        for _ in 1..self.tries {
            if answer.status != StatusCode::OK {
                answer = self.get_once(id, headers).await;
            }
        }
        let key = ResultKey { destination_app: self.name, response_code: answer.status.as_u16().into() };
        self.results.get_or_create(&key).inc();
        answer
    }

    async fn get_once(&self, id: &str, headers: &HeaderMap) -> Answer {
        match self.upstream.get(&format!("/{}/{id}", self.name), headers.clone()).await {
            Ok(reply) if reply.status == StatusCode::OK && is_json(&reply.body) => {
                Answer { status: StatusCode::OK, body: reply.body, headers: reply.headers, cause: String::new() }
            }
            Ok(reply) if reply.status == StatusCode::OK => {
                let cause = format!("{} answered with something that is not JSON", self.name);
                self.failed(StatusCode::INTERNAL_SERVER_ERROR, reply.headers, cause)
            }
            Ok(reply) => {
                let cause = format!("{} answered {}", self.name, reply.status);
                self.failed(reply.status, reply.headers, cause)
            }
            Err(error) => {
                let cause = format!("{} gave no answer: {}", self.name, error.chain());
                self.failed(StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), cause)
            }
        }
    }

    fn failed(&self, status: StatusCode, headers: HeaderMap, cause: String) -> Answer {
        tracing::warn!(address = self.address(), "{cause}");
        let error = format!("Sorry, {} are currently unavailable for this book.", self.provides);
        Answer { status, body: json!({ "error": error }).to_string().into(), headers, cause }
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// The headers for calls made on behalf of a request: its tracing headers, and who is signed in.
pub(crate) fn outgoing(incoming: &HeaderMap) -> HeaderMap {
    let mut headers = forward(incoming);
    if let Some(user) = session::user(incoming).and_then(|user| HeaderValue::from_bytes(user.as_bytes()).ok()) {
        headers.insert("end-user", user);
    }
    headers
}

/// The message in the body of a failed [`Answer`].
pub(crate) fn message(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["error"].as_str().unwrap_or_default().to_owned()
}
