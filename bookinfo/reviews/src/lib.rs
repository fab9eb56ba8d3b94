//! reviews: two reviews of a book, as JSON, with stars where `ENABLE_RATINGS` is `true`.
//!
//! v1 has no stars; v2 asks ratings and has black ones; v3 has red ones (`STAR_COLOR=red`). When
//! ratings gives no answer, each review says so in place of its stars and the status stays 200.

use std::{fmt::Write, sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode};
use kit::{App, Env, Identity, Reuse, SERVED_BY, Upstream, forward};
use serde_json::Value;

/// The reviewers and what they wrote.
const REVIEWS: [(&str, &str); 2] = [
    ("Reviewer1", "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!"),
    (
        "Reviewer2",
        "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.",
    ),
];

/// The service's settings.
#[derive(Clone)]
pub struct Config {
    /// `STAR_COLOR`; black when unset.
    pub star_color: String,
    /// The pod's name, `HOSTNAME`; "null" when unset.
    pub pod: String,
    /// `CLUSTER_NAME`; "null" when unset.
    pub cluster: String,
    /// Where the stars come from, if `ENABLE_RATINGS` is `true`.
    pub ratings: Option<Upstream>,
}

impl Config {
    /// Reads the settings; the address of ratings is `RATINGS_HOSTNAME`, `SERVICES_DOMAIN` and
    /// `RATINGS_SERVICE_PORT` put together.
    #[must_use]
    pub fn read(env: &mut Env<'_>) -> Self {
        let star_color = env.text("STAR_COLOR", "black");
        // Red stars are impatient: a delay injected into ratings shows in v2 and v3 differently.
        let timeout = Duration::from_millis(if star_color == "black" { 10_000 } else { 2_500 });
        let address = env.service("ratings");
        let ratings = env.flag("ENABLE_RATINGS").then(|| Upstream::new(address, timeout, Reuse::Keep));
        let (pod, cluster) = (env.text("HOSTNAME", "null"), env.text("CLUSTER_NAME", "null"));
        Self { star_color, pod, cluster, ratings }
    }
}

/// The service's routes.
#[must_use]
pub fn app(identity: &Identity, config: Config) -> App {
    App::new(identity)
        .health(|| async { kit::json(StatusCode::OK, r#"{"status": "Reviews is healthy"}"#.to_owned()) })
        .route("/reviews/{id}", get(reviews).with_state(Arc::new(config)))
}

async fn reviews(State(config): State<Arc<Config>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Ok(id) = id.parse::<i32>() else { return StatusCode::NOT_FOUND.into_response() };
    let Some(ratings) = &config.ratings else {
        return kit::json(StatusCode::OK, render(&config, id, None));
    };
    let stars = ask(ratings, id, &headers).await;
    let mut response = kit::json(StatusCode::OK, render(&config, id, Some(&stars)));
    for hop in stars.served_by.get_all(SERVED_BY) {
        response.headers_mut().append(SERVED_BY, hop.clone());
    }
    response
}

/// What ratings said.
#[derive(Default)]
struct Stars {
    /// The object of reviewers and stars; null when ratings gave no answer.
    by_reviewer: Value,
    served_by: HeaderMap,
}

async fn ask(ratings: &Upstream, id: i32, headers: &HeaderMap) -> Stars {
    match ratings.get(&format!("/ratings/{id}"), forward(headers)).await {
        Ok(reply) if reply.status == StatusCode::OK => {
            let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            let by_reviewer = body.get_mut("ratings").map(Value::take).unwrap_or_default();
            Stars { by_reviewer, served_by: reply.headers }
        }
        Ok(reply) => {
            tracing::warn!(address = ratings.base(), status = reply.status.as_u16(), "ratings answered with an error");
            Stars { by_reviewer: Value::Null, served_by: reply.headers }
        }
        Err(error) => {
            tracing::warn!(address = ratings.base(), error = error.chain(), "ratings gave no answer");
            Stars::default()
        }
    }
}

/// The answer, blanks and all, as people and scripts know it from the original.
fn render(config: &Config, id: i32, stars: Option<&Stars>) -> String {
    let (pod, cluster) = (quoted(&config.pod), quoted(&config.cluster));
    let mut text = format!(r#"{{"id": "{id}","podname": {pod},"clustername": {cluster},"reviews": ["#);
    for (index, (reviewer, review)) in REVIEWS.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let rating = stars.map(|stars| rating(config, &stars.by_reviewer[reviewer])).unwrap_or_default();
        // Writing into a String cannot fail.
        write!(text, r#"{comma}{{  "reviewer": "{reviewer}",  "text": "{review}"{rating}}}"#).ok();
    }
    text.push_str("]}");
    text
}

fn rating(config: &Config, stars: &Value) -> String {
    match stars.as_i64() {
        Some(stars) => format!(r#", "rating": {{"stars": {stars}, "color": {}}}"#, quoted(&config.star_color)),
        None => r#", "rating": {"error": "Ratings service is currently unavailable"}"#.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
